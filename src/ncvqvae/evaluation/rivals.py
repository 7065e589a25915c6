"""Rivals of a generator: cheap ways to more series from the training series alone, for the same labels.

Series are scaled (n, C, L); one that ends early has NaN behind its end. A generator that no rival matches is worth its
training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Generator

from ncvqvae.augmentations import linear, warped_times
from ncvqvae.labels import rows_by_class, sorted_classes

JITTER = 0.05
"""Standard deviation of the noise, in standard deviations of the train split."""

WARP = 0.3
"""Strength of the time warp."""

NEIGHBOURS = 5
"""Of SMOTE."""


AVERAGED = 3
"""Number of series behind a barycentre average."""

ITERATIONS = 3
MAX_SECONDS = {False: 15.0, True: 300.0}
"""Longest time for all barycentre averages, as `dba_seconds` expects it, by whether the evaluation is the full one."""


def dba_seconds(n: int, n_timepoints: int) -> float:
    """Expected seconds for `n` barycentre averages on a core: 20 ms each, and 6 million cells of alignment a second."""
    return n * (0.02 + AVERAGED * ITERATIONS * n_timepoints**2 / 6e6)


def left_out(X: np.ndarray, n: int, *, full: bool = False) -> dict[str, str]:
    """Rivals that cannot be made of these training series (n_train, C, L), and why.

    Args:
        X: training series, NaN behind the end of a shorter one.
        n: number of series to make.
        full: whether minutes may be spent.
    """
    if np.isnan(X).any():
        return dict.fromkeys(("smote", "dba"), "series differ in length")
    seconds = dba_seconds(n, X.shape[-1])
    if seconds > MAX_SECONDS[full]:
        limits = f"over the limit of {MAX_SECONDS[full]:.0f} s"
        if not full:
            limits += f"; --full allows {MAX_SECONDS[True]:.0f} s"
        return {"dba": f"{n} barycentres of length {X.shape[-1]} take some {seconds:.0f} s, {limits}"}
    return {}


def rival_series(name: str, X: np.ndarray, y: np.ndarray, wanted: np.ndarray, seed: int) -> np.ndarray:
    """Series of the rival `name`, each made of training series of the label that is wanted for it: (n, C, L), float32.

    Args:
        name: a key of `RIVALS`.
        X: training series (n_train, C, L).
        y: their labels; equal ones where there are none.
        wanted: labels of the series to make (n,), each one of `y`.
        seed: seed of all draws.
    """
    rng = np.random.default_rng([seed, list(RIVALS).index(name)])
    made = np.empty((len(wanted), *X.shape[1:]), np.float32)
    known, places = rows_by_class(y), rows_by_class(wanted)
    for label in sorted_classes(wanted):
        made[places[label]] = RIVALS[name](X[known[label]], len(places[label]), rng)
    return made


def repeated(X: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Training series themselves, each as often as any other."""
    return X[_drawn(len(X), n, rng)]


def jittered(X: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Training series with white noise of standard deviation `JITTER`."""
    made = repeated(X, n, rng)
    return made + JITTER * rng.normal(size=made.shape)


def time_warped(X: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Training series along smooth random maps of time, see :func:`ncvqvae.augmentations.warped_times`.

    Values between steps are interpolated linearly, as is common.
    """
    made = repeated(X, n, rng).astype(np.float32)
    ended = np.isnan(made)
    lengths = torch.tensor([_length(series) for series in made])
    draws = Generator().manual_seed(int(rng.integers(2**31)))
    times = warped_times(n, made.shape[-1], WARP, lengths, draws)
    warped = linear(torch.from_numpy(np.nan_to_num(made)), times).numpy()
    return np.where(ended, np.float32(np.nan), warped)


def mixed(X: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Weighted means of two training series of a class, the weight uniform; the second is stretched to the first's end.

    Reference: Zhang et al., "mixup: beyond empirical risk minimization" (2018), here within a class.
    """
    rows, weights = _drawn(len(X), n, rng), rng.uniform(size=n)
    partners = (rows + rng.integers(1, max(len(X), 2), size=n)) % len(X)  # never itself, unless it is alone
    made = X[rows]
    for series, other, weight in zip(made, X[partners], weights, strict=True):
        length = _length(series)
        stretched = _at(other, np.linspace(0, _length(other) - 1, length))
        series[:, :length] = weight * series[:, :length] + (1 - weight) * stretched
    return made


def oversampled(X: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """SMOTE, by aeon: a point on the line from a series to one of its five nearest of the class.

    aeon fills up all classes but the largest, which here is one of zeros, and takes one channel, so that channels are
    put behind one another: this changes no Euclidean distance. A class of one series is repeated.

    Reference: Chawla et al., "SMOTE: synthetic minority over-sampling technique" (2002).
    """
    from aeon.transformations.collection.imbalance import SMOTE

    if len(X) < 2:
        return repeated(X, n, rng)
    flat = X.reshape(len(X), 1, -1).astype(np.float64)
    filler = np.zeros((len(X) + n, *flat.shape[1:]))
    labels = np.repeat([0, 1], [len(X), len(filler)])
    sampler = SMOTE(n_neighbors=min(NEIGHBOURS, len(X) - 1), random_state=int(rng.integers(2**31)))
    made, _ = sampler.fit_transform(np.concatenate([flat, filler]), labels)
    return made[-n:].reshape(n, *X.shape[1:])


def averaged(X: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Weighted DTW barycentres of a training series and its two nearest of the class, by aeon.

    The first has weight 0.5, the others share the rest at random.

    Reference: Forestier et al., "Generating synthetic time series to augment sparse datasets" (2017).
    """
    from aeon.clustering.averaging import elastic_barycenter_average

    if len(X) < 2:
        return repeated(X, n, rng)
    made = np.empty((n, *X.shape[1:]))
    distances = np.square(X[:, None] - X[None]).sum(axis=(2, 3))
    for place, row in enumerate(_drawn(len(X), n, rng)):
        near = np.argsort(distances[row])[:AVERAGED]
        weights = np.concatenate([[0.5], 0.5 * rng.dirichlet(np.ones(len(near) - 1))])
        made[place] = elastic_barycenter_average(
            X[near].astype(np.float64), distance="dtw", window=0.1, weights=weights, max_iters=ITERATIONS
        )
    return made


RIVALS: Mapping[str, Callable[[np.ndarray, int, np.random.Generator], np.ndarray]] = {
    "train": repeated,
    "jitter": jittered,
    "timewarp": time_warped,
    "mixup": mixed,
    "smote": oversampled,
    "dba": averaged,
}
"""By name: a function of the training series of one class, a number of series, and a generator."""


def _drawn(n_rows: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """`n` row numbers of `n_rows`, each as often as any other, give or take one, in random order."""
    turns = [rng.permutation(n_rows) for _ in range(-(-n // n_rows))]
    return np.concatenate([np.empty(0, int), *turns])[:n]


def _length(series: np.ndarray) -> int:
    """Number of time steps of a series (C, L) before its end."""
    return series.shape[-1] - int(np.argmax(~np.isnan(series).all(axis=0)[::-1]))


def _at(series: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Values of a series (C, L) at fractional times (m,), on straight lines between steps: (C, m)."""
    steps = np.arange(series.shape[-1])
    return np.stack([np.interp(times, steps, channel) for channel in series])
