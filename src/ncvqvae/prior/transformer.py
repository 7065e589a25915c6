"""Bidirectional transformer with pre-normalisation (RMSNorm) and scaled dot-product attention.

Norm, attention and dropout are PyTorch's on a GPU. On a CPU the forms below replace them, the same mathematics in half
the time of a training step: PyTorch 2.13 has no fused RMSNorm there, a slow backward pass of bf16 attention, and draws
dropout masks one number at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
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


def kinds_of_pairs(grids: Sequence[tuple[int, int]]) -> np.ndarray:
    """A number for the way in which each two places lie to each other, (1 + N, 1 + N), without gaps from 0 on.

    Pairs of tokens have the same number if they are of the same grids, and equally far apart in frequency and in time.
    Place 0 is the class, which lies to all tokens of a grid alike.

    Args:
        grids: (rows, columns) of each grid in the order of its tokens, which are its rows one by one.

    Example:
        >>> kinds_of_pairs([(1, 3)]).tolist()  # the class, and three places in time
        [[0, 1, 1, 1], [2, 5, 4, 3], [2, 6, 5, 4], [2, 7, 6, 5]]
    """
    of_grids = [np.stack(np.broadcast_arrays(g, *np.ogrid[:r, :c], c), -1) for g, (r, c) in enumerate(grids, 1)]
    grid, row, column, width = np.concatenate([[(0, 0, 0, 1)], *(part.reshape(-1, 4) for part in of_grids)]).T
    pairs = [(values[:, None], values[None]) for values in (grid, row, column, width)]
    (grid_a, grid_b), (row_a, row_b), (column_a, column_b), (width_a, width_b) = pairs
    # columns of the wider grid between the middles of both, rounded down; whole within a grid
    middles = (2 * column_a + 1) * width_b - (2 * column_b + 1) * width_a
    in_time = middles * np.maximum(width_a, width_b) // (2 * width_a * width_b)
    in_time = np.where((grid_a > 0) & (grid_b > 0), in_time, 0)
    in_frequency = np.where((grid_a > 0) & (grid_b > 0), row_a - row_b, 0)
    far, high = int(np.abs(in_time).max()), int(np.abs(in_frequency).max())
    sizes = (len(grids) + 1, len(grids) + 1, 2 * high + 1, 2 * far + 1)
    keys = np.ravel_multi_index(np.broadcast_arrays(grid_a, grid_b, in_frequency + high, in_time + far), sizes)
    return np.unique(keys, return_inverse=True)[1].reshape(keys.shape)


class RelativePositionBias(nn.Module):
    """A learned number for each head and each way in which two places lie to each other; all are 0 at first.

    Added to the scores of attention, it tells near tokens from far ones, wherever they are (Raffel et al. 2020; for the
    two directions of a grid Liu et al. 2021, "Swin Transformer").

    Args:
        kinds: as of :func:`kinds_of_pairs`.
        n_heads: attention heads.
    """

    kinds: Tensor

    def __init__(self, kinds: np.ndarray, n_heads: int) -> None:
        super().__init__()
        self.register_buffer("kinds", torch.from_numpy(kinds), persistent=False)  # follows from the settings
        self.table = nn.Parameter(torch.zeros(int(kinds.max()) + 1, n_heads))

    def forward(self, n: int) -> Tensor:
        """What is added to the scores of the first n places, (heads, n, n)."""
        return rearrange(F.embedding(self.kinds[:n, :n], self.table), "i j h -> h i j")


class Attention(nn.Module):
    """Multi-head self-attention of every token with every other; x (B, N, width).

    ``kinds``, as of :func:`kinds_of_pairs`, adds a bias by their relative positions to the scores.
    """

    def __init__(
        self, width: int, n_heads: int, head_width: int, dropout: float, kinds: np.ndarray | None = None
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
        kinds: np.ndarray | None = None,
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
        kinds: np.ndarray | None = None,
    ) -> None:
        blocks = [Block(width, n_heads, head_width, feedforward_width, dropout, kinds) for _ in range(n_layers)]
        super().__init__(*blocks, RMSNorm(width))
