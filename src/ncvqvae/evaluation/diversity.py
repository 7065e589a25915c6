"""Copies and collapse: distance to the training series, spread within a class."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ncvqvae.evaluation.labels import sorted_classes


@dataclass(frozen=True)
class CopiedShare:
    """Result of `copied_share`.

    Attributes:
        share: share of generated series that lie within `threshold` of a training series.
        threshold: quantile of the held-out real series' distances to their nearest training series.
        per_class: label → the share among generated series of that class (empty without labels).
        heldout_per_class: label → the same share among held-out real series: the real-data row of `per_class`.
        distances: each generated series' distance to its nearest training series (n_generated,).
        heldout_distances: the same for held-out series (n_heldout,).
    """

    share: float
    threshold: float
    distances: np.ndarray
    heldout_distances: np.ndarray
    per_class: dict[Hashable, float] = field(default_factory=dict)
    heldout_per_class: dict[Hashable, float] = field(default_factory=dict)


class ClassSpread(NamedTuple):
    """Mean pairwise distance within one class, generated and real, and their ratio (below 1: less varied than real)."""

    generated: float
    real: float
    ratio: float


def copied_share(
    generated: np.ndarray,
    train: np.ndarray,
    heldout: np.ndarray,
    quantile: float = 0.05,
    *,
    y_generated: np.ndarray | None = None,
    y_heldout: np.ndarray | None = None,
) -> CopiedShare:
    """Share of generated series that lie suspiciously near to a training series; `quantile` is what real data gives.

    A series counts as copied if its Euclidean distance to the nearest training series is at most the `quantile` of
    the held-out real series' distances (at most, not below: a coarse tokenizer maps many a held-out series onto a
    training series, so that the quantile itself is 0). `train` and `heldout` must have gone through the generator's own
    tokenizer (encode, decode): it smooths noise away, and against raw series even reconstructions of held-out
    real series look like copies.

    Args:
        generated: series (n, C, L).
        train: the generator's training series (n_train, C, L).
        heldout: real series it has not seen (n_heldout, C, L).
        quantile: which quantile of the held-out distances is the threshold.
        y_generated: labels (n,) for the figures per class.
        y_heldout: labels (n_heldout,) for the figures per class.
    """
    distances, heldout_distances = nearest_distances(generated, train), nearest_distances(heldout, train)
    threshold = float(np.quantile(heldout_distances, quantile))
    return CopiedShare(
        share=float((distances <= threshold).mean()),
        threshold=threshold,
        distances=distances,
        heldout_distances=heldout_distances,
        per_class=_mean_per_class(distances <= threshold, y_generated),
        heldout_per_class=_mean_per_class(heldout_distances <= threshold, y_heldout),
    )


def nearest_distances(queries: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Euclidean distance of each query (n, C, L) to its nearest reference (m, C, L): (n,) float64, exact, chunked.

    Where either has NaN, over what both have, scaled up to the full length (scikit-learn's `nan_euclidean_distances`).
    """
    from sklearn.metrics import pairwise_distances_argmin, pairwise_distances_chunked

    flat_queries, flat_references = _flat(queries), _flat(references)
    if np.isnan(flat_queries).any() or np.isnan(flat_references).any():
        rows = pairwise_distances_chunked(flat_queries, flat_references, metric="nan_euclidean")
        return np.concatenate([np.nanmin(distances, axis=1) for distances in rows])
    nearest = pairwise_distances_argmin(flat_queries, flat_references)
    # the search expands |a − b|², which cancels near 0; the distance itself is taken from the difference
    chunk = max(1, 2**24 // flat_queries.shape[1])
    parts = [
        np.linalg.norm(flat_queries[i : i + chunk] - flat_references[nearest[i : i + chunk]], axis=1)
        for i in range(0, len(flat_queries), chunk)
    ]
    return np.concatenate(parts)


def intra_class_spread(
    generated: np.ndarray, y_generated: np.ndarray, real: np.ndarray, y_real: np.ndarray
) -> dict[Hashable, ClassSpread]:
    """Mean pairwise Euclidean distance within each class that both sets hold at least twice.

    Args:
        generated: series (n, C, L).
        y_generated: labels (n,).
        real: series (m, C, L).
        y_real: labels (m,).
    """
    spreads: dict[Hashable, ClassSpread] = {}
    for label in sorted_classes(y_generated, y_real):
        of_generated, of_real = generated[y_generated == label], real[y_real == label]
        if min(len(of_generated), len(of_real)) >= 2:
            a, b = mean_pairwise_distance(of_generated), mean_pairwise_distance(of_real)
            spreads[label] = ClassSpread(a, b, a / b if b else float("nan"))
    return spreads


def mean_pairwise_distance(X: np.ndarray) -> float:
    """Mean Euclidean distance over the n(n − 1)/2 pairs of series (n, C, L), n at least 2, chunked."""
    from sklearn.metrics import pairwise_distances_chunked

    flat = _flat(X)
    metric = "nan_euclidean" if np.isnan(flat).any() else "euclidean"
    total = sum(float(np.nansum(rows)) for rows in pairwise_distances_chunked(flat, metric=metric))
    return total / (len(X) * (len(X) - 1))


def _flat(X: np.ndarray) -> np.ndarray:
    return np.asarray(X, np.float64).reshape(len(X), -1)


def _mean_per_class(flags: np.ndarray, labels: np.ndarray | None) -> dict[Hashable, float]:
    if labels is None:
        return {}
    return {label: float(flags[labels == label].mean()) for label in sorted_classes(labels)}
