"""Attention maps are the weights that the prior uses, by step, layer and head; their picture has a panel of each."""

import copy

import numpy as np
import pytest
import torch
from tests.waves import SMALL, two_classes
from torch import nn

from ncvqvae import NCVQVAE, InputError
from ncvqvae.analysis import Attended, attention_maps, draw_attention
from ncvqvae.data import Splits
from ncvqvae.prior.transformer import Attention, kinds_of_pairs
from ncvqvae.report import compose
from ncvqvae.report.compose import class_attention


@pytest.fixture(scope="module")
def model() -> NCVQVAE:
    X, y = two_classes()
    own = {"prior.n_layers": 2, "prior.n_heads": 2, "stage2.max_steps": 20}
    return NCVQVAE(settings=SMALL | own).fit(5 * X + 100, y)


@torch.no_grad()
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_weights_are_those_of_the_forward_pass(training: bool, biased: bool) -> None:
    torch.manual_seed(0)
    kinds = kinds_of_pairs([(2, 2)]) if biased else None
    layer, x = Attention(8, 2, 4, dropout=0.0, kinds=kinds).train(training), torch.randn(3, 5, 8)
    if layer.bias is not None:
        nn.init.normal_(layer.bias.table)
    weights = layer.weights(x)
    assert weights.shape == (3, 2, 5, 5)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 2, 5))
    values = layer.to_qkv(x)[..., 16:].unflatten(-1, (2, 4)).transpose(1, 2)
    attended = (weights @ values).transpose(1, 2).flatten(2)
    torch.testing.assert_close(layer.to_out(attended), layer(x))


def test_maps_have_a_part_for_each_step_layer_and_head(model: NCVQVAE) -> None:
    n = model.tokenizer_.n_tokens
    maps = attention_maps(model, "slow", n=6, n_steps=3)
    assert maps.weights.shape == (3, 2, 2, 1 + n, 1 + n) and maps.series.shape == (6, 1, 32)
    np.testing.assert_allclose(maps.weights.sum(-1), 1, atol=1e-5)
    over_time = maps.over_time()
    assert over_time.shape == (3, 2, 2, model.tokenizer_.n_columns)
    to_class = maps.weights[..., 0].mean(-1)
    np.testing.assert_allclose(over_time.sum(-1) + to_class, 1, atol=1e-5)
    again = attention_maps(model, "slow", n=6, n_steps=3)
    np.testing.assert_array_equal(again.weights, maps.weights)
    assert not np.array_equal(attention_maps(model, "fast", n=6, n_steps=3).weights, maps.weights)
    # the class is unheard of in the first step of an unconditional draw, and the model is left as it was
    assert attention_maps(model, n=6, n_steps=3).weights.shape == maps.weights.shape
    assert not any(part._forward_pre_hooks for part in model.prior_.modules())


def test_what_a_column_gets_is_the_sum_over_its_rows() -> None:
    """Planted: all places look at column 2 of a grid of 3 rows and 5 columns, or at the class, or at a coarser grid."""
    weights = np.zeros((3, 1, 1, 20, 20))  # the class, 4 tokens of a coarser grid, 15 of this one
    weights[0, ..., [5 + 2, 5 + 7, 5 + 12]] = 1 / 3
    weights[1, ..., 0] = 1
    weights[2, ..., 1:5] = 1 / 4
    over_time = Attended(weights, np.zeros((1, 1, 10)), (3, 5)).over_time()[:, 0, 0]
    np.testing.assert_allclose(over_time, [[0, 0, 1, 0, 0], [0] * 5, [0] * 5], atol=1e-12)


def test_the_picture_has_a_panel_for_each_head(model: NCVQVAE) -> None:
    figure = draw_attention(attention_maps(model, "slow", n=4, n_steps=3), step=0)
    assert [ax.get_title() for ax in figure.axes] == [
        f"layer {layer}, head {head}" for layer in (1, 2) for head in (1, 2)
    ]
    assert "step 1 of 3" in figure.get_suptitle()


def test_a_report_has_the_mean_over_steps_for_each_class(model: NCVQVAE, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = two_classes()
    splits = Splits("waves", 5 * X + 100, y, X, y, "")
    found = class_attention(model, splits)
    assert [part.label for part in found] == ["fast", "slow"]
    maps = attention_maps(model, "fast", n=16, seed=model.config_.seed)
    np.testing.assert_allclose(found[0].shares, maps.over_time().mean(0))
    np.testing.assert_allclose(found[0].series, maps.series.mean(0), rtol=1e-6)
    assert [part.label for part in class_attention(model, splits._replace(y_train=None))] == [None]
    other = copy.copy(model)
    other.prior_ = nn.Identity()  # a plug-in's network has no heads that are known
    assert class_attention(other, splits) == []
    monkeypatch.setattr(compose, "ATTENTION_TOKENS", model.tokenizer_.n_tokens - 1)
    assert class_attention(model, splits) == []


def test_several_grids_have_maps_each() -> None:
    X, y = two_classes(48)
    model = NCVQVAE(settings=SMALL | {"tokenizer.coarser_grids": 1}).fit(X, y)
    sizes, ends = model.tokenizer_.level_sizes, model.prior_.ends
    for level in (0, 1):
        maps = attention_maps(model, "slow", n=3, n_steps=2, level=level)
        assert maps.weights.shape[-1] == 1 + ends[level] and np.prod(maps.grid) == sizes[level]
        assert maps.over_time().shape[-1] == maps.grid[1]
    with pytest.raises(InputError, match="unknown label"):
        attention_maps(model, "sideways")
    with pytest.raises(InputError, match="level 'x': this model has 2 grid"):
        attention_maps(model, level="x")  # type: ignore[arg-type]
    for level in (2, True):
        with pytest.raises(InputError, match="this model has 2 grid"):
            attention_maps(model, "slow", level=level)
    maps = attention_maps(model, "slow", n=3, n_steps=2, level=np.int64(0))  # type: ignore[arg-type]
    assert maps.weights.shape[-1] == 1 + ends[0]
    with pytest.raises(InputError, match="step 2: there are 2"):
        draw_attention(maps, 2)
    with pytest.raises(InputError, match="channel 1: there are 1"):
        draw_attention(maps, channel=1)
