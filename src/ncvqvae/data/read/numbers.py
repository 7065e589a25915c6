"""Columns of numbers out of a table, also where they stand as text with a decimal point or comma."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import numpy as np

from ncvqvae.data.read.text import MISSING
from ncvqvae.errors import bad_input

if TYPE_CHECKING:
    import pyarrow as pa


MAX_DECIMALS = 9
"""Values with more digits behind the point are written as precisely as they are known, not rounded."""
THOUSANDS = r"^[+-]?[1-9]\d{0,2}([.,]\d{3})+$"
"""Numbers that may have marks for thousands, or three digits behind the decimal sign."""
BELOW_THOUSAND = r"^[+-]?(0|[1-9]\d{0,2})$"
"""Whole numbers that have no mark for thousands either way."""
SIXTEEN_DIGITS = r"[+-]?\d{16,}"
"""Whole numbers that may be beyond 2**53."""
BEYOND_FLOATS = re.compile(rf"(?<![\w.]){SIXTEEN_DIGITS}(?![\w.])")
"""The same within a line of numbers."""
CELLS_AT_ONCE = 1_000_000
"""Cells of text columns that are turned into numbers at once; one by one, many short columns would take long."""


class NumberStyle:
    """How the numbers of a text table are written; filled as columns are read.

    Args:
        separator: of the cells; decides what a comma in a number may be.

    Attributes:
        point, comma: the first column with decimal points, with decimal commas; None where there is none.
        decimals: most digits behind the style.
        whole: names of the columns whose texts are all whole numbers.
        truths: names of the columns of true and false.
        marked, unmarked: a number such as 1.234, and one such as 686, of each column that has any.
        clear: some number can only be read one way, such as 12.5 or 1234, so marks are no marks for thousands.
    """

    def __init__(self, separator: str = ",") -> None:
        self.separator = separator
        self.point: str | None = None
        self.comma: str | None = None
        self.decimals: int | None = 0
        self.whole: set[str] = set()
        self.truths: set[str] = set()
        self.marked: dict[str, str] = {}
        self.unmarked: dict[str, str] = {}
        self.clear = separator == ","  # cells with commas between them have points for decimals

    @property
    def decimal(self) -> str:
        """The decimal sign that was found, a point where there is none."""
        return "," if self.comma is not None else "."

    def check_thousands(self, channels: Iterable[Sequence[str]], where: object) -> None:
        """Refuse 1.234 beside 686 in one channel: the first may be a thousand, or a number that is written in full.

        Numbers that all have three digits behind the sign are taken as they are: whoever writes marks for thousands has
        smaller numbers, too.

        Args:
            channels: the columns of each.
            where: what the error line names as the place.

        Raises:
            InputError: both may be, in all the columns that were read.
        """
        for names in () if self.clear else channels:
            marked = next((name for name in names if name in self.marked), None)
            unmarked = next((self.unmarked[name] for name in names if name in self.unmarked), None)
            if marked is None or unmarked is None:
                continue
            cell = self.marked[marked]
            sign = "," if "," in cell else "."
            what = (
                f"column {marked!r} has {'commas' if sign == ',' else 'points'} in its numbers, such as {cell!r}, that "
                f"may be marks for thousands, beside {unmarked!r}"
            )
            raise bad_input(where, what, f"write thousands without marks, or {unmarked} as {unmarked}{sign}000")


def is_text(column: pa.ChunkedArray) -> bool:
    """Whether a column holds strings."""
    import pyarrow as pa

    return bool(pa.types.is_string(column.type))


def as_texts(column: pa.ChunkedArray) -> list[str]:
    """A column as texts, "" where a value is missing."""
    import pyarrow as pa

    return ["" if text is None else text for text in column.cast(pa.string()).to_pylist()]


def row_with(marks: Sequence[bool]) -> str:
    """``row 3``, or ``row 3 and 7 more``: where marks are set, counted from 1 without the header."""
    count = sum(marks)
    return f"row {list(marks).index(True) + 1}" + (f" and {count - 1} more" if count > 1 else "")


def number_matrix(table: pa.Table, names: Sequence[str], style: NumberStyle, where: object) -> np.ndarray:
    """Value columns as (rows, columns): float32 if all of them are, else float64; NaN where a value is missing.

    Raises:
        InputError: a value that is no number, or decimal points beside decimal commas.
    """
    columns = [part for block in _blocks(table, names) for part in _numbers(table, block, style, where)]
    if style.point is not None and style.comma is not None:
        what = f"decimal points in column {style.point!r} and decimal commas in column {style.comma!r}"
        raise bad_input(where, what, "write all numbers with a decimal point")
    dtype = np.float32 if all(column.dtype == np.float32 for column in columns) else np.float64
    return np.column_stack([column.astype(dtype, copy=False) for column in columns])


def _blocks(table: pa.Table, names: Sequence[str]) -> Iterator[list[str]]:
    """The names in their order: neighbouring columns of text up to `CELLS_AT_ONCE` together, others alone."""
    most = max(1, CELLS_AT_ONCE // max(len(table), 1))
    block: list[str] = []
    for name in names:
        if block and (len(block) == most or not (is_text(table.column(name)) and is_text(table.column(block[0])))):
            yield block
            block = []
        block.append(name)
    if block:
        yield block


def _numbers(table: pa.Table, names: Sequence[str], style: NumberStyle, where: object) -> Sequence[np.ndarray]:
    """The columns of one block, each (rows,)."""
    if is_text(table.column(names[0])):
        return list(_from_texts(table, names, style, where))
    return [_plain_numbers(table.column(names[0]), names[0], where)]


def _plain_numbers(column: pa.ChunkedArray, name: str, where: object) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan)
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise bad_input(where, f"column {name!r} of type {kind} holds no numbers", _mend(kind))
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        ends = pc.min_max(column).as_py().values()
        check_each_exact([end for end in ends if end is not None], f"column {name!r}", where)
    if not pa.types.is_float32(kind):
        column = column.cast(pa.float64(), safe=False)
    return np.asarray(column.to_numpy())


def check_exact(numbers: np.ndarray, what: str, where: object) -> None:
    """Refuse whole numbers that float64 cannot tell apart.

    Raises:
        InputError: one is beyond 2**53.
    """
    if numbers.dtype.kind in "iu" and numbers.size:
        check_each_exact((numbers.min(), numbers.max()), what, where)


def check_each_exact(numbers: Iterable[Any], what: str, where: object) -> None:
    """The same of numbers of other kinds, such as decimals and whole numbers that stand as text."""
    if any(abs(int(number)) > 2**53 for number in numbers):
        raise bad_input(where, f"{what} has whole numbers beyond 2**53", "subtract a constant from all of them first")


def _mend(kind: Any) -> str:
    import pyarrow as pa

    if pa.types.is_temporal(kind):
        return "name it as time_column (and the ids as id_column), or leave it out with ignore_columns"
    return "name it as label_column, id_column or group_column, or leave it out with ignore_columns"


def _from_texts(table: pa.Table, names: Sequence[str], style: NumberStyle, where: object) -> np.ndarray:
    """Columns of text as numbers (columns, rows); what needs a closer look is looked at column by column."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = pa.chunked_array([chunk for name in names for chunk in table.column(name).chunks], pa.string())
    text = pc.utf8_trim_whitespace(column.combine_chunks())
    missing = pc.is_in(text, value_set=pa.array([*MISSING]))
    text = pc.if_else(missing, pa.scalar(None, pa.string()), text)
    has_comma = pc.any(pc.match_substring(text, ",")).as_py()
    if has_comma and len(names) > 1:
        return _each_from_texts(table, names, style, where)
    long = pc.filter(text, pc.match_substring_regex(text, f"^{SIXTEEN_DIGITS}$"))
    if len(long) and len(names) > 1:
        return _each_from_texts(table, names, style, where)
    check_each_exact(long.to_pylist(), f"column {names[0]!r}", where)
    _note_marks(text, names, style)
    if has_comma:
        _check_commas(text, names[0], style, where)
        style.comma = style.comma or names[0]
        if pc.any(pc.match_substring(text, ".")).as_py():
            style.point = style.point or names[0]
        text = pc.replace_substring(text, ",", ".", max_replacements=1)
    elif pc.any(pc.match_substring(text, ".")).as_py():
        with_point = _by_column(pc.match_substring(text, "."), names).any(axis=1)
        style.point = style.point or names[int(with_point.argmax())]
    _count_decimals(text, names, style)
    try:
        numbers = pc.cast(pc.replace_substring_regex(text, r"^\+", ""), pa.float64())
        return _by_column(numbers, names, missing=np.nan)
    except pa.ArrowInvalid:
        if len(names) > 1:
            return _each_from_texts(table, names, style, where)
    numbers = _truths(text, column, missing, names[0], where)[None]
    style.truths.add(names[0])
    return numbers


