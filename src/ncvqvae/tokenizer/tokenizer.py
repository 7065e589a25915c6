"""Stage 1's network: series to discrete tokens and back. This is all that stage 2 sees of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import torch
from einops import repeat
from torch import Tensor, nn
from torch.nn import functional as F

from ncvqvae.tokenizer.band import Band, QuantizedBand, per_token, widest
from ncvqvae.tokenizer.pooling import Reduction, are_of_parts, pooled
from ncvqvae.tokenizer.quantizer import Quantizer
from ncvqvae.tokenizer.refinement import Refinement
from ncvqvae.tokenizer.transform import Transform


class QuantizedSeries(NamedTuple):
    """Result of quantization.

    bands : what each band's quantizers made of it.
    tokens : (B, N), as :meth:`Tokenizer.encode` gives them.
    """

    bands: list[QuantizedBand]
    tokens: Tensor

    @property
    def latents(self) -> list[Tensor]:
        """What is decoded, (B, d, H, W) for each band."""
        return [band.latents for band in self.bands]

    @property
    def commitment(self) -> Tensor:
        """Scalar loss, the sum over the bands."""
        return torch.stack([band.commitment for band in self.bands]).sum()


class Reconstruction(NamedTuple):
    """Decoded spectrogram (B, parts C, rows, frames) and series (B, C, T)."""

    spectrogram: Tensor
    series: Tensor


class Tokenizer(nn.Module):
    """Transform to a spectrogram, encoder, vector quantizer, decoder, inverse transform.

    :mod:`ncvqvae.training.build` builds it from settings. A series' tokens are those of all grids of all bands: of the
    lowest band first, and of a band's grids the coarsest one's first. Each grid has K codes of its own, and tokens
    count through all of them.

    Args:
        transform: series (B, C, T) to spectrograms (B, parts C, rows, frames) and back.
        bands: groups of rows that together are all rows, the lowest frequencies first.
        refinement: corrects decoded series in time; None for none.

    Attributes:
        residuals: what it leaves out of training series (:class:`ncvqvae.generation.residuals.Residuals`), saved with
            the weights; None where nothing is kept.
        reduction: of pooled statistics to embeddings, saved with the weights; None where it was not fitted.
    """

    def __init__(self, transform: Transform, bands: Sequence[Band], refinement: Refinement | None = None) -> None:
        super().__init__()
        self.transform = transform
        self.bands = nn.ModuleList(bands)
        self.refinement = refinement
        self.residuals: nn.Module | None = None
        self.reduction: Reduction | None = None
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def each_band(self) -> list[Band]:
        """The bands, the lowest first."""
        return [cast("Band", band) for band in self.bands]

    @property
    def n_tokens(self) -> int:
        """Tokens of a series, those of all grids."""
        return sum(self.level_sizes)

    @property
    def grids(self) -> list[tuple[int, int]]:
        """(rows, columns) of each token grid, in the order of the tokens."""
        return [(band.grid[0], width) for band in self.each_band() for width in band.widths]

    @property
    def finest_grids(self) -> list[tuple[int, int]]:
        """(rows, columns) of each band's finest grid."""
        return [band.grid for band in self.each_band()]

    @property
    def level_sizes(self) -> list[int]:
        """Tokens of each grid, in their order."""
        return [rows * width for rows, width in self.grids]

    @property
    def n_columns(self) -> int:
        """Columns of the widest grid."""
        return max(width for _, width in self.grids)

    @property
    def codebook(self) -> Tensor:
        """Code vectors of all grids, in their order; (K, d) of one grid."""
        quantizers = self._quantizers
        if len(quantizers) == 1:
            return quantizers[0].codebook
        return torch.cat([quantizer.codebook for quantizer in quantizers])

    @property
    def usage(self) -> Tensor:
        """Share of each code in what training has seen, as long as the codebook."""
        return torch.cat([quantizer.usage for quantizer in self._quantizers]) / len(self._quantizers)

    @property
    def _quantizers(self) -> list[Quantizer]:
        return [quantizer for band in self.each_band() for quantizer in band.quantizers]

    def _by_level(self, tokens: Tensor) -> list[Tensor]:
        """Values of all tokens (B, N, …), split by grid."""
        return list(tokens.split(self.level_sizes, dim=1))

    def _by_band(self, tokens: Tensor) -> list[list[Tensor]]:
        """Values of all tokens (B, N, …), split by band and grid."""
        levels = iter(self._by_level(tokens))
        return [[next(levels) for _ in band.widths] for band in self.each_band()]

    def coarsest(self, tokens: Tensor) -> list[Tensor]:
        """Of tokens (B, N) those of each band's coarsest grid, which say what kind of series it is."""
        return [levels[0] for levels in self._by_band(tokens)]

    def present(self, observed: Tensor) -> Tensor:
        """Columns of the widest grid (B, W) in whose share of time anything was observed (True in B C T)."""
        return F.adaptive_max_pool1d(self.transform.time_of_frames(observed.any(1)), self.n_columns) > 0

    def share_of_columns(self, steps: Tensor) -> Tensor:
        """Mean of values of time steps (B, T) over the time of each column of the widest grid, (B, W)."""
        return F.adaptive_avg_pool1d(self.transform.time_of_frames(steps), self.n_columns)

    @property
    def steps_per_column(self) -> float:
        """Time steps that a column of the widest grid stands for."""
        transform = self.transform
        return (transform.n_before + transform.n_timepoints + transform.n_behind) / self.n_columns

    def within(self, lengths: Tensor) -> Tensor:
        """Tokens (B, N) of which a part lies before the end of series of these lengths (B,)."""
        inside = torch.arange(self.transform.n_timepoints, device=lengths.device) < lengths[:, None, None]
        return self.on_grid(self.present(inside))

    def latents(self, u: Tensor, present: Tensor | None = None) -> list[Tensor]:
        """Unquantized latents of a spectrogram (B, parts C, rows, frames), (B, d, H, W) of each band.

        They are 0 in columns in whose time nothing is ``present``.
        """
        return [band.latents(u, present) for band in self.each_band()]

    def quantize(self, z: Sequence[Tensor], present: Tensor | None = None) -> QuantizedSeries:
        """Quantize each band's latents (B, d, H, W); moves the codebooks in training mode."""
        found = [band.quantize(own, present) for band, own in zip(self.each_band(), z, strict=True)]
        codes = torch.cat([band.codes for band in found], dim=1)
        return QuantizedSeries(found, torch.where(codes < 0, codes, self.tokens_of(codes)))

    def reconstruct(self, z: Sequence[Tensor]) -> Reconstruction:
        """Decode each band's latents (B, d, H, W), quantized or not."""
        u = torch.cat([band.decoder(own) for band, own in zip(self.each_band(), z, strict=True)], dim=2)
        x = self.transform.inverse(u)
        return Reconstruction(u, x if self.refinement is None else self.refinement(x, z).float())

    def embed(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Unquantized latents of series (B, C, T) as one vector per token: (B, N, d), rows of a grid one by one.

        Those of a finer grid are what the nearest codes of the coarser ones leave out.
        """
        present = None if observed is None else self.present(observed)
        z = self.latents(self.transform(x), present)
        parts = [band.left_out(own, present) for band, own in zip(self.each_band(), z, strict=True)]
        return torch.cat([level for levels in parts for level in levels], dim=1)

    def decoded_latents(self, x: Tensor) -> Tensor:
        """Unquantized latents of series (B, C, T) as :meth:`reconstruct` takes them, one vector (d) for each place.

        The places (B, P, d) are those of each band's finest grid, rows of a grid one by one.
        """
        return torch.cat([per_token(own) for own in self.latents(self.transform(x))], dim=1)

    def reconstruct_places(self, places: Tensor) -> Reconstruction:
        """Decode vectors (B, P, d) as :meth:`decoded_latents` gives them."""
        parts = places.split([rows * width for rows, width in self.finest_grids], dim=1)
        return self.reconstruct([band.as_grid(part) for band, part in zip(self.each_band(), parts, strict=True)])

    @property
    def of_parts(self) -> Tensor:
        """Which of the pooled statistics are means of parts of time, (P,)."""
        found = []
        for band in self.each_band():
            n_levels = sum(encoder.n_levels for encoder in band.encoders)
            found.append(are_of_parts(n_levels, band.encoder.n_channels * band.grid[0]))
        return torch.cat(found)

    def pooled(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Statistics (B, P) of series (B, C, T) over time, from every level of the encoders."""
        seen = None if observed is None else self.transform.time_of_frames(observed.any(1))[:, None]
        return pooled(self._encoder_levels(x), seen)

    def _encoder_levels(self, x: Tensor) -> Iterator[Tensor]:
        """What each normalisation makes of series (B, C, T), on the way to each band's coarsest grid."""
        u = self.transform(x)
        for band in self.each_band():
            level = u[:, :, band.rows].contiguous(memory_format=torch.channels_last)
            for encoder in band.encoders:
                for level in encoder.levels(level):  # noqa: B020 - the last is what the next encoder starts from
                    yield level

    def encode(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Tokens (B, N) of series (B, C, T), places in the codebook; -1 where nothing was ``observed`` (B, C, T)."""
        tokens = self.tokens_of(self.token_logits(self.embed(x, observed)).argmax(-1))
        if observed is None:
            return tokens
        return tokens.masked_fill(~self.on_grid(self.present(observed)), -1)

    def on_grid(self, columns: Tensor) -> Tensor:
        """Repeat a truth per column of the widest grid (B, W) for every row of every grid, to one per token (B, N).

        A token of a narrower grid has it if one of the columns in its time has.
        """
        return torch.cat([repeat(widest(columns, w), "b w -> b (h w)", h=rows) for rows, w in self.grids], dim=1)

    def token_logits(self, latents: Tensor) -> Tensor:
        """Negative squared distances of latents (B, N, d) to each code of their grid, (B, N, K).

        They are the logits of the stochastic tokens.
        """
        parts = zip(self._by_level(latents), self._quantizers, strict=True)
        return -torch.cat([quantizer.squared_distances(part) for part, quantizer in parts], dim=1)

    def tokens_of(self, codes: Tensor) -> Tensor:
        """Tokens (B, N) of codes of their own grid (B, N), each in [0, K)."""
        sizes, n_codes = self.level_sizes, len(self._quantizers[0].codebook)
        if len(sizes) == 1:
            return codes
        starts = [torch.full((size,), level * n_codes) for level, size in enumerate(sizes)]
        return codes + torch.cat(starts).to(codes.device)

    def code_latents(self, tokens: Tensor) -> list[Tensor]:
        """Quantized latents of tokens (B, N), (B, d, H, W) of each band; 0 where a token is -1."""
        codes = self.codebook[tokens.clamp(min=0)] * (tokens >= 0)[..., None]
        parts = zip(self.each_band(), self._by_band(codes), self._by_band(tokens >= 0), strict=True)
        return [band.code_latents(own, known) for band, own, known in parts]

    def decode(self, tokens: Tensor) -> Tensor:
        """Series (B, C, T) of tokens (B, N)."""
        return self.reconstruct(self.code_latents(tokens)).series

    def residual(self, x: Tensor, observed: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Tokens (B, N) and residuals x - decode(tokens) of series (B, C, T); residuals are 0 where unobserved."""
        tokens = self.encode(x, observed)
        left_out = x - self.decode(tokens)
        return tokens, left_out if observed is None else left_out * observed


def reconstruction_error(u: Tensor, x: Tensor, decoded: Reconstruction) -> Tensor:
    """Reconstruction loss of the NC-VQVAE thesis: MSE(x, x_hat) + MSE(u, u_hat)."""
    return F.mse_loss(decoded.series, x) + F.mse_loss(decoded.spectrogram, u)


def observed_error(transform: Transform, x: Tensor, decoded: Reconstruction, observed: Tensor) -> Tensor:
    """:func:`reconstruction_error` over what was observed of x (True in B C T); the same number where that is all.

    Where nothing was observed the target is the decoded series itself, without gradient, so that filled-in values pull
    nowhere; a frame counts by the share of its window that was observed.
    """
    target = transform(torch.where(observed, x, decoded.series.detach()))
    share = transform.observed_share(observed)
    # a view may lie wholly inside a gap; the minimum keeps the division defined
    weight, n_observed = share.sum().clamp(min=1e-6), observed.sum().clamp(min=1)
    in_frames = ((decoded.spectrogram - target).square().mean(2, keepdim=True) * share).sum() / weight
    in_time = (decoded.series - x).square().masked_fill(~observed, 0.0).sum() / n_observed
    return in_time + in_frames
