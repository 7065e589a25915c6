import numpy as np
import pytest
from scipy.stats import entropy as scipy_entropy

from ncvqvae.evaluation.tokens import (
    code_histogram,
    code_pairs,
    code_similarity,
    decoding_confidence,
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


def test_pairs_agree_with_counting_them() -> None:
    tokens = np.random.default_rng(0).integers(0, 5, (7, 6))
    counts = np.zeros((6, 6))  # the last code never occurs
    for row in tokens:
        for i, a in enumerate(row):
            for j, b in enumerate(row):
                if i != j:
                    counts[a, b] += 1
    found, pmi = code_pairs(tokens, 6)
    share = counts / counts.sum()
    np.testing.assert_array_equal(found, counts)
    for a in range(6):
        for b in range(6):
            if share[a, b]:
                assert pmi[a, b] == pytest.approx(np.log(share[a, b] / (share[a].sum() * share[b].sum())))
            else:
                assert np.isnan(pmi[a, b])
    with pytest.raises(ValueError, match="two tokens"):
        code_pairs(tokens[:, :1], 6)


def test_independent_codes_have_no_mutual_information_and_bound_ones_have() -> None:
    rng = np.random.default_rng(0)
    assert np.abs(code_pairs(rng.integers(0, 4, (4000, 8)), 4).pmi).max() < 0.05
    of_series = np.repeat(rng.integers(0, 4, (4000, 1)), 8, axis=1)
    pmi = code_pairs(of_series, 4).pmi
    np.testing.assert_allclose(np.diagonal(pmi), np.log(4), atol=0.1)
    assert np.isnan(pmi[0, 1])


def test_similarity_of_codes_is_that_of_their_vectors() -> None:
    codebook = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [3.0, 2.0, 1.0], [1.0, 1.0, 1.0]])
    correlation, cosine = code_similarity(codebook)
    np.testing.assert_allclose(correlation[0, :3], [1, 1, -1])
    assert np.isnan(correlation[0, 3])
    np.testing.assert_allclose(cosine[0, 1:], [1, 10 / 14, 6 / np.sqrt(42)])


def test_code_histogram_passes_over_what_was_not_observed() -> None:
    assert code_histogram(np.array([[0, 2, -1], [2, 2, 2]]), 3).tolist() == [[1, 0, 1], [0, 0, 3]]
