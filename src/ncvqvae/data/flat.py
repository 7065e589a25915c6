"""Series that hold a value for a while, such as those of a machine at rest: how still they are, and flattened again."""

from __future__ import annotations

import numpy as np

from ncvqvae.data.mapped import case_chunks

TOLERANCES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
"""Standard deviations within which values may become one."""

RAMP = 0.45
"""Difference between the means of a run's two halves, as a share of its range, from which it rises or falls throughout:
a straight slope has 0.5."""


def still_share(X: np.ndarray) -> float:
    """Share of steps from one observed value to the next that change nothing, of series (n, C, T) with NaN in gaps.

    Example:
        >>> round(still_share(np.array([[[0.0, 0.0, 1.0, 1.0]]])), 2)
        0.67
    """
    still = steps = 0
    for chunk in case_chunks(X):
        change = np.diff(chunk, axis=-1)
        still, steps = still + int((change == 0).sum()), steps + int((~np.isnan(change)).sum())
    return still / max(steps, 1)


def flattened(X: np.ndarray, tolerance: float) -> np.ndarray:
    """Series (n, C, T) in which runs of values within ``tolerance`` of each other are their mean.

    A run goes on while its greatest and smallest value differ by no more. One that rises or falls throughout, and meets
    another without a jump, is part of a slope and stays as it is. A NaN stays, and begins a new run.

    Example:
        >>> flattened(np.array([[[0.0, 0.1, 0.0, 0.1, 2.0, 3.0]]]), 0.2).round(2)
        array([[[0.05, 0.05, 0.05, 0.05, 2.  , 3.  ]]])
    """
    rows = np.asarray(X, np.float64).reshape(-1, X.shape[-1])
    values, run = rows.ravel(), _runs(rows, tolerance)
    first = np.flatnonzero(np.diff(run, prepend=-1))
    length = np.diff(first, append=len(values))
    means = _means(values, run)
    second_half = 2 * (np.arange(len(values)) - first[run]) >= length[run]
    of_first, of_second = _means(values, 2 * run + second_half, 2 * len(first)).reshape(-1, 2).T
    spread = np.maximum.reduceat(values, first) - np.minimum.reduceat(values, first)
    jump = np.abs(values[first[1:]] - values[first[1:] - 1]) > tolerance
    jump |= first[1:] % rows.shape[1] == 0  # the next run is of another series
    apart = np.concatenate([[True], jump]) & np.concatenate([jump, [True]])
    flat = apart | (np.abs(of_second - of_first) < RAMP * spread)
    return np.where(flat[run], means[run], values).reshape(X.shape).astype(X.dtype)


def _runs(rows: np.ndarray, tolerance: float) -> np.ndarray:
    """The number of the run that each value is part of, of all rows (m, T) one after the other: (m T,)."""
    begins = np.ones(rows.shape, bool)
    low, high = rows[:, 0], rows[:, 0]
    for step in range(1, rows.shape[1]):
        value = rows[:, step]
        lower, higher = np.minimum(low, value), np.maximum(high, value)
        goes_on = higher - lower <= tolerance  # never with NaN
        low, high = np.where(goes_on, lower, value), np.where(goes_on, higher, value)
        begins[:, step] = ~goes_on
    return np.asarray(np.cumsum(begins.ravel()) - 1)


def _means(values: np.ndarray, group: np.ndarray, n_groups: int = 0) -> np.ndarray:
    """Mean of the values of each group; of one without values 0."""
    count = np.bincount(group, minlength=n_groups)
    return np.asarray(np.bincount(group, values, n_groups) / np.maximum(count, 1))
