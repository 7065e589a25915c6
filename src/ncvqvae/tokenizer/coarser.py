"""A coarser grid of tokens above a finer one: what the finer grid holds is what the coarser one leaves out."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from ncvqvae.errors import InputError
from ncvqvae.tokenizer.encoder import Encoder, ResidualBlock, halved
from ncvqvae.tokenizer.quantizer import Quantizer


class CoarserGrid(nn.Module):
    """Latents at half the resolution in time, their quantizer, and the way back up.

    The finer grid's quantizer gets the difference between the finer latents and :meth:`up` of the coarser ones, as in a
    Laplacian pyramid (Burt and Adelson 1983; with quantized latents Razavi et al. 2019, VQ-VAE-2).

    Args:
        channels: channels of the latents, d.
        finer_width: columns W of the grid below.
        n_residual_blocks: residual blocks on the way down.
        quantizer: of the coarser latents.

    Raises:
        InputError: if the grid below has one column.
    """

    def __init__(self, channels: int, finer_width: int, n_residual_blocks: int, quantizer: Quantizer) -> None:
        super().__init__()
        if finer_width < 2:
            raise InputError("tokenizer.coarser_grids: a grid one token wide cannot be halved; give fewer grids")
        self.finer_width, self.width = finer_width, halved(finer_width)
        self.down = Encoder(channels, channels, 1, n_residual_blocks)
        self.quantizer = quantizer
        self._up = nn.Sequential(
            nn.ConvTranspose2d(channels, channels, (3, 4), stride=(1, 2), padding=1),
            nn.BatchNorm2d(channels),
            ResidualBlock(channels, inner_norm=False),
        )

    def up(self, latents: Tensor) -> Tensor:
        """Latents (B, d, H, W / 2), as a first guess of the finer ones (B, d, H, W)."""
        guess = self._up(latents)
        return F.pad(guess, (0, self.finer_width - guess.shape[3], 0, 0), mode="replicate")
