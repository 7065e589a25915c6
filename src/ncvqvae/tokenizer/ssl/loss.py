"""Interface of a self-supervised loss in stage 1."""

from __future__ import annotations

from torch import Tensor, nn

from ncvqvae.tokenizer.ssl.projector import Projector


class SSLLoss(nn.Module):
    """Base of the losses between projections of two views; the keywords of ``__init__`` are its settings.

    Register a new one with :data:`ncvqvae.registry.ssl_losses`.
    """

    def projector(self, in_features: int, width: int) -> nn.Module:
        """The network from pooled latents (V, B, in_features) of V views to projections (V, B, width)."""
        return Projector(in_features, width)

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """The loss of projections (B, D) of two views, a scalar."""
        raise NotImplementedError
