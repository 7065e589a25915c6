"""Tables in text files: separator, header and decimal sign are found out, and every cell stays the text that it is."""

from __future__ import annotations

import csv
import io
import re
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ncvqvae.data.read.limits import check_padded
from ncvqvae.data.read.roles import LABEL_NAMES, ROW_NAMES, TableOptions
from ncvqvae.errors import bad_input

if TYPE_CHECKING:
    import pyarrow as pa

HEAD_LINES = 200
"""Lines that separator and header are found from."""
FEW, MANY = 4, 8
"""Evenly spaced numbers in a first line: MANY are names, and fewer than FEW a series unless they count from 0 or 1."""
MISSING = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-nan", "-NaN", "NULL", "null", "None", "<NA>", "?")
"""Cells that stand for a missing value, in columns of values, ids and times; a label may be called so."""


@dataclass(frozen=True)
class TextStyle:
    """How a table is written as text.

    separator : of cells; a blank stands for any run of blanks.
    header : whether the first line holds names.
    """

    separator: str
    header: bool


class TextTable(NamedTuple):
    """All cells of a text table as strings, how it is written, and what a user should know of it."""

    table: pa.Table
    style: TextStyle
    notes: tuple[str, ...] = ()


def read_text(path: Path, options: TableOptions) -> TextTable:
    """Parse a text table once, every cell as a string.

    Args:
        path: .csv, .tsv or .txt; .tsv and .txt without a header have the label first (the caller says so).
        options: a column that they name makes the first line a header.

    Without a header, rows with fewer cells than others are shorter series.

    Raises:
        InputError: an empty file, fewer or more cells than names, a first line that may be names or values.
    """
    head = _head(path)
    separator = _separator(head.lines, path.suffix.lower())
    rows = [_cells(line, separator) for line in head.lines]
    if _ends_in_separator(rows):
        rows = [[*rows[0], ""], *rows[1:]]
    row_names = _has_row_names(rows, head.lines)
    header = row_names or (_has_header(rows, head.lines, path, options) if options.header is None else options.header)
    style = TextStyle(" " if separator is None else separator, header)
    names = [ROW_NAMES, *rows[0]] if row_names else rows[0] if header else [str(i) for i in range(len(rows[0]))]
    uneven = any(len(row) != len(names) for row in rows[row_names:]) and not any('"' in line for line in head.lines)
    with suppress(_NotForArrow):  # seen early, because Arrow takes a long first line as columns, and memory for each
        if not uneven:
            return TextTable(_parse(path, separator, names, head.skipped + header), style)
    lines = _all_rows(path, separator)[header:]
    lengths = {len(line) for line in lines}
    if header and lengths - {len(names)}:
        raise _uneven(lines, len(names), path)
    if not lines:
        raise bad_input(path, "a header and no rows", "write series into it")
    check_padded((len(lines), max(lengths)), sum(map(len, lines)), path)
    table = _padded(lines)
    if header:
        return TextTable(table.rename_columns(names), style)
    notes = (f"rows of {min(lengths)} to {max(lengths)} cells",) if len(lengths) > 1 else ()
    return TextTable(table, style, notes)


def first_cells(path: Path) -> list[str]:
    """The cells of the first line: names, or values where there is no header.

    Raises:
        InputError: an empty file.
    """
    lines = _head(path).lines
    return _cells(lines[0], _separator(lines, path.suffix.lower()))


def blank_lines(path: Path) -> int:
    """How many lines without anything stand between others."""
    filled = [place for place, line in enumerate(path.read_bytes().splitlines()) if line.strip()]
    return filled[-1] - filled[0] + 1 - len(filled) if filled else 0


class _Head(NamedTuple):
    """The first lines that hold anything, and how many lines stand before them."""

    lines: list[str]
    skipped: int


def _head(path: Path) -> _Head:
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = [line.rstrip("\r\n") for line in islice(file, HEAD_LINES)]
    skipped = next((i for i, line in enumerate(lines) if line.strip()), len(lines))
    if lines[skipped : skipped + 1] and re.fullmatch(r"sep=.", lines[skipped]):  # Excel says the separator so
        skipped += 1
    filled = [line for line in lines[skipped:] if line.strip()]
    if not filled:
        raise bad_input(path, "the file is empty", "write series into it")
    return _Head(filled, skipped)


def _separator(lines: list[str], suffix: str) -> str | None:
    """The separator that gives all lines the same number of cells; None for runs of blanks."""
    if suffix == ".tsv":
        return "\t"
    for mark in ("\t", ";", "|", ","):
        counts = [len(_cells(line, mark)) if mark in line else 1 for line in lines[:20]]
        same = set(counts[1:] or counts)
        if len(same) == 1 and counts[0] in (same | {n - 1 for n in same if n > 2}) and max(counts) > 1:
            return mark
    if any("," in line for line in lines[:20]):
        return ","
    return None if suffix == ".txt" else ","


