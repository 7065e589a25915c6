"""What of each series was observed. In arrays that people see NaN marks the rest; networks take values and a mask."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

from ncvqvae.data.mapped import case_chunks
from ncvqvae.data.scaling import GlobalScaler


class Observed(NamedTuple):
    """Values (n, C, L), every one finite, and where they were observed (True; same shape); None: everywhere."""

    values: np.ndarray
    mask: np.ndarray | None


class ScaledSeries:
    """Series as the networks take them, made batch by batch: a memory-mapped array is never copied whole.

    Args:
        X: series (n_cases, n_channels, n_timepoints), NaN where nothing was observed.
        scaler: fitted on the train split.
    """

    def __init__(self, X: np.ndarray, scaler: GlobalScaler) -> None:
        self.X, self.scaler = X, scaler

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, rows: Any) -> Observed:
        """The scaled series of a slice, or of an array of positions."""
        return fill(self.scaler.transform(self.X[rows]))

    def part(self, rows: Any) -> ScaledSeries:
        """Those of a slice, or of an array of positions, still to be scaled."""
        return ScaledSeries(self.X[rows], self.scaler)


def fill(X: np.ndarray) -> Observed:
    """Fill gaps linearly in time and hold the first and last value towards the ends; a channel without any is 0.

    Args:
        X: series (n, n_channels, n_timepoints), NaN where nothing was observed.
    """
    observed = ~np.isnan(X)
    if observed.all():
        return Observed(X, None)
    time, last = np.arange(X.shape[-1]), X.shape[-1] - 1
    left, right = nearest_observed(observed)
    left, right = np.where(left < 0, right, left), np.where(right > last, left, right)
    before, after = (np.take_along_axis(X, place.clip(0, last), axis=-1) for place in (left, right))
    weight = (time - left) / np.maximum(right - left, 1)
    return Observed(np.nan_to_num(before + weight * (after - before)).astype(X.dtype), observed)


def nearest_observed(observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest observed step up to each step, -1 if there is none, and from it on, n_timepoints if there is none.

    Args:
        observed: masks (…, n_timepoints).
    """
    n_timepoints = observed.shape[-1]
    time = np.arange(n_timepoints)
    left = np.maximum.accumulate(np.where(observed, time, -1), axis=-1)
    right = np.minimum.accumulate(np.where(observed, time, n_timepoints)[..., ::-1], axis=-1)[..., ::-1]
    return left, right


def series_lengths(X: np.ndarray) -> np.ndarray:
    """Steps up to the last observed one, (n_cases,), of series (n_cases, n_channels, n_timepoints)."""
    lengths = [X.shape[-1] - (~np.isnan(c)).any(axis=1)[:, ::-1].argmax(axis=-1) for c in case_chunks(X)]
    return np.concatenate(lengths)


def has_missing(X: np.ndarray) -> bool:
    """Tell whether anything was not observed."""
    return any(bool(np.isnan(chunk).any()) for chunk in case_chunks(X))


def n_constant(X: np.ndarray) -> int:
    """How many series never change, in any channel."""
    return sum(
        int((~(np.fmax.reduce(c, axis=2) > np.fmin.reduce(c, axis=2))).all(axis=1).sum()) for c in case_chunks(X)
    )


STAND_INS = re.compile(r"-9+|99+|-?9+\.9+|-32768|-2147483648|-?1e\+(20|30|37|38)|9\.96921e\+36")
"""Numbers, as ``%g`` writes them, that programs put where nothing was observed."""


def stand_ins(X: np.ndarray) -> dict[float, int]:
    """Numbers such as -999 that may stand for what was not observed, and how often each stands.

    Each is the least or the greatest value of a channel, and farther from the others than these are from one another.
    """
    found: dict[float, int] = {}
    for reach in (np.fmin, np.fmax):
        ends = reach.reduce([reach.reduce(chunk, axis=(0, 2)) for chunk in case_chunks(X)])
        for channel, end in enumerate(ends.astype(np.float64).tolist()):
            count = _apart(X, channel, end) if STAND_INS.fullmatch(f"{end:g}") else 0
            if count > 1:
                found[end] = found.get(end, 0) + count
    return found


