"""Resolve each "auto" setting once, from the train split, before training.

Some settings of sampling and embedding are the exception: the trained networks decide on them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from functools import cache, reduce
from operator import getitem
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

from ncvqvae.augmentations import augment
from ncvqvae.codec import CHUNK, Codec
from ncvqvae.config import FEW_CASES, Config, TokenizerConfig, from_dict, to_dict
from ncvqvae.data import series_lengths
from ncvqvae.data.facts import TrainFacts
from ncvqvae.data.flat import TOLERANCES, still_share
from ncvqvae.data.missing import ScaledSeries
from ncvqvae.generation.generator import SeriesGenerator
from ncvqvae.training.build import finest_grids
from ncvqvae.training.warps import choose_time_warp

CANDIDATES: tuple[str, ...] = ("warp", "slice")
MAX_JUDGED = 1000
"""Largest number of series used to choose the augmentation, and the tolerance of flat parts."""

MAX_CODES = 512
"""Codes that classes or tokens may ask for; more were not tried, and the memory of a step grows with them."""

TIED_CODES = 64
"""Input mode ``auto`` ties the output up to this many codes. With more, a tied table separates close codes slowly."""

SCALES, TRIALS, CLEARLY = (0.25, 0.5, 0.75, 1.0), 3, 3
"""``sampling.residual_scale: auto``: factors, draws that each is judged by, and the standard errors that count."""

STILL, LEFT, NEARLY = 0.1, 0.75, 1.5
"""``tokenizer.keep_flat``: least share of training steps that keep their value, largest share of the distance to train
that may be left, and how many times the least distance is still as good."""

LINEAR_RANK, LINEAR_CASES = 256, 1000
"""``linear_rank: auto`` takes this rank if there are at least this many training series."""


NOTHING: Mapping[str, Any] = MappingProxyType({})


class Choice(NamedTuple):
    """The value chosen for a setting, and the reason."""

    value: Any
    reason: str


class Resolved(NamedTuple):
    """Settings in plain numbers and names, and a line for each that was left to the data."""

    config: Config
    lines: list[str]


def choose_by_series(asked: Config, series: ScaledSeries, y_index: np.ndarray) -> dict[str, Choice]:
    """What those settings become that only the series themselves can decide, by name; for :func:`resolve`.

    Args:
        asked: settings as the user gave them.
        series: the train split.
        y_index: class indices (n_cases,).
    """
    chosen: dict[str, Choice] = {}
    if asked.augmentation == "auto":
        chosen["augmentation"] = choose_augmentation(series, y_index, asked.seed)
    return chosen | time_warps(series, asked)


def resolve(asked: Config, facts: TrainFacts, by_series: Mapping[str, Choice] = NOTHING) -> Resolved:
    """Settle every setting that is left to the data.

    Some stay: ``device: auto`` and ``precision: auto`` ask the machine, anew on each; ``embedding.parts_weight: auto``
    and those of :data:`ncvqvae.config.CHOSEN_BY_SAMPLES` ask the trained networks, see
    :func:`ncvqvae.tokenizer.pooling.choose_parts_weight`, :func:`choose_residual_scale` and
    :func:`ncvqvae.training.sampler.choose_sampling`.

    Args:
        asked: settings as the user gave them.
        facts: of the train split.
        by_series: what :func:`choose_by_series` gave; a setting that it lacks stays "auto".
    """
    codes = codebook_size(asked.tokenizer, facts)
    values = to_dict(asked)

    def of(name: str) -> tuple[dict[str, Any], str]:
        *groups, last = name.split(".")
        return reduce(getitem, groups, values), last

    choices = {name: choice for name, choice in by_series.items() if getitem(*of(name)) == "auto"}
    if asked.tokenizer.codes_per_class or asked.tokenizer.tokens_per_code:
        choices["tokenizer.codebook_size"] = codes
    if asked.stage1.warped_share == "auto":
        choices["stage1.warped_share"] = warped_share(facts.n_cases)
    if asked.prior.linear_rank == "auto":
        choices["prior.linear_rank"] = linear_rank(facts.n_cases)
    if asked.prior.input_mode == "auto":
        choices["prior.input_mode"] = input_mode(codes.value)
    if asked.stage2.token_temperature == "auto":
        choices["stage2.token_temperature"] = token_temperature(facts.n_cases)
    for name, choice in choices.items():
        group, last = of(name)
        group[last] = choice.value
    values["tokenizer"] |= {"codes_per_class": 0, "tokens_per_code": 0}  # codebook_size now holds the result
    lines = [f"{name}: {choice.value} ({choice.reason})" for name, choice in choices.items()]
    return Resolved(from_dict(Config, values), lines)


def choose_augmentation(series: ScaledSeries, y_index: np.ndarray, seed: int) -> Choice:
    """Augmentation set, ``warp`` or ``slice``, whose views still show their class; ``gauss`` for fewer than 32 series.

    MiniRocket with a ridge classifier learns from one half of the series and is asked about views of the other, both
    ways round; the set with the greater accuracy is taken. Warping moves frequencies and slicing the order of events,
    and which of them tells classes apart differs from data to data. ``warp`` where there is one class, or no labels.

    Args:
        series: the train split.
        y_index: class indices (n_cases,).
        seed: seed of halves, views and classifier.
    """
    if len(series) < FEW_CASES:
        return Choice("gauss", f"{len(series)} series, fewer than {FEW_CASES}")
    if len(np.unique(y_index)) == 1:
        return Choice("warp", "there are no classes to tell apart")
    from sklearn.model_selection import KFold

    from ncvqvae.evaluation.resampling import subsample
    from ncvqvae.evaluation.utility import rocket_accuracy

    rows = subsample(len(series), MAX_JUDGED, seed)
    X, y = series[rows].values, y_index[rows]
    generator = Generator().manual_seed(seed)

    def accuracy(kind: str) -> float:
        halves = KFold(2, shuffle=True, random_state=seed).split(X)
        views = augment(torch.from_numpy(X), kind, generator).numpy()
        return float(np.mean([rocket_accuracy(X[fit], y[fit], views[held], y[held], seed) for fit, held in halves]))

    accuracies = {kind: accuracy(kind) for kind in CANDIDATES}
    best = max(accuracies, key=lambda kind: accuracies[kind])
    others = ", ".join(f"{kind} {value:.2f}" for kind, value in accuracies.items() if kind != best)
    return Choice(best, f"a classifier names {accuracies[best]:.2f} of the views rightly; {others}")


def time_warps(series: ScaledSeries, asked: Config) -> dict[str, Choice]:
    """What is "auto" of the strengths of warps that the prior learns from, and of those of new series: one, or none.

    The prior learns from none where the tokenizer learns from none; there new series are warped when they are drawn.
    """

    @cache  # it takes seconds, and not every series and setting needs it
    def found() -> Choice:
        return Choice(*choose_time_warp(series, asked.seed))

    chosen, learned = {}, asked.stage2.time_warp
    if learned == "auto":
        few = f"{len(series)} series, fewer than {FEW_CASES}: the tokenizer learns from no warped ones"
        chosen["stage2.time_warp"] = Choice(0.0, few) if len(series) < FEW_CASES else found()
        learned = chosen["stage2.time_warp"].value
    if asked.sampling.time_warp == "auto":
        chosen["sampling.time_warp"] = Choice(0.0, "the prior learns from warped series") if learned else found()
    return chosen


def codebook_size(config: TokenizerConfig, facts: TrainFacts) -> Choice:
    """Number of codes K: as set, or more where classes or tokens ask for more."""
    choices = [Choice(config.codebook_size, "the data asks for no more")]
    if config.codes_per_class:
        n_codes, limit = config.codes_per_class * facts.n_classes, ""
        if n_codes > MAX_CODES:
            n_codes, limit = MAX_CODES, f", at most {MAX_CODES}"
        choices.append(Choice(n_codes, f"{config.codes_per_class} for each of {facts.n_classes} classes{limit}"))
    if config.tokens_per_code:
        n_tokens = facts.n_cases * max(rows * width for rows, width in finest_grids(config, facts.n_timepoints))
        reason = f"one for each {config.tokens_per_code} of {n_tokens} training tokens, at most {MAX_CODES}"
        choices.append(Choice(min(n_tokens // config.tokens_per_code, MAX_CODES), reason))
    return max(choices, key=lambda choice: choice.value)


def linear_rank(n_cases: int) -> Choice:
    """Rank of the linear map over tokens for ``n_cases`` training series."""
    if n_cases < LINEAR_CASES:
        return Choice(0, f"{n_cases} series, fewer than {LINEAR_CASES}: they would follow their class less")
    return Choice(LINEAR_RANK, f"{n_cases} series, at least {LINEAR_CASES}")


def input_mode(n_codes: int) -> Choice:
    """How tokens of ``n_codes`` codes enter the prior, see :class:`ncvqvae.prior.prior.Prior`."""
    if n_codes <= TIED_CODES:
        return Choice("token", f"{n_codes} codes, at most {TIED_CODES}")
    return Choice("codebook-finetuned", f"{n_codes} codes, more than {TIED_CODES}")


def warped_share(n_cases: int) -> Choice:
    """Share of a batch of ``n_cases`` training series that is warped."""
    if n_cases < FEW_CASES:
        return Choice(0.0, f"{n_cases} series, fewer than {FEW_CASES}")
    return Choice(0.5, f"{n_cases} series, at least {FEW_CASES}")


def token_temperature(n_cases: int) -> Choice:
    """Temperature at which the tokens of ``n_cases`` training series are drawn."""
    if n_cases < FEW_CASES:
        return Choice(1.0, f"{n_cases} series, fewer than {FEW_CASES}, need the variety")
    return Choice(0.1, f"{n_cases} series, at least {FEW_CASES}")


def choose_residual_scale(
    generator: SeriesGenerator, n_neighbours: int, seed: int, as_given_out: Callable[[np.ndarray], np.ndarray]
) -> float:
    """Factor of the residuals at which imitations of training series are hardest to tell from these.

    An imitation is what a training series' tokens decode to, with residuals of others; a classifier of MiniRocket's
    features tells the two apart. 0 unless its accuracy is lower by three standard errors than without residuals:
    detail that lies elsewhere in each series, such as a pause in a gesture, becomes noise everywhere.

    Args:
        generator: of the trained networks; keeps residuals.
        n_neighbours: training series that a residual is drawn from.
        seed: of the draws and of the classifier.
        as_given_out: series (n, C, T) as they leave the model, in scaled units again: flat and standardised, if
            those of train were.
    """
    from ncvqvae.evaluation.rocket import minirocket
    from ncvqvae.evaluation.utility import paired_two_sample_accuracy

    kept = generator.kept
    own = torch.linspace(0, len(kept.tokens) - 1, min(len(kept.tokens), CHUNK)).long()
    tokens = kept.tokens[own].long()
    decoded, draws = generator.decode(tokens), Generator().manual_seed(seed)
    real = as_given_out((decoded + kept.values[own].cpu()).numpy())
    features = minirocket(real, seed)
    of_real = features(real)

    def accuracy(made: Tensor) -> float:
        return paired_two_sample_accuracy(of_real, features(as_given_out(made.numpy())), seed=seed)

    drawn = [generator.draw_residuals(tokens, n_neighbours, draws, own) for _ in range(TRIALS)]
    accuracies = {scale: np.mean([accuracy(decoded + scale * r) for r in drawn]) for scale in SCALES}
    best = min(accuracies, key=lambda scale: accuracies[scale])
    standard_error = 0.5 / (2 * len(own)) ** 0.5
    return best if accuracies[best] < accuracy(decoded) - CLEARLY * standard_error else 0.0


def choose_flat_tolerance(codec: Codec, generator: SeriesGenerator, train: ScaledSeries, seed: int) -> Choice:
    """Standard deviations within which decoded values become one where a series is flat; 0 where that does not help.

    Training series must hold their values for long, and come out clearly more like themselves: at most three quarters
    of the Fréchet distance in the principal components of MiniRocket's features are left. Of tolerances that are nearly
    as good as the best, the one is taken with which about as many steps keep their value as in train.

    Args:
        codec: gives series their units.
        generator: of the trained networks.
        train: the train split.
        seed: of the features and of the choice of series.
    """
    from ncvqvae.evaluation.fidelity import frechet_distance
    from ncvqvae.evaluation.resampling import subsample
    from ncvqvae.evaluation.rocket import principal, standard_rocket

    share = still_share(train.X)
    if share < STILL:
        return Choice(0.0, f"{share:.0%} of the steps of train keep their value, fewer than {STILL:.0%}")
    part = train.part(subsample(len(train), MAX_JUDGED, seed))
    if len(part) < 4:
        return Choice(0.0, f"{len(part)} series are too few to choose by")
    values, decoded = part[:].values, generator.decode(codec.encode(part))
    lengths = series_lengths(part.X) if codec.facts.unequal else None
    features = standard_rocket(values, seed)
    of_train = features(values)
    components = principal(of_train)

    def judged(tolerance: float) -> tuple[float, float]:
        """Distance of reconstructions to train, and how much their shares of still steps differ."""
        scaler = copy(codec.scaler)
        scaler.flat_tolerance_ = tolerance
        made = Codec(codec.facts, scaler, codec.tokenizer).in_units(decoded, lengths)
        distance = frechet_distance(components(features(codec.scaled(made)[:].values)), components(of_train))
        return distance, abs(still_share(made) - share)

    before, _ = judged(0.0)
    found = {tolerance: judged(tolerance) for tolerance in TOLERANCES}
    least = min(distance for distance, _ in found.values())
    if least >= LEFT * before:  # also where nothing is left to gain, as with series that never change
        return Choice(0.0, f"reconstructions stay as far from train: {before:.3g}, with flat parts {least:.3g} at best")
    as_good = [tolerance for tolerance, (distance, _) in found.items() if distance <= NEARLY * least]
    chosen = min(as_good, key=lambda tolerance: found[tolerance][1])
    gain = 1 - found[chosen][0] / before
    return Choice(chosen, f"train keeps its value in {share:.0%} of steps; reconstructions come {gain:.0%} nearer")
