"""The tables in results/ are those of the rows beside them."""

import csv
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

from ncvqvae.study.tables import write_all

ROOT = Path(__file__).parents[2]


def test_tables_of_default_are_those_of_its_rows() -> None:
    made = runpy.run_path(str(ROOT / "results" / "default_table.py"))

    assert made["newest_table"]() in (ROOT / "results" / "README.md").read_text(encoding="utf-8")
    assert made["older_table"]() in (ROOT / "results" / "former.md").read_text(encoding="utf-8")
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
    assert made["table"]() in text and made["in_full"]() in " ".join(text.split())
    assert made["in_short"]() in " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())


def test_how_often_a_perfect_replication_would_lie_within() -> None:
    made = runpy.run_path(str(ROOT / "results" / "matrix_table.py"))
    rng = np.random.default_rng(0)
    for n, m in ((4, 2), (2, 2)):
        theirs, ours = rng.normal(size=(n, 50_000)), rng.normal(size=(m, 50_000)).mean(axis=0)
        drawn = np.mean((theirs.min(axis=0) <= ours) & (ours <= theirs.max(axis=0)))
        assert made["expected_within"](n, m) == pytest.approx(drawn, abs=0.01)
    sides = [made["_sides"](*np.split(rng.exponential(size=6), [4])) for _ in range(20_000)]
    assert np.mean([(of == 0).all() for of in sides]) == pytest.approx(0.4, abs=0.02)
    assert np.mean([abs(of.sum()) == 2 for of in sides]) == pytest.approx(2 / 15, abs=0.02)
    every, rest = made["agreement"](), made["agreement"](["ECG5000"])
    assert every.n - rest.n == 15 and every.within - rest.within in range(16)


def test_the_chapters_claims_and_relations_are_those_of_the_rows() -> None:
    made = runpy.run_path(str(ROOT / "results" / "chapter_numbers.py"))
    text = (ROOT / "docs" / "chapter.md").read_text(encoding="utf-8")
    assert text.endswith(made["page"]())
    assert made["relations_table"]() in (ROOT / "results" / "relations.md").read_text(encoding="utf-8")


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
