"""Parallel decoding of masked tokens (MaskGIT, Chang et al. 2022), over any network given as a callable."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from ncvqvae.config import SamplingConfig
from ncvqvae.errors import InputError
from ncvqvae.prior.masking import masked_share

PIECE = 2**18
"""Number of probabilities in one piece of work. A piece fits a core's cache, which halves the time."""


class Decoded(NamedTuple):
    """Tokens (B, N); for each step the probability of tokens fixed in it (T, B, N; nan elsewhere) and the entropy."""

    tokens: Tensor
    probabilities: Tensor
    entropies: Tensor


class Drawn(NamedTuple):
    """Tokens (M,) with the logarithm of each one's probability (M,), and the entropies (M,) of what they come from."""

    tokens: Tensor
    log_probabilities: Tensor
    entropies: Tensor


def parallel_decode(
    logits_fn: Callable[[Tensor], Tensor],
    tokens: Tensor,
    mask_token: int,
    config: SamplingConfig,
    generator: Generator | None = None,
    first_code: int = 0,
) -> Decoded:
    """Fill every masked token in ``config.n_steps`` passes, the most confident first.

    At step t of T every unknown token is drawn from softmax(logits / temperature); the floor(N_0 gamma(t / T)) least
    confident stay masked, where confidence is log p + c (1 - t / T) Gumbel noise and gamma the schedule.

    Args:
        logits_fn: tokens (B, N) with ``mask_token`` at the M unknown places to the logits there, (M, K).
        tokens: start, (B, N); known tokens never change, and none stays masked.
        mask_token: index that marks an unknown token.
        config: steps, schedule and temperatures.
        generator: source of all randomness (CPU).
        first_code: token that the first of the logits stands for.

    Raises:
        InputError: if logits are not finite.
    """
    n_steps, choice_temperature = config.n_steps, config.choice_temperature
    assert n_steps != "auto" and choice_temperature != "auto"  # settled after training
    n_start = (tokens == mask_token).sum(1).cpu()  # float64 below, which mps has not
    probabilities, entropies = [], []
    for step in range(1, n_steps + 1):
        unknown = tokens == mask_token
        drawn = draw_tokens(logits_fn(tokens), config.temperature, generator)
        if drawn.log_probabilities.isnan().any():
            raise InputError("the prior's logits are not finite: its weights are damaged; fit the model again")
        log_p = drawn.log_probabilities.new_zeros(tokens.shape).masked_scatter(unknown, drawn.log_probabilities)
        share = masked_share(torch.tensor(step / n_steps, dtype=torch.float64), config.schedule)
        n_masked = torch.floor(n_start * share).long() if step < n_steps else torch.zeros_like(n_start)
        noise = choice_temperature * (1 - step / n_steps) * gumbel(log_p.shape, generator).to(log_p)
        confidence = (log_p + noise).masked_fill(~unknown, math.inf)
        still_masked = confidence.argsort(1).argsort(1) < n_masked[:, None].to(tokens.device)
        fixed = unknown & ~still_masked
        tokens = torch.where(fixed, tokens.masked_scatter(unknown, drawn.tokens + first_code), tokens)
        probabilities.append(log_p.exp().masked_fill(~fixed, math.nan))
        entropies.append(drawn.entropies.mean())
    return Decoded(tokens, torch.stack(probabilities), torch.stack(entropies))


def draw_tokens(logits: Tensor, temperature: float, generator: Generator | None = None) -> Drawn:
    """One token per row of logits (M, K), from softmax(logits / temperature)."""

    def of_piece(piece: Tensor) -> Drawn:
        log_p = torch.log_softmax(piece.float() / temperature, dim=-1)
        p = log_p.exp()
        tokens = draw(p, generator)
        return Drawn(tokens, log_p.gather(-1, tokens[:, None]).squeeze(-1), -(p * log_p).sum(-1))

    pieces = logits.split(max(1, PIECE // logits.shape[-1]))
    return Drawn(*map(torch.cat, zip(*map(of_piece, pieces), strict=True)))


def draw(weights: Tensor, generator: Generator | None = None) -> Tensor:
    """One index per row, with probability in proportion to ``weights`` (..., K): inverse of the distribution function.

    One uniform number a row, where noise on every logit would take K of them.
    """
    exact = torch.float32 if weights.device.type == "mps" else torch.float64  # mps has no float64
    cumulative = weights.cumsum(-1, dtype=exact)
    share = (
        torch.rand(weights.shape[:-1], generator=generator, dtype=torch.float64).to(exact).to(weights.device)[..., None]
    )
    found = torch.searchsorted(cumulative, share * cumulative[..., -1:], right=True).squeeze(-1)
    return found.clamp(max=weights.shape[-1] - 1)  # weights that are NaN have no place


def gumbel(shape: torch.Size, generator: Generator | None = None) -> Tensor:
    """Standard Gumbel noise -log(-log U)."""
    return -torch.empty(shape).exponential_(generator=generator).log()
