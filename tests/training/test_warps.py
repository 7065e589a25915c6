"""Time warps of stage 2: which strength the train split asks for, and what the prior is shown."""

import numpy as np
import pytest
import torch

from ncvqvae import NCVQVAE
from ncvqvae.augmentations import cubic, warped_times
from ncvqvae.data import GlobalScaler
from ncvqvae.data.missing import ScaledSeries
from ncvqvae.training import warps
from ncvqvae.training.stages import prior_stage
from ncvqvae.training.warps import choose_time_warp, warped, with_warped_copies

TIME = np.linspace(0, 1, 96)
SHORT = {"stage1.max_steps": 2, "stage2.max_steps": 2}


def scaled(X: np.ndarray) -> ScaledSeries:
    X = X.astype(np.float32)
    return ScaledSeries(X, GlobalScaler().fit(X))


def bumps(n: int, strength: float) -> np.ndarray:
    """Series of three bumps, and some noise, which differ by a smooth warp of time."""
    rng = np.random.default_rng(0)
    shape = sum(np.exp(-((TIME - at) ** 2) / 0.003) for at in (0.2, 0.5, 0.8))
    X = torch.from_numpy(np.tile(shape, (n, 1, 1)))
    times = warped_times(n, 96, strength, generator=torch.Generator().manual_seed(0))
    return cubic(X, times).numpy() + 0.05 * rng.normal(size=X.shape)


@pytest.mark.parametrize("seed", range(3))
def test_the_strength_is_that_of_the_data(seed: int) -> None:
    strong, _ = choose_time_warp(scaled(bumps(40, 0.3)), seed)
    none, _ = choose_time_warp(scaled(bumps(40, 0.0)), seed)
    assert strong >= 0.1 and none <= 0.05


def test_what_stands_still_is_not_warped() -> None:
    levels = np.sign(np.sin(40 * TIME)) + 0.05 * np.random.default_rng(0).normal(size=(40, 1, 96))
    assert choose_time_warp(scaled(levels), 0) == (0.0, "warps bring one half of the series no nearer to the other")


@pytest.mark.parametrize("seed", range(3))
def test_what_gains_by_chance_is_not_warped(seed: int) -> None:
    places = np.random.default_rng(0).uniform(0.1, 0.9, (60, 3, 1))  # in any order of distances, which no warp gives
    X = sum(np.sign(TIME - place) for place in places.swapaxes(0, 1))
    assert choose_time_warp(scaled(np.asarray(X)[:, None]), seed)[0] == 0.0


def test_noise_that_a_warp_smooths_does_not_forbid_it() -> None:
    noise = np.random.default_rng(1).normal(size=(60, 1, 96))
    strength, _ = choose_time_warp(scaled(4 * bumps(60, 0.3) + noise), 0)
    assert strength > 0


def test_what_gains_often_and_loses_more_is_not_warped(monkeypatch: pytest.MonkeyPatch) -> None:
    gains = [[1.0, *([0.9] * len(warps.STRENGTHS))]] * 19 + [[1.0, *([50.0] * len(warps.STRENGTHS))]]
    distances = iter(np.ravel(gains))
    monkeypatch.setattr("ncvqvae.evaluation.fidelity.frechet_distance", lambda *_: next(distances))
    assert choose_time_warp(scaled(bumps(8, 0.3)), 0)[0] == 0.0


@pytest.mark.parametrize("n", [1, 2, 3])
def test_too_few_series_are_not_warped(n: int) -> None:
    assert choose_time_warp(scaled(bumps(n, 0.3)), 0) == (0.0, f"{n} series, too few to compare halves")


def test_copies_stand_behind_their_series_and_gaps_and_ends_stay_gaps_and_ends() -> None:
    X = bumps(5, 0.2)
    X[0, 0, 30:50] = np.nan
    X[1, 0, 60:] = np.nan
    series = scaled(X)
    shown = with_warped_copies(series, 0.2, seed=0)
    assert len(shown) == 5 * (1 + warps.COPIES)
    np.testing.assert_array_equal(shown.X[:5], series.X)
    for copy in shown.X[5:].reshape(warps.COPIES, *series.X.shape):
        missing = np.isnan(copy[:, 0])
        assert 10 < missing[0].sum() < 40 and not missing[0, [0, -1]].any()
        assert missing[1].tolist() == [False] * 60 + [True] * 36
        assert not missing[2:].any()
    again = warped(series, 0.2, torch.Generator().manual_seed(0))
    np.testing.assert_array_equal(again.X, shown.X[5:10])


def test_many_series_have_fewer_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warps, "MAX_VALUES", 1000)
    assert len(with_warped_copies(scaled(bumps(5, 0.2)), 0.2, seed=0)) == 15
    many = scaled(bumps(20, 0.2))
    assert with_warped_copies(many, 0.2, seed=0) is many  # a memory-mapped array is not read
    assert choose_time_warp(many, 0) == (0.0, "so many series need no warps")


def test_the_prior_is_shown_tokens_of_warped_series_with_their_classes() -> None:
    X = np.concatenate([bumps(8, 0.0), -bumps(8, 0.0)])
    y = np.repeat([0, 1], 8)
    model = NCVQVAE("quick", settings={**SHORT, "stage2.time_warp": 0.5, "stage2.stochastic_tokens": False})
    train = model.prepare(X, y)
    model.fit_prepared(train)
    known = {tuple(tokens) for tokens in model.encode(X).tolist()}
    _, parts = prior_stage(model.config_, train, model._codec)
    seen = [parts.get_batch(torch.arange(16)) for _ in range(8)]
    tokens = torch.cat([batch[0] for batch in seen]).tolist()
    assert len({tuple(row) for row in tokens} - known) > 8
    for _, classes in seen:
        assert classes.tolist() == y.tolist()


def test_what_auto_became_is_said() -> None:
    lines: list[str] = []
    model = NCVQVAE("quick", settings={**SHORT, "stage2.time_warp": "auto"})
    model.fit(bumps(32, 0.3), [0, 1] * 16, explain=lines.extend)
    (line,) = (line for line in lines if line.startswith("stage2.time_warp: "))
    assert line.startswith(f"stage2.time_warp: {model.config_.stage2.time_warp} (")