def _each_from_texts(table: pa.Table, names: Sequence[str], style: NumberStyle, where: object) -> np.ndarray:
    return np.concatenate([_from_texts(table, [name], style, where) for name in names])


def _by_column(cells: Any, names: Sequence[str], missing: Any = False) -> np.ndarray:
    """What was found of all cells, column after column, as (columns, rows)."""
    import pyarrow.compute as pc

    return np.asarray(pc.fill_null(cells, missing).to_numpy(zero_copy_only=False)).reshape(len(names), -1)


def _truths(text: Any, column: pa.ChunkedArray, missing: Any, name: str, where: object) -> np.ndarray:
    """A column of true and false as 1 and 0.

    Raises:
        InputError: it holds something else.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    words = pc.utf8_lower(text)
    if pc.all(pc.is_in(words, value_set=pa.array(["true", "false", None]))).as_py():
        return np.asarray(pc.cast(pc.cast(words, pa.bool_()), pa.float64()).to_numpy(zero_copy_only=False))
    cells = enumerate(as_texts(column))
    row, cell = next(((i, cell) for i, cell in cells if not _is_number(cell)), (0, as_texts(column)[0]))
    if pc.all(missing).as_py() or not any(_is_number(cell) for cell in as_texts(column)[:1000] if cell.strip()):
        raise bad_input(where, f"column {name!r} holds no numbers, such as {cell!r}", _mend(pa.string()))
    what = f"column {name!r} holds {cell!r} in row {row + 1}, which is no number"
    raise bad_input(where, what, "mend it, or check the separator and the decimal sign")


def _check_commas(text: Any, name: str, style: NumberStyle, where: object) -> None:
    """Refuse commas that stand between thousands; where `;` is between cells, `check_thousands` sees all columns."""
    import pyarrow.compute as pc

    with_comma = pc.filter(text, pc.match_substring(text, ","))
    thousands = style.separator != ";" and pc.all(pc.match_substring_regex(with_comma, THOUSANDS)).as_py()
    if style.separator == "," or thousands:
        what = f"column {name!r} has commas in its numbers, such as {with_comma[0].as_py()!r}"
        raise bad_input(where, what, "write numbers with a decimal point and without marks for thousands")


def check_time_marks(column: pa.ChunkedArray, name: str, separator: str, where: object) -> None:
    """Refuse times in numbers of which some may have marks for thousands: 1.000 would stand before 999.

    Args:
        column: of texts.
        name: of the column.
        separator: of the cells.
        where: what the error line names as the place.

    Raises:
        InputError: as for values.
    """
    import pyarrow.compute as pc

    text = pc.utf8_trim_whitespace(column.combine_chunks())
    if not pc.all(pc.match_substring_regex(text, r"^[+-]?\d[\d.,]*$")).as_py():
        return
    style = NumberStyle(separator)
    _note_marks(text, [name], style)
    if pc.any(pc.match_substring(text, ",")).as_py():
        _check_commas(text, name, style, where)
    style.check_thousands([[name]], where)


def _note_marks(text: Any, names: Sequence[str], style: NumberStyle) -> None:
    """Note of which kinds the numbers are that `check_thousands` compares, until one of them is clear."""
    import pyarrow.compute as pc

    if style.clear:
        return
    marked, unmarked = (pc.match_substring_regex(text, pattern) for pattern in (THOUSANDS, BELOW_THOUSAND))
    style.clear = not pc.all(pc.or_(marked, unmarked), min_count=0).as_py()
    for found, of_column in ((marked, style.marked), (unmarked, style.unmarked)):
        rows = _by_column(found, names)
        for column in np.flatnonzero(rows.any(axis=1)):
            place = int(column) * rows.shape[1] + int(rows[column].argmax())
            of_column.setdefault(names[column], text[place].as_py())


def _count_decimals(text: Any, names: Sequence[str], style: NumberStyle) -> None:
    """Find the most digits behind the point, with exponents resolved: 1.5e-3 has four."""
    import pyarrow.compute as pc

    at = pc.find_substring(text, ".")
    behind = pc.if_else(pc.less(at, 0), 0, pc.subtract(pc.subtract(pc.utf8_length(text), at), 1))
    decimals = _by_column(behind, names, missing=0)
    has_exponent = _by_column(pc.match_substring_regex(text, "[eE]"), names)
    if has_exponent.any():
        cells = pc.filter(text, pc.match_substring_regex(text, "[eE]")).dictionary_encode()
        of_each = np.array([_decimals(cell) for cell in cells.dictionary.to_pylist()])
        decimals = decimals.copy()  # Arrow's memory is read-only
        decimals[has_exponent] = of_each[cells.indices.to_numpy()]
    if style.decimals is not None and decimals.size:
        most = max(style.decimals, int(decimals.max()))
        style.decimals = most if most <= MAX_DECIMALS else None
    whole = ((decimals <= 0) & (_by_column(at, names, missing=-1) < 0)).all(axis=1)
    style.whole.update(names[column] for column in np.flatnonzero(whole))


def _decimals(cell: str) -> int:
    """Digits behind the point of a number with an exponent; 0 of a word with an e in it, which is refused later."""
    with suppress(InvalidOperation, ValueError):
        return -int(Decimal(cell).as_tuple().exponent)
    return 0


def _is_number(cell: str) -> bool:
    cell = cell.strip()
    if cell in MISSING:
        return True
    try:
        float(cell.replace(",", ".", 1))
    except ValueError:
        return False
    return "_" not in cell and cell.isascii()
