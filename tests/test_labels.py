"""Labels of any hashable kind."""

import datetime
import re
from typing import Any

import numpy as np
import pytest

from ncvqvae.errors import InputError
from ncvqvae.labels import (
    check_storable,
    class_index,
    count_classes,
    instead,
    label_array,
    labels_from_state,
    sorted_classes,
)


def test_classes_are_sorted_whatever_they_are() -> None:
    assert sorted_classes(np.array([3, -1]), np.array([2])) == [-1, 2, 3]
    mixed = np.array(["b", 2, "a", (1, 2), 2], dtype=object)
    classes = sorted_classes(mixed)
    assert classes == [2, "a", "b", (1, 2)]
    assert class_index(mixed, classes).tolist() == [2, 0, 1, 3, 0]


@pytest.mark.parametrize(
    ("label", "known", "said"),
    [
        ("2", [1, 2], "did you mean 2? labels: 1, 2"),
        ("sumer", ["winter", "summer"], "did you mean 'summer'? labels: 'winter', 'summer'"),
        ("x", ["winter", "summer"], "labels: 'winter', 'summer'"),
        (100, list(range(30)), f"labels: {', '.join(map(str, range(20)))} and 10 more"),
    ],
)
def test_an_unknown_label_is_answered_with_the_nearest_and_all_others(label: Any, known: list[Any], said: str) -> None:
    assert instead(label, known, "labels") == said
    if len(known) == 2:
        with pytest.raises(InputError, match=f"{re.escape(instead(label, known, 'its classes'))}$"):
            class_index(np.array([label]), known)


def test_counts_stand_beside_their_classes() -> None:
    classes, counts = count_classes(np.array(["b", 2, "a", 2], dtype=object))
    assert classes.tolist() == [2, "a", "b"]
    assert counts.tolist() == [2, 1, 1]
    assert [len(part) for part in count_classes(None)] == [0, 0]


def test_tuples_come_back_from_the_lists_that_yaml_makes_of_them() -> None:
    assert labels_from_state([[1, 2], "a"]) == [(1, 2), "a"]


UNSTORABLE = {
    "bytes": (b"a", "of type bytes"),
    "a date": (datetime.date(2024, 1, 1), "of type date"),
    "an integer of 65 bits": (2**64 - 1, "beyond 64 bits"),
    "a lone surrogate": ("\ud800", "no text"),
    "a NUL": ("a\0", "no text"),
    "one of them in a tuple": (("a", b"b"), "of type bytes"),
}


@pytest.mark.parametrize("kind", UNSTORABLE)
def test_labels_that_no_file_takes_are_refused_before_training(kind: str) -> None:
    label, words = UNSTORABLE[kind]
    y = np.empty(2, object)
    y[:] = [label, label]
    with pytest.raises(InputError, match=words) as error:
        check_storable(y)
    str(error.value).encode()


def test_a_label_too_long_for_an_array_is_refused() -> None:
    with pytest.raises(InputError, match="a label has 50000 characters, over 1000"):
        label_array(["a"] * 3 + ["x" * 50_000])
