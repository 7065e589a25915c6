"""Tables and pictures of models that the chapter does not have."""

from pathlib import Path

import matplotlib as mpl
import pandas as pd
from tests.bench.folders import write_finished

from ncvqvae.bench.job import Run
from ncvqvae.bench.suites import ModelEntry, Suite
from ncvqvae.study.pictures import COLOURS, bars, load_curves, scatter
from ncvqvae.study.rows import collect_rows
from ncvqvae.study.tables import write_all

NEW = {
    "mine": {"ssl": "mine", "augmentation": "flip", "stage1.ssl_settings": {"floor": 0.5}},
    "mine+T-5": {"ssl": "mine", "augmentation": "flip", "stage1.ssl_settings": {"floor": 0.5}, "sampling.n_steps": 5},
    "mine+floor": {"ssl": "mine", "augmentation": "flip", "stage1.ssl_settings": {"floor": 1.0}},
    "coded": {"ssl": "vibcreg", "augmentation": "gauss", "tokenizer.quantizer": "mine"},
}
METRICS = ("val_recon", "knn", "svm", "fid", "is", "cas", "cas_rocket")
CHAPTER = {
    "none": {"ssl": "none"},
    "vibcreg-gauss": {"ssl": "vibcreg", "augmentation": "gauss"},
}


def written(folder: Path, models: dict[str, dict[str, object]]) -> Path:
    def metrics(run: Run) -> dict[str, float]:
        return {name: 0.1 + 0.2 * run.seed + 0.05 * list(models).index(run.model) for name in METRICS}

    entries = {name: ModelEntry(name, "paper", dict(settings)) for name, settings in models.items()}
    write_finished(Suite({"Homemade": {"data": "Homemade"}}, entries, [0, 1]), folder, metrics)
    return folder


def test_a_suite_of_new_models_alone_has_all_its_tables_and_pictures(tmp_path: Path) -> None:
    files = {path.name for path in write_all(written(tmp_path / "bench", NEW), tmp_path / "out")}
    for name in ("figure-01-reconstruction", "figure-06-ssl-loss", "figure-08-fid-and-is", "figure-11-knn-against-fid"):
        assert {f"{name}.png", f"{name}.pdf"} <= files
    table = (tmp_path / "out" / "table-1.md").read_text()
    assert "| runs | coded | mine |" in table
    switches = pd.read_csv(tmp_path / "out" / "switches.csv")
    assert set(switches["switch"]) == {"sampling.n_steps"}  # none of the two floors is the preset's own


def test_new_models_stand_beside_the_chapters_in_colours_of_their_own(tmp_path: Path) -> None:
    folder = written(tmp_path / "bench", CHAPTER | NEW)
    rows = collect_rows(folder)
    figure = bars(rows, ["fid"])
    assert figure is not None
    legend = figure.axes[0].get_legend()
    assert legend is not None
    colours = {
        text.get_text(): mpl.colors.to_hex(patch.get_facecolor())
        for text, patch in zip(legend.get_texts(), legend.get_patches(), strict=True)
    }
    assert list(colours) == ["none", "vibcreg-gauss", "coded", "mine"]
    assert (colours["none"], colours["vibcreg-gauss"]) == (COLOURS["none"], COLOURS["vibcreg"])
    assert len(set(colours.values())) == 4
    points = scatter(rows, "knn", "fid")
    assert points is not None
    assert [text.get_text() for text in points.legends[0].get_texts()] == list(colours)


def test_curves_of_new_models_are_a_line_each(tmp_path: Path) -> None:
    from ncvqvae.study.pictures import ssl_curves

    figure = ssl_curves(load_curves(written(tmp_path / "bench", CHAPTER | NEW)))
    assert figure is not None
    panels = {axes.get_title(): [line.get_label() for line in axes.get_lines()] for axes in figure.axes}
    assert panels["Homemade, mine"] == ["model mine"]
    assert panels["Homemade, vibcreg"] == ["model coded", "model vibcreg-gauss"]
