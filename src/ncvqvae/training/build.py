"""Build both networks and their parts from the settings."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ncvqvae.config import PriorConfig, TokenizerConfig
from ncvqvae.prior.prior import Prior
from ncvqvae.prior.transformer import Transformer
from ncvqvae.registry import quantizers
from ncvqvae.tokenizer.coarser import CoarserGrid
from ncvqvae.tokenizer.decoder import Decoder
from ncvqvae.tokenizer.encoder import Encoder, n_halvings, token_grid
from ncvqvae.tokenizer.quantizer import Quantizer
from ncvqvae.tokenizer.refinement import Refinement
from ncvqvae.tokenizer.spectrogram import Spectrogram
from ncvqvae.tokenizer.tokenizer import Tokenizer


def build_tokenizer(config: TokenizerConfig, n_channels: int, n_timepoints: int) -> Tokenizer:
    """An untrained tokenizer for series (B, C, T).

    Args:
        config: the settings.
        n_channels: channels C.
        n_timepoints: length T, at least ``config.n_fft``.
    """
    spectrogram = Spectrogram(config.n_fft, config.hop_length, n_timepoints)
    size = (spectrogram.n_rows, spectrogram.n_frames)
    n_halved = n_halvings(spectrogram.n_frames, config.latent_width)
    width, n_blocks = config.hidden_channels, config.n_residual_blocks
    encoder = Encoder(2 * n_channels, width, n_halved, n_blocks)
    decoder = Decoder(2 * n_channels, width, n_halved, n_blocks, size)

    def quantizer() -> Quantizer:
        return quantizers[config.quantizer](width, config, **config.quantizer_settings)

    finest, grid = quantizer(), token_grid(spectrogram, config.latent_width)
    coarser: list[CoarserGrid] = []
    for _ in range(config.coarser_grids):
        finer_width = coarser[-1].width if coarser else grid[1]
        coarser.append(CoarserGrid(width, finer_width, n_blocks, quantizer()))
    n_refining = config.refinement_channels
    refinement = Refinement(n_channels, width * grid[0], n_refining) if n_refining else None
    return Tokenizer(spectrogram, encoder, finest, decoder, grid, refinement, coarser)


def build_prior(
    config: PriorConfig, codebook: Tensor, level_sizes: Sequence[int], n_classes: int, *, unequal: bool = False
) -> Prior:
    """An untrained prior over grids of so many tokens each; it starts from the codebook.

    Args:
        config: the settings, without ``auto``.
        codebook, level_sizes, n_classes, unequal: see :class:`Prior`.
    """
    assert config.linear_rank != "auto" and config.input_mode != "auto"
    return Prior(
        lambda: build_transformer(config),
        config.width,
        codebook,
        level_sizes,
        n_classes,
        unequal=unequal,
        input_mode=config.input_mode,
        linear_rank=config.linear_rank,
        scale_tied_logits=config.scale_tied_logits,
    )


def build_transformer(config: PriorConfig) -> Transformer:
    """An untrained transformer."""
    return Transformer(
        config.n_layers,
        config.width,
        config.n_heads,
        config.head_width,
        round(config.feedforward_factor * config.width),
        config.dropout,
    )
