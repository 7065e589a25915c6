"""Signals that end a training: a checkpoint of the last step first, then whoever handled the signal before."""

import os
import signal
from pathlib import Path

import pytest
from tests.training.test_loop import Line, assert_same_weights, line

from ncvqvae.training.checkpoints import SIGNALS, WholeFileIO


class Passed(Exception):
    """Raised by the handler that was there before."""


def passed_on(number: int, _: object) -> None:
    raise Passed(number)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_leaves_a_checkpoint_and_is_passed_on(number: int, tmp_path: Path) -> None:
    before = signal.signal(number, passed_on)
    try:
        with pytest.raises(Passed):
            line(20)(Line(), checkpoints=tmp_path, report=lambda step, *_: step == 7 and os.kill(os.getpid(), number))
        assert signal.getsignal(number) is passed_on
    finally:
        signal.signal(number, before)
    saved = WholeFileIO().load_checkpoint(tmp_path / "line.ckpt", "cpu")
    assert 7 <= saved["global_step"] <= 8
    unbroken, resumed = Line(), Line()
    line(20)(unbroken)
    line(20)(resumed, checkpoints=tmp_path)
    assert_same_weights(resumed, unbroken)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no SIGHUP")
def test_a_hangup_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        report = lambda step, *_: os.kill(os.getpid(), signal.SIGHUP)  # noqa: E731
        assert len(line(5)(Line(), checkpoints=tmp_path, report=report).history) == 5
    finally:
        signal.signal(signal.SIGHUP, before)
