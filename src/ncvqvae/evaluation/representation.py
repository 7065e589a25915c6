"""What an embedding is good for: classes from all labels or a few, clusters, and the search for similar series.

Beside it stands what the same classifiers read in features that need no model: catch22, MiniRocket, the series itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch

from ncvqvae.evaluation.resampling import subsample
from ncvqvae.evaluation.ridge import MAX_CLASSES, ridge_classifier
from ncvqvae.evaluation.rocket import CHUNK, at_least_9_steps, catch22, forward_fill, kept_threads, n_kernels_for
from ncvqvae.labels import class_index, sorted_classes

FEW = (5, 10, 20)
"""Labelled series of each class in the few-shot probes."""

DRAWS = 5
"""Draws of the labelled series that a few-shot accuracy is the mean of."""

MAX_SERIES = 4000
"""Largest number of training series, and of test series, that are asked; a random choice if there are more."""

STRENGTHS = np.logspace(-4, 3, 15)
"""Strengths of the ridge penalty to choose from, for features of mean square norm 1."""

Sets = tuple[np.ndarray, np.ndarray]
"""Features of train (n, d) and of test (m, d)."""


def representation_metrics(
    Z: Sets, y_train: np.ndarray, y_test: np.ndarray, others: Mapping[str, Callable[[], Sets]], seed: int
) -> dict[str, float]:
    """All metrics of an embedding of train and test, by their keys in ``metrics.json``.

    Args:
        Z: embeddings of train and test; at least two classes in train.
        y_train, y_test: their labels.
        others: features of the same series to set beside them, by the end of their keys.
        seed: of the few-shot draws, of k-means and of the choice of series.
    """
    classes = sorted_classes(y_train, y_test)
    a, b = class_index(y_train, classes), class_index(y_test, classes)
    test = Z[1]
    metrics = {
        "chance": float((b == np.bincount(a).argmax()).mean()),
        "embedding_linear": linear_accuracy(Z, a, b),
        "embedding_knn": knn_accuracy(Z, a, b),
        **few_shot(Z, a, b, seed),
        **cluster_agreement(test, b, seed),
        "retrieval_map": mean_average_precision(test, b),
    }
    for name, features in others.items():
        found = features()
        metrics |= {f"linear_{name}": linear_accuracy(found, a, b), f"knn_{name}": knn_accuracy(found, a, b)}
        if name == "minirocket":
            metrics |= {f"{key}_minirocket": value for key, value in few_shot(found, a, b, seed).items()}
    return metrics


def linear_accuracy(features: Sets, y_train: np.ndarray, y_test: np.ndarray) -> float:
    """Test accuracy of a ridge classifier whose strength is chosen by leave-one-out within train."""
    train, test = _of_unit_norm(features)
    return float(ridge_classifier(train, y_train, STRENGTHS).score(test, y_test))


def knn_accuracy(features: Sets, y_train: np.ndarray, y_test: np.ndarray) -> float:
    """Test accuracy of 5 nearest neighbours."""
    from sklearn.neighbors import KNeighborsClassifier

    train, test = features
    return float(KNeighborsClassifier(min(5, len(train))).fit(train, y_train).score(test, y_test))


def few_shot(features: Sets, y_train: np.ndarray, y_test: np.ndarray, seed: int) -> dict[str, float]:
    """Mean of :func:`linear_accuracy` over draws of 5, 10 and 20 training series a class, or all where it has fewer."""
    train, test = features
    classes, counts = np.unique(y_train, return_counts=True)

    def accuracy(size: int, draw: int) -> float:
        rng = np.random.default_rng([seed, size, draw])
        rows = np.concatenate([rng.permutation(np.flatnonzero(y_train == one))[:size] for one in classes])
        return linear_accuracy((train[rows], test), y_train[rows], y_test)

    found: dict[str, float] = {}
    whole: float | None = None
    for size in FEW:
        if (counts > size).any():
            value = float(np.mean([accuracy(size, draw) for draw in range(DRAWS)]))
        else:  # every draw is the whole train split
            value = whole = linear_accuracy(features, y_train, y_test) if whole is None else whole
        found[f"fewshot_{size}"] = value
    return found


def cluster_agreement(Z: np.ndarray, y: np.ndarray, seed: int) -> dict[str, float]:
    """Agreement of k-means with the classes (n,) of embeddings (n, d): adjusted Rand index, and mutual information.

    References: Hubert and Arabie (1985); Strehl and Ghosh (2002).
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    n_clusters = min(len(np.unique(y)), len(Z))
    n_starts = 10 if n_clusters <= MAX_CLASSES else 1  # the work of each start grows with the clusters
    found = KMeans(n_clusters, n_init=n_starts, random_state=seed).fit_predict(Z)
    return {
        "cluster_ari": float(adjusted_rand_score(y, found)),
        "cluster_nmi": float(normalized_mutual_info_score(y, found)),
    }


