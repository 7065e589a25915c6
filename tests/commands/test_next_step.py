import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ncvqvae.commands import next_step
from ncvqvae.commands.next_step import browse_line, free_name, next_line


def command(line: str) -> list[str]:
    return shlex.split(line.removeprefix("next: "))


def test_the_name_alone_is_said_only_where_the_shell_finds_this_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Path(sys.executable).with_name("ncvqvae")
    monkeypatch.setattr("shutil.which", lambda _: str(script))
    assert command(next_line("evaluate", Path("a run"))) == ["ncvqvae", "evaluate", "a run"]
    for elsewhere in (None, "/another/bin/ncvqvae"):
        monkeypatch.setattr("shutil.which", lambda _, path=elsewhere: path)
        assert Path(command(next_line("doctor"))[0]).is_absolute()


def test_what_is_said_can_be_run_without_a_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr(next_step, "PROGRAM", "ncvqvae")
    monkeypatch.setattr(Path, "is_file", lambda _: False)
    words = command(next_line("--version"))
    assert words[1:3] == ["-m", "ncvqvae"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0 and done.stdout.strip()


def test_plug_ins_and_free_names_go_along(tmp_path: Path) -> None:
    assert command(next_line("sample", "run", plugins=["mine.py"]))[-2:] == ["--plugin", "mine.py"]
    assert free_name(tmp_path / "s.npz") == tmp_path / "s.npz"
    (tmp_path / "s.npz").touch()
    assert free_name(tmp_path / "s.npz") == tmp_path / "s-2.npz"
    assert command(browse_line(tmp_path))[1:] == ["-m", "webbrowser", str(tmp_path)]
