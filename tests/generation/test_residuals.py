"""The residuals that a tokenizer keeps, and what is drawn from them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.waves import SMALL, two_classes
from torch import Generator, Tensor

from ncvqvae import NCVQVAE, InputError
from ncvqvae.generation.residuals import MAX_CASES, MAX_VALUES, MIN_CASES, Residuals, _drawn_by_class, n_kept
from ncvqvae.training.auto import SCALES, TRIALS

N_TOKENS = 6


def some_residuals(n: int = 40) -> Residuals:
    """Series with tokens 0 have residuals around +1, those with tokens 1 around -1."""
    rng = np.random.default_rng(0)
    kept = Residuals(n, N_TOKENS, 2, 5)
    kind = np.arange(n) % 2
    kept.tokens.copy_(torch.from_numpy(np.repeat(kind[:, None], N_TOKENS, axis=1)))
    correlated = rng.normal(size=(n, 2, 5)).cumsum(-1) * 0.1
    kept.values.copy_(torch.from_numpy(correlated + (1 - 2 * kind)[:, None, None]))
    return kept


def test_one_neighbour_gives_the_residual_of_the_nearest_series() -> None:
    kept = some_residuals(2)
    almost = torch.tensor([[1, 1, 1, 0, 1, 1], [0, 0, 1, 0, 0, 0]])
    drawn = kept.draw(almost, 1, Generator().manual_seed(0))
    torch.testing.assert_close(drawn, kept.values[[1, 0]])


def test_draws_have_mean_and_covariance_of_the_neighbours() -> None:
    kept = some_residuals()
    tokens = torch.zeros(20_000, N_TOKENS, dtype=torch.long)
    draws = kept.draw(tokens, 20, Generator().manual_seed(0)).flatten(1).numpy()
    near = kept.values[::2].flatten(1).numpy()  # the 20 with tokens 0
    np.testing.assert_allclose(draws.mean(0), near.mean(0), atol=0.02)
    np.testing.assert_allclose(np.cov(draws.T), np.cov(near.T), atol=0.01)


def test_no_draw_is_the_residual_of_a_real_series() -> None:
    kept = some_residuals()
    draws = kept.draw(kept.tokens.long(), 10, Generator().manual_seed(0))
    assert torch.cdist(draws.flatten(1), kept.values.flatten(1)).min() > 0.01


def test_draws_follow_the_generator_and_neighbours_beyond_all_are_all() -> None:
    kept = some_residuals()
    tokens = kept.tokens[:3].long()
    first, again, other = (kept.draw(tokens, 10, Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(*(kept.draw(tokens, k, Generator().manual_seed(1)) for k in (40, 1000)))


def test_a_series_own_residual_is_left_out_where_asked() -> None:
    kept = some_residuals(4)
    own = torch.tensor([2, 0, 1])
    drawn = kept.draw(kept.tokens[own].long(), 1, Generator().manual_seed(0), own=own)
    torch.testing.assert_close(drawn, kept.values[[0, 2, 3]])  # the other series with the same tokens
    of_all_others = kept.draw(kept.tokens.long(), 10, Generator().manual_seed(0), own=torch.arange(4))
    assert of_all_others.shape == kept.values.shape and of_all_others.isfinite().all()


@pytest.mark.parametrize(
    ("n_cases", "n_values", "kept"),
    [(100, 140, 100), (10**6, 24, MAX_CASES), (10**6, 1024, MAX_VALUES // 1024), (10**6, 10**9, MIN_CASES)],
)
def test_what_a_model_keeps_is_bounded(n_cases: int, n_values: int, kept: int) -> None:
    assert n_kept(n_cases, n_values) == kept


# ---------------------------------------------------------------- in a model


@pytest.fixture(scope="module")
def fitted() -> NCVQVAE:
    X, y = two_classes()
    return NCVQVAE(settings={**SMALL, "sampling.residual_neighbours": 10}).fit(X, y)


def test_a_model_keeps_what_its_tokens_leave_out(fitted: NCVQVAE) -> None:
    X, _ = two_classes()
    kept = fitted.tokenizer_.residuals
    assert kept is not None
    np.testing.assert_array_equal(kept.tokens.numpy(), fitted.encode(X))
    scaled = fitted.scaler_.transform(X[:, None])
    left_out = scaled - fitted.tokenizer_.decode(kept.tokens.long()).numpy()
    np.testing.assert_allclose(kept.values.numpy(), left_out, atol=1e-5)


def test_generated_series_get_back_what_tokens_leave_out(fitted: NCVQVAE) -> None:
    X, _ = two_classes()
    with_it, without = (fitted.sample(200, seed=1, residual_neighbours=k) for k in (10, 0))
    np.testing.assert_array_equal(with_it.y, without.y)
    real, noisy, smooth = (np.abs(np.fft.rfft(A)[:, 1:]).mean() for A in (X, with_it.X, without.X))
    assert abs(noisy - real) < 0.3 * abs(smooth - real)


def test_reconstructions_get_them_back_where_asked(fitted: NCVQVAE) -> None:
    X, _ = two_classes()
    own = fitted.reconstruct(X, residual_neighbours=1)  # the nearest series in tokens is the series itself, or a twin
    np.testing.assert_allclose(np.median(np.abs(own - X)), 0.0, atol=1e-4)
    drawn, again, other = (fitted.reconstruct(X, residual_neighbours=10, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(drawn, again)
    assert not np.array_equal(drawn, other) and not np.array_equal(drawn, fitted.reconstruct(X))


def test_no_more_neighbours_are_drawn_from_than_a_class_has(fitted: NCVQVAE, monkeypatch: pytest.MonkeyPatch) -> None:
    X, _y = two_classes()
    asked = []
    draw = Residuals.draw

    def watched(self: Residuals, tokens: Tensor, n_neighbours: int, *rest: Any, **named: Any) -> Tensor:
        asked.append(n_neighbours)
        return draw(self, tokens, n_neighbours, *rest, **named)

    monkeypatch.setattr(Residuals, "draw", watched)
    for k in (1, 10, 1000):
        fitted.reconstruct(X, residual_neighbours=k)
    assert asked == [1, 10, len(X) // 2]
    few = NCVQVAE(settings={**SMALL, "sampling.residual_neighbours": 10}).fit(X[:6], list("abcdef"))
    few.sample(2)
    assert set(asked[3:]) == {2}


AUTO = {**SMALL, "sampling.residual_neighbours": 10, "sampling.residual_scale": "auto"}


@pytest.mark.parametrize("sparse", [True, False])
def test_auto_adds_residuals_unless_they_make_noise_of_what_lies_elsewhere_in_each_series(
    sparse: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = NCVQVAE(settings=AUTO).fit(*two_classes())
    kept = model.tokenizer_.residuals
    assert kept is not None
    rng = np.random.default_rng(0)
    n, _, T = kept.values.shape
    steps = np.repeat(rng.integers(-2, 3, size=(n, 1, 4)), T // 4, axis=2)
    detail = 0.3 * rng.normal(size=(n, 1, T)).cumsum(-1)
    if sparse:
        detail = 3.0 * np.eye(T)[rng.integers(T, size=n)][:, None]
    kept.values.copy_(torch.from_numpy(detail))
    with monkeypatch.context() as patched:
        patched.setattr(model._generator, "decode", lambda tokens: torch.from_numpy(steps).float())
        model.config_.sampling.residual_scale = model._choose_residual_scale()
    assert (model.config_.sampling.residual_scale == 0) if sparse else (model.config_.sampling.residual_scale >= 0.75)
    chosen, same, other, none = (
        model.sample(5, seed=1, **asked).X
        for asked in (
            {},
            {"residual_scale": model.config_.sampling.residual_scale},
            {"residual_scale": 0.3},
            {"residual_neighbours": 0},
        )
    )
    np.testing.assert_array_equal(chosen, same)
    assert np.array_equal(chosen, none) == sparse and not np.array_equal(chosen, other)
    model.save_pretrained(tmp_path)
    loaded = NCVQVAE.from_pretrained(tmp_path)
    assert loaded.config_.sampling.residual_scale == model.config_.sampling.residual_scale
    np.testing.assert_array_equal(loaded.sample(5, seed=1).X, chosen)


def test_residuals_are_scaled(fitted: NCVQVAE) -> None:
    full, half, none = (fitted.sample(5, seed=1, residual_scale=scale).X for scale in (1.0, 0.5, 0.0))
    np.testing.assert_allclose(half - none, (full - none) / 2, atol=1e-5)
    assert np.abs(full - none).max() > 0.01


def test_a_scale_that_was_not_chosen_is_not_guessed(fitted: NCVQVAE) -> None:
    with pytest.raises(InputError, match="has chosen none"):
        fitted.sample(2, residual_scale="auto")


def test_two_series_are_enough_to_decide_on_residuals() -> None:
    model = NCVQVAE(settings=AUTO).fit(two_classes()[0][:2])
    assert np.isfinite(model.sample(2).X).all()


def test_residuals_survive_saving(fitted: NCVQVAE, tmp_path: Path) -> None:
    fitted.save_pretrained(tmp_path)
    loaded = NCVQVAE.from_pretrained(tmp_path)
    np.testing.assert_array_equal(loaded.sample(5, seed=3).X, fitted.sample(5, seed=3).X)


def test_a_model_without_residuals_says_so() -> None:
    X, y = two_classes()
    model = NCVQVAE(settings=SMALL).fit(X, y)
    assert model.tokenizer_.residuals is None
    with pytest.raises(InputError, match="keeps no training series"):
        model.sample(2, residual_neighbours=10)
    with pytest.raises(InputError, match="keeps no training series"):
        model.reconstruct(X, residual_neighbours=10)


def test_nothing_is_left_out_where_nothing_was_observed() -> None:
    X, y = two_classes()
    X[:, 5:9] = np.nan
    model = NCVQVAE(settings={**SMALL, "sampling.residual_neighbours": 10}).fit(X, y)
    assert model.tokenizer_.residuals is not None
    values = model.tokenizer_.residuals.values
    assert (values[..., 5:9] == 0).all() and (values[..., :5] != 0).all()
    assert np.isfinite(model.sample(3).X).all()


@pytest.mark.parametrize(("accuracies", "chosen"), [((0.9, 0.7, 0.6, 0.65), 0.75), ((0.9, 0.89, 0.88, 0.87), 0.0)])
def test_auto_judges_series_as_they_are_given_out_and_asks_for_a_clear_gain(
    accuracies: tuple[float, ...], chosen: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = two_classes()
    X = (X - X.mean(-1, keepdims=True)) / X.std(-1, keepdims=True)
    model = NCVQVAE(settings=AUTO).fit(X, y)
    seen: list[np.ndarray] = []
    told_apart = iter([*np.repeat(accuracies, TRIALS), 0.91])  # each factor's draws, then none

    def extractor(train: np.ndarray, seed: int) -> Callable[[np.ndarray], np.ndarray]:
        seen.append(train)
        return lambda made: seen.append(made) or made[:, 0]  # type: ignore[func-returns-value]

    monkeypatch.setattr("ncvqvae.evaluation.rocket.minirocket", extractor)
    monkeypatch.setattr("ncvqvae.evaluation.utility.paired_two_sample_accuracy", lambda *a, **k: next(told_apart))
    assert model._choose_residual_scale() == chosen
    assert len(seen) == 2 + len(SCALES) * TRIALS + 1
    for made in seen:
        np.testing.assert_allclose(made.std(-1), 1.0, rtol=1e-3)


def test_new_series_start_from_a_share_of_the_tokens_of_their_class(fitted: NCVQVAE) -> None:
    kept, generator = fitted._generator.kept, Generator().manual_seed(0)
    assert kept.classes is not None
    X, y = two_classes()
    own = {tuple(row): label for row, label in zip(fitted.encode(X).tolist(), y, strict=True)}
    assert [own[tuple(row)] for row in kept.tokens.tolist()] == [fitted.classes_[c] for c in kept.classes.tolist()]
    blank, no_class = fitted.prior_.mask_token, fitted.prior_.no_class
    wanted = torch.tensor([0, 1, 1, no_class] * 50)
    starts = kept.starts(wanted, 0.5, blank, no_class, generator)
    given = starts != blank
    n_tokens = starts.shape[1]
    assert set(given.sum(1).tolist()) == {round(0.5 * n_tokens)} and len(given.unique(dim=0)) > 10
    for row, places, label in zip(starts, given, wanted, strict=True):
        rows = kept.tokens if label == no_class else kept.tokens[kept.classes == label]
        assert (rows[:, places] == row[places]).all(1).any()
    whole = kept.starts(wanted, 1.0, blank, no_class, generator)
    assert {tuple(row) for row in whole.tolist()} <= {tuple(row) for row in kept.tokens.tolist()}


def test_a_class_of_which_no_series_is_kept_starts_from_none() -> None:
    kept = Residuals(3, 4, 1, 8)
    kept.tokens += 5
    wanted = torch.tensor([0, 1, 2])  # all kept are of class 0, and 2 is no class
    starts = kept.starts(wanted, 1.0, 9, 2, Generator().manual_seed(0))
    assert starts.tolist() == [[5] * 4, [9] * 4, [5] * 4]


def test_series_of_other_lengths_are_no_start() -> None:
    kept, lengths = Residuals(12, 6, 1, 8), torch.tensor([2, 4, 6]).repeat(4)
    kept.tokens.copy_(torch.where(torch.arange(6) < lengths[:, None], lengths[:, None], -1))
    for length, near in ((2, 2), (3, (2, 4)), (6, 6)):
        present = (torch.arange(6) < length).expand(40, 6)
        starts = kept.starts(torch.zeros(40, dtype=torch.long), 1.0, 9, 1, Generator().manual_seed(0), present)
        assert set(starts[starts != 9].tolist()) == set(np.atleast_1d(near).tolist())


@pytest.mark.parametrize(("n", "few"), [(40, 6), (12, 4), (3, 1)])
def test_each_class_has_series_among_those_that_are_kept(n: int, few: int) -> None:
    classes = np.array([0] * 500 + [1] * 6 + [2] * 50)
    for seed in range(5):
        rows = _drawn_by_class(classes, n, np.random.default_rng(seed))
        counts = np.bincount(classes[rows], minlength=3)
        assert len(set(rows.tolist())) == n == counts.sum() and counts[1] == few and counts.min() >= min(few, 1)


def test_a_kept_share_of_one_draws_training_series_as_the_tokenizer_sees_them(fitted: NCVQVAE) -> None:
    X, _ = two_classes()
    plain = {"residual_neighbours": 0, "redraws": 0}
    known = fitted.decode(fitted.encode(X))
    for asked in ({}, {"unconditional": True}):
        made = fitted.sample(12, seed=0, kept_share=1.0, **plain, **asked).X
        distances = np.abs(made[:, None] - known[None]).max(axis=-1)
        assert (distances.min(1) < 1e-4).all()
    half, none = (fitted.sample(12, seed=0, kept_share=share, **plain).X for share in (0.5, 0.0))
    assert not np.array_equal(half, none)
