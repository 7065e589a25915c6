"""Augmentations of the NC-VQVAE thesis as pure functions on batches, and the views that stage 1 makes with them.

Each function takes ``x`` of shape (B, C, T) and an optional ``torch.Generator`` (CPU), draws independently for every
series and treats all channels of a series alike in time. No Python loop runs over the batch. Source: NC-VQVAE thesis,
stage 1; the operations are those of Wen and Sun, "Time Series Data Augmentation for Neural Networks by Time Warping
with a Discriminative Teacher", and of common practice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any

import torch
from einops import rearrange, repeat
from pydantic import Field
from torch import Generator, Tensor
from torch.nn import functional as F

from ncvqvae.config import Share, Weight
from ncvqvae.registry import augmentations
from ncvqvae.validation import Number, Whole

Stretch = Annotated[Number, Field(ge=0.01, le=100.0)]
Cuts = Annotated[Whole, Field(ge=1, le=10**6)]
NO_SETTINGS: Mapping[str, Any] = MappingProxyType({})
WHOLE = 0.999  # a resampled value counts as observed if all of its weight is on observed ones


def window_warp(
    x: Tensor,
    window_ratio: float = 0.4,
    scales: tuple[float, float] = (0.9, 2.0),
    generator: Generator | None = None,
) -> Tensor:
    """Stretch a random window in time by a factor U(``scales``), then resample the whole to its own length.

    Args:
        x: series, (B, C, T).
        window_ratio: length of the window, as a share of T.
        scales: range of the stretch factor.

    Returns:
        Warped series, (B, C, T).
    """
    batch, _, length = x.shape
    window = max(2, round(window_ratio * length))
    start = torch.floor(torch.rand(batch, generator=generator) * (length - window + 1))
    factor = torch.empty(batch).uniform_(*scales, generator=generator)
    return warp_at(x, start.to(x.device), factor.to(x.device), window)


def warp_at(x: Tensor, start: Tensor, factor: Tensor, window: int) -> Tensor:
    """:func:`window_warp` with given draws: window ``[start, start + window)`` stretched to round(factor * window).

    Both resamplings are linear interpolations with fixed ends; they compose to one piecewise linear map of time, so a
    single gather with linear interpolation on the stretched grid gives the result.
    """
    length = x.shape[-1]
    stretched = torch.round(factor * window).clamp(min=2)
    total = length - window + stretched
    position = rearrange(torch.linspace(0, 1, length, device=x.device), "t -> 1 t") * rearrange(total - 1, "b -> b 1")
    # two stages: nodes of the stretched grid left and right of each output position, then the series at those nodes
    left = position.floor()
    weight = (position - left).to(x.dtype)
    right = torch.minimum(left + 1, rearrange(total - 1, "b -> b 1"))
    at = [linear(x, _source_time(node, start, stretched, window)) for node in (left, right)]
    return torch.lerp(at[0], at[1], rearrange(weight, "b t -> b 1 t"))


def _source_time(node: Tensor, start: Tensor, stretched: Tensor, window: int) -> Tensor:
    """Time in the original series of integer nodes (B, T) of the stretched grid."""
    start, stretched = rearrange(start, "b -> b 1"), rearrange(stretched, "b -> b 1")
    inside = start + (node - start) * (window - 1) / (stretched - 1)
    after = node - stretched + window
    return torch.where(node < start, node, torch.where(node < start + stretched, inside, after))


def linear(x: Tensor, time: Tensor) -> Tensor:
    """``x`` (B, C, T) at real times (B, S), linearly: (B, C, S)."""
    channels, length = x.shape[1:]
    left = time.floor().clamp(0, length - 1)
    weight = (time - left).clamp(0, 1)
    index = left.long()
    values = [x.gather(2, repeat(i, "b s -> b c s", c=channels)) for i in (index, (index + 1).clamp(max=length - 1))]
    return torch.lerp(values[0], values[1], rearrange(weight, "b s -> b 1 s").to(x.dtype))


def warped_times(
    n: int, n_timepoints: int, strength: float, lengths: Tensor | None = None, generator: Generator | None = None
) -> Tensor:
    r"""Smooth, random, increasing maps of time (n, T) that keep both ends of a series.

    .. math:: \tau(t) \propto \int_0^t \exp \Big( \sum_{k=1}^3 \frac{a_k}{k} \cos \pi k s \Big) \, ds,
        \quad a_k \sim N(0, \text{strength}^2)

    Args:
        n: number of maps.
        n_timepoints: time steps T.
        strength: standard deviation of a wave in the logarithm of the speed of time; 0.2 is gentle, 0.5 is strong.
        lengths: steps of each series (n,); time stays as it is behind an end. All T if not given.
        generator: source of all randomness (CPU).

    Compare Um et al., "Data augmentation of wearable sensor data" (2017).
    """
    ends = torch.full((n,), n_timepoints) if lengths is None else lengths.cpu()
    last = rearrange(ends - 1, "b -> b 1").clamp(min=1)
    time = repeat(torch.arange(n_timepoints), "t -> b t", b=n)
    share, waves = time / last, torch.arange(1, 4)
    sizes = strength * torch.randn(n, 3, generator=generator) / waves
    speed = torch.einsum("bk,btk->bt", sizes, torch.cos(torch.pi * share[..., None] * waves)).exp()
    passed = F.pad(((speed[:, 1:] + speed[:, :-1]) / 2).cumsum(1), (1, 0))
    whole = passed.gather(1, last.clamp(max=n_timepoints - 1)).clamp(min=1e-12)
    return torch.where(time <= last, passed / whole * last, time)


def cubic(x: Tensor, time: Tensor) -> Tensor:
    """``x`` (B, C, T) at real times (B, S) by cubic convolution: (B, C, S).

    Linear interpolation smooths noise and sharp steps, which shows where series are warped (results/experiments.md).

    Reference: Keys, "Cubic convolution interpolation for digital image processing" (1981), with a = -1/2.
    """

    def weights(w: Tensor) -> list[Tensor]:
        return [
            (-w + 2 * w**2 - w**3) / 2,
            (2 - 5 * w**2 + 3 * w**3) / 2,
            (w + 4 * w**2 - 3 * w**3) / 2,
            (w**3 - w**2) / 2,
        ]

    return _interpolated(x, time, weights)


def lanczos(x: Tensor, time: Tensor, lobes: int = 4) -> Tensor:
    """``x`` (B, C, T) at real times (B, S) by a windowed sinc: (B, C, S); the first and last value go on at the ends.

    It keeps noise as strong as it is, which :func:`cubic` smooths, and rings a little beside steps.

    Reference: Duchon, "Lanczos filtering in one and two dimensions" (1979).
    """

    def weights(w: Tensor) -> list[Tensor]:
        away = torch.stack([w - step for step in range(1 - lobes, lobes + 1)])
        windowed = torch.sinc(away) * torch.sinc(away / lobes)
        return list(windowed / windowed.sum(0))

    return _interpolated(x, time, weights)


def _interpolated(x: Tensor, time: Tensor, weights: Callable[[Tensor], Sequence[Tensor]]) -> Tensor:
    """``x`` (B, C, T) at real times (B, S): weighted means (B, C, S) of the nearest steps, as many before as behind.

    Args:
        x: series; before and behind them stand their first and last values.
        time: real times.
        weights: of the part of a step (B, S) by which a time is past the step before it: one for each step, in order.
    """
    channels, length = x.shape[1:]
    first = time.floor().clamp(0, length - 1)
    each = weights((time - first).clamp(0, 1).to(x.dtype))
    found = torch.zeros(x.shape[0], channels, time.shape[-1], dtype=x.dtype, device=x.device)
    for step, weight in enumerate(each, start=1 - len(each) // 2):
        index = repeat((first.long() + step).clamp(0, length - 1), "b s -> b c s", c=channels)
        found = found + x.gather(2, index) * weight[:, None]
    return found


def amplitude_resize(x: Tensor, sigma: float = 0.2, generator: Generator | None = None) -> Tensor:
    """Multiply each series by one factor 1 + N(0, ``sigma``^2); x and result (B, C, T)."""
    factor = 1 + sigma * torch.randn(x.shape[0], 1, 1, generator=generator)
    return x * factor.to(x)


def slice_and_shuffle(x: Tensor, n_cuts: int = 3, generator: Generator | None = None) -> Tensor:
    """Cut each series at ``n_cuts`` distinct random points and permute the segments; the values stay the same multiset.

    Args:
        x: series, (B, C, T) with T > ``n_cuts``.
    """
    batch, _, length = x.shape
    n_cuts = min(n_cuts, length - 1)
    cuts = 1 + torch.rand(batch, length - 1, generator=generator).topk(n_cuts, dim=1).indices
    order = torch.rand(batch, n_cuts + 1, generator=generator).argsort(dim=1)
    return shuffle_at(x, cuts.sort(dim=1).values.to(x.device), order.to(x.device))


def shuffle_at(x: Tensor, cuts: Tensor, order: Tensor) -> Tensor:
    """:func:`slice_and_shuffle` with given draws: segment ``order[:, k]`` comes k-th; ``cuts`` (B, n) ascending."""
    batch, channels, length = x.shape
    time = repeat(torch.arange(length, device=x.device), "t -> b t", b=batch).contiguous()
    segment = torch.searchsorted(cuts.contiguous(), time, right=True)
    place = order.argsort(dim=1).gather(1, segment)
    source = (place * length + time).argsort(dim=1)
    return x.gather(2, repeat(source, "b t -> b c t", c=channels))


def gaussian_noise(x: Tensor, sigma: float = 0.05, generator: Generator | None = None) -> Tensor:
    """Add N(0, ``sigma``^2) to every value; x and result (B, C, T), sigma in the units of x."""
    return x + sigma * torch.randn(x.shape, generator=generator).to(x)


def warp_view(
    x: Tensor,
    observed: Tensor | None,
    generator: Generator | None,
    window_ratio: Share = 0.4,
    scales: tuple[Stretch, Stretch] = (0.9, 2.0),
    sigma: Weight = 0.2,
) -> tuple[Tensor, Tensor | None]:
    """The thesis's ``warp``: :func:`window_warp`, then :func:`amplitude_resize`."""
    low, high = sorted(scales)
    warped, seen = moved(x, observed, lambda both: window_warp(both, window_ratio, (low, high), generator))
    return amplitude_resize(warped, sigma, generator), seen


