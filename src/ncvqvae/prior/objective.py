"""Stage 2's objective: cross-entropy of masked tokens."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from ncvqvae.config import Stage2Config
from ncvqvae.prior.masking import random_masks, ranks
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

        A token that was not observed (``mask_token``) or is not there (``absent_token``) stays so and has no loss. Of
        several grids each batch asks for one by chance, with the coarser ones given.
        """
        config, level = self.config, 0
        if len(self.prior.ends) > 1:
            level = int(torch.randint(len(self.prior.ends), (1,)))
            tokens = tokens[:, : self.prior.ends[level]]
        known = tokens < self.prior.n_codes
        masks = random_masks(len(tokens), self.prior.level_sizes[level], config.schedule, config.schedule_gives)
        n_given = tokens.shape[1] - masks.shape[1]
        known[:, :n_given] = False
        masks = F.pad(masks, (n_given, 0)).to(tokens.device) & known
        dropped = torch.rand(len(classes)).to(classes.device) < config.class_drop
        counted = masks if config.loss_on == "masked" else known
        shown = tokens.masked_fill(masks, self.prior.mask_token)
        logits = self.prior(shown, classes.masked_fill(dropped, self.prior.no_class), at=counted)
        codes = tokens[counted] - self.prior.first_code(level)
        return {"prior": token_loss(logits, codes, config.label_smoothing)}


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
    generator, device = Generator().manual_seed(seed), prior.codes.device
    total, counted = 0.0, 0
    for level, (end, size) in enumerate(zip(prior.ends, prior.level_sizes, strict=True)):
        upto = tokens[:, :end]
        masks = F.pad(random_masks(len(tokens), size, schedule, generator=generator), (end - size, 0))
        masks &= upto < prior.n_codes
        for rows in torch.arange(len(tokens)).split(batch_size):
            known, mask = upto[rows].to(device), masks[rows].to(device)
            logits = prior(known.masked_fill(mask, prior.mask_token), classes[rows].to(device), at=mask)
            total += float(token_loss(logits, known[mask] - prior.first_code(level))) * int(mask.sum())
        counted += int(masks.sum())
    return total / counted if counted else math.nan


@torch.no_grad()
def token_log_likelihoods(
    prior: Prior, tokens: Tensor, classes: Tensor, n_masks: int = 32, seed: int = 0, batch_size: int = 256
) -> Tensor:
    """Log-likelihood per token in nats of each series (B,), a lower bound, estimated from random masks.

    For tokens x of N places, (1 / N) log p(x) >= E_m E_M [ (1 / m) sum_{i in M} log p(x_i | x outside M) ], where m is
    uniform on 1 ... N and M a uniform set of m places: the mean over all orders in which the tokens can be drawn one by
    one (Uria, Murray and Larochelle 2014; in this form Hoogeboom et al. 2022, "Autoregressive Diffusion Models").
    Of several grids each has this bound, given the coarser ones; they count by their numbers of tokens.

    Args:
        prior: network that fills masked tokens.
        tokens: tokens (B, N); those that were not observed (``mask_token``) or are not there (``absent_token``) stay so
            and do not count.
        classes: class indices (B,); ``no_class`` gives the likelihood without a class.
        n_masks: masks of each grid; their sizes are spread evenly over 1 ... N, and all series get the same, so that
            the value of a series does not depend on others.
        seed: of the masks.
        batch_size: series in a batch.
    """
    device, generator = prior.codes.device, Generator().manual_seed(seed)
    weighted, weights = torch.zeros(len(tokens)), torch.zeros(len(tokens))
    for level, (end, size) in enumerate(zip(prior.ends, prior.level_sizes, strict=True)):
        progress = (torch.arange(n_masks) + torch.rand(n_masks, generator=generator)) / n_masks
        n_masked = 1 + (progress * size).long().clamp(max=size - 1)
        masks = F.pad(ranks(n_masks, size, generator) < n_masked[:, None], (end - size, 0)).to(device)
        for rows in torch.arange(len(tokens)).split(batch_size):
            part, of_class = tokens[rows, :end].to(device), classes[rows].to(device)
            total, counted = torch.zeros(len(rows), device=device), torch.zeros(len(rows), device=device)
            for mask in masks[:, None] & (part < prior.n_codes):
                logits = prior(part.masked_fill(mask, prior.mask_token), of_class, at=mask)
                losses = torch.zeros(part.shape, device=device)
                codes = part[mask] - prior.first_code(level)
                losses[mask] = F.cross_entropy(logits.float(), codes, reduction="none")
                total -= losses.sum(1) / mask.sum(1).clamp(min=1)
                counted += mask.any(1)
            known = (part[:, end - size :] < prior.n_codes).sum(1)
            weighted[rows] += torch.where(known > 0, known * total / counted, 0.0).cpu()
            weights[rows] += known.cpu()
    return weighted / weights
