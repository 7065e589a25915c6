"""Build both networks and their parts from the settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from ncvqvae.config import PriorConfig, TokenizerConfig
from ncvqvae.prior.prior import Prior
from ncvqvae.prior.transformer import Transformer, kinds_of_pairs
from ncvqvae.registry import quantizers
from ncvqvae.tokenizer.band import Band
from ncvqvae.tokenizer.coarser import CoarserGrid
from ncvqvae.tokenizer.decoder import Decoder
from ncvqvae.tokenizer.encoder import Encoder, grid_width, n_halvings
from ncvqvae.tokenizer.quantizer import Quantizer
from ncvqvae.tokenizer.refinement import Refinement
from ncvqvae.tokenizer.spectrogram import Spectrogram
from ncvqvae.tokenizer.tokenizer import Tokenizer
from ncvqvae.tokenizer.transform import Transform
from ncvqvae.tokenizer.wavelets import WaveletPackets


def build_tokenizer(config: TokenizerConfig, n_channels: int, n_timepoints: int) -> Tokenizer:
    """An untrained tokenizer for series (B, C, T).

    Args:
        config: the settings.
        n_channels: channels C.
        n_timepoints: length T; for a Fourier transform at least ``config.n_fft``.
    """
    transform = _build_transform(config, n_timepoints)
    bands = [_build_band(config, transform, n_channels, part) for part in _parts(config, transform)]
    refinement: Refinement | None = None
    if config.refinement_channels:
        sizes = [config.hidden_channels * band.grid[0] for band in bands]
        ends = (transform.n_before, transform.n_behind)
        refinement = Refinement(n_channels, sizes, config.refinement_channels, *ends)
    return Tokenizer(transform, bands, refinement)


def finest_grids(config: TokenizerConfig, n_timepoints: int) -> list[tuple[int, int]]:
    """(rows, columns) of the finest token grid of each band, for series of this length."""
    transform = _build_transform(config, n_timepoints)
    return [(part.n_rows, grid_width(transform.n_frames, part.latent_width)) for part in _parts(config, transform)]


class _Part(NamedTuple):
    """Rows of the transform that make a band, and the width of its token grid that is aimed at."""

    rows: slice
    latent_width: int

    @property
    def n_rows(self) -> int:
        return int(self.rows.stop - self.rows.start)


def _build_transform(config: TokenizerConfig, n_timepoints: int) -> Transform:
    if config.transform == "wavelet":
        return WaveletPackets(config.wavelet, config.wavelet_levels, n_timepoints)
    return Spectrogram(config.n_fft, config.hop_length, n_timepoints)


def _parts(config: TokenizerConfig, transform: Transform) -> list[_Part]:
    """What each band is made of, the lowest first."""
    if config.bands == 1:
        return [_Part(slice(0, transform.n_rows), config.latent_width)]
    low, high = slice(0, config.low_rows), slice(config.low_rows, transform.n_rows)
    return [_Part(low, config.latent_width), _Part(high, config.high_latent_width)]


def _build_band(config: TokenizerConfig, transform: Transform, n_channels: int, part: _Part) -> Band:
    """An untrained encoder, quantizers and decoder of some rows of the transform."""
    size = (part.n_rows, transform.n_frames)
    n_halved = n_halvings(transform.n_frames, part.latent_width)
    channels, width, n_blocks = transform.n_parts * n_channels, config.hidden_channels, config.n_residual_blocks
    encoder = Encoder(channels, width, n_halved, n_blocks)
    decoder = Decoder(channels, width, n_halved, n_blocks, size)

    def quantizer() -> Quantizer:
        return quantizers[config.quantizer](width, config, **config.quantizer_settings)

    finest, grid = quantizer(), (part.n_rows, grid_width(transform.n_frames, part.latent_width))
    coarser: list[CoarserGrid] = []
    for _ in range(config.coarser_grids):
        finer_width = coarser[-1].width if coarser else grid[1]
        coarser.append(CoarserGrid(width, finer_width, n_blocks, quantizer()))
    return Band(part.rows, encoder, finest, decoder, grid, coarser)


def build_prior(
    config: PriorConfig, codebook: Tensor, grids: Sequence[tuple[int, int]], n_classes: int, *, unequal: bool = False
) -> Prior:
    """An untrained prior over token grids; it starts from the codebook.

    Args:
        config: the settings, without ``auto``.
        grids: (rows, columns) of each grid, the coarsest one first.
        codebook, n_classes, unequal: see :class:`Prior`.
    """
    assert config.linear_rank != "auto" and config.input_mode != "auto"
    return Prior(
        lambda: build_transformer(config, grids),
        config.width,
        codebook,
        grids,
        n_classes,
        unequal=unequal,
        input_mode=config.input_mode,
        linear_rank=config.linear_rank,
        linear_span=config.linear_span,
        scale_tied_logits=config.scale_tied_logits,
    )


def build_transformer(config: PriorConfig, grids: Sequence[tuple[int, int]]) -> Transformer:
    """An untrained transformer over the class and the tokens of these grids."""
    return Transformer(
        config.n_layers,
        config.width,
        config.n_heads,
        config.head_width,
        round(config.feedforward_factor * config.width),
        config.dropout,
        kinds_of_pairs(grids) if config.relative_position_bias else None,
    )
