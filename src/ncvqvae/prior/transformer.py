"""Bidirectional transformer with pre-normalisation (RMSNorm) and scaled dot-product attention."""

from __future__ import annotations

from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F


class Attention(nn.Module):
    """Multi-head self-attention of every token with every other; x (B, N, width)."""

    def __init__(self, width: int, n_heads: int, head_width: int, dropout: float) -> None:
        super().__init__()
        self.n_heads, self.dropout = n_heads, dropout
        self.to_qkv = nn.Linear(width, 3 * n_heads * head_width, bias=False)
        self.to_out = nn.Linear(n_heads * head_width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """softmax(Q K^T / sqrt(head_width)) V, projected back."""
        q, k, v = rearrange(self.to_qkv(x), "b n (part h d) -> part b h n d", part=3, h=self.n_heads)
        attended = F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout if self.training else 0.0)
        return self.to_out(rearrange(attended, "b h n d -> b n (h d)"))


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x))."""

    def __init__(self, width: int, n_heads: int, head_width: int, feedforward_width: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.Sequential(
            nn.RMSNorm(width), Attention(width, n_heads, head_width, dropout), nn.Dropout(dropout)
        )
        self.feedforward = nn.Sequential(
            nn.RMSNorm(width),
            nn.Linear(width, feedforward_width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(feedforward_width, width),
            nn.Dropout(dropout),
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
        super().__init__(*blocks, nn.RMSNorm(width))
