"""Random parts of sets of equal size, and bootstrap intervals that show how far a metric varies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch

Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray | float]


class Interval(NamedTuple):
    """Lower and upper end of a confidence interval."""

    low: float
    high: float


def subsample(n: int, size: int, seed: int) -> np.ndarray:
    """Sorted row numbers of `size` of `n` rows, drawn without replacement; all rows if `size` is not below `n`."""
    if n <= size:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, size, replace=False))


def matched_mean(
    statistic: Statistic, a: np.ndarray, b: np.ndarray, size: int, *, subsets: int = 10, seed: int = 0
) -> np.ndarray:
    """Mean of `statistic` over random subsets of `size` rows from either set, drawn without replacement.

    FID, recall and coverage depend on the number of series. The values of two pairs of sets can therefore be compared
    only if all four sets have the same size.

    Args:
        statistic: function of two sets of rows that returns a number or an array.
        a: rows (n_a, …).
        b: rows (n_b, …).
        size: rows of each subset; fewer if a set has fewer.
        subsets: number of subsets; one if both sets are taken whole.
        seed: seed of the draws.
    """
    if max(len(a), len(b)) <= size:
        subsets = 1
    seeds = np.random.SeedSequence(seed).generate_state(2 * subsets).reshape(subsets, 2)
    values = [statistic(a[subsample(len(a), size, i)], b[subsample(len(b), size, j)]) for i, j in seeds.tolist()]
    return np.mean(np.array(values), axis=0)


def bootstrap_interval(
    value: float, statistic: Callable[..., float], *sets: np.ndarray, draws: int, level: float = 0.95, seed: int = 0
) -> Interval:
    r"""Bootstrap interval of a metric: each set of rows is drawn anew with replacement.

    .. math:: \hat\theta + q_{(1 \mp \text{level}) / 2}(\theta^*) - \overline{\theta^*}

    Repeated rows raise a Fréchet distance, so the draws do not centre on the value itself. Their quantiles are
    therefore measured from the mean of the draws.

    Args:
        value: the metric on the sets themselves.
        statistic: function of all given sets of rows that returns a number.
        sets: rows (n, …) each.
        draws: number of bootstrap draws.
        level: coverage of the interval.
        seed: seed of the draws.

    Reference: Efron and Tibshirani, "An introduction to the bootstrap" (1993).
    """
    rng = np.random.default_rng(seed)
    values = np.array([statistic(*(a[rng.integers(len(a), size=len(a))] for a in sets)) for _ in range(draws)])
    return centred_interval(value, values, level)


def centred_interval(
    value: float, draws: np.ndarray, level: float = 0.95, *, bounds: tuple[float, float] = (-np.inf, np.inf)
) -> Interval:
    """Interval around `value` as wide as the quantiles of bootstrap draws about their mean; NaN without draws.

    Args:
        value: the metric on the sets themselves.
        draws: the metric on sets that were drawn anew (n,).
        level: coverage of the interval.
        bounds: least and greatest value that the metric can have.
    """
    if not len(draws):
        return Interval(float("nan"), float("nan"))
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2]) - np.mean(draws)
    return Interval(max(value + float(low), bounds[0]), min(value + float(high), bounds[1]))


@contextmanager
def seeded_cpu(seed: int) -> Iterator[None]:
    """Seed the global CPU generator inside the block and put its former state back afterwards."""
    with torch.random.fork_rng(devices=[]):
        # not torch.manual_seed: that would reseed the accelerators too, which are not forked here
        torch.default_generator.manual_seed(seed)
        yield
