"""The sets of series that an evaluation compares, how many are drawn for it, and how much is computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ncvqvae.errors import InputError
from ncvqvae.labels import count_classes

MIN_UNCONDITIONAL = 256
MIN_FOR_CAS = 1000
MAX_COMPARED = 5000
"""Most series of a set that the metrics compare; of a larger set so many are drawn by the seed, without replacement."""


@dataclass(frozen=True)
class Extent:
    """How much is computed.

    Attributes:
        full: adds bootstrap intervals (`_low`, `_high`) of FID, KID and IS, a finer permutation p-value, and, with
            `cas`, FCNs trained on real and generated series together and on rivals, in minutes more.
        cas: adds CAS by FCNs, the study's. It takes longer than all the rest without a GPU. CAS by MiniRocket
            (`cas_rocket`) is always computed.
        rivals: scores cheap rivals (see `rivals`) beside the generator.
        heldout: most held-out series, and generated ones, that are compared. The study compares all of its test splits.
    """

    full: bool = False
    cas: bool = False
    rivals: bool = True
    heldout: int = 1000

    @classmethod
    def asked(cls, full: bool, cas: bool | None, rivals: bool) -> Extent:
        """The extent that a user asks for: `full` includes CAS by FCNs, unless `cas` says otherwise."""
        return cls(full, full if cas is None else cas, rivals, MAX_COMPARED if full else cls.heldout)


STANDARD = Extent()


@dataclass(frozen=True)
class RealData:
    """Real series (n, C, L), scaled by the train split, and their labels (n,), None where there are none."""

    X_train: np.ndarray
    y_train: np.ndarray | None
    X_test: np.ndarray
    y_test: np.ndarray | None

    @property
    def tells_classes(self) -> bool:
        """Whether a classifier has something to tell apart: both splits have labels, train at least two of them."""
        return self.y_test is not None and len(count_classes(self.y_train)[0]) > 1


@dataclass(frozen=True)
class GeneratedData:
    """Generated series, scaled as the real ones; a set that is None has no metrics.

    Attributes:
        unconditional: series drawn without a class, `n_unconditional(n_test)` of them in the study's protocol.
        labelled: series drawn label-first.
        y_labelled: their labels.
        for_cas: series drawn for the labels `cas_labels(y_train)`; if None, CAS is trained on `labelled`.
        y_for_cas: the labels of `for_cas`.
        reconstructed: the test split through the generator's tokenizer (encode, decode), if it has one.
        without_redraws: series as the judged ones are drawn first, before copies are drawn again.
        y_without_redraws: their labels.
    """

    unconditional: np.ndarray | None = None
    labelled: np.ndarray | None = None
    y_labelled: np.ndarray | None = None
    for_cas: np.ndarray | None = None
    y_for_cas: np.ndarray | None = None
    reconstructed: np.ndarray | None = None
    without_redraws: np.ndarray | None = None
    y_without_redraws: np.ndarray | None = None

    @property
    def judged(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Series and labels for metrics that judge a single set: label-first series if there are any."""
        if self.labelled is not None:
            return self.labelled, self.y_labelled
        if self.unconditional is None:
            raise InputError("no generated series were given; give unconditional or labelled ones")
        return self.unconditional, None

    @property
    def for_training(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Series and labels that classifiers are trained on."""
        return self.judged if self.for_cas is None else (self.for_cas, self.y_for_cas)


class Wanted(NamedTuple):
    """Labels of series to make: those to judge (n,), and those to train classifiers on, None where none are made."""

    judged: np.ndarray
    for_cas: np.ndarray | None


def n_unconditional(n_test: int) -> int:
    """Number of unconditional samples that are compared with `n_test` test series."""
    return max(n_test, MIN_UNCONDITIONAL)


def cas_labels(y_train: np.ndarray) -> np.ndarray:
    """Labels to generate for CAS: the train split's class counts times the least integer that gives at least 1000."""
    return np.repeat(y_train, -(-MIN_FOR_CAS // len(y_train)))


def check_shapes(real: RealData, generated: GeneratedData) -> None:
    """Check that every set has the test split's channels and length, and as many labels as series.

    Raises:
        InputError: naming the set that does not.
    """
    expected = real.X_test.shape[1:]
    for name, X, y in (
        ("unconditional", generated.unconditional, None),
        ("labelled", generated.labelled, generated.y_labelled),
        ("for CAS", generated.for_cas, generated.y_for_cas),
        ("reconstructed", generated.reconstructed, None),
    ):
        if X is not None and X.shape[1:] != expected:
            raise InputError(
                f"generated series ({name}) have shape (channels, length) {X.shape[1:]} but the real ones {expected}; "
                "give series of the same shape"
            )
        if X is not None and y is not None and len(X) != len(y):
            raise InputError(
                f"generated series ({name}): {len(X)} series but {len(y)} labels; give one label per series"
            )
