"""Which augmentation the views of stage 1 get where the user leaves it to the data."""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator

from ncvqvae.augmentations import augment
from ncvqvae.config import FEW_CASES
from ncvqvae.data.missing import ScaledSeries

CANDIDATES: tuple[str, ...] = ("warp", "slice")
MAX_JUDGED = 1000
"""Series that the choice is made by, at most."""


def choose_augmentation(series: ScaledSeries, y_index: np.ndarray, seed: int) -> str:
    """Augmentation set, ``warp`` or ``slice``, whose views still show their class; ``gauss`` for fewer than 32 series.

    MiniRocket with a ridge classifier learns from one half of the series and is asked about views of the other, both
    ways round; the set with the greater accuracy is taken. Warping moves frequencies and slicing the order of events,
    and which of them tells classes apart differs from data to data. ``warp`` where there is one class, or no labels.

    Args:
        series: the train split.
        y_index: class indices (n_cases,).
        seed: seed of halves, views and classifier.
    """
    if len(series) < FEW_CASES:
        return "gauss"
    if len(np.unique(y_index)) == 1:
        return "warp"
    from sklearn.model_selection import KFold

    from ncvqvae.evaluation.resampling import subsample
    from ncvqvae.evaluation.utility import rocket_accuracy

    rows = subsample(len(series), MAX_JUDGED, seed)
    X, y = series[rows].values, y_index[rows]
    generator = Generator().manual_seed(seed)

    def accuracy(kind: str) -> float:
        halves = KFold(2, shuffle=True, random_state=seed).split(X)
        views = augment(torch.from_numpy(X), kind, generator).numpy()
        return float(np.mean([rocket_accuracy(X[fit], y[fit], views[held], y[held], seed) for fit, held in halves]))

    return max(CANDIDATES, key=accuracy)
