"""Series out of an Arrow table, once the roles of its columns are decided: a row a series, or a row a time step."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ncvqvae.data.read.limits import check_padded
from ncvqvae.data.read.notes import ALIKE, counter_notes, id_notes, label_notes, start_notes, summary_notes, time_notes
from ncvqvae.data.read.numbers import NumberStyle, as_texts, check_time_marks, is_text, number_matrix, row_with
from ncvqvae.data.read.roles import (
    GROUP_NAMES,
    NAMELESS,
    ROW_NAMES,
    SAY_WHAT,
    Roles,
    TableOptions,
    decide,
    refuse_among_channels,
)
from ncvqvae.data.read.text import MANY, MISSING, TextStyle, is_value
from ncvqvae.data.times import SeriesTimes, TimeForm, Times, look_like_times, read_times
from ncvqvae.data.write.table_form import TableForm, table_form
from ncvqvae.errors import InputError, bad_input, listed
from ncvqvae.labels import parse_labels

if TYPE_CHECKING:
    import pyarrow as pa

ONE_LABEL = "give one label per series, or cut recordings into parts with window"


class Raw(NamedTuple):
    """Series and labels as a source holds them, before any check of the values.

    X : array, or a list of arrays of any length.
    y : a label for each series (for each step of a recording), None where there are none.
    ids, groups, splits : the name of each series, whose it is, and "train" or "test"; None where no column says it.
    roles, form : what the columns are, and how such a table is written; None where the source is no table.
    times : those of each series, in tables with a row a time step.
    notes : what a user should know of a source that has no roles to say it.
    """

    X: Any
    y: Any
    ids: list[Any] | None = None
    roles: Roles | None = None
    form: TableForm | None = None
    times: SeriesTimes | None = None
    groups: list[Any] | None = None
    splits: list[str] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Source:
    """A table with what every step of reading it asks for."""

    table: pa.Table
    roles: Roles
    style: TextStyle | None
    where: object
    numbers: NumberStyle

    def column(self, name: str) -> pa.ChunkedArray:
        return self.table.column(name)

    def values(self) -> np.ndarray:
        """All value columns as (rows, columns)."""
        values = number_matrix(self.table, self.roles.values, self.numbers, self.where)
        self.numbers.check_thousands(self.roles.channels.values(), self.where)
        return values

    def names(self, name: str, role: str = "id") -> list[Any]:
        """Ids or groups, one a row: in the kind they have, without blanks around them.

        Raises:
            InputError: one is missing.
        """
        column = self.column(name)
        if is_text(column):
            values: list[Any] = [text.strip() for text in as_texts(column)]
            missing = [text in ("", *MISSING) for text in values]
            values = parse_labels(values) if self.style is not None else values
        else:
            values = column.to_pylist()
            missing = [value is None or value != value for value in values]
        if any(missing):
            where = row_with(missing)
            raise bad_input(self.where, f"column {name!r} has no {role} in {where}", "fill it in, or drop those rows")
        return values

    def groups(self, case: np.ndarray, names: Any) -> list[Any] | None:
        """The group of each series.

        Args:
            case: number of the series of each row.
            names: of the series; None where there is one without a name.
        """
        return self._of_each(self.roles.group, "group", case, names)

    def splits(self, case: np.ndarray, names: Any) -> list[str] | None:
        """The split of each series, as `groups` gives its group: train or test, in upper or lower case."""
        found = self._of_each(self.roles.split, "split", case, names)
        if found is None:
            return None
        words = [str(word).lower() for word in found]
        others = [word for word, lower in zip(found, words, strict=True) if lower not in ("train", "test")]
        if others:
            what = f"column {self.roles.split!r} holds {str(others[0])!r}, which is neither train nor test"
            raise bad_input(self.where, what, "call every series one of them, or drop those rows")
        return words

    def _of_each(self, column: str | None, role: str, case: np.ndarray, names: Any) -> list[Any] | None:
        """What a column says of each series, which all of its rows must have."""
        if column is None:
            return None
        mend = f"give all rows of a series one {role}"
        return _one_of_each(self.names(column, role), case, names, self.where, role, mend)

    def with_like_groups(self, case: np.ndarray, cut: bool = False) -> _Source:
        """The same; its roles say which columns that are left out look like groups.

        Args:
            case: number of the series of each row.
            cut: series are cut into windows, which share what their recording has.
        """
        if self.roles.group is not None:
            return self
        named = [name for name in self.roles.ignored if any(word in name.lower() for word in GROUP_NAMES)]
        found = tuple(name for name in named if _is_shared(self.column(name), case, cut))
        return replace(self, roles=replace(self.roles, like_groups=found))

    def times(self, name: str) -> Times:
        column = self.column(name)
        if is_text(column):
            missing = [text.strip() in ("", *MISSING) for text in as_texts(column)]
        else:
            missing = [value is None or value != value for value in column.to_pylist()]
        if any(missing):
            raise bad_input(
                self.where, f"column {name!r} has no time in {row_with(missing)}", "fill it in, or drop those rows"
            )
        texts = as_texts(column) if is_text(column) else []
        if texts:
            check_time_marks(column, name, self.numbers.separator, self.where)
        commas = [text for text in texts if re.fullmatch(r"[+-]?\d+,\d+", text.strip())]
        if commas and self.numbers.separator != ",":
            self.numbers.comma = self.numbers.comma or name
        return read_times(column, name, self.where)

    def labels(self) -> list[Any] | None:
        """The label of each row; None in place of one that is missing."""
        name = self.roles.label
        if name is None:
            return None
        column = self.column(name)
        if self.style is None:
            labels = column.to_pylist()
            return [None if isinstance(label, str) and not label.strip() else label for label in labels]
        texts = [text.strip() for text in as_texts(column)]
        missing = {text for text in texts if text in MISSING}
        rest = [text for text in texts if text not in missing]
        kinds = parse_labels(rest, self.numbers.decimal)
        if missing and rest and not any(isinstance(label, str) for label in kinds):  # NA among numbers is no name
            found = iter(kinds)
            return [None if text in missing else next(found) for text in texts]
        return parse_labels(texts, self.numbers.decimal)


def from_table(table: pa.Table, style: TextStyle | None, options: TableOptions, where: object) -> Raw:
    """Take series, labels and ids out of a table.

    Args:
        table: of texts alone where it was read from a text file.
        style: how a text file is written; None for other tables.
        options: which columns are what.
        where: what the error line names as the place.

    Raises:
        InputError: a column without a clear role, a missing id or time, a value that is no number.
    """
    if not len(table):
        raise bad_input(where, "a header and no rows", "write series into it")
    if style is not None and style.header:
        _check_repeated(table, where)
    table, options = _named(table, style, options, where)
    numbers = NumberStyle("," if style is None else style.separator)
    source = _Source(table, decide(table.column_names, options, where), style, where, numbers)
    if source.roles.id == ROW_NAMES:
        source = _with_row_names(source)
    if options.per_step:
        return _recordings(source, options)
    return _long(source, options) if options.time_column is not None else _wide(source, options)


def _check_repeated(table: pa.Table, where: object) -> None:
    """Refuse a row that repeats the names, as files have that were joined; a few numbers may also be a series."""
    import pyarrow.compute as pc

    names = table.column_names
    if len(names) < MANY and all(map(is_value, names)):
        return
    same: Any = True
    for name, column in zip(names, table.columns, strict=True):
        same = pc.and_(same, pc.equal(pc.utf8_trim_whitespace(column), name))
        if not pc.any(same).as_py():
            return
    what = f"the names of the columns stand again in {row_with(same.to_pylist())}"
    raise bad_input(where, what, "leave out that row")


def _named(
    table: pa.Table, style: TextStyle | None, options: TableOptions, where: object
) -> tuple[pa.Table, TableOptions]:
    """The table with a nameless first column called so, and without nameless blank ones at its end."""
    names = table.column_names
    if len(names) > 1 and names[0] in NAMELESS and names[0] not in options.column_names():
        names = [ROW_NAMES, *names[1:]]
        table = table.rename_columns(names)
    if names[0] == ROW_NAMES and _holds_times(table.column(0)) and options.id_column is None:
        table, options = _with_time_index(table, options, where)
        names = table.column_names
    nameless = [i for i, name in enumerate(names) if i and name == ""]
    if not nameless:
        return table, options
    blank = [i for i in nameless if is_text(table.column(i)) and not any(map(str.strip, as_texts(table.column(i))))]
    if blank != nameless:
        raise bad_input(where, f"column {nameless[0] + 1} has no name", "name every column in the first line")
    return table.select([i for i in range(len(names)) if i not in blank]), options


def _holds_times(column: pa.ChunkedArray) -> bool:
    import pyarrow as pa

    if is_text(column):
        return look_like_times([text for text in as_texts(column.slice(0, 100)) if text.strip()])
    return bool(pa.types.is_temporal(column.type))


def _with_time_index(table: pa.Table, options: TableOptions, where: object) -> tuple[pa.Table, TableOptions]:
    """A nameless first column of times orders the steps of a recording; elsewhere it is unclear what a row is."""
    if not options.per_step and options.time_column is None:
        what = "the first column has no name and holds times, so a row may be a series or a time step"
        raise bad_input(where, what, "cut it with window, or name the column and say what it is")
    if options.time_column is not None or "time" in table.column_names:
        return table, options
    return table.rename_columns(["time", *table.column_names[1:]]), replace(options, time_column="time")


def _with_row_names(source: _Source) -> _Source:
    """Row names that are whole numbers only count the rows and are left out; others are the ids."""
    names = source.names(ROW_NAMES)
    roles = source.roles
    if all(isinstance(name, (int, np.integer)) for name in names):
        roles = replace(roles, id=None, ignored=(ROW_NAMES, *roles.ignored))
    return replace(source, roles=roles)


# --- a row a series ---------------------------------------------------------------------------------------------


def _wide(source: _Source, options: TableOptions) -> Raw:
    case = np.arange(len(source.table))
    source = source.with_like_groups(case)
    roles = source.roles
    ids = None if roles.id is None else source.names(roles.id)
    if ids is not None:
        _check_ids(ids, source)
    groups, splits = source.groups(case, case), source.splits(case, case)
    values = _values_or_times(source)
    if options.value_columns is None and len(roles.channels) == 1:
        _check_first_and_last(values, source)
        roles = replace(roles, notes=(*roles.notes, *label_notes(values, roles.values)))
    X = values.reshape(len(values), len(roles.channels), -1)
    roles = replace(roles, notes=(*roles.notes, *summary_notes(values, source.numbers.decimals)))
    return Raw(X, source.labels(), ids, roles, _form_of(source, ids), groups=groups, splits=splits)


def _check_ids(ids: list[Any], source: _Source) -> None:
    counts: dict[Any, int] = {}
    for name in ids:
        counts[name] = counts.get(name, 0) + 1
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        what = f"ids that occur twice: {listed(twice)} ({counts[twice[0]]} rows)"
        mend = (
            "give every series its own id; if several series are of one, name it as group_column; if a row is a time "
            "step, name the time_column or cut it with window"
        )
        raise bad_input(source.where, what, mend)


def _values_or_times(source: _Source) -> np.ndarray:
    try:
        return source.values()
    except InputError:
        _refuse_times(source)
        raise


def _refuse_times(source: _Source) -> None:
    """A value column that holds times gets a message of its own."""
    for name in source.roles.values:
        column = source.column(name)
        if is_text(column) and look_like_times([text for text in as_texts(column)[:100] if text.strip()]):
            what = f"column {name!r} holds times"
            raise bad_input(source.where, what, "name it as time_column (and the ids as id_column), or ignore_columns")


def _check_first_and_last(values: np.ndarray, source: _Source) -> None:
    """Refuse a first or last column of whole numbers beside fractions: it may be a label or an id."""
    columns = source.roles.values
    if len(columns) < 4:
        return
    with np.errstate(invalid="ignore"):
        whole = (np.isnan(values) | (values == np.rint(values))).all(axis=0)
    constant = np.array([len(np.unique(values[:, at])) < 2 for at in (0, -1)])
    for at, same in zip((0, len(columns) - 1), constant, strict=True):
        others = np.delete(whole, at)
        if whole[at] and not same and (~others).mean() >= ALIKE:
            what = f"column {columns[at]!r} holds whole numbers and the others do not, so it may be a label or an id"
            mend = f"{SAY_WHAT}; if it is a time step, give value_columns {columns[0]}:{columns[-1]}"
            raise bad_input(source.where, what, mend)


# --- a row a time step ------------------------------------------------------------------------------------------


def _long(source: _Source, options: TableOptions) -> Raw:
    import pandas as pd

    roles, where = source.roles, source.where
    if roles.id is None:
        mend = "name the column of series ids with id_column, or cut one recording into parts with window"
        raise bad_input(where, "a time column and no id column", mend)
    ids, times = source.names(roles.id), source.times(str(roles.time))
    case, names = pd.factorize(pd.Series(ids, dtype=object))
    groups, splits = source.groups(case, names), source.splits(case, names)
    roles = source.with_like_groups(case).roles
    order = np.lexsort((times.key, case))
    again = (np.diff(case[order]) == 0) & (np.diff(times.key[order]) == 0)
    if again.any():
        row = order[1:][again][0]
        what = f"series {str(ids[row])!r} has time {_written(source, row)!r} twice"
        mend = "keep one row per id and time; if a column says which channel a row is of, make each channel a column"
        raise bad_input(where, what, mend)
    _check_midnight(times, case, source)
    values = _values_or_times(source)
    if options.value_columns is None:
        _check_groups(values, source)
        _check_attributes(values, case, source)
    lengths = np.bincount(case)
    step = np.arange(len(case)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    check_padded((len(lengths), values.shape[1], lengths.max()), values.size, where)
    X = np.full((len(lengths), values.shape[1], lengths.max()), np.nan, values.dtype)  # shorter series end in NaN
    X[case[order], :, step] = values[order]
    labels = source.labels()
    y = None if labels is None else _one_of_each(labels, case, names, where, "label", ONE_LABEL)
    form = _form_of(source, ids, times.form_of(_with_spacing(case)))
    notes = (*time_notes(times, case), *start_notes(times, case), *counter_notes(values, order, case, roles.values))
    roles = replace(roles, notes=(*roles.notes, *id_notes(names), *notes))
    sorted_times = SeriesTimes(
        source.column(str(roles.time)).take(order), np.cumsum(lengths), Times(times.key[order], times.form)
    )
    return Raw(X, y, list(names), roles, form, sorted_times, groups, splits)


def _written(source: _Source, row: int) -> str:
    return str(source.column(str(source.roles.time))[int(row)].as_py())


def _with_spacing(case: np.ndarray) -> np.ndarray:
    """Rows of the first series with the most rows up to three, from which a spacing can be told."""
    counts = np.bincount(case)
    return np.flatnonzero(case == int(np.argmax(np.minimum(counts, 3))))


def _check_midnight(times: Times, case: np.ndarray, source: _Source) -> None:
    """Refuse clock times that pass midnight, or one o'clock on a clock of twelve hours: their order is unclear."""
    if times.form.kind != "duration":
        return
    order = np.argsort(case, kind="stable")  # the order of the file within each series
    hours = times.key[order] / (3600 * 10**9)
    falls = np.diff(hours) < -12
    if ((hours >= 1) & (hours < 13)).all():
        falls |= (hours[:-1] >= 12) & (hours[1:] < 2)
    falls &= np.diff(case[order]) == 0
    if falls.any():
        row = int(order[1:][falls][0])
        what = f"column {source.roles.time!r} falls back to {_written(source, row)!r} in row {row + 1}"
        raise bad_input(source.where, what, "write the date with each time, or sort the rows of each series by time")


