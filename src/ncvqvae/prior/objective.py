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


@torch.no_grad()
def token_log_likelihoods(
    prior: Prior, tokens: Tensor, classes: Tensor, n_masks: int = 32, seed: int = 0, batch_size: int = 256
) -> Tensor:
    """Log-likelihood per token in nats of each series (B,), a lower bound, estimated from random masks.

    For tokens x of N places, (1 / N) log p(x) >= E_m E_M [ (1 / m) sum_{i in M} log p(x_i | x outside M) ], where m is
    uniform on 1 ... N and M a uniform set of m places: the mean over all orders in which the tokens can be drawn one by
    one (Uria, Murray and Larochelle 2014; in this form Hoogeboom et al. 2022, "Autoregressive Diffusion Models").

    Args:
        prior: network that fills masked tokens.
        tokens: tokens (B, N); those that were not observed (``mask_token``) or are not there (``absent_token``) stay so
            and do not count.
        classes: class indices (B,); ``no_class`` gives the likelihood without a class.
        n_masks: masks; their sizes are spread evenly over 1 ... N, and all series get the same, so that the value of a
            series does not depend on others.
        seed: of the masks.
        batch_size: series in a batch.
    """
    device, generator = prior.codes.device, Generator().manual_seed(seed)
    progress = (torch.arange(n_masks) + torch.rand(n_masks, generator=generator)) / n_masks
    sizes = 1 + (progress * prior.n_tokens).long().clamp(max=prior.n_tokens - 1)
    rank = torch.rand(n_masks, prior.n_tokens, generator=generator).argsort(1).argsort(1)
    masks = (rank < sizes[:, None]).to(device)
    found = []
    for rows in torch.arange(len(tokens)).split(batch_size):
        part, of_class = tokens[rows].to(device), classes[rows].to(device)
        total, counted = torch.zeros(len(rows), device=device), torch.zeros(len(rows), device=device)
        for mask in masks[:, None] & (part < prior.n_codes):
            logits = prior(part.masked_fill(mask, prior.mask_token), of_class, at=mask)
            losses = torch.zeros(part.shape, device=device)
            losses[mask] = F.cross_entropy(logits.float(), part[mask], reduction="none")
            total -= losses.sum(1) / mask.sum(1).clamp(min=1)
            counted += mask.any(1)
        found.append((total / counted).cpu())
    return torch.cat(found)