def _cells(line: str, separator: str | None) -> list[str]:
    if separator is None:
        if '"' not in line:
            return line.split()
        return [cell for cell in next(csv.reader([line.strip()], delimiter=" ", skipinitialspace=True), []) if cell]
    if separator not in line and '"' not in line:  # the parser refuses a cell of 131,072 characters
        return [line.strip()]
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])]


def _ends_in_separator(rows: list[list[str]]) -> bool:
    """Whether every row but the first ends in a separator with nothing behind it."""
    return len(rows) > 1 and all(len(row) == len(rows[0]) + 1 and not row[-1] for row in rows[1:])


def _has_row_names(rows: list[list[str]], lines: list[str]) -> bool:
    """Whether the first line lacks a name for the row names, as R writes it: these are in quotes, or texts."""
    if len(rows) < 2 or any(len(row) != len(rows[0]) + 1 for row in rows[1:20]):
        return False
    if not lines[0].lstrip().startswith('"') and any(map(is_value, rows[0])):
        return False
    return all(line.lstrip().startswith('"') for line in lines[1:20]) or not any(is_value(row[0]) for row in rows[1:20])


def _has_header(rows: list[list[str]], lines: list[str], path: Path, options: TableOptions) -> bool:
    """Whether the first row holds names.

    It does if it has a usual label name or a column that an option names, if it alone is in quotes, if a text stands
    over a column of numbers, or nothing over row names. Numbers that are evenly spaced are names, too, where the rows
    below are not; where these are few, they may also be a series.

    Raises:
        InputError: both may be.
    """
    first = rows[0]
    words = {cell for cell in first if not is_value(cell)}  # a number may be a position that an option names
    if {cell.lower() for cell in words} & set(LABEL_NAMES) or words & set(map(str, options.column_names())):
        return True
    if len(rows) == 1:
        return not any(map(is_value, first))
    quoted = [all(cell.startswith('"') for cell in re.split(r",|;|\t", line)) for line in lines[:2]]
    texts = [i for i, cell in enumerate(first) if not is_value(cell)]
    names_below = [row[0] for row in rows[1:4] if row]
    if (
        quoted == [True, False]
        or len(texts) == len(first)
        or any(i >= len(rows[1]) or is_value(rows[1][i]) for i in texts)
        or (not first[0] and (_counts(names_below) or not any(map(is_value, names_below))))
    ):
        return True
    numbers, *others = ([cell for i, cell in enumerate(row) if i not in texts] for row in rows[:3])
    below = any(map(_evenly_spaced, others))
    if _evenly_spaced(numbers) and len(numbers) >= MANY and not below:
        return True
    is_csv = path.suffix.lower() == ".csv"  # others have the label first, and are names only where these are many
    if not is_csv and _evenly_spaced(numbers) and any(_is_fraction(row[0]) for row in rows[1:4] if row):
        return True  # a fraction is no label
    counts = _counts(numbers) and not texts and is_csv
    ascends = len(numbers) >= MANY and _ascends(numbers) and not any(map(_ascends, others))
    if not counts and not ascends and not (is_csv and _evenly_spaced(numbers) and len(numbers) >= FEW):
        return False
    raise bad_input(
        path,
        f"the first line ({', '.join(first)}) may hold the names of the columns or the first series",
        "say which with header=True or header=False",
    )


def is_value(cell: str) -> bool:
    """Whether a cell is a number, with a decimal point or a decimal comma, or stands for a missing one."""
    if cell in MISSING:
        return True
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return cell.isascii()


def _counts(cells: list[str]) -> bool:
    """Whether cells count 0, 1, 2 and so on, or 1, 2, 3."""
    return len(cells) > 1 and any(cells == [str(start + i) for i in range(len(cells))] for start in (0, 1))


def _ascends(cells: list[str]) -> bool:
    """Whether cells are numbers, each greater than the one before."""
    try:
        numbers = [float(cell.replace(",", ".")) for cell in cells]
    except ValueError:
        return False
    return all(before < after for before, after in pairwise(numbers))


def _evenly_spaced(cells: list[str]) -> bool:
    """Whether cells are numbers that are evenly spaced once sorted, and none occurs twice."""
    try:
        numbers = sorted(float(cell.replace(",", ".")) for cell in cells if cell)
    except ValueError:
        return False
    gaps = [after - before for before, after in pairwise(numbers)]
    return len(gaps) > 1 and min(gaps) > 0 and max(gaps) - min(gaps) < 1e-6 * max(gaps)