def _check_groups(values: np.ndarray, source: _Source) -> None:
    """Refuse whole numbers under a name such as ``user``; fractions are loads or temperatures, and no one's number."""
    named = [(at, name) for at, name in enumerate(source.roles.values) if name.lower() in GROUP_NAMES]
    with np.errstate(invalid="ignore"):
        whole = [name for at, name in named if (np.isnan(values[:, at]) | (values[:, at] % 1 == 0)).all()]
    refuse_among_channels(whole, source.where)


def _check_attributes(values: np.ndarray, case: np.ndarray, source: _Source) -> None:
    """Refuse a value column such as an age, which differs between series and never changes within one."""
    channels = source.roles.values
    n_cases = int(case.max()) + 1
    if len(channels) < 2 or n_cases < 2 or n_cases == len(case):
        return
    order = np.argsort(case, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(case[order]) != 0])
    lowest, highest = (pick.reduceat(values[order], starts, axis=0) for pick in (np.fmin, np.fmax))
    fixed = (lowest == highest).all(axis=0) & (lowest.min(axis=0) != lowest.max(axis=0))
    if fixed.any() and not fixed.all():
        name = channels[int(np.argmax(fixed))]
        what = f"column {name!r} never changes within a series, so it may describe the series and be no channel"
        mend = "name it as group_column, leave it out with ignore_columns, or list the channels in value_columns"
        raise bad_input(source.where, what, mend)


