"""Stage 1's objective as named terms."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ncvqvae.config import Stage1Config
from ncvqvae.tokenizer.ssl import LOSSES, Projector, pool
from ncvqvae.tokenizer.tokenizer import Tokenizer, reconstruction_error


class TokenizerObjective(nn.Module):
    """Reconstruction + commitment, and for NC-VQVAE the augmented view's reconstruction and the SSL loss.

    The SSL loss compares the *quantized* latents of x with the *unquantized* latents of its augmented view, which pass
    through the same encoder (results chapter; settings as published).

    Args:
        tokenizer: the network that is trained.
        config: weights and projector.
        ssl: ``none`` (naive VQVAE), ``barlowtwins`` or ``vibcreg``.
    """

    def __init__(self, tokenizer: Tokenizer, config: Stage1Config, ssl: str) -> None:
        super().__init__()
        self.tokenizer, self.config = tokenizer, config
        self.ssl_loss: nn.Module | None = None
        if ssl != "none":
            self.ssl_loss = LOSSES[ssl]()
            self.projector = Projector(2 * tokenizer.codebook.shape[1], config.projector_width, whiten=ssl == "vibcreg")

    def forward(self, x: Tensor, view: Tensor | None = None) -> dict[str, Tensor]:
        """Weighted loss terms of series x (B, C, T) and their augmented views (B, C, T); their sum is the loss."""
        tokenizer, config = self.tokenizer, self.config
        u = tokenizer.spectrogram(x)
        quantized = tokenizer.quantize(tokenizer.latents(u))
        terms = {
            "recon": reconstruction_error(u, x, tokenizer.reconstruct(quantized.latents)),
            "commit": quantized.commitment,
        }
        if self.ssl_loss is not None:
            assert view is not None
            u_view = tokenizer.spectrogram(view)
            z_view = tokenizer.latents(u_view)
            if config.augmented_weight:
                error = reconstruction_error(u_view, view, tokenizer.reconstruct(z_view))
                terms["recon_view"] = config.augmented_weight * error
            projections = self.projector(torch.stack([pool(quantized.latents), pool(z_view.float())]))
            terms["ssl"] = config.ssl_weight * self.ssl_loss(*projections)
        return terms
