"""Time warps of training series: how strong they may be, and the warped copies that the prior learns from."""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator, Tensor

from ncvqvae.augmentations import WHOLE, cubic, linear, warped_times
from ncvqvae.data import series_lengths
from ncvqvae.data.missing import ScaledSeries, fill

STRENGTHS = (0.05, 0.1, 0.2, 0.3, 0.5)
ENOUGH = 0.8
"""Share of the largest gain that is enough: among nearly equal strengths the least is taken."""

MAX_JUDGED = 300
"""Largest number of series used to choose the strength."""
VIEWS, SPLITS = 2, 10
"""Warps of each series, and splits into halves, that a strength is judged by."""
CLEARLY = 0.9
"""Share of the comparisons of halves that must become nearer; with fewer the gain may be one of chance."""

COPIES = 15
"""Warped copies of each series that the prior sees, beside the series itself."""
MAX_VALUES = 2**25
"""Values of all copies: 128 MB."""


def warped(series: ScaledSeries, strength: float, generator: Generator) -> ScaledSeries:
    """Each series along a random map of time, see :func:`warped_times`; gaps move along, ends stay."""
    X = np.asarray(series.X)
    values, observed = fill(X)
    times = warped_times(len(X), X.shape[-1], strength, torch.from_numpy(series_lengths(X)), generator)
    made = cubic(torch.from_numpy(values), times).numpy()
    if observed is not None:
        seen = linear(torch.from_numpy(observed).float(), times).numpy() > WHOLE
        made = np.where(seen, made, np.nan).astype(X.dtype)
    return ScaledSeries(made, series.scaler)


def n_copies(series: ScaledSeries) -> int:
    """Warped copies of each series: fewer where they would fill the memory."""
    return min(COPIES, MAX_VALUES // max(series.X.size, 1))


def with_warped_copies(series: ScaledSeries, strength: float, seed: int) -> ScaledSeries:
    """The series, and behind them all warped copies: row i, n + i, 2 n + i and so on are of series i."""
    n, generator = n_copies(series), Generator().manual_seed(seed)
    if not n:
        return series
    copies = [warped(series, strength, generator).X for _ in range(n)]
    return ScaledSeries(np.concatenate([series.X, *copies]), series.scaler)


def between_steps(x: Tensor, generator: Generator) -> Tensor:
    """Each series (B, C, T) later by a random part of a step: interpolated as by a warp, which smooths noise."""
    return cubic(x, torch.arange(x.shape[-1]) + torch.rand(len(x), 1, generator=generator))


def choose_time_warp(series: ScaledSeries, seed: int) -> tuple[float, str]:
    """Strength of time warp at which one half of the series, warped, comes nearest to the other half; and the reason.

    Nearness is the Fréchet distance of Gaussians in the principal components of MiniRocket's features. No network takes
    part, and no series is compared with a warp of itself, so that copies are not rewarded. Among the strengths that
    bring nearly all halves nearer, the least is taken that has ``ENOUGH`` of what the best one gains over no warp:
    halves are smaller than the whole train split, and smaller sets gain from stronger warps.

    Args:
        series: the train split.
        seed: of the choice of series, warps and halves.
    """
    from ncvqvae.evaluation.fidelity import frechet_distance
    from ncvqvae.evaluation.resampling import subsample
    from ncvqvae.evaluation.rocket import principal, standard_rocket

    if not n_copies(series):
        return 0.0, "so many series need no warps"
    rows = subsample(len(series), MAX_JUDGED, seed)
    part, generator = series.part(rows), Generator().manual_seed(seed)
    if len(rows) < 4:
        return 0.0, f"{len(rows)} series, too few to compare halves"
    values = torch.from_numpy(part[:].values)
    still = [between_steps(values, generator).numpy() for _ in range(VIEWS)]
    features = standard_rocket(still[0], seed)
    components = principal(features(still[0]))

    def space(X: np.ndarray) -> np.ndarray:
        return components(features(X))

    views = {0.0: [space(view) for view in still]}
    for strength in STRENGTHS:
        views[strength] = [space(warped(part, strength, generator)[:].values) for _ in range(VIEWS)]
    distances: dict[float, list[float]] = {strength: [] for strength in views}
    for split in range(SPLITS):
        order = np.random.default_rng([seed, split]).permutation(len(rows))
        first, second = np.array_split(order, 2)
        for fit, held in ((first, second), (second, first)):
            for strength, made in views.items():
                near = frechet_distance(np.concatenate([view[fit] for view in made]), views[0.0][0][held])
                distances[strength].append(near)
    gains = {strength: np.subtract(distances[0.0], distances[strength]) for strength in views}
    clear = {
        strength: gain.mean() for strength, gain in gains.items() if (gain > 0).mean() >= CLEARLY and gain.mean() > 0
    }
    if not clear:
        return 0.0, "warps bring one half of the series no nearer to the other"
    chosen = next(strength for strength, gain in clear.items() if gain >= ENOUGH * max(clear.values()))
    nearer = clear[chosen] / np.mean(distances[0.0])
    return chosen, f"one half of the series comes {nearer:.0%} nearer to the other"
