"""Single plots on matplotlib Axes, from plain arrays: what :meth:`ncvqvae.model.NCVQVAE.plot` draws."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ncvqvae.evaluation.tokens import token_usage
from ncvqvae.labels import class_index, sorted_classes
from ncvqvae.report.content import STAGES, label_text, loss_terms
from ncvqvae.report.projections import choose, pca_planes
from ncvqvae.report.style import DASHES, LIGHT, ClassStyle, class_style, overlay, value_limits

SERIES_PER_PANEL = 50
"""Series of each set that are drawn over one another."""

MAX_POINTS = 1000
"""Points in one scatter plot."""


def draw_series(ax: Axes, real: np.ndarray, made: np.ndarray) -> None:
    """Draw generated series (n, L) over real ones (m, L), at most 50 of each."""
    for name, X, color in (("real", real, LIGHT[7]), ("generated", made, LIGHT[1])):
        overlay(ax, X[choose(len(X), SERIES_PER_PANEL)], color)
        ax.plot([], [], color=color, label=f"{name}, n = {len(X)}")
    ax.set_ylim(*value_limits(real))
    ax.set_xlabel("time step")
    ax.legend()


def draw_reconstruction(ax: Axes, x: np.ndarray, reconstructed: np.ndarray) -> None:
    """Draw a series (L,) and what the tokenizer makes of it (L,)."""
    ax.plot(x, color=LIGHT[0], linewidth=1.2, label="original")
    ax.plot(reconstructed, color=LIGHT[1], linewidth=1.2, linestyle=DASHES[1], label="reconstruction")
    ax.set_xlabel("time step")
    ax.legend()


def scatter(ax: Axes, plane: np.ndarray, y: np.ndarray | None, classes: Sequence[Hashable]) -> None:
    """Draw points (n, 2) with the style of their class; grey without labels."""
    if y is None:
        ax.scatter(plane[:, 0], plane[:, 1], s=12, alpha=0.6, color=LIGHT[7])
        return
    index = class_index(y, classes)
    by_style: dict[ClassStyle, list[int]] = {}
    for place in range(len(classes)):  # a call for each of thousands of classes would take minutes
        by_style.setdefault(class_style(place), []).append(place)
    for style, places in by_style.items():
        members = np.flatnonzero(np.isin(index, places))
        ax.scatter(
            plane[members, 0],
            plane[members, 1],
            s=14,
            alpha=0.65,
            color=style.color,
            marker=style.marker,
            linewidths=0,
        )


def draw_embeddings(ax: Axes, Z: np.ndarray, y: np.ndarray | None) -> None:
    """Draw embeddings (n, d) on their first two principal components, coloured by label (n,)."""
    chosen = choose(len(Z), MAX_POINTS)
    labels = None if y is None else y[chosen]
    classes = [] if y is None else sorted_classes(y)
    scatter(ax, pca_planes(Z)[0][chosen], labels, classes)
    ax.set(xlabel="component 1", ylabel="component 2")
    if 0 < len(classes) <= 20:
        legend = ax.legend(ax.collections[-len(classes) :], ["class"] * len(classes), title="class")
        for text, label in zip(legend.get_texts(), classes, strict=True):
            text.set_text(label_text(label))  # only now: matplotlib leaves out what is labelled "_…" from the start


def draw_token_usage(ax: Axes, tokens: np.ndarray, n_codes: int) -> None:
    """Draw the share of each code among tokens (n, N)."""
    usage = token_usage(tokens, n_codes)
    ax.bar(np.arange(n_codes), usage.histogram / usage.histogram.sum(), color=LIGHT[0])
    ax.set(xlabel="code", ylabel="share")
    ax.set_title(f"perplexity {usage.perplexity:.1f} of {n_codes}, {usage.dead_codes} unused")


def draw_losses(ax: Axes, history: Sequence[Mapping[str, Any]], stage: str) -> None:
    """Draw the total loss of a stage and its terms by training step; logarithmic if all are positive."""
    terms = loss_terms(history)[stage]
    # the total's thick line is drawn first, so that a term equal to it stays visible on top
    for i, (name, curve) in enumerate(terms.items()):
        look: dict[str, Any] = {"color": "black", "linewidth": 1.8} if name == "loss" else {"color": LIGHT[i % 8]}
        ax.plot(curve.steps, curve.values, label=name, linestyle=DASHES[i % 4], alpha=0.85, **look)
    if min(curve.values.min() for curve in terms.values()) > 0:
        ax.set_yscale("log")
    ax.set(title=STAGES[stage], xlabel="step", ylabel="weighted loss")
    ax.legend(fontsize=8)
