"""The archive's own text formats, .ts and .arff, without the comments and blank lines that their readers stumble on."""

from __future__ import annotations

import csv
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ncvqvae.data.read.numbers import BEYOND_FLOATS, check_each_exact
from ncvqvae.data.read.roles import TableOptions
from ncvqvae.data.read.table import Raw, from_table
from ncvqvae.data.read.text import TextStyle
from ncvqvae.errors import bad_input, listed
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
    labelled = [line.rpartition(":") for line in text.data] if len(y) else [(line, "", "") for line in text.data]
    for at, (values, _, _) in enumerate(labelled):
        _check_digits(values, at, path)
    if text.flags.get("targetlabel", "").startswith("true"):  # a regression target: y holds numbers
        return Raw(X, y)
    # aeon writes labels in lower case
    labels = [label.strip() for _, _, label in labelled]
    if not any(labels):
        return Raw(X, None)
    _check_listed(labels, text.flags.get("classlabel", "").split()[1:], path)
    return Raw(X, [None if label == "?" else label for label in parse_labels(labels)])


def _check_listed(labels: list[str], classes: list[str], path: Path) -> None:
    """Refuse a label whose words the header does not list, such as one with a comment behind it.

    Args:
        labels: as they stand in the data.
        classes: words of the header, in lower case; none where it does not list any.
    """
    numbers = {number for number in map(_as_number, classes) if number is not None}
    for label in dict.fromkeys(labels) if classes else ():
        known = set(label.lower().split()) <= {*classes, "?"} or _as_number(label) in numbers
        if not known:
            what = f"row {labels.index(label) + 1} of the data has {label!r}, which @classLabel does not list"
            raise bad_input(path, what, "list it in the header, or mend the row")


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _check_digits(values: str, at: int, path: Path) -> None:
    """Refuse what Python takes for a number and nobody else does, and whole numbers that floats cannot tell apart."""
    if "_" in values:
        raise bad_input(path, f"row {at + 1} of the data has an underscore in a number", "mend it")
    check_each_exact(BEYOND_FLOATS.findall(values), f"row {at + 1} of the data", path)


def read_arff(path: Path, options: TableOptions) -> Raw:
    """Read an .arff file: an attribute a time step and a nominal class, or one relational attribute of channels."""
    text = _scan(path)
    attributes = _attributes(text.header)
    if not any(attribute.relational for attribute in attributes):
        return _from_attributes(text, attributes, path, options)
    if options.given():
        raise bad_input(path, f"{options.given()[0]} means nothing in a relational .arff file", "leave it out")
    return _from_relation(text, attributes, path)


class _Attribute(NamedTuple):
    """What the header says of a cell of each row; ``classes`` of a nominal one."""

    name: str
    classes: list[str] | None
    relational: bool


def _attributes(header: list[str]) -> list[_Attribute]:
    """The attributes of a row; those within a relational one are its time steps."""
    found: list[_Attribute] = []
    inside = False
    for line in header:
        match = ATTRIBUTE.fullmatch(line)
        inside = inside and not line.lower().startswith("@end")
        if match is None or inside:
            continue
        inside = match[2].strip().lower() == "relational"
        nominal = re.match(r"{(.*)}", match[2])
        classes = None if nominal is None else [cell.strip(" '\"") for cell in _cells(nominal[1])]
        found.append(_Attribute(match[1].strip("'\""), classes, inside))
    return found


def _cells(line: str) -> list[str]:
    """The cells of a row; those in quotes of either kind may hold commas."""
    quoted = re.search(r"""(?:^|,)\s*(['"])""", line)
    quote = "'" if quoted is None else quoted[1]
    return next(csv.reader([line], quotechar=quote, escapechar="\\", skipinitialspace=True))


def _from_attributes(text: _Text, attributes: list[_Attribute], path: Path, options: TableOptions) -> Raw:
    """A plain .arff is a table, and its one nominal attribute the class."""
    import pyarrow as pa

    names = [attribute.name for attribute in attributes]
    if any(line.startswith("{") for line in text.data):
        raise bad_input(path, "a sparse .arff file", "write every value of a series")
    rows = [_cells(line) for line in text.data]
    for at, row in enumerate(rows):
        if len(row) != len(names):
            what = f"row {at + 1} of the data has {len(row)} values for {len(names)} attributes"
            raise bad_input(path, what, "declare every time step as an attribute")
    cells = [[None if cell.strip() == "?" else cell for cell in row] for row in rows]
    columns = list(zip(*cells, strict=True))
    table = pa.table([pa.array(column, pa.string()) for column in columns], names=names)
    for attribute, column in zip(attributes, columns, strict=True):
        _check_declared(attribute, column, path)
    nominal = [attribute.name for attribute in attributes if attribute.classes is not None]
    others = [name for name in nominal if name not in options.column_names()]
    if options.label_column is None and len(others) == 1:
        options = replace(options, label_column=others[0])
    return from_table(table, TextStyle(",", header=True), options, path)._replace(form=None)


def _from_relation(text: _Text, attributes: list[_Attribute], path: Path) -> Raw:
    """A row is a relation in quotes, a line of it a channel, and the class of the series, if there is one.

    aeon's reader spreads a series of one step over all steps, and takes a part of a label with a comma.
    """
    if len(attributes) > 2 or not attributes[0].relational:
        names = listed([attribute.name for attribute in attributes])
        raise bad_input(path, f"attributes {names}", "give the relational one first, and the class alone behind it")
    rows = [RELATION.fullmatch(line) for line in text.data]
    labels: list[str | None] = []
    series = []
    for at, row in enumerate(rows):
        if row is None or (row[3] is None) != (len(attributes) == 1):
            what = f"row {at + 1} of the data is no relation in quotes with {len(attributes) - 1} values behind it"
            raise bad_input(path, what, "mend the row, or the header")
        series.append(_channels(row[2], at, path))
        labels.append(None if row[3] in (None, "?") else _cells(row[3])[0].strip())
    if len(attributes) == 1:
        return Raw(series, None)
    _check_declared(attributes[1], labels, path)
    known = iter(parse_labels([label for label in labels if label is not None]))
    return Raw(series, [None if label is None else next(known) for label in labels])


def _channels(relation: str, at: int, path: Path) -> np.ndarray:
    """One series (n_channels, n_steps)."""
    _check_digits(relation, at, path)
    try:
        channels = [list(map(float, line.replace("?", "nan").split(","))) for line in relation.split("\\n")]
    except ValueError as error:
        raise bad_input(path, f"row {at + 1} of the data: {error}", "write ? for a missing value") from None
    lengths = sorted({len(channel) for channel in channels})
    if len(lengths) > 1:
        what = f"row {at + 1} of the data has channels of {lengths[0]} to {lengths[-1]} steps"
        raise bad_input(path, what, "give all channels of a series one length")
    return np.array(channels)


def _check_declared(attribute: _Attribute, cells: Sequence[str | None], path: Path) -> None:
    """Refuse a class that the header does not list, such as one with a comment behind it."""
    for at, cell in enumerate(cells if attribute.classes is not None else ()):
        if cell is not None and cell.strip() not in attribute.classes:  # type: ignore[operator]
            what = f"row {at + 1} of the data has {cell.strip()!r}, which {attribute.name!r} does not list"
            raise bad_input(path, what, "list it in the header, or mend the row")


ATTRIBUTE = re.compile(r"""@attribute\s+('[^']*'|"[^"]*"|[^\s{]+)\s*(.+)""", re.IGNORECASE)
RELATION = re.compile(r"""(['"])([^'"]*)\1\s*(?:,\s*(.+))?""")
