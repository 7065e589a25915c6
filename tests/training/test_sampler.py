"""Settings of sampling that the trained networks choose: what is tried, what is taken, what is kept and said."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.waves import SMALL, two_classes
from torch import Tensor

from ncvqvae import NCVQVAE, InputError
from ncvqvae.config import SamplingConfig
from ncvqvae.data.missing import ScaledSeries
from ncvqvae.evaluation.neighbours import nearest_distances, nearest_other
from ncvqvae.evaluation.rocket import standard_rocket
from ncvqvae.generation.generator import Generated, SeriesGenerator
from ncvqvae.training import sampler
from ncvqvae.training.sampler import CANDIDATES, Judged, choose_sampling, combinations, judged

KEPT = {**SMALL, "sampling.redraws": 1}
OPEN = {"sampling.n_steps": "auto", "sampling.choice_temperature": "auto", "sampling.kept_share": "auto"}


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return []


@pytest.fixture(scope="module")
def fitted(lines: list[str]) -> NCVQVAE:
    return NCVQVAE(settings={**KEPT, **OPEN}).fit(*two_classes(), explain=lines.extend)


def test_only_what_is_open_is_tried() -> None:
    every = SamplingConfig(n_steps="auto", choice_temperature="auto", kept_share="auto")
    assert [vars(found) for found in combinations(every, keeps_series=True)] == [
        {**vars(every), **values} for values in CANDIDATES
    ]
    assert {found.kept_share for found in combinations(every, keeps_series=False)} == {0.0}
    some = combinations(replace(every, choice_temperature=7.0, kept_share=0.0), keeps_series=True)
    assert [(found.n_steps, found.choice_temperature, found.kept_share) for found in some] == [(10, 7, 0), (40, 7, 0)]


def test_what_was_chosen_is_said_kept_and_used(fitted: NCVQVAE, lines: list[str], tmp_path: Path) -> None:
    settled = fitted.config_.sampling
    values = {name.partition(".")[2]: getattr(settled, name.partition(".")[2]) for name in OPEN}
    assert values in CANDIDATES
    said = ", ".join(f"{name} {value:g}" for name, value in values.items())
    assert lines[-2:-1] == ["sampling: now chosen by what the trained networks draw"]
    assert lines[-1].startswith(f"sampling: {said} (")
    fitted.save_pretrained(tmp_path)
    loaded = NCVQVAE.from_pretrained(tmp_path)
    expected = fitted.sample(6, seed=1).X
    np.testing.assert_array_equal(loaded.sample(6, seed=1).X, expected)
    for model in (fitted, loaded):
        np.testing.assert_array_equal(model.sample(6, seed=1, n_steps="auto", kept_share="auto").X, expected)


def test_a_choice_that_was_not_made_is_not_guessed(fitted: NCVQVAE) -> None:
    with pytest.raises(InputError, match=r"sampling.residual_scale auto: .* has chosen none"):
        fitted.sample(2, residual_neighbours=3, residual_scale="auto")
    plain = NCVQVAE(settings=SMALL).fit(*two_classes())
    with pytest.raises(InputError, match=r"sampling.n_steps auto: .* has chosen none"):
        plain.sample(2, n_steps="auto")
    with pytest.raises(InputError, match=r"sampling.kept_share 0.5: .* keeps no training series"):
        plain.sample(2, kept_share=0.5)


def test_no_training_series_are_kept_for_the_choice_alone() -> None:
    model = NCVQVAE(settings={**SMALL, **OPEN}).fit(*two_classes())
    assert model.tokenizer_.residuals is None and model.config_.sampling.kept_share == 0
    assert len(model.sample(2, kept_share="auto").X) == 2


def test_copies_and_noise_are_told_from_series_like_those_of_train(
    fitted: NCVQVAE, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = two_classes()
    half = np.arange(len(X)) % 4 < 2
    train, fresh = X[half], X[~half]
    rng = np.random.default_rng(0)

    def draw(self: SeriesGenerator, classes: Tensor, config: SamplingConfig, source: torch.Generator) -> Generated:
        known = {1: train, 2: fresh, 3: rng.normal(size=train.shape)}[int(config.n_steps)]
        labels = {1: y[half], 2: y[~half], 3: y[half]}[int(config.n_steps)]
        rows = [rng.choice(np.flatnonzero(labels == fitted.classes_[c])) for c in classes.tolist()]
        scaled = fitted.scaler_.transform(known[rows][:, None].astype(np.float32))
        return Generated(torch.from_numpy(scaled), None)

    monkeypatch.setattr(SeriesGenerator, "draw", draw)
    scaled = ScaledSeries(train[:, None].astype(np.float32), fitted.scaler_)
    classes = torch.from_numpy(np.searchsorted(fitted.classes_, y[half]))
    settings = [SamplingConfig(n_steps=n) for n in (1, 2, 3)]
    copies, real, noise = judged(fitted._codec, fitted._generator, settings, scaled, classes, 0)
    assert copies.nearer > 0.95 and 0.2 < real.nearer < 0.7 and noise.nearer < 0.1
    assert copies.distance < real.distance < noise.distance


def test_copies_are_seen_through_the_tokenizer(fitted: NCVQVAE, monkeypatch: pytest.MonkeyPatch) -> None:
    """Series of a tokenizer that hardly learned lie far from all real ones, also where their tokens are copied."""
    X, y = two_classes()
    train = ScaledSeries(X[:, None].astype(np.float32), fitted.scaler_)
    tokens = fitted._codec.encode(train)

    def draw(self: SeriesGenerator, classes: Tensor, config: SamplingConfig, source: torch.Generator) -> Generated:
        rows = torch.randint(len(tokens), (len(classes),), generator=source)
        shown = self.decode(tokens[rows])
        return Generated(shown if config.n_steps == 1 else self.decode(tokens[rows].flip(1)), None)

    monkeypatch.setattr(SeriesGenerator, "draw", draw)
    classes = torch.from_numpy(np.searchsorted(fitted.classes_, y))
    settings = [SamplingConfig(n_steps=n) for n in (1, 2)]
    copies, others = judged(fitted._codec, fitted._generator, settings, train, classes, 0)
    assert copies.nearer_decoded > 0.9 and others.nearer_decoded < 0.5
    whole = fitted._codec.scaled(fitted._codec.in_units(fitted._generator.decode(tokens)))[:].values
    features = standard_rocket(train[:].values, 0)
    raw = nearest_distances(features(whole), features(train[:].values))[:, None]
    assert (raw < nearest_other(features(train[:].values)).distance).mean() < 0.5 and copies.nearer < 0.5  # unseen


@pytest.mark.parametrize(
    ("found", "best"),
    [
        ([Judged(3, 0.4), Judged(1, 0.9), Judged(2, 0.5)], 2),  # copies do not count
        ([Judged(3, 0.8), Judged(1, 0.9), Judged(2, 0.7)], 2),  # all near: the farthest
        ([Judged(3, 0.1), Judged(1, 0.2), Judged(2, 0.0)], 1),
        ([Judged(3, 0.4, 0.6), Judged(1, 0.4, 0.7), Judged(2, 0.4, 0.5)], 2),  # copies but for what the tokenizer does
        ([Judged(3, 0.4, 0.9), Judged(1, 0.4, 0.8), Judged(2, 0.8, 0.5)], 1),
    ],
)
def test_which_is_taken(fitted: NCVQVAE, monkeypatch: pytest.MonkeyPatch, found: list[Judged], best: int) -> None:
    model = fitted
    train = NCVQVAE(settings=SMALL).prepare(*two_classes())
    tried = [SamplingConfig(n_steps=n) for n in (1, 2, 3)]
    monkeypatch.setattr(sampler, "combinations", lambda config, keeps_series: tried)
    monkeypatch.setattr(sampler, "judged", lambda *args: found)
    config = SamplingConfig(n_steps="auto")
    chosen = choose_sampling(model._codec, model._generator, config, train.series, train.classes, 0)
    assert chosen.value == tried[best]


def test_three_series_without_labels_of_unequal_length_get_the_first_combination() -> None:
    X = [np.sin(np.arange(n)) for n in (40, 50, 60)]
    model = NCVQVAE(settings={**KEPT, **OPEN}).fit(X)
    assert {name: getattr(model.config_.sampling, name) for name in CANDIDATES[0]} == CANDIDATES[0]
    assert len(model.sample(3, kept_share=0.5).X) == 3


def test_unequal_lengths_and_gaps_can_choose_too() -> None:
    rng = np.random.default_rng(0)
    X = [np.sin(np.arange(n) / 3) + 0.1 * rng.normal(size=n) for n in rng.integers(30, 60, 24)]
    X[0][5:12] = np.nan
    model = NCVQVAE(settings={**KEPT, **OPEN}).fit(X, ["a", "b"] * 12)
    assert model.config_.sampling.n_steps in (10, 40)
    made = model.sample(8, kept_share=0.75)
    assert {len(x) for x in made.X} <= set(range(30, 60))


def test_the_choice_is_part_of_the_estimate() -> None:
    X, y = two_classes()
    settled, left_open = (NCVQVAE(settings=settings).estimate_seconds(X, y) for settings in (KEPT, {**KEPT, **OPEN}))
    assert set(settled) == {"stage1", "stage2"}
    assert set(left_open) == {"stage1", "stage2", "sampling"} and left_open["sampling"] > 0
