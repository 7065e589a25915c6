"""Probes: how well a simple classifier finds the class of a series from its embedding."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ncvqvae.evaluation.tokens import code_histogram
from ncvqvae.labels import class_index, sorted_classes

MAX_SVM_CLASSES = 200
"""Most classes of the support vector classifier: it compares every pair, so its time grows with their square."""
CODES_AT_ONCE = 2**22
"""Numbers in an intermediate array of `token_embeddings`."""


class ProbeScores(NamedTuple):
    """Test accuracies of the two probes; the second is NaN where there are more than `MAX_SVM_CLASSES` classes."""

    knn: float
    svm: float


def probe_accuracy(Z_train: np.ndarray, y_train: np.ndarray, Z_test: np.ndarray, y_test: np.ndarray) -> ProbeScores:
    """Test accuracy of a 5-nearest-neighbour and a linear support vector classifier on embeddings.

    Each dimension is scaled to (−1, 1) by the train split's minimum and maximum; nothing is fitted on the test split.

    Args:
        Z_train: embeddings (n_train, d).
        y_train: labels (n_train,).
        Z_test: embeddings (n_test, d).
        y_test: labels (n_test,).
    """
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler
    from sklearn.svm import SVC

    classes = sorted_classes(y_train, y_test)
    train_index, test_index = class_index(y_train, classes), class_index(y_test, classes)
    if len(np.unique(train_index)) == 1:  # classifiers need two classes; with one, the answer is always that class
        constant = float((test_index == train_index[0]).mean())
        return ProbeScores(constant, constant)

    def score(classifier: object) -> float:
        probe = make_pipeline(MinMaxScaler(feature_range=(-1, 1)), classifier).fit(Z_train, train_index)
        return float(probe.score(Z_test, test_index))

    knn = KNeighborsClassifier(n_neighbors=min(5, len(Z_train)))
    few = len(classes) <= MAX_SVM_CLASSES
    return ProbeScores(knn=score(knn), svm=score(SVC(kernel="linear")) if few else float("nan"))


def token_embeddings(tokens: np.ndarray, codebook: np.ndarray) -> dict[str, np.ndarray]:
    """Embeddings of series from their tokens alone, keyed by the suffix that the probes' metrics get.

    Args:
        tokens: code indices (n, N), -1 where nothing was observed.
        codebook: code vectors (K, d).

    Returns:
        `""`: mean of the quantized latents (n, d), as in the study; `"_meanmax"`: mean and maximum side by
        side (n, 2d); `"_histogram"`: share of each code (n, K).
    """
    counts = code_histogram(tokens, len(codebook))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    mean = shares @ codebook
    chunks = np.array_split(counts > 0, -(-len(counts) * codebook.size // CODES_AT_ONCE))
    largest = [np.where(present[..., None], codebook, -np.inf).max(axis=1) for present in chunks]
    return {"": mean, "_meanmax": np.concatenate([mean, np.concatenate(largest)], axis=1), "_histogram": shares}
