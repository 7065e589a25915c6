"""Tables in text files: separator and header are found out, labels get the kind they look like."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ncvqvae.data.read.table import Raw, TableOptions, check_unique, find_column, find_label, from_frame
from ncvqvae.errors import bad_input

if TYPE_CHECKING:
    import pandas as pd


def parse_labels(texts: Sequence[str]) -> list[Any]:
    """Give labels read as text their kind: all integer-valued → int, all true/false → bool, else string.

    >>> parse_labels(["1", "2.0000000e+00"]), parse_labels(["01", "2"]), parse_labels(["True", "false"])
    ([1, 2], ['01', '2'], [True, False])
    """
    stripped = [text.strip() for text in texts]
    if all(text.lower() in ("true", "false") for text in stripped):
        return [text.lower() == "true" for text in stripped]
    if all(INTEGER_VALUED.fullmatch(text) for text in stripped):
        numbers = [float(text) for text in stripped]
        if all(number.is_integer() and abs(number) < 2**53 for number in numbers):
            return [int(number) for number in numbers]
    return [text if text else None for text in stripped]


# An integer or a float in plain or scientific notation; a leading zero marks a name such as "007", not a number.
INTEGER_VALUED = re.compile(r"[+-]?(0|[1-9]\d*)(\.\d*)?([eE][+-]?\d{1,2})?")


def read_text_table(path: Path, options: TableOptions) -> Raw:
    """Read .csv, .tsv or .txt, with or without a header line; .tsv and .txt without one have the label first."""
    table = text_frame(path, options)
    return from_frame(table.frame, table.options, path)


class TextTable(NamedTuple):
    """A table read from text, labels in the kind they look like, which columns are what, and how it was written."""

    frame: pd.DataFrame
    options: TableOptions
    separator: str
    header: bool


def text_frame(path: Path, options: TableOptions) -> TextTable:
    """Let pandas read a text table, once separator, header and label column are known."""
    import pandas as pd

    with path.open(encoding="utf-8-sig", newline="") as file:
        first = next((line.rstrip("\r\n") for line in file if line.strip()), "")
    if not first:
        raise bad_input(path, "the file is empty", "write series into it")
    separator = _separator(first, path.suffix.lower())
    cells = _split_line(first, separator)
    is_csv = path.suffix.lower() == ".csv"
    has_header = not _is_data(cells) or (is_csv and _is_counting(cells))
    names = [cell or f"Unnamed: {i}" if has_header else str(i) for i, cell in enumerate(cells)]
    check_unique(names, path)
    label_first = not has_header and not options.recordings and (not is_csv or not _is_number(cells[0]))
    if label_first and options.label_column is None:
        options = replace(options, label_column="0")
    label = find_label(names, options, path)
    as_text = [find_column(name, names, path) for name in (label, options.id_column) if name is not None]
    frame = _drop_row_numbers(_parse_text(path, separator, names, has_header, as_text))
    if label is not None:
        frame[label] = pd.Series(parse_labels(frame[label].tolist()), dtype=object)
    return TextTable(frame, options, separator, has_header)


def _parse_text(path: Path, separator: str, names: list[str], has_header: bool, as_text: list[str]) -> pd.DataFrame:
    """Let pandas parse a delimited file; a row with too many fields is an error, never cut short."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(
                path,
                sep=separator,
                header=0 if has_header else None,
                names=names,
                encoding="utf-8-sig",
                converters=dict.fromkeys(as_text, str),
                index_col=False,
                skipinitialspace=True,
            )
        except pd.errors.ParserWarning:
            what = f"rows with more fields than the {len(names)} of the first line"
            raise bad_input(path, what, "give every row the same number of fields") from None


def _split_line(line: str, separator: str) -> list[str]:
    if separator == r"\s+":
        return line.split()
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])]


def _separator(line: str, suffix: str) -> str:
    """Find the separator of a line, in pandas' notation."""
    if suffix == ".tsv" or ("\t" in line and "," not in line):
        return "\t"
    counts = {mark: line.count(mark) for mark in (",", ";")}
    if not any(counts.values()):
        return r"\s+" if suffix == ".txt" else ","
    return max(counts, key=lambda mark: counts[mark])


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_data(cells: list[str]) -> bool:
    """Tell a first line of data from a header: most of its cells are numbers."""
    return 2 * sum(map(_is_number, cells)) > len(cells)


def _is_counting(cells: list[str]) -> bool:
    """Tell whether cells count 0, 1, 2 … or 1, 2, 3 …: column numbers, as pandas writes them for a nameless array."""
    return any(cells == [str(start + i) for i in range(len(cells))] for start in (0, 1))


def _drop_row_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Leave out the nameless first column that pandas writes as the index."""
    first = str(frame.columns[0])
    numbered = first.startswith("Unnamed: 0") and (frame.iloc[:, 0] == np.arange(len(frame))).all()
    return frame.iloc[:, 1:] if numbered else frame
