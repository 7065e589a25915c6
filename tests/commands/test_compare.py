"""Runs side by side: the series that are shown are those that the metrics are of."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.figure import Figure
from tests.bench.tasks import TINY

from ncvqvae import NCVQVAE, InputError, load_splits
from ncvqvae.commands.compare import compare_runs
from ncvqvae.evaluation.binding import run_digest
from ncvqvae.report.content import ReportContent
from ncvqvae.report.model_pictures import Plates

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 1, 32)).astype(np.float32), np.array(["a", "b"] * 10)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without an evaluation."""
    return run_in(tmp_path_factory.mktemp("work"), y=Y)


def run_in(parent: Path, **labels: np.ndarray) -> Path:
    folder = parent / "run"
    np.savez(folder.parent / "data.npz", X=X, **labels)
    splits = load_splits(folder.parent / "data.npz", seed=1)
    model = NCVQVAE("quick", settings=TINY, seed=1).fit(splits.X_train, splits.y_train)
    model.save_pretrained(folder)
    (folder / "data.yaml").write_text(yaml.safe_dump({"data": str(folder.parent / "data.npz")}))
    pd.DataFrame(model.history_).to_csv(folder / "history.csv", index=False)
    return folder


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[ReportContent]:
    """What the pages show, in place of the pages."""
    contents: list[ReportContent] = []
    monkeypatch.setattr("ncvqvae.report.page.write_comparison", lambda found, _: contents.extend(found))
    for name in ("report.model_pictures.save_model_pictures", "study.pictures.save_pictures"):
        monkeypatch.setattr(f"ncvqvae.{name}", lambda *_: [])
    return contents


@pytest.mark.parametrize(("metrics", "seed"), [({"fid": 1.0}, 1), ({"fid": 1.0, "evaluation_seed": 7.0}, 7)])
def test_the_series_are_those_of_the_metrics(
    metrics: dict[str, float], seed: int, run: Path, shown: list[ReportContent]
) -> None:
    (run / "metrics.json").write_text(json.dumps(metrics))
    compare_runs([run], run.parent / "comparison.html")
    (content,) = shown
    assert content.X_unconditional is not None and content.X_labelled is not None
    model = NCVQVAE.from_pretrained(run)
    expected = model.sample(len(content.X_unconditional), unconditional=True, seed=seed).X
    assert np.array_equal(content.X_unconditional, expected)
    assert np.array_equal(content.X_labelled, model.sample(len(content.X_labelled), seed=seed + 1).X)


def test_runs_bring_their_folder_digest_and_settings(run: Path, shown: list[ReportContent]) -> None:
    (run / "metrics.json").write_text(json.dumps({"fid": 1.0}))
    compare_runs([run], run.parent / "comparison.html")
    (content,) = shown
    assert content.folder == str(run) and content.digest == run_digest(run)
    assert content.settings["preset"] == "quick" and content.settings["seed"] == "1"
    assert content.settings["stage1.max_steps"] == str(NCVQVAE.from_pretrained(run).config_.stage1.max_steps)


def test_a_run_without_an_evaluation_is_said(run: Path) -> None:
    (run / "metrics.json").unlink(missing_ok=True)
    with pytest.raises(InputError, match="has no metrics yet; first run: ncvqvae evaluate"):
        compare_runs([run], run.parent / "comparison.html")


def test_chosen_classes_have_as_many_series_as_asked_for(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr("ncvqvae.report.page.write_comparison", lambda *_: None)
    monkeypatch.setattr("ncvqvae.study.pictures.save_pictures", lambda *_: [])
    monkeypatch.setattr(
        "ncvqvae.report.model_pictures.save_all",
        lambda drawings, _: drawn.extend(draw() for name, draw in drawings.items() if name == "series_by_model"),
    )
    (run / "metrics.json").write_text(json.dumps({"fid": 1.0}))
    compare_runs([run], run.parent / "plates.html", classes=["b", "b"], per_class=7)
    panels = {ax.get_title(): len(ax.lines) for ax in drawn[0].axes}
    real = [title for title in panels if title.startswith(("train, class b", "test, class b"))]
    (made,) = [title for title in panels if "class b" in title and title not in real]
    assert made.endswith("n = 7") and panels[made] == 7 and len(real) == 2
    assert not any("class a" in title for title in panels)
    for classes, words in (
        (["c"], "unknown label 'c'"),
        (["A"], "did you mean 'a'"),
        ([str(i) for i in range(9)], "a picture shows 1 to 8 of them"),
    ):
        with pytest.raises(InputError, match=words):
            compare_runs([run], run.parent / "never.html", classes=classes)
    assert not (run.parent / "never.html").exists()


def test_classes_are_meant_as_the_command_line_writes_them(
    tmp_path: Path, shown: list[ReportContent], monkeypatch: pytest.MonkeyPatch
) -> None:
    plates: list[Plates] = []
    monkeypatch.setattr("ncvqvae.report.model_pictures.save_model_pictures", lambda *given: plates.append(given[2]))
    (tmp_path / "numbered").mkdir()
    for parent, labels in ((tmp_path / "numbered", {"y": np.array([1, 2] * 10)}), (tmp_path, {})):
        run = run_in(parent, **labels)
        (run / "metrics.json").write_text(json.dumps({"fid": 1.0}))
        if labels:
            compare_runs([run], parent / "page.html", classes=["2"])
            assert plates[0].classes == [2]
        else:
            with pytest.raises(InputError, match=r"unknown label '2'; .* had no labels"):
                compare_runs([run], parent / "page.html", classes=["2"])
            monkeypatch.setattr("ncvqvae.commands.compare.read_fitted", None)  # refused before any series is read
            with pytest.raises(InputError, match="no run has labels"):
                compare_runs([run], parent / "page.html", per_class=3)
            assert not (parent / "page.html").exists()
