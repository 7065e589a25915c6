"""Barlow Twins (Zbontar et al. 2021), in the Gram form that never builds the D x D matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from ncvqvae.config import Weight
from ncvqvae.tokenizer.ssl.loss import SSLLoss


def barlow_twins(z1: Tensor, z2: Tensor, off_diagonal_weight: float = 0.005) -> Tensor:
    """(1/D) [sum_i (1 - C_ii)^2 + w sum_{i != j} C_ij^2] with C = Z1^T Z2 / B on batch-standardised projections.

    sum_ij C_ij^2 = <Z1 Z1^T, Z2 Z2^T> / B^2 costs B^2 D instead of B D^2.

    Args:
        z1, z2: projections of the two views, (B, D).
        off_diagonal_weight: weight w of the redundancy term.

    Returns:
        The loss, a scalar.
    """
    batch, dim = z1.shape
    z1, z2 = _standardise(z1.float()), _standardise(z2.float())
    diagonal = (z1 * z2).mean(0)
    squares = ((z1 @ z1.T) * (z2 @ z2.T)).sum() / batch**2
    off_diagonal = squares - diagonal.square().sum()
    return ((1 - diagonal).square().sum() + off_diagonal_weight * off_diagonal) / dim


def _standardise(z: Tensor, eps: float = 1e-5) -> Tensor:
    """Zero mean and unit (biased) variance over the batch, as a batch norm without affine part does."""
    return (z - z.mean(0)) * torch.rsqrt(z.var(0, unbiased=False) + eps)


class BarlowTwins(SSLLoss):
    """:func:`barlow_twins` as a module."""

    def __init__(self, off_diagonal_weight: Weight = 0.005) -> None:
        super().__init__()
        self.off_diagonal_weight = off_diagonal_weight

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """The loss of projections (B, D) of two views."""
        return barlow_twins(z1, z2, self.off_diagonal_weight)