def mean_average_precision(Z: np.ndarray, y: np.ndarray) -> float:
    """Each series asks for those of its class, all others (n, d) in the order of their distance; nan if none has any.

    Average precision: the mean, over the places of the series sought, of their share among all up to there.
    """
    from sklearn.metrics import pairwise_distances_chunked

    precisions: list[np.ndarray] = []
    start = 0
    for distances in pairwise_distances_chunked(Z):
        rows = np.arange(start, start := start + len(distances))
        distances[np.arange(len(rows)), rows] = np.inf  # itself comes last, and is cut off
        hits = y[np.argsort(distances, axis=1, kind="stable")[:, :-1]] == y[rows, None]
        share = np.cumsum(hits, axis=1) / np.arange(1, len(Z))
        n_hits = hits.sum(axis=1)
        precisions.append(((share * hits).sum(axis=1) / np.maximum(n_hits, 1))[n_hits > 0])
    found = np.concatenate(precisions)
    return float(found.mean()) if len(found) else float("nan")


def features_without_model(
    X_train: np.ndarray, X_test: np.ndarray, seed: int, n_classes: int
) -> dict[str, Callable[[], Sets]]:
    """catch22, MiniRocket and the values of series (n, C, L), NaN behind their ends, each computed where it is asked.

    Every feature is standardised by train. MiniRocket has fewer of them for very many classes.
    """
    from sklearn.preprocessing import StandardScaler

    def standardised(train: np.ndarray, test: np.ndarray) -> Sets:
        scaler = StandardScaler().fit(train)
        return scaler.transform(train), scaler.transform(test)

    def by_catch22() -> Sets:
        extract = catch22(X_train)
        return extract(X_train), extract(X_test)

    @kept_threads()
    def by_minirocket() -> Sets:
        from aeon.transformations.collection.convolution_based import MiniRocket

        train, test = at_least_9_steps(X_train), at_least_9_steps(X_test)
        transform = MiniRocket(n_kernels_for(n_classes), random_state=seed, n_jobs=torch.get_num_threads()).fit(train)
        chunks = [np.asarray(transform.transform(test[at : at + CHUNK])) for at in range(0, len(test), CHUNK)]
        return standardised(np.asarray(transform.transform(train)), np.concatenate(chunks))

    def raw() -> Sets:
        return standardised(*(forward_fill(X).reshape(len(X), -1) for X in (X_train, X_test)))

    return {"catch22": by_catch22, "minirocket": by_minirocket, "raw": raw}


def asked(n: int, seed: int) -> np.ndarray:
    """Rows of a set of ``n`` series that these metrics look at."""
    return subsample(n, MAX_SERIES, seed)


def _of_unit_norm(features: Sets) -> Sets:
    """Features around the mean of train, whose mean square norm is 1."""
    train, test = features
    mean = train.mean(axis=0)
    norm = np.sqrt(np.square(train - mean).sum(axis=1).mean()) or 1.0
    return (train - mean) / norm, (test - mean) / norm
