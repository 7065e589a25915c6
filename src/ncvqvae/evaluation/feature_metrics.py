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
from ncvqvae.evaluation.utility import two_sample_test

T = TypeVar("T")

MAX_MATCHED = 2000  # most rows of a set for metrics whose cost grows with the square of the rows
MAX_KERNEL = 1000
MAX_TWO_SAMPLE = 500
HALVINGS = 20  # of the test split, for the floor of FID and KID


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


def inception_metrics(
    probabilities: FeatureSets, seed: int, *, draws: int = 0, of_real: bool = True
) -> dict[str, float]:
    """IS of the test split (`is_real`) and of each generated set, from an FCN's class probabilities."""
    sets = {"_real": probabilities.test, "": probabilities.unconditional, "_labelled": probabilities.labelled}
    score = partial(inception_score, seed=seed)
    metrics: dict[str, float] = {}
    for suffix, p in sets.items():
        if p is not None and (of_real or suffix != "_real"):
            metrics |= _with_interval(f"is{suffix}", score, p, draws=draws, seed=seed)
    return metrics


def fidelity_metrics(
    sets: FeatureSets, space: str, seed: int, *, draws: int = 0, of_real: bool = True
) -> dict[str, float]:
    """FID and KID of train and of each generated set against test, in one feature space.

    In the FCN's space (`space` is empty) FID uses all series, as in the study (docs/references.md). In other spaces all
    sets are cut to the size of the smallest, so that the values can be compared with the one for real data. KID has no
    bias from the number of series and needs no cut.

    Args:
        sets: features.
        space: suffix of the metrics' names.
        seed: seed of random parts.
        draws: bootstrap draws for the intervals; 0 leaves them out.
        of_real: whether the same metrics of train are computed.
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
        if suffix == "_real" and not of_real:
            continue
        for name, statistic in (("fid", fid), ("kid", kid)):
            key = f"{name}{space}{suffix}"
            metrics |= _with_interval(key, statistic, sets.test, made, draws=draws, seed=seed)
    return metrics


def floor_metrics(train: np.ndarray, test: np.ndarray, n_made: int, seed: int) -> dict[str, float]:
    r"""FID and KID that series of the held-out distribution itself would have at the samples' own number.

    They are those of two random halves of the test split, mean over 20 halvings, with 95 % of these as the interval.
    Both distances of two sets of one distribution fall with the numbers of series a and b as 1/a + 1/b, so that halves
    are brought to the numbers of the metric itself:

    .. math:: \text{floor} = \text{FID}(h_1, h_2) \cdot \frac{1/n_\text{test} + 1/n_\text{made}}{1/|h_1| + 1/|h_2|}

    Args:
        train: features (n, d) that fix the origin and unit of KID, as in `fidelity_metrics`.
        test: features of held-out series (n_test, d), at least 4; else nothing is computed.
        n_made: number of samples.
        seed: seed of the halves.

    Reference: Chong and Forsyth, "Effectively unbiased FID and inception score" (2020), on the fall with 1/n.
    """
    if len(test) < 4:
        return {}
    center, scale = center_and_scale(train)
    rng, found = np.random.default_rng(seed), []
    for _ in range(HALVINGS):
        a, b = (test[rows] for rows in np.array_split(rng.permutation(len(test)), 2))
        fid = frechet_distance(a, b) * _shrinkage(len(test), n_made, len(a), len(b))
        a, b = ((part[:MAX_KERNEL] - center) / scale for part in (a, b))
        whole = min(len(test), MAX_KERNEL), min(n_made, MAX_KERNEL)
        found.append((fid, kernel_distance(a, b, seed=seed) * _shrinkage(*whole, len(a), len(b))))
    metrics: dict[str, float] = {}
    for name, values in zip(("fid_floor", "kid_floor"), np.transpose(found), strict=True):
        low, high = np.quantile(values, (0.025, 0.975)).tolist()
        metrics |= {name: float(values.mean()), f"{name}_low": low, f"{name}_high": high}
    return metrics


def _shrinkage(n: int, m: int, n_half: int, m_half: int) -> float:
    """Factor by which the distance of two sets of one distribution falls from sizes (n_half, m_half) to (n, m)."""
    return (1 / n + 1 / m) / (1 / n_half + 1 / m_half)


def coverage_metrics(sets: FeatureSets, seed: int, *, of_real: bool = True) -> dict[str, float]:
    """Precision, recall, density and coverage of the judged series and of train; all sets are cut to the same size."""
    metrics: dict[str, float] = {}
    for suffix, made in (("", sets.judged), ("_real", sets.train)):
        if suffix == "_real" and not of_real:
            continue
        values = matched_mean(
            lambda a, b: np.array(precision_recall(a, b)), sets.test, made, sets.matched_size, seed=seed
        )
        metrics |= {f"{name}{suffix}": float(value) for name, value in zip(Coverage._fields, values, strict=True)}
    return metrics


def two_sample_metrics(sets: FeatureSets, seed: int, permutations: int, *, of_real: bool = True) -> dict[str, float]:
    """Accuracy of a classifier that tells the judged series from test, its p-value, and the same between real series.

    Accuracy grows with the number of series. That between real series, `c2st_real`, is of two halves of the test split,
    mean over three halvings, and both have the same number: half of the test split, 500 at most.
    """
    size = max(2, min(len(sets.judged), len(sets.test) // 2, MAX_TWO_SAMPLE))
    rng = np.random.default_rng(seed)
    a, b = (part[subsample(len(part), size, seed)] for part in (sets.test, sets.judged))
    found = two_sample_test(a, b, permutations=permutations, seed=seed)
    metrics = {"c2st": found.accuracy, "c2st_p": found.p_value}
    if of_real and len(sets.test) >= 4:
        halvings = [np.array_split(rng.permutation(len(sets.test))[: 2 * size], 2) for _ in range(3)]
        tests = (two_sample_test(sets.test[a], sets.test[b], permutations=1, seed=seed) for a, b in halvings)
        metrics["c2st_real"] = float(np.mean([test.accuracy for test in tests]))
    return metrics


def _with_interval(
    name: str, statistic: Callable[..., float], *sets: np.ndarray, draws: int, seed: int
) -> dict[str, float]:
    """A metric, with its bootstrap interval as `_low` and `_high` if `draws` is above 0."""
    value = statistic(*sets)
    if not draws:
        return {name: value}
    low, high = bootstrap_interval(value, statistic, *sets, draws=draws, seed=seed)
    return {name: value, f"{name}_low": low, f"{name}_high": high}
