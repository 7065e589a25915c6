"""Series of which a part is known: the rest is drawn by the prior from the tokens of that part.

Gaps (``impute``), the steps behind the end (``extend``) and a random share of the tokens (``vary``) are one thing: a
grid of known tokens, with ``mask_token`` where one is to be drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

from ncvqvae.codec import Codec
from ncvqvae.config import SamplingConfig
from ncvqvae.data import ScaledSeries, beyond
from ncvqvae.data.missing import nearest_observed
from ncvqvae.generation.draws import Draws
from ncvqvae.generation.generator import SeriesGenerator
from ncvqvae.generation.samples import Samples
from ncvqvae.prior.masking import ranks
from ncvqvae.prior.objective import token_log_likelihoods

UNCERTAIN = 0.25
"""Share of a token's time that must be missing for the token to be drawn. Below it the token of the series stays, whose
gaps are filled linearly for that."""
REACH = 0.5
"""Share of a token's time over which the offset between observed and decoded series fades behind a gap's border."""


class Known(NamedTuple):
    """Series of which a part is known, and class indices (n,).

    series : scaled series (n, n_channels, n_timepoints); NaN where a value is missing or the series has ended.
    lengths : steps of each series (n,); what is missing before that is to be drawn.
    classes : "no class" where none is given.
    """

    series: ScaledSeries
    lengths: np.ndarray
    classes: Tensor

    def rows(self, rows: Any) -> Known:
        """Some of the series."""
        return Known(ScaledSeries(self.series.X[rows], self.series.scaler), self.lengths[rows], self.classes[rows])


class Filler:
    """Draws what is unknown of series, with a trained tokenizer and prior.

    Args:
        codec: series to tokens and back, in the units of the data.
        generator: draws and decodes tokens.
        config: settings of the draw, with a number for ``residual_scale``.
        seed: of all draws.
    """

    def __init__(self, codec: Codec, generator: SeriesGenerator, config: SamplingConfig, seed: int) -> None:
        self.codec, self.generator, self.config, self.seed = codec, generator, config, seed
        self.tokenizer, self.prior = generator.tokenizer, generator.prior

    def fill(self, known: Known, n_draws: int) -> Iterator[Draws]:
        """Draws of what is missing before the end of each series, ``config.chunk_size`` series at a time.

        What a chunk gets depends on its series, its place and the seed alone; draw i is the same for any ``n_draws``.
        """
        for part, source in self._chunks(known):
            X, n_timepoints = part.series.X, part.series.X.shape[-1]
            missing, reach = np.isnan(X), REACH * self.tokenizer.steps_per_column
            wanted = missing & ~beyond(part.lengths, n_timepoints)
            values = np.repeat(X[None], n_draws, axis=0)
            rows = np.flatnonzero(wanted.any(axis=(1, 2)))
            if len(rows):
                chosen = part.rows(rows)
                scaled, tokens = chosen.series[:].values, self._around_gaps(chosen)
                for draw in values:
                    decoded = self._draw(tokens, chosen.classes, source).numpy()
                    filled = meeting(decoded, scaled, ~missing[rows], reach)
                    in_units = self.codec.scaler.inverse_transform(filled, standardise=False)
                    draw[rows] = np.where(wanted[rows], in_units, X[rows])
            given, lengths = ~missing, part.lengths if self.codec.facts.listed else None
            if self.codec.facts.flat:
                values, given = values[:, :, 0], given[:, 0]
            yield Draws(values, given, lengths)

    def vary(self, known: Known, share: float, n: int) -> Iterator[Samples]:
        """New series that keep ``share`` of the tokens of given ones, n of each, a chunk of given series at a time."""
        facts = self.codec.facts
        for part, source in self._chunks(known):
            tokens = self._around_gaps(part).repeat_interleave(n, dim=0)
            classes = part.classes.repeat_interleave(n)
            kept = ranks(len(tokens), tokens.shape[1], source) < round(share * tokens.shape[1])
            dropped = ~kept & (tokens != self.prior.absent_token)
            series = [
                self._draw(*pieces, source)
                for pieces in zip(
                    tokens.masked_fill(dropped, self.prior.mask_token).split(self.config.chunk_size),
                    classes.split(self.config.chunk_size),
                    strict=True,
                )
            ]
            lengths = np.repeat(part.lengths, n) if facts.unequal else None
            X = self.codec.in_units(torch.cat(series), lengths)
            named = facts.n_classes and bool((classes < facts.n_classes).all())
            yield Samples(X, facts.classes[classes.numpy()] if named else None)

    def score(self, known: Known, n_masks: int) -> np.ndarray:
        """Log-likelihood per token of each series (n,), float64, see :func:`token_log_likelihoods`."""
        parts = [part for part, _ in self._chunks(known)]
        found = [
            token_log_likelihoods(self.prior, self._tokens(part), part.classes, n_masks, self.seed) for part in parts
        ]
        return torch.cat(found).double().numpy()

    def _chunks(self, known: Known) -> Iterator[tuple[Known, Generator]]:
        size = self.config.chunk_size
        for chunk, start in enumerate(range(0, len(known.lengths), size)):
            state = np.random.SeedSequence([self.seed, 5, chunk]).generate_state(1)[0]
            yield known.rows(slice(start, start + size)), Generator().manual_seed(int(state))

    def _draw(self, tokens: Tensor, classes: Tensor, source: Generator) -> Tensor:
        """Scaled series (n, C, T), on the CPU, of grids (n, N) whose every ``mask_token`` is drawn."""
        drawn = self.prior.fill(tokens.to(self.prior.codes.device), classes, self.config, source).tokens
        return self.generator.decode_fully(drawn.masked_fill(drawn == self.prior.absent_token, -1), self.config, source)

    def _tokens(self, known: Known) -> Tensor:
        """Tokens (n, N): ``mask_token`` where nothing was observed of its time, ``absent_token`` behind the end."""
        tokens = self.codec.encode(known.series)
        tokens = tokens.masked_fill(tokens < 0, self.prior.mask_token)
        if not self.codec.facts.unequal:
            return tokens
        return tokens.masked_fill(~self.tokenizer.within(torch.from_numpy(known.lengths)), self.prior.absent_token)

    def _around_gaps(self, known: Known) -> Tensor:
        """`_tokens` with ``mask_token`` also where more than ``UNCERTAIN`` of a token's time is missing."""
        tokens, X = self._tokens(known), known.series.X
        ended = beyond(known.lengths, X.shape[-1]) if self.codec.facts.unequal else False
        missing = torch.from_numpy(np.isnan(X) & ~ended).float().mean(1)
        share = self.tokenizer.share_of_columns(missing)
        uncertain = self.tokenizer.on_grid(share > UNCERTAIN) & (tokens != self.prior.absent_token)
        return tokens.masked_fill(uncertain, self.prior.mask_token)


