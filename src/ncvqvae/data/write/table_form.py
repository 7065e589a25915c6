"""The form of a user's table, remembered so that generated series come back in it: columns, types, ids and times."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ncvqvae.data.missing import series_lengths
from ncvqvae.data.read.roles import Roles
from ncvqvae.data.times import SeriesTimes, TimeForm
from ncvqvae.labels import parse_labels

if TYPE_CHECKING:
    import pyarrow as pa

TEXT_TABLES = (".csv", ".tsv", ".txt")
GENERATED_ID = "series"
"""Name of the id column where the input had none: windows of one recording, a folder of files."""


@dataclass(frozen=True, eq=False)
class Beside:
    """What stands beside given series in a table, where they are written again: the id of each, and its times."""

    ids: list[Any]
    times: SeriesTimes | None = None


@dataclass(frozen=True)
class TableForm:
    """How a table holds series; plain values, which YAML keeps.

    columns : all columns in their order, with the names of their Arrow types.
    places : channel and time step of each value column; in long form the step is 0.
    label, id, time : the columns of these names, if any; an id or time column makes `long` rows, one a time step.
    times : how the time column goes on.
    suffix, separator, header, decimal : of the file; `decimal` is the decimal sign.
    decimals : digits behind it, in text; None for as many as a value needs.
    label_texts : the labels as a text file writes them.
    """

    columns: dict[str, str]
    places: dict[str, list[int]]
    label: str | None = None
    id: str | None = None
    time: str | None = None
    long: bool = False
    times: TimeForm | None = None
    suffix: str = ".csv"
    separator: str = ","
    header: bool = True
    decimal: str = "."
    decimals: int | None = None
    label_texts: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; `TableForm.from_dict` is the inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TableForm:
        """The form of plain values, also of those that earlier versions wrote.

        Raises:
            TypeError: they are no form.
        """
        known = {f.name for f in fields(cls)}
        former = {name: value for name, value in values.items() if name not in known}
        kept = {name: value for name, value in values.items() if name in known}
        times = kept.pop("times", None)
        if former.keys() == {"start", "interval", "date_format"} and kept.get("time") is not None:
            is_date = former["date_format"] is not None or "datetime" in kept["columns"][kept["time"]]
            pattern = former["date_format"]
            times = {
                "kind": "date" if is_date else "number",
                "start": former["start"],
                "interval": former["interval"],
                "pattern": pattern,
                "text": pattern,
            }
        elif former.keys() - {"start", "interval", "date_format"}:
            raise TypeError(f"unknown {sorted(former)}")
        return cls(**kept, times=None if times is None else TimeForm(**times))

    def in_file(self, suffix: str) -> TableForm | None:
        """The form in a file with this suffix; None of a table without a header, which only its own type can be.

        The separator is that of the input in files of its own type alone.
        """
        if suffix == self.suffix:
            return self
        if not self.header:
            return None
        if suffix not in TEXT_TABLES:
            return replace(self, decimal=".")  # numbers are no texts there
        between = ";" if self.decimal == "," else ","
        return replace(self, separator="\t" if suffix == ".tsv" else between)

    def schema(self, label_type: pa.DataType | None, dtype: str = "float32") -> pa.Schema:
        """The columns that are written, with Arrow's types.

        Args:
            label_type: of labels, where the input's type says nothing.
            dtype: of values that come from text and are not rounded, so that they get no digits that mean nothing.
        """
        import pyarrow as pa

        found = []
        for name, text in self.columns.items():
            if name == self.label and label_type is None:
                continue  # series without a label
            kind = self._value_type(text, dtype) if name in self.places else arrow_type(text)
            if name == self.label:
                kind = pa.string() if self.label_texts else (label_type if kind == pa.string() else kind)
            elif self.decimal != "." and (name in self.places or pa.types.is_floating(kind)):
                kind = pa.string()
            found.append(pa.field(name, kind))
        return pa.schema(found)

    def _value_type(self, text: str, dtype: str) -> pa.DataType:
        as_known = text == "double" and self.suffix in TEXT_TABLES and self.decimals is None
        return arrow_type(dtype if as_known else text)

    def table(
        self, X: np.ndarray, labels: np.ndarray | None, first: int, schema: pa.Schema, beside: Beside | None = None
    ) -> pa.Table:
        """Series (n, C, L) and labels (n,) as rows; the series have the numbers from `first` on.

        Ids and times are made up, or those of the series of these numbers in `beside`.
        """
        import pyarrow as pa

        lengths = series_lengths(X) if self.long else np.ones(len(X), int)
        case = np.repeat(np.arange(len(X)), lengths)
        step = np.arange(len(case)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        columns = []
        for column in schema:
            if column.name == self.label and labels is not None:
                columns.append(pa.array(self._label_values(labels)[case].tolist()).cast(column.type))
            elif column.name == self.id:
                columns.append(_ids(first + case, column.type, beside))
            elif column.name == self.time and beside is not None and beside.times is not None:
                columns.append(beside.times.of(first + case, step, column.type))
            elif column.name == self.time:
                columns.append(self._times(step).cast(column.type))
            else:
                channel, place = self.places[column.name]
                values = X[case, channel, step] if self.long else X[:, channel, place]
                columns.append(self._values(values, column))
        return pa.Table.from_arrays(columns, schema=schema)

    def words(self) -> dict[Any, str]:
        """How a text file writes each label; empty where `str` does the same."""
        return dict(zip(parse_labels(self.label_texts, self.decimal), self.label_texts, strict=True))

    def _label_values(self, labels: np.ndarray) -> np.ndarray:
        """Labels, in the words of the input where it was text."""
        words = self.words()
        return np.array([words.get(label, label) for label in labels.tolist()], dtype=object)

    def _times(self, step: np.ndarray) -> pa.Array:
        import pyarrow as pa

        assert self.times is not None and self.time is not None
        kind = arrow_type(self.columns[self.time])
        times = self.times.column(step, kind)
        return self._with_sign(times) if self.decimal != "." and pa.types.is_floating(kind) else times

    def _with_sign(self, numbers: pa.Array) -> pa.Array:
        """Numbers with the decimal sign of the input, which makes them texts."""
        import pyarrow as pa
        import pyarrow.compute as pc

        return pc.replace_substring(numbers.cast(pa.string()), ".", self.decimal)

    def _values(self, values: np.ndarray, column: pa.Field) -> pa.Array:
        """Values in the type of their column: whole numbers are rounded and stay in its range; NaN is missing."""
        import pyarrow as pa

        kind = self._value_type(self.columns[column.name], values.dtype.name)
        if pa.types.is_integer(kind):
            limits = np.iinfo(kind.to_pandas_dtype())
            values = np.clip(np.rint(values.astype(np.float64)), limits.min, limits.max)
        elif pa.types.is_boolean(kind):
            values = np.where(np.isnan(values), np.nan, values >= 0.5)
        elif self.decimals is not None:
            values = np.round(values.astype(np.float64), self.decimals)
        # Arrow wants every column contiguous
        array = pa.array(np.ascontiguousarray(values), from_pandas=True).cast(kind, safe=False)
        return array if self.decimal == "." else self._with_sign(array)


def table_form(
    schema: pa.Schema, roles: Roles, times: TimeForm | None = None, types: Mapping[str, str] | None = None
) -> TableForm:
    """The form of a table whose columns have these roles.

    Args:
        schema: of the table.
        roles: of its columns.
        times: how the time column goes on.
        types: Arrow types that text stands for, by column.
    """
    kept = {name for name in (roles.label, roles.id, roles.time) if name is not None} | set(roles.values)
    columns = {f.name: (types or {}).get(f.name, str(f.type)) for f in schema if f.name in kept}
    columns |= {name: "double" for name, kind in columns.items() if kind == "null"}
    if roles.id in columns and not re.fullmatch(r"u?int\d+|(large_)?string", columns[roles.id]):
        columns[roles.id] = "string"  # generated ids are no dates and no flags
    places = {
        column: [channel, step]
        for channel, of_channel in enumerate(roles.channels.values())
        for step, column in enumerate(of_channel)
    }
    identity = roles.id
    if roles.long and identity is None:
        identity, columns = GENERATED_ID, {GENERATED_ID: "int64", **columns}
    return TableForm(columns, places, roles.label, identity, roles.time, roles.long, times)


def with_label_column(form: TableForm) -> TableForm:
    """The form of files in folders that are classes, which have no label column of their own."""
    return replace(form, label="label", columns={**form.columns, "label": "string"})


def arrow_type(text: str) -> pa.DataType:
    """The Arrow type of this name; also of pandas' names, which earlier versions wrote."""
    import pyarrow as pa

    if text in ("object", "str", "category"):
        return pa.string()
    dates = re.fullmatch(r"(?:timestamp|datetime64)\[(\w+)(?:, (?:tz=)?(.+))?\]", text)
    if dates is not None:
        return pa.timestamp(dates[1], dates[2])
    if text.startswith("decimal"):
        return pa.float64()
    return pa.type_for_alias(text.removesuffix("[day]"))


def wide_form(n_channels: int, n_timepoints: int, labelled: bool, dtype: str) -> TableForm:
    """The form of tables whose input was none: `label`, then `t0 …`, or `c0_t0 … c1_t0 …` for several channels."""
    places = {
        f"t{step}" if n_channels == 1 else f"c{channel}_t{step}": [channel, step]
        for channel in range(n_channels)
        for step in range(n_timepoints)
    }
    columns = {**({"label": "object"} if labelled else {}), **dict.fromkeys(places, dtype)}
    return TableForm(columns, places, "label" if labelled else None)


def _ids(numbers: np.ndarray, kind: pa.DataType, beside: Beside | None) -> pa.Array:
    import pyarrow as pa

    if beside is not None:
        given = pa.array([beside.ids[number] for number in numbers.tolist()])
        return given.cast(kind)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pa.array([f"generated-{number}" for number in numbers], type=kind)
    return pa.array(numbers).cast(kind)
