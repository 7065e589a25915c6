"""Distance between the patches of two series; it keeps fine detail that squared errors smooth away."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

PATCH, ORDERS, DIRECTIONS = 8, 3, 8
"""Time steps of a patch, differences taken of the series (the 1st to the 3rd), random directions of each."""
SPAN = PATCH + ORDERS
LEAST_PATCHES = 128
"""Least number of patches in a part. Series are compared part by part, so that detail keeps its place in time."""
FLOOR = 0.01
"""Least scale of a projection, in the units of scaled series: finer detail than this counts for less."""
MAX_CASES = 32
"""Series of a batch that are compared: sorting costs more than the rest."""


def patch_distance(x: Tensor, y: Tensor, observed: Tensor | None = None) -> Tensor:
    """Mean sliced Wasserstein distance between the patch distributions of series x and y (B, C, T): a scalar.

    Patches of 8 steps of the k-th difference, k = 1, 2, 3, are projected on random directions w ~ N(0, I / 8), drawn
    anew by the global generator; r and q are the sorted projections of a part of a series of x and of its partner in y,
    and the distance is the mean of |r - q| / max(rms(r over the batch), 0.01). Differences and the division make fine
    detail count as much as slow movements. Patches beyond the equal parts are left out, at random on the left or right.
    Heitz et al., "A Sliced Wasserstein Loss for Neural Texture Synthesis" (2021).

    Series of fewer than 11 steps have no such patches, and a distance of 0.

    Args:
        x: series, of which the first 32 are taken.
        y: what is compared with them.
        observed: True where x was observed (B, C, T); patches that hold anything else do not count.
    """
    if x.shape[-1] < SPAN:
        return x.new_zeros(())
    with torch.autocast(x.device.type, enabled=False):
        x, y = (rearrange(series[:MAX_CASES].float(), "b c t -> (b c) 1 t") for series in (x, y))
        filters = _filters(x)
        r, q = F.conv1d(x, filters), F.conv1d(y, filters)
        if observed is not None:
            missing = rearrange((~observed[:MAX_CASES]).float(), "b c t -> (b c) 1 t")
            whole = F.max_pool1d(missing, SPAN, stride=1) == 0
            r, q = r * whole, q * whole
        scale = r.square().mean((0, 2), keepdim=True).sqrt().clamp(min=FLOOR)
        n_parts = max(1, r.shape[-1] // LEAST_PATCHES)
        length = r.shape[-1] // n_parts * n_parts
        start = int(torch.randint(r.shape[-1] - length + 1, ()))
        r, q = (
            rearrange(p[..., start : start + length], "b f (n p) -> b f n p", n=n_parts) for p in (r / scale, q / scale)
        )
        return (r.sort(-1).values - q.sort(-1).values).abs().mean()


def _filters(like: Tensor) -> Tensor:
    """Random directions composed with differences: (ORDERS * DIRECTIONS, 1, SPAN)."""
    filters = []
    for order in range(1, ORDERS + 1):
        directions = torch.randn(DIRECTIONS, 1, PATCH).to(like) / PATCH**0.5
        differences = torch.diff(F.pad(directions, (order, order)), n=order)
        filters.append(F.pad(differences, (0, ORDERS - order)))
    return torch.cat(filters)
