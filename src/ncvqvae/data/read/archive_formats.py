"""The archive's own text formats, .ts and .arff, without the comments and blank lines that their readers stumble on."""

from __future__ import annotations

import csv
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ncvqvae.data.read.roles import TableOptions
from ncvqvae.data.read.table import Raw, from_table
from ncvqvae.data.read.text import TextStyle
from ncvqvae.errors import bad_input
from ncvqvae.labels import parse_labels

COMMENTS = {".ts": ("#", "%"), ".arff": ("%",)}


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
            if not text or text.startswith(COMMENTS[path.suffix.lower()]):
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
        key, *value = line.removeprefix("@").lower().split(None, 1)
        flags[key] = "".join(value)
    return _Text(header, flags, data)


@contextmanager
def _cleaned(text: _Text, suffix: str) -> Iterator[str]:
    """The path of a temporary file that holds the same without comments and blank lines."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"series{suffix}"
        path.write_text("\n".join([*text.header, "@data", *text.data]) + "\n", encoding="utf-8")
        yield str(path)


def _loaded(load: Callable[[str], Any], text: _Text, path: Path) -> Any:
    """What aeon reads of it; its errors name the user's file."""
    with _cleaned(text, path.suffix.lower()) as cleaned:
        try:
            return load(cleaned)
        except Exception as error:
            reason = " ".join(str(error).replace(cleaned, path.name).split())[:160] or type(error).__name__
            what = f"cannot be read as {path.suffix} ({reason})"
            raise bad_input(path, what, "check that the file is whole") from error


def read_ts(path: Path) -> Raw:
    """Read a .ts file: equal or unequal lengths, several channels, class labels or a regression target."""
    from aeon.datasets import load_from_ts_file

    text = _scan(path)
    if text.flags.get("timestamps") == "true":
        raise bad_input(path, "a .ts file with time stamps", "write it without (@timeStamps false)")
    if "classlabel" not in text.flags and "targetlabel" not in text.flags and ":" in text.data[0]:
        raise bad_input(path, "a header without @classLabel", "say @classLabel true and the classes, or false")
    X, y = _loaded(load_from_ts_file, text, path)
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
        X, _ = _loaded(load_from_arff_file, text, path)
        labels = [line.rpartition(",")[2].strip().strip("'\"") for line in text.data]  # aeon rewrites those it finds
        return Raw(X, [None if label == "?" else label for label in parse_labels(labels)])
    return _from_attributes(text, path, options)


def _from_attributes(text: _Text, path: Path, options: TableOptions) -> Raw:
    """A plain .arff is a table, and its one nominal attribute the class."""
    import pyarrow as pa

    attributes = [ATTRIBUTE.fullmatch(line) for line in text.header if line.lower().startswith("@attribute")]
    names = [match[1].strip("'\"") for match in attributes if match is not None]
    nominal = [match[1].strip("'\"") for match in attributes if match is not None and match[2].startswith("{")]
    if text.data[0].startswith("{"):
        raise bad_input(path, "a sparse .arff file", "write every value of a series")
    quote = '"' if '"' in text.data[0] else "'"
    rows = [next(csv.reader([line], quotechar=quote, escapechar="\\", skipinitialspace=True)) for line in text.data]
    for at, row in enumerate(rows):
        if len(row) != len(names):
            what = f"row {at + 1} of the data has {len(row)} values for {len(names)} attributes"
            raise bad_input(path, what, "declare every time step as an attribute")
    cells = [[None if cell.strip() == "?" else cell for cell in row] for row in rows]
    table = pa.table([pa.array(column, pa.string()) for column in zip(*cells, strict=True)], names=names)
    for match in attributes:
        if match is not None and match[2].startswith("{"):
            _check_declared(match, names, cells, path)
    others = [name for name in nominal if name not in options.column_names()]
    if options.label_column is None and len(others) == 1:
        options = replace(options, label_column=others[0])
    return from_table(table, TextStyle(",", header=True), options, path)._replace(form=None)


def _check_declared(attribute: re.Match[str], names: list[str], cells: list[list[str | None]], path: Path) -> None:
    """Refuse a class that the header does not list, such as one with a comment behind it."""
    name = attribute[1].strip("'\"")
    known = {part.strip().strip("'\"").strip() for part in attribute[2].strip("{} ").split(",")}
    for at, row in enumerate(cells):
        value = row[names.index(name)]
        if value is not None and value.strip().strip("'\"") not in known and not any("," in part for part in known):
            what = f"row {at + 1} of the data has {value.strip()!r}, which {name!r} does not list"
            raise bad_input(path, what, "list it in the header, or mend the row")


ATTRIBUTE = re.compile(r"""@attribute\s+('[^']*'|"[^"]*"|[^\s{]+)\s*(.+)""", re.IGNORECASE)
