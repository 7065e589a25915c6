"""Generate series in scaled units: draw tokens, decode them, add residuals, and redraw copies."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from ncvqvae.augmentations import lanczos, warped_times
from ncvqvae.codec import CHUNK
from ncvqvae.config import SamplingConfig
from ncvqvae.data import beyond
from ncvqvae.data.facts import TrainFacts
from ncvqvae.generation.copies import Novelty
from ncvqvae.generation.residuals import Residuals, kept_residuals
from ncvqvae.prior.decoding import Decoded
from ncvqvae.prior.prior import Prior
from ncvqvae.tokenizer.tokenizer import Tokenizer

HOTTEST = 1e6
"""Largest temperature that the settings allow; token probabilities are equal long before."""


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
        facts: counts of the train split per class and per length.
    """

    def __init__(self, tokenizer: Tokenizer, prior: Prior, facts: TrainFacts) -> None:
        self.tokenizer, self.prior, self.facts = tokenizer, prior, facts

    def draw_classes(self, n: int, generator: Generator) -> Tensor:
        """Class indices (n,) from the train split's distribution of classes; "no class" where it is unlabelled."""
        if not self.facts.n_classes:
            return torch.full((n,), self.prior.no_class)
        weights = torch.as_tensor(self.facts.class_counts, dtype=torch.float64)
        return torch.multinomial(weights, n, replacement=True, generator=generator)

    def draw(
        self, classes: Tensor, config: SamplingConfig, generator: Generator, length: int | None = None
    ) -> Generated:
        """Series of class indices (B,); copies of training series are drawn again, ``config.redraws`` times at most.

        With ``config.time_warp`` each goes along a random map of time in the end.

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
            heated = config.temperature * (1 + config.redraw_heating * redraw)
            warmer = replace(config, temperature=min(heated, HOTTEST))
            made[rows], ends = self._draw_once(classes[rows], warmer, generator, length)
            if lengths is not None and ends is not None:
                lengths[rows] = ends
        if config.time_warp:
            assert config.time_warp != "auto"
            made = _warped(made, config.time_warp, lengths, generator)
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
        if self.facts.length_counts is None:
            start = self._starts(classes, config, generator)
            return DrawnGrids(self.prior.sample(classes, config, generator, None, start), None)
        counts = torch.from_numpy(self.facts.length_counts).double()
        of_class = torch.cat([counts, counts.sum(0, keepdim=True)])[classes]  # no class: the lengths of all
        lengths = torch.multinomial(of_class, 1, generator=generator)[:, 0]
        lengths = lengths if length is None else torch.full_like(lengths, length)
        present = self.tokenizer.within(lengths)
        start, absent = self._starts(classes, config, generator, present), ~present
        grids = self.prior.sample(classes, config, generator, absent, start)
        return DrawnGrids(grids._replace(tokens=grids.tokens.masked_fill(absent.to(grids.tokens.device), -1)), lengths)

    def _starts(
        self, classes: Tensor, config: SamplingConfig, generator: Generator, present: Tensor | None = None
    ) -> Tensor | None:
        """Token grids (B, N) that new series start from, see :meth:`Residuals.starts`; None where they start empty."""
        if not config.kept_share:
            return None
        assert config.kept_share != "auto"
        prior = self.prior
        return self.kept.starts(classes, config.kept_share, prior.mask_token, prior.no_class, generator, present)

    @torch.no_grad()
    def decode(self, tokens: Tensor) -> Tensor:
        """Series (n, C, T) of tokens (n, N), on the CPU."""
        device = self.tokenizer.codebook.device
        return torch.cat([self.tokenizer.decode(part.to(device)).cpu() for part in tokens.split(CHUNK)])

    def decode_fully(self, tokens: Tensor, config: SamplingConfig, generator: Generator) -> Tensor:
        """Series (n, C, T) of tokens (n, N), with drawn residuals added if the settings ask for them."""
        decoded = self.decode(tokens)
        if not config.residual_neighbours or not config.residual_scale:
            return decoded
        assert config.residual_scale != "auto"
        return decoded + config.residual_scale * self.draw_residuals(tokens, config.residual_neighbours, generator)

    def draw_residuals(
        self, tokens: Tensor, n_neighbours: int, generator: Generator, own: Tensor | None = None
    ) -> Tensor:
        """Residuals (n, C, T) for tokens (n, N), see :meth:`Residuals.draw`."""
        kept = self.kept
        # more neighbours than a class has series would mix in other classes, whose detail differs
        per_class = len(kept.tokens) // max(self.prior.n_classes, 1)
        return kept.draw(tokens, min(n_neighbours, max(per_class, 2)), generator, own=own).cpu()

    @torch.no_grad()
    def is_copy(self, series: Tensor, lengths: Tensor | None) -> Tensor:
        """Whether each of the series (B, C, T) copies one of the training series that are kept: (B,) of bool."""
        observed, device = None, self.tokenizer.codebook.device
        if lengths is not None:
            n_timepoints = series.shape[-1]
            observed = torch.from_numpy(~beyond(lengths.numpy(), n_timepoints)).expand(series.shape).to(device)
        tokens = self.tokenizer.encode(series.to(device), observed)
        return torch.from_numpy(self._novelty.is_copy(self.decode(tokens).numpy()))

    @property
    def kept(self) -> Residuals:
        """The residuals and tokens of training series that the tokenizer keeps."""
        kept = kept_residuals(self.tokenizer)
        assert kept is not None
        return kept

    @cached_property
    def _novelty(self) -> Novelty:
        return Novelty(self.decode(self.kept.tokens.long()).numpy())


def _warped(series: Tensor, strength: float, lengths: Tensor | None, generator: Generator) -> Tensor:
    """Each of the series (B, C, T) along a smooth random map of time that keeps both its ends."""
    n_timepoints = series.shape[-1]
    if lengths is not None:  # what is decoded behind an end must not come in
        held = torch.minimum(torch.arange(n_timepoints), lengths[:, None] - 1)
        series = series.gather(2, held[:, None].expand_as(series))
    return lanczos(series, warped_times(len(series), n_timepoints, strength, lengths, generator))
