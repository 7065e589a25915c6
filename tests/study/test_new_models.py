"""Tables and curves of models whose parts, or settings of a part's own, the chapter does not have."""

from pathlib import Path

import pandas as pd
import pytest
from tests.bench.folders import write_finished

from ncvqvae.bench.job import Run
from ncvqvae.bench.suites import ModelEntry, Suite
from ncvqvae.study.pictures import load_curves, ssl_curves
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


@pytest.mark.parametrize(
    ("models", "lines"),
    [
        (CHAPTER | NEW, {"mine": ["model mine"], "vibcreg": ["model coded", "model vibcreg-gauss"]}),
        (CHAPTER, {"vibcreg": ["augmentation gauss"]}),
    ],
)
def test_curves_of_models_that_share_loss_and_augmentation_are_a_line_each(
    models: dict[str, dict[str, object]], lines: dict[str, list[str]], tmp_path: Path
) -> None:
    figure = ssl_curves(load_curves(written(tmp_path / "bench", models)))
    assert figure is not None
    panels = {axes.get_title(): [line.get_label() for line in axes.get_lines()] for axes in figure.axes}
    assert {f"Homemade, {name}": labels for name, labels in lines.items()}.items() <= panels.items()
