"""The references against cases small enough to work out by hand."""

import numpy as np
import pytest

from . import augmentations, codebook, fidelity, masking, spectrogram, ssl


def test_stft_of_a_constant_has_only_the_window_itself() -> None:
    # sum of the Hann window = n_fft/2 = 4 in row 0, its transform -n_fft/4 = -2 in row 1, zero elsewhere
    rows = spectrogram.stft(np.full((1, 9), 3.0))
    assert rows.shape == (2, 5, 5)
    np.testing.assert_allclose(rows[0], np.repeat([[12.0], [-6.0], [0.0], [0.0], [0.0]], 5, axis=1), atol=1e-12)
    np.testing.assert_allclose(rows[1], 0, atol=1e-12)


def test_stft_pads_by_reflection() -> None:
    # first frame is centred on x[0] and sees x[4] x[3] x[2] x[1] x[0] x[1] x[2] x[3]: a unit at x[1] counts at n = 3, 5
    x = np.zeros((1, 8))
    x[0, 1] = 1.0
    w = (1 - np.cos(2 * np.pi * 3 / 8)) / 2
    np.testing.assert_allclose(spectrogram.stft(x)[0, 0, 0], 2 * w)
    np.testing.assert_allclose(spectrogram.stft(x)[0, 4, 0], -2 * w)


@pytest.mark.parametrize("length", [16, 17, 21])
def test_istft_inverts_stft(length: int) -> None:
    x = np.random.default_rng(length).normal(size=(2, length))
    np.testing.assert_allclose(spectrogram.istft(spectrogram.stft(x), length), x, atol=1e-12)


def test_barlow_twins_by_hand() -> None:
    orthogonal = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    assert ssl.barlow_twins(orthogonal, orthogonal) == pytest.approx(0)
    assert ssl.barlow_twins(orthogonal, 3 - 2 * orthogonal) == pytest.approx(4)  # C = -I: (1/2) 2 (1 + 1)^2
    equal = orthogonal[:, [0, 0]]
    assert ssl.barlow_twins(equal, equal) == pytest.approx(0.005)  # C all ones: (1/2) 0.005 2


def test_vibcreg_terms_by_hand() -> None:
    z = np.array([[1.0, 1], [-1, -1]])
    assert ssl.invariance_term(z, np.zeros_like(z)) == 1
    assert ssl.variance_term(z) == 0  # unbiased variance 2
    assert ssl.variance_term(np.zeros_like(z)) == pytest.approx(0.99)
    assert ssl.variance_term(0.5 * z, ddof=0) == pytest.approx(1 - np.sqrt(0.2501))
    assert ssl.covariance_term(z) == pytest.approx(0.5)  # correlation 1 in two of four entries
    assert ssl.vibcreg(z, 0.1 * z) == pytest.approx(0.01 * (25 * 0.81 + 25 * (1 - np.sqrt(0.0201)) + 100 * 1.0))


def test_iterative_normalisation_of_one_column_is_standardisation() -> None:
    z = np.random.default_rng(0).normal(2, 3, size=(50, 4))
    expected = (z - z.mean(0)) / z.std(0)
    np.testing.assert_allclose(ssl.iterative_normalisation(z, n_groups=4), expected, rtol=1e-5)


def test_iterative_normalisation_approaches_whitening() -> None:
    # correlated but well conditioned: the plain Newton iteration amplifies round-off when run far past convergence
    z = np.random.default_rng(0).normal(size=(200, 4)) @ (np.eye(4) + 0.3)
    whitened = ssl.iterative_normalisation(z, n_groups=1, n_iterations=12)
    np.testing.assert_allclose(whitened.T @ whitened / len(z), np.eye(4), atol=1e-3)


def test_window_warp_by_hand() -> None:
    # L = 5, window x[1:3] = 1, 2 stretched to 4 points 1, 4/3, 5/3, 2; seven points 0 1 4/3 5/3 2 3 4 resampled to 5
    x = np.arange(5.0)[None]
    warped = augmentations.window_warp(x, start=1, factor=2.0)
    np.testing.assert_allclose(warped, [[0, 1 + 1 / 6, 5 / 3, 2.5, 4]])
    np.testing.assert_allclose(augmentations.window_warp(x, start=2, factor=1.0), x)


def test_other_augmentations_by_hand() -> None:
    x = np.arange(12.0).reshape(2, 6)
    np.testing.assert_array_equal(augmentations.amplitude_resize(x, 0.5), 1.5 * x)
    np.testing.assert_array_equal(augmentations.amplitude_resize(x, [0.0, 1.0]), np.stack([x[0], 2 * x[1]]))
    shuffled = augmentations.slice_and_shuffle(x, [4, 1, 2], [3, 0, 2, 1])
    np.testing.assert_array_equal(shuffled, x[:, [4, 5, 0, 2, 3, 1]])
    np.testing.assert_array_equal(augmentations.gaussian_noise(x, -x), 0 * x)


