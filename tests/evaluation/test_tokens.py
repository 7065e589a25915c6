import numpy as np
import pytest
from scipy.stats import entropy as scipy_entropy

from ncvqvae.evaluation.tokens import (
    code_histogram,
    code_pairs,
    code_similarity,
    decoding_confidence,
    decoding_entropy,
    entropy,
    token_usage,
)


def test_usage_by_hand() -> None:
    usage = token_usage(np.array([[0, 0], [3, 3]]), codebook_size=6)
    assert usage.histogram.tolist() == [2, 0, 0, 2, 0, 0]
    assert usage.perplexity == pytest.approx(2)
    assert usage.dead_codes == 4


def test_perplexity_falls_as_the_codebook_collapses() -> None:
    tokens = np.random.default_rng(0).integers(0, 32, size=(50, 40))
    values = [token_usage(np.where(tokens < alive, tokens, 0), 32).perplexity for alive in (32, 16, 4, 1)]
    assert values == sorted(values, reverse=True)
    assert values[0] == pytest.approx(32, rel=0.02)
    assert values[-1] == 1


@pytest.mark.parametrize("tokens", [[], [-1], [4]])
def test_tokens_outside_the_codebook_are_refused(tokens: list[int]) -> None:
    with pytest.raises(ValueError, match="0 … 3"):
        token_usage(np.array(tokens, dtype=int), 4)


def test_entropy_equals_scipy() -> None:
    p = np.random.default_rng(0).dirichlet(np.ones(7), size=(3, 5))
    p[0, 0] = np.eye(7)[2]
    np.testing.assert_allclose(entropy(p), scipy_entropy(p, axis=-1), atol=1e-12)


def test_confidence_per_step() -> None:
    steps = [np.array([[0.05, 0.15], [0.95, 0.25]]), np.array([0.92, 0.97, 1.0]), np.array([])]
    confidence = decoding_confidence(steps, bins=10)
    np.testing.assert_allclose(confidence.histogram[0], np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 1]) / 4)
    np.testing.assert_allclose(confidence.histogram[1], np.eye(10)[9])
    np.testing.assert_allclose(confidence.mean[:2], [0.35, 2.89 / 3])
    np.testing.assert_allclose(confidence.share_sure[:2], [0.25, 1])
    assert np.isnan(confidence.histogram[2]).all()
    assert np.isnan([confidence.mean[2], confidence.share_sure[2]]).all()


def test_entropy_per_step() -> None:
    uniform, certain = np.full((2, 3, 8), 1 / 8), np.eye(8)
    np.testing.assert_allclose(decoding_entropy([uniform, certain]), [np.log(8), 0])
    assert np.isnan(decoding_entropy([np.zeros((0, 8))]))


def test_code_similarity_equals_numpy() -> None:
    codebook = np.random.default_rng(0).normal(size=(5, 7)) + 1
    found = code_similarity(codebook)
    np.testing.assert_allclose(found.correlation, np.corrcoef(codebook))
    unit = codebook / np.linalg.norm(codebook, axis=1, keepdims=True)
    np.testing.assert_allclose(found.cosine, unit @ unit.T)
    assert (code_similarity(np.ones((2, 3))).correlation == 0).all()


def test_code_pairs_equal_a_count_by_hand() -> None:
    tokens = np.random.default_rng(0).integers(0, 4, size=(6, 5))
    counts = np.zeros((5, 5))
    for row in tokens:
        for i, first in enumerate(row):
            for j, second in enumerate(row):
                counts[first, second] += i != j
    found = code_pairs(tokens, 5)
    np.testing.assert_array_equal(found.counts, counts)
    p = counts / counts.sum()
    assert found.pmi[1, 2] == pytest.approx(np.log(p[1, 2] / (p[1].sum() * p[2].sum())))
    assert np.isnan(found.pmi[4]).all()


def test_codes_that_never_meet_and_codes_that_always_do() -> None:
    apart = code_pairs(np.repeat([[0], [1]], 4, axis=1), 2)
    assert apart.counts[0, 1] == 0 and apart.pmi[0, 0] == pytest.approx(np.log(2))
    independent = np.random.default_rng(0).integers(0, 3, size=(2000, 10))
    np.testing.assert_allclose(code_pairs(independent, 3).pmi, 0, atol=0.02)


def test_code_histogram_passes_over_what_was_not_observed() -> None:
    assert code_histogram(np.array([[0, 2, -1], [2, 2, 2]]), 3).tolist() == [[1, 0, 1], [0, 0, 3]]
