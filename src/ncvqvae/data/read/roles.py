"""Which column of a table is what: the one place that decides it, for every kind of table.

The rules, in this order:

1. A column that an option names has the role that the option gives it.
2. A nameless first column (pandas' index, R's row names) is never a series column: row numbers are left out, other
   names are ids.
3. A column called label, class or target is the label, if there is just one.
4. All that is left holds values. In a table with a row a series these columns must be one block: their names are
   numbers or dates, or end in a number, and the numbers are evenly spaced. Several names before the number are
   channels, if each has the same numbers.
5. Whatever does not fit is refused, with the options that say what it is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from ncvqvae.errors import InputError, bad_input, listed, nearest_name

LABEL_NAMES = ("label", "class", "target")
"""Names under which a label column is found without an option (upper and lower case are the same)."""
ROW_NAMES = ""
"""The name of a nameless first column; pandas writes it as one of the others."""
NAMELESS = ("", "Unnamed: 0", "__index_level_0__")
GROUP_NAMES = (
    "patient",
    "subject",
    "person",
    "participant",
    "user",
    "speaker",
    "animal",
    "machine",
    "device",
    "group",
    "recording",
    "session",
)
"""Words in the names of columns whose values several series may share."""
SAY_WHAT = (
    "say what it is with label_column, id_column, group_column, split_column or time_column, or leave it out with "
    "ignore_columns"
)


@dataclass(frozen=True)
class TableOptions:
    """What a user says of the columns of a table, and whether long recordings are cut into windows.

    label_column : the class of each series; default: a column called label, class or target.
    id_column : names the series; needed in long form, kept beside the results in wide form.
    time_column : orders the time steps; giving it means long form.
    group_column : whose series these are, such as a patient; those of one value stay on one side of the split.
        With window and without id_column, it also tells recordings apart.
    split_column : says of each series whether it is for train or for test.
    value_columns : the values, in this order: time steps in wide form, channels in long form; default: all others.
    ignore_columns : columns to leave out.
    header : whether the first line of a text file holds names; default: found out.
    window : cut recordings into windows of this many time steps; a row of a table is then a time step.
    stride : time steps from one window to the next; default: the window, so that none overlap.
    recordings : a row of a table is a time step, also where nothing is cut (files of one series each).
    """

    label_column: str | None = None
    id_column: str | None = None
    time_column: str | None = None
    group_column: str | None = None
    split_column: str | None = None
    value_columns: Sequence[str] | None = None
    ignore_columns: Sequence[str] | None = None
    header: bool | None = None
    window: int | None = None
    stride: int | None = None
    recordings: bool = False

    def __post_init__(self) -> None:
        for name, value, least in (("window", self.window, 2), ("stride", self.stride, 1)):
            if value is not None and value < least:
                raise bad_input(name, f"{value} time steps", f"give at least {least}")
        if self.stride is not None and self.window is None:
            raise bad_input("stride", "it says how far apart windows are, and there are none", "give window, too")

    @property
    def per_step(self) -> bool:
        """Whether a row is a time step of a recording."""
        return self.recordings or self.window is not None

    def given(self) -> list[str]:
        """Names of the options for columns that were given."""
        columns = (*ROLE_OPTIONS, "value_columns", "ignore_columns", "header")
        return [name for name in columns if getattr(self, name) is not None]

    def column_names(self) -> list[str]:
        """All columns that the options name."""
        one = [getattr(self, option) for option in ROLE_OPTIONS]
        return [name for name in one if name is not None] + [*(self.value_columns or ()), *(self.ignore_columns or ())]


ROLE_OPTIONS = ("label_column", "id_column", "time_column", "group_column", "split_column")
"""The options that give one column a role."""


@dataclass(frozen=True)
class Roles:
    """What each column of a table is.

    channels : the value columns of each channel: in wide form one a time step, in their order; in long form one.
    label, id, time, group, split : the columns of these roles; None where there is none.
    ignored : columns that are left out.
    like_groups : those of them that look like groups: their names say so, and several series share their values.
    long : a row is a time step, not a series.
    classes_are_folders : a file is a series, and its folder its label.
    notes : what else a user should know, such as that columns were sorted.
    """

    channels: dict[str, tuple[str, ...]]
    label: str | None = None
    id: str | None = None
    time: str | None = None
    group: str | None = None
    split: str | None = None
    ignored: tuple[str, ...] = ()
    like_groups: tuple[str, ...] = ()
    long: bool = False
    classes_are_folders: bool = False
    notes: tuple[str, ...] = ()

    @property
    def values(self) -> list[str]:
        """All value columns, channel after channel."""
        return [column for columns in self.channels.values() for column in columns]

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Names of the channels; one channel of a wide table has none and is called ''."""
        return tuple(self.channels)

    def describe(self, n_cases: int, n_timepoints: int) -> str:
        """One line of what was decided.

        Example:
            >>> Roles({"": ("X1", "X2")}, label="label").describe(24, 2)
            "24 series of 2 steps from columns X1 … X2; label from 'label'; ignored: none"
        """
        names, values = self.channel_names, self.values
        channels = f"{len(names)} channels ({_few(names)})" if len(names) > 1 else ""
        if self.long:
            what = f"channels {_few(names)}" if len(names) > 1 else f"values from {names[0]!r}"
            parts = [f"{n_cases} series of {n_timepoints} steps, a row per step; {what}"]
        else:
            of = f"{channels} of {n_timepoints} steps" if channels else f"{n_timepoints} steps"
            parts = [f"{n_cases} series of {of} from columns {values[0]} … {values[-1]}"]
        unlabelled = "labels from the folders" if self.classes_are_folders else "no labels"
        parts.append(unlabelled if self.label is None else f"label from {self.label!r}")
        if self.id is not None:
            parts.append("ids from the row names" if self.id == ROW_NAMES else f"ids from {self.id!r}")
        if self.time is not None:
            parts.append(f"times from {self.time!r}")
        if self.group is not None:
            parts.append(f"groups from {self.group!r}")
        if self.split is not None:
            parts.append(f"split from {self.split!r}")
        parts.append(f"ignored: {_few(self.ignored) if self.ignored else 'none'}")
        return "; ".join([*parts, *self.notes])


