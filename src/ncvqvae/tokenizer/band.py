"""One band of the spectrogram: encoder, vector quantizers and decoder of a group of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from ncvqvae.tokenizer.coarser import CoarserGrid
from ncvqvae.tokenizer.encoder import Encoder
from ncvqvae.tokenizer.quantizer import Quantizer

FINER_DROPPED = 0.2
"""Share of training series that are decoded without a finer grid, so that a coarser one says by itself what it can."""


class QuantizedBand(NamedTuple):
    """Result of quantization of one band.

    latents : what is decoded, (B, d, H, W).
    coarsest : quantized latents of the coarsest grid (B, d, H, w).
    codes : (B, n), each in [0, K) of its own grid, those of the coarsest grid first; -1 where nothing is present.
    commitment : scalar loss.
    """

    latents: Tensor
    coarsest: Tensor
    codes: Tensor
    commitment: Tensor


class Band(nn.Module):
    """Rows of the spectrogram with an encoder, a decoder and token grids of their own.

    Args:
        rows: which rows of the spectrogram.
        encoder: these rows (B, channels, H, frames) to latents (B, d, H, W).
        quantizer: latents to the nearest of K codes of width d.
        decoder: latents to these rows.
        grid: (H, W) of the latents, which are the finest token grid.
        coarser: grids above that one, the next coarser one first; each has K codes of its own.
    """

    def __init__(
        self,
        rows: slice,
        encoder: Encoder,
        quantizer: Quantizer,
        decoder: nn.Module,
        grid: tuple[int, int],
        coarser: Sequence[CoarserGrid] = (),
    ) -> None:
        super().__init__()
        self.rows, self.grid = rows, grid
        self.encoder, self.decoder, self.quantizer = encoder, decoder, quantizer
        self.coarser = nn.ModuleList(coarser)

    @property
    def widths(self) -> list[int]:
        """Columns of each grid, the coarsest first."""
        return [*(grid.width for grid in self._coarser), self.grid[1]]

    @property
    def quantizers(self) -> list[Quantizer]:
        """Quantizer of each grid, the coarsest first."""
        return [*(grid.quantizer for grid in self._coarser), self.quantizer]

    @property
    def encoders(self) -> list[Encoder]:
        """What makes the latents of each grid from those of the one before, the finest first."""
        return [self.encoder, *(grid.down for grid in self._coarser[::-1])]

    @property
    def _coarser(self) -> list[CoarserGrid]:
        """Coarser grids, the coarsest first."""
        return [cast("CoarserGrid", grid) for grid in self.coarser][::-1]

    def latents(self, u: Tensor, present: Tensor | None = None) -> Tensor:
        """Unquantized latents (B, d, H, W) of a spectrogram (B, channels, all rows, frames); 0 where not ``present``.

        ``present`` says for columns of time (B, w), at any resolution, whether something was observed there.
        """
        own = u[:, :, self.rows].contiguous(memory_format=torch.channels_last)
        return shown(self.encoder(own), present)

    def levels(self, z: Tensor, present: Tensor | None = None) -> list[Tensor]:
        """Latents of each grid from those of the finest (B, d, H, W), the coarsest first; 0 where not ``present``."""
        found = [z]
        for grid in self._coarser[::-1]:
            found.append(shown(grid.down(found[-1]), present))
        return found[::-1]

    def coarsest_columns(self, present: Tensor | None) -> Tensor | None:
        """Which columns of the coarsest grid (B, w) have a ``present`` one in their time."""
        return None if present is None else widest(present, self.widths[0])

    def quantize(self, z: Tensor, present: Tensor | None = None) -> QuantizedBand:
        """Quantize latents (B, d, H, W); moves the codebooks in training mode."""
        own, *finer = self.levels(z, present)
        first, *others = self.quantizers
        found = first(own, self.coarsest_columns(present))
        coarsest = latents = found.latents
        codes, commitment = [found.tokens.flatten(1)], found.commitment
        for grid, own, quantizer in zip(self._coarser, finer, others, strict=True):
            guess = shown(grid.up(latents), present)
            found = quantizer(own - guess.detach(), None if present is None else widest(present, own.shape[3]))
            kept = torch.rand(len(z), 1, 1, 1).to(z.device) >= FINER_DROPPED if self.training else 1.0
            latents = guess + kept * found.latents
            codes.append(found.tokens.flatten(1))
            commitment = commitment + found.commitment
        return QuantizedBand(latents, coarsest, torch.cat(codes, dim=1), commitment)

    def left_out(self, z: Tensor, present: Tensor | None = None) -> list[Tensor]:
        """Latents of each grid as one vector per token (B, n, d), from those of the finest (B, d, H, W).

        Those of a finer grid are what the nearest codes of the coarser ones leave out.
        """
        own, *finer = self.levels(z, present)
        found, guess = [per_token(own)], torch.zeros_like(own)
        for grid, own, quantizer in zip(self._coarser, finer, self.quantizers[:-1], strict=True):
            nearest = quantizer.codebook[quantizer.squared_distances(found[-1]).argmin(-1)]
            guess = shown(grid.up(guess + shown(self.as_grid(nearest), present)), present)
            found.append(per_token(own - guess))
        return found

    def code_latents(self, codes: Sequence[Tensor], known: Sequence[Tensor]) -> Tensor:
        """Quantized latents (B, d, H, W) of code vectors of each grid (B, n, d), 0 where a token is not ``known``."""
        latents, *finer = map(self.as_grid, codes)
        there = [self.as_grid(part[..., None]) for part in known]
        for grid, own, seen in zip(self._coarser, finer, there[1:], strict=True):
            latents = grid.up(latents) * seen + own
        return latents

    def as_grid(self, vectors: Tensor) -> Tensor:
        """Vectors of one grid's tokens (B, n, d) as latents (B, d, H, w)."""
        return rearrange(vectors, "b (h w) d -> b d h w", h=self.grid[0])


def per_token(latents: Tensor) -> Tensor:
    """Latents (B, d, H, w) as one vector per token (B, H w, d), rows of the grid one by one."""
    return rearrange(latents, "b d h w -> b (h w) d")


def shown(latents: Tensor, present: Tensor | None) -> Tensor:
    """Latents (B, d, H, w) that are 0 in columns in whose time nothing is ``present`` (B, W)."""
    return latents if present is None else latents * widest(present, latents.shape[3])[:, None, None]


def widest(columns: Tensor, width: int) -> Tensor:
    """Truths per column (B, W), at a width at which one is enough for what lies in the time of a column."""
    return columns if columns.shape[1] == width else F.adaptive_max_pool1d(columns.float(), width) > 0