def meeting(decoded: np.ndarray, values: np.ndarray, observed: np.ndarray, reach: float) -> np.ndarray:
    """The decoded series, moved in the gaps so that it meets the observed values at their borders without a jump.

    At the two borders of a gap the observed values lie e_0 and e_1 from the decoded series. What is added a steps
    behind the first and b steps before the second is the mean of an Ornstein-Uhlenbeck process between the two,
    e_0 w(a, b) + e_1 w(b, a) with w(a, b) = sinh(b / reach) / sinh((a + b) / reach), and e_0 exp(-a / reach) where
    nothing was observed behind the gap.

    Args:
        decoded: series (n, C, T).
        values: the series as observed (n, C, T).
        observed: where they were (n, C, T).
        reach: time steps over which an offset fades.

    Returns:
        series (n, C, T), equal to ``values`` where these were observed.
    """
    n_timepoints = values.shape[-1]
    left, right = nearest_observed(observed)
    offset = np.where(observed, values - decoded, 0.0)
    before, after = (np.take_along_axis(offset, at.clip(0, n_timepoints - 1), axis=-1) for at in (left, right))
    time = np.arange(n_timepoints)
    a = np.where(left < 0, np.inf, time - left) / reach
    b = np.where(right == n_timepoints, np.inf, right - time) / reach

    def weight(near: np.ndarray, far: np.ndarray) -> np.ndarray:  # without the overflow of sinh
        with np.errstate(invalid="ignore", divide="ignore"):  # 0 / 0 where the value itself was observed
            return np.exp(-near) * np.expm1(-2 * far) / np.expm1(-2 * (near + far))

    return np.where(observed, values, decoded + before * weight(a, b) + after * weight(b, a))
