"""Nearest neighbours and distances of series; values may be missing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ncvqvae.evaluation.resampling import subsample

MAX_PAIRWISE = 2000  # most series for a mean over all pairs


class Nearest(NamedTuple):
    """For each of n series the row of its nearest series (n,) and the Euclidean distance to it (n,), float64."""

    row: np.ndarray
    distance: np.ndarray


def nearest_distances(queries: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Euclidean distance of each query (n, C, L) to its nearest reference (m, C, L): (n,) float64."""
    return nearest(queries, references).distance


def nearest(queries: np.ndarray, references: np.ndarray) -> Nearest:
    """The nearest reference (m, C, L) of each query (n, C, L); distances are exact, and 0 between equal series.

    If a series has NaN, the distance is taken over the values that both series have and scaled up to the full length
    (scikit-learn's `nan_euclidean_distances`).
    """
    from sklearn.metrics import pairwise_distances_argmin

    flat_queries, flat_references = _flat(queries), _flat(references)
    if np.isnan(flat_queries).any() or np.isnan(flat_references).any():
        return _nearest_masked(flat_queries, flat_references)
    index = pairwise_distances_argmin(flat_queries, flat_references)
    return Nearest(index, _row_distances(flat_queries, flat_references, index))


def nearest_other(X: np.ndarray) -> Nearest:
    """The nearest other series of the same set (n, C, L), n at least 2; distances as in `nearest`."""
    from sklearn.neighbors import NearestNeighbors

    flat = _flat(X)
    if np.isnan(flat).any():
        return _nearest_masked(flat, flat, others=True)
    index = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(flat).kneighbors(return_distance=False)[:, 0]
    return Nearest(index, _row_distances(flat, flat, index))


def mean_pairwise_distance(X: np.ndarray) -> float:
    """Mean Euclidean distance over the n(n − 1)/2 pairs of series (n, C, L), n ≥ 2, at most 2000 of them."""
    from sklearn.metrics import pairwise_distances_chunked

    flat = _flat(X)[subsample(len(X), MAX_PAIRWISE, seed=0)]
    metric = "nan_euclidean" if np.isnan(flat).any() else "euclidean"
    total = sum(float(np.nansum(rows)) for rows in pairwise_distances_chunked(flat, metric=metric))
    return total / (len(flat) * (len(flat) - 1))


def _flat(X: np.ndarray) -> np.ndarray:
    return np.asarray(X, np.float64).reshape(len(X), -1)


def _nearest_masked(queries: np.ndarray, references: np.ndarray, *, others: bool = False) -> Nearest:
    """Nearest rows by the values that both have; `others` says that both sets are the same and skips the row itself."""
    from sklearn.metrics import pairwise_distances_chunked

    found, start = [], 0
    for rows in pairwise_distances_chunked(queries, references, metric="nan_euclidean"):
        distances = np.where(np.isnan(rows), np.inf, rows)  # NaN: the two have no value in common
        if others:
            distances[np.arange(len(rows)), start + np.arange(len(rows))] = np.inf
        start += len(rows)
        index = distances.argmin(axis=1)
        found.append(Nearest(index, distances[np.arange(len(rows)), index]))
    return Nearest(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _row_distances(a: np.ndarray, b: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Distance of each row a[i] to b[index[i]], from the difference itself: |a|² − 2ab + |b|² is inexact near 0."""
    chunk = max(1, 2**24 // a.shape[1])
    parts = [np.linalg.norm(a[i : i + chunk] - b[index[i : i + chunk]], axis=1) for i in range(0, len(a), chunk)]
    return np.concatenate(parts)
