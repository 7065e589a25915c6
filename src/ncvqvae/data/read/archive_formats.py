"""The archive's own text formats, .ts and .arff, without the comments and blank lines that their readers stumble on."""

from __future__ import annotations

import csv
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ncvqvae.data.read.roles import TableOptions
from ncvqvae.data.read.table import Raw, from_table
from ncvqvae.data.read.text import TextStyle
from ncvqvae.errors import bad_input
from ncvqvae.labels import parse_labels

COMMENTS = ("%", "#")


class _Text(NamedTuple):
    """The header of a file, its flags in lower case, and the lines of its data."""

    header: list[str]
    flags: dict[str, str]
    data: list[str]


def _scan(path: Path) -> _Text:
    """Read a file without its comments and blank lines.

    Raises:
        InputError: there is no data in it.
    """
    header: list[str] = []
    data: list[str] | None = None
    with path.open(encoding="utf-8-sig") as file:
        for line in file:
            text = line.strip()
            if not text or text.startswith(COMMENTS):
                continue
            if data is not None:
                data.append(text)
            elif text.lower().startswith("@data"):
                data = []
            else:
                header.append(text)
    if not data:
        raise bad_input(path, "no @data section with series", "check that the file is whole")
    flags = {}
    for line in header:
        key, _, value = line.removeprefix("@").lower().partition(" ")
        flags[key] = value.strip()
    return _Text(header, flags, data)


@contextmanager
def _cleaned(text: _Text, suffix: str) -> Iterator[str]:
    """The path of a temporary file that holds the same without comments and blank lines."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"series{suffix}"
        path.write_text("\n".join([*text.header, "@data", *text.data]) + "\n", encoding="utf-8")
        yield str(path)


def read_ts(path: Path) -> Raw:
    """Read a .ts file: equal or unequal lengths, several channels, class labels or a regression target."""
    from aeon.datasets import load_from_ts_file

    text = _scan(path)
    if text.flags.get("timestamps") == "true":
        raise bad_input(path, "a .ts file with time stamps", "write it without (@timeStamps false)")
    with _cleaned(text, ".ts") as cleaned:
        X, y = load_from_ts_file(cleaned)
    if text.flags.get("targetlabel", "").startswith("true"):  # a regression target: y holds numbers
        return Raw(X, y)
    # aeon writes labels in lower case
    labels = [line.rpartition(":")[2].strip() for line in text.data]
    if not len(y) or not any(labels):
        return Raw(X, None)
    return Raw(X, [None if label == "?" else label for label in parse_labels(labels)])


def read_arff(path: Path, options: TableOptions) -> Raw:
    """Read an .arff file: an attribute a time step and a nominal class, or one relational attribute of channels."""
    from aeon.datasets import load_from_arff_file

    text = _scan(path)
    if any("relational" in line.lower().split() for line in text.header):
        if options.given():
            raise bad_input(path, f"{options.given()[0]} means nothing in a relational .arff file", "leave it out")
        with _cleaned(text, ".arff") as cleaned:
            X, y = load_from_arff_file(cleaned)
        labels = parse_labels([str(label).strip("'\"") for label in y])
        return Raw(X, [None if label == "?" else label for label in labels])
    return _from_attributes(text, path, options)


def _from_attributes(text: _Text, path: Path, options: TableOptions) -> Raw:
    """A plain .arff is a table, and its one nominal attribute the class."""
    import pyarrow as pa

    attributes = [ATTRIBUTE.fullmatch(line) for line in text.header if line.lower().startswith("@attribute")]
    names = [match[1].strip("'\"") for match in attributes if match is not None]
    nominal = [match[1].strip("'\"") for match in attributes if match is not None and match[2].startswith("{")]
    if text.data[0].startswith("{"):
        raise bad_input(path, "a sparse .arff file", "write every value of a series")
    rows = [next(csv.reader([line], quotechar="'", skipinitialspace=True)) for line in text.data]
    for at, row in enumerate(rows):
        if len(row) != len(names):
            what = f"row {at + 1} of the data has {len(row)} values for {len(names)} attributes"
            raise bad_input(path, what, "declare every time step as an attribute")
    cells = [[None if cell.strip() == "?" else cell for cell in row] for row in rows]
    table = pa.table([pa.array(column, pa.string()) for column in zip(*cells, strict=True)], names=names)
    others = [name for name in nominal if name not in options.column_names()]
    if options.label_column is None and len(others) == 1:
        options = replace(options, label_column=others[0])
    return from_table(table, TextStyle(",", header=True), options, path)._replace(form=None)


ATTRIBUTE = re.compile(r"""@attribute\s+('[^']*'|"[^"]*"|\S+)\s+(.+)""", re.IGNORECASE)
