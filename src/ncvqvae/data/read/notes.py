"""What a table has that is read as it stands, and may not be meant so: said in one line before training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ncvqvae.data.times import Times
from ncvqvae.errors import listed
from ncvqvae.labels import look_alikes

ALIKE = 0.9
"""Share of the columns with fractions that makes one without any look like a label."""
ROWS = 20
"""Series of which a label or a row number can be told from a time step."""
COUNTED = 8
"""Steps after which a channel that has grown evenly looks like a counter."""


@np.errstate(invalid="ignore", over="ignore")  # infinite values are refused later
def summary_notes(values: np.ndarray, decimals: int | None) -> list[str]:
    """A last row that sums up those above it, as spreadsheets have.

    Args:
        values: of all series (rows, columns).
        decimals: digits behind the point to which a mean may be rounded; None for full precision.
    """
    first = max(3, len(values) - 3)
    if len(values) <= first or values.shape[1] < 3:
        return []
    head = values[: min(first, 1000)].astype(np.float64)
    spread = float(np.nan_to_num(np.fmax.reduce(head) - np.fmin.reduce(head)).mean())
    rounding = min(0.01 * spread, 0.5 * 10.0 ** -(12 if decimals is None else decimals))
    known = ~np.isnan(values[:first])
    total, count = np.add.reduce(values[:first], axis=0, dtype=np.float64, where=known), known.sum(axis=0)
    notes = []
    for row in range(first, len(values)):
        for name, summary in (("sum", total), ("mean", total / np.maximum(count, 1))):
            near = np.minimum(rounding + 1e-6 * np.abs(summary), 0.01 * spread * (row if name == "sum" else 1))
            varies = np.ptp(values[row]) > 0  # of rare events, a row without any is near the mean
            if spread > 0 and varies and (np.abs(values[row] - summary) <= near).all():
                notes.append(f"row {row + 1} is the {name} of those above it")
        total, count = total + np.nan_to_num(values[row]), count + ~np.isnan(values[row])
    return notes


def label_notes(values: np.ndarray, columns: Sequence[Any]) -> list[str]:
    """A first or last column of whole numbers that counts the rows, or has few values where the others have many.

    Args:
        values: of all series, or of the first 256 (rows, columns).
        columns: names of the columns.
    """
    if len(values) < ROWS or len(columns) < 4:
        return []
    rows = values[:256]
    inner = rows[:, np.linspace(1, len(columns) - 2, min(len(columns) - 2, 50)).astype(int)]
    many = float(np.median([len(np.unique(column)) for column in inner.T]))
    fractions = (~np.isnan(inner) & (inner != np.rint(inner))).any(axis=0).mean() >= ALIKE
    notes = []
    for at, beside in ((0, 1), (len(columns) - 1, -2)):
        column = rows[:, at]
        whole, n_distinct = bool((column == np.rint(column)).all()), len(np.unique(column))
        few = 5 * n_distinct <= min(many, len(np.unique(rows[:, beside])))  # sums of steps grow apart bit by bit
        counts = (np.diff(column) == 1).all() and not (np.diff(inner, axis=0) == 1).all()
        if counts or (whole and n_distinct > 1 and (fractions or few)):
            what = "counts the rows" if counts else "holds few whole numbers, and the others more or fractions"
            notes.append(f"column {columns[at]!r} {what}, so it may be no time step")
    return notes


def time_notes(times: Times, case: np.ndarray) -> list[str]:
    """Steps are taken as even, also where times have gaps or series another spacing."""
    order = np.lexsort((times.key, case))
    same = np.diff(case[order]) == 0
    gaps, of_case = np.diff(times.key[order])[same].astype(np.float64), case[order][1:][same]
    if not len(gaps):
        return []
    n_cases = int(case.max()) + 1
    by_case = [part for part in np.split(gaps, np.flatnonzero(np.diff(of_case)) + 1) if len(part)]
    medians = np.array([np.median(part) for part in by_case])
    n_gaps = sum(bool((part > 1.5 * median).any()) for part, median in zip(by_case, medians, strict=True))
    of_cases = f" of {n_gaps} of {n_cases}" if n_cases > 1 else ""
    notes = [f"gaps in the times{of_cases}, whose steps are taken as even"] if n_gaps else []
    return notes + spacing_notes(medians)


def start_notes(times: Times, case: np.ndarray) -> list[str]:
    """Series that lie side by side in time, and begin one after the other."""
    order = np.lexsort((times.key, case))
    first = np.flatnonzero(np.r_[True, np.diff(case[order]) != 0])
    starts, ends = times.key[order][first], times.key[order][np.r_[first[1:], len(order)] - 1]
    steps = np.diff(times.key[order])[np.diff(case[order]) == 0]
    half = 0.5 * np.median(steps) if len(steps) else 0  # what is less is jitter of the clock
    late = starts.max() <= ends.min() and starts.max() - starts.min() > half
    return ["series begin at different times; the first step of each is its own first time"] if late else []


def id_notes(names: Any) -> list[str]:
    """Ids that differ in their writing alone."""
    return [f"ids that may be one: {listed(group)}" for group in look_alikes(list(names))[:3]]


def spacing_notes(intervals: Sequence[float] | np.ndarray) -> list[str]:
    """Series whose times have different intervals."""
    uneven = len(intervals) > 0 and max(intervals) > 1.2 * min(intervals)
    return ["times are spaced differently from series to series; steps are taken as even"] if uneven else []


@np.errstate(invalid="ignore", over="ignore")
def counter_notes(values: np.ndarray, order: np.ndarray, case: np.ndarray, channels: Sequence[str]) -> list[str]:
    """Channels that grow by the same amount from step to step, as row numbers and times do.

    Args:
        values: of all steps (rows, channels).
        order: the rows in the order of time, one series after the other.
        case: the series that each row is of.
        channels: names of the columns.
    """
    same = np.diff(case[order]) == 0
    if len(channels) < 2 or same.sum() < COUNTED:
        return []
    gaps = np.diff(values[order].astype(np.float64), axis=0)[same]
    lowest, highest = gaps.min(axis=0), gaps.max(axis=0)
    counts = (lowest > 0) & (highest - lowest <= 1e-3 * highest)
    names = [channels[at] for at in np.flatnonzero(counts)]
    grow = "channels {} grow" if len(names) > 1 else "channel {} grows"
    return [f"{grow.format(listed(names))} evenly, as a row number or a time does"] if names else []
