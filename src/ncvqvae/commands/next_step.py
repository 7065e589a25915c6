"""The last line of each command: one sensible next command, which works when it is pasted."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

PROGRAM = "ncvqvae"


def program() -> str:
    """How this installation's command is called from the shell of the user: its name where that is on the path."""
    script = Path(sys.executable).with_name(PROGRAM)
    found = shutil.which(PROGRAM)
    if found is not None and Path(found).parent.resolve() == script.parent.resolve():
        return PROGRAM
    return shlex.quote(str(script)) if script.is_file() else f"{shlex.quote(sys.executable)} -m {PROGRAM}"


def next_line(*words: object, plugins: Sequence[str] | None = None) -> str:
    """The line that names the next command of this program, given its words."""
    named = [word for plugin in plugins or () for word in ("--plugin", plugin)]
    return f"next: {program()} {shlex.join([*map(str, words), *named])}"


def browse_line(page: Path) -> str:
    """The line that opens a page in the browser."""
    return f"next: {shlex.join([sys.executable, '-m', 'webbrowser', str(page)])}"


def free_name(path: Path) -> Path:
    """The path, or the first numbered one like it that is not taken."""
    candidates = (path.with_stem(f"{path.stem}-{number}") for number in range(2, 10**6))
    return path if not path.exists() else next(candidate for candidate in candidates if not candidate.exists())


def say(line: str) -> None:
    """Print a line to stderr as it is: markup and wrapping would spoil what is to be pasted."""
    print(line, file=sys.stderr)
