"""Time columns: made sortable when a table is read, and continued in the same form when samples are written."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ncvqvae.errors import InputError, bad_input

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

ISO = re.compile(
    r"\d{4}(?P<date>-\d\d(-\d\d)?)?((?P<between>[T ])\d\d:\d\d(?P<seconds>:\d\d(?P<fraction>[.,]\d+)?)?)?"
    r"(?P<offset>Z|[+-]\d\d(:?\d\d)?)?"
)
MONTH, DAY, CLOCK_TIME = r"(19|20)\d\d(0[1-9]|1[0-2])", r"(0[1-9]|[12]\d|3[01])", r"([01]\d|2[0-3])[0-5]\d"
COMPACT = {
    "%Y%m": MONTH,
    "%Y%m%d": MONTH + DAY,
    "%Y%m%d%H%M": MONTH + DAY + CLOCK_TIME,
    "%Y%m%d%H%M%S": MONTH + DAY + CLOCK_TIME + r"[0-5]\d",
}
"""Dates in digits alone, by their pattern."""
CLOCK = re.compile(r"\d{1,3}:\d\d(:\d\d(?P<fraction>\.\d+)?)?")


@dataclass(frozen=True)
class TimeForm:
    """How a column writes times, and where the times of a new series start; plain values, which YAML keeps.

    kind : ``number``, ``date`` or ``duration``.
    start : first time: the number itself; nanoseconds since 1970 (UTC) of a date; nanoseconds of a duration.
    frequency : pandas' name of a regular spacing of dates, such as ``MS`` (month starts) or ``15min``; else None.
    interval : spacing in the unit of ``start`` where there is no such name.
    zone : time zone of dates, such as ``America/New_York`` or ``UTC+01:00``; None for local dates.
    text : an example of how times are written, in tables of text; None in others.
    pattern : strftime pattern of dates that are not ISO dates; None for those.
    """

    kind: str
    start: float
    frequency: str | None = None
    interval: float = 1
    zone: str | None = None
    text: str | None = None
    pattern: str | None = None

    def column(self, step: np.ndarray, kind: pa.DataType) -> pa.Array:
        """Times of time steps (n,), each counted from the start of its series, as a column of this Arrow type."""
        import pyarrow as pa

        if self.kind == "number":
            return pa.array(np.round(self.start + self.interval * step, 12)).cast(kind, safe=False)
        n_steps = int(step.max()) + 1 if len(step) else 1
        values = self._dates(n_steps) if self.kind == "date" else self._durations(n_steps)
        if self.text is not None:
            return pa.array(np.array(self._written(values), dtype=object)[step], pa.string()).cast(kind)
        stored = pa.array(values.take(step))
        return (stored if pa.types.is_timestamp(kind) or pa.types.is_duration(kind) else _plain(stored, kind)).cast(
            kind, safe=False
        )

    def _dates(self, n_steps: int) -> pd.DatetimeIndex:
        import pandas as pd

        start = pd.Timestamp(int(self.start), tz="UTC")
        start = start.tz_localize(None) if self.zone is None else start.tz_convert(self.zone)
        if self.frequency is not None:
            return pd.date_range(start, periods=n_steps, freq=self.frequency)
        return pd.DatetimeIndex(start + pd.to_timedelta(np.arange(n_steps) * self.interval, unit="ns"))

    def _durations(self, n_steps: int) -> pd.TimedeltaIndex:
        import pandas as pd

        return pd.to_timedelta(self.start + np.arange(n_steps) * self.interval, unit="ns")

    def _written(self, values: Any) -> list[str]:
        assert self.text is not None
        if self.kind == "duration":
            return [_written_duration(value, self.text) for value in values]
        if self.pattern is not None:
            return values.strftime(self.pattern).tolist()
        return [_written_date(value, self.text) for value in values]


class Times(NamedTuple):
    """A time column made sortable: a key for each row (int64 or float64), and the form without start and spacing."""

    key: np.ndarray
    form: TimeForm

    def form_of(self, rows: np.ndarray) -> TimeForm:
        """The form with the start and the spacing of one series, the rows of which are given in any order."""
        key = np.sort(self.key[rows])
        start = key[0].item()
        interval = float(np.median(np.diff(key))) if len(key) > 1 else 1
        interval = int(interval) if float(interval).is_integer() else interval
        frequency = _frequency(key, self.form.zone) if self.form.kind == "date" else None
        return replace(self.form, start=start, interval=interval, frequency=frequency)


@dataclass(frozen=True, eq=False)
class SeriesTimes:
    """The times of each series as a table has them, and how they go on behind its end.

    column : the time column, sorted: one series after the other.
    ends : where in the column each series ends (n_cases,).
    times : the same times, sortable, and their form.
    """

    column: pa.ChunkedArray
    ends: np.ndarray
    times: Times

    def of(self, case: np.ndarray, step: np.ndarray, kind: pa.DataType) -> pa.Array:
        """Times of the time steps (n,) of series (n,), in order, as a column of this Arrow type."""
        import pyarrow as pa
        import pyarrow.compute as pc

        first = np.r_[0, self.ends[:-1]]
        known = step < (self.ends - first)[case]
        written = self.column.take(pa.array((first[case] + step)[known])).combine_chunks()
        if pa.types.is_string(written.type) or pa.types.is_large_string(written.type):
            written = pc.utf8_trim_whitespace(written)
        written = written.cast(kind)
        if known.all():
            return written
        later = [
            self._form_of(at, first).column(step[(case == at) & ~known], kind)
            for at in np.unique(case[~known]).tolist()
        ]
        places = np.empty(len(case), np.int64)
        places[known], places[~known] = np.arange(known.sum()), known.sum() + np.arange((~known).sum())
        return pa.concat_arrays([written, *later]).take(pa.array(places))

    def taken(self, cases: np.ndarray) -> SeriesTimes:
        """The times of some series, by number."""
        first = np.r_[0, self.ends[:-1]]
        rows = np.concatenate([np.arange(first[case], self.ends[case]) for case in cases])
        times = Times(self.times.key[rows], self.times.form)
        return SeriesTimes(self.column.take(rows), np.cumsum((self.ends - first)[cases]), times)

    def _form_of(self, case: int, first: np.ndarray) -> TimeForm:
        """The form of one series; one of a single step takes the spacing of the first series."""
        own = self.times.form_of(np.arange(first[case], self.ends[case]))
        if self.ends[case] - first[case] > 1:
            return own
        general = self.times.form_of(np.arange(self.ends[0]))
        return replace(general, start=own.start)


def read_times(column: pa.ChunkedArray, name: str, where: object) -> Times:
    """Make a time column sortable: numbers, dates and durations as they are stored, texts as what they look like.

    Args:
        column: without missing values.
        name: of the column, for error lines.
        where: what the error line names as the place.

    Raises:
        InputError: the texts are no times, or dates that can be read in two ways.
    """
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        try:
            numbers = column.cast(pa.int64() if pa.types.is_integer(kind) else pa.float64()).to_numpy()
        except pa.ArrowInvalid:
            raise bad_input(where, f"column {name!r} has times beyond 2**63", "give smaller numbers") from None
        if not np.isfinite(numbers).all():
            raise bad_input(where, f"column {name!r} has infinite times", "mend them, or drop those rows")
        return _from_numbers(numbers)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        zone = kind.tz if pa.types.is_timestamp(kind) else None
        try:
            key = column.cast(pa.timestamp("ns", zone)).cast(pa.int64()).to_numpy()
        except pa.ArrowInvalid:
            raise _too_far(name, where) from None
        return Times(key, TimeForm("date", 0, zone=zone))
    if pa.types.is_duration(kind) or pa.types.is_time(kind):
        to_ns = pa.duration("ns") if pa.types.is_duration(kind) else pa.time64("ns")
        return Times(column.cast(to_ns).cast(pa.int64()).to_numpy(), TimeForm("duration", 0))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _from_text(column.to_pylist(), name, where)
    raise bad_input(where, f"column {name!r} of type {kind} holds no times", "give times as numbers or dates")


def _from_numbers(numbers: np.ndarray) -> Times:
    """Numbers, or whole numbers such as 202401 or 20240131 that all are dates."""
    texts = list(map(str, np.unique(numbers))) if numbers.dtype.kind == "i" else []
    pattern = next((p for p, digits in COMPACT.items() if texts and re.fullmatch(digits, texts[0])), None)
    if pattern is not None and all(re.fullmatch(COMPACT[pattern], text) for text in texts):
        import pandas as pd

        try:
            dates = pd.to_datetime(pd.Series(numbers.astype(str)), format=pattern)
        except ValueError:
            return Times(numbers, TimeForm("number", 0))
        return Times(_nanoseconds(dates), TimeForm("date", 0, text=str(numbers[0]), pattern=pattern))
    return Times(numbers, TimeForm("number", 0))


def _from_text(texts: list[str], name: str, where: object) -> Times:
    import pandas as pd

    texts = [text.strip() for text in texts]
    numbers = _numbers(texts)
    if numbers is not None:
        return _from_numbers(numbers)
    column = pd.Series(texts, dtype=object)
    try:
        if all(ISO.fullmatch(text) for text in texts):
            return _from_iso(column, name, where)
        if all(CLOCK.fullmatch(text) for text in texts):
            with_seconds = [text if text.count(":") == 2 else f"{text}:00" for text in texts]
            longest = max(texts, key=len)
            return Times(_nanoseconds(pd.to_timedelta(pd.Series(with_seconds))), TimeForm("duration", 0, text=longest))
        if all("day" in text for text in texts):
            return Times(_nanoseconds(pd.to_timedelta(column)), TimeForm("duration", 0, text=texts[0]))
        return _from_pattern(column, name, where)
    except InputError:
        raise
    except (OverflowError, pd.errors.OutOfBoundsDatetime):  # pandas 2 raises the latter, a ValueError
        raise _too_far(name, where) from None
    except (ValueError, TypeError):
        what = f"column {name!r} holds neither numbers nor dates, such as {texts[0]!r}"
        raise bad_input(where, what, "give times as numbers or ISO dates") from None


def _too_far(name: str, where: object) -> InputError:
    what = f"column {name!r} has dates before 1678 or after 2262"
    return bad_input(where, what, "drop those rows, or give times as numbers")


def _numbers(texts: list[str]) -> np.ndarray | None:
    """Texts as whole numbers or as floats, None if they are none."""
    for dtype in (np.int64, np.float64):
        try:
            numbers = np.array([dtype(text.replace(",", ".")) for text in texts])
        except (ValueError, OverflowError):
            continue
        return numbers if np.isfinite(numbers).all() and not any("_" in text for text in texts) else None
    return None


def _from_iso(column: pd.Series, name: str, where: object) -> Times:
    import pandas as pd

    matches = [ISO.fullmatch(text) for text in column]
    if len({match is None or match["offset"] is None for match in matches}) > 1:
        raise bad_input(where, f"column {name!r} has times with and without an offset", "write it with all, or none")
    longest = max(column, key=len)  # a time without its seconds or fraction is the shorter way to write it
    dates = pd.to_datetime(column, format="ISO8601", utc=True)
    zone = None
    if (
        matches[0] is not None and matches[0]["offset"] is not None
    ):  # ordered by instant; new times get the first offset
        zone = str(pd.Timestamp(column.iloc[0]).tz)
    return Times(_nanoseconds(dates), TimeForm("date", 0, zone=zone, text=longest))


def _from_pattern(column: pd.Series, name: str, where: object) -> Times:
    """Dates in another pattern, where just one reading of day and month fits them all."""
    import pandas as pd
    from pandas.tseries.api import guess_datetime_format

    read: dict[str, pd.Series] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas says which of two readings it takes; both are tried here
        guesses = [guess_datetime_format(column.iloc[0], dayfirst=day_first) for day_first in (False, True)]
        for candidate in dict.fromkeys(c for pattern in guesses if pattern for c in (pattern, *_swapped(pattern))):
            try:
                read[candidate] = pd.to_datetime(column, format=candidate)
            except (ValueError, TypeError):
                continue
    different = {_nanoseconds(dates).tobytes() for dates in read.values()}
    if len(different) > 1:
        what = f"column {name!r} has dates such as {column.iloc[0]!r}, in which day and month may be either way round"
        raise bad_input(where, what, "write ISO dates, such as 2024-01-31")
    if not read:
        raise ValueError("no pattern fits")
    pattern, dates = next(iter(read.items()))
    zone = None if dates.dt.tz is None else str(dates.dt.tz)
    return Times(_nanoseconds(dates), TimeForm("date", 0, zone=zone, text=column.iloc[0], pattern=pattern))


def _swapped(pattern: str) -> list[str]:
    """The pattern with day and month the other way round; after a year the month comes first."""
    if pattern.startswith("%Y"):
        return []
    return [pattern.replace("%m", "\0").replace("%d", "%m").replace("\0", "%d")]


def _nanoseconds(values: pd.Series) -> np.ndarray:
    """Dates (as UTC) or durations as whole nanoseconds (n,)."""
    if getattr(values.dt, "tz", None) is not None:
        values = values.dt.tz_convert("UTC").dt.tz_localize(None)
    kind = "datetime64" if values.dtype.kind == "M" else "timedelta64"
    array = values.to_numpy()
    days = array.astype(f"{kind}[D]").astype(np.int64)
    if len(days) and max(days.max(), -days.min()) > 106_000:  # int64 holds nanoseconds of 292 years
        raise OverflowError("dates beyond nanoseconds in int64")
    return array.astype(f"{kind}[ns]").astype(np.int64)


def _frequency(key: np.ndarray, zone: str | None) -> str | None:
    """Pandas' name for the spacing of dates (nanoseconds, sorted), if it is regular."""
    import pandas as pd

    if len(key) < 3:
        return None
    dates = pd.DatetimeIndex(key.astype("datetime64[ns]"))
    if zone is not None:
        dates = dates.tz_localize("UTC").tz_convert(zone)
    try:
        return pd.infer_freq(dates)
    except (ValueError, TypeError):
        return None


