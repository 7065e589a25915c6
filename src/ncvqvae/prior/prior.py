"""Network of stage 2: logits of every token, given the known tokens and optionally the class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Literal

import torch
from einops import rearrange
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from ncvqvae.config import SamplingConfig
from ncvqvae.hardware import fp32_products, freed_pages_kept, resolve_precision
from ncvqvae.prior.decoding import Decoded, parallel_decode

InputMode = Literal["token", "codebook", "codebook-finetuned"]


class _LinearMix(nn.Module):
    """Low-rank linear map from code vectors of known tokens, and the mask of known tokens, to (B, N, width).

    Attention averages a few positions in each head, and takes long to learn what a regression on all of them reads at
    once: how each token of a noisy series follows from its neighbours.
    """

    def __init__(self, n_tokens: int, dim: int, rank: int, width: int) -> None:
        super().__init__()
        self.down = nn.Linear(n_tokens * (dim + 1), rank)
        self.up, self.width = nn.Linear(rank, n_tokens * width), width
        nn.init.normal_(self.up.weight, std=0.02)

    def forward(self, vectors: Tensor, known: Tensor) -> Tensor:
        """Mix vectors (B, n, d) of the first n tokens, of which those that are ``known`` (B, n) count."""
        shown = torch.cat([vectors * known[..., None], known[..., None]], dim=-1).flatten(1)
        n, dim = vectors.shape[1:]
        down, up = self.down.weight[:, : n * (dim + 1)], slice(n * self.width)
        mixed = F.linear(F.linear(shown, down, self.down.bias), self.up.weight[up], self.up.bias[up])
        return rearrange(mixed, "b (n w) -> b n w", n=n)


class _LocalMap(nn.Module):
    """Low-rank linear map from known tokens at most ``span`` columns away, the same at each column; to (B, N, width).

    How noise goes on from one token to the next is the same everywhere, so it is learned from every place at once, and
    no series by heart. The tokens of a grid are read with those of the coarser ones at their time.
    """

    def __init__(self, grids: Sequence[tuple[int, int]], dim: int, rank: int, span: int, width: int) -> None:
        super().__init__()
        self.grids = list(grids)
        n_read = [rows * (dim + 1) for rows in accumulate(rows for rows, _ in grids)]
        self.down = nn.ModuleList(nn.Conv1d(n, rank, 2 * span + 1, padding=span) for n in n_read)
        up = [nn.Conv1d(rank, rows * width, 1) for rows, _ in grids]
        for layer in up:
            nn.init.normal_(layer.weight, std=0.02)
        self.up = nn.ModuleList(up)

    def forward(self, vectors: Tensor, known: Tensor) -> Tensor:
        """Mix vectors (B, n, d) of the first grids' tokens, of which those that are ``known`` (B, n) count."""
        shown = torch.cat([vectors * known[..., None], known[..., None]], dim=-1)
        read: list[Tensor] = []
        mixed, start = [], 0
        for (rows, columns), down, up in zip(self.grids, self.down, self.up, strict=True):
            if start == shown.shape[1]:
                break
            end = start + rows * columns
            own = rearrange(shown[:, start:end], "b (h w) d -> b (h d) w", h=rows)
            read = [*(F.interpolate(coarser, columns) for coarser in read), own]
            mixed.append(rearrange(up(down(torch.cat(read, dim=1))), "b (h d) w -> b (h w) d", h=rows))
            start = end
        return torch.cat(mixed, dim=1)


