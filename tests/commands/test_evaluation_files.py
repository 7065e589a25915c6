"""Files of an evaluation belong together: wherever it stops, nothing new stands beside something old."""

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.full_disk import files_end_at

from ncvqvae.commands.evaluate import Evaluated, _write_evaluation
from ncvqvae.errors import InputError
from ncvqvae.report import pictures
from ncvqvae.report.content import ReportContent

X = np.random.default_rng(0).normal(size=(6, 1, 20)).astype(np.float32)
OLD, NEW = "0" * 64, "1" * 64


@pytest.fixture(autouse=True)
def _drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures that say of which evaluation they are, and take no time."""
    names = ("loss_curves", "generated_against_real", "pca_of_series")
    monkeypatch.setattr(pictures, "_drawings", lambda content: {name: lambda: content for name in names})
    monkeypatch.setattr(pictures, "_png", lambda content: str(content.metrics["fid"]).encode())


def write(folder: Path, fid: float, of: str, suffix: str = "") -> Evaluated:
    return _write_evaluation(folder, ReportContent("data", X, X, metrics={"fid": fid}), suffix, of)


def evaluations(folder: Path) -> set[str]:
    """Which evaluations the files in a folder are of."""
    found = {str(json.loads(path.read_text())["fid"]) for path in folder.glob("metrics*.json")}
    found |= {path.read_text() for path in folder.glob("figures*/*.png")}
    runs = [re.search(r'name="ncvqvae-run" content="(\w+)"', path.read_text()) for path in folder.glob("*.html")]
    return found | {{OLD: "1.0", NEW: "2.0"}[run[1]] for run in runs if run is not None}


class Stop(BaseException):
    """A kill at some moment."""


@pytest.mark.parametrize("call", ["replace", "unlink", "fsync"])
def test_wherever_it_stops_no_two_evaluations_are_mixed(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, states = getattr(os, call), set()
    for moment in range(100):
        folder = tmp_path / str(moment)
        write(folder, 1.0, OLD)
        (folder / "figures/mine.txt").write_text("of the user")
        count = 0

        def stopping(*given: Any, moment: int = moment, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count > moment:  # a killed process does nothing any more
                raise Stop
            return original(*given, **options)

        with monkeypatch.context() as patched:
            patched.setattr(os, call, stopping)
            try:
                write(folder, 2.0, NEW)
            except Stop:
                pass
            else:
                break
        states.add(frozenset(evaluations(folder)))
        assert evaluations(folder) in ({"1.0"}, {"2.0"}), moment
        assert (folder / "figures/mine.txt").exists()
    assert evaluations(folder) == {"2.0"} and moment > 3
    assert frozenset({"1.0"}) in states


def test_metrics_and_page_of_given_samples_say_the_model_too(tmp_path: Path) -> None:
    evaluated = write(tmp_path, 1.0, OLD, "-rival")
    assert json.loads((tmp_path / "metrics-rival.json").read_text())["run"] == OLD
    assert OLD in evaluated.files["report"].read_text() and OLD[:12] in evaluated.files["report"].read_text()
    without = _write_evaluation(tmp_path, ReportContent("data", X, X, metrics={"fid": 1.0}))
    assert "ncvqvae-run" not in without.files["report"].read_text()


def test_a_full_disk_leaves_the_evaluation_as_it_was(tmp_path: Path) -> None:
    write(tmp_path, 1.0, OLD)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with files_end_at(2000), pytest.raises(InputError, match="File too large"):
        write(tmp_path, 2.0, NEW)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_picture_that_cannot_be_drawn_costs_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, 1.0, OLD)

    def png(content: ReportContent) -> bytes:
        monkeypatch.setattr(pictures, "_png", lambda content: b"2.0")
        raise RuntimeError("no font\nat all")

    monkeypatch.setattr(pictures, "_png", png)
    with pytest.warns(UserWarning, match=r"1 pictures were not drawn \(loss_curves: RuntimeError: no font at all\)"):
        write(tmp_path, 2.0, NEW)
    assert evaluations(tmp_path) == {"2.0"} and len(list(tmp_path.glob("figures/*.png"))) == 2


def test_facts_of_the_content_stay_as_they_were(tmp_path: Path) -> None:
    content = ReportContent("data", X, X, metrics={"fid": 1.0}, facts={"seed": "0"})
    _write_evaluation(tmp_path, content, of=OLD)
    assert content.facts == {"seed": "0"} and content.digest == ""
