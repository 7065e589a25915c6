"""Embeddings of series: statistics over time of every level of the encoder, reduced on the train split.

The quantizer and a mean over the grid drop most of what tells series apart. It is still in the encoder's levels: how
strong each pattern is, how much that changes, how strong it gets, for how long it is there, and in which part of time.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

N_PARTS = 4
"""Parts of time that have a mean of their own."""

PARTS_WEIGHT, PARTS_WEIGHTS = 0.25, (0.0, 0.25, 0.5, 1.0)
"""Weight of the parts' means beside the standardised statistics of the whole, 1, where there are no classes; and those
that are tried where there are. In some data the place in time tells classes apart, in others it differs by chance."""

STRENGTHS = torch.logspace(-4, 1, 11, dtype=torch.float64)
"""Penalties of the ridge regression that compares these weights, for statistics of mean square norm 1."""

MAX_TARGETS = 100
"""Of more classes, the regression predicts so many random sums instead: their errors are as large on average."""

LIMIT = 10.0
"""Standardised statistics are cut to so many standard deviations, so that no single one decides a distance."""

FAINT = 1e-5
"""A statistic varies by chance alone if its variation in train is below this share of the greatest one's."""


def pooled(levels: Iterable[Tensor], observed: Tensor | None = None) -> Tensor:
    """Statistics of each channel and frequency row over time, of all levels (B, c, H, w_i): (B, P).

    Those of the whole series are mean, standard deviation, maximum and share of positive values (that of Dempster et
    al. 2021); beside them stand the means of four parts of time. Only columns count in whose share of time something
    was observed; a part without any has the mean of the whole.

    Args:
        levels: what the encoder's levels make of series.
        observed: which values of the series were observed, (B, C, T); None: all.
    """
    return torch.cat([_statistics(level.float().contiguous(), observed) for level in levels], dim=1)


