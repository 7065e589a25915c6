"""Cheap rivals of the generator: augmentations of the training series, each with the same metrics in `metrics.json`."""

from __future__ import annotations

from collections.abc import Mapping
from math import hypot

from ncvqvae.evaluation.metric_list import RIVALS
from ncvqvae.evaluation.metrics import of_rival, rival_of

USEFUL = ("utility_both", "cas_rocket", "cas")
"""Metrics that tell how useful series are to a classifier; the first that was measured counts."""


def own_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics of the generator and of real data, without those of rivals."""
    return {key: value for key, value in metrics.items() if rival_of(key) is None}


def measured_rivals(metrics: Mapping[str, float], key: str | None = None) -> list[str]:
    """Rivals that have the metric `key` (or any metric), the cheapest first."""
    found = {match[1] for name in metrics if (match := rival_of(name))}
    return [rival for rival in RIVALS if rival in found and (key is None or of_rival(key, rival) in metrics)]


def best_rival(metrics: Mapping[str, float], key: str) -> str | None:
    """The rival with the highest value of `key`, the cheapest of equals; None if no rival has it."""
    return max(_contenders(metrics, key), key=lambda rival: metrics[of_rival(key, rival)], default=None)


def _contenders(metrics: Mapping[str, float], key: str) -> list[str]:
    """Rivals with the metric `key`, without copies of the training series: these are real data, no rival."""
    return [rival for rival in measured_rivals(metrics, key) if rival != "train"]


def margin(metrics: Mapping[str, float], a: str, b: str, n_heldout: int) -> float:
    """Difference of two accuracies that chance explains.

    It is twice the standard deviation of their difference over seeds, and at least two held-out series.
    """
    spread = hypot(*(metrics.get(f"{key}_sd", 0.0) for key in (a, b)))
    return max(2 * spread, 2 / max(1, n_heldout))


def cheapest_as_good(metrics: Mapping[str, float], n_heldout: int) -> str | None:
    """The cheapest rival whose series are as useful as the generated ones; None if there is none."""
    key = useful_key(metrics)
    if key is None:
        return None
    for rival in _contenders(metrics, key):
        other = of_rival(key, rival)
        if metrics[other] >= metrics[key] - margin(metrics, key, other, n_heldout):
            return rival
    return None


def useful_key(metrics: Mapping[str, float]) -> str | None:
    """The first metric of `USEFUL` that was measured for the generator."""
    return next((key for key in USEFUL if key in metrics), None)
