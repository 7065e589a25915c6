"""docs/analysis.md does what it says: its Python runs from top to bottom."""

import re
from pathlib import Path

import numpy as np
import pytest
from tests.docs.snippets import ROOT, python

PAGE = ROOT / "docs" / "analysis.md"


def test_every_block_runs_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for text in python(PAGE):
        exec(compile(text, str(PAGE), "exec"), names)
    assert (tmp_path / "attention.png").stat().st_size > 10_000
    plain, half, whole = np.asarray(names["moved"])[:, 0]
    assert np.abs(half - plain).max() > 0 and np.abs(whole - plain).max() > np.abs(half - plain).max()
    assert names["steps"] == 10 and not np.array_equal(names["shifted"], plain)  # type: ignore[arg-type]


def test_its_pictures_are_there() -> None:
    names = re.findall(r"\]\((pictures/\w+\.png)\)", PAGE.read_text(encoding="utf-8"))
    assert len(names) == 2 and all((PAGE.parent / name).is_file() for name in names)