def slice_view(
    x: Tensor, observed: Tensor | None, generator: Generator | None, n_cuts: Cuts = 3
) -> tuple[Tensor, Tensor | None]:
    """The thesis's ``slice``: :func:`slice_and_shuffle`."""
    return moved(x, observed, lambda both: slice_and_shuffle(both, n_cuts, generator))


def gauss_view(
    x: Tensor, observed: Tensor | None, generator: Generator | None, sigma: Weight = 0.05
) -> tuple[Tensor, Tensor | None]:
    """The thesis's ``gauss``: :func:`gaussian_noise`."""
    return gaussian_noise(x, sigma, generator), observed


def moved(x: Tensor, observed: Tensor | None, move: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor | None]:
    """Apply ``move`` to series and their mask with the same draws; return moved series and moved mask."""
    if observed is None:
        return move(x), None
    view, seen = move(torch.cat([x, observed.to(x)], dim=1)).chunk(2, dim=1)
    return view, seen > WHOLE


def augment(
    x: Tensor, kind: str, generator: Generator | None = None, settings: Mapping[str, Any] = NO_SETTINGS
) -> Tensor:
    """Augment fully observed series; see :func:`augment_observed`."""
    return augment_observed(x, None, kind, generator, settings)[0]


def augment_observed(
    x: Tensor,
    observed: Tensor | None,
    kind: str,
    generator: Generator | None = None,
    settings: Mapping[str, Any] = NO_SETTINGS,
) -> tuple[Tensor, Tensor | None]:
    """Augment series; return the view and the mask of its observed values.

    Args:
        x: series (B, C, T).
        observed: True where a value was observed (B, C, T); None stands for all of it.
        kind: name of the augmentation; ``none`` for the series themselves.
        generator: source of all randomness (CPU).
        settings: the augmentation's own.

    Raises:
        InputError: if there is no augmentation of that name.
    """
    return (x, observed) if kind == "none" else augmentations[kind](x, observed, generator, **settings)


def augment_share(
    x: Tensor, observed: Tensor | None, kind: str, share: float, generator: Generator | None = None
) -> tuple[Tensor, Tensor | None]:
    """Apply :func:`augment_observed` to each series with probability ``share``; leave the others unchanged."""
    view, view_observed = augment_observed(x, observed, kind, generator)
    taken = (torch.rand(len(x), 1, 1, generator=generator) < share).to(x.device)
    some = None if observed is None or view_observed is None else torch.where(taken, view_observed, observed)
    return torch.where(taken, view, x), some
