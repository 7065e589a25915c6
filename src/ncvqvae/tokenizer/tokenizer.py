"""Stage 1's network: series to discrete tokens and back. This is all that stage 2 sees of it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn import functional as F

from ncvqvae.tokenizer.encoder import Encoder
from ncvqvae.tokenizer.pooling import Reduction, are_of_parts, pooled
from ncvqvae.tokenizer.quantizer import Quantized, Quantizer
from ncvqvae.tokenizer.spectrogram import Spectrogram


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
    ) -> None:
        super().__init__()
        self.spectrogram, self.grid = spectrogram, grid
        self.encoder, self.decoder, self.quantizer = encoder, decoder, quantizer
        self.residuals: nn.Module | None = None
        self.reduction: Reduction | None = None
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def n_tokens(self) -> int:
        """Tokens of a series, H W."""
        return self.grid[0] * self.grid[1]

    @property
    def codebook(self) -> Tensor:
        """Code vectors, (K, d)."""
        return self.quantizer.codebook

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
        return z if present is None else z * present[:, None, None]

    def quantize(self, z: Tensor, present: Tensor | None = None) -> Quantized:
        """Quantize latents (B, d, H, W); moves the codebook in training mode."""
        return self.quantizer(z, present)

    def reconstruct(self, z: Tensor) -> Reconstruction:
        """Decode latents (B, d, H, W), quantized or not."""
        u = self.decoder(z)
        return Reconstruction(u, self.spectrogram.inverse(u))

    def embed(self, x: Tensor) -> Tensor:
        """Unquantized latents of series (B, C, T) as one vector per token: (B, N, d), rows of the grid one by one."""
        return rearrange(self.latents(self.spectrogram(x)), "b d h w -> b (h w) d")

    @property
    def of_parts(self) -> Tensor:
        """Which of the pooled statistics are means of parts of time, (P,)."""
        return are_of_parts(self.encoder.n_levels, self.encoder.n_channels * self.grid[0])

    def pooled(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Statistics (B, P) of series (B, C, T) over time, from every level of the encoder."""
        u = self.spectrogram(x).contiguous(memory_format=torch.channels_last)
        return pooled(self.encoder.levels(u), observed)

    def encode(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Tokens (B, N) of series (B, C, T), each in [0, K); -1 where nothing was ``observed`` (B, C, T)."""
        tokens = self.quantizer.squared_distances(self.embed(x)).argmin(-1)
        if observed is None:
            return tokens
        return tokens.masked_fill(~self.on_grid(self.present(observed)), -1)

    def on_grid(self, columns: Tensor) -> Tensor:
        """Repeat a value per grid column (B, W) for every row, to one value per token (B, N)."""
        return repeat(columns, "b w -> b (h w)", h=self.grid[0])

    def token_logits(self, latents: Tensor) -> Tensor:
        """Negative squared distances of latents (B, N, d) to each code, (B, N, K): logits of the stochastic tokens."""
        return -self.quantizer.squared_distances(latents)

    def code_latents(self, tokens: Tensor) -> Tensor:
        """Quantized latents (B, d, H, W) of tokens (B, N); 0 where a token is -1."""
        codes = self.codebook[tokens.clamp(min=0)] * (tokens >= 0)[..., None]
        return rearrange(codes, "b (h w) d -> b d h w", h=self.grid[0])

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
