"""Where the prior attends while it draws series: by layer, head and step of the decoding, over the grid of tokens."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ncvqvae.errors import InputError
from ncvqvae.generation.samples import joined
from ncvqvae.prior.transformer import Attention

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ncvqvae.generation.trained import TrainedModel


class Attended(NamedTuple):
    """Attention of series drawn for one class, and these series.

    Attributes:
        weights: (T, layers, heads, 1 + N, 1 + N), the mean over the series: ``weights[t, l, h, i, j]`` is the share of
            its attention that place i pays to place j in step t. Place 0 is the class, the others are the tokens, rows
            of the grid one by one; tokens of grids that were drawn earlier come before those of the one that is drawn.
        series: (n, n_channels, n_timepoints), in the units of the data.
        grid: (rows, columns) of the grid that is drawn, whose tokens are the last ones.
    """

    weights: np.ndarray
    series: np.ndarray
    grid: tuple[int, int]

    def over_time(self) -> np.ndarray:
        """Attention that each column of the grid gets, (T, layers, heads, columns).

        It is the mean over all places that pay it, and the sum over the rows. The columns do not add up to 1: the rest
        goes to the class, and to grids that were drawn earlier.
        """
        rows, columns = self.grid
        paid = self.weights.mean(-2)[..., -rows * columns :]
        return paid.reshape(*paid.shape[:-1], rows, columns).sum(-2)


@torch.no_grad()
def attention_maps(
    model: TrainedModel, label: Any = None, *, n: int = 64, n_steps: int = 10, seed: int = 0, level: int = -1
) -> Attended:
    """The attention of the prior while it draws ``n`` series of a class.

    Args:
        model: a fitted model with the built-in transformer.
        label: class of the series; None asks the prior for no class.
        n: number of series that the weights are averaged over.
        n_steps: steps T of the decoding.
        seed: of the draw.
        level: which of several grids, in the order in which they are drawn; by default the last, the finest (of two
            bands that of the high one).

    Raises:
        InputError: for an unknown label, a grid that there is not, or a prior without the built-in attention.

    Example:
        >>> maps = attention_maps(model, 1)  # doctest: +SKIP
        >>> maps.over_time().shape  # doctest: +SKIP
        (10, 4, 2, 8)
    """
    prior, heads = model.prior_, [part for part in model.prior_.modules() if isinstance(part, Attention)]
    if not heads:
        raise InputError("this prior has a network of its own, without the attention that could be shown")
    if not _is_place(level, len(prior.ends)):
        raise InputError(
            f"level {level!r:.40}: this model has {len(prior.ends)} grid(s); give 0 for the one that is drawn first"
        )
    found: list[list[np.ndarray]] = [[] for _ in heads]

    def keep(place: int) -> Any:
        def hook(part: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            assert isinstance(part, Attention)
            if inputs[0].shape[1] == 1 + prior.ends[level]:
                found[place].append(part.weights(inputs[0]).float().mean(0).cpu().numpy())

        return hook

    hooks = [part.register_forward_pre_hook(keep(place)) for place, part in enumerate(heads)]
    try:
        drawn = joined(
            model.iter_samples(
                n,
                label,
                unconditional=label is None,
                seed=seed,
                n_steps=n_steps,
                guidance_scale=1.0,
                kept_share=0.0,
                redraws=0,
                chunk_size=n,
                hidden_class=False,
            )
        ).X
    finally:
        for hook in hooks:
            hook.remove()
    weights = np.stack([np.stack(steps) for steps in found], axis=1)
    return Attended(weights, drawn.reshape(n, -1, drawn.shape[-1]), model.tokenizer_.grids[level])


def _is_place(value: Any, size: int) -> bool:
    """Whether a value is a place in a list of this size, counted from its start or, below 0, from its end."""
    try:
        return not isinstance(value, bool) and -size <= operator.index(value) < size
    except TypeError:
        return False


def draw_attention(maps: Attended, step: int = -1, *, channel: int = 0) -> Figure:
    """A picture of a step: a panel for each layer and head, the mean series over the attention that its time gets.

    Args:
        maps: what :func:`attention_maps` gave.
        step: of the decoding; by default the last.
        channel: which channel of the series is drawn.

    Raises:
        InputError: if there is no such step or channel.
    """
    from ncvqvae.report.style import LIGHT, new_figure, panel_title

    for name, value, size in (("step", step, len(maps.weights)), ("channel", channel, maps.series.shape[1])):
        if not _is_place(value, size):
            raise InputError(f"{name} {value!r:.40}: there are {size}; give a number from 0 to {size - 1}")
    over_time, mean = maps.over_time()[step], np.nanmean(maps.series[:, channel], axis=0)
    n_layers, n_heads, n_columns = over_time.shape
    number = step % len(maps.weights) + 1
    title = f"Attention in step {number} of {len(maps.weights)}; dark: much"
    figure = new_figure(2.4 * n_heads, 1.4 * n_layers + 0.5, title)
    edges = np.linspace(0, len(mean) - 1, n_columns + 1)
    largest = max(float(over_time.max()), 1e-9)
    for layer in range(n_layers):
        for head in range(n_heads):
            ax = figure.add_subplot(n_layers, n_heads, layer * n_heads + head + 1)
            for start, stop, paid in zip(edges, edges[1:], over_time[layer, head], strict=False):
                ax.axvspan(start, stop, color=LIGHT[1], alpha=0.7 * float(paid) / largest, linewidth=0)
            ax.plot(mean, color=LIGHT[7], linewidth=1.2)
            panel_title(ax, f"layer {layer + 1}, head {head + 1}")
    return figure
