"""Membership inference: do samples betray which real series the generator was trained on?

An attacker knows the samples and other series of the same kind. He holds a series for a training series where samples
lie denser than the other series do (a likelihood ratio against a reference, by nearest neighbours).

References: van Breugel et al., "Membership inference attacks against synthetic data through overfitting detection"
(2023); Carlini et al., "Membership inference attacks from first principles" (2022) on the rate at few false alarms.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ncvqvae.evaluation.nearer import Estimate, class_matched
from ncvqvae.evaluation.resampling import centred_interval, subsample
from ncvqvae.labels import rows_by_class, sorted_classes

FALSE_ALARMS = 0.01
MAX_KNOWN = 2000
"""Most series of train and of held-out that take part."""


class Attack(NamedTuple):
    """How well the attack tells training series from others: area under the ROC curve, and hits at 1 % false alarms."""

    auc: Estimate
    tpr: float


def membership_attack(
    made: np.ndarray,
    train: np.ndarray,
    heldout: np.ndarray,
    y_train: np.ndarray,
    y_heldout: np.ndarray,
    *,
    splits: int,
    draws: int,
    seed: int,
) -> Attack:
    r"""Tell training series from held-out ones by a nearest-neighbour density ratio of samples and reference series.

    .. math:: s(x) = \log \min_{r \in R} d(x, r) - \log \min_{g \in G} d(x, g)

    R is one half of the held-out series. Members are training series, non-members those of the other half, as many
    of each class. Guessing gives 0.5. All is averaged over random halves.

    Args:
        made: features of samples (n, d).
        train, heldout: features of real series.
        y_train, y_heldout: their labels.
        splits: number of random halves.
        draws: bootstrap draws of members and non-members over all halves; 0 gives an interval of NaN.
        seed: seed of all draws.
    """
    from sklearn.metrics import pairwise_distances

    rng = np.random.default_rng(seed)
    rows_train, rows_heldout = subsample(len(train), MAX_KNOWN, seed), subsample(len(heldout), MAX_KNOWN, seed)
    train, heldout, y_train, y_heldout = (
        train[rows_train],
        heldout[rows_heldout],
        y_train[rows_train],
        y_heldout[rows_heldout],
    )
    near_made = [_nearest(known, made) for known in (train, heldout)]
    across = [pairwise_distances(known, heldout).astype(np.float32) for known in (train, heldout)]
    aucs, rates, drawn = [], [], []
    for _ in range(splits):
        reference, others = halves(y_heldout, rng)
        pairs = class_matched(y_train, y_heldout[others], rng)
        if not len(pairs.a) or not len(reference):  # classes of one series have no two halves
            continue
        rows = pairs.a, others[pairs.b]
        members, strangers = (
            _log(far[part][:, reference].min(axis=1)) - _log(near[part])
            for far, near, part in zip(across, near_made, rows, strict=True)
        )
        aucs.append(auc(members, strangers))
        rates.append(hits(members, strangers))
        for _ in range(draws // splits):
            part = rng.integers(len(members), size=len(members))
            drawn.append(auc(members[part], strangers[part]))
    value = float(np.mean(aucs)) if aucs else float("nan")
    return Attack(
        Estimate(value, centred_interval(value, np.array(drawn), bounds=(0.0, 1.0))),
        float(np.mean(rates)) if rates else float("nan"),
    )


def auc(members: np.ndarray, strangers: np.ndarray) -> float:
    """Chance that a member has a higher score than a stranger; a tie counts half."""
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([members, strangers]))[: len(members)]
    return float((ranks.sum() - len(members) * (len(members) + 1) / 2) / (len(members) * len(strangers)))


def hits(members: np.ndarray, strangers: np.ndarray, false_alarms: float = FALSE_ALARMS) -> float:
    """Share of members above the score that no more than `false_alarms` of the strangers exceed."""
    allowed = int(false_alarms * len(strangers))
    threshold = np.sort(strangers)[::-1][allowed]
    return float((members > threshold).mean())


def halves(y: np.ndarray, rng: np.random.Generator, share: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Rows of two parts of a set, the first with that share of each class; a rest goes to either by chance."""
    first = [np.empty(0, int)]
    by_class = rows_by_class(y)
    for label in sorted_classes(y):
        rows = rng.permutation(by_class[label])
        first.append(rows[: int(share * len(rows) + rng.uniform())])
    chosen = np.concatenate(first)
    return chosen, np.setdiff1d(np.arange(len(y)), chosen)


def _nearest(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    from sklearn.metrics import pairwise_distances_argmin_min

    return pairwise_distances_argmin_min(rows, others)[1]


def _log(distances: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(distances, 1e-6))
