"""How the codebook is used, which codes occur together, and how sure the prior is while it decodes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np


class TokenUsage(NamedTuple):
    """Use of a codebook: counts per code (K,), perplexity of their distribution (1 … K), number of unused codes."""

    histogram: np.ndarray
    perplexity: float
    dead_codes: int


class DecodingConfidence(NamedTuple):
    """Probability of the selected tokens at each of the T decoding steps.

    `histogram` (T, bins) holds shares that sum to 1 per step, and `edges` (bins + 1,) the limits of its bins over
    (0, 1). `mean` (T,) is the mean probability. `share_sure` (T,) is the share above the threshold; if it is most of
    the tokens from about the third step on, the prior has memorised. A step that selects nothing has NaN.
    """

    histogram: np.ndarray
    edges: np.ndarray
    mean: np.ndarray
    share_sure: np.ndarray


def token_usage(tokens: np.ndarray, codebook_size: int) -> TokenUsage:
    r"""Usage histogram and perplexity of tokens.

    .. math:: \exp\,(-\textstyle\sum_k p_k \log p_k)

    Args:
        tokens: code indices of any shape, in 0 … codebook_size − 1; -1 (nothing was observed) is ignored.
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


def code_histogram(tokens: np.ndarray, codebook_size: int) -> np.ndarray:
    """How often each code occurs in each series: tokens (n, N) → counts (n, K), int64; -1 is ignored."""
    tokens = np.asarray(tokens)
    counts = np.zeros((len(tokens), codebook_size + 1), np.int64)  # index -1 counts in the last column
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


def prior_certainty(probabilities: np.ndarray, entropies: np.ndarray, by_step: int = 3) -> dict[str, float]:
    """How sure a prior is in its first steps: `prior_sure`, the share of drawn tokens above 0.9, and `prior_entropy`.

    Args:
        probabilities: of the tokens drawn at each step (T, n, N), NaN where none was.
        entropies: mean entropy of the tokens still unknown before each step (T,), in nats.
        by_step: number of steps; the thesis looks at the third (results, 0.2.5).
    """
    drawn = probabilities[:by_step]
    confidence = decoding_confidence([drawn[~np.isnan(drawn)]])
    return {"prior_sure": float(confidence.share_sure[0]), "prior_entropy": float(np.nanmean(entropies[:by_step]))}


class CodeSimilarity(NamedTuple):
    """Pearson correlation and cosine similarity of every two code vectors (K, K); nan for a code without variance."""

    correlation: np.ndarray
    cosine: np.ndarray


def code_similarity(codebook: np.ndarray) -> CodeSimilarity:
    """Similarity of the code vectors (K, d); in a collapsed codebook all of them are similar."""
    from sklearn.metrics.pairwise import cosine_similarity

    vectors = np.asarray(codebook, np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = np.corrcoef(vectors)
    return CodeSimilarity(np.atleast_2d(correlation), cosine_similarity(vectors))


class CodePairs(NamedTuple):
    """Codes that occur in the same series: `counts` (K, K) of ordered pairs of tokens, and `pmi` (K, K) in nats."""

    counts: np.ndarray
    pmi: np.ndarray


def code_pairs(tokens: np.ndarray, codebook_size: int) -> CodePairs:
    r"""Co-occurrence and pointwise mutual information of codes, over the pairs of tokens within each series.

    .. math:: \mathrm{PMI}_{ij} = \log \frac{p_{ij}}{p_i \, p_j}

    Reference: Church and Hanks (1990). A pair that never occurs has PMI nan; its estimate would be minus infinity.

    Args:
        tokens: code indices (n, N), N at least 2; -1 (nothing was observed) is ignored.
        codebook_size: number of codes K.

    Raises:
        ValueError: if a series has a single token.
    """
    if tokens.shape[1] < 2:
        raise ValueError("a pair needs two tokens a series")
    histogram = np.stack([np.bincount(row[row != -1], minlength=codebook_size) for row in tokens])
    counts = histogram.T @ histogram - np.diag(histogram.sum(axis=0))  # a token is no pair with itself
    joint = counts / counts.sum()
    expected = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    pmi = np.log(np.divide(joint, expected, out=np.full_like(joint, np.nan), where=counts > 0))
    return CodePairs(counts, pmi)