def _apart(X: np.ndarray, channel: int, value: float) -> int:
    """How often a value stands in a channel, 0 where others are near."""
    low, high, count = np.inf, -np.inf, 0
    for chunk in case_chunks(X):
        values = chunk[:, channel].astype(np.float64)
        others = values[~np.isnan(values) & (values != value)]
        count += int((values == value).sum())
        if others.size:
            low, high = min(low, float(others.min())), max(high, float(others.max()))
    return count if min(abs(low - value), abs(high - value)) > high - low > 0 else 0


def n_zero_ended(X: np.ndarray) -> int:
    """How many series end in zeros, as shorter ones do that were filled up; 0 where zeros are values like others."""
    ends = np.concatenate([(c != 0).any(axis=1)[:, ::-1].argmax(axis=-1) for c in case_chunks(X)])
    n_zeros = sum(int((chunk == 0).sum()) for chunk in case_chunks(X))
    behind = int(ends.sum()) * X.shape[1]
    filled = len(np.unique(ends)) > 2 and n_zeros - behind <= 0.01 * (X.size - behind)
    return int((ends > 2).sum()) if filled else 0


def are_unequal(X: np.ndarray) -> bool:
    """Tell unequal lengths from gaps: at least half of all that is missing stands behind the end of a series."""
    missing = sum(int(np.isnan(chunk).sum()) for chunk in case_chunks(X))
    if not missing:
        return False
    behind = int((X.shape[-1] - series_lengths(X)).sum()) * X.shape[1]
    return 2 * behind >= missing


def beyond(lengths: np.ndarray, n_timepoints: int) -> np.ndarray:
    """True behind the end of series of these lengths (n,): (n, 1, n_timepoints)."""
    return np.arange(n_timepoints) >= np.asarray(lengths)[:, None, None]


def cut_or_pad(X: np.ndarray, n_timepoints: int) -> np.ndarray:
    """Series of unequal lengths (n, n_channels, any) in an array of ``n_timepoints``; NaN behind the end."""
    if X.shape[-1] >= n_timepoints:
        return X[..., :n_timepoints]
    return np.pad(X, ((0, 0), (0, 0), (0, n_timepoints - X.shape[-1])), constant_values=np.nan)


def cut_note(X: np.ndarray, n_timepoints: int, what: str = "series") -> str:
    """What `cut_or_pad` takes away from series longer than those of the train split; "" if nothing."""
    n_cut = int((series_lengths(X) > n_timepoints).sum()) if X.shape[-1] > n_timepoints else 0
    return f"{n_cut} {what} are longer than the longest of train and cut to {n_timepoints} steps" if n_cut else ""


def length_counts(X: np.ndarray, class_index: np.ndarray, n_classes: int) -> np.ndarray | None:
    """How many series of each class have each length, (max(n_classes, 1), n_timepoints + 1); None if all have one.

    Args:
        X: series (n_cases, n_channels, n_timepoints).
        class_index: position of each series' class (n_cases,), 0 for unlabelled series.
    """
    if not are_unequal(X):
        return None
    counts = np.zeros((max(n_classes, 1), X.shape[-1] + 1), int)
    np.add.at(counts, (class_index, series_lengths(X)), 1)
    return counts


def lengths_to_state(counts: np.ndarray | None) -> list[dict[int, int]] | None:
    """`length_counts` as plain mappings, length to number of series, one a class."""
    return None if counts is None else [{int(k): int(row[k]) for k in row.nonzero()[0]} for row in counts]


def lengths_from_state(state: list[dict[int, int]] | None, n_timepoints: int) -> np.ndarray | None:
    """The inverse of `lengths_to_state`.

    Raises:
        ValueError: a length that no series of ``n_timepoints`` can have, a number of series below 1, a class without.
    """
    if state is None:
        return None
    counts = np.zeros((len(state), n_timepoints + 1), int)
    for row, lengths in zip(counts, state, strict=True):
        numbers = [*lengths, *lengths.values()]
        if not lengths or any(type(n) is not int or not 1 <= n < 2**31 for n in numbers) or max(lengths) > n_timepoints:
            raise ValueError("lengths are not those of any series")
        row[list(lengths)] = list(lengths.values())
    return counts