def _statistics(level: Tensor, observed: Tensor | None) -> Tensor:
    width = level.shape[3]
    parts = [slice(i * width // N_PARTS, -(-(i + 1) * width // N_PARTS)) for i in range(N_PARTS)]
    if observed is None:
        mean = level.mean(3)
        deviation = (level - mean[..., None]).square().mean(3).sqrt()  # as std, in a third of the time
        statistics = [mean, deviation, level.amax(3), (level > 0).float().mean(3)]
        return _flat(statistics + [level[..., part].mean(3) for part in parts])
    seen = F.adaptive_max_pool1d(observed.any(1).float(), width)[:, None, None]

    def mean_of(values: Tensor, part: slice = slice(None)) -> Tensor:
        return (values * seen)[..., part].sum(3) / seen[..., part].sum(3).clamp(min=1)

    mean = mean_of(level)
    largest = torch.where(seen > 0, level, mean[..., None]).amax(3)
    deviation = mean_of((level - mean[..., None]).square()).sqrt()
    of_parts = [torch.where(seen[..., part].sum(3) > 0, mean_of(level, part), mean) for part in parts]
    return _flat([mean, deviation, largest, mean_of((level > 0).float()), *of_parts])


def _flat(statistics: list[Tensor]) -> Tensor:
    """Statistics (B, c, H) side by side, (B, s c H)."""
    return rearrange(statistics, "s b c h -> b (s c h)")


def are_of_parts(n_levels: int, n_places: int) -> Tensor:
    """Which of the statistics that :func:`pooled` gives of levels with c H = ``n_places`` are means of parts: (P,)."""
    of_kind = torch.arange(4 + N_PARTS) >= 4
    return of_kind.repeat_interleave(n_places).repeat(n_levels)


class Standard(nn.Module):
    """Statistics (B, P) around their mean over train, in its standard deviations, within ±10.

    Args:
        n_statistics: number P of statistics.
    """

    def __init__(self, n_statistics: int) -> None:
        super().__init__()
        self.mean: Tensor
        self.precision: Tensor
        self.register_buffer("mean", torch.zeros(n_statistics))
        self.register_buffer("precision", torch.zeros(n_statistics))

    @classmethod
    def of(cls, statistics: Tensor) -> Standard:
        """Mean and deviation of training series' statistics (n, P); what hardly varies among them becomes 0."""
        deviation = statistics.std(0, correction=0)
        varies = deviation > FAINT * deviation.max().clamp(min=FAINT)
        standard = cls(statistics.shape[1])
        standard.mean.copy_(statistics.mean(0))
        standard.precision.copy_(torch.where(varies, 1 / deviation, 0.0))
        return standard

    def forward(self, statistics: Tensor) -> Tensor:
        """Standardise statistics (B, P)."""
        return ((statistics - self.mean) * self.precision).clamp(-LIMIT, LIMIT)


def choose_parts_weight(standard: Tensor, of_parts: Tensor, classes: Tensor) -> float:
    """Weight of the parts' means with which a ridge regression best predicts the class of a series from all others.

    The squared error of leaving one out follows in closed form from the products of the series (Golub, Heath and
    Wahba 1979). Without two classes there is nothing to predict, and the weight is 0.25.

    Args:
        standard: standardised statistics of training series (n, P).
        of_parts: which of them are means of parts (P,).
        classes: class indices (n,).
    """
    target = nn.functional.one_hot(classes).double()
    if (target.sum(0) > 0).sum() < 2:
        return PARTS_WEIGHT
    if target.shape[1] > MAX_TARGETS:
        signs = torch.randint(2, (target.shape[1], MAX_TARGETS), generator=torch.Generator().manual_seed(0))
        target = target @ (2.0 * signs.double() - 1)
    target = target - target.mean(0)
    centred = (standard - standard.mean(0)).double()
    whole, parts = (of @ of.T for of in (centred[:, ~of_parts], centred[:, of_parts]))

    def error(weight: float) -> float:
        products = whole + weight**2 * parts
        values, vectors = torch.linalg.eigh(products / products.trace().clamp(min=FAINT) * len(products))
        values, along, squares, errors = values.clamp(min=0), vectors.T @ target, vectors.square(), []
        for strength in STRENGTHS:
            kept = values / (values + strength)
            left_out = target - vectors @ (kept[:, None] * along)
            left_out /= (1 - 1 / len(target) - squares @ kept).clamp(min=FAINT)[:, None]
            errors.append(float(left_out.square().sum(1).mean()))
        return min(errors)

    return min(PARTS_WEIGHTS, key=error)


class Reduction(nn.Module):
    """From pooled statistics to embeddings: standardised, weighted, and along the axes on which train varies most.

    There are no more such axes than training series less one. With all of them, the distances of any series to
    training series, and each linear classifier that is fitted on these, stay those of all statistics.

    Args:
        n_statistics: number P of pooled statistics.
        size: number d of axes.
    """

    def __init__(self, n_statistics: int, size: int) -> None:
        super().__init__()
        self.standard = Standard(n_statistics)
        self.axes: Tensor
        self.register_buffer("axes", torch.zeros(n_statistics, size))

    @classmethod
    def of(cls, standard: Standard, statistics: Tensor, weights: Tensor, size: int) -> Reduction:
        """The reduction of training series' statistics (n, P) to ``size`` axes or fewer, by principal components.

        The unit is such that embeddings of training series have mean square norm 1.
        """
        weighted = (standard(statistics) * weights).double()
        # n series have fewer products among them than P statistics have
        values, vectors = torch.linalg.eigh(weighted @ weighted.T)
        kept = (values > 1e-9 * values[-1].clamp(min=1.0)).nonzero().flatten().flip(0)[:size]
        axes = weighted.T @ (vectors[:, kept] / values[kept].sqrt()) / values.mean().clamp(min=1e-9).sqrt()
        # one axis of zeros where all training series are alike
        reduction = cls(len(weights), max(len(kept), 1))
        reduction.standard.load_state_dict(standard.state_dict())
        if len(kept):
            reduction.axes.copy_(axes * weights[:, None])
        return reduction

    def forward(self, statistics: Tensor) -> Tensor:
        """Embeddings (B, d) of pooled statistics (B, P)."""
        return self.standard(statistics) @ self.axes
