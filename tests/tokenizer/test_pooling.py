"""Embeddings by the encoder: their statistics, what gaps and ends do, and how they are reduced."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.waves import SMALL, two_classes

from ncvqvae import NCVQVAE, InputError
from ncvqvae.config import TokenizerConfig
from ncvqvae.tokenizer.pooling import PARTS_WEIGHT, Reduction, Standard, choose_parts_weight, pooled
from ncvqvae.training.build import build_tokenizer


def transcribed(level: np.ndarray) -> np.ndarray:
    """The statistics of one level (c, H, w) of a series, one place after another."""
    w = level.shape[-1]
    parts = [level[..., i * w // 4 : -(-(i + 1) * w // 4)].mean(-1) for i in range(4)]
    kinds = [level.mean(-1), level.std(-1), level.max(-1), (level > 0).mean(-1), *parts]
    return np.concatenate([kind.ravel() for kind in kinds])


@pytest.mark.parametrize("width", [1, 3, 4, 11])
def test_statistics_equal_a_transcription(width: int) -> None:
    levels = [torch.randn(3, 2, 5, width), torch.randn(3, 4, 5, 2 * width)]
    found = pooled(levels)
    expected = [np.concatenate([transcribed(level[i].double().numpy()) for level in levels]) for i in range(3)]
    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-5, atol=1e-6)
    everything = torch.ones(3, 1, 7 * width, dtype=torch.bool)
    torch.testing.assert_close(pooled(levels, everything), found)


def test_what_was_not_observed_does_not_count() -> None:
    level, observed = torch.randn(2, 3, 5, 8), torch.ones(2, 1, 32, dtype=torch.bool)
    observed[:, :, 20:] = False  # columns 5 to 7, and with them the last part
    changed = torch.cat([level[..., :5], 100 * torch.randn(2, 3, 5, 3)], dim=-1)
    torch.testing.assert_close(pooled([changed], observed), pooled([level], observed))
    seen = pooled([level], observed).reshape(2, 8, 3, 5)
    for place, value in ((0, level[..., :5].mean(-1)), (2, level[..., :5].amax(-1)), (6, level[..., 4])):
        torch.testing.assert_close(seen[:, place], value)
    torch.testing.assert_close(seen[:, 7], seen[:, 0])  # nothing of the last part was seen
    assert pooled([level], torch.zeros_like(observed)).isfinite().all()


@pytest.mark.parametrize(("length", "n_blocks"), [(16, 0), (16, 2), (100, 0), (101, 1)])
def test_means_of_parts_are_known_among_all_statistics(length: int, n_blocks: int) -> None:
    tokenizer = build_tokenizer(TokenizerConfig(hidden_channels=4, n_residual_blocks=n_blocks), 2, length)
    x = torch.randn(3, 2, length)
    found, reference = tokenizer.pooled(x), tokenizer.eval().pooled(x)
    assert found.shape == reference.shape == (3, len(tokenizer.of_parts))
    level = list(tokenizer.bands[0].encoder.levels(tokenizer.transform(x)))[-1]
    last = level[..., 3 * level.shape[3] // 4 :].mean(3).flatten(1)
    torch.testing.assert_close(reference[:, tokenizer.of_parts][:, -last.shape[1] :], last)


def reduction_of(statistics: torch.Tensor, weights: torch.Tensor, size: int) -> Reduction:
    return Reduction.of(Standard.of(statistics), statistics, weights, size)


def test_all_axes_keep_all_distances() -> None:
    statistics, weights = torch.randn(12, 200), torch.rand(200)
    reduction = reduction_of(statistics, weights, 64)
    assert reduction.axes.shape == (200, 11)
    standard = (statistics - statistics.mean(0)) / statistics.std(0, correction=0) * weights
    distances = torch.cdist(standard, standard) / standard.square().sum(1).mean().sqrt()
    embedded = reduction(statistics)
    torch.testing.assert_close(torch.cdist(embedded, embedded), distances, rtol=1e-4, atol=1e-4)
    assert embedded.square().sum(1).mean() == pytest.approx(1, abs=1e-4)
    # fewer axes are the first of them
    torch.testing.assert_close(reduction_of(statistics, weights, 3)(statistics), embedded[:, :3])


def test_equal_series_have_one_axis_of_zeros() -> None:
    reduction = reduction_of(torch.ones(5, 20), torch.ones(20), 8)
    assert torch.equal(reduction(torch.randn(2, 20)), torch.zeros(2, 1))


def test_parts_of_time_weigh_more_where_they_tell_classes_apart() -> None:
    of_parts, classes = torch.arange(40) >= 20, torch.arange(60) % 2
    noise = torch.randn(60, 40)
    signal = 2.0 * classes[:, None] * torch.ones(40)
    assert choose_parts_weight(noise + signal * of_parts, of_parts, classes) == 1
    assert choose_parts_weight(noise + signal * ~of_parts, of_parts, classes) == 0
    assert choose_parts_weight(noise, of_parts, torch.full((60,), 3)) == PARTS_WEIGHT


def test_of_many_classes_random_sums_choose_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = torch.Generator().manual_seed(0)
    classes, of_parts = torch.arange(40).repeat(3), torch.arange(60) >= 30
    signal, noise = torch.randn(40, 60, generator=rng)[classes], torch.randn(120, 60, generator=rng)
    both = [signal * of_parts + noise * ~of_parts, signal * ~of_parts + noise * of_parts]
    exact = [choose_parts_weight(of, of_parts, classes) for of in both]
    monkeypatch.setattr("ncvqvae.tokenizer.pooling.MAX_TARGETS", 20)
    assert [choose_parts_weight(of, of_parts, classes) for of in both] == exact == [1, 0]


def test_the_estimator_gives_them_and_keeps_them(tmp_path: Path) -> None:
    X, y = two_classes()
    model = NCVQVAE(settings={**SMALL, "embedding.size": 5}).fit(X, y)
    Z = model.transform(X)
    assert Z.shape == (len(X), 5) and Z.dtype == np.float32
    np.testing.assert_allclose(model.transform(X[3:4]), Z[3:4], rtol=1e-4, atol=1e-5)
    assert model.get_feature_names_out().tolist() == ["z_0", "z_1", "z_2", "z_3", "z_4"]
    cut = X.copy()
    cut[0, ..., -4:] = np.nan
    holed = model.transform(cut)
    assert np.isfinite(holed).all() and not np.array_equal(holed[0], Z[0])
    np.testing.assert_allclose(holed[1:], Z[1:], rtol=1e-3, atol=1e-4)
    model.save_pretrained(tmp_path)
    assert np.array_equal(NCVQVAE.from_pretrained(tmp_path).transform(X), Z)


def test_a_model_without_them_gives_those_of_tokens() -> None:
    X, y = two_classes()
    model = NCVQVAE(settings=SMALL).fit(X, y)
    model.tokenizer_.reduction = None
    with pytest.raises(InputError, match="older than embeddings by the encoder"):
        model.transform(X)
    assert np.array_equal(model.transform(X, embedding="tokens"), model.embed(model.encode(X)))
    with pytest.raises(InputError, match=r"embedding\.kind"):
        model.transform(X, embedding="layers")  # type: ignore[arg-type]
