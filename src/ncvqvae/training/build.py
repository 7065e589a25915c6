"""Build both networks and their parts from the settings."""

from __future__ import annotations

from torch import Tensor

from ncvqvae.config import PriorConfig, TokenizerConfig
from ncvqvae.prior.prior import Prior
from ncvqvae.prior.transformer import Transformer
from ncvqvae.registry import quantizers
from ncvqvae.tokenizer.decoder import Decoder
from ncvqvae.tokenizer.encoder import Encoder, n_halvings, token_grid
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
    quantizer = quantizers[config.quantizer](width, config, **config.quantizer_settings)
    return Tokenizer(spectrogram, encoder, quantizer, decoder, token_grid(spectrogram, config.latent_width))


def build_prior(
    config: PriorConfig, codebook: Tensor, n_tokens: int, n_classes: int, *, unequal: bool = False
) -> Prior:
    """An untrained prior over grids of ``n_tokens`` tokens; it starts from the codebook (K, d).

    Args:
        config: the settings, without ``auto``.
        codebook, n_tokens, n_classes, unequal: see :class:`Prior`.
    """
    assert config.linear_rank != "auto" and config.input_mode != "auto"
    return Prior(
        lambda: build_transformer(config),
        config.width,
        codebook,
        n_tokens,
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
