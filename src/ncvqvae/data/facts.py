"""What a model keeps of its train split besides weights: sizes, classes, lengths, and the form in which it came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ncvqvae.data.cases import case_digests, joint_digest
from ncvqvae.data.missing import length_counts, lengths_from_state, lengths_to_state
from ncvqvae.data.validate import case_chunks, check_labels
from ncvqvae.errors import InputError
from ncvqvae.labels import check_storable, count_classes, instead, labels_from_state
from ncvqvae.validation import MAX_FILE, MAX_VALUES


@dataclass(frozen=True, eq=False)
class TrainFacts:
    """Facts of a train split.

    Attributes:
        n_cases, n_channels, n_timepoints: its shape; shorter series end in NaN.
        flat: series were given without an axis of channels.
        listed: series were given as a list, of unequal lengths.
        classes: distinct labels in sorted order (n_classes,); empty for unlabelled data.
        class_counts: cases of each class (n_classes,).
        length_counts: cases of each class and length (max(n_classes, 1), n_timepoints + 1); None if all have one
            length.
        digest: of all cases, see `joint_digest`; "" in models from before there was one.
    """

    n_cases: int
    n_channels: int
    n_timepoints: int
    flat: bool
    listed: bool
    classes: np.ndarray
    class_counts: np.ndarray
    length_counts: np.ndarray | None
    digest: str = ""

    @classmethod
    def of(cls, X: Any, y: Any, series: np.ndarray) -> TrainFacts:
        """The facts of series and labels as they were given.

        Args:
            X: series in any form that `check_series` takes.
            y: labels (n_cases,), or None.
            series: what `check_series` made of X.

        Raises:
            InputError: if all values are the same, or the labels cannot be used or saved.
        """
        lowest, highest = (  # NaN aside
            pick.reduce([pick.reduce(chunk, axis=None) for chunk in case_chunks(series)]) for pick in (np.fmin, np.fmax)
        )
        if lowest == highest:
            raise InputError(f"all values are {lowest:g}: there is nothing to learn; check which columns are read")
        listed = isinstance(X, (list, tuple)) and len({np.shape(case) for case in X}) > 1
        flat = np.ndim(X[0]) == 1 if listed else not isinstance(X, list) and np.ndim(X) == 2
        flat = flat and series.shape[1] == 1  # a table has two axes, whatever its columns hold
        classes, class_counts = count_classes(check_labels(y, len(series)))
        check_storable(classes)
        counts = length_counts(series, _indices(y, len(series), classes), len(classes))
        n_cases, n_channels, n_timepoints = series.shape
        _check_counts(classes, counts, n_channels)
        digest = joint_digest(case_digests(series, None if y is None else check_labels(y, len(series))))
        return cls(n_cases, n_channels, n_timepoints, flat, listed, classes, class_counts, counts, digest)

    @property
    def n_classes(self) -> int:
        """Number of classes; 0 for unlabelled data."""
        return len(self.classes)

    @property
    def unequal(self) -> bool:
        """Whether the series differ in length."""
        return self.length_counts is not None

    def class_indices(self, y: Any, n: int) -> np.ndarray:
        """Index of each label in ``classes`` (n,); ``n_classes`` (no class) without labels, and for unknown ones."""
        return _indices(y, n, self.classes)

    def wanted_classes(self, labels: Any, n: int) -> np.ndarray:
        """Class indices (n,) of one label for all, or of one for each series.

        Raises:
            InputError: for a label that the train split does not have, or another number of labels.
        """
        known = self.classes.tolist()
        one_for_all = isinstance(labels, str) or np.ndim(labels) == 0 or _is_one_of(labels, known)
        given = [labels] if one_for_all else np.asarray(labels).tolist() if hasattr(labels, "dtype") else list(labels)
        if not one_for_all and len(given) != n:
            raise InputError(f"{len(given)} labels were given for {n} series; give one, or one per series")
        indices = self.class_indices(given, len(given))
        unknown = np.flatnonzero(indices == self.n_classes)
        if len(unknown):
            label, none = given[int(unknown[0])], "this model knows none: the training data had no labels"
            mend = instead(label, known, "labels of this model") if known else none
            raise InputError(f"unknown label {label!r}; {mend}")
        return np.repeat(indices, n) if one_for_all else indices

    def to_state(self) -> dict[str, Any]:
        """The facts as plain values, for ``config.yaml``."""
        state = {
            "n_cases": self.n_cases,
            "n_channels": self.n_channels,
            "n_timepoints": self.n_timepoints,
            "flat": self.flat,
            "listed": self.listed,
            "classes": self.classes.tolist(),
            "class_counts": self.class_counts.tolist(),
            **({"digest": self.digest} if self.digest else {}),
        }
        return state if self.length_counts is None else {**state, "lengths": lengths_to_state(self.length_counts)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], *, with_lengths: bool = True) -> TrainFacts:
        """The inverse of `to_state`.

        Args:
            state: what `to_state` gave.
            with_lengths: False leaves the counts of lengths empty: their size is yet to be checked.

        Raises:
            ValueError, TypeError, LookupError: the values are not the facts of any train split.
            InputError: the labels are no labels.
        """
        n_cases, n_channels, n_timepoints = (
            _whole(state[name], name, least) for name, least in (("n_cases", 1), ("n_channels", 1), ("n_timepoints", 2))
        )
        counts = None if "lengths" not in state else np.zeros((0, 0), int)
        if with_lengths:
            counts = lengths_from_state(state.get("lengths"), n_timepoints)
        classes = check_labels(labels_from_state(state["classes"]), len(state["classes"]))
        assert classes is not None
        check_storable(classes)
        if len(set(classes.tolist())) < len(classes):
            raise ValueError("two classes are equal")
        class_counts = [_whole(count, "class_counts", 1) for count in state["class_counts"]]
        if len(class_counts) != len(classes) or (class_counts and sum(class_counts) != n_cases):
            raise ValueError("class_counts are not the counts of the classes")
        if counts is not None and with_lengths and len(counts) != max(len(classes), 1):
            raise ValueError("lengths are not those of the classes")
        flat = bool(state["flat"])
        if flat and n_channels > 1:
            raise ValueError("flat series of several channels")
        return cls(
            n_cases,
            n_channels,
            n_timepoints,
            flat,
            bool(state.get("listed", False)),  # models from before it gave arrays
            classes,
            np.array(class_counts, dtype=int),
            counts,
            str(state.get("digest", "")),
        )


def _check_counts(classes: np.ndarray, counts: np.ndarray | None, n_channels: int) -> None:
    """Check, before training, that ``config.yaml`` can hold the facts and the scaler: it is read back with a limit."""
    n_pairs = 0 if counts is None else int(np.count_nonzero(counts))
    values = {  # what each takes in the file
        (len(classes), "classes", "merge classes"): 3 * len(classes),
        (n_pairs, "combinations of class and length", "cut or pad the series to fewer lengths"): 2 * n_pairs,
        (n_channels, "channels", "fit on some of them"): 3 * n_channels,
    }
    (n, name, mend), _ = max(values.items(), key=lambda item: item[1])
    n_characters = sum(len(ascii(label)) for label in classes.tolist())
    if sum(values.values()) > MAX_VALUES - ELSEWHERE:
        raise InputError(f"{n:,} {name} are more than config.yaml of a model can hold; {mend}")
    if n_characters > MAX_FILE // 2:
        raise InputError(f"labels of {n_characters:,} characters are more than config.yaml can hold; shorten them")


ELSEWHERE = 2000
"""Values in ``config.yaml`` that are settings."""


def _indices(y: Any, n: int, classes: np.ndarray) -> np.ndarray:
    if y is None or not len(classes):
        return np.full(n, len(classes))
    places = {label: place for place, label in enumerate(classes.tolist())}
    labels = check_labels(y, n)
    assert labels is not None
    return np.array([places.get(label, len(places)) for label in labels.tolist()], dtype=int)


def _whole(value: Any, name: str, least: int) -> int:
    """A whole number of at least ``least``, and of 64 bits."""
    if type(value) is not int or not least <= value < 2**63:
        raise ValueError(f"{name} has {str(value)[:40]}")
    return value


def _is_one_of(label: Any, classes: list[Any]) -> bool:
    """Whether a tuple is itself a label, rather than a sequence of labels."""
    return isinstance(label, tuple) and label in classes
