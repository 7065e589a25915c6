"""Copies and collapse: nearest training series, spread within a class, and how much of the real data is covered."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ncvqvae.evaluation.neighbours import (
    MAX_PAIRWISE,
    mean_pairwise_distance,
    nearest,
    nearest_distances,
    nearest_other,
)
from ncvqvae.evaluation.resampling import subsample
from ncvqvae.labels import rows_by_class, sorted_classes


@dataclass(frozen=True)
class CopiedShare:
    """Result of `copied_share`.

    Attributes:
        share: share of generated series that lie within `threshold` of a training series.
        threshold: quantile of the held-out real series' distances to their nearest training series.
        per_class: label → the share among generated series of that class (empty without labels).
        heldout_per_class: label → the same share among held-out real series, to compare `per_class` with.
        distances: each generated series' distance to its nearest training series (n_generated,).
        heldout_distances: the same for held-out series (n_heldout,).
    """

    share: float
    threshold: float
    distances: np.ndarray
    heldout_distances: np.ndarray
    per_class: dict[Hashable, float] = field(default_factory=dict)
    heldout_per_class: dict[Hashable, float] = field(default_factory=dict)


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
    """Share of generated series that lie suspiciously near to a training series; held-out real series give `quantile`.

    A series counts as copied if its Euclidean distance to the nearest training series is at most the threshold. The
    threshold is the `quantile` of the held-out real series' distances. Equality counts, because the threshold may be 0:
    a coarse tokenizer maps many held-out series onto a training series.

    `train` and `heldout` must have gone through the generator's own tokenizer (encode, decode). The tokenizer smooths
    noise away; measured against raw series, even reconstructions of held-out real series look like copies.

    Args:
        generated: series (n, C, L).
        train: the generator's training series (n_train, C, L).
        heldout: real series it has not seen (n_heldout, C, L).
        quantile: which quantile of the held-out distances is the threshold.
        y_generated: labels (n,) for the metrics per class.
        y_heldout: labels (n_heldout,) for the metrics per class.
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


def authentic_share(generated: np.ndarray, train: np.ndarray) -> float:
    r"""AuthPct as a share: generated series whose nearest training series lies nearer to another training series.

    .. math:: \mathbb{E}_g \, [\, d(g, t) \ge \min_{t' \ne t} d(t, t') \,], \; t = \arg\min_t d(g, t)

    Args:
        generated: series (n, C, L).
        train: training series (n_train, C, L), at least 2.

    Reference: Alaa et al., "How faithful is your synthetic data?" (2022).
    """
    found, within = nearest(generated, train), nearest_other(train)
    return float((found.distance >= within.distance[found.row]).mean())


def repeated_share(tokens: np.ndarray, train_tokens: np.ndarray) -> float:
    """Share of token sequences (n, N) that occur unchanged in the train split (n_train, N)."""
    known = set(map(tuple, np.asarray(train_tokens).tolist()))
    return float(np.mean([row in known for row in map(tuple, np.asarray(tokens).tolist())]))


def near_duplicate_share(X: np.ndarray, heldout: np.ndarray, quantile: float = 0.05, seed: int = 0) -> float:
    """Share of series that lie suspiciously near to another series of their own set; real data gives `quantile`.

    The threshold is the `quantile` of the held-out series' distances to their nearest other held-out series. Both sets
    are cut to the same number of series, because neighbours are nearer in a larger set.

    Args:
        X: series (n, C, L).
        heldout: real series (n_heldout, C, L).
        quantile: which quantile of the held-out distances is the threshold.
        seed: seed of the random choice of series.
    """
    size = min(len(X), len(heldout), MAX_PAIRWISE)
    if size < 2:
        return float("nan")
    own, real = (nearest_other(part[subsample(len(part), size, seed)]).distance for part in (X, heldout))
    return float((own <= np.quantile(real, quantile)).mean())


def precision_recall(real: np.ndarray, generated: np.ndarray, k: int = 5) -> Coverage:
    r"""Precision, recall, density and coverage of two feature sets.

    B(x) is the ball around x that reaches to the k-th neighbour of x in its own set.
    .. math::
        \text{precision} = \mathbb{E}_j [\exists i: g_j \in B(r_i)], \quad
        \text{recall} = \mathbb{E}_i [\exists j: r_i \in B(g_j)], \quad
        \text{density} = \tfrac1k \mathbb{E}_j \textstyle\sum_i [g_j \in B(r_i)], \quad
        \text{coverage} = \mathbb{E}_i [\exists j: g_j \in B(r_i)]

    Args:
        real: features (n, d), n at least 2.
        generated: features (m, d), m at least 2.
        k: which neighbour fixes a ball's radius; a smaller one if a set has too few rows.

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
    """Mean pairwise Euclidean distance within each class that has at least two series in both sets.

    Args:
        generated: series (n, C, L).
        y_generated: labels (n,).
        real: series (m, C, L).
        y_real: labels (m,).
    """
    spreads: dict[Hashable, ClassSpread] = {}
    rows_generated, rows_real = rows_by_class(y_generated), rows_by_class(y_real)
    for label in sorted_classes(y_generated, y_real):
        rows = rows_generated.get(label, ()), rows_real.get(label, ())
        if min(map(len, rows)) >= 2:
            a, b = (mean_pairwise_distance(X[of_class]) for X, of_class in zip((generated, real), rows, strict=True))
            spreads[label] = ClassSpread(a, b, a / b if b else float("nan"))
    return spreads


def _radii(features: np.ndarray, k: int) -> np.ndarray:
    """Distance of each row of features (n, d) to its k-th neighbour."""
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=k).fit(features).kneighbors()[0][:, -1]


def _mean_per_class(flags: np.ndarray, labels: np.ndarray | None) -> dict[Hashable, float]:
    if labels is None:
        return {}
    rows = rows_by_class(labels)
    return {label: float(flags[rows[label]].mean()) for label in sorted_classes(labels)}
