"""Vector quantization with a codebook kept by exponential moving averages."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Indices = NDArray[np.integer[Any]]


class Codebook(NamedTuple):
    """codes ``(K, d)``, moving counts ``(K,)``, moving sums ``(K, d)``."""

    codes: Array
    counts: Array
    sums: Array


def nearest(vectors: Array, codes: Array) -> Indices:
    """``argmin_k |z - e_k|^2`` (lowest index in a tie). vectors ``(n, d)``, codes ``(K, d)``; returns ``(n,)``."""
    return np.array([np.argmin([np.sum((z - e) ** 2) for e in codes]) for z in vectors], dtype=np.int64)


def stochastic_probabilities(vectors: Array, codes: Array, temperature: float = 1.0) -> Array:
    """``softmax_k(-|z - e_k|^2 / temperature)``, ``(n, K)``."""
    logits = np.array([[-np.sum((z - e) ** 2) / temperature for e in codes] for z in vectors])
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)


def commitment(vectors: Array, codes: Array) -> float:
    """``mean((z - e_nearest)^2)`` over all n d entries."""
    return float(np.mean((vectors - codes[nearest(vectors, codes)]) ** 2))


def ema_update(book: Codebook, vectors: Array, decay: float = 0.9, eps: float = 1e-5) -> Codebook:
    """One EMA step with the assignments under the *old* codes.

    ``N_k <- decay N_k + (1 - decay) n_k``; ``m_k <- decay m_k + (1 - decay) sum_{z in k} z``; ``e_k <- m_k / N'_k``
    with Laplace smoothing ``N'_k = (N_k + eps) / (N + K eps) N``, ``N = sum_k N_k`` (eps = 0: plain division, NaN for a
    code with N_k = 0). van den Oord et al. 2017, appendix A.1. vectors: ``(n, d)``.
    """
    assignment = nearest(vectors, book.codes)
    counts, sums = book.counts.copy(), book.sums.copy()
    for k in range(len(counts)):
        members = vectors[assignment == k]
        counts[k] = decay * counts[k] + (1 - decay) * len(members)
        sums[k] = decay * sums[k] + (1 - decay) * members.sum(0)
    smoothed = (counts + eps) / (counts.sum() + len(counts) * eps) * counts.sum()
    return Codebook(sums / smoothed[:, None], counts, sums)
