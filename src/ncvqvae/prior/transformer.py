"""Bidirectional transformer with pre-normalisation (RMSNorm) and scaled dot-product attention.

Norm, attention and dropout are PyTorch's on a GPU. On a CPU the forms below replace them, the same mathematics in half
the time of a training step: PyTorch 2.13 has no fused RMSNorm there, a slow backward pass of bf16 attention, and draws
dropout masks one number at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F


class _RMSNormOnCPU(torch.autograd.Function):
    """x / rms(x) * w over the last axis; with n = x / rms(x), dL/dx = (g w - n mean(g w n)) / rms(x)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=weight.dtype)
        scale = torch.rsqrt(norm.square() / x.shape[-1] + eps).to(x.dtype)
        normed = x * scale
        ctx.save_for_backward(normed, scale, weight)
        return normed * weight.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        normed, scale, weight = ctx.saved_tensors
        (grad,) = grads
        product, weight = grad * normed, weight.to(grad.dtype)
        mean = (product @ weight)[..., None] / len(weight)
        grad_x = (grad * weight).addcmul_(normed, mean, value=-1).mul_(scale)
        return grad_x, product.flatten(0, -2).sum(0, dtype=weight.dtype), None


class RMSNorm(nn.RMSNorm):
    """x / sqrt(mean(x^2) + eps) * weight over the last axis (Zhang and Sennrich 2019); shape kept."""

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        super().__init__(width, eps)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each vector."""
        on_cpu = x.device.type == "cpu"
        return _RMSNormOnCPU.apply(x, self.weight, self.eps) if on_cpu else super().forward(x)


class Dropout(nn.Dropout):
    """Set a share ``p`` of the values to 0 and scale up the rest (Srivastava et al. 2014).

    On a CPU one random byte decides for each value, so ``p`` is rounded to a multiple of 1 / 256.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Drop values while training; x as it is otherwise."""
        n_kept = round(256 * (1 - self.p))
        if not self.training or n_kept == 256:
            return x
        if x.device.type != "cpu" or n_kept == 0:
            return super().forward(x)
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
        keep = words.view(torch.uint8)[: x.numel()].view(x.shape) < n_kept
        return x * keep.to(x.dtype).mul_(256 / n_kept)


class PairKinds(NamedTuple):
    """A number for the way in which each two places lie to each other, (1 + N, 1 + N); all are below ``n``."""

    numbers: Tensor
    n: int


def kinds_of_pairs(grids: Sequence[tuple[int, int]]) -> PairKinds:
    """The kinds of pairs of places: place 0 is the class, the others are the tokens of all grids.

    Pairs of tokens have the same number if they are of the same grids, and equally far apart in frequency and in time.
    The class lies to all tokens of a grid alike. On the meta device it costs no memory, however large the grids.

    Args:
        grids: (rows, columns) of each grid in the order of its tokens, which are its rows one by one.

    Example:
        >>> kinds_of_pairs([(1, 3)]).numbers.tolist()  # the class, and three places in time
        [[0, 1, 1, 1], [2, 5, 4, 3], [2, 6, 5, 4], [2, 7, 6, 5]]
    """
    places, n, found = [(1, 1), *grids], 0, []
    for a, (rows, columns) in enumerate(places):
        blocks = []
        for b, (other_rows, other_columns) in enumerate(places):
            if 0 in (a, b):
                kinds = torch.zeros(rows * columns, other_rows * other_columns, dtype=torch.int64)
                n_kinds = 1
            else:
                in_time, n_times = _columns_between(columns, other_columns)
                in_frequency = torch.arange(rows)[:, None] - torch.arange(other_rows) + other_rows - 1
                kinds = in_frequency[:, None, :, None] * n_times + in_time[None, :, None, :]
                kinds = kinds.reshape(rows * columns, other_rows * other_columns)
                n_kinds = (rows + other_rows - 1) * n_times
            blocks.append(kinds + n)
            n += n_kinds
        found.append(torch.cat(blocks, dim=1))
    return PairKinds(torch.cat(found), n)


def _columns_between(columns: int, others: int) -> tuple[Tensor, int]:
    """Columns from the middle of each of one grid to each of another, (columns, others), from 0 on; and how many.

    They are counted in columns of the wider grid and rounded down; within one grid they are whole.
    """

    def between(column: Any, other: Any) -> Any:
        return ((2 * column + 1) * others - (2 * other + 1) * columns) * max(columns, others) // (2 * columns * others)

    least, most = between(0, others - 1), between(columns - 1, 0)
    return between(torch.arange(columns)[:, None], torch.arange(others)) - least, most - least + 1


class RelativePositionBias(nn.Module):
    """A learned number for each head and each way in which two places lie to each other; all are 0 at first.

    Added to the scores of attention, it tells near tokens from far ones, wherever they are (Raffel et al. 2020; for the
    two directions of a grid Liu et al. 2021, "Swin Transformer").

    Args:
        kinds: as of :func:`kinds_of_pairs`.
        n_heads: attention heads.
    """

    kinds: Tensor

    def __init__(self, kinds: PairKinds, n_heads: int) -> None:
        super().__init__()
        self.register_buffer("kinds", kinds.numbers, persistent=False)  # follows from the settings
        self.table = nn.Parameter(torch.zeros(kinds.n, n_heads))

    def forward(self, n: int) -> Tensor:
        """What is added to the scores of the first n places, (heads, n, n)."""
        return rearrange(F.embedding(self.kinds[:n, :n], self.table), "i j h -> h i j")


class Attention(nn.Module):
    """Multi-head self-attention of every token with every other; x (B, N, width).

    ``kinds``, as of :func:`kinds_of_pairs`, adds a bias by their relative positions to the scores.
    """

    def __init__(
        self, width: int, n_heads: int, head_width: int, dropout: float, kinds: PairKinds | None = None
    ) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.to_qkv = nn.Linear(width, 3 * n_heads * head_width, bias=False)
        self.to_out = nn.Linear(n_heads * head_width, width, bias=False)
        self.dropout = Dropout(dropout)
        self.bias = None if kinds is None else RelativePositionBias(kinds, n_heads)

    def forward(self, x: Tensor) -> Tensor:
        """softmax(Q K^T / sqrt(head_width) + bias) V, projected back."""
        heads = rearrange(self.to_qkv(x), "b n (part h d) -> part (b h) n d", part=3, h=self.n_heads)
        bias = None if self.bias is None else self.bias(x.shape[1]).to(heads.dtype)
        if x.device.type != "cpu":
            q, k, v = rearrange(heads, "part (b h) n d -> part b h n d", h=self.n_heads)
            dropped = self.dropout.p if self.training else 0.0
            attended = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, dropout_p=dropped)
            return self.to_out(rearrange(attended, "b h n d -> b n (h d)"))
        q, k, v = heads.contiguous()  # one copy here instead of one in each product
        scores = torch.baddbmm(q.new_zeros(()), q, k.transpose(1, 2), beta=0, alpha=q.shape[-1] ** -0.5)
        if bias is not None:
            scores = (scores.unflatten(0, (-1, self.n_heads)) + bias).flatten(0, 1)
        attended = torch.bmm(self.dropout(torch.softmax(scores, dim=-1)), v)
        return self.to_out(rearrange(attended, "(b h) n d -> b n (h d)", h=self.n_heads))

    def weights(self, x: Tensor) -> Tensor:
        """How much each place of x (B, N, width) attends to each, softmax(Q K^T / sqrt(d) + bias): (B, heads, N, N)."""
        q, k, _ = rearrange(self.to_qkv(x), "b n (part h d) -> part b h n d", part=3, h=self.n_heads)
        scores = q @ k.transpose(2, 3) * q.shape[-1] ** -0.5
        return torch.softmax(scores if self.bias is None else scores + self.bias(x.shape[1]), dim=-1)


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x))."""

    def __init__(
        self,
        width: int,
        n_heads: int,
        head_width: int,
        feedforward_width: int,
        dropout: float,
        kinds: PairKinds | None = None,
    ) -> None:
        super().__init__()
        attention = Attention(width, n_heads, head_width, dropout, kinds)
        self.attention = nn.Sequential(RMSNorm(width), attention, Dropout(dropout))
        self.feedforward = nn.Sequential(
            RMSNorm(width),
            nn.Linear(width, feedforward_width),
            nn.GELU(),
            Dropout(dropout),
            nn.Linear(feedforward_width, width),
            Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """One transformer block on (B, N, width)."""
        x = x + self.attention(x)
        return x + self.feedforward(x)


class Transformer(nn.Sequential):
    """Blocks and a final norm; (B, N, width) to (B, N, width)."""

    def __init__(
        self,
        n_layers: int,
        width: int,
        n_heads: int,
        head_width: int,
        feedforward_width: int,
        dropout: float,
        kinds: PairKinds | None = None,
    ) -> None:
        blocks = [Block(width, n_heads, head_width, feedforward_width, dropout, kinds) for _ in range(n_layers)]
        super().__init__(*blocks, RMSNorm(width))
