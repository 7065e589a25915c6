"""How near generated series are to real ones in a feature space: FID, IS, KID, through torchmetrics."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor, nn

from ncvqvae.errors import InputError
from ncvqvae.evaluation.resampling import seeded_cpu


class _AlreadyFeatures(nn.Module):
    """Feature extractor for torchmetrics that returns its input, which already consists of features."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    r"""Fréchet distance (FID) between two feature sets, in float64.

    .. math:: \lVert \mu_a - \mu_b \rVert^2 + \mathrm{tr}\,(\Sigma_a + \Sigma_b - 2 (\Sigma_a \Sigma_b)^{1/2})

    Args:
        a: features (n_a, d); covariance with n − 1.
        b: features (n_b, d).

    Raises:
        InputError: if a set has fewer than two rows or a value that is not finite.

    Reference: Heusel et al., "GANs trained by a two time-scale update rule" (2017).
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    first, second = _feature_tensor(a), _feature_tensor(b)
    metric = FrechetInceptionDistance(feature=_AlreadyFeatures(first.shape[1]))
    metric.update(first, real=True)
    metric.update(second, real=False)
    return float(metric.compute())


def inception_score(probabilities: np.ndarray, splits: int = 10, seed: int = 0) -> float:
    r"""Inception score: mean over splits of the exponential mean divergence between p(y|x) and the split's p(y).

    .. math:: \exp\, \mathbb{E}_x\, \mathrm{KL}\,(p(y \mid x) \,\Vert\, p(y))

    Args:
        probabilities: class probabilities (n, n_classes), rows sum to 1.
        splits: number of (nearly) equal parts into which the shuffled rows are cut; at most one per row.
        seed: seed of the shuffle.

    Raises:
        InputError: if there are fewer than two rows or a value is not finite.

    Reference: Salimans et al., "Improved techniques for training GANs" (2016).
    """
    from torchmetrics.image.inception import InceptionScore

    p = _feature_tensor(probabilities)
    # torchmetrics takes logits; log p is one choice of them, floored because 0 · log 0 would be NaN
    logits = p.clamp_min(torch.finfo(p.dtype).tiny).log()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Metric `InceptionScore` will save all")
        metric = InceptionScore(feature=_AlreadyFeatures(p.shape[1]), splits=min(splits, len(p)))
    metric.update(logits)
    with seeded_cpu(seed), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="std.*degrees of freedom")
        return float(metric.compute()[0])


def kernel_distance(a: np.ndarray, b: np.ndarray, subsets: int = 20, seed: int = 0) -> float:
    r"""Kernel distance (KID): unbiased squared MMD under the cubic polynomial kernel, in float64; may be below 0.

    .. math:: k(x, y) = (x^\top y / d + 1)^3

    The value depends on the origin and unit of the features. If their mean and deviation are far from 0 and 1,
    standardise both sets by those of the real set. Sets of the same size are compared whole; otherwise the result is
    the mean over random subsets of the smaller size.

    Args:
        a: features (n_a, d).
        b: features (n_b, d).
        subsets: number of random subsets where the sizes differ.
        seed: seed of the subsets.

    Raises:
        InputError: if a set has fewer than two rows or a value that is not finite.

    Reference: Bińkowski et al., "Demystifying MMD GANs" (2018).
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    first, second = _feature_tensor(a), _feature_tensor(b)
    size = min(len(first), len(second))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Metric `Kernel Inception Distance` will save all")
        metric = KernelInceptionDistance(
            feature=_AlreadyFeatures(first.shape[1]),
            subsets=1 if len(first) == len(second) else subsets,
            subset_size=size,
        )
    metric.update(first, real=True)
    metric.update(second, real=False)
    with seeded_cpu(seed):
        return float(metric.compute()[0])


def _feature_tensor(values: np.ndarray) -> Tensor:
    """A float64 copy of (n, d) features, checked."""
    values = np.asarray(values, np.float64)
    if values.ndim != 2 or len(values) < 2:
        raise InputError(f"features of shape {values.shape}: a distribution needs at least 2 series; generate more")
    if not np.isfinite(values).all():
        raise InputError("features hold NaN or infinite values: look for them in the series and mend or drop those")
    return torch.tensor(values)
