"""Waiting threads soon sleep in processes of the command line and of a bench, unless the user wants otherwise."""

import os
import subprocess
import sys

import pytest

from ncvqvae.commands.terminal import steps_status
from ncvqvae.threads import BRIEF, CHOSEN, busy_hint, wait_briefly

SAY = "print(*(os.environ.get(name) for name in ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT', 'KMP_BLOCKTIME')))"


def said(program: str, **given: str) -> list[str]:
    """What a new process says of the three variables."""
    clean = {name: value for name, value in os.environ.items() if name not in CHOSEN}
    command = [sys.executable, "-c", f"import os; {program}; {SAY}"]
    done = subprocess.run(command, env=clean | given, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.splitlines()[-1].split()


CLI = "from ncvqvae.cli import main; main(['--help'])"


def test_threads_of_the_command_line_soon_sleep_while_they_wait() -> None:
    assert said(CLI) == ["None", *BRIEF.values()]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"OMP_WAIT_POLICY": "passive"}, ["passive", "None", "None"]),
        ({"GOMP_SPINCOUNT": "0"}, ["None", "0", "None"]),
        ({"KMP_BLOCKTIME": "200"}, ["None", "None", "200"]),
    ],
)
def test_what_the_user_said_stays(given: dict[str, str], expected: list[str]) -> None:
    assert said(CLI, **given) == expected


WORKER = """
import os, sys
from ncvqvae.bench import worker
try:
    worker.main("nothing:here")  # there is no such task: it ends right after its first lines
except ModuleNotFoundError:
    sys.stdout = sys.stderr
"""


def test_threads_of_a_worker_soon_sleep_while_they_wait() -> None:
    clean = {name: value for name, value in os.environ.items() if name not in CHOSEN}
    command = [sys.executable, "-c", WORKER + SAY]
    done = subprocess.run(command, env=clean, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr.splitlines()[-1].split() == ["None", *BRIEF.values()]


def test_a_program_that_has_loaded_torch_keeps_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", sys)
    for name in CHOSEN:
        monkeypatch.delenv(name, raising=False)
    wait_briefly()
    assert not os.environ.keys() & CHOSEN


def test_a_busy_machine_is_said_where_the_user_did_not_choose_the_threads(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("ncvqvae.threads.available_cores", lambda: 2)
    monkeypatch.setattr(os, "getloadavg", lambda: (9.04, 0.0, 0.0))
    with steps_status("evaluating"):
        pass
    assert "this machine is busy (load 9.0 on 2 cores): with OMP_NUM_THREADS=1" in capsys.readouterr().err
    monkeypatch.setattr(os, "getloadavg", lambda: (0.4, 9.0, 9.0))
    assert busy_hint() is None
    monkeypatch.setattr(os, "getloadavg", lambda: (9.04, 0.0, 0.0))
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert busy_hint() is None
