"""Ridge classifiers whose penalty is chosen by leave-one-out, also of thousands of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sklearn.linear_model import RidgeClassifier, RidgeClassifierCV

MAX_CLASSES = 100
"""Of more classes, so many random sums choose the penalty: the work on each class would grow with their number."""


def ridge_classifier(
    features: np.ndarray, y_index: np.ndarray, strengths: np.ndarray
) -> RidgeClassifier | RidgeClassifierCV:
    """A fitted ridge classifier of features (n, d) and class indices (n,), with the best of these penalties.

    Squared errors of random sums of classes, with signs by chance, are on average those of the classes themselves
    (Johnson and Lindenstrauss 1984). Of many classes a few sums tell the best penalty.
    """
    from sklearn.linear_model import RidgeClassifier, RidgeClassifierCV, RidgeCV

    n_classes = int(y_index.max()) + 1
    if n_classes <= MAX_CLASSES:
        return RidgeClassifierCV(strengths).fit(features, y_index)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (n_classes, MAX_CLASSES))
    best = RidgeCV(strengths).fit(features, signs[y_index]).alpha_
    return RidgeClassifier(best).fit(features, y_index)
