"""Cases kept aside for evaluation, drawn by seed and by class; those of one group stay together."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

FOLDS = (10, 2)
"""Numbers of folds of whole groups, of which some are kept aside: all choices of them are looked at."""


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


def grouped_holdout(y: np.ndarray | None, groups: Sequence[Any], *, holdout: float, seed: int) -> Holdout:
    """The same where cases belong to groups, such as patients: no group is on both sides.

    Groups are put into folds with like shares of each class: many, and two for classes that few groups have. Of all
    choices of folds that take no class from train, the one is kept aside that comes nearest to the share of all, to
    that of each class, and to having every class. A group that alone has some class stays in train. Where there is no
    such choice, none is kept aside.

    Args:
        y: labels (n_cases,) or None.
        groups: whose each case is, (n_cases,).
        holdout: share of the cases of each class.
        seed: of the folds.
    """
    case_groups, classes = _numbered(groups), _numbered([None] * len(groups) if y is None else y.tolist())
    counts = np.zeros((case_groups.max() + 1, classes.max() + 1), int)
    np.add.at(counts, (case_groups, classes), 1)
    alone = counts.astype(bool).sum(axis=0) == 1
    free = ~counts[:, alone].any(axis=1)
    if not free.any():
        return Holdout(np.arange(len(groups)), np.zeros(0, int))
    total = counts.sum(axis=0)

    def badness(choice: tuple[_Fold, ...]) -> tuple[bool, float]:
        aside: np.ndarray = np.sum([fold.counts for fold in choice], axis=0)
        beside = abs(aside.sum() / total.sum() - holdout) + np.abs(aside / total - holdout).mean()
        return bool((aside == total).any()), float(beside + (aside == 0).mean())

    choices = []
    for number in FOLDS:
        found = _folds(classes, case_groups, np.flatnonzero(free), number, seed)
        folds = [_Fold(fold, counts[fold].sum(axis=0)) for fold in found]
        choices += [choice for size in range(len(folds)) for choice in combinations(folds, size + 1)]
    best = min(choices, key=badness)
    is_aside = np.isin(case_groups, [] if badness(best)[0] else np.concatenate([fold.groups for fold in best]))
    return Holdout(np.flatnonzero(~is_aside), np.flatnonzero(is_aside))


class _Fold(NamedTuple):
    """Some groups, and their cases of each class."""

    groups: np.ndarray
    counts: np.ndarray


def _folds(classes: np.ndarray, case_groups: np.ndarray, free: np.ndarray, number: int, seed: int) -> list[np.ndarray]:
    """The groups ``free`` in that number of folds, or fewer, whose cases have like shares of each class."""
    from sklearn.model_selection import StratifiedGroupKFold

    cases = np.flatnonzero(np.isin(case_groups, free))
    n_folds = min(number, len(free), int(np.bincount(classes[cases]).max()))
    if n_folds < 2:
        return [free]
    maker = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes with fewer cases than folds are as good as any here
        found = [of_fold for _, of_fold in maker.split(cases, classes[cases], case_groups[cases])]
    return [np.unique(case_groups[cases[of_fold]]) for of_fold in found]


def _numbered(values: Sequence[Any]) -> np.ndarray:
    """Values as numbers, in order of first appearance."""
    places: dict[Any, int] = {}
    return np.array([places.setdefault(value, len(places)) for value in values])


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
