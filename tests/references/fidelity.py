"""Distances between sets of features, and the share of copied series."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


def _square_root(matrix: Array) -> Array:
    """Symmetric square root of a positive semi-definite matrix by its eigenvalues (negative round-off set to 0)."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


def frechet_distance(real: Array, generated: Array) -> float:
    """``|m1 - m2|^2 + tr(S1 + S2 - 2 (S1^{1/2} S2 S1^{1/2})^{1/2})``, unbiased covariances. Both ``(n, d)``."""
    difference = real.mean(0) - generated.mean(0)
    s1 = np.atleast_2d(np.cov(real, rowvar=False))
    s2 = np.atleast_2d(np.cov(generated, rowvar=False))
    root = _square_root(s1)
    cross = _square_root(root @ s2 @ root)
    return float(difference @ difference + np.trace(s1) + np.trace(s2) - 2 * np.trace(cross))


def inception_score(probabilities: Array, n_splits: int = 1) -> Array:
    """``exp(mean_x sum_y p(y|x) log(p(y|x) / p(y)))`` of each of n_splits consecutive parts; shape ``(n_splits,)``.

    p(y) is the mean over the part; 0 log 0 = 0. probabilities: ``(n, classes)``, rows summing to 1. The usual score is
    the mean of the returned values.
    """
    scores = []
    for part in np.array_split(probabilities, n_splits):
        marginal = part.mean(0)
        divergences = [sum(p * np.log(p / q) for p, q in zip(row, marginal, strict=True) if p > 0) for row in part]
        scores.append(np.exp(np.mean(divergences)))
    return np.array(scores)


def polynomial_kernel(x: Array, y: Array) -> float:
    """``(x . y / d + 1)^3``, the kernel of KID. x, y: ``(d,)``."""
    return float((x @ y / len(x) + 1) ** 3)


def mmd2_unbiased(real: Array, generated: Array, kernel: Callable[[Array, Array], float] = polynomial_kernel) -> float:
    """``mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j)``. ``(n, d)``, ``(m, d)``."""
    n, m = len(real), len(generated)
    within_real = sum(kernel(real[i], real[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    within_generated = sum(kernel(generated[i], generated[j]) for i in range(m) for j in range(m) if i != j)
    across = sum(kernel(x, y) for x in real for y in generated) / (n * m)
    return within_real + within_generated / (m * (m - 1)) - 2 * across


def distance_to_nearest(series: Array, train: Array) -> Array:
    """Euclidean distance of each series ``(n, C, L)`` to its nearest in ``train (m, C, L)``; shape ``(n,)``."""
    return np.array([min(np.sqrt(np.sum((x - t) ** 2)) for t in train) for x in series])


def copied_share(generated: Array, train: Array, held_out: Array, quantile: float = 0.05) -> float:
    """Share of generated series strictly nearer to train than the ``quantile`` of the held-out real series is.

    All ``(n, C, L)``. ``train`` and ``held_out`` are to be tokenizer reconstructions (encode, decode), like
    ``generated``. Real data gives about ``quantile`` itself. Quantile by linear interpolation.
    """
    threshold = np.quantile(distance_to_nearest(held_out, train), quantile)
    return float(np.mean(distance_to_nearest(generated, train) < threshold))
