"""What is kept of training series: tokens, from which new series can start, and detail that decoding loses."""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import pandas as pd
import torch
from einops import reduce
from torch import Generator, Tensor, nn

from ncvqvae.codec import CHUNK, tensors
from ncvqvae.config import KEEPS_SERIES
from ncvqvae.data.missing import ScaledSeries
from ncvqvae.prior.masking import ranks
from ncvqvae.tokenizer.tokenizer import Tokenizer

MIN_CASES, MAX_CASES = 32, 2048
MIN_OF_CLASS = 10
MAX_VALUES = 2**20
"""Values of residuals that a model keeps (4 MB), however many series it was trained on; at least those of MIN_CASES."""


def n_kept(n_cases: int, n_values: int) -> int:
    """Series whose residuals are kept, of ``n_cases`` series of ``n_values`` values each."""
    return min(n_cases, MAX_CASES, max(MIN_CASES, MAX_VALUES // n_values))


class Residuals(nn.Module):
    """Residuals r = x - decode(encode(x)) of n training series, and the tokens they belong to.

    A decoder trained on squared errors gives the mean of all series with the same tokens, so that noise and fine detail
    are missing from what it draws. A local residual bootstrap gives them back: the residual of a generated series is
    drawn from those of the training series with the nearest tokens (Efron 1979; smoothed as in Silverman and Young
    1987, so that with two neighbours or more no residual of a real series is added as it is).

    Args:
        n: number of series.
        n_tokens: tokens N of a series.
        n_channels: channels C.
        n_timepoints: length T.
        with_classes: whether the class index of each series is kept; models before format 4 lack it.
    """

    def __init__(self, n: int, n_tokens: int, n_channels: int, n_timepoints: int, *, with_classes: bool = True) -> None:
        super().__init__()
        self.tokens: Tensor
        self.values: Tensor
        self.classes: Tensor | None
        self.register_buffer("tokens", torch.zeros(n, n_tokens, dtype=torch.int32))
        self.register_buffer("values", torch.zeros(n, n_channels, n_timepoints))
        self.register_buffer("classes", torch.zeros(n, dtype=torch.int32) if with_classes else None)

    def __len__(self) -> int:
        return len(self.tokens)

    def draw(
        self, tokens: Tensor, n_neighbours: int, generator: Generator | None = None, *, own: Tensor | None = None
    ) -> Tensor:
        """Residuals (B, C, T) in scaled units for series of tokens (B, N).

        With the mean m and the residuals r_1 ... r_k of the k nearest series in Hamming distance (ties by chance), the
        draw is m + sum_i w_i (r_i - m) with w_i ~ N(0, 1 / (k - 1)): it has their mean and their covariance.

        Args:
            tokens: tokens of the generated series.
            n_neighbours: number k of series to draw from; 1 takes the residual of the nearest one.
            generator: CPU generator of the draw.
            own: rows (B,) of the residuals kept that are those of the series themselves, not to be drawn from.
        """
        n, device = len(self.tokens), self.values.device
        k = min(n_neighbours, n if own is None else n - 1)
        differing = torch.cdist(tokens.to(device, torch.float32), self.tokens.float(), p=0)
        if own is not None:
            differing[torch.arange(len(tokens)), own] = torch.inf
        ties = torch.rand(len(tokens), n, generator=generator).to(device)
        near = self.values[(differing + ties).topk(k, largest=False).indices]
        weights = torch.randn(len(tokens), k, generator=generator).to(device) / max(k - 1, 1) ** 0.5
        mean = reduce(near, "b k c t -> b 1 c t", "mean")
        return mean[:, 0] + torch.einsum("bk,bkct->bct", weights, near - mean)

    def starts(
        self,
        classes: Tensor,
        share: float,
        blank: int,
        no_class: int,
        generator: Generator,
        present: Tensor | None = None,
    ) -> Tensor:
        """Token grids (B, N) that hold ``share`` of the tokens of a random series of each class, ``blank`` elsewhere.

        Args:
            classes: class indices (B,) on the CPU. One of which no series is kept gets a blank grid.
            share: of the tokens of each series, at random places.
            blank: for tokens that are not kept; also behind the end of a shorter series.
            no_class: the index that takes any series.
            generator: CPU generator of the draw.
            present: which tokens lie before the end of each new series (B, N), on the CPU; only series that end about
                there are taken. None where all series have one length.
        """
        assert self.classes is not None
        possible = (classes[:, None] == self.classes.cpu()[None]) | (classes == no_class)[:, None]
        none_kept = ~possible.any(1, keepdim=True)
        if present is not None:
            apart = torch.cdist(present.float(), (self.tokens >= 0).cpu().float(), p=0)
            apart = apart.masked_fill(~possible, torch.inf)
            possible = apart == apart.amin(1, keepdim=True)
        weights = (possible | none_kept).float()
        tokens = self.tokens[torch.multinomial(weights, 1, generator=generator)[:, 0]].long()
        dropped = (ranks(len(tokens), tokens.shape[1], generator) >= round(share * tokens.shape[1])) | none_kept
        return tokens.masked_fill(dropped.to(tokens.device) | (tokens < 0), blank)


def kept_residuals(tokenizer: Tokenizer) -> Residuals | None:
    """Residuals of training series that the tokenizer keeps, or None."""
    return cast("Residuals | None", tokenizer.residuals)


def keeping_line(tokenizer: Tokenizer) -> str | None:
    """A line that says what a model keeps of training series, and which settings keep nothing; None if it does not.

    Whoever fits, saves or publishes a model is told the same.
    """
    residuals = kept_residuals(tokenizer)
    if residuals is None:
        return None
    settings = [f"sampling.{name} 0" for name in KEEPS_SERIES]
    return (
        f"the model keeps {len(residuals)} of its training series (tokens and residuals), which can be restored "
        f"from it; if they must not be shared, fit it with {', '.join(settings[:-1])} and {settings[-1]}"
    )


@torch.no_grad()
def keep_residuals(tokenizer: Tokenizer, scaled: ScaledSeries, classes: Tensor, seed: int) -> None:
    """Give a trained tokenizer the residuals of its training series, or of a part of them drawn by seed.

    Each class gives up to ``MIN_OF_CLASS`` series before the others are drawn, so that a rare one has some.

    Args:
        tokenizer: gets them.
        scaled: the train split.
        classes: class indices (n_cases,).
        seed: of the choice of series.
    """
    shape = scaled.X.shape[1:]
    n = n_kept(len(scaled), math.prod(shape))
    rows = np.sort(_drawn_by_class(classes.numpy(), n, np.random.default_rng([seed, 4])))
    chunks = [rows[at : at + CHUNK] for at in range(0, n, CHUNK)]
    device = tokenizer.codebook.device
    found = [tokenizer.residual(*tensors(scaled, chunk, device)) for chunk in chunks]
    kept = Residuals(n, tokenizer.n_tokens, *shape)
    kept.tokens.copy_(torch.cat([tokens for tokens, _ in found]))
    kept.values.copy_(torch.cat([values for _, values in found]))
    assert kept.classes is not None
    kept.classes.copy_(classes[torch.from_numpy(rows)])
    tokenizer.residuals = kept.to(device)


def _drawn_by_class(classes: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Rows (n,) of classes (n_cases,) in random order: one of each class, a second one, and so on, then any."""
    order = rng.permutation(len(classes))
    of_class = pd.Series(classes[order]).groupby(classes[order]).cumcount().to_numpy()
    return order[np.argsort(np.minimum(of_class, MIN_OF_CLASS), kind="stable")[:n]]
