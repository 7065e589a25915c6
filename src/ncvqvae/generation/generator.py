"""New series from both networks, in scaled units: tokens drawn, decoded, given detail, copies drawn again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

from ncvqvae.config import SamplingConfig
from ncvqvae.data import beyond
from ncvqvae.generation.copies import Novelty
from ncvqvae.generation.residuals import Residuals
from ncvqvae.prior.decoding import Decoded
from ncvqvae.prior.prior import Prior
from ncvqvae.tokenizer.tokenizer import Tokenizer

CHUNK = 256
"""Series that go through a network at once, outside training."""

SCALES, TRIALS, CLEARLY = (0.25, 0.5, 0.75, 1.0), 3, 3
"""``sampling.residual_scale: auto``: factors, draws that each is judged by, and the standard errors that count."""


class Generated(NamedTuple):
    """Series (B, C, T) in scaled units, and lengths (B,) where the training series differ in them."""

    series: Tensor
    lengths: Tensor | None


class DrawnGrids(NamedTuple):
    """Token grids (-1 behind a series' end), and lengths (B,) where the training series differ in them."""

    grids: Decoded
    lengths: Tensor | None


class SeriesGenerator:
    """Draws series with a trained tokenizer and prior.

    Args:
        tokenizer: decodes tokens; keeps the residuals and tokens of training series, where any are kept.
        prior: draws tokens.
        length_counts: training series of each class and length (max(n_classes, 1), T + 1); None if all have one length.
    """

    def __init__(self, tokenizer: Tokenizer, prior: Prior, length_counts: np.ndarray | None) -> None:
        self.tokenizer, self.prior, self.length_counts = tokenizer, prior, length_counts

    def draw(
        self, classes: Tensor, config: SamplingConfig, generator: Generator, length: int | None = None
    ) -> Generated:
        """Series of class indices (B,); copies of training series are drawn again, ``config.redraws`` times at most.

        Args:
            classes: ``prior.no_class`` where no class is given.
            config: with a number for ``residual_scale``. Each redraw is warmer than the one before.
            generator: source of all randomness (CPU).
            length: of all series; else drawn from those of a series' class.
        """
        made, lengths = self._draw_once(classes, config, generator, length)
        rows = torch.arange(len(made))
        for redraw in range(1, config.redraws + 1):
            rows = rows[self.is_copy(made[rows], None if lengths is None else lengths[rows])]
            if not len(rows):
                break
            warmer = replace(config, temperature=config.temperature * (1 + config.redraw_heating * redraw))
            made[rows], ends = self._draw_once(classes[rows], warmer, generator, length)
            if lengths is not None and ends is not None:
                lengths[rows] = ends
        return Generated(made, lengths)

    def _draw_once(
        self, classes: Tensor, config: SamplingConfig, generator: Generator, length: int | None
    ) -> Generated:
        grids, lengths = self.draw_grids(classes, config, generator, length)
        return Generated(self.decode_fully(grids.tokens, config, generator), lengths)

    def draw_grids(
        self, classes: Tensor, config: SamplingConfig, generator: Generator, length: int | None = None
    ) -> DrawnGrids:
        """Lengths where series differ in them, then token grids (B, N), for class indices (B,)."""
        if self.length_counts is None:
            return DrawnGrids(self.prior.sample(classes, config, generator), None)
        counts = torch.from_numpy(self.length_counts).double()
        of_class = torch.cat([counts, counts.sum(0, keepdim=True)])[classes]  # no class: the lengths of all
        lengths = torch.multinomial(of_class, 1, generator=generator)[:, 0]
        lengths = lengths if length is None else torch.full_like(lengths, length)
        absent = ~self.tokenizer.within(lengths)
        grids = self.prior.sample(classes, config, generator, absent)
        return DrawnGrids(grids._replace(tokens=grids.tokens.masked_fill(absent.to(grids.tokens.device), -1)), lengths)

    @torch.no_grad()
    def decode(self, tokens: Tensor) -> Tensor:
        """Series (n, C, T) of tokens (n, N), on the CPU."""
        return torch.cat([self.tokenizer.decode(part).cpu() for part in tokens.split(CHUNK)])

    def decode_fully(self, tokens: Tensor, config: SamplingConfig, generator: Generator) -> Tensor:
        """Series (n, C, T) of tokens (n, N), with what these leave out drawn anew."""
        decoded = self.decode(tokens)
        if not config.residual_neighbours or not config.residual_scale:
            return decoded
        assert config.residual_scale != "auto"
        return decoded + config.residual_scale * self._draw_residuals(tokens, config.residual_neighbours, generator)

    def _draw_residuals(
        self, tokens: Tensor, n_neighbours: int, generator: Generator, own: Tensor | None = None
    ) -> Tensor:
        kept = self._kept
        # beyond as many series as a class has the nearest are often those of another class, whose detail differs
        per_class = len(kept.tokens) // max(self.prior.n_classes, 1)
        return kept.draw(tokens, min(n_neighbours, max(per_class, 2)), generator, own=own).cpu()

    @torch.no_grad()
    def is_copy(self, series: Tensor, lengths: Tensor | None) -> Tensor:
        """Whether each of the series (B, C, T) copies one of the training series that are kept: (B,) of bool."""
        observed = None
        if lengths is not None:
            n_timepoints = series.shape[-1]
            observed = torch.from_numpy(~beyond(lengths.numpy(), n_timepoints)).expand(series.shape)
        tokens = self.tokenizer.encode(series.to(self.tokenizer.codebook.device), observed)
        return torch.from_numpy(self._novelty.is_copy(self.decode(tokens).numpy()))

    @property
    def _kept(self) -> Residuals:
        assert self.tokenizer.residuals is not None
        return self.tokenizer.residuals

    @cached_property
    def _novelty(self) -> Novelty:
        return Novelty(self.decode(self._kept.tokens.long()).numpy())

    @torch.no_grad()
    def choose_residual_scale(
        self, n_neighbours: int, seed: int, as_given_out: Callable[[np.ndarray], np.ndarray]
    ) -> float:
        """Factor of the residuals at which imitations of training series are hardest to tell from these.

        An imitation is what a training series' tokens decode to, with residuals of others; a classifier of MiniRocket's
        features tells the two apart. 0 unless its accuracy is lower by three standard errors than without residuals:
        detail that lies elsewhere in each series, such as a pause in a gesture, becomes noise everywhere.

        Args:
            n_neighbours: training series that a residual is drawn from.
            seed: of the draws and of the classifier.
            as_given_out: series (n, C, T) as they leave the model, in scaled units again: standardised, if those of
                train were.
        """
        from ncvqvae.evaluation.rocket import minirocket
        from ncvqvae.evaluation.utility import paired_two_sample_accuracy

        kept = self._kept
        own = torch.linspace(0, len(kept.tokens) - 1, min(len(kept.tokens), CHUNK)).long()
        tokens = kept.tokens[own].long()
        decoded, generator = self.decode(tokens), Generator().manual_seed(seed)
        real = as_given_out((decoded + kept.values[own].cpu()).numpy())
        features = minirocket(real, seed)
        of_real = features(real)

        def accuracy(made: Tensor) -> float:
            return paired_two_sample_accuracy(of_real, features(as_given_out(made.numpy())), seed=seed)

        drawn = [self._draw_residuals(tokens, n_neighbours, generator, own) for _ in range(TRIALS)]
        accuracies = {scale: np.mean([accuracy(decoded + scale * r) for r in drawn]) for scale in SCALES}
        best = min(accuracies, key=lambda scale: accuracies[scale])
        standard_error = 0.5 / (2 * len(own)) ** 0.5
        return best if accuracies[best] < accuracy(decoded) - CLEARLY * standard_error else 0.0
