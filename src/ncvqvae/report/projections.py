"""Projections of embeddings and series to a plane, and seeded choices of the cases to show."""

from __future__ import annotations

from collections.abc import Hashable
from importlib.util import find_spec

import numpy as np

from ncvqvae.data import fill
from ncvqvae.labels import is_class

MAX_TSNE_POINTS = 500


def flat(X: np.ndarray) -> np.ndarray:
    """Cases as vectors: (n, ...) → (n, p) float64; missing values of series (n, C, L) are filled in."""
    X = np.asarray(X, np.float64)
    return (fill(X).values if X.ndim == 3 else X).reshape(len(X), -1)


def pca_planes(fitted_on: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """First two principal components of `fitted_on` (n, ...), and `others` in the same plane: (n, 2) each."""
    from sklearn.decomposition import PCA

    vectors = flat(fitted_on)
    if len(vectors) < 2 or not np.ptp(vectors, axis=0).any():  # no variance, so no principal component
        return [np.zeros((len(X), 2)) for X in (fitted_on, *others)]
    n_components = min(2, *vectors.shape)
    pca = PCA(n_components, random_state=0).fit(vectors)
    planes = [pca.transform(flat(X)) for X in (fitted_on, *others)]
    return [np.pad(plane, ((0, 0), (0, 2 - n_components))) for plane in planes]


def tsne_planes(*parts: np.ndarray) -> list[np.ndarray]:
    """t-SNE of all parts (n, d) in one plane: (n, 2) each, with at most `MAX_TSNE_POINTS` points in all.

    Raises:
        ValueError: if there are more points.
    """
    from sklearn.manifold import TSNE

    vectors = np.concatenate([flat(part) for part in parts])
    if len(vectors) > MAX_TSNE_POINTS:
        raise ValueError(f"{len(vectors)} points; choose at most {MAX_TSNE_POINTS}")
    if len(vectors) < 4:
        return pca_planes(vectors) if len(parts) == 1 else pca_planes(*parts)
    spread = vectors.std(axis=0)
    scaled = (vectors - vectors.mean(axis=0)) / np.where(spread > 0, spread, 1)
    perplexity = min(30.0, (len(vectors) - 1) / 3)
    init = "pca" if min(scaled.shape) >= 2 and spread.any() else "random"
    plane = TSNE(perplexity=perplexity, init=init, random_state=0).fit_transform(scaled)
    return np.split(plane, np.cumsum([len(part) for part in parts])[:-1])


def umap_is_installed() -> bool:
    """Whether `umap-learn` is installed; does not import it."""
    return find_spec("umap") is not None


def umap_planes(*parts: np.ndarray) -> list[np.ndarray]:
    """UMAP of all parts (n, d) in one plane: (n, 2) each; seeded."""
    from umap import UMAP

    vectors = np.concatenate([flat(part) for part in parts])
    if len(vectors) < 4:
        return pca_planes(vectors) if len(parts) == 1 else pca_planes(*parts)
    plane = UMAP(n_neighbors=min(15, len(vectors) - 1), init="random", random_state=0).fit_transform(vectors)
    return np.split(plane, np.cumsum([len(part) for part in parts])[:-1])


def choose(n: int, at_most: int, seed: int = 0) -> np.ndarray:
    """Sorted indices of at most `at_most` of `n` cases, drawn without replacement."""
    if n <= at_most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, at_most, replace=False))


def choose_per_class(y: np.ndarray, label: Hashable, at_most: int, seed: int = 0) -> np.ndarray:
    """Sorted indices of at most `at_most` cases of one class."""
    members = np.flatnonzero(is_class(y, label))
    return members[choose(len(members), at_most, seed)]
