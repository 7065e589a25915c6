import numpy as np
import pytest
from sklearn.metrics import pairwise_distances
from tests.references import fidelity as reference

from ncvqvae.evaluation.neighbours import mean_pairwise_distance, nearest_distances


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


def test_mean_pairwise_distance_equals_sklearn() -> None:
    X = series(31, 0)
    distances = pairwise_distances(X.reshape(31, -1))
    assert mean_pairwise_distance(X) == pytest.approx(distances[np.triu_indices(31, 1)].mean(), rel=1e-6)
