"""Stage 1's network: series to discrete tokens and back. This is all that stage 2 sees of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn import functional as F

from ncvqvae.tokenizer.coarser import CoarserGrid
from ncvqvae.tokenizer.encoder import Encoder
from ncvqvae.tokenizer.pooling import Reduction, are_of_parts, pooled
from ncvqvae.tokenizer.quantizer import Quantizer
from ncvqvae.tokenizer.refinement import Refinement
from ncvqvae.tokenizer.spectrogram import Spectrogram

FINER_DROPPED = 0.2
"""Share of training series that are decoded without a finer grid, so that a coarser one says by itself what it can."""


class QuantizedSeries(NamedTuple):
    """Result of quantization.

    latents : what is decoded, (B, d, H, W).
    coarsest : quantized latents of the coarsest grid (B, d, H, w).
    tokens : (B, N), as :meth:`Tokenizer.encode` gives them.
    commitment : scalar loss.
    """

    latents: Tensor
    coarsest: Tensor
    tokens: Tensor
    commitment: Tensor


class Reconstruction(NamedTuple):
    """Decoded spectrogram (B, 2 C, rows, frames) and series (B, C, T)."""

    spectrogram: Tensor
    series: Tensor


class Tokenizer(nn.Module):
    """STFT, encoder, vector quantizer, decoder, inverse STFT; built from settings by :mod:`ncvqvae.training.build`.

    Args:
        spectrogram: series (B, C, T) to spectrograms (B, 2 C, rows, frames) and back.
        encoder: spectrograms to latents (B, d, H, W), H being the rows.
        quantizer: latents to the nearest of K codes of width d.
        decoder: latents to spectrograms.
        grid: (H, W) of the latents, which are the token grid.
        refinement: corrects decoded series in time; None for none.
        coarser: grids above that one, the next coarser one first. A series' tokens are those of all grids, the
            coarsest one's first; each grid has K codes of its own, and tokens count through all of them.

    Attributes:
        residuals: what it leaves out of training series (:class:`ncvqvae.generation.residuals.Residuals`), saved with
            the weights; None where nothing is kept.
        reduction: of pooled statistics to embeddings, saved with the weights; None where it was not fitted.
    """

    def __init__(
        self,
        spectrogram: Spectrogram,
        encoder: Encoder,
        quantizer: Quantizer,
        decoder: nn.Module,
        grid: tuple[int, int],
        refinement: Refinement | None = None,
        coarser: Sequence[CoarserGrid] = (),
    ) -> None:
        super().__init__()
        self.spectrogram, self.grid = spectrogram, grid
        self.encoder, self.decoder, self.quantizer = encoder, decoder, quantizer
        self.refinement = refinement
        self.coarser = nn.ModuleList(coarser)
        self.residuals: nn.Module | None = None
        self.reduction: Reduction | None = None
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def n_tokens(self) -> int:
        """Tokens of a series, H W; those of all grids, where there are coarser ones."""
        return sum(self.level_sizes)

    @property
    def level_sizes(self) -> list[int]:
        """Tokens of each grid, the coarsest one's first."""
        return [self.grid[0] * width for width in self._widths]

    @property
    def n_coarsest(self) -> int:
        """Tokens of the coarsest grid, which come first."""
        return self.level_sizes[0]

    @property
    def codebook(self) -> Tensor:
        """Code vectors, (K, d); those of all grids, the coarsest one's first, where there are coarser ones."""
        if not self.coarser:
            return self.quantizer.codebook
        return torch.cat([quantizer.codebook for quantizer in self._quantizers])

    @property
    def usage(self) -> Tensor:
        """Share of each code in what training has seen, as long as the codebook."""
        return torch.cat([quantizer.usage for quantizer in self._quantizers]) / len(self._quantizers)

    @property
    def _coarser(self) -> list[CoarserGrid]:
        """Coarser grids, the coarsest first."""
        return [cast("CoarserGrid", grid) for grid in self.coarser][::-1]

    @property
    def _quantizers(self) -> list[Quantizer]:
        return [*(grid.quantizer for grid in self._coarser), self.quantizer]

    @property
    def _widths(self) -> list[int]:
        return [*(grid.width for grid in self._coarser), self.grid[1]]

    def _first_codes(self, device: torch.device) -> Tensor:
        """For each token the place in the codebook at which the codes of its grid begin, (N,)."""
        n_codes = len(self.quantizer.codebook)
        starts = [torch.full((size,), level * n_codes) for level, size in enumerate(self.level_sizes)]
        return torch.cat(starts).to(device)

    def _by_level(self, tokens: Tensor) -> list[Tensor]:
        """Values of all tokens (B, N, …), split by grid."""
        return list(tokens.split(self.level_sizes, dim=1))

    def present(self, observed: Tensor) -> Tensor:
        """Columns of the token grid (B, W) in whose share of time anything was observed (True in B C T)."""
        return F.adaptive_max_pool1d(observed.any(1).float(), self.grid[1]) > 0

    def within(self, lengths: Tensor) -> Tensor:
        """Tokens (B, N) of which a part lies before the end of series of these lengths (B,)."""
        inside = torch.arange(self.spectrogram.n_timepoints, device=lengths.device) < lengths[:, None, None]
        return self.on_grid(self.present(inside))

    def latents(self, u: Tensor, present: Tensor | None = None) -> Tensor:
        """Unquantized latents (B, d, H, W) of a spectrogram (B, 2 C, rows, frames); 0 in columns not ``present``."""
        z = self.encoder(u.contiguous(memory_format=torch.channels_last))
        return _shown(z, present)

    def levels(self, z: Tensor, present: Tensor | None = None) -> list[Tensor]:
        """Latents of each grid from those of the finest (B, d, H, W), the coarsest first; 0 where not ``present``."""
        found = [z]
        for grid in self._coarser[::-1]:
            found.append(_shown(grid.down(found[-1]), present))
        return found[::-1]

    def coarsest_columns(self, present: Tensor | None) -> Tensor | None:
        """Which columns of the coarsest grid (B, w) have a ``present`` one (B, W) in their time."""
        return None if present is None else _widest(present, self._widths[0])

    def quantize(self, z: Tensor, present: Tensor | None = None) -> QuantizedSeries:
        """Quantize latents (B, d, H, W); moves the codebooks in training mode."""
        own, *finer = self.levels(z, present)
        first, *others = self._quantizers
        found = first(own, self.coarsest_columns(present))
        coarsest = latents = found.latents
        codes, commitment = [found.tokens.flatten(1)], found.commitment
        for grid, own, quantizer in zip(self._coarser, finer, others, strict=True):
            guess = _shown(grid.up(latents), present)
            found = quantizer(own - guess.detach(), None if present is None else _widest(present, own.shape[3]))
            kept = torch.rand(len(z), 1, 1, 1).to(z.device) >= FINER_DROPPED if self.training else 1.0
            latents = guess + kept * found.latents
            codes.append(found.tokens.flatten(1))
            commitment = commitment + found.commitment
        flat = torch.cat(codes, dim=1)
        return QuantizedSeries(latents, coarsest, torch.where(flat < 0, flat, self.tokens_of(flat)), commitment)

    def reconstruct(self, z: Tensor) -> Reconstruction:
        """Decode latents (B, d, H, W), quantized or not."""
        u = self.decoder(z)
        x = self.spectrogram.inverse(u)
        return Reconstruction(u, x if self.refinement is None else self.refinement(x, z).float())

    def embed(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Unquantized latents of series (B, C, T) as one vector per token: (B, N, d), rows of the grid one by one.

        Those of a finer grid are what the nearest codes of the coarser ones leave out.
        """
        present = None if observed is None else self.present(observed)
        own, *finer = self.levels(self.latents(self.spectrogram(x), present), present)
        found, guess = [_per_token(own)], torch.zeros_like(own)
        for grid, own, quantizer in zip(self._coarser, finer, self._quantizers[:-1], strict=True):
            nearest = quantizer.codebook[quantizer.squared_distances(found[-1]).argmin(-1)]
            guess = _shown(grid.up(guess + _shown(self._grid(nearest), present)), present)
            found.append(_per_token(own - guess))
        return torch.cat(found, dim=1)

    def _grid(self, vectors: Tensor) -> Tensor:
        """Vectors of one grid's tokens (B, n, d) as latents (B, d, H, w)."""
        return rearrange(vectors, "b (h w) d -> b d h w", h=self.grid[0])

    @property
    def of_parts(self) -> Tensor:
        """Which of the pooled statistics are means of parts of time, (P,)."""
        n_levels = self.encoder.n_levels + sum(grid.down.n_levels for grid in self._coarser)
        return are_of_parts(n_levels, self.encoder.n_channels * self.grid[0])

    def pooled(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Statistics (B, P) of series (B, C, T) over time, from every level of the encoder."""
        return pooled(self._encoder_levels(x), observed)

    def _encoder_levels(self, x: Tensor) -> Iterator[Tensor]:
        """What each normalisation makes of series (B, C, T), on the way to the coarsest grid."""
        level = self.spectrogram(x).contiguous(memory_format=torch.channels_last)
        for encoder in (self.encoder, *(grid.down for grid in self._coarser[::-1])):
            for level in encoder.levels(level):  # noqa: B020 - the last is what the next encoder starts from
                yield level

    def encode(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Tokens (B, N) of series (B, C, T), places in the codebook; -1 where nothing was ``observed`` (B, C, T)."""
        tokens = self.tokens_of(self.token_logits(self.embed(x, observed)).argmax(-1))
        if observed is None:
            return tokens
        return tokens.masked_fill(~self.on_grid(self.present(observed)), -1)

    def on_grid(self, columns: Tensor) -> Tensor:
        """Repeat a truth per grid column (B, W) for every row, to one per token (B, N).

        A token of a coarser grid has it if one of the columns in its time has.
        """
        return torch.cat([repeat(_widest(columns, w), "b w -> b (h w)", h=self.grid[0]) for w in self._widths], dim=1)

    def token_logits(self, latents: Tensor) -> Tensor:
        """Negative squared distances of latents (B, N, d) to each code of their grid, (B, N, K).

        They are the logits of the stochastic tokens.
        """
        parts = zip(self._by_level(latents), self._quantizers, strict=True)
        return -torch.cat([quantizer.squared_distances(part) for part, quantizer in parts], dim=1)

    def tokens_of(self, codes: Tensor) -> Tensor:
        """Tokens (B, N) of codes of their own grid (B, N), each in [0, K)."""
        return codes + self._first_codes(codes.device) if self.coarser else codes

    def code_latents(self, tokens: Tensor) -> Tensor:
        """Quantized latents (B, d, H, W) of tokens (B, N); 0 where a token is -1."""
        codes = self.codebook[tokens.clamp(min=0)] * (tokens >= 0)[..., None]
        latents, *finer = map(self._grid, self._by_level(codes))
        known = [self._grid((part >= 0)[..., None]) for part in self._by_level(tokens)]
        for grid, own, there in zip(self._coarser, finer, known[1:], strict=True):
            latents = grid.up(latents) * there + own
        return latents

    def decode(self, tokens: Tensor) -> Tensor:
        """Series (B, C, T) of tokens (B, N)."""
        return self.reconstruct(self.code_latents(tokens)).series

    def residual(self, x: Tensor, observed: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Tokens (B, N) and residuals x - decode(tokens) of series (B, C, T); residuals are 0 where unobserved."""
        tokens = self.encode(x, observed)
        left_out = x - self.decode(tokens)
        return tokens, left_out if observed is None else left_out * observed


def _per_token(latents: Tensor) -> Tensor:
    """Latents (B, d, H, w) as one vector per token (B, H w, d), rows of the grid one by one."""
    return rearrange(latents, "b d h w -> b (h w) d")


def _shown(latents: Tensor, present: Tensor | None) -> Tensor:
    """Latents (B, d, H, w) that are 0 in columns in whose time nothing is ``present`` (B, W)."""
    return latents if present is None else latents * _widest(present, latents.shape[3])[:, None, None]


def _widest(columns: Tensor, width: int) -> Tensor:
    """Truths per column (B, W), at a width at which one is enough for what lies in the time of a column."""
    return columns if columns.shape[1] == width else F.adaptive_max_pool1d(columns.float(), width) > 0


def reconstruction_error(u: Tensor, x: Tensor, decoded: Reconstruction) -> Tensor:
    """Reconstruction loss of the NC-VQVAE thesis: MSE(x, x_hat) + MSE(u, u_hat)."""
    return F.mse_loss(decoded.series, x) + F.mse_loss(decoded.spectrogram, u)


def observed_error(spectrogram: Spectrogram, x: Tensor, decoded: Reconstruction, observed: Tensor) -> Tensor:
    """:func:`reconstruction_error` over what was observed of x (True in B C T); the same number where that is all.

    Where nothing was observed the target is the decoded series itself, without gradient, so that filled-in values pull
    nowhere; a frame counts by the share of its window that was observed.
    """
    target = spectrogram(torch.where(observed, x, decoded.series.detach()))
    share = spectrogram.observed_share(observed)
    # a view may lie wholly inside a gap; the minimum keeps the division defined
    weight, n_observed = share.sum().clamp(min=1e-6), observed.sum().clamp(min=1)
    in_frames = ((decoded.spectrogram - target).square().mean(2, keepdim=True) * share).sum() / weight
    in_time = (decoded.series - x).square().masked_fill(~observed, 0.0).sum() / n_observed
    return in_time + in_frames
