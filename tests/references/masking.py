"""Cosine mask schedule and MaskGIT's parallel decoding, one sequence at a time."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Tokens = NDArray[np.integer[Any]]
Mask = NDArray[np.bool_]


def cosine_share_masked(u: float) -> float:
    """Share of tokens MASKED: ``cos(pi u / 2)``, 1 at u = 0, 0 at u = 1, mean 2/pi for u uniform on (0, 1)."""
    return float(np.cos(np.pi * u / 2))


class Decoded(NamedTuple):
    """tokens ``(N,)`` after the last step; the tokens and the mask after each step, ``(T, N)`` each."""

    tokens: Tokens
    history: Tokens
    masks: Mask


def parallel_decode(
    logits_of: Callable[[Tokens, Mask], Array],
    tokens: Tokens,
    mask: Mask,
    token_gumbel: Array,
    confidence_gumbel: Array,
    temperature: float = 4.0,
) -> Decoded:
    """Fill the masked positions of one sequence in T steps, most confident first.

    With N0 positions masked in the beginning, step t = 1 … T does:

    1. draw a token at every masked position: ``argmax_k logits[i, k] + token_gumbel[t-1, i, k]`` (a categorical draw);
    2. confidence ``log p_i(drawn token) + temperature (1 - t/T) confidence_gumbel[t-1, i]``; +inf where already known;
    3. mask the ``floor(N0 cos(pi t / (2 T)))`` least confident positions again; the others are known from now on.

    The last step has cos = 0 and no noise: nothing stays masked. ``logits_of(tokens, mask)`` gives ``(N, K)``; it must
    not read tokens under the mask. tokens, mask (True = masked): ``(N,)``; token_gumbel ``(T, N, K)``;
    confidence_gumbel ``(T, N)``. Chang et al. 2022, "MaskGIT", section 3.2.
    """
    tokens, mask = tokens.copy(), mask.copy()
    n_steps, n_start = len(token_gumbel), int(mask.sum())
    history, masks = [], []
    for t in range(1, n_steps + 1):
        logits = logits_of(tokens, mask)
        log_probability = logits - np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1, keepdims=True))
        log_probability -= logits.max(1, keepdims=True)
        confidence = np.full(len(tokens), np.inf)
        for i in np.flatnonzero(mask):
            tokens[i] = int(np.argmax(logits[i] + token_gumbel[t - 1, i]))
            noise = temperature * (1 - t / n_steps) * confidence_gumbel[t - 1, i]
            confidence[i] = log_probability[i, tokens[i]] + noise
        # 1e-9: cos(pi/2) is 6e-17 in floating point, and N0 cos(pi/3) must floor to N0/2.
        n_masked = int(np.floor(n_start * cosine_share_masked(t / n_steps) + 1e-9))
        mask = np.zeros(len(tokens), dtype=bool)
        mask[np.argsort(confidence, kind="stable")[:n_masked]] = True
        history.append(tokens.copy())
        masks.append(mask.copy())
    return Decoded(tokens, np.array(history), np.array(masks))
