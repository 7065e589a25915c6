"""The tables in results/ are those of the rows beside them."""

import csv
import re
import runpy
from pathlib import Path

import pytest

from ncvqvae.study.tables import write_all

ROOT = Path(__file__).parents[2]


def test_tables_of_default_are_those_of_its_rows() -> None:
    made = runpy.run_path(str(ROOT / "results" / "default_table.py"))

    assert made["table"]() in (ROOT / "results" / "README.md").read_text(encoding="utf-8")
    assert made["short_table"]() in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_of_filled_gaps_is_that_of_its_rows() -> None:
    made = runpy.run_path(str(ROOT / "results" / "imputation_table.py"))
    assert made["table"]() in (ROOT / "docs" / "filling.md").read_text(encoding="utf-8")


def test_tables_of_matrix_and_ablation_are_those_of_their_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pictures.save_pictures", "ranks.save_ranks"):
        monkeypatch.setattr(f"ncvqvae.study.{name}", lambda *_: [])

    for rows, tables in (("matrix.csv", "tables.md"), ("ablation.csv", "ablation.md")):
        write_all(ROOT / "results" / rows, tmp_path)
        assert (tmp_path / "tables.md").read_text() == (ROOT / "results" / tables).read_text(encoding="utf-8")
    made = runpy.run_path(str(ROOT / "results" / "matrix_table.py"))
    text = (ROOT / "results" / "README.md").read_text(encoding="utf-8")
    assert made["table"]() in text and "{} of {} lie".format(*made["n_within"]()) in " ".join(text.split())


def test_every_question_of_the_experiments_has_rows() -> None:
    with (ROOT / "results" / "experiments.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["question", "trial", "change", "datasets", "seeds", "effect", "kept"]
    assert [int(row["trial"]) for row in rows] == list(range(1, len(rows) + 1))
    text = (ROOT / "results" / "experiments.md").read_text(encoding="utf-8")
    parts = {part.split("\n", 1)[0]: part for part in text.split("\n## ")[1:]}
    questions = [name for name in parts if name != "A limit that was seen"]
    assert sorted(questions) == sorted({row["question"] for row in rows})
    number = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?!\w)")
    for name in questions:  # every number of a paragraph stands in its rows
        own = " ".join(" ".join(row.values()) for row in rows if row["question"] == name)
        words = {"standardised-output": {"0"}, "token-temperature": {"100"}}.get(name, set())  # mean 0, of 100 tokens
        assert set(number.findall(parts[name])) - words <= set(number.findall(own)), name
