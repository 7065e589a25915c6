"""VIbCReg (Lee and Aune 2021): variance, invariance and better covariance, in the Gram form."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ncvqvae.config import Weight
from ncvqvae.tokenizer.ssl.loss import SSLLoss
from ncvqvae.tokenizer.ssl.projector import Projector


class VIbCRegTerms(NamedTuple):
    """The three unweighted terms, each a scalar."""

    invariance: Tensor
    variance: Tensor
    covariance: Tensor


def vibcreg_terms(z1: Tensor, z2: Tensor) -> VIbCRegTerms:
    """Invariance MSE(Z1, Z2), variance and covariance terms (each summed over the views) of projections (B, D)."""
    z1, z2 = z1.float(), z2.float()
    return VIbCRegTerms(F.mse_loss(z1, z2), variance(z1) + variance(z2), covariance(z1) + covariance(z2))


def variance(z: Tensor) -> Tensor:
    """mean_j relu(1 - sqrt(var_j + 1e-4)) over the dimensions of (B, D), with the unbiased variance."""
    return torch.relu(1 - torch.sqrt(z.var(0) + 1e-4)).mean()


def covariance(z: Tensor) -> Tensor:
    """Mean over all D^2 entries of offdiag(C^T C)^2, C the centred projections (B, D) with columns of unit norm.

    ||C^T C||_F^2 = ||C C^T||_F^2, so only a B x B matrix is built.
    """
    columns = F.normalize(z - z.mean(0), dim=0)
    squares = (columns @ columns.T).square().sum()
    diagonal = columns.square().sum(0).square().sum()
    return (squares - diagonal) / z.shape[1] ** 2


class VIbCReg(SSLLoss):
    """scale [25 invariance + 25 variance + 100 covariance], scale 0.01 as in the published settings."""

    def __init__(
        self, invariance: Weight = 25.0, variance: Weight = 25.0, covariance: Weight = 100.0, scale: Weight = 0.01
    ) -> None:
        super().__init__()
        self.weights = (invariance, variance, covariance)
        self.scale = scale

    def projector(self, in_features: int, width: int) -> nn.Module:
        """A projector whose output is whitened."""
        return Projector(in_features, width, whiten=True)

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """The loss of projections (B, D) of two views."""
        terms = vibcreg_terms(z1, z2)
        return self.scale * sum(w * t for w, t in zip(self.weights, terms, strict=True))  # type: ignore[return-value]
