"""Series of which a part is known: that part never changes, and the rest is drawn, blended, extended and scored."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from tests.waves import SMALL, two_classes

from ncvqvae import NCVQVAE, InputError
from ncvqvae.config import OF_WHOLE_SERIES, SamplingConfig
from ncvqvae.data import fill
from ncvqvae.generation import filling
from ncvqvae.generation.filling import meeting
from ncvqvae.prior.objective import token_log_likelihoods

LENGTH = 32
DRAW = {"n_steps": 2, "precision": "32-true"}


def fitted(X: Any, y: Any = None, **settings: Any) -> NCVQVAE:
    """A model too small to have learned anything."""
    return NCVQVAE(settings={**SMALL, "sampling.n_steps": 2, "sampling.precision": "32-true", **settings}).fit(X, y)


@pytest.fixture(scope="module")
def model() -> NCVQVAE:
    X, y = two_classes()
    return fitted(5 * X + 100, y, **{"sampling.chunk_size": 16})


@pytest.fixture(scope="module")
def unequal() -> NCVQVAE:
    """Two channels, lengths 20 to 32, a list in and a list out, no labels."""
    return fitted(unequal_series())


def unequal_series() -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.normal(size=(2, length)).cumsum(1) for length in [*range(20, 33), 32] * 2]


def with_gaps(seed: int = 0) -> np.ndarray:
    """Series in their own units with a block missing in most of them: inside, at an end, or twice."""
    X = 5 * two_classes()[0] + 100
    rng = np.random.default_rng(seed)
    for row in range(30):
        start = rng.integers(-4, LENGTH - 4)
        X[row, max(start, 0) : start + rng.integers(5, 15)] = np.nan
    X[0, ::2] = np.nan
    X[1, :30] = np.nan
    return X


def test_observed_values_stay_and_gaps_are_filled(model: NCVQVAE) -> None:
    X = with_gaps()
    draws = model.impute(X, two_classes()[1], n_draws=3)
    observed = ~np.isnan(X)
    assert draws.values.shape == (3, 40, LENGTH) and len(draws) == 3
    for filled in (*draws, draws.mean(), draws.median(), draws.quantile(0.1), draws.quantile(0.77)):
        assert filled.shape == X.shape and np.isfinite(filled).all()
        np.testing.assert_array_equal(filled[observed], X.astype(np.float32)[observed])
    assert (np.ptp(draws.values, axis=0) > 0)[~observed & (np.arange(LENGTH) % 5 == 0)].mean() > 0.5  # they differ


SEEDED: dict[str, Callable[[NCVQVAE, np.ndarray, Any], Any]] = {
    "sample": lambda model, X, seed: model.sample(2, seed=seed),
    "reconstruct": lambda model, X, seed: model.reconstruct(X, seed=seed),
    "impute": lambda model, X, seed: model.impute(X, n_draws=1, seed=seed),
    "extend": lambda model, X, seed: model.extend(X[:, :-2], 2, n_draws=1, seed=seed),
    "vary": lambda model, X, seed: model.vary(X, seed=seed),
    "score_samples": lambda model, X, seed: model.score_samples(X, n_masks=1, seed=seed),
    "decoding_steps": lambda model, X, seed: model.decoding_steps(2, seed=seed),
    "evaluate": lambda model, X, seed: model.evaluate(X, two_classes()[1], seed=seed),
}


@pytest.mark.parametrize("seed", [-1, 1.5, "x", True, 2**63], ids=repr)
@pytest.mark.parametrize("use", SEEDED)
def test_a_bad_seed_is_refused_by_every_method_that_draws(model: NCVQVAE, use: str, seed: Any) -> None:
    with pytest.raises(InputError, match="give a whole number from 0"):
        SEEDED[use](model, 5 * two_classes()[0] + 100, seed)


@pytest.mark.parametrize("n", [0, -3, 2.5, "3"], ids=repr)
def test_a_bad_number_of_grids_to_watch_is_refused(model: NCVQVAE, n: Any) -> None:
    with pytest.raises(InputError, match=r"give a (whole )?number"):
        model.decoding_steps(n)


def test_quantiles_are_in_order_and_within_the_draws(model: NCVQVAE) -> None:
    draws = model.impute(with_gaps(), n_draws=5)
    found = [draws.quantile(share) for share in (0, 0.1, 0.5, 0.9, 1)]
    assert all((low <= high).all() for low, high in pairwise(found))
    np.testing.assert_array_equal(found[0], draws.values.min(0))
    np.testing.assert_array_equal(found[2], draws.median())
    np.testing.assert_allclose(draws.mean(), draws.values.mean(0), rtol=1e-6)
    with pytest.raises(InputError, match="quantile 3: give a share between 0 and 1"):
        draws.quantile(3)


def test_known_tokens_stay_and_those_in_gaps_are_drawn(model: NCVQVAE, monkeypatch: pytest.MonkeyPatch) -> None:
    started, ended = [], []
    fill_grid = type(model.prior_).fill

    def watched(self: Any, start: torch.Tensor, *arguments: Any) -> Any:
        decoded = fill_grid(self, start, *arguments)
        started.append(start)
        ended.append(decoded.tokens)
        return decoded

    monkeypatch.setattr(type(model.prior_), "fill", watched)
    X = with_gaps()
    model.impute(X, n_draws=2)
    model.vary(X, share=0.5)
    mask = model.prior_.mask_token
    for start, end in zip(started, ended, strict=True):
        known = start != mask
        assert 0 < known.float().mean() < 1
        assert torch.equal(start[known], end[known]) and int(end.max()) < mask
    assert torch.equal(started[0], started[1]) and not torch.equal(ended[0], ended[1])
    # the grid has 5 rows of 8 columns of 4 steps each
    grid = started[0].view(-1, 5, 8) == mask
    missing = np.isnan(X)[:16].reshape(-1, 8, 4).mean(2)[: len(grid)]
    np.testing.assert_array_equal(grid.numpy(), np.repeat((missing > filling.UNCERTAIN)[:, None], 5, axis=1))
    kept = (started[-1] != mask).sum(1)
    assert (kept <= 20).all()


def test_the_seed_and_the_place_decide(model: NCVQVAE) -> None:
    X = with_gaps()
    first = model.impute(X, n_draws=2, seed=1)
    np.testing.assert_array_equal(first.values, model.impute(X, n_draws=2, seed=1).values)
    assert not np.array_equal(first.values, model.impute(X, n_draws=2, seed=2).values)
    np.testing.assert_array_equal(first.values[:1], model.impute(X, n_draws=1, seed=1).values)
    np.testing.assert_array_equal(first.values[:, :16], model.impute(X[:16], n_draws=2, seed=1).values)
    parts = [part.values for part in model.iter_impute(X, n_draws=2, seed=1)]
    assert [part.shape[1] for part in parts] == [16, 16, 8]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), first.values)
    varied = model.vary(X, share=0.3, seed=1).X
    np.testing.assert_array_equal(varied, model.vary(X, share=0.3, seed=1).X)
    assert not np.array_equal(varied, model.vary(X, share=0.3, seed=2).X)
    assert np.array_equal(model.score_samples(X), model.score_samples(X))
    assert not np.array_equal(model.score_samples(X, seed=1), model.score_samples(X, seed=2))


def test_the_class_counts(model: NCVQVAE) -> None:
    X, y = with_gaps(), two_classes()[1]
    with torch.no_grad():
        weight = model.prior_.classes.weight.clone()
        model.prior_.classes.weight.mul_(50)  # a prior that looks at nothing but the class
    try:
        by_class = model.impute(X, y, n_draws=20).values
        all_slow = model.impute(X, "slow", n_draws=20).values
        np.testing.assert_array_equal(all_slow, model.impute(X, ["slow"] * 40, n_draws=20).values)
        assert not np.array_equal(by_class, all_slow)
        assert not np.array_equal(by_class, model.impute(X, n_draws=20).values)
        assert not np.array_equal(model.score_samples(X, y), model.score_samples(X))
    finally:
        with torch.no_grad():
            model.prior_.classes.weight.copy_(weight)
    assert model.vary(X, y, n=2).y.tolist() == np.repeat(y, 2).tolist()  # type: ignore[union-attr]
    assert model.vary(X).y is None


def test_series_without_gaps_and_whole_ones_missing(model: NCVQVAE) -> None:
    X = 5 * two_classes()[0] + 100
    np.testing.assert_array_equal(model.impute(X, n_draws=2)[1], X.astype(np.float32))
    X[3] = np.nan
    for method in (model.impute, model.vary, model.score_samples):
        with pytest.raises(InputError, match="series 3 has no value at all; drop it"):
            method(X)
    with pytest.raises(InputError, match="all values are missing"):
        model.impute(X[3:4])


def test_extended_series_begin_with_what_was_given(model: NCVQVAE) -> None:
    X = with_gaps()[2:, :24]
    X[:, -1] = 100
    longer = model.extend(X, 6, n_draws=2)
    assert longer.values.shape == (2, 38, 30) and np.isfinite(longer.values).all()
    observed = ~np.isnan(X)
    np.testing.assert_array_equal(longer[0][:, :24][observed], X.astype(np.float32)[observed])
    assert not longer.given[:, 24:].any()
    # a series that has ended earlier goes on from its own end
    X[0, 20:] = np.nan
    longer = model.extend(X, 6, n_draws=2)
    assert np.isfinite(longer[0][0, :26]).all() and np.isnan(longer[0][0, 26:]).all()
    assert np.isnan(longer.median()[0, 26:]).all() and np.isfinite(longer.median()[1]).all()
    said = "series of 24 time steps and 9 more make 33; those of this model have at most 32"
    with pytest.raises(InputError, match=said):
        model.extend(X, 9)


def test_unequal_lengths_and_channels(unequal: NCVQVAE) -> None:
    X = [series.copy() for series in unequal_series()]
    X[0][:, 5:12] = np.nan
    X[1][0] = np.nan  # a whole channel
    X[2][1, -4:] = np.nan  # the end of one channel
    X[3][:, -4:] = np.nan  # the end of both: in a list the series ends where its array does
    filled = unequal.impute(X, n_draws=2)
    for result in (filled[0], filled.median(), filled.mean(), filled.quantile(0.9)):
        assert [series.shape for series in result] == [series.shape for series in X]
        for before, after in zip(X, result, strict=True):
            observed = ~np.isnan(before)
            np.testing.assert_array_equal(after[observed], before.astype(np.float32)[observed])
            assert np.isfinite(after).all()
    longer = unequal.extend(X[:2], 5, n_draws=2)
    assert [series.shape for series in longer[1]] == [(2, 25), (2, 26)]
    varied = unequal.vary(X, share=0.5, n=2)
    assert [len(series[0]) for series in varied.X] == np.repeat([len(series[0]) for series in X], 2).tolist()
    assert varied.y is None and all(np.isfinite(series).all() for series in varied.X)
    assert np.isfinite(unequal.score_samples(X)).all()
    padded = np.full((2, 2, LENGTH), np.nan)
    padded[0, :, :20], padded[1, :, :21] = X[0], X[1]
    as_array = unequal.impute(padded, n_draws=2)
    np.testing.assert_array_equal(as_array[0][0], unequal.impute(X[:2], n_draws=2)[0][0])


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda m, X: m.impute(X, "z"), "unknown label 'z'"),
        (lambda m, X: m.impute(X, ["slow"] * 3), "3 labels were given for 40 series"),
        (lambda m, X: m.impute(X, n_draws=0), "n_draws 0: give a number of at least 1"),
        (lambda m, X: m.impute(X, n_draws=1.5), "n_draws 1.5: give a whole number"),
        (lambda m, X: m.impute(X[2:, :20]), "series have 1 channels and 20 time steps"),
        (lambda m, X: m.impute(X, redraws=2), "sampling.redraws is .* leave it out"),
        (lambda m, X: m.impute(X, temprature=2), "temprature"),
        (lambda m, X: m.impute(X, residual_neighbours=2), "keeps no training series"),
        (lambda m, X: m.vary(X, share=1.2), "share 1.2 of the tokens; give a number from 0 to 1"),
        (lambda m, X: m.vary(X, share=True), "share True of the tokens; give a number from 0 to 1"),
        (lambda m, X: m.vary(X, share="x"), "share 'x' of the tokens; give a number from 0 to 1"),
        (lambda m, X: m.vary(X, share=float("nan")), "share nan of the tokens; give a number from 0 to 1"),
        (lambda m, X: m.impute(X, n_draws=10**30), "n_draws is too large; give a number up to 1,000,000"),
        (lambda m, X: m.impute(X).quantile("x"), "quantile 'x': give a share between 0 and 1"),
        (lambda m, X: m.sample(2, length="x"), "length 'x': give a whole number of time steps"),
        (lambda m, X: m.sample(2, seed=np.array([1, 2])), "seed array"),
        (lambda m, X: m.decode("x"), "tokens have shape .* and type"),
        (lambda m, X: m.embed(None), "and type object; this model takes integers"),
        (lambda m, X: m.vary(X, n=0), "n 0: give a number of at least 1"),
        (lambda m, X: m.extend(X[2:, :20], 0), "n_steps 0: give a number of at least 1"),
        (lambda m, X: m.score_samples(X, n_masks=0), "n_masks 0: give a number of at least 1"),
    ],
)
def test_refusals(model: NCVQVAE, ask: Callable[[NCVQVAE, np.ndarray], Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        ask(model, with_gaps())


OTHER_VALUES: dict[str, Any] = {
    "n_steps": 5,
    "schedule": "linear",
    "temperature": 3.0,
    "choice_temperature": 0.0,
    "guidance_scale": 3.0,
    "residual_neighbours": 4,
    "residual_scale": 0.5,
    "chunk_size": 3,
}


def test_each_setting_of_a_draw_that_is_taken_changes_it_and_all_others_are_refused() -> None:
    X, y = two_classes()
    model = fitted(X, y, **{"sampling.residual_neighbours": 2, "sampling.n_steps": 3, "stage2.max_steps": 20})
    ways: tuple[Callable[..., Any], ...] = (
        lambda **own: model.impute(np.where(np.arange(LENGTH) < 20, X, np.nan), y, n_draws=1, **own)[0],
        lambda **own: model.extend(X[:, :20], 12, y, n_draws=1, **own)[0],
        lambda **own: model.vary(X, y, share=0.2, **own).X,
    )
    taken = SamplingConfig.__dataclass_fields__.keys() - set(OF_WHOLE_SERIES)
    assert OTHER_VALUES.keys() == taken - {"precision"}  # which changes how fast it is
    for draw in ways:
        plain = draw()
        for name, value in OTHER_VALUES.items():
            assert (draw(**{name: value}) != plain).any(), name
        for name in OF_WHOLE_SERIES:
            with pytest.raises(InputError, match=rf"^sampling\.{name} is of .*\(allowed: n_steps, .*, precision\)$"):
                draw(**{name: 0})


def test_variations_keep_their_share_of_the_tokens() -> None:
    X, y = two_classes()
    model = fitted(X, y, **{"stage1.max_steps": 60})
    far = [np.square(model.vary(X, y, share=share).X - X).mean() for share in (0, 0.5, 1)]
    assert far[0] > far[1] > far[2]
    np.testing.assert_allclose(model.vary(X, y, share=1).X, model.reconstruct(X), atol=1e-5)


def test_offsets_fade_from_the_borders_and_leave_no_jump() -> None:
    rng = np.random.default_rng(0)
    values, decoded = rng.normal(size=(2, 1, 1, 50)).cumsum(-1)
    observed = np.ones((1, 1, 50), bool)
    observed[..., 10:30] = False
    observed[..., 40:] = False
    blended = meeting(decoded, values, observed, reach=4.0)
    np.testing.assert_array_equal(blended[observed], values[observed])
    added = (blended - decoded)[0, 0]
    offset = (values - decoded)[0, 0]
    a, b = np.arange(1, 21), np.arange(20, 0, -1)
    bridge = (offset[9] * np.sinh(b / 4) + offset[30] * np.sinh(a / 4)) / np.sinh(21 / 4)
    np.testing.assert_allclose(added[10:30], bridge, atol=1e-12)
    np.testing.assert_allclose(added[40:], offset[39] * np.exp(-np.arange(1, 11) / 4), atol=1e-12)
    # a wide reach is linear in time between the borders, and a channel without a value stays as decoded
    wide = meeting(decoded, values, observed, reach=1e6)
    linear = fill(np.where(observed, values - decoded, np.nan)).values
    np.testing.assert_allclose((wide - decoded)[..., :40], linear[..., :40], atol=1e-4)
    np.testing.assert_array_equal(meeting(decoded, values, np.zeros_like(observed), 4.0), decoded)


def test_likelihood_is_the_mean_over_random_orders(model: NCVQVAE) -> None:
    """Against the definition: tokens drawn one by one, in many random orders, each given those before it."""
    tokens = torch.from_numpy(model.encode(5 * two_classes()[0][:2] + 100))
    classes, prior, rng = torch.tensor([0, 1]), model.prior_, np.random.default_rng(0)
    n, totals = prior.n_tokens, []
    for _ in range(20):
        order = rng.permutation(n)
        shown = torch.full_like(tokens, prior.mask_token)
        total = torch.zeros(2)
        for place in order:
            with torch.no_grad():
                logits = prior(shown, classes)[:, place].log_softmax(-1)
            total += logits.gather(1, tokens[:, [place]])[:, 0]
            shown[:, place] = tokens[:, place]
        totals.append(total / n)
    expected, spread = torch.stack(totals).mean(0), torch.stack(totals).std(0)
    found = token_log_likelihoods(prior, tokens, classes, n_masks=400)
    assert (found - expected).abs().max() < 0.02 + 4 * float(spread.max()) / 20**0.5


def test_tokens_that_were_not_observed_do_not_count(model: NCVQVAE) -> None:
    X = 5 * two_classes()[0] + 100
    tokens = torch.from_numpy(model.encode(X[:4]))
    gap = tokens.clone()
    gap[:, ::3] = model.prior_.mask_token
    found = token_log_likelihoods(model.prior_, gap, torch.zeros(4, dtype=torch.int64), n_masks=64)
    assert torch.isfinite(found).all() and (found < 0).all()
    alone = token_log_likelihoods(model.prior_, gap[:1], torch.zeros(1, dtype=torch.int64), n_masks=64)
    torch.testing.assert_close(found[:1], alone)  # others do not matter


def test_real_series_are_likelier_than_shuffled_ones_and_noise() -> None:
    X, y = two_classes()
    learned = {
        "ssl": "none",
        "augmentation": "none",
        "stage1.max_steps": 80,
        "stage1.warped_share": 0.0,
        "stage2.max_steps": 250,
        "stage2.learning_rate": 0.01,
        "stage2.stochastic_tokens": False,
        "prior.width": 32,
        "prior.head_width": 16,
        "prior.dropout": 0.0,
    }
    model = fitted(X, y, **learned)
    rng = np.random.default_rng(1)
    fresh = np.sin(2 * np.pi * (np.arange(LENGTH) / 20 + rng.random((40, 1)))) + 0.1 * rng.normal(size=(40, LENGTH))
    real = model.score_samples(fresh)
    for strange in (rng.permuted(fresh, axis=1), rng.normal(size=fresh.shape) * fresh.std()):
        assert (real[:, None] > model.score_samples(strange)).mean() > 0.9  # the area under the ROC curve
    slow = model.score_samples(fresh, "slow") > model.score_samples(fresh, "fast")
    assert slow.mean() > 0.9
