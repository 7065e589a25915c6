"""Seeding for library code that can only draw from torch's global generator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded_cpu(seed: int) -> Iterator[None]:
    """Seed the global CPU generator inside the block and put its former state back afterwards."""
    with torch.random.fork_rng(devices=[]):
        # not torch.manual_seed: that would reseed the accelerators too, which are not forked here
        torch.default_generator.manual_seed(seed)
        yield
