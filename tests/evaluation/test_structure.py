import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from ncvqvae.evaluation.structure import (
    StructureDifferences,
    autocorrelation,
    mean_difference,
    power_spectrum,
    structure_differences,
)


def walks(n: int, seed: int, length: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Two classes of noisy saw teeth in two channels, of different period and direction."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    teeth = np.stack([np.linspace(-1, 1, length), -(np.linspace(0, 3, length) % 1)])[y]
    return np.stack([teeth, 2 * teeth], axis=1) + 0.3 * rng.normal(size=(n, 2, length)), y


def test_autocorrelation_equals_the_formula() -> None:
    X = np.random.default_rng(0).normal(size=(3, 2, 15)) + 5
    centred = X - X.mean(-1, keepdims=True)
    expected = [(centred[..., :-lag] * centred[..., lag:]).sum(-1) / (centred**2).sum(-1) for lag in range(1, 8)]
    np.testing.assert_allclose(autocorrelation(X), np.stack(expected, axis=-1))
    assert (autocorrelation(np.ones((1, 1, 8))) == 0).all()


def test_power_spectrum_finds_a_tone_and_has_sum_1() -> None:
    X = np.sin(2 * np.pi * 5 * np.arange(40) / 40)[None, None] + 3
    spectrum = power_spectrum(X)
    assert spectrum.shape == (1, 20)
    assert spectrum[0, 4] == pytest.approx(1)
    assert spectrum.sum() == pytest.approx(1)


def test_a_set_differs_in_nothing_from_itself_and_the_marginal_is_scipys() -> None:
    X, y = walks(40, 0)
    assert structure_differences(X, X[::-1], y, y[::-1]) == pytest.approx((0, 0, 0, 0), abs=1e-12)
    other, _ = walks(30, 1)
    expected = np.mean([wasserstein_distance(X[:, c].ravel(), other[:, c].ravel() + 1) for c in (0, 1)])
    assert structure_differences(X, other + 1).marginal == pytest.approx(expected)


def differences(X: np.ndarray, y: np.ndarray) -> StructureDifferences:
    return structure_differences(walks(200, 0)[0], X, walks(200, 0)[1], y)


@pytest.mark.parametrize("name", StructureDifferences._fields)
def test_every_difference_grows_with_noise(name: str) -> None:
    X, y = walks(200, 1)
    noise = np.random.default_rng(2).normal(size=X.shape)
    noise[..., :] += np.random.default_rng(3).normal(size=X.shape[1:])  # an error that the mean does not cancel
    values = [getattr(differences(X + scale * noise, y), name) for scale in (0, 0.5, 1, 2)]
    assert values == sorted(values)
    assert values[-1] > 3 * values[0]


@pytest.mark.parametrize("name", StructureDifferences._fields)
def test_every_difference_grows_as_a_class_goes_missing(name: str) -> None:
    X, y = walks(200, 1)
    keep = [np.flatnonzero((y == 0) | (np.arange(200) < n)) for n in (200, 100, 40, 0)]
    values = [getattr(differences(X[rows], y[rows]), name) for rows in keep]
    if name != "mean":  # the mean of a class does not depend on how often it was generated
        assert values == sorted(values)
    assert values[-1] > 2 * max(values[0], 0.01)


def test_swapped_labels_and_time_reversal_show_in_the_class_means_alone() -> None:
    X, y = walks(200, 1)
    plain, reversed_, swapped = differences(X, y), differences(X[..., ::-1], y), differences(X, 1 - y)
    for changed in (reversed_, swapped):
        assert changed.mean > 5 * plain.mean
        assert changed[:3] == pytest.approx(plain[:3])


def test_segments_of_other_series_show_in_autocorrelation_and_spectrum() -> None:
    X, y = walks(200, 1)
    plain, values = differences(X, y), []
    for n_segments in (2, 6, 12):
        rows = np.random.default_rng(0).integers(200, size=(200, n_segments))
        parts = np.split(np.arange(48), n_segments)
        mixed = np.concatenate([X[rows[:, i]][..., part] for i, part in enumerate(parts)], axis=-1)
        values.append(differences(mixed, y))
    acf = [plain.acf, *(found.acf for found in values)]
    assert acf == sorted(acf)
    assert values[0].spectrum > 2 * plain.spectrum
    assert values[-1].marginal < 0.1


def test_what_lies_behind_the_end_does_not_count() -> None:
    X, y = walks(40, 0)
    longer = np.concatenate([X, np.full((40, 2, 6), np.nan)], axis=-1)
    other, y_other = walks(40, 1)
    padded = np.concatenate([other, np.full((40, 2, 6), np.nan)], axis=-1)
    plain, ragged = structure_differences(X, other, y, y_other), structure_differences(longer, padded, y, y_other)
    assert (ragged.marginal, ragged.mean) == pytest.approx((plain.marginal, plain.mean))
    assert np.isfinite(ragged).all()


def test_a_class_that_was_not_generated_is_compared_with_all() -> None:
    X, y = walks(40, 0)
    only = X[y == 0]
    expected = np.sqrt(((X[y == 1].mean(0) - only.mean(0)) ** 2).mean()) / 2
    assert mean_difference(X, only, y, y[y == 0]) == pytest.approx(expected)