def decide(names: Sequence[str], options: TableOptions, where: object) -> Roles:
    """Decide the role of every column from the names and the options alone.

    Args:
        names: columns in the order of the table; ``ROW_NAMES`` for a nameless first one.
        options: what the user says.
        where: what the error line names as the place.

    Raises:
        InputError: a column that is not there, that has two roles, or that fits none.
    """
    _check_unique(names, where)
    options = _found(options, names, where)
    label = options.label_column or _usual_label(names, options, where)
    taken = {label, *(getattr(options, option) for option in ROLE_OPTIONS), *(options.ignore_columns or ())}
    rest = [name for name in names if name not in taken]
    ignored = list(options.ignore_columns or ())
    identity = options.id_column
    if identity is None and options.window is not None and not options.recordings:
        identity = options.group_column
    if rest and rest[0] == ROW_NAMES and names[0] == ROW_NAMES:
        rest = rest[1:]
        if identity is None and options.time_column is None and not options.per_step:
            identity = ROW_NAMES  # `from_table` drops it where it only counts the rows
        else:
            ignored.append(ROW_NAMES)
    if options.value_columns is not None:
        values = set(options.value_columns)
        ignored += [name for name in rest if name not in values]
        rest = list(options.value_columns)
    beside = options.time_column, options.group_column, options.split_column
    roles = Roles({}, label, identity, *beside, tuple(ignored))
    if options.per_step or options.time_column is not None:
        if not rest:
            raise bad_input(where, "no column is left for the values", "name them with value_columns")
        if options.value_columns is None:
            _check_channels(rest, options.time_column is not None, where)
        return replace(roles, channels={name: (name,) for name in rest}, long=True)
    if not rest:
        raise bad_input(where, "no column is left for the values", "check the separator and the header")
    if options.value_columns is not None:
        return replace(roles, channels=_as_listed(rest, where))
    block = _block(rest, where)
    return replace(roles, channels=block.channels, notes=block.notes)


BESIDE = {
    "id",
    "ids",
    "time",
    "timestamp",
    "datetime",
    "date",
    "index",
    "series",
    "case",
}
"""Names of columns that stand beside the values; as channels they must be listed."""


