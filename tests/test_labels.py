"""Labels of any hashable kind."""

import numpy as np

from ncvqvae.labels import class_index, count_classes, labels_from_state, sorted_classes


def test_classes_are_sorted_whatever_they_are() -> None:
    assert sorted_classes(np.array([3, -1]), np.array([2])) == [-1, 2, 3]
    mixed = np.array(["b", 2, "a", (1, 2), 2], dtype=object)
    classes = sorted_classes(mixed)
    assert classes == [2, "a", "b", (1, 2)]
    assert class_index(mixed, classes).tolist() == [2, 0, 1, 3, 0]


def test_counts_stand_beside_their_classes() -> None:
    classes, counts = count_classes(np.array(["b", 2, "a", 2], dtype=object))
    assert classes.tolist() == [2, "a", "b"]
    assert counts.tolist() == [2, 1, 1]
    assert [len(part) for part in count_classes(None)] == [0, 0]


def test_tuples_come_back_from_the_lists_that_yaml_makes_of_them() -> None:
    assert labels_from_state([[1, 2], "a"]) == [(1, 2), "a"]
