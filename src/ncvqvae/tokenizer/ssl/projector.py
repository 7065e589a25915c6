"""From a grid of latents to the space in which the two views are compared."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn


def pool(z: Tensor, present: Tensor | None = None) -> Tensor:
    """Global average and global maximum over the grid (or its columns ``present``, B W): (B, d, H, W) to (B, 2 d)."""
    if present is not None:
        counted = present[:, None, None].expand_as(z)
        mean = (z * counted).sum((2, 3)) / counted.sum((2, 3)).clamp(min=1)
        lowest = torch.finfo(z.dtype).min
        largest = z.masked_fill(~counted, lowest).amax((2, 3))
        nothing = ~present.any(1, keepdim=True)  # a view may lie wholly inside a gap
        return torch.cat([mean, largest.masked_fill(nothing, 0.0)], dim=1)
    return torch.cat([z.mean((2, 3)), z.amax((2, 3))], dim=1)


class Projector(nn.Module):
    """Three linear layers of one width with batch norm and ReLU between them, on several views at once.

    The views share the matrix products, which reads the wide weights once; norms see each view's batch on its own.

    Args:
        in_features: width of the pooled latents, 2 d.
        width: width D of all three layers.
        whiten: end in an iterative normalisation.
    """

    def __init__(self, in_features: int, width: int, whiten: bool = False) -> None:
        layers: list[nn.Module] = []
        for features in (in_features, width):
            layers += [nn.Linear(features, width), nn.BatchNorm1d(width), nn.ReLU()]
        layers.append(nn.Linear(width, width))
        if whiten:
            layers.append(IterNorm(width))
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, views: Tensor) -> Tensor:
        """Project pooled latents (V, B, in_features) of V views to (V, B, width)."""
        for layer in self.layers:
            per_view = isinstance(layer, (nn.BatchNorm1d, IterNorm))
            views = torch.stack([layer(view) for view in views]) if per_view else layer(views)
        return views


class IterNorm(nn.Module):
    """Whitening of groups of features by Newton's iteration, with an affine map (Huang et al. 2019).

    Per group of D / n_groups features with covariance S: P_0 = I, P_k+1 = (3 P_k - P_k^3 S / tr S) / 2, result
    P / sqrt(tr S) times the centred features. Statistics are those of the batch.

    Args:
        n_features: width D.
        n_groups: groups; the largest divisor of D that is at most this is taken.
        n_iterations: Newton iterations.
    """

    def __init__(self, n_features: int, n_groups: int = 64, n_iterations: int = 5, eps: float = 1e-5) -> None:
        super().__init__()
        self.n_groups = max(g for g in range(1, n_groups + 1) if n_features % g == 0)
        self.n_iterations, self.eps = n_iterations, eps
        self.weight = nn.Parameter(torch.ones(n_features))
        self.bias = nn.Parameter(torch.zeros(n_features))

    def forward(self, x: Tensor) -> Tensor:
        """Whiten (B, D) over the batch; in fp32."""
        with torch.autocast(x.device.type, enabled=False):
            groups = rearrange(x.float(), "b (g c) -> g c b", g=self.n_groups)
            centred = groups - groups.mean(-1, keepdim=True)
            eye = torch.eye(groups.shape[1], device=x.device)
            covariance = torch.baddbmm(self.eps * eye, centred, centred.transpose(1, 2), alpha=1 / groups.shape[-1])
            trace = covariance.diagonal(dim1=1, dim2=2).sum(-1)[:, None, None]
            normed = covariance / trace
            p = eye.expand_as(covariance)
            for _ in range(self.n_iterations):
                p = 1.5 * p - 0.5 * (p @ p @ p @ normed)
            whitened = rearrange(p @ centred * trace.rsqrt(), "g c b -> b (g c)")
            return whitened * self.weight + self.bias