class _NotForArrow(Exception):
    """Arrow's parser cannot read it: rows differ in their number of cells, or a blank stands before a quote."""


def _parse(path: Path, separator: str | None, names: list[str], skip_rows: int) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv as arrow_csv

    source: Any = path
    if separator is None:
        text = path.read_text(encoding="utf-8-sig")
        source = io.BytesIO("\n".join("\t".join(_cells(line, None)) for line in text.splitlines()).encode())
    unique = [f"{i}" for i in range(len(names))]  # names may repeat here: `decide` says so
    bad_rows: list[Any] = []

    def refuse(row: Any) -> str:
        bad_rows.append(row)
        return "error"

    try:
        table = arrow_csv.read_csv(
            source,
            read_options=arrow_csv.ReadOptions(column_names=unique, skip_rows=skip_rows),
            parse_options=arrow_csv.ParseOptions(
                delimiter=separator or "\t",
                newlines_in_values=True,
                ignore_empty_lines=len(names) > 1,  # in a lone column nothing is a missing value
                invalid_row_handler=refuse,
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(unique, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        if bad_rows:
            raise _NotForArrow from None
        if "Empty CSV file" in str(error):
            raise bad_input(path, "a header and no rows", "write series into it") from None
        raise
    cells = pa.chunked_array([chunk for column in table.columns for chunk in column.chunks], pa.string())
    if pc.any(pc.match_substring_regex(cells, '^ +"')).as_py():
        raise _NotForArrow
    apart = separator or " "  # notes have line breaks and commas, too, but no numbers that stand alone between them
    lost = rf"(?s)[\r\n](.*[{apart}])?\s*[+-]?\d[\d.,eE+-]*\s*[{apart}\r\n]"
    broken = pc.filter(cells, pc.match_substring_regex(cells, lost)).slice(0, 1)
    if len(broken):
        what = f"a cell that goes on over lines and cells, {broken[0].as_py()[:40]!r}"
        raise bad_input(path, what, "close the quote before it, or leave it out")
    if len(names) == 1:
        filled = [i for i, text in enumerate(table.column(0).to_pylist()) if text.strip()]
        table = table.slice(0, filled[-1] + 1 if filled else 0)  # without blank lines at the end of the file
    return table.rename_columns(names)


def _all_rows(path: Path, separator: str | None) -> list[list[str]]:
    """The cells of every line that holds anything, read in Python: slower, and of any number."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        if separator is None:
            return [_cells(line, None) for line in file if line.strip()]
        rows = csv.reader(file, delimiter=separator, skipinitialspace=True)
        return [row for row in rows if any(cell.strip() for cell in row)]


def _uneven(rows: list[list[str]], n_names: int, path: Path) -> Exception:
    at, row = next((i, row) for i, row in enumerate(rows) if len(row) != n_names)
    what = f"row {at + 1} has {len(row)} cells where the first line has {n_names} ({','.join(row)[:60]})"
    return bad_input(path, what, "give every row the same number of cells")


def _padded(rows: list[list[str]]) -> pa.Table:
    import pyarrow as pa

    width = max(map(len, rows))
    filled = [[*row, *[""] * (width - len(row))] for row in rows]
    return pa.table({str(i): pa.array([row[i] for row in filled], pa.string()) for i in range(width)})


def is_label_first(table: pa.Table, style: TextStyle, path: Path, options: TableOptions) -> bool:
    """Whether a table without a header has its labels in the first column.

    It does in the archive's .tsv and .txt files, and in a .csv file whose first column alone is text.

    Raises:
        InputError: the first column of a .tsv or .txt file holds fractions, which are no labels.
    """
    if style.header or options.per_step or "0" in options.column_names() or options.label_column is not None:
        return False
    if options.value_columns is not None:
        return False
    first = [text.strip() for text in table.column(0).to_pylist()]
    if path.suffix.lower() == ".csv":
        words = [i for i, text in enumerate(first) if not is_value(text)]
        if words and any(is_value(text) and text for text in first):
            what = f"the first column holds {first[words[0]]!r} in row {words[0] + 1} among numbers"
            raise bad_input(path, what, "mend it, or say with label_column='0' that the first column is the label")
        return bool(words)
    fractions = [text for text in first if _is_fraction(text)]
    if fractions:
        what = f"the first column of a {path.suffix} file without a header is the label, but holds {fractions[0]!r}"
        raise bad_input(path, what, "put a label first, or give the file a header")
    return True


def _is_fraction(text: str) -> bool:
    try:
        return not float(text.replace(",", ".")).is_integer()
    except (ValueError, OverflowError):
        return False
