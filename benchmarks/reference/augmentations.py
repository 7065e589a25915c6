"""Augmentations of one series ``(C, L)`` in NumPy, and the Dataset that applies them to each item."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

Array = NDArray[np.floating[Any]]
Augmentation = Callable[[Array, np.random.Generator], Array]


def _resample(x: Array, length: int) -> Array:
    points = np.linspace(0, x.shape[1] - 1, length)
    return np.stack([np.interp(points, np.arange(x.shape[1]), channel) for channel in x])


def warp(x: Array, rng: np.random.Generator) -> Array:
    """Window Warp (0.4 L, stretched by U(0.9, 2), resampled to L), then Amplitude Resize (times 1 + N(0, 0.2))."""
    length = x.shape[1]
    window = round(0.4 * length)
    start = int(rng.integers(0, length - window + 1))
    stretched = _resample(x[:, start : start + window], round(rng.uniform(0.9, 2.0) * window))
    whole = np.concatenate([x[:, :start], stretched, x[:, start + window :]], axis=1)
    return _resample(whole, length) * (1 + rng.normal(0, 0.2))


def slice_and_shuffle(x: Array, rng: np.random.Generator) -> Array:
    """Cut at 3 random points, permute the 4 segments."""
    cuts = np.sort(rng.choice(np.arange(1, x.shape[1]), 3, replace=False))
    segments = np.split(x, cuts, axis=1)
    return np.concatenate([segments[i] for i in rng.permutation(4)], axis=1)


def gauss(x: Array, rng: np.random.Generator) -> Array:
    """Additive N(0, 0.05)."""
    return x + rng.normal(0, 0.05, x.shape)


AUGMENTATIONS: dict[str, Augmentation] = {"warp": warp, "slice": slice_and_shuffle, "gauss": gauss}


class AugmentedDataset(Dataset[tuple[Tensor, Tensor]]):
    """Pairs ``(x, x')`` of ``(C, L)`` each, the view drawn anew at every access. x: ``(n, C, L)``, already scaled."""

    def __init__(self, x: Array, augmentation: str, seed: int = 0) -> None:
        self.x = x
        self.augment = AUGMENTATIONS[augmentation]
        self.rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        view = self.augment(self.x[index], self.rng)
        return torch.from_numpy(self.x[index]).float(), torch.from_numpy(view).float()
