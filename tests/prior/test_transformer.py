"""Norm, attention and dropout on a CPU: the same mathematics as PyTorch's own."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ncvqvae.prior.transformer import Attention, Dropout, RMSNorm


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
