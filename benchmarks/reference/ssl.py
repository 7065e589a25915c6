"""Projector, iterative normalisation and the two losses, with D x D matrices."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class IterNorm(nn.Module):
    """Whitening of groups of features by Newton's iteration for the inverse square root (Huang et al. 2019).

    Batch statistics only: the projector is not used outside training.
    """

    def __init__(self, dim: int, n_groups: int = 64, n_iterations: int = 5, eps: float = 1e-5) -> None:
        super().__init__()
        self.n_groups, self.n_iterations, self.eps = n_groups, n_iterations, eps
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, z: Tensor) -> Tensor:
        """Whiten ``(B, D)`` over the batch."""
        batch, dim = z.shape
        x = z.T.reshape(self.n_groups, dim // self.n_groups, batch)
        x = x - x.mean(2, keepdim=True)
        identity = torch.eye(x.shape[1])
        covariance = x @ x.transpose(1, 2) / batch + self.eps * identity
        trace = covariance.diagonal(dim1=1, dim2=2).sum(1)[:, None, None]
        p = identity.expand_as(covariance)
        for _ in range(self.n_iterations):
            p = 0.5 * (3 * p - p @ p @ p @ (covariance / trace))
        whitened = (p @ x / trace.sqrt()).reshape(dim, batch).T
        return whitened * self.weight + self.bias


class Projector(nn.Sequential):
    """``2d -> D -> D -> D``, batch norm + ReLU between; ``whiten`` ends it with :class:`IterNorm`."""

    def __init__(self, n_in: int, dim: int, whiten: bool) -> None:
        hidden = [nn.Linear(n_in, dim), nn.BatchNorm1d(dim), nn.ReLU()]
        hidden += [nn.Linear(dim, dim), nn.BatchNorm1d(dim), nn.ReLU()]
        super().__init__(*hidden, nn.Linear(dim, dim), *([IterNorm(dim)] if whiten else []))


def _off_diagonal(matrix: Tensor) -> Tensor:
    return matrix - torch.diag(torch.diagonal(matrix))


def barlow_twins(z1: Tensor, z2: Tensor, redundancy: float = 0.005) -> Tensor:
    """``(1/D) [sum_i (1 - C_ii)^2 + redundancy sum_{i != j} C_ij^2]``, ``C = Z1^T Z2 / B`` of standardised columns."""
    batch, dim = z1.shape
    z1 = (z1 - z1.mean(0)) / torch.sqrt(z1.var(0, unbiased=False) + 1e-5)
    z2 = (z2 - z2.mean(0)) / torch.sqrt(z2.var(0, unbiased=False) + 1e-5)
    correlation = z1.T @ z2 / batch
    on_diagonal = ((1 - torch.diagonal(correlation)) ** 2).sum()
    return (on_diagonal + redundancy * (_off_diagonal(correlation) ** 2).sum()) / dim


def vibcreg(z1: Tensor, z2: Tensor) -> Tensor:
    """``0.01 [25 invariance + 25 sum_views variance + 100 sum_views covariance]``."""
    loss = 25 * F.mse_loss(z1, z2)
    for z in (z1, z2):
        loss = loss + 25 * torch.relu(1 - torch.sqrt(z.var(0) + 1e-4)).mean()
        columns = F.normalize(z - z.mean(0), dim=0)
        loss = loss + 100 * (_off_diagonal(columns.T @ columns) ** 2).mean()
    return 0.01 * loss
