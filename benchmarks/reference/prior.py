"""Stage 2: bidirectional transformer, one training step, iterative sampling."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .tokenizer import StageOne


class Attention(nn.Module):
    """Multi-head attention with separate q, k, v maps and the softmax written out."""

    def __init__(self, width: int, n_heads: int, head: int) -> None:
        super().__init__()
        self.n_heads, self.head = n_heads, head
        self.q = nn.Linear(width, n_heads * head, bias=False)
        self.k = nn.Linear(width, n_heads * head, bias=False)
        self.v = nn.Linear(width, n_heads * head, bias=False)
        self.out = nn.Linear(n_heads * head, width, bias=False)

    def _heads(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.n_heads, self.head).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """``softmax(q k^T / sqrt(head)) v`` of ``(B, N, width)``."""
        q, k, v = self._heads(self.q(x)), self._heads(self.k(x)), self._heads(self.v(x))
        weights = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(self.head), dim=-1)
        mixed = (weights @ v).transpose(1, 2)
        return self.out(mixed.reshape(*mixed.shape[:2], -1))


class RMSNorm(nn.Module):
    """``g x / sqrt(mean(x^2) + eps)``."""

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last dimension."""
        return self.gain * x / torch.sqrt((x**2).mean(-1, keepdim=True) + self.eps)


class Transformer(nn.Module):
    """Logits ``(B, N, K)`` from tokens ``(B, N)`` (K = mask) and labels ``(B,)`` (n_classes = none)."""

    def __init__(
        self, codes: Tensor, n_tokens: int, n_classes: int, width: int = 256, n_layers: int = 4, n_heads: int = 2
    ) -> None:
        super().__init__()
        n_codes, dim = codes.shape
        self.mask_token, self.no_class = n_codes, n_classes
        self.tokens = nn.Embedding(n_codes + 1, dim)
        self.tokens.weight.data[:n_codes] = codes
        self.lift = nn.Linear(dim, width)
        self.classes = nn.Embedding(n_classes + 1, width)
        self.positions = nn.Parameter(0.02 * torch.randn(n_tokens + 1, width))
        self.norms = nn.ModuleList([RMSNorm(width) for _ in range(2 * n_layers)])
        self.attention = nn.ModuleList([Attention(width, n_heads, 64) for _ in range(n_layers)])
        self.feed_forward = nn.ModuleList(
            [nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width)) for _ in range(n_layers)]
        )
        self.head = nn.Sequential(
            RMSNorm(width), nn.Linear(width, dim), nn.GELU(), nn.LayerNorm(dim), nn.Linear(dim, n_codes)
        )

    def forward(self, tokens: Tensor, labels: Tensor) -> Tensor:
        """Predict every token from the unmasked ones and the label."""
        x = torch.cat([self.classes(labels)[:, None], self.lift(self.tokens(tokens))], dim=1) + self.positions
        for i, (attention, feed_forward) in enumerate(zip(self.attention, self.feed_forward, strict=True)):
            x = x + attention(self.norms[2 * i](x))
            x = x + feed_forward(self.norms[2 * i + 1](x))
        return self.head(x[:, 1:])


class StageTwo(nn.Module):
    """The prior over the tokens of a frozen :class:`StageOne`."""

    def __init__(self, tokenizer: StageOne, n_tokens: int, n_classes: int, steps: int = 1000) -> None:
        super().__init__()
        self.tokenizer = tokenizer.requires_grad_(False)
        self.n_tokens = n_tokens
        self.network = Transformer(tokenizer.quantizer.codes, n_tokens, n_classes)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-3, weight_decay=1e-3)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, steps)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Cross-entropy on the masked tokens: cosine share masked, the class dropped with probability 0.2."""
        tokens = self.tokenizer.encode(x, stochastic=True)
        share = torch.cos(math.pi / 2 * torch.rand(len(x), 1))
        n_masked = (share * self.n_tokens).ceil().clamp(min=1)
        masked = torch.rand(tokens.shape).argsort(1).argsort(1) < n_masked
        labels = torch.where(torch.rand(len(y)) < 0.2, self.network.no_class, y)
        logits = self.network(tokens.masked_fill(masked, self.network.mask_token), labels)
        return F.cross_entropy(logits[masked], tokens[masked])

    def step(self, x: Tensor, y: Tensor) -> float:
        """One optimisation step on series ``(B, C, L)`` and labels ``(B,)``; returns the loss."""
        self.network.train()
        self.optimizer.zero_grad()
        loss = self.loss(x, y)
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        return loss.item()

    @torch.no_grad()
    def sample(
        self, n: int, label: int | None = None, n_steps: int = 10, temperature: float = 4.0, guidance: float = 1.0
    ) -> Tensor:
        """Draw n series ``(n, C, L)``; with a label, two passes: ``none + guidance (class - none)``."""
        network = self.network.eval()
        tokens = torch.full((n, self.n_tokens), network.mask_token)
        no_class = torch.full((n,), network.no_class)
        for t in range(1, n_steps + 1):
            masked = tokens == network.mask_token
            logits = network(tokens, no_class)
            if label is not None:
                logits = logits + guidance * (network(tokens, torch.full((n,), label)) - logits)
            drawn = torch.distributions.Categorical(logits=logits).sample()
            tokens = torch.where(masked, drawn, tokens)
            log_probability = torch.log_softmax(logits, -1).gather(2, tokens[..., None])[..., 0]
            gumbel = -torch.log(-torch.log(torch.rand(tokens.shape).clamp(1e-9, 1 - 1e-7)))
            confidence = log_probability + temperature * (1 - t / n_steps) * gumbel
            confidence = torch.where(masked, confidence, torch.inf)
            n_masked = math.floor(self.n_tokens * math.cos(math.pi / 2 * t / n_steps))
            again = confidence.argsort(1)[:, :n_masked]
            tokens.scatter_(1, again, network.mask_token)
        return self.tokenizer.decode(tokens)
