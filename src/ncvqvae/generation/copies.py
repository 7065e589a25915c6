"""Find generated series that copy a training series, using the training series alone."""

from __future__ import annotations

import numpy as np

from ncvqvae.evaluation.neighbours import nearest_distances, nearest_other

QUANTILE = 0.05
"""Share of the training series that lie within the threshold of another one, as for the metric ``copied``."""


class Novelty:
    """Tells series that lie nearer to a training series than most training series lie to each other.

    The metric ``copied`` takes its threshold from series held out; a generator has none, so that here each training
    series is held out in turn. As there, all series must have gone through the tokenizer.

    Args:
        train: training series (n, C, T).

    Attributes:
        threshold: quantile of the distances of a training series to the nearest other; 0 if there is but one.
    """

    def __init__(self, train: np.ndarray) -> None:
        self.train = train
        self.threshold = float(np.quantile(nearest_other(train).distance, QUANTILE)) if len(train) > 1 else 0.0

    def is_copy(self, made: np.ndarray) -> np.ndarray:
        """Whether each series of (n, C, T) lies within the threshold of a training series: (n,) of bool."""
        return nearest_distances(made, self.train) <= self.threshold
