"""One look for pictures and pages: colours that colour-blind readers tell apart, and a dash and marker beside each."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

# Okabe and Ito's hues, with yellow and sky blue darkened (lightened in the dark theme) to a contrast of 3 : 1.
LIGHT = ("#0072b2", "#d55e00", "#00916a", "#b5579b", "#9a7400", "#2f93cf", "#4b3f8f", "#6b7280")
DARK = ("#4aa8e8", "#ff8c42", "#2fc79a", "#e59ac6", "#f0d242", "#9fd8ff", "#b3a6ff", "#a8b0bc")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
DASHES = ("solid", (0, (5, 2)), (0, (1.5, 1.5)), (0, (7, 2, 1.5, 2)))


class ClassStyle(NamedTuple):
    """Colour, marker and dash of one class."""

    color: str
    marker: str
    dash: str | tuple[int, tuple[float, ...]]


def class_style(index: int) -> ClassStyle:
    """Style of the class at `index`; colour and marker come round at different lengths, so 8 × 7 pairs differ."""
    return ClassStyle(LIGHT[index % 8], MARKERS[(index + index // 8) % 8], DASHES[index % 4])


def class_styles(classes: Sequence[Hashable]) -> dict[Hashable, ClassStyle]:
    """Style of each class by its place among all classes."""
    return {label: class_style(i) for i, label in enumerate(classes)}


def new_figure(width: float, height: float, title: str) -> Figure:
    """Figure with constrained layout that no global state of matplotlib knows."""
    figure = Figure(figsize=(width, height), layout="constrained", dpi=110)
    figure.suptitle(title, fontsize=11)
    return figure
