import itertools
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from ncvqvae.errors import InputError
from ncvqvae.report.content import Sample
from ncvqvae.report.page_data import report_payload
from ncvqvae.report.pictures import (
    generated_against_real,
    loss_curves,
    pca_of_series,
    save_all,
    save_pictures,
)
from ncvqvae.report.plots import SERIES_PER_PANEL
from ncvqvae.report.style import DARK, LIGHT, class_style, new_figure, panel_title, value_limits
from ncvqvae.report.token_pictures import codebook_plane, confidence_per_step, token_histogram

from .contents import full_content, minimal_content, sines

EVERY_PICTURE = {
    "loss_curves",
    "reconstructions",
    "generated_against_real",
    "pca_of_series",
    "tsne_of_latents",
    "pca_of_latents",
    "codebook",
    "token_usage",
    "code_matrices",
    "decoding_confidence",
    "decoding_entropy",
}


def test_every_picture_is_written_and_nothing_else(tmp_path: Path) -> None:
    paths = save_pictures(full_content(), tmp_path / "figures")
    assert {path.stem for path in paths} == EVERY_PICTURE
    assert sorted(paths) == sorted((tmp_path / "figures").iterdir())
    assert all(path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" for path in paths)


def test_a_picture_that_fails_halfway_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "codebook.png").write_bytes(b"old")
    write = Path.write_bytes

    def half(self: Path, content: bytes) -> int:
        write(self, content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(InputError, match="No space left"):
        save_all({"codebook": lambda: new_figure(2, 2, "codes")}, tmp_path)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("codebook.png", b"old")]


def test_only_pictures_with_data_are_written(tmp_path: Path) -> None:
    assert {path.stem for path in save_pictures(minimal_content(), tmp_path)} == {
        "generated_against_real",
        "pca_of_series",
    }
    assert save_pictures(minimal_content(X_unconditional=None), tmp_path / "none") == []


def test_loss_curves_show_every_term_of_both_stages() -> None:
    figure = loss_curves(full_content().history)
    shown = [[line.get_label() for line in ax.lines] for ax in figure.axes]
    assert shown == [["loss", "recon", "ssl"], ["loss", "prior"]]
    assert {ax.get_yscale() for ax in figure.axes} == {"log"}
    assert loss_curves([{"stage": "stage1", "step": 1, "loss": -1.0}]).axes[0].get_yscale() == "linear"


def test_generated_series_stand_beside_train_and_test_of_their_class() -> None:
    X, y = sines(200, channels=3)
    made = Sample(X[:30], y[:30])
    figure = generated_against_real(Sample(X, y), Sample(X[:60], y[:60]), made, unconditional=X[:10], classes=[1])
    counts = [len(ax.lines) for ax in figure.axes]
    # rows: class 1 and all classes; columns: train, test, generated; three channels each
    assert counts == [SERIES_PER_PANEL] * 3 + [30] * 3 + [15] * 3 + [SERIES_PER_PANEL] * 6 + [10] * 3
    drawn = {tuple(line.get_ydata()) for line in figure.axes[6].lines}
    assert drawn == {tuple(series[0]) for series in X[1:30:2]}


def test_an_outlier_does_not_squeeze_the_panels() -> None:
    values = np.r_[np.linspace(-1, 1, 5000), 1e6]
    low, high = value_limits(values)
    assert -2 < low < -1 and 1 < high < 2


def test_pca_of_series_draws_the_three_splits_in_one_plane() -> None:
    (X, y), (made, _) = sines(20), sines(8, seed=1)
    figure = pca_of_series(Sample(X[:12], y[:12]), Sample(X[12:], y[12:]), Sample(made, None))
    sizes = [sum(len(part.get_offsets()) for part in ax.collections) for ax in figure.axes]
    assert sizes == [12, 8, 8]
    assert len({ax.get_xlim() for ax in figure.axes}) == 1


def test_labels_that_begin_with_an_underscore_stand_in_the_legend() -> None:
    labels = np.array(["_hidden", "shown", ""], dtype=object)[np.arange(20) % 3]
    parts = [Sample(sines(20, seed=seed)[0], labels) for seed in range(3)]
    (legend,) = pca_of_series(*parts).legends
    assert [text.get_text() for text in legend.get_texts()] == ["(empty)", "_hidden", "shown"]


