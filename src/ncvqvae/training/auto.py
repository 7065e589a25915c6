"""What the settings that are left to the data become."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Generator, Tensor

from ncvqvae.augmentations import augment
from ncvqvae.codec import CHUNK
from ncvqvae.config import FEW_CASES, Augmentation, InputMode, PriorConfig, Stage1Config, Stage2Config, TokenizerConfig
from ncvqvae.data.missing import ScaledSeries
from ncvqvae.generation.generator import SeriesGenerator
from ncvqvae.tokenizer.spectrogram import Spectrogram
from ncvqvae.tokenizer.tokenizer import token_grid

CANDIDATES: tuple[Augmentation, ...] = ("warp", "slice")
MAX_JUDGED = 1000
"""Series that the choice is made by, at most."""

MAX_CODES = 512
"""Codes that ``tokens_per_code`` may ask for; more were not tried."""

TIED_CODES = 64
"""Codes up to which input mode ``auto`` ties the output: near ones of many are learned apart slowly by a tied table."""

SCALES, TRIALS, CLEARLY = (0.25, 0.5, 0.75, 1.0), 3, 3
"""``sampling.residual_scale: auto``: factors, draws that each is judged by, and the standard errors that count."""

LINEAR_RANK, LINEAR_CASES = 256, 1000
"""Rank of the linear map that ``linear_rank: auto`` takes, and the training series from which on it does."""


def choose_augmentation(series: ScaledSeries, y_index: np.ndarray, seed: int) -> Augmentation:
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
        return "gauss"
    if len(np.unique(y_index)) == 1:
        return "warp"
    from sklearn.model_selection import KFold

    from ncvqvae.evaluation.resampling import subsample
    from ncvqvae.evaluation.utility import rocket_accuracy

    rows = subsample(len(series), MAX_JUDGED, seed)
    X, y = series[rows].values, y_index[rows]
    generator = Generator().manual_seed(seed)

    def accuracy(kind: Augmentation) -> float:
        halves = KFold(2, shuffle=True, random_state=seed).split(X)
        views = augment(torch.from_numpy(X), kind, generator).numpy()
        return float(np.mean([rocket_accuracy(X[fit], y[fit], views[held], y[held], seed) for fit, held in halves]))

    return max(CANDIDATES, key=accuracy)


@torch.no_grad()
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
        as_given_out: series (n, C, T) as they leave the model, in scaled units again: standardised, if those of
            train were.
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


def codebook_size(config: TokenizerConfig, n_cases: int, n_timepoints: int, n_classes: int) -> int:
    """Number of codes K for a train split of this size."""
    sizes = [config.codebook_size, config.codes_per_class * n_classes]
    if config.tokens_per_code:
        spectrogram = Spectrogram(config.n_fft, config.hop_length, n_timepoints)
        n_tokens = n_cases * math.prod(token_grid(spectrogram, config.latent_width))
        sizes.append(min(n_tokens // config.tokens_per_code, MAX_CODES))
    return max(sizes)


def linear_rank(config: PriorConfig, n_cases: int) -> int:
    """Rank of the linear map over tokens for ``n_cases`` training series."""
    if config.linear_rank != "auto":
        return config.linear_rank
    return 0 if n_cases < LINEAR_CASES else LINEAR_RANK


def input_mode(config: PriorConfig, n_codes: int) -> InputMode:
    """How tokens of ``n_codes`` codes enter the prior, see :class:`ncvqvae.prior.prior.Prior`."""
    if config.input_mode != "auto":
        return config.input_mode
    return "token" if n_codes <= TIED_CODES else "codebook-finetuned"


def warped_share(config: Stage1Config, n_cases: int) -> float:
    """Share of a batch of ``n_cases`` training series that is warped."""
    if config.warped_share != "auto":
        return config.warped_share
    return 0.0 if n_cases < FEW_CASES else 0.5


def token_temperature(config: Stage2Config, n_cases: int) -> float:
    """Temperature at which the tokens of ``n_cases`` training series are drawn."""
    if config.token_temperature != "auto":
        return config.token_temperature
    return 1.0 if n_cases < FEW_CASES else 0.1
