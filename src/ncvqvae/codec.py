"""Encoding of series to tokens and decoding back, in the units of the data.

Series may have gaps and unequal lengths. The networks see one chunk of series at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ncvqvae.config import EmbeddingConfig
from ncvqvae.data import GlobalScaler, ScaledSeries, beyond, check_series, cut_or_pad
from ncvqvae.data.facts import TrainFacts
from ncvqvae.errors import InputError
from ncvqvae.hardware import CPU, fp32_products
from ncvqvae.tokenizer.pooling import Reduction, Standard, choose_parts_weight
from ncvqvae.tokenizer.tokenizer import Tokenizer, observed_error, reconstruction_error

CHUNK = 256
"""Series that go through a network at once, outside training."""

LARGEST = 1e12
"""Greatest absolute value of a scaled series: real ones of n series of T steps have none above sqrt(n T)."""

MAX_REDUCED = 2048
"""Training series that the reduction of embeddings is fitted on; more hardly move its axes."""


class Codec:
    """A trained tokenizer together with the scaling, so that series go in and come out in the units of the data.

    Args:
        facts: of the train split.
        scaler: fitted on the train split.
        tokenizer: the network.
    """

    def __init__(self, facts: TrainFacts, scaler: GlobalScaler, tokenizer: Tokenizer) -> None:
        self.facts, self.scaler, self.tokenizer = facts, scaler, tokenizer

    def scaled(self, X: Any) -> ScaledSeries:
        """Checked series as the networks take them.

        Raises:
            InputError: if they are no series, or not of the train split's channels and length.
        """
        facts, series = self.facts, check_series(X, min_cases=1)
        if facts.unequal and series.shape[2] < facts.n_timepoints:
            series = cut_or_pad(series, facts.n_timepoints)
        if series.shape[1:] != (facts.n_channels, facts.n_timepoints):
            raise InputError(
                f"series have {series.shape[1]} channels and {series.shape[2]} time steps; "
                f"this model was fitted on {facts.n_channels} and {facts.n_timepoints}"
            )
        return ScaledSeries(series, self.scaler)

    def in_units(self, scaled: Tensor, lengths: Any = None) -> np.ndarray:
        """Series in their own units from scaled ones (n, C, T), NaN behind the ends if ``lengths`` (n,) are given.

        Raises:
            InputError: if the networks made values that no series has, as damaged weights do.
        """
        values = scaled.numpy()
        if not (np.abs(values) <= LARGEST).all():
            raise InputError("this model's series are not finite: its weights are damaged; fit it again")
        if lengths is not None:
            values = np.where(beyond(lengths, self.facts.n_timepoints), np.float32(np.nan), values)
        X = self.scaler.inverse_transform(values)
        return X[:, 0] if self.facts.flat else X

    def encode(self, series: ScaledSeries) -> Tensor:
        """Tokens (n, N) of scaled series; -1 where nothing of a token's time was observed."""
        return in_chunks(self.tokenizer.encode, series, self.tokenizer.codebook.device)

    def embeddings(self, series: ScaledSeries) -> np.ndarray:
        """Embeddings (n, d) of scaled series by the encoder and the reduction that was fitted on train."""
        tokenizer, reduction = self.tokenizer, self.tokenizer.reduction
        assert reduction is not None
        device = tokenizer.codebook.device
        with fp32_products("highest", device):
            return in_chunks(lambda x, o: reduction(tokenizer.pooled(x, o)), series, device).numpy()

    def keep_reduction(self, series: ScaledSeries, classes: Tensor, config: EmbeddingConfig, seed: int) -> float:
        """Fit the reduction to embeddings on training series, or on a part of them drawn by seed.

        Args:
            series: the train split.
            classes: class indices (n,).
            config: the size, and the weight of the parts of time.
            seed: draws the part.

        Returns:
            The weight of the parts of time, which ``auto`` chooses.
        """
        tokenizer, device = self.tokenizer, self.tokenizer.codebook.device
        n = min(len(series), MAX_REDUCED)
        rows = np.sort(np.random.default_rng([seed, 5]).choice(len(series), n, replace=False))
        with fp32_products("highest", device):
            statistics = in_chunks(tokenizer.pooled, ScaledSeries(series.X[rows], series.scaler), device)
        standard, of_parts, weight = Standard.of(statistics), tokenizer.of_parts, config.parts_weight
        if weight == "auto":
            weight = choose_parts_weight(standard(statistics), of_parts, classes[rows])
        weights = torch.where(of_parts, weight, 1.0)
        tokenizer.reduction = Reduction.of(standard, statistics, weights, config.size).to(device)
        return weight

    @property
    def token_embedding_size(self) -> int:
        """Width d of what :meth:`embed` gives."""
        return int(self.tokenizer.codebook.shape[1]) * len(self.tokenizer.bands)

    def embed(self, tokens: Tensor) -> np.ndarray:
        """The mean code vector (n, d) of tokens (n, N), those of the coarsest grid; a token of -1 does not count.

        The means of several bands stand side by side.
        """
        codebook = self.tokenizer.codebook.cpu()
        codes = torch.cat([codebook, codebook.new_zeros(1, codebook.shape[1])])
        absent = len(codebook)
        bags = [part.masked_fill(part < 0, absent) for part in self.tokenizer.coarsest(tokens)]
        means = [nn.functional.embedding_bag(bag, codes, mode="mean", padding_idx=absent) for bag in bags]
        return torch.cat(means, dim=1).numpy()

    def checked_tokens(self, tokens: Any) -> Tensor:
        """Tokens (n, N) as int64.

        Raises:
            InputError: if they do not fit the tokenizer.
        """
        try:
            given = np.asarray(tokens)
        except ValueError:  # NumPy makes no array of lists of several lengths
            raise InputError("tokens have several lengths; give as many for each series") from None
        n_tokens, n_codes = self.tokenizer.n_tokens, len(self.tokenizer.codebook)
        if given.dtype.kind not in "iu" or given.ndim != 2 or given.shape[1] != n_tokens:
            raise InputError(
                f"tokens have shape {given.shape} and type {given.dtype}; this model takes integers of shape "
                f"(n, {n_tokens})"
            )
        if not len(given):
            raise InputError("no tokens; give those of one series or more")
        if not -1 <= given.min() <= given.max() < n_codes:
            raise InputError(f"tokens reach from {given.min()} to {given.max()}; codes are 0 to {n_codes - 1}")
        return torch.from_numpy(given.astype(np.int64))

    def special_tokens(self, series: ScaledSeries, mask_token: int, absent_token: int) -> Tensor:
        """Special tokens (n, N): ``absent_token`` behind a series' end, ``mask_token`` in gaps, -1 elsewhere."""

        def of_chunk(x: Tensor, observed: Tensor | None) -> Tensor:
            tokens = torch.full((len(x), self.tokenizer.n_tokens), -1)
            if observed is None:
                return tokens
            seen = self.tokenizer.on_grid(self.tokenizer.present(observed))
            tokens = tokens.masked_fill(~seen, mask_token)
            if not self.facts.unequal:
                return tokens
            time = torch.arange(1, observed.shape[-1] + 1)
            lengths = (observed.any(1) * time).amax(-1)
            return tokens.masked_fill(~self.tokenizer.within(lengths), absent_token)

        return in_chunks(of_chunk, series, CPU)

    @torch.no_grad()
    def reconstruction_loss(self, series: ScaledSeries, tokens: Tensor | None = None) -> float:
        """Mean reconstruction error, MSE(x, x_hat) + MSE(u, u_hat), over observed values in scaled units.

        x is the series and u its spectrogram.

        Args:
            series: scaled series.
            tokens: those of the series (n, N); encoded here if not given.
        """
        tokens = self.encode(series) if tokens is None else tokens
        tokenizer, total, weight = self.tokenizer, 0.0, 0.0
        device = tokenizer.codebook.device
        for start in range(0, len(series), CHUNK):
            x, observed = tensors(series, slice(start, start + CHUNK), device)
            part = tokens[start : start + CHUNK].to(device)
            decoded = tokenizer.reconstruct(tokenizer.code_latents(part))
            if observed is None:
                share, error = 1.0, reconstruction_error(tokenizer.transform(x), x, decoded)
            else:
                share = float(observed.float().mean())
                error = observed_error(tokenizer.transform, x, decoded, observed)
            total, weight = total + share * len(x) * float(error), weight + share * len(x)
        return total / weight


@torch.no_grad()
def in_chunks(
    function: Callable[[Tensor, Tensor | None], Tensor], series: ScaledSeries, device: torch.device
) -> Tensor:
    """``function`` of values and mask (None: all observed), over all series, a chunk at a time.

    A chunk is on `device`, what is returned on the CPU.
    """
    found: Tensor | None = None
    for start in range(0, len(series), CHUNK):
        chunk = slice(start, start + CHUNK)
        part = function(*tensors(series, chunk, device)).cpu()
        if found is None:  # joining the parts at the end would need the memory twice
            found = part.new_empty((len(series), *part.shape[1:]))
        found[chunk] = part
    assert found is not None, "no series"
    return found


def tensors(series: ScaledSeries, rows: Any, device: torch.device = CPU) -> tuple[Tensor, Tensor | None]:
    """Values and mask of some series, on `device`."""
    values, mask = series[rows]
    return torch.from_numpy(values).to(device), None if mask is None else torch.from_numpy(mask).to(device)