def test_token_histogram_shows_shares_and_perplexity() -> None:
    figure = token_histogram({"train": np.array([[0, 1], [2, 3]]), "generated": np.zeros((3, 2), int)}, 4)
    heights = [[bar.get_height() for bar in ax.patches] for ax in figure.axes]
    assert heights == [[0.25] * 4, [1, 0, 0, 0]]
    titles = [ax.get_title() for ax in figure.axes]
    assert "perplexity 4.0 of 4, 0 unused" in titles[0] and "perplexity 1.0 of 4, 3 unused" in titles[1]


def test_confidence_says_how_much_is_above_nine_tenths() -> None:
    selected = np.full((2, 1, 4), np.nan)
    selected[0] = [0.95, 0.1, 0.2, 0.3]
    titles = [ax.get_title() for ax in confidence_per_step(selected).axes]
    assert titles == ["step 1: 25% above 0.9", "step 2: none drawn"]


def test_unused_codes_are_hollow() -> None:
    points = codebook_plane(np.eye(4), np.array([[0, 0, 1]])).axes[0].collections[0]
    assert [face[3] > 0 for face in points.get_facecolors()] == [True, True, False, False]
    sizes = points.get_sizes()
    assert sizes[0] > sizes[1] > sizes[2] == sizes[3]


def test_pictures_leave_the_global_state_of_matplotlib_alone() -> None:
    code = "import sys, ncvqvae.report.pictures; print('matplotlib.pyplot' in sys.modules, 'sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["False", "False"]


# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB
READERS = {
    "usual": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(color: str) -> np.ndarray:
    c = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    x = TO_XYZ @ np.clip(rgb, 0, 1) / np.array([0.9505, 1, 1.089])
    f = np.where(x > 0.008856, np.cbrt(x), 7.787 * x + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("reader", READERS)
def test_colours_differ_for_every_reader(palette: tuple[str, ...], reader: str) -> None:
    seen = [lab(np.array(READERS[reader]) @ linear(color)) for color in palette]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) >= 10.5


@pytest.mark.parametrize(("palette", "background"), [(LIGHT, "#f6f7f9"), (DARK, "#1b2028")], ids=["light", "dark"])
def test_colours_stand_out_from_the_background(palette: tuple[str, ...], background: str) -> None:
    luminance = [float(TO_XYZ[1] @ linear(color)) + 0.05 for color in (*palette, background)]
    contrasts = [max(part, luminance[-1]) / min(part, luminance[-1]) for part in luminance[:-1]]
    assert min(contrasts) >= 2.95


def test_classes_differ_by_more_than_hue() -> None:
    styles = [class_style(i) for i in range(56)]
    assert len({(style.color, style.marker) for style in styles}) == 56
    assert len({style.marker for style in styles[:8]}) == 8 and len({style.dash for style in styles[:4]}) == 4


def test_channels_are_called_by_their_names_in_pictures_and_page() -> None:
    content = replace(full_content(channels=2), channels=("acc", "gyro"))
    figure = generated_against_real(
        Sample(content.X_train, content.y_train),
        Sample(content.X_test, content.y_test),
        None,
        content.X_unconditional,
        channel_names=content.channel_names,
    )
    assert {ax.get_title().rpartition(", ")[2] for ax in figure.axes} == {"acc", "gyro"}
    assert report_payload(content)["channels"] == ["acc", "gyro"]
    assert full_content(channels=2).channel_names == ["channel 1", "channel 2"]


ODD = ("$\\bad$", "_x", "\\frac{", "$$", "a|b", "#%&{}^~")


def test_labels_that_look_like_formulas_are_drawn_as_they_are(tmp_path: Path) -> None:
    def draw() -> Figure:
        figure = new_figure(3, 2, ODD[0])
        ax = figure.add_subplot(1, 2, 1)
        ax.set_yscale("log")
        for label in ODD:
            ax.plot([1, 10, 1000], label=label)
        ax.set_xticks(range(len(ODD)), ODD)
        panel_title(figure.add_subplot(1, 2, 2), ODD[0])
        ax.legend()
        return figure

    assert save_all({"odd": draw}, tmp_path)[0].stat().st_size
