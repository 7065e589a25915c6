"""Features that need neither labels nor training: MiniRocket and catch22, by the library aeon.

Series are (n, C, L). A series that ends early has NaN behind its end; its last value is repeated there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from threadpoolctl import ThreadpoolController

if TYPE_CHECKING:
    from aeon.transformations.collection.convolution_based import MiniRocket

N_PROJECTED = 128
CHUNK = 1024  # series at a time: MiniRocket makes 10,000 features of each
MAX_DEVIATIONS = 10.0
MAX_COEFFICIENTS = 1_000_000
"""Most coefficients of a linear classifier of MiniRocket's features: for more than 100 classes these are fewer."""

Extractor = Callable[[np.ndarray], np.ndarray]
"""From series (n, C, L) to features (n, d), float64."""


def n_kernels_for(n_classes: int, n_kernels: int = 10_000) -> int:
    """How many features MiniRocket makes for a linear classifier of these classes, at least its 84 kernels."""
    return max(84, min(n_kernels, MAX_COEFFICIENTS // max(n_classes, 1)))


@contextmanager
def kept_threads() -> Iterator[None]:
    """Restore the OpenMP settings after the block: numba's parallel loops change and nest the whole process's threads.

    With nested threads, MKL's ``exp`` and ``log`` take 20 to 500 times as long on two cores.
    """
    threads = torch.get_num_threads()
    openmp = [library.dynlib for library in ThreadpoolController().select(user_api="openmp").lib_controllers]
    nested = [library.omp_get_nested() for library in openmp]
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        for library, before in zip(openmp, nested, strict=True):
            library.omp_set_nested(before)


@kept_threads()
def minirocket(X_train: np.ndarray, seed: int = 0) -> Extractor:
    """MiniRocket's shares of positive values, projected at random to 128 features; train fixes dilations and biases.

    The features have mean 0, and variance 1 on average, over the training series.

    Args:
        X_train: series (n, C, L) that fix the biases and the scale.
        seed: seed of MiniRocket and of the projection.

    References: Dempster, Schmidt, Webb, "MiniRocket" (2021); Johnson and Lindenstrauss (1984): a random projection
    keeps distances.
    """
    from aeon.transformations.collection.convolution_based import MiniRocket
    from sklearn.random_projection import GaussianRandomProjection

    padded = at_least_9_steps(X_train)
    transform = MiniRocket(random_state=seed, n_jobs=torch.get_num_threads()).fit(padded)
    projection = GaussianRandomProjection(N_PROJECTED, random_state=seed).fit(transform.transform(padded[:2]))

    @kept_threads()
    def project(X: np.ndarray) -> np.ndarray:
        return np.concatenate([projection.transform(part) for part in _in_parts(transform, X)])

    center, scale = center_and_scale(project(X_train))
    return lambda X: (project(X) - center) / scale


@kept_threads()
def standard_rocket(X_train: np.ndarray, seed: int = 0, *, n_kernels: int = 2000) -> Extractor:
    """MiniRocket's features, each of which has mean 0 and variance 1 over the training series.

    Args:
        X_train: series (n, C, L) that fix biases and scales.
        seed: seed of MiniRocket.
        n_kernels: number of features.

    Reference: Dempster, Schmidt, Webb, "MiniRocket" (2021).
    """
    from aeon.transformations.collection.convolution_based import MiniRocket
    from sklearn.preprocessing import StandardScaler

    transform = MiniRocket(n_kernels, random_state=seed, n_jobs=torch.get_num_threads())
    scaler = StandardScaler().fit(transform.fit_transform(at_least_9_steps(X_train)))

    @kept_threads()
    def features(X: np.ndarray) -> np.ndarray:
        return np.concatenate([scaler.transform(part) for part in _in_parts(transform, X)])

    return features


def _in_parts(transform: MiniRocket, X: np.ndarray) -> Iterator[np.ndarray]:
    """MiniRocket's features (n, d) of ``CHUNK`` series at a time, float64."""
    padded = at_least_9_steps(X)
    for start in range(0, len(padded), CHUNK):
        yield np.asarray(transform.transform(padded[start : start + CHUNK]), np.float64)


def principal(features: np.ndarray, size: int = 20, seed: int = 0) -> Extractor:
    """From features to their first principal components over the rows (n, d) given: as many as rows allow, or size."""
    from sklearn.decomposition import PCA

    return PCA(min(size, len(features) - 1), random_state=seed).fit(features).transform


def catch22(X_train: np.ndarray) -> Extractor:
    """The 22 canonical time-series characteristics of each channel, standardised over train, within ±10 deviations.

    Some of the 22 have heavy tails. Without the bound one series in a thousand would decide a Fréchet distance.

    The values are rounded to float32's precision. Numba's first compilation and its cache differ in the last bits of
    float64, and a Fréchet distance of fewer series than features raises this difference to 1e-7.

    Args:
        X_train: series (n, C, L) that fix the scale.

    Reference: Lubba et al., "catch22: CAnonical Time-series CHaracteristics" (2019).
    """
    from aeon.transformations.collection.feature_based import Catch22
    from sklearn.preprocessing import StandardScaler

    transform = Catch22(replace_nans=True)

    def characteristics(X: np.ndarray) -> np.ndarray:
        return np.asarray(transform.fit_transform(np.asarray(forward_fill(X), np.float64)), np.float64)

    scaler = StandardScaler().fit(characteristics(X_train))

    def bounded(X: np.ndarray) -> np.ndarray:
        within = np.clip(scaler.transform(characteristics(X)), -MAX_DEVIATIONS, MAX_DEVIATIONS)
        return within.astype(np.float32).astype(np.float64)

    return bounded


def center_and_scale(features: np.ndarray) -> tuple[np.ndarray, float]:
    """Mean (d,) of features (n, d), and the square root of their mean variance (1 if they do not vary)."""
    return features.mean(axis=0), float(np.sqrt(features.var(axis=0).mean())) or 1.0


def at_least_9_steps(X: np.ndarray) -> np.ndarray:
    """Series (n, C, L) as float32, the last value repeated to the full length and to at least MiniRocket's 9 steps."""
    missing = max(0, 9 - X.shape[-1])
    return np.pad(np.asarray(forward_fill(X), np.float32), [(0, 0), (0, 0), (0, missing)], mode="edge")


def forward_fill(X: np.ndarray) -> np.ndarray:
    """Series (n, C, L) without NaN: the last value before a missing one takes its place."""
    missing = np.isnan(X)
    if not missing.any():
        return X
    last = np.maximum.accumulate(np.where(missing, 0, np.arange(X.shape[-1])), axis=-1)
    return np.nan_to_num(np.take_along_axis(X, last, axis=-1))
