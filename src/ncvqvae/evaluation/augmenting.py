"""What generated series are worth: accuracy of a classifier with and without them, beside the same for rivals."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

import numpy as np

from ncvqvae.evaluation.metrics import of_rival
from ncvqvae.evaluation.resampling import subsample
from ncvqvae.evaluation.utility import Labelled, rocket_predictions

N_ADDED = 500
"""Number of generated series that are added to the real ones; all of them where there are fewer."""

MAX_REAL = 2000
"""Most real series to train on: a random choice by each seed where there are more."""

REAL = "_real"

N_SEEDS = {False: 3, True: 5}
"""By whether the evaluation is the full one."""

UTILITY_KERNELS = 5000
"""Half of MiniRocket's usual features: as accurate, and twice as fast."""


def utility_metrics(
    real: Labelled,
    added: Mapping[str, Labelled],
    X_test: np.ndarray,
    y_test: np.ndarray,
    *,
    seed: int,
    n_seeds: int,
) -> dict[str, float]:
    """Held-out accuracy of MiniRocket and ridge regression by training set, and its recall and F1 for the rarest class.

    Each seed has a MiniRocket of its own, and adds its own random choice of generated series. A rival's series are
    those in the same places.

    Args:
        real: the train split.
        added: labelled series to add: those of the generator under an empty name, of each rival under its own.
        X_test: held-out series (n_test, C, L).
        y_test: their class indices (n_test,).
        seed: the first seed.
        n_seeds: number of seeds.

    Returns:
        `utility_real`, `utility_generated`, `utility_both`, `utility_both_of_R` for each rival R, the same with
        `rarest_recall` and `rarest_f1` but for `_generated`, each with its standard deviation over seeds (`_sd`).
    """
    rarest, found = rarest_classes(real.y), defaultdict(list)
    suffixes: dict[tuple[str, ...], str] = {(REAL,): "_real"}
    suffixes |= {(REAL, name): of_rival("_both", name) if name else "_both" for name in added}
    if "" in added:
        suffixes[("",)] = "_generated"
    for own in range(seed, seed + n_seeds):
        parts = {name: part.take(subsample(len(part.y), N_ADDED, own)) for name, part in added.items()}
        known = real.take(subsample(len(real.y), MAX_REAL, own))
        predictions = rocket_predictions({REAL: known, **parts}, suffixes, X_test, own, UTILITY_KERNELS)
        for names, predicted in predictions.items():
            found[f"utility{suffixes[names]}"].append(float((predicted == y_test).mean()))
            if REAL in names:
                recall, f1 = recall_and_f1(y_test, predicted, rarest)
                found[f"rarest_recall{suffixes[names]}"].append(recall)
                found[f"rarest_f1{suffixes[names]}"].append(f1)
    metrics = {
        "utility_n_added": float(min([N_ADDED, *(len(part.y) for part in added.values())])),
        "rarest_n_heldout": float(np.isin(y_test, rarest).sum()),
    }
    for key, values in found.items():
        metrics |= {key: float(np.mean(values)), f"{key}_sd": float(np.std(values, ddof=1)) if n_seeds > 1 else 0.0}
    return metrics


def rarest_classes(y: np.ndarray) -> list[int]:
    """The class with the fewest series, or all classes that share this place."""
    counts = Counter(y.tolist())
    return sorted(label for label, count in counts.items() if count == min(counts.values()))


def recall_and_f1(y: np.ndarray, predicted: np.ndarray, classes: list[int]) -> tuple[float, float]:
    """Recall and F1 of these classes, mean over those that occur in `y`; NaN if none does."""
    from sklearn.metrics import precision_recall_fscore_support

    present = [label for label in classes if (y == label).any()]
    if not present:
        return float("nan"), float("nan")
    _, recall, f1, _ = precision_recall_fscore_support(y, predicted, labels=present, average="macro", zero_division=0.0)
    return float(recall), float(f1)
