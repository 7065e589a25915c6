"""Labels of any hashable kind as class indices."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from ncvqvae.errors import InputError


def sorted_classes(*labels: np.ndarray) -> list[Hashable]:
    """All distinct labels, sorted; by type and text where they cannot be compared with one another."""
    distinct = set().union(*(np.asarray(y).tolist() for y in labels))
    try:
        return sorted(distinct)
    except TypeError:
        return sorted(distinct, key=lambda label: (type(label).__name__, str(label)))


def is_class(y: np.ndarray, label: Hashable) -> np.ndarray:
    """Which labels are this one: (n,) bool; NumPy's own comparison takes a tuple for an array."""
    return np.array([other == label for other in y.tolist()], bool)


def class_index(y: np.ndarray, classes: Sequence[Hashable]) -> np.ndarray:
    """Index of each label in `classes`: (n,) int64.

    Raises:
        InputError: if a label is not among them.
    """
    position = {label: i for i, label in enumerate(classes)}
    try:
        return np.array([position[label] for label in np.asarray(y).tolist()], np.int64)
    except KeyError as error:
        raise InputError(
            f"label {error.args[0]!r} of a generated series is not in the real data; its classes are {classes[:10]}"
        ) from None