class Prior(nn.Module):
    """Masked-token transformer (MaskGIT) with the class as a token at position 0.

    Input modes: ``token`` learns a table that starts from the codebook and is tied to the output layer; ``codebook``
    reads the frozen code vectors with a learned mask vector and has an output layer of its own;
    ``codebook-finetuned`` is the same with a copy of the code vectors that is trained. In each, a token enters as
    norm(vector + position), so that neither drowns the other. With a linear map of the whole grid, logits are inner
    products of a predicted code vector with the output layer, which starts from the codebook.

    Args:
        make_transformer: makes the network from (B, 1 + N, width) to the same. It is called in the midst of the other
            draws, so that a seed gives the weights that it always gave.
        width: width of the transformer.
        codebook: code vectors of the tokenizer (L K, d), K for each of L grids.
        grids: (rows, columns) of each token grid, the coarsest one first; N tokens in all.
        n_classes: number of classes; 0 for unlabelled data.
        unequal: series differ in length, so that some grids end in ``absent_token``.
        input_mode: how a token enters, see above.
        linear_rank: rank of a linear map over known tokens that is added to the transformer's input; 0 for none.
        linear_span: columns to each side that it reads; 0 for a map from all places to each, of its own.
        scale_tied_logits: divide the logits of a tied output by the root of d.
    """

    def __init__(
        self,
        make_transformer: Callable[[], nn.Module],
        width: int,
        codebook: Tensor,
        grids: Sequence[tuple[int, int]],
        n_classes: int,
        *,
        unequal: bool = False,
        input_mode: InputMode = "token",
        linear_rank: int = 0,
        linear_span: int = 0,
        scale_tied_logits: bool = True,
    ) -> None:
        super().__init__()
        self.n_codes, dim = codebook.shape
        self.level_sizes: list[int] = [rows * columns for rows, columns in grids]
        self.ends: list[int] = list(accumulate(self.level_sizes))
        self.codes_per_level = self.n_codes // len(self.level_sizes)
        self.n_tokens, self.n_classes = self.ends[-1], n_classes
        self.tied = input_mode == "token"
        self.codes = nn.Parameter(codebook.detach().clone(), requires_grad=input_mode != "codebook")
        self.mask_vector = nn.Parameter(torch.randn(2 if unequal else 1, dim) * self.codes.std())
        self.positions = nn.Parameter(torch.randn(self.n_tokens, dim))
        self.norm_in = nn.LayerNorm(dim)
        self.classes = nn.Embedding(n_classes + 1, dim)
        self.project_in = nn.Linear(dim, width)
        self.transformer = make_transformer()
        self.mix: nn.Module | None = None
        self.head: nn.Module = nn.Linear(width, dim)
        self.output = nn.Linear(dim, self.n_codes, bias=False)
        if linear_rank and not linear_span:
            self.mix = _LinearMix(self.n_tokens, dim, linear_rank, width)
            self.output.weight = nn.Parameter(codebook.detach().clone())
        else:
            if linear_rank:
                self.mix = _LocalMap(grids, dim, linear_rank, linear_span, width)
            self.head = nn.Sequential(self.head, nn.GELU(), nn.LayerNorm(dim))
        self.output_bias = nn.Parameter(torch.zeros(self.n_tokens, self.codes_per_level))
        # inner products of two vectors of unit scale grow with their width: the scale keeps first logits near 1
        self.output_scale = dim**-0.5 if self.tied and scale_tied_logits else 1.0
        if self.tied:
            self.output.weight = self.codes

    @property
    def mask_token(self) -> int:
        """Index that stands for an unknown token."""
        return self.n_codes

    @property
    def absent_token(self) -> int:
        """Index that stands for "the series has ended", which is given and never drawn."""
        return self.n_codes + 1

    @property
    def no_class(self) -> int:
        """Index that stands for "no class given"."""
        return self.n_classes

    def forward(self, tokens: Tensor, classes: Tensor, at: Tensor | None = None) -> Tensor:
        """Logits (B, n, K) of the n tokens of a grid, given class indices (B,).

        Args:
            tokens: those of the coarser grids and of this one; ``mask_token`` where one is unknown.
            classes: class indices (B,).
            at: as tokens; where it is True, in this grid, logits are computed, (M, K), and nowhere else.
        """
        level = self.ends.index(tokens.shape[1])
        table = torch.cat([self.codes, self.mask_vector])
        vectors = self.norm_in(F.embedding(tokens, table) + self.positions[: tokens.shape[1]])
        x = self.project_in(torch.cat([self.classes(classes)[:, None], vectors], dim=1))
        if self.mix is not None:
            known = tokens < self.n_codes
            x = x + F.pad(self.mix(F.embedding(tokens * known, self.codes), known), (0, 0, 1, 0))
        x = self.transformer(x)
        own_codes = self.output.weight[self.first_code(level) : self.first_code(level + 1)]
        if at is None:
            own = slice(self.ends[level] - self.level_sizes[level], self.ends[level])
            logits = F.linear(self.head(x[:, 1:][:, own]) * self.output_scale, own_codes)
            return logits + self.output_bias[own]
        # index_select, since the backward pass of x[at] is slow on a CPU
        places = F.pad(at, (1, 0)).flatten().nonzero().squeeze(1)
        bias = self.output_bias.index_select(0, places % x.shape[1] - 1)
        return F.linear(self.head(x.flatten(0, 1).index_select(0, places)) * self.output_scale, own_codes) + bias

    def first_code(self, level: int) -> int:
        """Place in the codebook at which the codes of a grid begin."""
        return level * self.codes_per_level

    def guided_logits(self, tokens: Tensor, classes: Tensor, scale: float, at: Tensor | None = None) -> Tensor:
        """Classifier-free guidance, l_none + scale (l_class - l_none); one network pass where ``scale`` is 1."""
        given = self(tokens, classes, at)
        if scale == 1.0:
            return given
        none = self(tokens, torch.full_like(classes, self.no_class), at)
        return none + scale * (given - none)

    @torch.no_grad()
    def sample(
        self,
        classes: Tensor,
        config: SamplingConfig,
        generator: Generator | None = None,
        absent: Tensor | None = None,
        start: Tensor | None = None,
    ) -> Decoded:
        """Draw token grids for class indices (B,); ``no_class`` draws unconditionally.

        Tokens that are ``absent`` (B, N), behind the end of a shorter series, come back as ``absent_token``. Those that
        ``start`` (B, N) gives stay; where it has ``mask_token``, and everywhere without it, tokens are drawn.
        """
        if start is None:
            start = torch.full((len(classes), self.n_tokens), self.mask_token)
        start = start.to(self.codes.device)
        if absent is not None:
            start = start.masked_fill(absent.to(start.device), self.absent_token)
        return self.fill(start, classes, config, generator)

    @torch.no_grad()
    def fill(
        self, start: Tensor, classes: Tensor, config: SamplingConfig, generator: Generator | None = None
    ) -> Decoded:
        """Draw every ``mask_token`` of the grids (B, N) from what is known of them; all other tokens stay.

        Args:
            start: tokens on the prior's device; ``absent_token`` behind the end of a shorter series.
            classes: class indices (B,); ``no_class`` draws unconditionally.
            config: steps, schedule, temperatures, guidance and precision.
            generator: source of all randomness (CPU).
        """
        device = start.device
        distinct, place = classes.to(device).unique(return_inverse=True)
        bf16 = resolve_precision(config.precision, device) == "bf16-mixed"
        autocast = torch.autocast(device.type, torch.bfloat16, bf16)
        done, parts = start[:, :0], []
        with freed_pages_kept(), fp32_products("high", device), autocast:
            for level, part in enumerate(start.split(self.level_sizes, dim=1)):
                grid = torch.cat([done, part], dim=1)
                blank = bool((grid == self.mask_token).all())

                def logits(tokens: Tensor, grid: Tensor = grid, blank: bool = blank) -> Tensor:
                    if tokens is grid and blank:  # nothing is known yet: the answer depends on the class alone
                        of_class = self.guided_logits(grid[: len(distinct)], distinct, config.guidance_scale)
                        return of_class[place].flatten(0, 1)
                    unknown = tokens == self.mask_token
                    return self.guided_logits(tokens, distinct[place], config.guidance_scale, at=unknown)

                first = self.first_code(level)
                parts.append(parallel_decode(logits, grid, self.mask_token, config, generator, first))
                done = parts[-1].tokens
        of_levels = [found.probabilities[..., -n:] for found, n in zip(parts, self.level_sizes, strict=True)]
        entropies = torch.stack([found.entropies for found in parts]).mean(0)
        return Decoded(done, torch.cat(of_levels, dim=-1), entropies)
