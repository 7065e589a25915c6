"""How the codebook is used, which codes go together, and how sure the prior is while it decodes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np


class TokenUsage(NamedTuple):
    """Use of a codebook: counts per code (K,), perplexity of their distribution (1 … K), number of unused codes."""

    histogram: np.ndarray
    perplexity: float
    dead_codes: int


class CodeSimilarity(NamedTuple):
    """Between the codes of a codebook: Pearson `correlation` (K, K) and `cosine` similarity (K, K)."""

    correlation: np.ndarray
    cosine: np.ndarray


class CodePairs(NamedTuple):
    """Which codes stand in one series: `counts` (K, K) of ordered pairs of positions, and their `pmi` (K, K) in nats.

    The pointwise mutual information is nan where a pair never occurs.
    """

    counts: np.ndarray
    pmi: np.ndarray


class DecodingConfidence(NamedTuple):
    """Probability of the selected tokens at each of the T decoding steps.

    `histogram` (T, bins) holds shares that sum to 1 per step, `edges` (bins + 1,) their bins over (0, 1), `mean` (T,)
    the mean probability, `share_sure` (T,) the share above the threshold: memorisation shows as most of the mass
    there from about the third step on. A step that selects nothing has NaN.
    """

    histogram: np.ndarray
    edges: np.ndarray
    mean: np.ndarray
    share_sure: np.ndarray


def token_usage(tokens: np.ndarray, codebook_size: int) -> TokenUsage:
    r"""Usage histogram and perplexity of tokens.

    .. math:: \exp\,(-\textstyle\sum_k p_k \log p_k)

    Args:
        tokens: code indices of any shape, in 0 … codebook_size − 1; -1 (nothing was observed) is passed over.
        codebook_size: number of codes K.

    Raises:
        ValueError: if a token lies outside the codebook.
    """
    flat = np.asarray(tokens).ravel()
    flat = flat[flat != -1]
    if flat.size == 0 or flat.min() < 0 or flat.max() >= codebook_size:
        raise ValueError(f"tokens must be in 0 … {codebook_size - 1}, and at least one")
    histogram = np.bincount(flat, minlength=codebook_size)
    perplexity = float(np.exp(entropy(histogram / flat.size)))
    return TokenUsage(histogram, perplexity, int((histogram == 0).sum()))


def code_similarity(codebook: np.ndarray) -> CodeSimilarity:
    """Correlation and cosine similarity between the code vectors (K, d); 0 for a code without direction."""
    from sklearn.metrics.pairwise import cosine_similarity

    codes = np.asarray(codebook, np.float64)
    centred = codes - codes.mean(axis=1, keepdims=True)
    return CodeSimilarity(correlation=cosine_similarity(centred), cosine=cosine_similarity(codes))


def code_pairs(tokens: np.ndarray, codebook_size: int) -> CodePairs:
    r"""Co-occurrence of codes within a series, and pointwise mutual information.

    .. math:: c_{kl} = \sum_x n_k(x) \, (n_l(x) - [k = l]), \quad
        \mathrm{PMI}_{kl} = \log \frac{p_{kl}}{p_k p_l}, \; p_{kl} = c_{kl} / \textstyle\sum c, \;
        p_k = \sum_l p_{kl}

    Args:
        tokens: code indices (n, N), N at least 2.
        codebook_size: number of codes K.

    Reference: Church and Hanks, "Word association norms, mutual information, and lexicography" (1990).
    """
    histogram = code_histogram(tokens, codebook_size)
    counts = histogram.T @ histogram - np.diag(histogram.sum(axis=0))
    joint = counts / counts.sum()
    marginal = joint.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        pmi = np.log(joint / np.outer(marginal, marginal))
    return CodePairs(counts, np.where(counts > 0, pmi, np.nan))


def code_histogram(tokens: np.ndarray, codebook_size: int) -> np.ndarray:
    """How often each code stands in each series: tokens (n, N) → counts (n, K), int64; -1 is passed over."""
    tokens = np.asarray(tokens)
    counts = np.zeros((len(tokens), codebook_size + 1), np.int64)  # the last column takes the -1
    np.add.at(counts, (np.arange(len(tokens))[:, None], tokens), 1)
    return counts[:, :-1]


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """Shannon entropy in nats over the last axis (…, K) → (…)."""
    from scipy.special import entr

    return entr(np.asarray(probabilities, np.float64)).sum(axis=-1)


def decoding_confidence(selected: Iterable[np.ndarray], bins: int = 20, sure_above: float = 0.9) -> DecodingConfidence:
    """Distribution of the probability the prior gave to the tokens it selected, step by step.

    Args:
        selected: for each decoding step the probabilities of the tokens fixed in that step, of any shape.
        bins: bins of the histogram over (0, 1).
        sure_above: threshold of `share_sure`.
    """
    edges = np.linspace(0, 1, bins + 1)
    rows, means, sure = [], [], []
    for step in selected:
        p = np.asarray(step, np.float64).ravel()
        counts = np.histogram(p, edges)[0]
        rows.append(counts / p.size if p.size else np.full(bins, np.nan))
        means.append(p.mean() if p.size else np.nan)
        sure.append((p > sure_above).mean() if p.size else np.nan)
    return DecodingConfidence(np.stack(rows), edges, np.array(means), np.array(sure))


def decoding_entropy(probabilities: Iterable[np.ndarray]) -> np.ndarray:
    """Mean entropy in nats of the predicted token distributions at each decoding step: (T,).

    Args:
        probabilities: for each step the distributions (…, K) over the codes at the positions still masked.
    """
    steps = [entropy(step) for step in probabilities]
    return np.array([step.mean() if step.size else np.nan for step in steps])
