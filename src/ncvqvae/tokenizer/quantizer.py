"""Vector quantizers. The built-in one wraps the EMA codebook of vector-quantize-pytorch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from vector_quantize_pytorch import VectorQuantize

from ncvqvae.config import TokenizerConfig
from ncvqvae.hardware import fp32_products


class Quantized(NamedTuple):
    """Result of quantization; latents (B, d, H, W), tokens (B, H, W), scalar loss."""

    latents: Tensor
    tokens: Tensor
    commitment: Tensor


class Quantizer(nn.Module):
    """Interface of a quantizer; register a new one with :data:`ncvqvae.registry.quantizers`."""

    @property
    def codebook(self) -> Tensor:
        """Code vectors, (K, d); the prior reads tokens as these."""
        raise NotImplementedError

    @property
    def usage(self) -> Tensor:
        """Share of each code in what the quantizer has seen in training, (K,)."""
        raise NotImplementedError

    def forward(self, z: Tensor, present: Tensor | None = None) -> Quantized:
        """Quantize latents (B, d, H, W). Where a column is not ``present`` (B, W), latents are 0 and tokens -1."""
        raise NotImplementedError

    def squared_distances(self, z: Tensor) -> Tensor:
        """||z - e_k||^2 of latents (..., d) to every code: (..., K)."""
        squares = z.square().sum(-1, keepdim=True) + self.codebook.square().sum(-1)
        return (squares - 2 * z @ self.codebook.T).clamp(min=0)


class EMAQuantizer(Quantizer):
    """Nearest code in Euclidean distance, argmin_k ||z - e_k||^2 (van den Oord et al. 2017, EMA variant).

    Args:
        dim: width d of a code.
        codebook_size: number K of codes.
        decay: decay of the codebook's exponential moving average.
        commitment_weight: factor of the commitment loss mean((z - sg(e))^2), already applied in the result.
        kmeans_init: start from k-means of the first batch; else from N(0, 1) with empty counts, as published. Such a
            start loses each code that the first batch does not choose: its average is divided by a count near 0.
        dead_code_threshold: revive codes whose moving count is below this; 0 never does.
        rotation_trick: gradient by rotation (Fifty et al. 2024) instead of straight-through.
    """

    def __init__(
        self,
        dim: int,
        codebook_size: int,
        decay: float,
        commitment_weight: float,
        kmeans_init: bool = False,
        dead_code_threshold: float = 0.0,
        rotation_trick: bool = False,
    ) -> None:
        super().__init__()
        self.vq = VectorQuantize(
            dim,
            codebook_size,
            decay=decay,
            commitment_weight=commitment_weight,
            kmeans_init=kmeans_init,
            threshold_ema_dead_code=dead_code_threshold,
            rotation_trick=rotation_trick,
        )
        if not kmeans_init:
            start = torch.randn(1, codebook_size, dim)
            state = {"embed": start, "embed_avg": start, "cluster_size": torch.zeros(1, codebook_size)}
            self.vq._codebook.load_state_dict(state, strict=False)

    @property
    def codebook(self) -> Tensor:
        """Code vectors, (K, d)."""
        return self.vq.codebook

    @property
    def usage(self) -> Tensor:
        """Share of each code in the training's moving counts, (K,)."""
        counts = self.vq._codebook.cluster_size.flatten()
        return counts / counts.sum().clamp(min=torch.finfo(counts.dtype).tiny)

    def forward(self, z: Tensor, present: Tensor | None = None) -> Quantized:
        """Quantize latents (B, d, H, W); in training mode this also moves the codebook. Always in fp32.

        Where a column is not ``present`` (B, W), latents are 0 and tokens -1; neither codebook nor loss sees it.
        """
        height = z.shape[2]
        mask = None if present is None else repeat(present, "b w -> b (h w)", h=height)
        with torch.autocast(z.device.type, enabled=False), fp32_products("highest", z.device):
            latents, tokens, loss = self.vq(rearrange(z.float(), "b d h w -> b (h w) d"), mask=mask)
        return Quantized(
            rearrange(latents, "b (h w) d -> b d h w", h=height),
            rearrange(tokens, "b (h w) -> b h w", h=height),
            loss.sum(),
        )


def ema_quantizer(dim: int, config: TokenizerConfig) -> EMAQuantizer:
    """Build the built-in quantizer for codes of width ``dim``."""
    return EMAQuantizer(
        dim,
        config.codebook_size,
        config.codebook_decay,
        config.commitment_weight,
        config.kmeans_init,
        config.dead_code_threshold,
        config.rotation_trick,
    )
