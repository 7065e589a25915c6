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
THEMES = {
    "light": {
        "page": "#ffffff", "box": "#f6f7f9", "text": "#14181f", "quiet": "#505a68", "line": "#d9dde3",
        "edge": "#7d8692", "link": "#0059a8", "good": "#00704f", "bad": "#b3400a", "none": "#6b7280",
        **{f"k{place}": color for place, color in enumerate(LIGHT)},
    },
    "dark": {
        "page": "#12151b", "box": "#1b2028", "text": "#eceff4", "quiet": "#aab3c0", "line": "#333b47",
        "edge": "#7a8594", "link": "#7cc0ff", "good": "#3ddc97", "bad": "#ff9a5c", "none": "#a8b0bc",
        **{f"k{place}": color for place, color in enumerate(DARK)},
    },
}  # fmt: skip
"""Colours of the pages by their role; `k0` to `k7` are those of the classes."""
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
