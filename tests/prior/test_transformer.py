"""Norm, attention and dropout on a CPU: the same mathematics as PyTorch's own; which pairs of places are alike."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ncvqvae.prior.transformer import Attention, Dropout, RMSNorm, kinds_of_pairs


def grads(loss: Tensor, *of: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(loss, of)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 0.05)]
)
def test_rms_norm_equals_pytorchs_in_value_and_gradient(dtype: torch.dtype, tolerance: float) -> None:
    generator = torch.Generator().manual_seed(0)
    x, g = (torch.randn(3, 5, 16, generator=generator).to(dtype) for _ in range(2))
    x.requires_grad_()
    norm = RMSNorm(16).to(torch.float64 if dtype == torch.float64 else torch.float32)
    with torch.no_grad():
        norm.weight.uniform_(0.5, 2.0, generator=generator)
    ours = norm(x)
    theirs = F.rms_norm(x.to(norm.weight.dtype), (16,), norm.weight, 1e-6)
    assert ours.dtype == dtype
    torch.testing.assert_close(ours.to(theirs.dtype), theirs, atol=tolerance, rtol=tolerance)
    wanted = grads((theirs * g).sum(), x, norm.weight)
    found = grads((ours * g).sum(), x, norm.weight)
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a.double(), b.double(), atol=10 * tolerance, rtol=tolerance)


def test_rms_norm_gradient_is_that_of_finite_differences() -> None:
    norm = RMSNorm(6).double()
    x = torch.randn(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    assert torch.autograd.gradcheck(norm, (x,), eps=1e-6, atol=1e-6)


def test_attention_equals_pytorchs() -> None:
    torch.manual_seed(0)
    attention = Attention(12, n_heads=2, head_width=4, dropout=0.5).eval()
    x = torch.randn(3, 7, 12)
    q, k, v = attention.to_qkv(x).view(3, 7, 3, 2, 4).permute(2, 0, 3, 1, 4)
    wanted = attention.to_out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(3, 7, 8))
    torch.testing.assert_close(attention(x), wanted, atol=1e-6, rtol=1e-5)


def test_attention_with_a_bias_equals_pytorchs_also_for_the_first_places_alone() -> None:
    torch.manual_seed(0)
    kinds = kinds_of_pairs([(1, 2), (2, 3)])
    attention = Attention(12, n_heads=2, head_width=4, dropout=0.0, kinds=kinds)
    assert attention.bias is not None and not attention.bias.table.any()  # at first it changes nothing
    nn.init.normal_(attention.bias.table)
    for n in (3, 9):
        x = torch.randn(3, n, 12)
        q, k, v = attention.to_qkv(x).view(3, n, 3, 2, 4).permute(2, 0, 3, 1, 4)
        mask = attention.bias.table.T[:, kinds.numbers[:n, :n]]
        wanted = attention.to_out(F.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).reshape(3, n, 8))
        torch.testing.assert_close(attention(x), wanted, atol=1e-6, rtol=1e-5)
        table = [attention.bias.table]
        for found, expected in zip(grads(attention(x).sum(), *table), grads(wanted.sum(), *table), strict=True):
            torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_pairs_are_alike_that_are_as_far_apart_in_time_and_frequency() -> None:
    rows, columns = 3, 5
    kinds, n = kinds_of_pairs([(rows, columns)])
    kinds = kinds.numpy()
    assert n == kinds.max() + 1
    assert kinds.shape == (16, 16) and np.unique(kinds).tolist() == list(range(5 * 9 + 3))
    of_tokens = kinds[1:, 1:].reshape(rows, columns, rows, columns)
    assert of_tokens[0, 0, 1, 2] == of_tokens[1, 2, 2, 4] != of_tokens[1, 2, 0, 0]
    assert of_tokens[0, 4, 1, 3] != of_tokens[0, 3, 1, 4]
    to_class, of_class, own = kinds[1:, 0], kinds[0, 1:], kinds[0, 0]
    assert len({*to_class}) == len({*of_class}) == 1 and len({to_class[0], of_class[0], own}) == 3
    assert not {to_class[0], of_class[0], own} & {*kinds[1:, 1:].flat}


def test_pairs_of_two_grids_are_told_by_the_columns_of_the_wider_one() -> None:
    kinds, n = kinds_of_pairs([(2, 3), (2, 6)])
    kinds = kinds.numpy()
    assert kinds.max() < n
    coarse, fine = kinds[1:7, 1:7], kinds[7:, 7:]
    across = kinds[1:7, 7:].reshape(2, 3, 2, 6)
    assert not {*coarse.flat} & {*fine.flat} and not {*across.flat} & {*coarse.flat, *fine.flat}
    # two columns of the fine grid for each of the coarse one: one step of it is two of the other
    assert across[0, 0, 0, 1] == across[0, 1, 0, 3] == across[1, 2, 1, 5]
    assert len({across[0, 0, 0, 0], across[0, 0, 0, 1], across[0, 0, 0, 2], across[0, 0, 1, 0]}) == 4
    # a band with as many columns is another grid, even so
    low, high = kinds_of_pairs([(1, 4), (1, 4)]).numbers[1:].reshape(2, 4, 9)
    assert low[0, 1] != low[0, 5] and low[0, 5] == low[1, 6] and high[0, 5] == high[1, 6] != low[0, 1]


def test_kinds_of_a_grid_too_large_for_any_memory_cost_none_on_the_meta_device() -> None:
    with torch.device("meta"):
        kinds = kinds_of_pairs([(5, 1_000_000), (5, 2_000_000)])
    assert kinds.numbers.shape == (15_000_001, 15_000_001)
    small = kinds_of_pairs([(5, 10), (5, 21)])
    assert kinds.n > small.n > small.numbers.max()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropout_drops_its_share_independently_and_keeps_the_mean(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x = torch.ones(501, 403, dtype=dtype)  # an odd number of values: the last word of random bits is not used up
    dropped = Dropout(0.2)(x)
    zeros = (dropped == 0).float()
    assert zeros.mean() == pytest.approx(51 / 256, abs=0.004)  # 0.2 as a multiple of 1 / 256; 4 standard errors
    assert dropped.float().mean() == pytest.approx(1.0, abs=0.006)
    assert set(dropped.unique().tolist()) == {0.0, x.mul(256 / 205).unique().item()}
    neighbours = torch.corrcoef(torch.stack([zeros.flatten()[:-1], zeros.flatten()[1:]]))[0, 1]
    assert abs(neighbours) < 0.01


def test_dropout_follows_the_seed_and_only_acts_in_training() -> None:
    x = torch.randn(9, 11)
    layer = Dropout(0.5)

    def drawn(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return layer(x)

    assert torch.equal(drawn(1), drawn(1)) and not torch.equal(drawn(1), drawn(2))
    assert torch.equal(layer.eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)
    assert torch.equal(Dropout(1.0)(x), nn.Dropout(1.0)(x))