def _one_of_each(values: list[Any], case: np.ndarray, names: Any, where: object, role: str, mend: str) -> list[Any]:
    """The one label or group of each series."""
    of_case: dict[int, Any] = {}
    for row, (number, value) in enumerate(zip(case.tolist(), values, strict=True)):
        known = of_case.setdefault(number, value)
        if known is not value and known != value and not (known != known and value != value):
            series = "the recording" if names is None else f"series {str(names[number])!r}"
            raise bad_input(where, f"the {role} of {series} changes within it, in row {row + 1}", mend)
    return [of_case[number] for number in range(len(of_case))]


def _is_shared(column: pa.ChunkedArray, case: np.ndarray, cut: bool) -> bool:
    """Whether several series have one value of a column of words or whole numbers."""
    import pyarrow as pa

    if not is_text(column) and not pa.types.is_integer(column.type):
        return False
    cells = [text.strip() for text in as_texts(column)] if is_text(column) else column.to_pylist()
    pairs = {(cell, number) for cell, number in zip(cells, case.tolist(), strict=True) if cell not in (None, *MISSING)}
    values = {cell for cell, _ in pairs}
    if is_text(column) and any(isinstance(value, float) for value in parse_labels(list(values))):
        return False
    return len(values) > 1 and (cut or len(pairs) > len(values))


