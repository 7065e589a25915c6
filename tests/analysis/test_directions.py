"""Moving along a direction does to the decoded series what the direction says."""

from typing import Any

import numpy as np
import pytest
from tests.waves import SMALL

from ncvqvae import NCVQVAE, InputError
from ncvqvae.analysis import class_direction, decode_latents, latents, move, pair_direction

TIME = np.arange(48)


def bumps(n: int = 80, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Bumps of many heights and places, some with a quick wave on top; the label says whether they point up."""
    rng = np.random.default_rng(seed)
    place, height = rng.uniform(16, 30, (n, 1)), rng.uniform(0.5, 2.0, (n, 1))
    wave = rng.uniform(0, 0.4, (n, 1)) * np.sin(2 * np.pi * TIME / 4)
    y = np.where(np.arange(n) % 2, "up", "down")
    sign = np.where(y == "up", 1.0, -1.0)[:, None]
    return sign * height * np.exp(-0.5 * ((TIME - place) / 4) ** 2) + wave, y


@pytest.fixture(scope="module")
def model() -> NCVQVAE:
    own = {
        "ssl": "none",
        "tokenizer.hidden_channels": 16,
        "stage1.max_steps": 300,
        "stage1.epochs": 10**4,
        "stage1.warped_share": 0.0,
        "tokenizer.keep_standardised": False,
        "tokenizer.codebook_size": 64,
    }
    return NCVQVAE(settings=SMALL | own).fit(*bumps())


def test_latents_are_decoded_as_the_tokenizer_does(model: NCVQVAE) -> None:
    X, _ = bumps(10, seed=1)
    Z = latents(model, X)
    assert Z.shape == (10, model.tokenizer_.n_tokens, 16)
    back = decode_latents(model, Z)
    assert back.shape == X.shape and np.square(back - X).mean() < 0.1 * X.var()
    np.testing.assert_array_equal(move(model, X, np.zeros(Z.shape[1:]), 3), back)


def along(model: NCVQVAE, direction: np.ndarray, measure: object) -> list[float]:
    """Mean of a measure of test series, moved by growing amounts."""
    X, _ = bumps(40, seed=2)
    return [float(np.mean(measure(move(model, X, direction, amount)))) for amount in (-1, 0, 1, 2)]  # type: ignore[operator]


def test_the_amplitude_grows(model: NCVQVAE) -> None:
    X, _ = bumps()
    found = along(model, pair_direction(model, X[1::2], lambda X: 1.3 * X), lambda X: X[1::2].max(1))
    assert found == sorted(found) and found[3] > 1.2 * found[1]


def test_quick_waves_grow(model: NCVQVAE) -> None:
    X, _ = bumps()
    direction = pair_direction(model, X, lambda X: X + 0.3 * np.sin(2 * np.pi * TIME / 4))
    found = along(model, direction, lambda X: np.square(np.diff(X, 2)).mean(1))
    assert found == sorted(found) and found[3] > 1.5 * found[1]


def test_bumps_move_in_time(model: NCVQVAE) -> None:
    X, _ = bumps()
    direction = pair_direction(model, X[1::2], lambda X: np.roll(X, 2, axis=-1))

    def centre(X: np.ndarray) -> np.ndarray:
        weight = np.clip(X[1::2], 0, None) ** 2
        return (weight * TIME).sum(1) / weight.sum(1)

    found = along(model, direction, centre)
    assert found == sorted(found) and found[3] > found[1] + 0.5


def test_one_class_becomes_the_other(model: NCVQVAE) -> None:
    X, y = bumps()
    down, _ = bumps(40, seed=2)
    direction = class_direction(model, X, y, "down", "up")
    moved = move(model, down[::2], direction)
    assert move(model, down[::2], direction, 0).sum(1).mean() < 0 < moved.sum(1).mean()
    with pytest.raises(InputError, match="no series has the label 'left'"):
        class_direction(model, X, y, "left", "up")
    for labels in (None, y[:3]):
        with pytest.raises(InputError, match="a label for each of"):
            class_direction(model, X, labels, "down", "up")


def test_series_that_make_no_pairs_are_refused(model: NCVQVAE) -> None:
    X, _ = bumps(4, seed=1)
    with pytest.raises(InputError, match="change makes 3 series of 4"):
        pair_direction(model, X, lambda X: X[:3])
    with pytest.raises(InputError, match="give an array of numbers"):
        pair_direction(model, [[1.0, 2.0], [3.0]], lambda X: X)
    with pytest.raises(InputError, match="amount 1000"):
        move(model, X, latents(model, X)[0], 10**400)


@pytest.mark.parametrize("wrong", ["x", None, {}, [1, 2], np.zeros((3, 4)), np.zeros((2, 3, 4))])
def test_latents_and_directions_that_are_none_are_refused(model: NCVQVAE, wrong: Any) -> None:
    X, _ = bumps(4, seed=1)
    with pytest.raises(InputError, match="latents"):
        decode_latents(model, wrong)
    with pytest.raises(InputError, match="direction"):
        move(model, X, wrong)
    with pytest.raises(InputError, match="amount"):
        move(model, X, latents(model, X)[0], wrong)
