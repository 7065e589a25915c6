"""Standard output and error that go away: the work goes on, and a lost standard output is said in one line."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import ncvqvae
from ncvqvae.commands.streams import LossyStream, lossy_streams, warnings_in_one_line
from ncvqvae.commands.terminal import console

PROGRAM = """
import sys
from ncvqvae.cli import app, main
@app.command
def talk() -> None:
    for number in range(3000):
        print("out", number)
        print("err", number, file=sys.stderr)
    open("done", "w").close()
main(["talk"])
"""


def talk(folder: Path, out: int, err: int) -> int:
    """Run a command of many lines, whose streams are these file numbers; returns how it ended."""
    source = str(Path(ncvqvae.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": source}
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(command, cwd=folder, stdout=out, stderr=err, env=environment, check=False).returncode


@pytest.mark.parametrize("lost", ["out", "err", "both"])
@pytest.mark.parametrize("kind", ["no reader", "full disk"])
def test_a_command_goes_on_without_its_streams(kind: str, lost: str, tmp_path: Path) -> None:
    if kind == "full disk":
        if not Path("/dev/full").exists():
            pytest.skip("needs /dev/full")
        gone = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, gone = os.pipe()
        os.close(reader)
    with (tmp_path / "kept").open("wb") as kept:
        out, err = (gone if lost in (name, "both") else kept.fileno() for name in ("out", "err"))
        assert talk(tmp_path, out, err) == 0
    os.close(gone)
    said = (tmp_path / "kept").read_text()
    assert (tmp_path / "done").exists() and "Traceback" not in said and "Exception ignored" not in said
    if lost == "out":
        assert said.count("ncvqvae: warning: standard output is lost") == 1 and said.count("err ") == 3000
    if lost == "err":
        assert said.count("out ") == 3000


def test_a_process_without_streams_has_somewhere_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with lossy_streams():
        print("nobody hears this", file=sys.stderr)
    assert sys.stderr is None


def test_a_text_that_no_encoding_takes_is_still_an_error(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w", encoding="ascii") as file, pytest.raises(UnicodeEncodeError):
        LossyStream(file, lambda error: None).write("é")


def test_own_warnings_are_one_line_and_others_as_they_were(capsys: pytest.CaptureFixture[str]) -> None:
    own = str(Path(ncvqvae.__file__).with_name("model.py"))
    with warnings_in_one_line(), warnings.catch_warnings():
        warnings.simplefilter("always")
        text, own_line = warnings.formatwarning("a\n  b", UserWarning, own, 3), "ncvqvae: warning: a b\n"
        other = warnings.formatwarning("a", UserWarning, "/elsewhere/numpy.py", 3)
    assert text == own_line and other.startswith("/elsewhere/numpy.py:3: UserWarning: a")


def test_nothing_moves_in_the_output_that_a_notebook_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as Jupyter sets it for the commands behind "!"
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    assert console().is_terminal
    monkeypatch.setenv("JPY_PARENT_PID", "1")
    assert not console().is_terminal and not console(sys.stdout).is_terminal
