"""Metrics that compare sets of series in a feature space: distances, coverage, and whether they can be told apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from ncvqvae.evaluation.diversity import Coverage, precision_recall
from ncvqvae.evaluation.fidelity import frechet_distance, inception_score, kernel_distance
from ncvqvae.evaluation.resampling import bootstrap_interval, matched_mean, subsample
from ncvqvae.evaluation.rocket import center_and_scale
from ncvqvae.evaluation.utility import TwoSampleTest, two_sample_test

T = TypeVar("T")

MAX_MATCHED = 2000  # most rows of a set for metrics whose cost grows with the square of the rows
MAX_KERNEL = 1000
MAX_TWO_SAMPLE = 500


@dataclass(frozen=True)
class FeatureSets:
    """Features (n, d) of each set of series in one space; None where there are no such series."""

    train: np.ndarray
    test: np.ndarray
    unconditional: np.ndarray | None
    labelled: np.ndarray | None

    @classmethod
    def of(
        cls, extractor: Callable[[T], np.ndarray], train: T, test: T, unconditional: T | None, labelled: T | None
    ) -> FeatureSets:
        """Apply `extractor` to each set that is not None."""
        optional = (None if made is None else extractor(made) for made in (unconditional, labelled))
        return cls(extractor(train), extractor(test), *optional)

    @property
    def judged(self) -> np.ndarray:
        """Features of the series that `GeneratedData.judged` names: label-first where there are any."""
        made = self.labelled if self.labelled is not None else self.unconditional
        assert made is not None
        return made

    @property
    def matched_size(self) -> int:
        """Size to which all sets are cut for a fair comparison."""
        sets = (self.train, self.test, self.unconditional, self.labelled)
        return min(MAX_MATCHED, *(len(features) for features in sets if features is not None))

    def rows(self) -> Iterator[tuple[str, np.ndarray]]:
        """Pairs of a metric's suffix and the set that is compared with the test split."""
        named = {"_real": self.train, "": self.unconditional, "_labelled": self.labelled}
        return ((suffix, features) for suffix, features in named.items() if features is not None)


def inception_metrics(probabilities: FeatureSets, seed: int, *, draws: int = 0) -> dict[str, float]:
    """IS of the test split (`is_real`) and of each generated set, from an FCN's class probabilities."""
    sets = {"_real": probabilities.test, "": probabilities.unconditional, "_labelled": probabilities.labelled}
    score = partial(inception_score, seed=seed)
    metrics: dict[str, float] = {}
    for suffix, p in sets.items():
        if p is not None:
            metrics |= _with_interval(f"is{suffix}", score, p, draws=draws, seed=seed)
    return metrics


def fidelity_metrics(sets: FeatureSets, space: str, seed: int, *, draws: int = 0) -> dict[str, float]:
    """FID and KID of train and of each generated set against test, in one feature space.

    In the FCN's space (`space` is empty) FID uses all series, as in the study (docs/references.md). In other spaces all
    sets are cut to the size of the smallest, so that the values can be compared with the one for real data. KID has no
    bias from the number of series and needs no cut.

    Args:
        sets: features.
        space: suffix of the metrics' names.
        seed: seed of random parts.
        draws: bootstrap draws for the intervals; 0 leaves them out.
    """
    center, scale = center_and_scale(sets.train)
    size = sets.matched_size
    metrics: dict[str, float] = {}

    def fid(a: np.ndarray, b: np.ndarray) -> float:
        return float(matched_mean(frechet_distance, a, b, size, seed=seed)) if space else frechet_distance(a, b)

    def kid(a: np.ndarray, b: np.ndarray) -> float:
        a, b = ((part[subsample(len(part), MAX_KERNEL, seed)] - center) / scale for part in (a, b))
        return kernel_distance(a, b, seed=seed)

    for suffix, made in sets.rows():
        for name, statistic in (("fid", fid), ("kid", kid)):
            key = f"{name}{space}{suffix}"
            metrics |= _with_interval(key, statistic, sets.test, made, draws=draws, seed=seed)
    return metrics


def coverage_metrics(sets: FeatureSets, seed: int) -> dict[str, float]:
    """Precision, recall, density and coverage of the judged series and of train; all sets are cut to the same size."""
    metrics: dict[str, float] = {}
    for suffix, made in (("", sets.judged), ("_real", sets.train)):
        values = matched_mean(
            lambda a, b: np.array(precision_recall(a, b)), sets.test, made, sets.matched_size, seed=seed
        )
        metrics |= {f"{name}{suffix}": float(value) for name, value in zip(Coverage._fields, values, strict=True)}
    return metrics


def two_sample_metrics(sets: FeatureSets, seed: int, permutations: int) -> dict[str, float]:
    """Accuracy of a classifier that tells the judged series from test, its p-value, and the same accuracy for train."""

    def test(made: np.ndarray, permutations: int) -> TwoSampleTest:
        size = min(len(made), len(sets.test), MAX_TWO_SAMPLE)
        a, b = (part[subsample(len(part), size, seed)] for part in (sets.test, made))
        return two_sample_test(a, b, permutations=permutations, seed=seed)

    found = test(sets.judged, permutations)
    return {"c2st": found.accuracy, "c2st_p": found.p_value, "c2st_real": test(sets.train, 1).accuracy}


def _with_interval(
    name: str, statistic: Callable[..., float], *sets: np.ndarray, draws: int, seed: int
) -> dict[str, float]:
    """A metric, with its bootstrap interval as `_low` and `_high` if `draws` is above 0."""
    value = statistic(*sets)
    if not draws:
        return {name: value}
    low, high = bootstrap_interval(value, statistic, *sets, draws=draws, seed=seed)
    return {name: value, f"{name}_low": low, f"{name}_high": high}
