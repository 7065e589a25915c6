"""Tables of very many columns: read in steps of many columns, with the same result as column by column."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest

from ncvqvae.data import load_dataset
from ncvqvae.data.load import load_half
from ncvqvae.data.read import numbers
from ncvqvae.errors import InputError

N_STEPS = 600


def write_table(path: Path, cells: list[list[str]], separator: str = ",") -> Path:
    header = ["class", *(f"t{i}" for i in range(len(cells[0])))]
    rows = [[label, *row] for label, row in zip("abab", cells, strict=False)]
    path.write_text("\n".join(map(separator.join, [header, *rows])) + "\n")
    return path


@pytest.fixture
def cells() -> list[list[str]]:
    """Fractions, whole numbers, exponents, blanks, gaps and plus signs."""
    values = np.random.default_rng(0).normal(size=(4, N_STEPS)).round(3)
    rows = [[str(value) for value in row] for row in values]
    rows[0][:6] = ["1.5e-3", "2E2", "", " 7 ", "+3", "NaN"]
    for row in rows:
        row[9] = "12"
    return rows


def test_columns_together_are_as_one_by_one(
    cells: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_table(tmp_path / "wide.csv", cells)
    casts: list[Any] = []
    cast = pc.cast
    monkeypatch.setattr(pc, "cast", lambda *given, **options: casts.append(1) or cast(*given, **options))
    together = load_half(path)
    assert len(casts) < 5, "a call for each column makes wide tables slow"
    monkeypatch.setattr(numbers, "CELLS_AT_ONCE", 1)
    alone = load_half(path)
    assert len(casts) > N_STEPS
    np.testing.assert_array_equal(together.X, alone.X)
    assert together.form == alone.form and together.form is not None and together.form.decimals == 4
    assert together.X[0, 0, :6].tolist() == pytest.approx([1.5e-3, 200, np.nan, 7, 3, np.nan], nan_ok=True)


def test_decimal_commas_are_found_in_wide_tables_too(cells: list[list[str]], tmp_path: Path) -> None:
    with_commas = [[cell.replace(".", ",") for cell in row] for row in cells]
    pointed = load_half(write_table(tmp_path / "points.csv", cells))
    commas = load_half(write_table(tmp_path / "commas.csv", with_commas, ";"))
    np.testing.assert_array_equal(pointed.X, commas.X)
    assert commas.form is not None and commas.form.decimal == ","


def test_a_word_among_many_columns_is_named_with_its_place(cells: list[list[str]], tmp_path: Path) -> None:
    cells[2][417] = "oops"
    with pytest.raises(InputError, match=r"column 't417' holds 'oops' in row 3"):
        load_dataset(write_table(tmp_path / "wide.csv", cells))


def test_lines_longer_than_a_field_of_the_csv_module_are_read(tmp_path: Path) -> None:
    values = np.arange(2 * 9000).reshape(2, 9000) / 7
    path = write_table(tmp_path / "long.csv", [[f"{value:.15f}" for value in row] for row in values])
    np.testing.assert_allclose(load_dataset(path)[0][:, 0], values, rtol=1e-6)