TIMES = {"time", "timestamp", "datetime", "date"}
"""First or last words of names such as ``Time (s)`` and ``start_date``."""
STEPS = 8
"""Columns called ``t1, t2 …`` that are rather time steps than thermometers."""
STEP = re.compile(r"(t|time|step)[_ \[(]?\d+[\])]?", re.IGNORECASE)


def _check_channels(names: Sequence[str], timed: bool, where: object) -> None:
    """Refuse columns whose names are those of ids or times, or of time steps where a row is one already.

    Args:
        names: of the columns that are left for the channels.
        timed: another column holds the times, so ``T1 … T9`` are nine thermometers.
        where: what the error line names as the place.
    """
    refuse_among_channels([name for name in names if _describes(name)], where)
    if not timed and len(names) >= STEPS and all(STEP.fullmatch(name) or as_date(name) for name in names):
        what = f"columns {names[0]} … {names[-1]} have the names of time steps, but here a row is a time step"
        mend = "put a step of every series in a row, or list the channels in value_columns; window is for recordings"
        raise bad_input(where, what, mend)


def refuse_among_channels(odd: Sequence[str], where: object) -> None:
    """Refuse columns that look like something else than channels."""
    if odd:
        what = f"column{'s' * (len(odd) > 1)} {listed(odd)} among the channels"
        raise bad_input(where, what, f"{SAY_WHAT}; if it is a channel, list the channels in value_columns")


def _describes(name: str) -> bool:
    """Whether a column has the name of an id or a time."""
    words = re.findall(r"[^\W_]+", name.lower())
    return name.lower() in BESIDE or words[-1:] == ["id"] or not TIMES.isdisjoint([*words[:1], *words[-1:]])


def _few(names: Sequence[str], limit: int = 6) -> str:
    return ", ".join(name or "row numbers" for name in names[:limit]) + (" …" if len(names) > limit else "")


def _check_unique(names: Sequence[str], where: object) -> None:
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise bad_input(where, f"columns that occur twice: {listed(repeated)}", "give every column its own name")


def find_column(name: str, columns: Iterable[str], where: object) -> str:
    """Return the column of this name; if there is none, the error line has the nearest."""
    known = list(columns)
    if str(name) in known:
        return str(name)
    near = nearest_name(name, known)
    mend = f"did you mean {near!r}?" if near else f"its columns are {listed(known)}"
    raise bad_input(where, f"no column named {name!r}", mend)


def _range(name: str, columns: Sequence[str], where: object) -> list[str]:
    """All columns from one to another where two names are joined by a colon: ``t0:t31``."""
    first, colon, last = str(name).partition(":")
    if colon and first in columns and last in columns:
        start, end = columns.index(first), columns.index(last)
        return list(columns[min(start, end) : max(start, end) + 1])
    return [find_column(name, columns, where)]


def _found(options: TableOptions, names: Sequence[str], where: object) -> TableOptions:
    """The options, after every column that they name was found and has one role only."""
    changes: dict[str, object] = {}
    present = set(names)
    for option in ROLE_OPTIONS:
        name = getattr(options, option)
        if name is not None:
            changes[option] = find_column(name, names, where)
    for option in ("value_columns", "ignore_columns"):
        several = getattr(options, option)
        if several is not None:
            if isinstance(several, str) or not len(several):
                raise bad_input(where, f"{option} is {several!r}", "give a list of column names")
            parts = ([str(name)] if str(name) in present else _range(name, names, where) for name in several)
            changes[option] = tuple(found for part in parts for found in part)
    known = replace(options, **changes)  # type: ignore[arg-type]
    named = known.column_names()
    if known.window is not None and known.group_column == known.id_column is not None:
        named.remove(known.id_column)  # each group is one recording
    twice = sorted(name for name, count in Counter(named).items() if count > 1)
    if twice:
        raise bad_input(where, f"options give column {twice[0]!r} two roles", "name each column once")
    return known


