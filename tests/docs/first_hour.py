"""A stranger's first hour: clone, then carry out every command and Python block of the pages as written.

    python tests/docs/first_hour.py                      # make first-hour
    python tests/docs/first_hour.py howto.md filling.md  # after README.md, which makes the environment

Prints a transcript and ends in 1 if something failed. Three things are not as written, and the transcript says so:
trainings end after `STEPS` steps, what `SKIPPED` matches is left out with its reason, and pages other than `AT_HOME`
have a folder of their own, since a stranger reads some of them, not all. The tests of the pages carry out the same
commands within one process, with tiny networks; this one starts each as a reader does.
"""

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.docs.snippets import PAGES, ROOT, commands, commands_of, python, snippets, write_tables

STEPS = 20
SKIPPED = {
    r"make (test|lint|docs|format)\b": "CI runs it, or what it calls",
    r"docker ": "it needs Docker",
    r"ray start|.*--backend ray": "what it starts would outlive it",
    r".*--slurm partition": "it needs a SLURM cluster",
    r"ncvqvae (bench --suite paper|tables runs/study)": "it takes hours, or the whole archive",
}
AT_HOME = ("README.md", "CONTRIBUTING.md", "install.md")
"""Pages whose commands are typed in the clone itself."""
SHORT = f"""
import ncvqvae.model as model
whole = model.load_config
short = {{"stage1.max_steps": {STEPS}, "stage2.max_steps": {STEPS}}}
model.load_config = lambda *given, settings=None, **more: whole(*given, settings=short | (settings or {{}}), **more)
"""
SHELL = f"""
ncvqvae() {{
    if [ "$1" = fit ] && [[ "$*" != *--resume* && "$*" != *stage1.max-steps* ]]; then
        command ncvqvae "$@" --stage1.max-steps {STEPS} --stage2.max-steps {STEPS}
    else
        command ncvqvae "$@"
    fi
}}
"""
MADE_BY_HOWTO = "ncvqvae fit GunPoint --preset quick --out runs/gunpoint"


def reason_to_skip(command: str) -> str | None:
    """Why a command is left out, or None."""
    return next((reason for pattern, reason in SKIPPED.items() if re.match(pattern, command)), None)


def steps(page: Path, folder: Path) -> Iterator[str]:
    """What is typed for a page, from its folder: the page's own lines, and what stands in for its files."""
    every = commands(page)
    if any("runs/gunpoint" in line for line in every) and MADE_BY_HOWTO not in every and page.name not in AT_HOME:
        yield MADE_BY_HOWTO
    for snippet in snippets(page):
        yield from commands_of(snippet)
        if snippet.title:
            with (folder / snippet.title).open("a", encoding="utf-8") as file:
                file.write(snippet.text + "\n\n")
        if snippet.title == "use.py":
            yield "python use.py"
    if blocks := python(page):
        name = f"{page.stem}_blocks.py"
        (folder / name).write_text("\n".join(blocks), encoding="utf-8")
        yield f'python -c "import short, runpy; runpy.run_path({name!r})"'


def session(pages: list[Path], clone: Path) -> Iterator[str]:
    """The lines of one shell that carries everything out, says it, and counts what failed."""
    yield f"failed=0; cd {shlex.quote(str(clone))}\n{SHELL}"
    for page in pages:
        folder = clone if page.name in AT_HOME else clone.parent / "reader" / page.stem
        folder.mkdir(parents=True, exist_ok=True)
        write_tables(folder)
        lines = list(steps(page, folder))
        if lines:
            yield f"echo; echo {shlex.quote(f'=== {page.relative_to(ROOT)}')}; cd {shlex.quote(str(folder))}"
        for line in lines:
            if reason := reason_to_skip(line):
                yield f"echo {shlex.quote(f'$ {line}   [left out: {reason}]')}"
                continue
            yield f"echo {shlex.quote(f'$ {line}')}; SECONDS=0"
            # `pip install .` and others work on the project from wherever the page is read
            moved = f"cd {shlex.quote(str(clone))} && " if line.startswith("pip ") else ""
            typed = f"{moved}{line}"
            run = f"( {typed} ) < /dev/null" if moved or not line.startswith(". ") else line
            yield f'{run} || {{ failed=$((failed + 1)); echo "[failed: $?]"; }}; echo "[$SECONDS s]"'
    yield 'echo; echo "$failed failed"; [ "$failed" = 0 ]'


def carry_out(pages: list[Path], folder: Path, clone: Path, environment: dict[str, str]) -> int:
    """Carry out the pages in one shell with its own home and cache; its exit status."""
    (folder / "short.py").write_text(SHORT)
    home = {"HOME": str(folder), "SHELL": "/bin/bash", "NCVQVAE_CACHE_DIR": str(folder / "cache")}
    script = folder / "session.sh"
    script.write_text("\n".join(session(pages, clone)))
    added = {**environment, **home, "PYTHONPATH": str(folder), "TERM": "dumb", "PYTHONUNBUFFERED": "1"}
    return subprocess.run(["bash", str(script)], env=added, stderr=subprocess.STDOUT, check=False).returncode


def main(names: list[str]) -> int:
    """Clone what is committed here, and carry out README.md and the pages of these names; all pages without names."""
    began = time.monotonic()
    pages = [page for page in PAGES if not names or page.name in (*names, "README.md")]
    with TemporaryDirectory(prefix="first-hour-") as temporary:
        folder = Path(temporary)
        print(f"A fresh clone, trainings of {STEPS} steps a stage, a folder for each page but {', '.join(AT_HOME)}")
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder / "ncvqvae")], check=True)
        outer = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "MAKEFLAGS", "VENV")}
        status = carry_out(pages, folder, folder / "ncvqvae", outer)
    print(f"{(time.monotonic() - began) / 60:.0f} min")
    return status


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.exit(main(sys.argv[1:]))
