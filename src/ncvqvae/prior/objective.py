"""Stage 2's objective: cross-entropy of masked tokens."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from ncvqvae.config import Stage2Config
from ncvqvae.prior.masking import random_masks
from ncvqvae.prior.prior import Prior


class PriorObjective(nn.Module):
    """Cross-entropy between true tokens and the prior's prediction from a randomly masked grid.

    Args:
        prior: the network that is trained.
        config: mask schedule, which tokens count, smoothing, share of series shown without class.
    """

    def __init__(self, prior: Prior, config: Stage2Config) -> None:
        super().__init__()
        self.prior, self.config = prior, config

    def forward(self, tokens: Tensor, classes: Tensor) -> dict[str, Tensor]:
        """Named loss terms of tokens (B, N) with class indices (B,).

        A token that was not observed (``mask_token``) or is not there (``absent_token``) stays so and has no loss.
        """
        config = self.config
        known = tokens < self.prior.n_codes
        masks = random_masks(len(tokens), tokens.shape[1], config.schedule, config.schedule_gives).to(tokens.device)
        masks &= known
        dropped = torch.rand(len(classes)).to(classes.device) < config.class_drop
        counted = masks if config.loss_on == "masked" else known
        shown = tokens.masked_fill(masks, self.prior.mask_token)
        logits = self.prior(shown, classes.masked_fill(dropped, self.prior.no_class), at=counted)
        return {"prior": token_loss(logits, tokens[counted], config.label_smoothing)}


def token_loss(logits: Tensor, tokens: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy in nats of logits (M, K) against tokens (M,); 0 where there are none."""
    losses = F.cross_entropy(logits.float(), tokens, reduction="sum", label_smoothing=label_smoothing)
    return losses / max(len(tokens), 1)


@torch.no_grad()
def masked_token_loss(
    prior: Prior, tokens: Tensor, classes: Tensor, schedule: str = "cosine", seed: int = 0, batch_size: int = 256
) -> float:
    """Prior loss of the NC-VQVAE thesis: mean cross-entropy in nats on masked tokens, with the class given.

    ``schedule`` sets the share of masked tokens. The loss is NaN if no token is masked, as
    when hardly anything was observed.
    """
    generator = Generator().manual_seed(seed)
    masks = random_masks(len(tokens), tokens.shape[1], schedule, generator=generator) & (tokens < prior.n_codes)
    total = 0.0
    for rows in torch.arange(len(tokens)).split(batch_size):
        known, mask = tokens[rows].to(prior.codes.device), masks[rows].to(prior.codes.device)
        logits = prior(known.masked_fill(mask, prior.mask_token), classes[rows].to(prior.codes.device), at=mask)
        total += float(token_loss(logits, known[mask])) * int(mask.sum())
    return total / int(masks.sum()) if masks.any() else math.nan
