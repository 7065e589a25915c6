"""Copies of training series: how they are told, and that sampling draws them again."""

import numpy as np
import pytest
import torch
from tests.waves import SMALL, two_classes

from ncvqvae import NCVQVAE, InputError
from ncvqvae.generation.copies import QUANTILE, Novelty

KEEPING = {**SMALL, "sampling.residual_neighbours": 2}


def copied(model: NCVQVAE, X: np.ndarray, made: np.ndarray) -> float:
    """Share of copies as the figures of a run see them: series in their own units, through the tokenizer."""
    train, images = (model.scaler_.transform(model.reconstruct(A)[:, None]) for A in (X, made))
    return float(Novelty(train).is_copy(images).mean())


def test_the_threshold_is_what_the_nearest_of_the_training_series_have_between_them() -> None:
    train = np.arange(40.0)[:, None, None] ** 2  # the nearest other of i lies 2 i - 1 below, of 0 one above
    novelty = Novelty(train)
    assert novelty.threshold == np.quantile(np.r_[1, 2 * np.arange(1, 40) - 1], QUANTILE)
    made = train[5] + np.array([0.0, 0.9, -1.0, 2.0]).reshape(4, 1, 1) * novelty.threshold
    assert novelty.is_copy(made).tolist() == [True, True, True, False]


def test_of_one_series_only_itself_is_a_copy() -> None:
    novelty = Novelty(np.ones((1, 2, 3)))
    assert novelty.is_copy(np.stack([np.ones((2, 3)), np.full((2, 3), 1.001)])).tolist() == [True, False]


def test_copies_are_drawn_again_with_their_labels() -> None:
    X, y = two_classes()
    model = NCVQVAE(settings=KEEPING).fit(X, y)
    recited = model.encode(X)[:3]
    sample = model.prior_.sample

    def recite(classes, config, generator, *rest):  # every third series is one of the train split, its residual too
        drawn = sample(classes, config, generator, *rest)
        chosen = torch.rand(len(classes), generator=generator) < 1 / 3
        drawn.tokens[chosen] = torch.from_numpy(recited[np.arange(int(chosen.sum())) % 3])
        return drawn

    model.prior_.sample = recite  # type: ignore[method-assign]
    first, again = (model.sample(300, seed=1, residual_neighbours=1, redraws=n) for n in (0, 6))
    assert copied(model, X, first.X) > 0.25
    assert copied(model, X, again.X) < 0.05  # a copy seven times in a row
    np.testing.assert_array_equal(first.y, again.y)
    kept = ~Novelty(model.scaler_.transform(model.reconstruct(X)[:, None])).is_copy(
        model.scaler_.transform(model.reconstruct(first.X)[:, None])
    )
    np.testing.assert_array_equal(first.X[kept], again.X[kept])


def test_each_redraw_is_warmer_than_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = two_classes()
    model = NCVQVAE(settings=KEEPING).fit(X, y)
    monkeypatch.setattr(model._generator, "is_copy", lambda made, lengths: torch.ones(len(made), dtype=torch.bool))
    sample, temperatures = model.prior_.sample, []

    def watched(classes, config, *rest):
        temperatures.append(config.temperature)
        return sample(classes, config, *rest)

    monkeypatch.setattr(model.prior_, "sample", watched)
    model.sample(4, temperature=0.8, redraws=3, redraw_heating=0.5)
    assert temperatures == pytest.approx([0.8, 1.2, 1.6, 2.0])


def test_unequal_lengths_stay_with_their_series() -> None:
    X, y = two_classes()
    series = [x[: 20 + place % 12] for place, x in enumerate(X)]
    model = NCVQVAE(settings=KEEPING).fit(series, y)
    made = model.sample(40, seed=1, redraws=3).X
    assert {len(x) for x in made} <= {len(x) for x in series} and all(np.isfinite(x).all() for x in made)


def test_draws_follow_the_seed() -> None:
    X, y = two_classes()
    model = NCVQVAE(settings={**KEEPING, "sampling.redraws": 2}).fit(X, y)
    np.testing.assert_array_equal(model.sample(20, seed=1).X, model.sample(20, seed=1).X)


def test_a_model_without_training_series_says_so() -> None:
    X, y = two_classes()
    model = NCVQVAE(settings=SMALL).fit(X, y)
    with pytest.raises(InputError, match="redraws 5: this model was fitted with 0 and keeps no"):
        model.sample(2, redraws=5)
