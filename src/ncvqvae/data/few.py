"""Warnings where there are too few series to learn from, or to judge by."""

from __future__ import annotations

from collections import Counter

import numpy as np

from ncvqvae.errors import listed
from ncvqvae.labels import count_classes

FEW_TO_LEARN = 20
"""Fewest training series of a dataset whose results are measured (`results/default.csv`)."""
FEW_TO_JUDGE = 5


def few_series(y_train: np.ndarray | None, n_train: int, y_test: np.ndarray | None, n_test: int) -> list[str]:
    """A line for each thing of which there are too few, with what to expect.

    Args:
        y_train, y_test: labels (n_train,) and (n_test,) of the two splits; None without labels.
        n_train, n_test: series in them.
    """
    classes, counts = count_classes(y_train)
    lines = few_to_learn(classes, counts, n_train)
    held_out = Counter([] if y_test is None else y_test.tolist())
    few = [label for label in classes.tolist() if held_out[label] < FEW_TO_JUDGE]
    which = f" of {listed(few)}" if few else ""
    if few or n_test < FEW_TO_JUDGE:
        lines.append(
            f"fewer than {FEW_TO_JUDGE} series{which} to evaluate on: the metrics are rough there, so look at the "
            "pictures, or give a larger test file"
        )
    return lines


def few_to_learn(classes: np.ndarray, counts: np.ndarray, n: int) -> list[str]:
    """The lines that concern the train split alone.

    Args:
        classes, counts: its classes and the series of each (n_classes,); empty without labels.
        n: series.
    """
    lines = []
    if n < FEW_TO_LEARN:
        lines.append(
            f"{n} series to train on, fewer than {FEW_TO_LEARN}: expect series near those that are there and little "
            "else; copied and authpct of the evaluation say how near"
        )
    alone = [label for label, count in zip(classes.tolist(), counts.tolist(), strict=True) if count == 1]
    if alone:
        lines.append(
            f"one series of {listed(alone)}: new ones of it will be near copies, and none can be kept aside; give at "
            f"least {FEW_TO_JUDGE}, or leave the class out"
        )
    return lines
