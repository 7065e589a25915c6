"""Is a sample nearer to a training series than to the held-out ones of an equally large, class-matched set?

The answer does not depend on how samples are drawn or which of them are rejected: redraws compare a sample with
training series alone. Real series that are drawn like both sets give 0.5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ncvqvae.evaluation.resampling import Interval, centred_interval, subsample
from ncvqvae.labels import rows_by_class, sorted_classes

CANDIDATES = 10
"""Of either set, the nearest in MiniRocket's features are compared by DTW."""

MAX_DTW_SAMPLES = 150
MAX_DTW_STEPS = 256
"""Longer series are averaged over equal parts before DTW."""

WINDOW = 0.1
"""Width of DTW's band, as a share of the length."""

Distances = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From rows of train and of held-out (k,) each to samples' distances to both, (n, k) each; inf is not compared."""


class Pairs(NamedTuple):
    """Rows of two sets (k,) each; the i-th of both have the same class."""

    a: np.ndarray
    b: np.ndarray


class Estimate(NamedTuple):
    """A value and its bootstrap interval."""

    value: float
    interval: Interval


def class_matched(y_a: np.ndarray, y_b: np.ndarray, rng: np.random.Generator) -> Pairs:
    """Rows of both sets, as many of each class as the set has that has fewer of it, drawn without replacement."""
    rows_a, rows_b = [np.empty(0, int)], [np.empty(0, int)]
    in_a, in_b = rows_by_class(y_a), rows_by_class(y_b)
    for label in sorted_classes(y_a, y_b):
        of_a, of_b = in_a.get(label, rows_a[0]), in_b.get(label, rows_b[0])
        size = min(len(of_a), len(of_b))
        rows_a.append(rng.choice(of_a, size, replace=False))
        rows_b.append(rng.choice(of_b, size, replace=False))
    return Pairs(np.concatenate(rows_a), np.concatenate(rows_b))


def nearer_share(
    distances: Distances, y_train: np.ndarray, y_heldout: np.ndarray, *, matches: int, draws: int, seed: int
) -> Estimate:
    """Share of samples nearer to train than to held-out, mean over class-matched sets; a tie counts half.

    The interval is a bootstrap of samples and of class-matched pairs of real series (see `centred_interval`).

    Args:
        distances: see `Distances`.
        y_train, y_heldout: labels of the real series.
        matches: number of class-matched sets.
        draws: bootstrap draws, over all sets; 0 gives an interval of NaN.
        seed: seed of all draws.
    """
    rng = np.random.default_rng(seed)
    values, drawn = [], []
    for _ in range(matches):
        pairs = class_matched(y_train, y_heldout, rng)
        if not len(pairs.a):
            return Estimate(float("nan"), Interval(float("nan"), float("nan")))
        to_train, to_heldout = distances(*pairs)
        values.append(_share(to_train, to_heldout))
        for _ in range(draws // matches):
            rows, columns = (np.unique(rng.integers(size, size=size)) for size in to_train.shape)
            chosen = np.ix_(rows, columns)
            drawn.append(_share(to_train[chosen], to_heldout[chosen]))
    value = float(np.mean(values))
    return Estimate(value, centred_interval(value, np.array(drawn), bounds=(0.0, 1.0)))


def feature_distances(made: np.ndarray, train: np.ndarray, heldout: np.ndarray) -> Distances:
    """Euclidean distances of features (n, d) to those of train and held-out, each computed once."""
    from sklearn.metrics import pairwise_distances

    to_train, to_heldout = (pairwise_distances(made, known).astype(np.float32) for known in (train, heldout))
    return lambda rows, others: (to_train[:, rows], to_heldout[:, others])


def dtw_distances(
    made: np.ndarray, train: np.ndarray, heldout: np.ndarray, near: Distances, rows: np.ndarray
) -> Distances:
    """DTW distances of the samples `rows` to their `CANDIDATES` nearest of either set by `near`; inf to all others.

    Args:
        made, train, heldout: series (n, C, L), NaN behind an end.
        near: distances of all samples, which choose the candidates.
        rows: samples to compare, see `dtw_rows`.
    """
    made, train, heldout = (_shortened(X) for X in (made[rows], train, heldout))

    def measured(rows_train: np.ndarray, rows_heldout: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        by_features = near(rows_train, rows_heldout)
        known = train[rows_train], heldout[rows_heldout]
        return _dtw(made, known[0], by_features[0][rows]), _dtw(made, known[1], by_features[1][rows])

    return measured


def dtw_rows(n: int, seed: int) -> np.ndarray:
    """Rows of the samples that are compared by DTW: a random choice of 150 where there are more."""
    return subsample(n, MAX_DTW_SAMPLES, seed)


def _dtw(made: np.ndarray, known: np.ndarray, by_features: np.ndarray) -> np.ndarray:
    from aeon.distances import dtw_distance

    found = np.full(by_features.shape, np.inf)
    for row, x in enumerate(made):
        for column in np.argsort(by_features[row])[:CANDIDATES]:
            found[row, column] = dtw_distance(_observed(x), _observed(known[column]), window=WINDOW)
    return found


def _observed(x: np.ndarray) -> np.ndarray:
    """A series (C, L) up to its end."""
    return x[:, ~np.isnan(x).any(axis=0)]


def _shortened(X: np.ndarray) -> np.ndarray:
    """Series (n, C, L) of at most `MAX_DTW_STEPS` steps, in float64: means over equal parts."""
    size = -(-X.shape[-1] // MAX_DTW_STEPS)
    whole = X[..., : X.shape[-1] // size * size].astype(np.float64)
    return whole.reshape(*X.shape[:2], -1, size).mean(axis=-1)


def _share(to_train: np.ndarray, to_heldout: np.ndarray) -> float:
    a, b = to_train.min(axis=1), to_heldout.min(axis=1)
    return float(((a < b) + 0.5 * (a == b)).mean())
