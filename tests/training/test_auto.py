"""What ``auto`` becomes on the facts of a train split."""

from typing import Any

import numpy as np
import pytest

from ncvqvae.config import PriorConfig, Stage1Config, Stage2Config
from ncvqvae.data.missing import ScaledSeries
from ncvqvae.data.scaling import GlobalScaler
from ncvqvae.training.auto import (
    LINEAR_CASES,
    TIED_CODES,
    choose_augmentation,
    input_mode,
    linear_rank,
    token_temperature,
    warped_share,
)

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


@pytest.mark.parametrize("n_codes", [TIED_CODES, TIED_CODES + 1])
def test_auto_ties_the_output_to_few_codes(n_codes: int) -> None:
    assert input_mode(PriorConfig(input_mode="auto"), n_codes) == (
        "token" if n_codes == TIED_CODES else "codebook-finetuned"
    )
    assert input_mode(PriorConfig(input_mode="codebook"), n_codes) == "codebook"


def test_auto_maps_linearly_where_there_are_many_series() -> None:
    auto = PriorConfig(linear_rank="auto")
    assert linear_rank(auto, LINEAR_CASES - 1) == 0 < linear_rank(auto, LINEAR_CASES)
    assert linear_rank(PriorConfig(linear_rank=3), 20) == 3


@pytest.mark.parametrize(
    ("given", "n_cases", "expected"), [("auto", 31, 0.0), ("auto", 32, 0.5), (0.3, 2, 0.3), (0.0, 500, 0.0)]
)
def test_few_series_are_not_warped(given: Any, n_cases: int, expected: float) -> None:
    assert warped_share(Stage1Config(warped_share=given), n_cases) == expected


@pytest.mark.parametrize(
    ("given", "n_cases", "expected"), [("auto", 2, 1.0), ("auto", 31, 1.0), ("auto", 32, 0.1), (0.3, 2, 0.3)]
)
def test_few_series_keep_the_noise_of_their_tokens(given: Any, n_cases: int, expected: float) -> None:
    assert token_temperature(Stage2Config(token_temperature=given), n_cases) == expected
