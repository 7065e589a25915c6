"""Bidirectional transformer with pre-normalisation (RMSNorm) and scaled dot-product attention.

Norm, attention and dropout are PyTorch's on a GPU. On a CPU the forms below replace them, the same mathematics in half
the time of a training step: PyTorch 2.13 has no fused RMSNorm there, a slow backward pass of bf16 attention, and draws
dropout masks one number at a time.
"""

from __future__ import annotations

from typing import Any

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


class Attention(nn.Module):
    """Multi-head self-attention of every token with every other; x (B, N, width)."""

    def __init__(self, width: int, n_heads: int, head_width: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.to_qkv = nn.Linear(width, 3 * n_heads * head_width, bias=False)
        self.to_out = nn.Linear(n_heads * head_width, width, bias=False)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """softmax(Q K^T / sqrt(head_width)) V, projected back."""
        heads = rearrange(self.to_qkv(x), "b n (part h d) -> part (b h) n d", part=3, h=self.n_heads)
        if x.device.type != "cpu":
            q, k, v = rearrange(heads, "part (b h) n d -> part b h n d", h=self.n_heads)
            attended = F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout.p if self.training else 0.0)
            return self.to_out(rearrange(attended, "b h n d -> b n (h d)"))
        q, k, v = heads.contiguous()  # one copy here instead of one in each product
        scores = torch.baddbmm(q.new_zeros(()), q, k.transpose(1, 2), beta=0, alpha=q.shape[-1] ** -0.5)
        attended = torch.bmm(self.dropout(torch.softmax(scores, dim=-1)), v)
        return self.to_out(rearrange(attended, "(b h) n d -> b n (h d)", h=self.n_heads))

    def weights(self, x: Tensor) -> Tensor:
        """How much each place of x (B, N, width) attends to each, softmax(Q K^T / sqrt(d)): (B, heads, N, N)."""
        q, k, _ = rearrange(self.to_qkv(x), "b n (part h d) -> part b h n d", part=3, h=self.n_heads)
        return torch.softmax(q @ k.transpose(2, 3) * q.shape[-1] ** -0.5, dim=-1)


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x))."""

    def __init__(self, width: int, n_heads: int, head_width: int, feedforward_width: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.Sequential(RMSNorm(width), Attention(width, n_heads, head_width, dropout), Dropout(dropout))
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
        self, n_layers: int, width: int, n_heads: int, head_width: int, feedforward_width: int, dropout: float
    ) -> None:
        blocks = [Block(width, n_heads, head_width, feedforward_width, dropout) for _ in range(n_layers)]
        super().__init__(*blocks, RMSNorm(width))
