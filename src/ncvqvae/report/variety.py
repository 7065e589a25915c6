"""How varied the generated series of each class are, beside those of real data."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ncvqvae.evaluation.neighbours import mean_pairwise_distance
from ncvqvae.labels import rows_by_class
from ncvqvae.report.content import ReportContent, Sample, label_text
from ncvqvae.report.projections import choose

COLLAPSED_BELOW = 0.5
COLLAPSED_BELOW_RAW = 0.3  # lower without a tokenizer: held-out series keep noise that a generator smooths away
MISSING_FROM = 10  # a class counts as missing if at least this many series were expected from its share in train
MIN_SERIES = 5
MAX_SERIES = 200


@dataclass(frozen=True)
class ClassRow:
    """Spread (mean distance between two series) of one class against held-out series, and its share of copies.

    `spread` is the ratio generated : held-out, `spread_real` is train : held-out. Both are None if a class has too few
    series.
    """

    label: str
    n_train: int
    n_generated: int
    spread: float | None
    spread_real: float | None
    copied: float | None
    state: Literal["fine", "collapsed", "missing", "not judged"]


def class_rows(content: ReportContent) -> list[ClassRow]:
    """Spread and copies of each class; without labels all series count as one class.

    Generated and held-out series are compared as the tokenizer reconstructs them, because noise would hide a collapse.
    """
    made, smooth = content.smooth
    generated = made or Sample(content.X_train[:0], None if content.y_train is None else content.y_train[:0])
    train, test = Sample(content.X_train, content.y_train), Sample(content.X_test, content.y_test)
    limit = COLLAPSED_BELOW_RAW if content.X_test_reconstructed is None else COLLAPSED_BELOW
    parts = [generated.X, train.X, test.X, smooth]
    missing_from = MISSING_FROM * len(train.X) / max(len(generated.X), 1)
    if train.y is None or test.y is None or generated.y is None:
        return [_class_row(None, *parts, limit=limit, missing_from=missing_from, copied=None)]
    rows = [rows_by_class(y) for y in (generated.y, train.y, test.y, test.y)]
    found = []
    for label in content.classes:
        of_class = [X[of.get(label, [])] for X, of in zip(parts, rows, strict=True)]
        copied = content.copied_per_class.get(label)
        found.append(_class_row(label, *of_class, limit=limit, missing_from=missing_from, copied=copied))
    return found


def _class_row(
    label: Hashable | None,
    generated: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    smooth: np.ndarray,
    *,
    limit: float,
    missing_from: float,
    copied: float | None,
) -> ClassRow:
    n_train, n_generated = len(train), len(generated)
    spread = _ratio(_spread(generated), _spread(smooth))
    spread_real = _ratio(_spread(train), _spread(test))
    state: Literal["fine", "collapsed", "missing", "not judged"] = "not judged"
    if spread is not None:
        state = "collapsed" if spread < limit * min(1.0, spread_real or 1.0) else "fine"
    elif n_generated == 0 and n_train >= missing_from:
        state = "missing"
    name = "all series" if label is None else label_text(label)
    return ClassRow(name, n_train, n_generated, spread, spread_real, copied, state)


def _spread(X: np.ndarray) -> float | None:
    return mean_pairwise_distance(X[choose(len(X), MAX_SERIES)]) if len(X) >= MIN_SERIES else None


def _ratio(a: float | None, b: float | None) -> float | None:
    return a / b if a is not None and b else None
