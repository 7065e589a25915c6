"""Copies and collapse: nearest training series, spread within a class, and what of the real data is covered."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ncvqvae.evaluation.resampling import subsample
from ncvqvae.labels import is_class, sorted_classes

MAX_PAIRWISE = 2000  # series of which all pairs are measured


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


class Nearest(NamedTuple):
    """Of each of n series: row of the nearest other series (n,), and the Euclidean distance to it (n,), float64."""

    row: np.ndarray
    distance: np.ndarray


class Coverage(NamedTuple):
    """What `precision_recall` measures."""

    precision: float
    recall: float
    density: float
    coverage: float


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
    """Euclidean distance of each query (n, C, L) to its nearest reference (m, C, L): (n,) float64."""
    return nearest(queries, references).distance


def nearest(queries: np.ndarray, references: np.ndarray) -> Nearest:
    """The nearest reference (m, C, L) of each query (n, C, L); distances are exact, and 0 between equal series.

    Where either has NaN, over what both have, scaled up to the full length (scikit-learn's `nan_euclidean_distances`).
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


def authentic_share(generated: np.ndarray, train: np.ndarray) -> float:
    r"""AuthPct as a share: generated series whose nearest training series has a nearer neighbour in train itself.

    .. math:: \mathbb{E}_g \, [\, d(g, t) \ge \min_{t' \ne t} d(t, t') \,], \; t = \arg\min_t d(g, t)

    Args:
        generated: series (n, C, L).
        train: training series (n_train, C, L), at least 2.

    Reference: Alaa et al., "How faithful is your synthetic data?" (2022).
    """
    found, within = nearest(generated, train), nearest_other(train)
    return float((found.distance >= within.distance[found.row]).mean())


def repeated_share(tokens: np.ndarray, train_tokens: np.ndarray) -> float:
    """Share of token sequences (n, N) that stand in the train split (n_train, N), token for token."""
    known = set(map(tuple, np.asarray(train_tokens).tolist()))
    return float(np.mean([row in known for row in map(tuple, np.asarray(tokens).tolist())]))


def near_duplicate_share(X: np.ndarray, heldout: np.ndarray, quantile: float = 0.05, seed: int = 0) -> float:
    """Share of series nearer to another one of their own set than the `quantile` of held-out series are to another.

    Equally many series of both sets are taken, since neighbours are nearer in a larger set; real data gives `quantile`.

    Args:
        X: series (n, C, L).
        heldout: real series (n_heldout, C, L).
        quantile: which quantile of the held-out distances is the threshold.
        seed: seed of the parts taken.
    """
    size = min(len(X), len(heldout), MAX_PAIRWISE)
    if size < 2:
        return float("nan")
    own, real = (nearest_other(part[subsample(len(part), size, seed)]).distance for part in (X, heldout))
    return float((own <= np.quantile(real, quantile)).mean())


def precision_recall(real: np.ndarray, generated: np.ndarray, k: int = 5) -> Coverage:
    r"""Precision, recall, density and coverage of two feature sets, by balls that reach the k-th neighbour.

    .. math::
        \text{precision} = \mathbb{E}_j [\exists i: g_j \in B(r_i)], \quad
        \text{recall} = \mathbb{E}_i [\exists j: r_i \in B(g_j)], \quad
        \text{density} = \tfrac1k \mathbb{E}_j \textstyle\sum_i [g_j \in B(r_i)], \quad
        \text{coverage} = \mathbb{E}_i [\exists j: g_j \in B(r_i)]

    Args:
        real: features (n, d), n at least 2.
        generated: features (m, d), m at least 2.
        k: neighbour that a ball's radius reaches; fewer where a set is as small.

    References: Kynkäänniemi et al., "Improved precision and recall metric" (2019); Naeem et al., "Reliable fidelity
    and diversity metrics" (2020).
    """
    from sklearn.metrics import pairwise_distances

    k = min(k, len(real) - 1, len(generated) - 1)
    across = pairwise_distances(real, generated)
    in_real, in_generated = across <= _radii(real, k)[:, None], across <= _radii(generated, k)
    return Coverage(
        precision=float(in_real.any(axis=0).mean()),
        recall=float(in_generated.any(axis=1).mean()),
        density=float(in_real.sum(axis=0).mean() / k),
        coverage=float(in_real.any(axis=1).mean()),
    )


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
        of_generated, of_real = generated[is_class(y_generated, label)], real[is_class(y_real, label)]
        if min(len(of_generated), len(of_real)) >= 2:
            a, b = mean_pairwise_distance(of_generated), mean_pairwise_distance(of_real)
            spreads[label] = ClassSpread(a, b, a / b if b else float("nan"))
    return spreads


def mean_pairwise_distance(X: np.ndarray) -> float:
    """Mean Euclidean distance over the n(n − 1)/2 pairs of series (n, C, L), n at least 2; of 2000 if more."""
    from sklearn.metrics import pairwise_distances_chunked

    flat = _flat(X)[subsample(len(X), MAX_PAIRWISE, seed=0)]
    metric = "nan_euclidean" if np.isnan(flat).any() else "euclidean"
    total = sum(float(np.nansum(rows)) for rows in pairwise_distances_chunked(flat, metric=metric))
    return total / (len(flat) * (len(flat) - 1))


def _flat(X: np.ndarray) -> np.ndarray:
    return np.asarray(X, np.float64).reshape(len(X), -1)


def _nearest_masked(queries: np.ndarray, references: np.ndarray, *, others: bool = False) -> Nearest:
    """Nearest rows by what both have; `others`: the two sets are one, and a row is not its own neighbour."""
    from sklearn.metrics import pairwise_distances_chunked

    found, start = [], 0
    for rows in pairwise_distances_chunked(queries, references, metric="nan_euclidean"):
        distances = np.where(np.isnan(rows), np.inf, rows)  # nothing in common
        if others:
            distances[np.arange(len(rows)), start + np.arange(len(rows))] = np.inf
        start += len(rows)
        index = distances.argmin(axis=1)
        found.append(Nearest(index, distances[np.arange(len(rows)), index]))
    return Nearest(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _row_distances(a: np.ndarray, b: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Distance of each row a[i] to b[index[i]], from the difference: |a − b|² expanded would cancel near 0."""
    chunk = max(1, 2**24 // a.shape[1])
    parts = [np.linalg.norm(a[i : i + chunk] - b[index[i : i + chunk]], axis=1) for i in range(0, len(a), chunk)]
    return np.concatenate(parts)


def _radii(features: np.ndarray, k: int) -> np.ndarray:
    """Distance of each row of features (n, d) to its k-th neighbour."""
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=k).fit(features).kneighbors()[0][:, -1]


def _mean_per_class(flags: np.ndarray, labels: np.ndarray | None) -> dict[Hashable, float]:
    if labels is None:
        return {}
    return {label: float(flags[is_class(labels, label)].mean()) for label in sorted_classes(labels)}
