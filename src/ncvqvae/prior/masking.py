"""Mask schedules and random masks. The share is always the share MASKED, and True always means masked."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

SCHEDULES: dict[str, Callable[[Tensor], Tensor]] = {
    "cosine": lambda r: torch.cos(math.pi / 2 * r),
    "linear": lambda r: 1 - r,
    "square": lambda r: 1 - r**2,
    "cubic": lambda r: 1 - r**3,
}


def masked_share(r: Tensor, schedule: str = "cosine") -> Tensor:
    """Share masked at progress ``r`` in [0, 1]: 1 at 0 and 0 at 1; under r ~ U(0, 1) the cosine's mean is 2 / pi."""
    return SCHEDULES[schedule](r)


def random_masks(
    batch: int,
    n_tokens: int,
    schedule: str = "cosine",
    schedule_gives: str = "masked",
    generator: Generator | None = None,
) -> Tensor:
    """Masks (B, N) whose share is the schedule at a uniform draw per row (MaskGIT, Chang et al. 2022).

    Args:
        schedule_gives: ``masked``, or ``kept`` for the published naive baseline, whose prior masks only 1 - share.
    """
    share = masked_share(torch.rand(batch, generator=generator), schedule)
    if schedule_gives == "kept":
        share = 1 - share
    n_masked = torch.ceil(share * n_tokens).clamp(1, n_tokens)
    return ranks(batch, n_tokens, generator) < n_masked[:, None]


def ranks(batch: int, n_tokens: int, generator: Generator | None = None) -> Tensor:
    """The places 0 to N - 1 of each row in random order (B, N)."""
    return torch.rand(batch, n_tokens, generator=generator).argsort(1).argsort(1)
