"""The augmentations, one series ``(C, L)`` at a time, given their random draws. One draw serves all channels."""

import itertools
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.floating[Any]]


def resample(x: Array, length: int) -> Array:
    """Linear interpolation of ``(C, L)`` at ``length`` equidistant points from the first to the last sample."""
    points = np.linspace(0, x.shape[1] - 1, length)
    return np.stack([np.interp(points, np.arange(x.shape[1]), channel) for channel in x])


def window_warp(x: Array, start: int, factor: float, share: float = 0.4) -> Array:
    """Stretch one window in time, then bring the whole back to L.

    The window is ``x[:, start : start + w]``, ``w = round(share L)``; it is resampled to ``round(factor w)`` points
    (both roundings half to even), put back between its unchanged neighbours, and the whole is resampled to L.
    x: ``(C, L)``, 0 <= start <= L - w. Returns ``(C, L)``.
    """
    length = x.shape[1]
    window = round(share * length)
    stretched = resample(x[:, start : start + window], round(factor * window))
    whole = np.concatenate([x[:, :start], stretched, x[:, start + window :]], axis=1)
    return resample(whole, length)


def amplitude_resize(x: Array, noise: ArrayLike) -> Array:
    """``x (1 + noise)``; noise is one number for the series, or one per channel. x: ``(C, L)``."""
    return x * (1 + np.asarray(noise, dtype=np.float64).reshape(-1, 1))


def slice_and_shuffle(x: Array, cuts: list[int], permutation: list[int]) -> Array:
    """Cut ``(C, L)`` before each of the sorted positions in ``cuts``; segment ``permutation[i]`` comes i-th."""
    edges = [0, *sorted(cuts), x.shape[1]]
    segments = [x[:, a:b] for a, b in itertools.pairwise(edges)]
    return np.concatenate([segments[i] for i in permutation], axis=1)


def gaussian_noise(x: Array, noise: Array) -> Array:
    """``x + noise``, noise already at its scale (sd 0.05). Both ``(C, L)``."""
    return x + noise
