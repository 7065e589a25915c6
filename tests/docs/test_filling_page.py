"""docs/filling.md does what it says: its Python runs from top to bottom, as written; test_pages runs its commands."""

import re
from pathlib import Path

import pytest
from tests.docs.snippets import ROOT, python

PAGE = ROOT / "docs" / "filling.md"


def test_every_block_runs_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    blocks = python(PAGE)
    assert len(blocks) == 5
    for text in blocks:
        exec(compile(text, str(PAGE), "exec"), names)
    assert (tmp_path / "runs/power/config.yaml").is_file()


def test_its_pictures_are_there() -> None:
    names = re.findall(r"\]\((pictures/\w+\.png)\)", PAGE.read_text(encoding="utf-8"))
    assert len(names) == 4 and all((PAGE.parent / name).is_file() for name in names)
