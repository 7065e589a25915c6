"""docs/filling.md does what it says: its Python and its commands run from top to bottom, as written."""

import re
from pathlib import Path

import pandas as pd
import pytest

from ncvqvae.cli import main

PAGE = Path(__file__).parents[1] / "docs" / "filling.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.slow


def test_every_block_runs_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for language, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if language == "python":
            exec(compile(text, str(PAGE), "exec"), names)
        for line in text.splitlines() if language == "console" else ():
            program, *arguments = line.removeprefix("$ ").split()
            assert program == "ncvqvae"
            main(arguments)
    assert len(pd.read_csv("varied.csv")) == 2 * len(pd.read_csv("filled-q0.9.csv"))


def test_its_pictures_are_there() -> None:
    names = re.findall(r"\]\((pictures/\w+\.png)\)", PAGE.read_text(encoding="utf-8"))
    assert len(names) == 4 and all((PAGE.parent / name).is_file() for name in names)
