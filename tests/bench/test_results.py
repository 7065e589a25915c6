"""The tables in results/README.md are those of the rows beside it."""

import runpy
from pathlib import Path

RESULTS = Path(__file__).parents[2] / "results"


def test_table_of_default_is_that_of_its_rows():
    table = runpy.run_path(str(RESULTS / "default_table.py"))["table"]()

    assert table in (RESULTS / "README.md").read_text(encoding="utf-8")