# --- recordings -------------------------------------------------------------------------------------------------


def _recordings(source: _Source, options: TableOptions) -> Raw:
    """Recordings (n_channels, n_steps) of any length, and a label for each of their steps."""
    import pandas as pd

    roles, where = source.roles, source.where
    ids = None if roles.id is None else source.names(roles.id)
    case, names = (
        (np.zeros(len(source.table), int), None) if ids is None else pd.factorize(pd.Series(ids, dtype=object))
    )
    groups, splits = source.groups(case, names), source.splits(case, names)
    roles = source.with_like_groups(case, options.window is not None).roles
    times = None if roles.time is None else source.times(roles.time)
    if times is None and ROW_NAMES in source.table.column_names:
        _check_row_numbers(case, source)
    key = np.arange(len(case)) if times is None else times.key
    order = np.lexsort((key, case))
    again = (np.diff(case[order]) == 0) & (np.diff(key[order]) == 0)
    if again.any():
        what = f"time {_written(source, order[1:][again][0])!r} occurs twice"
        raise bad_input(where, what, "keep one row per time (and id)")
    labels = source.labels()
    if labels is not None:
        missing = [label is None or label != label for label in labels]
        if any(missing):
            what = f"column {roles.label!r} has no label in {row_with(missing)}"
            raise bad_input(where, what, "fill it in, or drop those rows")
    if times is not None:
        _check_midnight(times, case, source)
        roles = replace(roles, notes=(*roles.notes, *time_notes(times, case)))
    values = _values_or_times(source)
    if options.value_columns is None:
        _check_groups(values, source)
    notes = (*id_notes([] if names is None else names), *counter_notes(values, order, case, roles.values))
    roles = replace(roles, notes=(*roles.notes, *notes))
    parts = np.split(order, np.flatnonzero(np.diff(case[order])) + 1)
    y = None if labels is None else [[labels[row] for row in part] for part in parts]
    form = _form_of(source, ids, None if times is None else times.form_of(_with_spacing(case)))
    X = [values[part].T for part in parts]
    return Raw(X, y, None if names is None else list(names), roles, form, groups=groups, splits=splits)


