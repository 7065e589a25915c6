"""Stage 1's network: series to discrete tokens and back. This is all that stage 2 sees of it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from ncvqvae.config import TokenizerConfig
from ncvqvae.tokenizer.autoencoder import Decoder, Encoder, grid_width, n_halvings
from ncvqvae.tokenizer.quantizer import Quantized, Quantizer
from ncvqvae.tokenizer.spectrogram import Spectrogram


class Reconstruction(NamedTuple):
    """Decoded spectrogram (B, 2 C, rows, frames) and series (B, C, T)."""

    spectrogram: Tensor
    series: Tensor


class Tokenizer(nn.Module):
    """STFT, encoder, vector quantizer, decoder, inverse STFT.

    Args:
        config: the architecture.
        n_channels: channels C of a series.
        n_timepoints: length T of a series, at least n_fft.

    Attributes:
        grid: (H, W) of the token grid, known before the first forward pass.
    """

    def __init__(self, config: TokenizerConfig, n_channels: int, n_timepoints: int) -> None:
        super().__init__()
        self.spectrogram = Spectrogram(config.n_fft, config.hop_length, n_timepoints)
        rows, frames = self.spectrogram.n_rows, self.spectrogram.n_frames
        halvings = n_halvings(frames, config.latent_width)
        self.grid = (rows, grid_width(frames, config.latent_width))
        hidden, blocks = config.hidden_channels, config.n_residual_blocks
        self.encoder = Encoder(2 * n_channels, hidden, halvings, blocks)
        self.decoder = Decoder(2 * n_channels, hidden, halvings, blocks, (rows, frames))
        self.quantizer = Quantizer(
            hidden,
            config.codebook_size,
            config.codebook_decay,
            config.commitment_weight,
            config.kmeans_init,
            config.dead_code_threshold,
            config.rotation_trick,
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def n_tokens(self) -> int:
        """Tokens of a series, H W."""
        return self.grid[0] * self.grid[1]

    @property
    def codebook(self) -> Tensor:
        """Code vectors, (K, d)."""
        return self.quantizer.codebook

    def latents(self, u: Tensor) -> Tensor:
        """Unquantized latents (B, d, H, W) of a spectrogram (B, 2 C, rows, frames)."""
        return self.encoder(u.contiguous(memory_format=torch.channels_last))

    def quantize(self, z: Tensor) -> Quantized:
        """Quantize latents (B, d, H, W); moves the codebook in training mode."""
        return self.quantizer(z)

    def reconstruct(self, z: Tensor) -> Reconstruction:
        """Decode latents (B, d, H, W), quantized or not."""
        u = self.decoder(z)
        return Reconstruction(u, self.spectrogram.inverse(u))

    def embed(self, x: Tensor) -> Tensor:
        """Unquantized latents of series (B, C, T) as one vector per token: (B, N, d), rows of the grid one by one."""
        return rearrange(self.latents(self.spectrogram(x)), "b d h w -> b (h w) d")

    def encode(self, x: Tensor) -> Tensor:
        """Tokens (B, N) of series (B, C, T), each in [0, K)."""
        return self.quantizer.squared_distances(self.embed(x)).argmin(-1)

    def token_logits(self, x: Tensor) -> Tensor:
        """Negative squared distances of each latent to each code, (B, N, K): logits of the stochastic tokens."""
        return -self.quantizer.squared_distances(self.embed(x))

    def code_latents(self, tokens: Tensor) -> Tensor:
        """Quantized latents (B, d, H, W) of tokens (B, N)."""
        return rearrange(self.codebook[tokens], "b (h w) d -> b d h w", h=self.grid[0])

    def decode(self, tokens: Tensor) -> Tensor:
        """Series (B, C, T) of tokens (B, N)."""
        return self.reconstruct(self.code_latents(tokens)).series


def reconstruction_error(u: Tensor, x: Tensor, decoded: Reconstruction) -> Tensor:
    """MSE(x, x_hat) + MSE(u, u_hat), the chapter's reconstruction loss."""
    return F.mse_loss(decoded.series, x) + F.mse_loss(decoded.spectrogram, u)
