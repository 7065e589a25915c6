"""The style of pictures and pages: colours that colour-blind readers can tell apart, each with a dash and a marker."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

# After Okabe and Ito; simulated protan, deutan and tritan readers see at least 11 ΔE between any two (tested).
LIGHT = ("#0072b2", "#d55e00", "#00916a", "#b5579b", "#7a5c00", "#2e97d6", "#2d2270", "#3c434d")
DARK = ("#3f9fe0", "#ff8c42", "#2fc79a", "#e08bc0", "#f0d242", "#a5dcff", "#8f7dff", "#eef1f5")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
DASHES = ("solid", (0, (5, 2)), (0, (1.5, 1.5)), (0, (7, 2, 1.5, 2)))
MAX_CHANNELS = 3  # channels that pictures and pages show


class ClassStyle(NamedTuple):
    """Colour, marker and dash of one class."""

    color: str
    marker: str
    dash: str | tuple[int, tuple[float, ...]]


def class_style(index: int) -> ClassStyle:
    """Style of the class at `index`; 8 colours and 7 markers repeat independently, which gives 56 different pairs."""
    return ClassStyle(LIGHT[index % 8], MARKERS[(index + index // 8) % 8], DASHES[index % 4])


def class_styles(classes: Sequence[Hashable]) -> dict[Hashable, ClassStyle]:
    """Style of each class by its position among all classes."""
    return {label: class_style(i) for i, label in enumerate(classes)}


def new_figure(width: float, height: float, title: str) -> Figure:
    """A Figure with constrained layout, outside matplotlib's global state."""
    figure = Figure(figsize=(width, height), layout="constrained", dpi=110)
    figure.suptitle(title, fontsize=11)
    return figure


def as_written(figure: Figure) -> Figure:
    """The Figure with dollar signs in texts shown as they are, not as formulas; tick labels stay formulas (10²)."""
    for text in figure.findobj(Text):
        if "mathdefault" not in text.get_text() and "$" in text.get_text():
            text.set_parse_math(False)
    return figure


def panel_title(ax: Axes, title: str) -> None:
    """Give a panel a small title and few small ticks, because a Figure has many panels."""
    ax.set_title(title, fontsize=8)
    ax.tick_params(labelsize=7)
    ax.locator_params(nbins=4)


def overlay(ax: Axes, X: np.ndarray, color: str) -> None:
    """Draw series (n, L) over one another; the more there are, the fainter each is."""
    if len(X):
        ax.plot(X.T, color=color, linewidth=0.7, alpha=float(np.clip(6 / len(X), 0.15, 0.9)))


def value_limits(*real: np.ndarray) -> tuple[float, float]:
    """Range of the real values without a thousandth at either end, with a margin; outliers thus squeeze no panel."""
    low, high = (float(value) for value in np.nanquantile(np.concatenate([X.ravel() for X in real]), [0.001, 0.999]))
    margin = 0.15 * (high - low) or 1.0
    return low - margin, high + margin
