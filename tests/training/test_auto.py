"""The augmentation that ``auto`` takes from the train split."""

import numpy as np
import pytest

from ncvqvae.data.missing import ScaledSeries
from ncvqvae.data.scaling import GlobalScaler
from ncvqvae.training.auto import choose_augmentation

N, T = 60, 128
Y = np.arange(N) % 2


def chosen(X: np.ndarray, y: np.ndarray) -> str:
    return choose_augmentation(ScaledSeries(X, GlobalScaler().fit(X)), y, seed=0)


def of_frequency() -> np.ndarray:
    """Both classes are waves everywhere; one is a sixth faster."""
    phases = np.random.default_rng(0).random((N, 1))
    rates = np.where(Y == 0, 12.0, 14.0)[:, None]
    return np.sin(2 * np.pi * (rates * np.arange(T) / T + phases))[:, None]


def of_order() -> np.ndarray:
    """Both classes have a peak and a step; they differ in which comes first."""
    rng = np.random.default_rng(0)
    time, shift = np.arange(T), rng.integers(-8, 9, size=(N, 1))
    peak = np.exp(-((time - 32 - shift) ** 2) / 50.0)
    step = np.where((time > 86 + shift) & (time < 106 + shift), 1.0, 0.0)
    X = peak + step
    X[Y == 1] = X[Y == 1, ::-1]
    return (X + 0.05 * rng.normal(size=X.shape))[:, None]


def test_views_keep_what_tells_the_classes_apart() -> None:
    assert chosen(of_frequency(), Y) == "slice"
    assert chosen(of_order(), Y) == "warp"


def test_the_choice_needs_labels() -> None:
    assert chosen(of_frequency(), np.zeros(N, int)) == "warp"


@pytest.mark.parametrize(("n", "expected"), [(31, "gauss"), (32, "slice")])
def test_few_series_get_noisy_views(n: int, expected: str) -> None:
    assert chosen(of_frequency()[:n], Y[:n]) == expected


def test_gaps_are_filled_in() -> None:
    X = of_frequency()
    X[:, :, 20:24] = np.nan
    assert chosen(X, Y) == "slice"
