"""Stage 1's objective as named terms."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ncvqvae.config import Stage1Config
from ncvqvae.registry import ssl_losses
from ncvqvae.tokenizer.patches import patch_distance
from ncvqvae.tokenizer.ssl import SSLLoss, pool
from ncvqvae.tokenizer.tokenizer import (
    QuantizedSeries,
    Reconstruction,
    Tokenizer,
    observed_error,
    reconstruction_error,
)

COLLAPSED = 1 / 4
"""The codebook counts as collapsed if its perplexity is below this share of the number of codes."""


class CollapseWarning(UserWarning):
    """The tokenizer uses so few codes that series look alike to the prior."""


class TokenizerObjective(nn.Module):
    """Reconstruction + commitment (+ patches), and for NC-VQVAE the augmented view's reconstruction and the SSL loss.

    The SSL loss compares the *quantized* latents of x with the *unquantized* latents of its augmented view, which pass
    through the same encoder (NC-VQVAE thesis; settings as published).

    Args:
        tokenizer: the network that is trained.
        config: weights, and the settings of the loss's own.
        ssl: name of the self-supervised loss, ``none`` for the naive VQVAE.
    """

    def __init__(self, tokenizer: Tokenizer, config: Stage1Config, ssl: str) -> None:
        super().__init__()
        self.tokenizer, self.config = tokenizer, config
        self.warned = False
        self.ssl_loss: SSLLoss | None = None
        if ssl != "none":
            self.ssl_loss = ssl_losses[ssl](**config.ssl_settings)
            width, loss = 2 * tokenizer.codebook.shape[1], self.ssl_loss
            self.projectors = nn.ModuleList(loss.projector(width, config.projector_width) for _ in tokenizer.bands)

    def forward(
        self,
        x: Tensor,
        view: Tensor | None = None,
        observed: Tensor | None = None,
        view_observed: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Weighted loss terms of series x (B, C, T) and their augmented views (B, C, T); their sum is the loss.

        The masks (B, C, T) say which values were observed; no term asks for the others. Where the bands have views of
        their own, these stand side by side, (B, 2 C, T), and so do their masks.
        """
        tokenizer, config = self.tokenizer, self.config
        present = None if observed is None else tokenizer.present(observed)
        quantized, error, decoded = self.reconstruction(x, observed, present)
        terms = {"recon": error, "commit": quantized.commitment}
        if config.patch_weight:
            terms["patches"] = config.patch_weight * patch_distance(x, decoded, observed)
        if self.ssl_loss is not None:
            assert view is not None
            u_view, view, view_observed, view_present = self._view(view, view_observed, x.shape[1])
            bands = zip(tokenizer.each_band(), view_present, strict=True)
            z_view = [band.latents(u_view, own) for band, own in bands]
            if config.augmented_weight:
                error = self._error(u_view, view, tokenizer.reconstruct(z_view), view_observed)
                terms["recon_view"] = config.augmented_weight * error
            terms["ssl"] = config.ssl_weight * self._ssl(quantized, present, z_view, view_present)
        return terms

    def _view(
        self, view: Tensor, observed: Tensor | None, n_channels: int
    ) -> tuple[Tensor, Tensor, Tensor | None, list[Tensor | None]]:
        """Spectrogram, series and mask of a view, of which each band may be that of another augmentation.

        Beside them stand the columns that are present in what each band sees.
        """
        transform, bands = self.tokenizer.transform, self.tokenizer.each_band()
        series = view.split(n_channels, dim=1)
        masks = [] if observed is None else observed.split(n_channels, dim=1)
        present: list[Tensor | None] = [self.tokenizer.present(mask) for mask in masks] or [None] * len(series)
        parts = [transform(own) for own in series]
        if len(parts) == 1:
            return parts[0], view, observed, present * len(bands)
        u = torch.cat([part[:, :, band.rows] for band, part in zip(bands, parts, strict=True)], dim=2)
        seen = torch.stack(masks).all(0) if masks else None
        return u, transform.inverse(u), seen, present

    def _ssl(
        self,
        quantized: QuantizedSeries,
        present: Tensor | None,
        z_view: Sequence[Tensor],
        view_present: Sequence[Tensor | None],
    ) -> Tensor:
        """The SSL loss between the quantized series and its view's latents, of each band's coarsest grid; their sum."""
        assert self.ssl_loss is not None
        losses = []
        parts = zip(self.tokenizer.each_band(), quantized.bands, z_view, view_present, self.projectors, strict=True)
        for band, own, z, seen, projector in parts:
            coarsest_view = band.levels(z, seen)[0].float()
            pooled = [
                pool(own.coarsest, band.coarsest_columns(present)),
                pool(coarsest_view, band.coarsest_columns(seen)),
            ]
            losses.append(self.ssl_loss(*projector(torch.stack(pooled))))
        return torch.stack(losses).sum()

    def reconstruction(
        self, x: Tensor, observed: Tensor | None, present: Tensor | None
    ) -> tuple[QuantizedSeries, Tensor, Tensor]:
        """Quantized latents of series x (B, C, T), the reconstruction error (a scalar), and the decoded series."""
        tokenizer = self.tokenizer
        u = tokenizer.transform(x)
        quantized = tokenizer.quantize(tokenizer.latents(u, present), present)
        decoded = tokenizer.reconstruct(quantized.latents)
        return quantized, self._error(u, x, decoded, observed), decoded.series

    def _error(self, u: Tensor, x: Tensor, decoded: Reconstruction, observed: Tensor | None) -> Tensor:
        if observed is None:
            return reconstruction_error(u, x, decoded)
        return observed_error(self.tokenizer.transform, x, decoded, observed)

    def monitor(self, progress: float) -> dict[str, float]:
        """Perplexity of the codes in use, from 1 to their number K; warns once if it is below a quarter of K.

        Args:
            progress: share of the training that is done; in its first tenth the codebook may still be settling.
        """
        usage = self.tokenizer.usage
        perplexity = float(torch.special.entr(usage).sum().exp())
        if progress > 0.1 and perplexity < COLLAPSED * len(usage) and not self.warned:
            self.warned = True
            n_used = int((usage > 0.01 / len(usage)).sum())  # a hundredth of an even share is hardly any series
            warnings.warn(
                f"the codebook is collapsing: {n_used} of {len(usage)} codes are in use (perplexity {perplexity:.1f}); "
                "generated series will be coarse and alike; try tokenizer.dead_code_threshold 1 or another ssl",
                CollapseWarning,
                stacklevel=2,
            )
        return {"perplexity": perplexity}
