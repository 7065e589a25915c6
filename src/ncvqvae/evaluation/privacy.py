"""Do samples stay close to training series, and do they betray them? Metrics that ask no tokenizer and no sampler."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ncvqvae.evaluation.membership import halves, membership_attack
from ncvqvae.evaluation.nearer import dtw_distances, dtw_rows, feature_distances, nearer_share
from ncvqvae.evaluation.resampling import subsample

MAX_MADE = 1000
"""Most samples that take part: the attack's success depends on their number."""

MATCHES = {"rocket": 10, "dtw": 2}
SPLITS = 10
DRAWS = 200
REPEATS = 3
"""Times that a part of the real series takes the samples' place."""


class Known(NamedTuple):
    """Series (n, C, L), their MiniRocket features (n, d), and labels (n,); one label for all where there are none."""

    X: np.ndarray
    features: np.ndarray
    y: np.ndarray

    def take(self, rows: np.ndarray) -> Known:
        """Some of the series."""
        return Known(*(part[rows] for part in self))


def privacy_metrics(made: Known, train: Known, heldout: Known, seed: int, *, draws: int = DRAWS) -> dict[str, float]:
    """`nearer_rocket`, `nearer_dtw`, `membership_auc` with their intervals, and `membership_tpr`.

    Args:
        made: samples, of which 1000 at most take part.
        train: the generator's training series.
        heldout: real series that it has not seen.
        seed: seed of all random choices.
        draws: bootstrap draws; 0 leaves out the intervals.
    """
    made = made.take(subsample(len(made.X), MAX_MADE, seed))
    by_features = feature_distances(made.features, train.features, heldout.features)
    by_dtw = dtw_distances(made.X, train.X, heldout.X, by_features, dtw_rows(len(made.X), seed))
    estimates = {
        f"nearer_{name}": nearer_share(distances, train.y, heldout.y, matches=MATCHES[name], draws=draws, seed=seed)
        for name, distances in (("rocket", by_features), ("dtw", by_dtw))
    }
    attack = membership_attack(
        made.features, train.features, heldout.features, train.y, heldout.y, splits=SPLITS, draws=draws, seed=seed
    )
    estimates["membership_auc"] = attack.auc
    metrics = {"membership_tpr": attack.tpr}
    for key, found in estimates.items():
        metrics[key] = found.value
        if draws:
            metrics |= {f"{key}_low": found.interval.low, f"{key}_high": found.interval.high}
    return metrics


def privacy_of_real(train: Known, heldout: Known, seed: int) -> dict[str, float]:
    """The same metrics where real series take the place of samples, mean over `REPEATS` random parts.

    `_real`: a third of the held-out series, compared with train and with the other held-out ones. 0.5 up to chance
    where train and held-out series are drawn alike; `nearer` below 0.5 where the splits are shifted.
    `_shift`: half of the training series, compared with the other half and with held-out series. What a generator
    would have that draws fresh series like the training series: above 0.5 where the splits are shifted.
    """
    rng = np.random.default_rng(seed)
    found: list[dict[str, float]] = []
    for repeat in range(REPEATS):
        fresh, rest = (heldout.take(rows) for rows in halves(heldout.y, rng, 1 / 3))
        half, other = (train.take(rows) for rows in halves(train.y, rng))
        of_real = privacy_metrics(fresh, train, rest, seed + repeat, draws=0) if len(fresh.X) else {}
        of_shift = (
            privacy_metrics(half, other, heldout, seed + repeat, draws=0) if min(len(half.X), len(other.X)) else {}
        )
        found.append(
            {f"{key}_real": value for key, value in of_real.items()}
            | {f"{key}_shift": value for key, value in of_shift.items()}
        )
    keys = {key for values in found for key in values}
    return {key: float(np.nanmean([values.get(key, np.nan) for values in found])) for key in sorted(keys)}
