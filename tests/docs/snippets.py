"""What a reader can copy from the pages: fenced blocks, their commands and their Python, and the files they name."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r'^(`{3,})(\S*)(?: title="([^"]+)")?[^\n`]*\n(.*?)^\1$', re.MULTILINE | re.DOTALL)


class Snippet(NamedTuple):
    """A fenced block: where it begins, what it is written in, the file that it is said to be, and its text."""

    line: int
    language: str
    title: str
    text: str


def snippets(page: Path) -> list[Snippet]:
    """Every fenced block of a page."""
    whole = page.read_text(encoding="utf-8")
    found = FENCE.finditer(whole)
    return [Snippet(whole.count("\n", 0, at.start()) + 1, at[2], at[3] or "", at[4]) for at in found]


def commands_of(snippet: Snippet) -> list[str]:
    """The commands of a block, without prompt and remark."""
    lines = [line for line in snippet.text.splitlines() if snippet.language == "console" and line.startswith("$ ")]
    return [line.removeprefix("$ ").partition("  #")[0].strip() for line in lines]


def commands(page: Path) -> list[str]:
    """The commands of a page."""
    return [line for snippet in snippets(page) for line in commands_of(snippet)]


def python(page: Path) -> list[str]:
    """The blocks of Python on a page that is no notebook, in their order; without files that they are said to be."""
    return [snippet.text for snippet in snippets(page) if snippet.language == "python" and not snippet.title]


def write_tables(folder: Path) -> None:
    """The files of a reader that commands name, with numbers from a seed."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(30, 32))).add_prefix("t")
    table.assign(**{"class": list("ab") * 15}).to_csv(folder / "my_series.csv", index=False)
    patients = table.assign(**{"class": list("ab") * 15}, patient=np.repeat(range(10), 3))
    patients.to_csv(folder / "patients.csv", index=False)
    machine = pd.DataFrame({"machine": np.repeat(["A", "B"], 2048), "state": np.repeat(["idle", "load"] * 8, 256)})
    machine[["speed", "heat"]] = rng.normal(size=(4096, 2))
    machine.to_csv(folder / "machine.csv", index=False)
