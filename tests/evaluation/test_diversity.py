import numpy as np
import pytest
from sklearn.metrics import pairwise_distances
from tests.references import fidelity as reference

from ncvqvae.evaluation.diversity import copied_share, intra_class_spread, mean_pairwise_distance, nearest_distances


def series(n: int, seed: int, channels: int = 2, length: int = 9) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, channels, length)).astype(np.float32)


def test_nearest_distances_equal_the_reference() -> None:
    queries, train = series(30, 0), series(20, 1)
    expected = reference.distance_to_nearest(queries.astype(np.float64), train.astype(np.float64))
    np.testing.assert_allclose(nearest_distances(queries, train), expected, rtol=1e-12)


def test_distance_to_a_copy_is_exactly_zero_even_far_from_the_origin() -> None:
    train = series(20, 1) + 1000
    assert (nearest_distances(train[::-1].copy(), train) == 0).all()
    near = train.copy()
    near[:, 0, 0] += 0.01
    np.testing.assert_allclose(nearest_distances(near, train), 0.01, rtol=0.02)


def test_copied_share_equals_the_reference() -> None:
    generated, train, heldout = series(40, 0), series(25, 1), series(50, 2)
    generated[:15] = train[:15] + 0.3 * generated[:15]
    result = copied_share(generated, train, heldout, quantile=0.2)
    assert result.share == pytest.approx(reference.copied_share(generated, train, heldout, 0.2))
    assert 0.3 < result.share < 0.8
    assert result.distances.shape == (40,)
    assert result.heldout_distances.shape == (50,)


def test_real_data_gets_the_quantile_back_and_copies_raise_it() -> None:
    train, heldout, more = series(60, 0), series(2000, 1), series(2000, 2)
    shares = []
    for n_copied in (0, 200, 600, 2000):
        generated = more.copy()
        generated[:n_copied] = train[np.arange(n_copied) % len(train)]
        shares.append(copied_share(generated, train, heldout).share)
    assert shares[0] == pytest.approx(0.05, abs=0.02)
    np.testing.assert_allclose(shares[1:], [0.1 + 0.9 * 0.05, 0.3 + 0.7 * 0.05, 1], atol=0.02)


def test_copied_share_per_class() -> None:
    train, heldout, generated = series(20, 0), series(40, 1), series(30, 2)
    y = np.array(["a", "b", "c"] * 10, dtype=object)
    generated[y == "b"] = train[:10]
    result = copied_share(generated, train, heldout, y_generated=y, y_heldout=np.arange(40) % 4)
    assert list(result.per_class) == ["a", "b", "c"]
    assert result.per_class["b"] == 1 > result.per_class["a"]
    assert np.mean(list(result.per_class.values())) == pytest.approx(result.share)
    assert np.mean(list(result.heldout_per_class.values())) == pytest.approx(0.05)


def test_mean_pairwise_distance_equals_sklearn() -> None:
    X = series(31, 0)
    distances = pairwise_distances(X.reshape(31, -1))
    assert mean_pairwise_distance(X) == pytest.approx(distances[np.triu_indices(31, 1)].mean(), rel=1e-6)


def test_spread_falls_as_a_class_collapses() -> None:
    real, y = series(60, 0), np.arange(60) % 3
    ratios = []
    for scale in (1.0, 0.5, 0.1, 0.0):
        generated = series(60, 1)
        generated[y == 1] *= scale
        spread = intra_class_spread(generated, y, real, y)
        assert spread[0].ratio == pytest.approx(1, abs=0.1)
        ratios.append(spread[1].ratio)
    np.testing.assert_allclose(ratios, ratios[0] * np.array([1.0, 0.5, 0.1, 0.0]), atol=1e-5)


def test_a_class_with_one_series_has_no_spread() -> None:
    X = series(5, 0)
    assert list(intra_class_spread(X, np.array([0, 0, 1, 1, 2]), X, np.array([0, 0, 0, 1, 2]))) == [0]


def test_a_tokenizer_that_maps_heldout_series_onto_training_series_does_not_hide_copies() -> None:
    rng = np.random.default_rng(0)
    train, far = rng.normal(size=(20, 1, 8)), rng.normal(size=(80, 1, 8))
    heldout = np.concatenate([train[:10], far])  # more than 5 % coincide: the quantile is 0
    copied = copied_share(train, train, heldout)
    assert copied.threshold == 0
    assert copied.share == 1
    assert (copied.heldout_distances <= copied.threshold).mean() == pytest.approx(10 / 90)
