"""The chapter's pictures, also of models that the chapter does not know."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from tests.bench.folders import write_finished

from ncvqvae.bench.suites import load_suite
from ncvqvae.errors import InputError
from ncvqvae.study.pictures import bars, model_looks, save, save_pictures, scatter, with_final_losses
from ncvqvae.study.rows import CHAPTER_MODELS, chapter_model, main_models
from ncvqvae.study.tables import write_all

METRICS = ("val_recon", "knn", "svm", "fid", "is", "cas", "copied")


def rows_of(models: dict[str, tuple[str, str]], n_seeds: int = 2) -> pd.DataFrame:
    """Random metrics of models, by name their SSL loss and augmentation."""
    rng = np.random.default_rng(0)
    identity = [
        {"dataset": dataset, "ssl": ssl, "augmentation": view, "model": name, "seed": seed, "preset": "paper"}
        for name, (ssl, view) in models.items()
        for dataset in ("A", "B", "C")
        for seed in range(n_seeds)
    ]
    return pd.DataFrame([row | dict.fromkeys(METRICS, 0.0) for row in identity]).assign(
        **{metric: rng.uniform(0.1, 1, len(identity)) for metric in METRICS}
    )


def curves_of(rows: pd.DataFrame) -> pd.DataFrame:
    steps = pd.DataFrame({"step": [1, 50, 100], "ssl": [1.0, 0.5, 0.2], "recon": [1.0, 0.4, 0.1]})
    curves = rows[["dataset", "model", "seed", "ssl", "augmentation"]].rename(columns={"ssl": "method"})
    return curves.merge(steps, how="cross").assign(weight=0.1)


NEW = {"mine": ("byol", "jitter"), "mine-too": ("byol", "jitter"), "other": ("vicreg", "gauss")}


def test_a_study_of_new_models_alone_has_every_table_and_picture(tmp_path: Path) -> None:
    rows = rows_of(NEW).assign(settings=None)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    files = {path.name for path in write_all(tmp_path / "rows.csv", tmp_path / "tables")}
    assert {f"table-{number}.md" for number in range(1, 9)} <= files
    wanted = {"figure-01-reconstruction", "figure-08-fid-and-is", "figure-10-knn-against-is", "ranks-fid"}
    assert {f"{name}.png" for name in wanted} <= files
    assert "| mine |" in (tmp_path / "tables" / "table-1.md").read_text()

    curves = curves_of(rows)
    drawn = {path.stem for path in save_pictures(with_final_losses(rows, curves), curves, tmp_path / "pictures")}
    assert {"figure-06-ssl-loss", "figure-07-knn-against-ssl-loss", *wanted} - drawn == {"ranks-fid"}


def test_new_models_stand_beside_the_chapters_and_look_different() -> None:
    chapter = {chapter_model(ssl, view): (ssl, view) for ssl, view in (("none", "none"), ("vibcreg", "gauss"))}
    rows = rows_of(NEW | chapter | {"vibcreg-gauss+T-1": ("vibcreg", "gauss")})
    assert main_models(rows) == ["none", "vibcreg-gauss", "mine", "mine-too", "other"]
    looks = model_looks(rows)
    assert len({looks[name] for name in main_models(rows)}) == 5
    alone = model_looks(rows_of(chapter))
    assert {name: looks[name] for name in chapter} == alone  # as in any other study
    figure = scatter(rows, "knn", "fid")
    assert figure is not None
    assert [text.get_text() for text in figure.legends[0].get_texts()] == main_models(rows)
    assert {ax.get_yscale() for ax in figure.axes} == {"log"}


def test_the_looks_of_the_chapters_models_differ() -> None:
    models = {name: ("none", "none") if name == "none" else tuple(name.split("-")) for name in CHAPTER_MODELS}
    looks = model_looks(rows_of(models))  # type: ignore[arg-type]
    assert len(set(looks.values())) == 7
    assert len({look.colour for look in looks.values()}) == 3 and looks["vibcreg-slice"].marker == "^"


def test_bars_are_means_over_seeds() -> None:
    rows = rows_of(NEW)
    figure = bars(rows, ["fid"])
    assert figure is not None
    found = [
        bar.get_height() for container in figure.axes[0].containers for bar in container if hasattr(bar, "get_hatch")
    ]
    expected = rows.groupby(["model", "dataset"])["fid"].mean()
    assert found == pytest.approx(expected.tolist())


def test_a_picture_that_breaks_off_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(Figure(), tmp_path / "picture")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def half(figure: Figure, path: Path, **_: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", half)
    with pytest.raises(InputError, match="No space left"):
        save(Figure(), tmp_path / "picture")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert set(before) == {"picture.png", "picture.pdf"}


def test_metrics_of_a_later_version_do_no_harm(tmp_path: Path) -> None:
    paper = load_suite("paper").select(["A"], ["none"], seeds=1)
    write_finished(paper, tmp_path, lambda run: {"fid": 1.0, "new": 2.0, "dataset": 3.0})
    path = tmp_path / "A/none/0/metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"note": "by hand"}))
    write_all(tmp_path, tmp_path / "tables")
    row = pd.read_csv(tmp_path / "tables" / "rows.csv").iloc[0]
    assert (row["dataset"], row["new"]) == ("A", 2.0)
