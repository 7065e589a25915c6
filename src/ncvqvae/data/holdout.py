"""Cases kept aside for evaluation, drawn by seed and by class."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Holdout(NamedTuple):
    """Positions of the cases to train on and of the cases kept aside, each sorted."""

    kept: np.ndarray
    aside: np.ndarray


def stratified_holdout(y: np.ndarray | None, n_cases: int, *, holdout: float, seed: int) -> Holdout:
    """Draw the positions of cases to train on and of cases to keep aside, each sorted.

    Every class gives round(holdout · cases) of its cases, at least one and never all; one with a single case none.
    """
    generator = np.random.default_rng(seed)
    aside: list[int] = []
    for members in _positions_by_class(y, n_cases):
        if len(members) > 1:
            count = min(max(1, round(holdout * len(members))), len(members) - 1)
            aside.extend(generator.permutation(members)[:count].tolist())
    kept = np.setdiff1d(np.arange(n_cases), aside)
    return Holdout(kept, np.sort(np.asarray(aside, dtype=np.int64)))


def few_of_each(y: np.ndarray | None, n_cases: int, *, per_class: int, seed: int) -> np.ndarray:
    """Positions of ``per_class`` cases of each class, or of all that a smaller class has, drawn by seed and sorted.

    A larger number draws the same cases and more, so that what is learned from 10 has seen the 5.
    """
    generator = np.random.default_rng([seed, 6])
    chosen = [generator.permutation(members)[:per_class] for members in _positions_by_class(y, n_cases)]
    return np.sort(np.concatenate(chosen))


def _positions_by_class(y: np.ndarray | None, n_cases: int) -> list[list[int]]:
    """Group positions by label in order of first appearance; unlabelled cases are one group."""
    groups: dict[object, list[int]] = {}
    for position, label in enumerate([None] * n_cases if y is None else y.tolist()):
        groups.setdefault(label, []).append(position)
    return list(groups.values())