def _usual_label(names: Sequence[str], options: TableOptions, where: object) -> str | None:
    for role, name in (("group", options.group_column), ("split", options.split_column)):
        if name is not None and name.lower() in LABEL_NAMES:
            what = f"column {name!r} would be the label and the {role}"
            raise bad_input(where, what, f"name the label with label_column, or another {role}_column")
    usual = [name for name in names if name.lower() in LABEL_NAMES and name not in options.column_names()]
    if len(usual) > 1:
        raise bad_input(where, f"more than one column may be the label: {listed(usual)}", "name it with label_column")
    return usual[0] if usual else None


# --- the block of series columns --------------------------------------------------------------------------------


class _Block(NamedTuple):
    channels: dict[str, tuple[str, ...]]
    notes: tuple[str, ...]


class _Step(NamedTuple):
    """A column's name taken apart: what stands before its number, and the number."""

    prefix: str
    number: float


def _as_step(name: str) -> _Step | None:
    """Take a name apart; None where it has no number at its end.

    >>> _as_step("acc_t10"), _as_step("12"), _as_step("age")
    (_Step(prefix='acc_t', number=10.0), _Step(prefix='', number=12.0), None)
    """
    if re.fullmatch(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", name):
        return _Step("", float(name))
    date = as_date(name)
    if date is not None:
        return _Step("date ", (date - datetime(1970, 1, 1, tzinfo=date.tzinfo)).total_seconds())
    match = re.fullmatch(r"(.*?\D)(\d+)[\])}]?", name)
    return None if match is None else _Step(match[1], float(match[2]))


def as_date(text: str) -> datetime | None:
    """The date of an ISO text such as 2024-01 or 2024-01-01T12:30, None for other texts."""
    if not re.match(r"\d{4}-\d\d", text):
        return None
    try:
        return datetime.fromisoformat(f"{text}-01" if len(text) == 7 else text)
    except ValueError:
        return None


def _block(names: Sequence[str], where: object) -> _Block:
    """Channels of value columns that are named alike, each sorted by number.

    Raises:
        InputError: a column does not fit the others, or channels differ in length.
    """
    groups: dict[str, list[tuple[float, str]]] = {}
    plain: list[str] = []
    for name in names:
        step = _as_step(name)
        if step is None:
            plain.append(name)
        else:
            groups.setdefault(step.prefix, []).append((step.number, name))
    longest = max(map(len, groups.values()), default=0)
    if longest < 2 and len(names) > longest:
        raise _no_block(names, where)
    steps_only = {prefix: steps for prefix, steps in groups.items() if 2 * len(steps) >= longest}
    odd = plain + [name for prefix, steps in groups.items() if prefix not in steps_only for _, name in steps]
    if odd and names:
        raise _misfits([name for name in names if name in odd], names, where)
    _check_lengths(steps_only, where)
    unclear = [prefix for prefix in groups if len(groups) > 1 and re.match(r"\d|(t|time|step)_?\d+[\W_]", prefix, re.I)]
    if unclear:
        what = f"columns such as {groups[unclear[0]][0][1]!r}, in which a number stands before another one"
        raise bad_input(where, what, "name columns <channel>_t<step>, or list those of one channel in value_columns")
    ordered = {prefix: sorted(steps) for prefix, steps in groups.items()}
    moved = ordered != groups
    for prefix, steps in ordered.items():
        if re.search(r"(^|[\W_])lag[\W_]*$", prefix, re.I) or (steps != groups[prefix] and prefix.endswith(("-", "−"))):
            what = f"columns such as {groups[prefix][0][1]!r}, whose numbers may count backwards in time"
            raise bad_input(where, what, "list them in value_columns, in the order of time")
        _check_spacing(steps, where)
    channels = {
        _channel_name(prefix) if len(ordered) > 1 else "": tuple(name for _, name in steps)
        for prefix, steps in ordered.items()
    }
    if len(channels) < len(ordered):
        raise bad_input(where, f"channels {listed(list(ordered))} have one name", "give each channel its own name")
    if len(channels) > longest and not all(prefix.endswith("_t") for prefix in ordered):
        what = f"columns {listed(names)} would be {len(channels)} channels of {longest} steps"
        raise bad_input(where, what, "name them <channel>_t<step>, or list the columns of one channel in value_columns")
    notes = ("columns sorted by number",) if moved else ()
    return _Block(channels, (*notes, *_gap_notes(next(iter(ordered.values())))))


def has_block(names: Sequence[str]) -> bool:
    """Whether columns look like the time steps of a wide table."""
    try:
        return max(len(columns) for columns in _block(names, "").channels.values()) > 2
    except InputError:
        return False


def _channel_name(prefix: str) -> str:
    """The name of a channel: what stands before `_t` or another separator and the number."""
    return re.sub(r"(_t|[\W_]+)$", "", prefix) or prefix


def _no_block(names: Sequence[str], where: object) -> InputError:
    what = f"columns {listed(names)} have no common numbering such as t0, t1, t2 …, so which are time steps is unclear"
    mend = (
        "if a row is a series, list the time steps in value_columns (first:last is a range); if a row is a time step, "
        "name the time_column and the id_column, or cut it into parts with window"
    )
    return bad_input(where, what, mend)


def _misfits(odd: Sequence[str], names: Sequence[str], where: object) -> InputError:
    fit = [name for name in names if name not in odd]
    what = f"column{'s' * (len(odd) > 1)} {listed(odd)} among the time steps {fit[0]} … {fit[-1]}"
    return bad_input(where, what, SAY_WHAT)


def _check_lengths(groups: dict[str, list[tuple[float, str]]], where: object) -> None:
    by_length = sorted(groups.items(), key=lambda item: len(item[1]))
    (short, few), (long, many) = by_length[0], by_length[-1]
    if len(few) < len(many):
        names = _channel_name(short), _channel_name(long)
        what = f"channel {names[0]!r} has {len(few)} steps and channel {names[1]!r} {len(many)}"
        raise bad_input(where, what, "give all channels one length, or leave columns out with ignore_columns")
    numbers = {tuple(sorted(number for number, _ in steps)) for steps in groups.values()}
    if len(numbers) > 1:
        what = f"channels {_channel_name(short)!r} and {_channel_name(long)!r} have different step numbers"
        raise bad_input(where, what, "number the steps of all channels alike")


def _check_spacing(steps: Sequence[tuple[float, str]], where: object) -> None:
    """Refuse a number that occurs twice (t1, t01) and whole numbers with a gap, where a column may be missing."""
    numbers = [number for number, _ in steps]
    gaps = [after - before for before, after in pairwise(numbers)]
    if gaps and min(gaps) == 0:
        at = gaps.index(0)
        raise bad_input(where, f"columns {steps[at][1]!r} and {steps[at + 1][1]!r} are one step", "rename one of them")
    whole = all(number.is_integer() for number in numbers) and as_date(steps[0][1]) is None
    if whole and gaps and max(gaps) != min(gaps):
        at = gaps.index(max(gaps))
        what = f"a gap in the numbering between {steps[at][1]!r} and {steps[at + 1][1]!r}"
        raise bad_input(where, what, "add the missing columns, or list the time steps in value_columns")


def _gap_notes(steps: Sequence[tuple[float, str]]) -> list[str]:
    """What a user should know of dates and fractions with gaps; months and wavelengths are only a little uneven."""
    gaps = [after - before for (before, _), (after, _) in pairwise(steps)]
    if not gaps or max(gaps) <= 1.5 * median(gaps):
        return []
    at = gaps.index(max(gaps))
    return [f"a gap between the columns {steps[at][1]} and {steps[at + 1][1]}, whose steps are taken as even"]


def _as_listed(names: Sequence[str], where: object) -> dict[str, tuple[str, ...]]:
    """Channels of columns that the user listed; within a channel their order is kept."""
    groups: dict[str, list[str]] = {}
    for name in names:
        step = _as_step(name)
        groups.setdefault(step.prefix if step is not None and re.search(r"_t\d+$", name) else "", []).append(name)
    if len(groups) == 1 or "" in groups:
        return {"": tuple(names)}
    if len({len(columns) for columns in groups.values()}) > 1:
        _check_lengths({prefix: [(i, n) for i, n in enumerate(columns)] for prefix, columns in groups.items()}, where)
    return {_channel_name(prefix): tuple(columns) for prefix, columns in groups.items()}
