"""The two self-supervised losses and iterative normalisation, with every D x D matrix written out."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


def barlow_twins(z1: Array, z2: Array, redundancy: float = 0.005, eps: float = 0.0) -> float:
    """``(1/D) [sum_i (1 - C_ii)^2 + redundancy sum_{i != j} C_ij^2]``, ``C = S(z1)^T S(z2) / B``.

    S standardises each column over the batch with the *biased* standard deviation (divisor B), so that identical views
    have C_ii = 1 exactly: ``S(z) = (z - mean) / sqrt(var + eps)``; eps = 0 makes the loss exactly invariant to
    per-column affine maps (batch normalisation in PyTorch would have eps = 1e-5). z1, z2: ``(B, D)``.
    """
    batch, dim = z1.shape
    s1 = (z1 - z1.mean(0)) / np.sqrt(z1.var(0) + eps)
    s2 = (z2 - z2.mean(0)) / np.sqrt(z2.var(0) + eps)
    total = 0.0
    for i in range(dim):
        for j in range(dim):
            c_ij = float(s1[:, i] @ s2[:, j]) / batch
            total += (1 - c_ij) ** 2 if i == j else redundancy * c_ij**2
    return total / dim


def invariance_term(z1: Array, z2: Array) -> float:
    """``mean((z1 - z2)^2)`` over all B D entries. z1, z2: ``(B, D)``."""
    return float(np.mean((z1 - z2) ** 2))


def variance_term(z: Array, ddof: int = 1) -> float:
    """``(1/D) sum_j max(0, 1 - sqrt(var_j + 1e-4))`` for one view ``(B, D)``; var is *unbiased* (ddof 1) by default."""
    return float(np.mean([max(0.0, 1 - np.sqrt(np.var(column, ddof=ddof) + 1e-4)) for column in z.T]))


def covariance_term(z: Array) -> float:
    """``(1/D^2) sum_{i != j} (G_ij)^2``, ``G = Ĉ^T Ĉ``, for one view ``(B, D)``.

    Ĉ is z with each column centred and divided by its Euclidean norm over the batch, so G is the correlation matrix.
    """
    dim = z.shape[1]
    centred = z - z.mean(0)
    unit = centred / np.linalg.norm(centred, axis=0)
    total = sum(float(unit[:, i] @ unit[:, j]) ** 2 for i in range(dim) for j in range(dim) if i != j)
    return total / dim**2


def vibcreg(z1: Array, z2: Array, ddof: int = 1) -> float:
    """``0.01 [25 invariance + 25 sum_views variance + 100 sum_views covariance]``. z1, z2: ``(B, D)``."""
    variance = variance_term(z1, ddof) + variance_term(z2, ddof)
    covariance = covariance_term(z1) + covariance_term(z2)
    return 0.01 * (25 * invariance_term(z1, z2) + 25 * variance + 100 * covariance)


def iterative_normalisation(z: Array, n_groups: int = 64, n_iterations: int = 5, eps: float = 1e-5) -> Array:
    """Whiten each group of D / n_groups consecutive columns by Newton's iteration for the inverse square root.

    Per group with the centred ``X (d, B)``: ``S = X X^T / B + eps I``, ``S_n = S / tr S``, ``P_0 = I``,
    ``P_k = (3 P_{k-1} - P_{k-1}^3 S_n) / 2``, output ``P_T X / sqrt(tr S)``. z: ``(B, D)``; returns ``(B, D)``.
    Huang et al. 2019, "Iterative Normalization: Beyond Standardization towards Efficient Whitening". No affine part.
    """
    batch, dim = z.shape
    width = dim // n_groups
    whitened = np.zeros_like(z, dtype=np.float64)
    for g in range(n_groups):
        columns = slice(g * width, (g + 1) * width)
        centred = (z[:, columns] - z[:, columns].mean(0)).T
        covariance = centred @ centred.T / batch + eps * np.eye(width)
        trace = np.trace(covariance)
        p = np.eye(width)
        for _ in range(n_iterations):
            p = 0.5 * (3 * p - p @ p @ p @ (covariance / trace))
        whitened[:, columns] = (p @ centred / np.sqrt(trace)).T
    return whitened