def test_codebook_by_hand() -> None:
    codes = np.array([[0.0, 0.0], [10.0, 0.0]])
    vectors = np.array([[1.0, 1.0], [9.0, 0.0], [1.0, -1.0], [5.0, 0.0]])  # the last is a tie
    np.testing.assert_array_equal(codebook.nearest(vectors, codes), [0, 1, 0, 0])
    assert codebook.commitment(vectors[:3], codes) == pytest.approx(5 / 6)
    np.testing.assert_allclose(codebook.stochastic_probabilities(vectors[3:], codes), [[0.5, 0.5]])
    book = codebook.ema_update(codebook.Codebook(codes, np.ones(2), codes.copy()), vectors[:3], eps=0)
    np.testing.assert_allclose(book.counts, [1.1, 1.0])
    np.testing.assert_allclose(book.sums, [[0.2, 0.0], [9.9, 0.0]])
    np.testing.assert_allclose(book.codes, [[0.2 / 1.1, 0.0], [9.9, 0.0]])


def test_cosine_schedule_has_mean_two_over_pi() -> None:
    assert masking.cosine_share_masked(0) == 1
    assert masking.cosine_share_masked(2 / 3) == pytest.approx(0.5)
    middles = (np.arange(1000) + 0.5) / 1000
    assert np.mean([masking.cosine_share_masked(u) for u in middles]) == pytest.approx(2 / np.pi, abs=1e-6)


def test_decoding_by_hand_without_noise() -> None:
    # Three steps: floor(3 cos 30°) = 2, floor(3 cos 60°) = 1, then 0 stay masked. Most confident first: 1, 2, 0.
    logits = np.log([[0.6, 0.4], [0.1, 0.9], [0.3, 0.7]])
    still = np.zeros((3, 3, 2)), np.zeros((3, 3))
    start = np.zeros(3, dtype=np.int64), np.ones(3, dtype=bool)
    decoded = masking.parallel_decode(lambda tokens, mask: logits, *start, *still)
    np.testing.assert_array_equal(decoded.tokens, [0, 1, 1])
    np.testing.assert_array_equal(decoded.masks, [[1, 0, 1], [1, 0, 0], [0, 0, 0]])


def test_decoding_noise_and_known_tokens() -> None:
    logits = np.log([[0.6, 0.4], [0.1, 0.9], [0.3, 0.7]])
    known = np.array([1, 0, 0]), np.array([False, True, True])
    token_gumbel, confidence_gumbel = np.zeros((2, 3, 2)), np.zeros((2, 3))
    token_gumbel[0, 2, 0] = 5.0  # turns the draw at position 2 into token 0, confidence log 0.3
    confidence_gumbel[0, 2] = 1.0  # times 4 (1 - 1/2) = 2: log 0.3 + 2 > log 0.9, so position 2 is kept first
    decoded = masking.parallel_decode(lambda tokens, mask: logits, *known, token_gumbel, confidence_gumbel)
    np.testing.assert_array_equal(decoded.masks, [[0, 1, 0], [0, 0, 0]])
    np.testing.assert_array_equal(decoded.tokens, [1, 1, 0])


def test_frechet_distance_by_hand() -> None:
    x = np.array([[-1.0], [1.0]])  # mean 0, variance 2
    assert fidelity.frechet_distance(x, x) == pytest.approx(0, abs=1e-12)
    assert fidelity.frechet_distance(x, 3 * x + 1) == pytest.approx(1 + (3 - 1) ** 2 * 2)
    square = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])  # covariance (2/3) I
    assert fidelity.frechet_distance(square, square * [1, 2]) == pytest.approx(2 / 3)


def test_inception_score_by_hand() -> None:
    certain = np.eye(4)
    assert fidelity.inception_score(certain) == pytest.approx(4)
    np.testing.assert_allclose(fidelity.inception_score(certain, n_splits=2), [2, 2])
    assert fidelity.inception_score(np.full((6, 3), 1 / 3)) == pytest.approx(1)


def test_mmd_by_hand() -> None:
    x, y = np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]])
    # k(0,1) = 1, k(1,2) = 27; across: k(0,1) + k(0,2) + k(1,1) + k(1,2) = 1 + 1 + 8 + 27
    assert fidelity.mmd2_unbiased(x, y) == pytest.approx(1 + 27 - 2 * 37 / 4)


def test_copied_share_by_hand() -> None:
    train = np.zeros((1, 1, 4))
    held_out = np.arange(1.0, 22.0)[:, None, None] * np.array([[[1.0, 0, 0, 0]]])  # distances 1 … 21, 5 % quantile 2
    generated = np.array([1.0, 1.9, 2.0, 5.0])[:, None, None] * np.array([[[0.0, 1, 0, 0]]])
    assert fidelity.copied_share(generated, train, held_out) == pytest.approx(0.5)
    assert fidelity.copied_share(held_out, train, held_out) == pytest.approx(1 / 21)
