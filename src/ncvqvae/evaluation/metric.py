"""What is known of a metric: title, unit, which way is better, the value for real data, and the meaning."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Better = Literal["lower", "higher", "real", ""] | float
"""Which values are better: lower, higher, near the value for real data, or near a number; empty means none is."""

Unit = Literal["", "%", "nats", "s", "whole"]
"""`%` is a share between 0 and 1 that is shown in per cent, `whole` a whole number."""


@dataclass(frozen=True)
class Metric:
    """A number of `metrics.json`.

    Attributes:
        key: its name in `metrics.json`.
        title: its name for people.
        group: a key of `GROUPS`.
        better: see `Better`.
        meaning: one sentence.
        real: key of the same metric for real data, None where there is none.
        unit: see `Unit`.
        least: number of series that it takes to judge it; with fewer it is mostly chance.
        counted: key of the number of series that `least` is about.
    """

    key: str
    title: str
    group: str = ""
    better: Better = ""
    meaning: str = ""
    real: str | None = None
    unit: Unit = ""
    least: int = 0
    counted: str = "n_heldout"

    @property
    def better_text(self) -> str:
        """Which values are better, in words: `lower`, `as real data`, `near 0.5`."""
        if isinstance(self.better, float):
            return f"near {self.better:g}"
        return "as real data" if self.better == "real" else self.better

    @property
    def arrow(self) -> str:
        """`↑` or `↓` where higher or lower is better."""
        return {"higher": "↑", "lower": "↓"}.get(str(self.better), "")

    @property
    def decimals(self) -> int:
        """Decimal places in the study's tables: 2 for FID and IS, 3 for the others, as in the thesis."""
        return 2 if self.key.startswith(("fid", "is")) else 3

    @property
    def logarithmic(self) -> bool:
        """Whether pictures draw it on a logarithmic axis."""
        return self.key.startswith("fid")

    def best(self, values: Iterable[float]) -> float | None:
        """The best of some values; None if no value is better than another."""
        known = [value for value in values if math.isfinite(value)]
        if not known or self.better in ("real", ""):
            return None
        if isinstance(self.better, float):
            target = self.better
            return min(known, key=lambda value: abs(value - target))
        return max(known) if self.better == "higher" else min(known)


GROUPS = {
    "fidelity": "Fidelity: do generated series look like real ones",
    "utility": "Utility: can they stand in for real ones",
    "diversity": "Diversity and memorisation",
    "structure": "Classical structure",
    "tokens": "Tokens",
    "representation": "Representation",
    "training": "Training",
    "": "Further metrics",
}

FOR_DISTRIBUTIONS = 100
"""Held-out series below which distances of distributions, such as FID, are mostly chance."""

FOR_SHARES = 40
"""Held-out series below which shares of series, and accuracies, are mostly chance."""
