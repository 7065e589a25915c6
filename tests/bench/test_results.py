"""The tables of the default preset are those of the rows beside them."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_tables_of_default_are_those_of_its_rows() -> None:
    made = runpy.run_path(str(ROOT / "results" / "default_table.py"))

    assert made["table"]() in (ROOT / "results" / "README.md").read_text(encoding="utf-8")
    assert made["short_table"]() in (ROOT / "README.md").read_text(encoding="utf-8")
