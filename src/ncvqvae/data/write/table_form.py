"""The form of a user's table, remembered so that generated series come back in it: columns, dtypes, ids and times."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ncvqvae.data.missing import series_lengths
from ncvqvae.data.read.files import series_files
from ncvqvae.data.read.table import TableOptions, as_times, channel_places, find_label, value_columns
from ncvqvae.data.read.text import parse_labels, text_frame

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

TEXT_TABLES = (".csv", ".tsv", ".txt")
TABLES = (*TEXT_TABLES, ".parquet", ".feather")
GENERATED_ID = "series"
"""Name of the id column where the input had none: windows of one recording, a folder of files."""


@dataclass(frozen=True)
class TableForm:
    """How a table holds series; plain values, which YAML keeps.

    columns : all columns in their order, with their pandas dtypes.
    places : channel and time step of each value column; in long form the step is 0.
    label, id, time : the columns of these names, if any; an id or time column makes `long` rows, one a time step.
    start, interval : first time and spacing of times; of dates in nanoseconds.
    date_format : how dates are written where the table is text.
    suffix, separator, header : of the file.
    """

    columns: dict[str, str]
    places: dict[str, list[int]]
    label: str | None = None
    id: str | None = None
    time: str | None = None
    long: bool = False
    start: float = 0
    interval: float = 1
    date_format: str | None = None
    suffix: str = ".csv"
    separator: str = ","
    header: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Plain values; `TableForm(**values)` is the inverse."""
        return asdict(self)

    def schema(self, label_type: pa.DataType | None) -> pa.Schema:
        """The columns that are written, with Arrow's types; `label_type` serves where the input's says nothing."""
        import pandas as pd
        import pyarrow as pa

        fields = []
        for name, dtype in self.columns.items():
            if name == self.label and label_type is None:
                continue  # series without a label
            if dtype in ("object", "str", "string", "category"):
                fields.append(pa.field(name, label_type if name == self.label else pa.string()))
            else:
                fields.append(pa.Schema.from_pandas(pd.DataFrame({name: pd.Series(dtype=dtype)})).field(name))
        return pa.schema([pa.field(f.name, f.type) for f in fields])

    def table(self, X: np.ndarray, labels: np.ndarray | None, first: int, schema: pa.Schema) -> pa.Table:
        """Series (n, C, L) and labels (n,) as rows; the series have the numbers from `first` on."""
        import pyarrow as pa

        lengths = series_lengths(X) if self.long else np.ones(len(X), int)
        case = np.repeat(np.arange(len(X)), lengths)
        step = np.arange(len(case)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        columns = []
        for column in schema:
            if column.name == self.label and labels is not None:
                columns.append(pa.array(labels[case].tolist()).cast(column.type))
            elif column.name == self.id:
                columns.append(_ids(first + case, column.type))
            elif column.name == self.time:
                columns.append(self._times(step, column.type))
            else:
                channel, place = self.places[column.name]
                values = X[case, channel, step] if self.long else X[:, channel, place]
                columns.append(_values(values, column.type))
        return pa.Table.from_arrays(columns, schema=schema)

    def _times(self, step: np.ndarray, kind: pa.DataType) -> pa.Array:
        import pandas as pd
        import pyarrow as pa

        times = self.start + self.interval * step
        if self.date_format is not None:
            return pa.array(pd.to_datetime(times).strftime(self.date_format).tolist(), type=kind)
        if pa.types.is_timestamp(kind):
            return pa.array(times.astype("datetime64[ns]")).cast(kind, safe=False)
        return pa.array(times).cast(kind, safe=False)


def wide_form(n_channels: int, n_timepoints: int, labelled: bool) -> TableForm:
    """The form of tables whose input was none: `label`, then `t0 …`, or `c0_t0 … c1_t0 …` for several channels."""
    places = {
        f"t{step}" if n_channels == 1 else f"c{channel}_t{step}": [channel, step]
        for channel in range(n_channels)
        for step in range(n_timepoints)
    }
    columns = {**({"label": "object"} if labelled else {}), **dict.fromkeys(places, "float32")}
    return TableForm(columns, places, "label" if labelled else None)


def file_form(path: Path, options: TableOptions) -> TableForm | None:
    """The form of a file, or of the files in a folder; None where it is no table."""
    import pandas as pd

    if path.is_dir():
        first = series_files(path)[0]
        form = file_form(first, replace(options, recordings=True))
        if form is None or form.label is not None or first.parent == path:
            return form
        return replace(form, label="label", columns={**form.columns, "label": "object"})  # folders are classes
    if path.suffix.lower() not in TABLES:
        return None
    if path.suffix.lower() in TEXT_TABLES:
        frame, options, separator, header = text_frame(path, options)
        separator = " " if separator == r"\s+" else separator
        if options.id_column is not None:  # read as text, like labels
            frame[options.id_column] = pd.Series(parse_labels(frame[options.id_column].tolist()), dtype=object)
        frame = frame.infer_objects()
        return replace(frame_form(frame, options), suffix=path.suffix.lower(), separator=separator, header=header)
    frame = _head(path) if path.suffix.lower() == ".parquet" else pd.read_feather(path)
    return replace(frame_form(frame, options), suffix=path.suffix.lower())


def frame_form(frame: pd.DataFrame, options: TableOptions) -> TableForm:
    """The form of a table that could be read with these options."""
    frame = frame.set_axis([str(c) for c in frame.columns], axis="columns")
    label = find_label(list(frame.columns), options, "table")
    values = value_columns(frame, options, label, "table")
    long = options.time_column is not None or options.recordings
    places = {name: [channel, 0] for channel, name in enumerate(values)} if long else channel_places(values)
    kept = [c for c in frame.columns if c in values or c in (label, options.id_column, options.time_column)]
    columns = {c: str(frame[c].dtype) for c in kept}
    identity = options.id_column
    if long and identity is None:
        identity, columns = GENERATED_ID, {GENERATED_ID: "int64", **columns}
    form = TableForm(columns, places, label, identity, options.time_column, long)
    return form if options.time_column is None else _with_times(form, frame, options)


def _with_times(form: TableForm, frame: pd.DataFrame, options: TableOptions) -> TableForm:
    """Take start and spacing of times from the first series."""
    first = frame if options.id_column is None else frame[frame[options.id_column] == frame[options.id_column].iloc[0]]
    column = first[form.time]
    times = as_times(column, "table").sort_values()
    is_date = times.dtype.kind == "M"
    numbers = times.dt.tz_localize(None).astype("datetime64[ns]").astype("int64") if is_date else times
    interval = numbers.diff().median() if len(numbers) > 1 else 1
    start, interval = (v.item() if isinstance(v, np.generic) else v for v in (numbers.iloc[0], interval))
    if float(interval).is_integer():
        interval = int(interval)
    written = column.iloc[0] if is_date and not hasattr(column, "dt") else None
    return replace(form, start=start, interval=interval, date_format=None if written is None else _date_format(written))


def _date_format(text: str) -> str:
    """The format of ISO dates that look like this one."""
    if len(text) == len("2020-01-01"):
        return "%Y-%m-%d"
    return f"%Y-%m-%d{text[10]}%H:%M:%S" + (".%f" if "." in text else "")


def _head(path: Path) -> pd.DataFrame:
    """The first rows of a .parquet file."""
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        return next(file.iter_batches(batch_size=10_000)).to_pandas()


def _ids(numbers: np.ndarray, kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pa.array([f"generated-{number}" for number in numbers], type=kind)
    return pa.array(numbers).cast(kind)


def _values(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    """Values in the dtype of their column: whole numbers are rounded and stay in its range. NaN is a missing value."""
    import pyarrow as pa

    if pa.types.is_integer(kind):
        limits = np.iinfo(kind.to_pandas_dtype())
        values = np.clip(np.rint(values.astype(np.float64)), limits.min, limits.max)
    # Arrow wants every column contiguous
    return pa.array(np.ascontiguousarray(values), from_pandas=True).cast(kind, safe=False)
