"""Series out of tables: which columns are labels, ids, times and values; wide (a row a series) or long form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ncvqvae.errors import bad_input, listed, nearest_name

if TYPE_CHECKING:
    import pandas as pd

# Names under which a label column is found without being named (case ignored).
LABEL_NAMES = ("label", "class", "target")


class Raw(NamedTuple):
    """Series and labels as a file holds them, before any check."""

    X: Any
    y: Any


@dataclass(frozen=True)
class TableOptions:
    """Which columns of a table are what.

    label_column : the class of each series; default: a column called label, class or target.
    id_column : names the series; needed in long form, left out in wide form.
    time_column : orders the time steps; giving it means long form.
    value_columns : the values (wide: a column a time step, long: a column a channel); default: all other columns.
    recordings : the table is one recording, a row a time step and a column a channel (several with an id_column).
    """

    label_column: str | None = None
    id_column: str | None = None
    time_column: str | None = None
    value_columns: Sequence[str] | None = None
    recordings: bool = False

    def named(self) -> list[str]:
        """List the columns that were given."""
        return [
            name for name, value in vars(self).items() if name.endswith(("column", "columns")) and value is not None
        ]


def from_frame(frame: pd.DataFrame, options: TableOptions, where: object) -> Raw:
    """Take series and labels out of a wide or a long table; labels keep the kind their column has."""
    frame = frame.reset_index(drop=True).set_axis([str(c) for c in frame.columns], axis="columns")
    check_unique(list(frame.columns), where)
    if not len(frame):
        raise bad_input(where, "a header and no rows", "write series into it")
    if options.recordings:
        return _from_recordings(frame, options, where)
    read = _from_wide if options.time_column is None else _from_long
    return read(frame, options, where)


def check_unique(names: Sequence[str], where: object) -> None:
    """Refuse column names that occur twice."""
    repeated = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if repeated:
        raise bad_input(where, f"columns that occur twice: {listed(repeated)}", "give every column its own name")


def _from_wide(frame: pd.DataFrame, options: TableOptions, where: object) -> Raw:
    label = find_label(list(frame.columns), options, where)
    if options.id_column is not None:
        ids = frame[find_column(options.id_column, frame.columns, where)]
        if ids.duplicated().any():
            twice = listed(ids[ids.duplicated()].unique().tolist())
            raise bad_input(where, f"ids that occur twice: {twice}", "give every series its own id")
    columns = value_columns(frame, options, label, where)
    X = _split_channels(_values(frame, columns), columns, where)
    return Raw(X, None if label is None else frame[label].tolist())


def _from_long(frame: pd.DataFrame, options: TableOptions, where: object) -> Raw:
    import pandas as pd

    if options.id_column is None:
        raise bad_input(where, "a time column and no id column", "name the column of series ids (id_column)")
    identity = find_column(options.id_column, frame.columns, where)
    time = find_column(str(options.time_column), frame.columns, where)
    label = find_label(list(frame.columns), options, where)
    frame = frame.assign(**{time: as_times(frame[time], where)})
    for column in (identity, time):
        if frame[column].isna().any():
            raise bad_input(where, f"missing values in column {column!r}", "fill them in or drop those rows")
    _check_rows(frame, identity, time, where)
    columns = value_columns(frame, options, label, where)
    case, _ = pd.factorize(frame[identity])
    order = np.lexsort((frame[time].to_numpy(), case))
    lengths = np.bincount(case)
    ends = np.cumsum(lengths)
    step = np.arange(len(frame)) - np.repeat(ends - lengths, lengths)
    values = _values(frame, columns)
    X = np.full((len(lengths), len(columns), lengths.max()), np.nan, values.dtype)  # shorter series end in NaN
    X[case[order], :, step] = values[order]
    return Raw(X, None if label is None else _labels_by_id(frame, identity, label, where))


def _from_recordings(frame: pd.DataFrame, options: TableOptions, where: object) -> Raw:
    """Take recordings (n_channels, n_steps) of any length, and a label for each of their steps."""
    label = find_label(list(frame.columns), options, where)
    if options.time_column is not None:
        time = find_column(options.time_column, frame.columns, where)
        frame = frame.assign(**{time: as_times(frame[time], where)}).sort_values(time, kind="stable")
    columns = value_columns(frame, options, label, where)
    parts = [frame]
    if options.id_column is not None:
        identity = find_column(options.id_column, frame.columns, where)
        parts = [part for _, part in frame.groupby(identity, sort=False)]
    if options.time_column is not None:
        for part in parts:
            again = part[time][part[time].duplicated()]
            if len(again):
                raise bad_input(where, f"time {str(again.iloc[0])!r} occurs twice", "keep one row per time (and id)")
    y = None if label is None else [part[label].tolist() for part in parts]
    return Raw([_values(part, columns).T for part in parts], y)


def as_times(column: pd.Series, where: object) -> pd.Series:
    """Make a time column sortable: numbers and timestamps as they are, text as dates."""
    import pandas as pd

    if column.dtype.kind in "iufmM":
        return column
    try:
        return pd.to_datetime(column, format="ISO8601")
    except (ValueError, TypeError):
        what = f"column {str(column.name)!r} holds neither numbers nor dates"
        raise bad_input(where, what, "give times as numbers or ISO dates") from None


def _check_rows(frame: pd.DataFrame, identity: str, time: str, where: object) -> None:
    """Refuse a long table in which a series has a time twice."""
    again = frame.duplicated([identity, time])
    if again.any():
        row = frame[again].iloc[0]
        what = f"series {str(row[identity])!r} has time {str(row[time])!r} twice"
        raise bad_input(where, what, "keep one row per id and time")


def _labels_by_id(frame: pd.DataFrame, identity: str, label: str, where: object) -> list[Any]:
    kinds = frame.groupby(identity, sort=False)[label].nunique(dropna=False)
    if (kinds > 1).any():
        changing = str(kinds.index[kinds > 1][0])
        raise bad_input(where, f"the label of series {changing!r} changes within it", "give one label per series")
    return frame.drop_duplicates(identity)[label].tolist()


def find_column(name: str, columns: Iterable[str], where: object) -> str:
    """Return the column of this name; if there is none, the error line has the nearest."""
    known = list(columns)
    if name in known:
        return name
    near = nearest_name(name, known)
    mend = f"did you mean {near!r}?" if near else f"its columns are {listed(known)}"
    raise bad_input(where, f"no column named {name!r}", mend)


def find_label(columns: Sequence[str], options: TableOptions, where: object) -> str | None:
    """Find the label column: the one named, else the only one with a usual name."""
    if options.label_column is not None:
        return find_column(options.label_column, columns, where)
    taken = {options.id_column, options.time_column, *(options.value_columns or ())}
    usual = [c for c in columns if c.lower() in LABEL_NAMES and c not in taken]
    if len(usual) > 1:
        raise bad_input(where, f"more than one column may be the label: {listed(usual)}", "name it as label_column")
    return usual[0] if usual else None


def value_columns(frame: pd.DataFrame, options: TableOptions, label: str | None, where: object) -> list[str]:
    """List the columns that hold values; all must be numeric."""
    if options.value_columns is not None:
        columns = [find_column(c, frame.columns, where) for c in options.value_columns]
    else:
        columns = [c for c in frame.columns if c not in (label, options.id_column, options.time_column)]
        if options.time_column is None and not options.recordings:
            _check_step_names(columns, where)
    numeric = [c for c in columns if frame[c].dtype.kind in "iufb"]
    if not numeric:
        raise bad_input(where, "no numeric column", "check the separator and the decimal sign")
    other = [c for c in columns if c not in numeric]
    if other:
        what = f"columns that are not numeric: {listed(other)}"
        raise bad_input(where, what, "drop them, or name them as label_column or id_column")
    return columns


def _check_step_names(columns: Sequence[str], where: object) -> None:
    """Refuse a column such as `id` among `t0, t1 …`: it would pass for a time step."""
    other = [c for c in columns if not re.fullmatch(r"(.+_)?t?\d+", c)]
    if other and 2 * len(other) < len(columns):
        what = f"columns that are not named like the other time steps: {listed(other)}"
        raise bad_input(where, what, "name them as label_column or id_column, or list value_columns")


def _values(frame: pd.DataFrame, columns: list[str]) -> np.ndarray:
    """Take values as (rows, columns), float32 if all of them are, so that other values are checked unrounded."""
    all_float32 = all(frame[c].dtype == np.float32 for c in columns)
    return frame[columns].to_numpy(dtype=np.float32 if all_float32 else np.float64, na_value=np.nan)


def channel_places(columns: Sequence[str]) -> dict[str, list[int]]:
    """Channel and time step of each value column of a wide table; `<channel>_t<step>` names several channels."""
    matches = [re.fullmatch(r"(.+)_t(\d+)", c) for c in columns]
    if not all(matches):
        return {column: [0, step] for step, column in enumerate(columns)}
    steps: dict[str, list[tuple[int, str]]] = {}
    for column, match in zip(columns, matches, strict=True):
        assert match is not None
        steps.setdefault(match[1], []).append((int(match[2]), column))
    places = {}
    for channel, of_channel in enumerate(steps.values()):
        for step, (_, column) in enumerate(sorted(of_channel)):
            places[column] = [channel, step]
    return {column: places[column] for column in columns}


def _split_channels(values: np.ndarray, columns: list[str], where: object) -> np.ndarray:
    """Bring (n_cases, columns) to (n_cases, n_channels, n_timepoints)."""
    places = np.array(list(channel_places(columns).values()))
    lengths = np.bincount(places[:, 0])
    if lengths.min() != lengths.max():
        short, long = int(lengths.argmin()), int(lengths.argmax())
        names = [columns[int(np.argmax(places[:, 0] == c))].rpartition("_")[0] for c in (short, long)]
        what = f"channel {names[0]!r} has {lengths[short]} steps and channel {names[1]!r} {lengths[long]}"
        raise bad_input(where, what, "give all channels one length")
    X = np.empty((len(values), len(lengths), lengths[0]), values.dtype)
    X[:, places[:, 0], places[:, 1]] = values
    return X
