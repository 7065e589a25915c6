"""Flat parts: what counts as one, what stays, and that a model gives them back as flat as train has them."""

import copy
from pathlib import Path

import numpy as np
import pytest
from tests.waves import SMALL, two_classes

from ncvqvae import NCVQVAE
from ncvqvae.data.flat import TOLERANCES, flattened, still_share
from ncvqvae.data.scaling import GlobalScaler


def levels(n: int, seed: int = 0) -> np.ndarray:
    """Series (n, 1, 60) that jump between 0, 1 and 2 and hold each value for four to twenty steps."""
    rng = np.random.default_rng(seed)
    X = np.empty((n, 1, 60))
    for row in X[:, 0]:
        start, value = 0, 0
        while start < 60:
            value = (value + rng.integers(1, 3)) % 3
            end = start + rng.integers(4, 21)
            row[start:end] = value
            start = end
    return X


def ripples(X: np.ndarray, size: float, seed: int = 1) -> np.ndarray:
    return X + size * np.random.default_rng(seed).uniform(-1, 1, X.shape)


def test_rippled_levels_are_flat_again_and_jump_where_they_did() -> None:
    X = levels(50)
    made = flattened(ripples(X, 0.04), 0.1)
    assert still_share(ripples(X, 0.04)) == 0 and still_share(made) > 0.98 * still_share(X)
    assert np.abs(made - X).max() < 0.04
    jumps = np.diff(X, axis=-1) != 0
    np.testing.assert_array_equal(np.abs(np.diff(made, axis=-1)) > 0.5, jumps)


def test_slopes_stay_slopes() -> None:
    for length in (30, 500):
        slope = np.linspace(0, 3, length)[None, None]
        np.testing.assert_array_equal(flattened(slope, 0.2), slope)
        wave = np.sin(np.linspace(0, 6, length))[None, None]
        changed = flattened(wave, 0.1) != wave
        assert np.abs(wave[changed]).min(initial=1) > 0.8  # at its turns
    rippled = ripples(np.linspace(0, 3, 200)[None, None], 0.005)
    assert (flattened(rippled, 0.2) == rippled).mean() > 0.9


def test_a_spike_stays_and_so_does_what_is_not_there() -> None:
    X = np.zeros((1, 1, 12))
    X[..., 5] = 3.0
    X[..., 9:] = np.nan
    np.testing.assert_array_equal(flattened(X, 0.5), X)
    X[..., 2] = np.nan
    np.testing.assert_array_equal(flattened(X, 0.5), X)


def test_series_and_channels_know_nothing_of_each_other() -> None:
    X = ripples(np.concatenate([levels(6), levels(6, seed=3)], axis=1), 0.04)
    whole = flattened(X, 0.1)
    for i in range(6):
        for channel in range(2):
            np.testing.assert_array_equal(flattened(X[i : i + 1, channel : channel + 1], 0.1)[0, 0], whole[i, channel])


@pytest.mark.parametrize("shape", [(0, 1, 5), (2, 1, 1), (1, 3, 2)])
def test_small_sets(shape: tuple[int, ...]) -> None:
    X = np.ones(shape, np.float32)
    made = flattened(X, 0.1)
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made, X)


def test_still_steps_are_counted_between_observed_values() -> None:
    X = np.array([[[1.0, 1.0, np.nan, 1.0, 2.0]], [[np.nan, np.nan, 3.0, 3.0, 3.0]]])
    assert still_share(X) == 3 / 4
    assert still_share(np.full((2, 1, 3), np.nan)) == 0


def test_values_come_back_flat_and_then_standardised() -> None:
    X = levels(20)
    X = (X - X.mean(2, keepdims=True)) / X.std(2, keepdims=True)
    scaler = GlobalScaler(keep_standardised=True).fit(X)
    scaler.flat_tolerance_ = 0.1
    made = scaler.inverse_transform(0.9 * ripples(scaler.transform(X), 0.02))
    assert still_share(made) > 0.98 * still_share(X)
    np.testing.assert_allclose(made.std(2), 1, atol=1e-5)
    again = GlobalScaler.from_state(scaler.get_state())
    np.testing.assert_array_equal(again.inverse_transform(X), scaler.inverse_transform(X))
    assert scaler.fit(X).flat_tolerance_ == 0  # what another training chose


def blocks() -> np.ndarray:
    """48 series of four blocks of 12 steps, each at one of three levels: little to learn."""
    return np.repeat(np.random.default_rng(0).integers(0, 3, (48, 4)), 12, axis=1).astype(float)


FLAT = SMALL | {"tokenizer.keep_flat": True, "stage1.max_steps": 400, "tokenizer.refinement_channels": 8}


def test_a_model_of_levels_gives_flat_series(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    X = blocks()
    model = NCVQVAE(settings=FLAT).fit(X, verbose=True)
    assert model.scaler_.flat_tolerance_ in TOLERANCES
    assert "tokenizer.keep_flat: values within" in capsys.readouterr().err
    made = model.sample(20, seed=3).X
    rippled = copy.deepcopy(model)
    rippled.scaler_.flat_tolerance_ = 0.0
    # few: its prior had one step
    assert still_share(made[:, None]) > still_share(rippled.sample(20, seed=3).X[:, None])
    assert still_share(model.reconstruct(X)[:, None]) > 0.6
    model.save_pretrained(tmp_path / "m")
    np.testing.assert_array_equal(NCVQVAE.from_pretrained(tmp_path / "m").sample(20, seed=3).X, made)
    gaps = X.copy()
    gaps[:, 20:30] = np.nan
    filled = model.impute(gaps)[0]
    np.testing.assert_array_equal(filled[:, :20], X[:, :20].astype(filled.dtype))
    assert np.isfinite(filled).all()


def test_other_series_are_given_back_as_they_are_decoded() -> None:
    X, y = two_classes()
    model = NCVQVAE(settings=FLAT | {"stage1.max_steps": 10}).fit(X, y)
    assert model.scaler_.flat_tolerance_ == 0
    assert NCVQVAE(settings=FLAT | {"tokenizer.keep_flat": False}).fit(blocks()).scaler_.flat_tolerance_ == 0


def test_unequal_lengths_and_gaps() -> None:
    X = [series[: 48 - i % 13] for i, series in enumerate(blocks())]
    X[3][10:14] = np.nan
    model = NCVQVAE(settings=FLAT).fit(X)
    assert model.scaler_.flat_tolerance_ in TOLERANCES
    made = model.sample(10).X
    assert all(np.isfinite(series).all() for series in made) and len({series.shape[-1] for series in made}) > 1


def test_coarse_sensors_repeat_values_and_gain_nothing() -> None:
    X = np.round(2 * two_classes()[0]) / 2
    assert still_share(X[:, None]) > 0.2
    assert NCVQVAE(settings=FLAT | {"stage1.max_steps": 10}).fit(X).scaler_.flat_tolerance_ == 0


@pytest.mark.parametrize("constant_channel", [False, True])
def test_series_that_never_change_are_no_error(constant_channel: bool) -> None:
    X = np.repeat(np.arange(40.0)[:, None, None], 32, axis=2)
    if constant_channel:
        X = np.concatenate([X, np.full_like(X, 7)], axis=1)
    made = NCVQVAE(settings=FLAT | {"stage1.max_steps": 10}).fit(X).sample(5).X
    assert np.isfinite(made).all()
    assert not constant_channel or (made[:, 1] == 7).all()