def _plain(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Dates and durations on their way into a column of another kind: a date, a clock time, a whole number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_integer(kind):  # 20240131
        return pc.cast(pc.strftime(values, "%Y%m%d"), pa.int64())
    if pa.types.is_time(kind):
        return values.cast(pa.int64()).cast(pa.time64("ns"))
    return values


def _written_date(date: pd.Timestamp, like: str) -> str:
    """An ISO date in the manner of another: its parts, its digits, its way to write the offset."""
    match = ISO.fullmatch(like)
    assert match is not None
    text = date.strftime({0: "%Y", 3: "%Y-%m", 6: "%Y-%m-%d"}[len(match["date"] or "")])
    if match["between"] is not None:
        text += match["between"] + date.strftime("%H:%M:%S" if match["seconds"] else "%H:%M")
    if match["fraction"] is not None:
        digits = len(match["fraction"]) - 1
        fraction = f"{date.microsecond * 1000 + date.nanosecond:09d}".ljust(digits, "0")[:digits]
        text += match["fraction"][0] + fraction
    if match["offset"] is None:
        return text
    if match["offset"] == "Z":
        return text + "Z"
    offset = date.strftime("%z")
    return text + {3: offset[:3], 5: offset, 6: f"{offset[:3]}:{offset[3:]}"}[len(match["offset"])]


def _written_duration(duration: pd.Timedelta, like: str) -> str:
    """A duration in the manner of another: ``1:02:03.50``, or pandas' ``0 days 01:02:03``."""
    match = CLOCK.fullmatch(like)
    if match is None:
        return str(duration)
    nanoseconds = duration.value
    seconds, rest = divmod(nanoseconds, 10**9)
    hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    text = f"{hours:0{like.index(':')}d}:{minutes:02d}" + (f":{seconds:02d}" if like.count(":") == 2 else "")
    if match["fraction"] is not None:
        text += "." + f"{rest:09d}"[: len(match["fraction"]) - 1]
    return text


def look_like_times(texts: list[str]) -> bool:
    """Whether texts are dates or clock times, so that a message can name the option for them."""
    return bool(texts) and all(ISO.fullmatch(text.strip()) or CLOCK.fullmatch(text.strip()) for text in texts[:100])
