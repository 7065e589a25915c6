from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from tests.references import fidelity as reference

from ncvqvae.errors import InputError
from ncvqvae.evaluation.fidelity import frechet_distance, inception_score, kernel_distance


def features(n: int, seed: int, d: int = 6) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)


def probabilities(n: int, seed: int, n_classes: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(n_classes, 0.3), size=n)


def test_fid_equals_the_reference() -> None:
    a, b = features(60, 0), features(45, 1)
    assert frechet_distance(a, b) == pytest.approx(reference.frechet_distance(a, b), rel=1e-9)
    root = sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    direct = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(direct, rel=1e-8)


def test_fid_with_fewer_rows_than_features() -> None:
    a, b = features(20, 0, d=128), features(300, 1, d=128)
    assert frechet_distance(a, b) == pytest.approx(reference.frechet_distance(a, b), rel=1e-6)


def test_fid_survives_a_large_offset() -> None:
    # moments summed in float32 would lose everything here
    a, b = features(50, 0), features(50, 1)
    assert frechet_distance(a + 1000, b + 1000) == pytest.approx(frechet_distance(a, b), rel=1e-4)


def test_distances_of_a_set_to_itself_vanish() -> None:
    a = features(80, 0, d=32)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-4)
    assert kernel_distance(a, a[::-1].copy()) < 1e-9  # unbiased: below 0 on equal sets


def test_distances_are_symmetric() -> None:
    a, b = features(50, 0), features(50, 1)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a))
    assert kernel_distance(a, b) == pytest.approx(kernel_distance(b, a))


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_distances_grow_with_noise(distance: Callable[..., float]) -> None:
    a, b = features(600, 0).reshape(2, 300, 6)
    noise = np.random.default_rng(2).normal(size=b.shape)
    values = [distance(a, b + scale * noise) for scale in (0, 1, 3, 9)]
    assert values == sorted(values)
    assert values[-1] > 2 * abs(values[0])


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_distances_grow_as_classes_are_dropped(distance: Callable[..., float]) -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(scale=4, size=(4, 6))
    y = np.arange(400) % 4
    real, generated = centres[y] + rng.normal(size=(400, 6)), centres[y] + rng.normal(size=(400, 6))
    values = [distance(real, generated[y < kept]) for kept in (4, 3, 2, 1)]
    assert values == sorted(values)


def test_fid_rewards_copies_of_the_training_series() -> None:
    # known and wanted to be known: the reason why a share of copied series stands beside it
    train, test, generated = features(900, 0).reshape(3, 300, 6) + np.array([0, 0, 4.0])[:, None, None]
    values = [frechet_distance(test, np.concatenate([train[:k], generated[k:]])) for k in (0, 100, 200, 300)]
    assert values == sorted(values, reverse=True)


def test_kid_equals_the_reference_on_sets_of_one_size() -> None:
    a, b = features(25, 0), features(25, 1)
    assert kernel_distance(a, b) == pytest.approx(reference.mmd2_unbiased(a, b), rel=1e-9)


def test_kid_of_unequal_sizes_is_near_the_reference() -> None:
    a, b = features(30, 0), features(60, 1)
    assert kernel_distance(a, b, subsets=200) == pytest.approx(reference.mmd2_unbiased(a, b), rel=0.1)


def test_is_equals_the_reference_on_the_same_splits() -> None:
    p = probabilities(95, 0)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        order = torch.randperm(len(p)).numpy()
    # torchmetrics cuts parts of ceil(n / splits) rows, the last takes the rest
    parts = [reference.inception_score(p[order][i : i + 10])[0] for i in range(0, len(p), 10)]
    assert inception_score(p, seed=3) == pytest.approx(np.mean(parts), rel=1e-9)


def test_is_bounds() -> None:
    one_hot = np.eye(5)[np.arange(500) % 5]
    assert inception_score(one_hot, splits=1) == pytest.approx(5)
    assert inception_score(np.full((50, 5), 0.2)) == pytest.approx(1)
    assert inception_score(one_hot[::5]) == pytest.approx(1)  # one class only


def test_is_falls_as_classes_are_dropped() -> None:
    y = np.arange(400) % 4
    p = 0.9 * np.eye(4)[y] + 0.025
    values = [inception_score(p[y < kept]) for kept in (4, 3, 2, 1)]
    assert values == sorted(values, reverse=True)


def test_is_and_kid_are_seeded_and_leave_the_global_generator_alone() -> None:
    p, a, b = probabilities(97, 0), features(20, 0), features(33, 1)
    before = torch.get_rng_state()
    assert inception_score(p, seed=1) == inception_score(p, seed=1) != inception_score(p, seed=2)
    assert kernel_distance(a, b, seed=1) == kernel_distance(a, b, seed=1) != kernel_distance(a, b, seed=2)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("bad", [np.zeros((1, 3)), np.zeros((0, 3)), np.full((4, 3), np.nan), np.zeros(5)])
def test_what_is_no_distribution_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(InputError):
        frechet_distance(bad, features(5, 0, d=3))
    with pytest.raises(InputError):
        inception_score(bad)
