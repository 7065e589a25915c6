"""Trackers that fail: one warning, and the training ends in the same weights."""

import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from tests.full_disk import files_end_at
from tests.training.test_loop import Killed, Line, assert_same_weights, killer, line

from ncvqvae.training.tracker import Tracker


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_FSIZE")
def test_tensorboard_on_a_full_disk_is_one_warning(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    alone, tracked = Line(), Line()
    line(30)(alone)
    logger = TensorBoardLogger(tmp_path, name="tensorboard", version="")
    with files_end_at(500), pytest.warns(UserWarning, match=r"TensorBoardLogger failed \(OSError.*goes on") as said:
        line(30)(tracked, logger=logger)
    assert len([each for each in said if "TensorBoardLogger" in str(each.message)]) == 1
    assert_same_weights(tracked, alone)
    del logger
    assert "Traceback" not in capfd.readouterr().err


def test_a_tracker_hears_of_every_row_and_of_the_end(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path, name="csv", version="")
    trained = line(7)(Line(), logger=logger)
    rows = (tmp_path / "csv/metrics.csv").read_text().splitlines()
    assert len(rows) == 1 + len(trained.history) == 8


class Failing:
    """Fails at one of its methods, and counts the calls."""

    def __init__(self, method: str) -> None:
        self.method, self.calls = method, list[str]()

    def __getattr__(self, name: str) -> Any:
        def call(*_: Any) -> None:
            self.calls.append(name)
            if name == self.method:
                raise ConnectionError("no network")

        return call


@pytest.mark.parametrize(("method", "calls"), [("log_metrics", ["log_metrics"]), ("finalize", None)])
def test_a_tracker_that_fails_is_asked_no_more(method: str, calls: list[str] | None) -> None:
    logger = Failing(method)
    with pytest.warns(UserWarning, match=r"Failing failed \(ConnectionError: no network\)"):
        line(5)(Line(), logger=logger)
    assert logger.calls == (calls or ["log_metrics"] * 5 + ["finalize"])


def test_a_training_that_fails_tells_its_tracker() -> None:
    ended: list[str] = []

    class Told(Failing):
        def finalize(self, status: str) -> None:
            ended.append(status)

    with pytest.raises(Killed):
        line(5)(Line(), logger=Told(""), report=killer(3))
    line(5)(Line(), logger=Told(""))
    assert ended == ["failed", "success"]


def test_threads_of_others_still_say_what_they_died_of(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[object] = []
    monkeypatch.setattr(threading, "excepthook", heard.append)
    before = threading.excepthook
    with Tracker(Failing("")):
        threading.excepthook(threading.ExceptHookArgs([ValueError, ValueError(), None, threading.current_thread()]))
    assert threading.excepthook == before and len(heard) == 1
