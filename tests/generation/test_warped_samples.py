"""New series along random maps of time (`sampling.time_warp`)."""

import numpy as np
import pytest
from tests.waves import SMALL, two_classes

from ncvqvae import NCVQVAE, InputError

PLAIN = {name: value for name, value in SMALL.items() if name != "sampling.time_warp"}


@pytest.fixture(scope="module")
def model() -> NCVQVAE:
    X, y = two_classes()
    return NCVQVAE(settings=SMALL).fit(X, y)


@pytest.mark.parametrize("asked", [{}, {"unconditional": True}, {"labels": "slow"}])
def test_values_move_in_time_and_the_ends_stay(model: NCVQVAE, asked: dict) -> None:  # type: ignore[type-arg]
    still, moved = (model.sample(30, seed=1, time_warp=strength, **asked) for strength in (0.0, 0.3))
    if still.y is not None:
        assert moved.y is not None and (still.y == moved.y).all()
    np.testing.assert_allclose(still.X[:, [0, -1]], moved.X[:, [0, -1]], atol=1e-5)
    assert np.abs(still.X - moved.X).max(axis=1).mean() > 0.1
    np.testing.assert_allclose(still.X.max(1), moved.X.max(1), atol=0.5)  # the heights are those of before
    again = model.sample(30, seed=1, time_warp=0.3, **asked)
    np.testing.assert_array_equal(moved.X, again.X)


def test_time_behind_the_end_of_a_shorter_series_stays_empty() -> None:
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(1, n)) for n in (20, 28, 36) * 4]
    model = NCVQVAE(settings=SMALL).fit(X, ["a", "b", "c"] * 4)
    still, moved = (model.sample(12, seed=0, time_warp=strength).X for strength in (0.0, 0.4))
    for before, after in zip(still, moved, strict=True):
        assert before.shape == after.shape and np.isfinite(after).all()
        np.testing.assert_allclose(before[..., [0, -1]], after[..., [0, -1]], atol=1e-5)


@pytest.mark.parametrize(("n", "learned", "expected"), [(30, "auto", True), (40, "auto", False), (40, 0.0, True)])
def test_auto_warps_what_is_drawn_where_the_prior_learns_from_no_warps(
    n: int, learned: object, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ncvqvae.training.auto.choose_time_warp", lambda series, seed: (0.2, "for this test"))
    X, y = two_classes()
    settings = {**PLAIN, "stage2.time_warp": learned}
    model = NCVQVAE(settings=settings).fit(X[:n], y[:n])
    config = model.config_
    assert (config.stage2.time_warp, config.sampling.time_warp) == ((0.0, 0.2) if expected else (0.2, 0.0))
    as_fitted, asked_again = model.sample(5, seed=0).X, model.sample(5, seed=0, time_warp="auto").X
    np.testing.assert_array_equal(as_fitted, asked_again)
    assert np.array_equal(as_fitted, model.sample(5, seed=0, time_warp=0.0).X) != expected


def test_a_model_that_was_fitted_with_a_number_has_no_choice(model: NCVQVAE) -> None:
    with pytest.raises(InputError, match=r"sampling.time_warp auto: this model was fitted with a number"):
        model.sample(2, time_warp="auto")
