"""Is generated data good for training? Classification accuracy score: train on synthetic, test on real."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ncvqvae.evaluation.features import FCN, FCNTraining, cached_fcn, extract


def classification_accuracy_score(
    X_syn: np.ndarray,
    y_syn: np.ndarray,
    X_test: np.ndarray,
    y_test: np.ndarray,
    n_classes: int,
    *,
    seed: int,
    cache_dir: str | Path | None = None,
    training: FCNTraining | None = None,
) -> float:
    """CAS: accuracy on real test series of an FCN trained on generated ones, measured once, after training.

    With the real train split in place of `X_syn` it is the train-on-real figure that stands beside it.

    Args:
        X_syn: scaled series to train on (n, C, L).
        y_syn: their class indices (n,).
        X_test: scaled real test series (n_test, C, L).
        y_test: their class indices (n_test,).
        n_classes: number of classes.
        seed: seed of the FCN's training.
        cache_dir: where to keep the trained FCN; None keeps none.
        training: budget and optimiser settings of the FCN.

    Reference: Ravuri and Vinyals, "Classification accuracy score for conditional generative models" (2019).
    """
    fcn = cached_fcn(X_syn, y_syn, n_classes, seed, cache_dir, training)
    return accuracy(fcn, X_test, y_test)


def accuracy(fcn: FCN, X: np.ndarray, y_index: np.ndarray) -> float:
    """Share of series (n, C, L) whose most probable class under `fcn` is their own."""
    return float((extract(fcn, X).probabilities.argmax(axis=1) == np.asarray(y_index)).mean())
