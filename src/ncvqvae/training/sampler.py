"""Settings of sampling that are chosen by what the trained networks draw: how tokens are filled in, and from where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

from ncvqvae.codec import Codec
from ncvqvae.config import SamplingConfig
from ncvqvae.data.missing import ScaledSeries, series_lengths
from ncvqvae.evaluation.fidelity import frechet_distance
from ncvqvae.evaluation.neighbours import nearest_distances, nearest_other
from ncvqvae.evaluation.resampling import subsample
from ncvqvae.evaluation.rocket import principal, standard_rocket
from ncvqvae.generation.generator import SeriesGenerator
from ncvqvae.training.auto import Choice

CANDIDATES: tuple[dict[str, Any], ...] = tuple(
    {"n_steps": n_steps, "choice_temperature": choice_temperature, "kept_share": kept_share}
    for kept_share, n_steps, choice_temperature in (
        (0.0, 10, 16.0),
        (0.0, 10, 4.0),
        (0.0, 10, 1.0),
        (0.0, 40, 4.0),
        (0.0, 40, 1.0),
        (0.25, 10, 16.0),
        (0.25, 10, 1.0),
        (0.5, 10, 16.0),
        (0.5, 10, 1.0),
        (0.75, 10, 16.0),
    )
)
"""Combinations that are tried; the first is the loosest."""

N_DRAWN = (64, 256)
"""Least and largest number of series that each combination is judged by; between them four times the train split."""
MAX_TRAIN = 1000
"""Training series that they are compared with, drawn by seed where there are more."""
NEARER, NEARER_DECODED = 0.5, 0.6
"""Largest share of pairs in which a new series lies nearer to a training series than a training series to another: that
of fresh series from the same source. A little more where training series are taken as the tokenizer decodes them, since
few codes make all series alike."""


class Judged(NamedTuple):
    """What a combination draws, compared with the train split.

    distance : Fréchet distance of features and class together.
    nearer : share of pairs of a new and a training series in which the new one has the nearer neighbour in train.
    nearer_decoded : the same among training series as the tokenizer decodes them.
    """

    distance: float
    nearer: float
    nearer_decoded: float = 0.0

    @property
    def too_near(self) -> float:
        """By how much the larger share is above what it may be."""
        return max(self.nearer - NEARER, self.nearer_decoded - NEARER_DECODED)


def choose_sampling(
    codec: Codec, generator: SeriesGenerator, config: SamplingConfig, train: ScaledSeries, classes: Tensor, seed: int
) -> Choice:
    """The values of the settings that are "auto" with which series are distributed most like training series.

    Distance alone rewards copies. So a combination counts only if its series lie no nearer to training series than
    these lie to each other (`Judged.too_near`); where there is none, that with the farthest series is taken. Training
    series are also taken as the tokenizer decodes them: what it leaves out, or adds, keeps a copy away from its
    original. The features are principal components of MiniRocket's, which neither the tokenizer nor the prior learned
    from.

    Args:
        codec: gives series their units.
        generator: of the trained networks.
        config: the settings, with a number for ``residual_scale``.
        train: the train split.
        classes: its class indices (n_cases,).
        seed: of the draws, the features and the choice of training series.
    """
    tried = combinations(config, keeps_series=generator.tokenizer.residuals is not None)
    rows = subsample(len(train), MAX_TRAIN, seed)
    if len(tried) == 1:
        return Choice(tried[0], "the other settings leave no choice")
    if len(rows) < 4:
        return Choice(tried[0], "there are too few series to choose by")
    part = ScaledSeries(train.X[rows], train.scaler)
    found = judged(codec, generator, tried, part, classes[torch.from_numpy(rows)], seed)
    apart = [i for i, of in enumerate(found) if of.too_near <= 0]
    if apart:
        best = min(apart, key=lambda i: found[i].distance)
        reason = f"{len(apart)} of {len(tried)} ways do not come too near to train; of these, this is the most like it"
    else:
        best = min(range(len(found)), key=lambda i: found[i].too_near)
        reason = f"all of {len(tried)} ways come too near to train; this one does so least"
    return Choice(tried[best], reason)


def combinations(config: SamplingConfig, *, keeps_series: bool) -> list[SamplingConfig]:
    """The settings with each combination of values for those that are "auto".

    Args:
        config: the settings.
        keeps_series: whether the model keeps training series, from which new ones can start.
    """
    found = []
    for candidate in CANDIDATES:
        if candidate["kept_share"] and config.kept_share == "auto" and not keeps_series:
            continue
        values = {name: value for name, value in candidate.items() if getattr(config, name) == "auto"}
        settings = replace(config, **values)
        if settings not in found:
            found.append(settings)
    return found


def n_judged(n_cases: int) -> int:
    """How many series each combination is judged by."""
    return min(max(4 * n_cases, N_DRAWN[0]), N_DRAWN[1])


def judged(
    codec: Codec,
    generator: SeriesGenerator,
    settings: Sequence[SamplingConfig],
    train: ScaledSeries,
    classes: Tensor,
    seed: int,
) -> list[Judged]:
    """What each of the settings draws, without redraws, compared with training series."""
    X = train[:].values
    features = standard_rocket(X, seed)
    of_train = features(X)
    lengths = series_lengths(train.X) if codec.facts.unequal else None
    decoded = codec.in_units(generator.decode(codec.encode(train)), lengths)
    originals = [of_train, features(codec.scaled(decoded)[:].values)]
    to_others = [nearest_other(of).distance for of in originals]
    # distances are of all features: along components of the training series, others always seem to lie near
    components, n_classes = principal(of_train), generator.facts.n_classes
    size = components(of_train)[:, 0].std()

    def with_class(found: np.ndarray, indices: Tensor) -> np.ndarray:
        """Components and a column for each class, as large as the first component."""
        return np.concatenate([components(found), size * np.eye(n_classes + 1)[indices.numpy()]], axis=1)

    n_drawn = n_judged(len(train))
    results = []
    for config in settings:
        source = Generator().manual_seed(seed)
        wanted = generator.draw_classes(n_drawn, source)
        # with warps, which come after all else, each way would seem to copy less than it does
        drawn = generator.draw(wanted, replace(config, redraws=0, time_warp=0.0), source)
        found = features(codec.scaled(codec.in_units(*drawn))[:].values)
        distance = frechet_distance(with_class(found, wanted), with_class(of_train, classes))
        nearer = [
            float((nearest_distances(found, of)[:, None] < others).mean())
            for of, others in zip(originals, to_others, strict=True)
        ]
        results.append(Judged(distance, *nearer))
    return results