def _check_row_numbers(case: np.ndarray, source: _Source) -> None:
    """Refuse row numbers that fall, as those of rows that were shuffled, or of recordings that were joined."""
    numbers = source.names(ROW_NAMES)
    if not all(isinstance(number, (int, np.integer)) for number in numbers):
        return
    order = np.argsort(case, kind="stable")  # the order of the file within each recording
    falls = (np.diff(np.array(numbers)[order]) <= 0) & (np.diff(case[order]) == 0)
    if falls.any():
        row = int(order[1:][falls][0])
        what = f"the row numbers fall to {numbers[row]} in row {row + 1}, so the rows may be in no order of time"
        mend = "sort them, name the id_column of recordings that were joined, or leave the row numbers out"
        raise bad_input(source.where, what, mend)


def _form_of(source: _Source, ids: list[Any] | None = None, times: TimeForm | None = None) -> TableForm:
    """How the table is written, for samples in the same columns."""
    roles, style = source.roles, source.style
    if style is None:
        return table_form(source.table.schema, roles, times)
    types = dict.fromkeys(roles.values, "double")
    for kind, of_kind in (("int64", source.numbers.whole), ("bool", source.numbers.truths)):  # a truth is whole, too
        channels = [columns for columns in roles.channels.values() if set(columns) <= of_kind]
        types |= {name: kind for columns in channels for name in columns}
    if ids is not None and all(isinstance(name, int) for name in ids):
        types[str(roles.id)] = "int64"
    if times is not None and times.kind == "number":
        whole = float(times.start).is_integer() and isinstance(times.interval, int)
        types[str(roles.time)] = "int64" if whole else "double"
    texts = [] if roles.label is None else [*dict.fromkeys(map(str.strip, as_texts(source.column(roles.label))))]
    return replace(
        table_form(source.table.schema, roles, times, types),
        separator=style.separator,
        header=style.header,
        decimal=source.numbers.decimal,
        decimals=source.numbers.decimals,
        label_texts=[] if _are_plain(texts, source.numbers.decimal) else texts,
    )


def _are_plain(texts: list[str], decimal: str) -> bool:
    """Whether labels read as text are written the same again without help: whole numbers and words are."""
    labels = zip(parse_labels(texts, decimal), texts, strict=True)
    return all(type(label) in (int, str) and str(label) == text for label, text in labels)
