"""docs/embeddings.md does what it says: its Python runs from top to bottom; test_pages runs its commands."""

import re

import numpy as np
from tests.docs.snippets import ROOT, python

PAGE = ROOT / "docs" / "embeddings.md"


def test_every_block_runs_as_written() -> None:
    names: dict[str, object] = {}
    blocks = python(PAGE)
    assert len(blocks) == 7
    for text in blocks:
        exec(compile(text, str(PAGE), "exec"), names)
    y_test = np.asarray(names["y_test"])
    assert names["accuracy"] > 0.85  # type: ignore[operator]
    assert (names["labels"] == y_test).mean() > 0.6
    assert np.asarray(names["alike"]).shape[:2] == (3, 3) and len(np.asarray(names["clusters"])) == len(y_test)


def test_its_pictures_are_there() -> None:
    names = re.findall(r"\]\((pictures/\w+\.png)\)", PAGE.read_text(encoding="utf-8"))
    assert len(names) == 6 and all((PAGE.parent / name).is_file() for name in names)
