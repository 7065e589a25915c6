"""The protocol: which series are compared with which, and under which name each figure stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ncvqvae.errors import InputError
from ncvqvae.evaluation.features import FCN, FCNTraining, Features, extract
from ncvqvae.evaluation.fidelity import frechet_distance, inception_score
from ncvqvae.evaluation.labels import class_index, sorted_classes
from ncvqvae.evaluation.utility import classification_accuracy_score

MIN_UNCONDITIONAL = 256
MIN_FOR_CAS = 1000


@dataclass(frozen=True)
class RealData:
    """Real series (n, C, L), scaled by the train split, and their labels (n,), None where there are none."""

    X_train: np.ndarray
    y_train: np.ndarray | None
    X_test: np.ndarray
    y_test: np.ndarray | None


@dataclass(frozen=True)
class GeneratedData:
    """Generated series in the same scale; what is None has no figures.

    Attributes:
        unconditional: series drawn without a class, `n_unconditional(n_test)` of them for the chapter's protocol.
        labelled: series drawn label-first.
        y_labelled: their labels.
        for_cas: series drawn given the labels `cas_labels(y_train)`; without them CAS is trained on `labelled`.
        y_for_cas: those labels.
    """

    unconditional: np.ndarray | None = None
    labelled: np.ndarray | None = None
    y_labelled: np.ndarray | None = None
    for_cas: np.ndarray | None = None
    y_for_cas: np.ndarray | None = None


def n_unconditional(n_test: int) -> int:
    """Number of unconditional samples that are compared with `n_test` test series."""
    return max(n_test, MIN_UNCONDITIONAL)


def cas_labels(y_train: np.ndarray) -> np.ndarray:
    """Labels to generate for CAS: the train split's class counts times the least integer that gives at least 1000."""
    return np.repeat(y_train, -(-MIN_FOR_CAS // len(y_train)))


def evaluate_samples(
    real: RealData,
    generated: GeneratedData,
    fcn: FCN,
    seed: int,
    *,
    cache_dir: str | Path | None = None,
    training: FCNTraining | None = None,
) -> dict[str, float]:
    """Fidelity and utility of generated series, each figure beside the same figure for real data.

    Args:
        real: train and test split.
        generated: what the generator made.
        fcn: feature extractor of FID and IS.
        seed: seed of the FCN trained for CAS and of the shuffle in IS.
        cache_dir: where the FCN of the real train split is kept; train-on-real is then cheap the second time.
        training: settings of the FCNs trained for CAS.

    Returns:
        `fid`, `is` (unconditional), `fid_labelled`, `is_labelled` (label-first), `cas`, and for real data `fid_real`
        (train against test), `is_real` (test), `cas_real` (trained on the real train split). Figures whose series
        or labels are missing are absent.
    """
    _check_shapes(real, generated)
    figures = fidelity_figures(real, generated, fcn, seed)
    if real.y_train is not None and real.y_test is not None:
        figures |= _utility_figures(real, generated, seed, cache_dir, training)
    return figures


def fidelity_figures(real: RealData, generated: GeneratedData, fcn: FCN, seed: int) -> dict[str, float]:
    """FID against the test split and IS, for each set of series that is there."""
    test = extract(fcn, real.X_test)
    train = extract(fcn, real.X_train)
    figures = {
        "fid_real": frechet_distance(test.features, train.features),
        "is_real": inception_score(test.probabilities, seed=seed),
    }
    for suffix, series in (("", generated.unconditional), ("_labelled", generated.labelled)):
        if series is not None:
            made: Features = extract(fcn, series)
            figures[f"fid{suffix}"] = frechet_distance(test.features, made.features)
            figures[f"is{suffix}"] = inception_score(made.probabilities, seed=seed)
    return figures


def _utility_figures(
    real: RealData, generated: GeneratedData, seed: int, cache_dir: str | Path | None, training: FCNTraining | None
) -> dict[str, float]:
    assert real.y_train is not None and real.y_test is not None
    classes = sorted_classes(real.y_train, real.y_test)
    y_test = class_index(real.y_test, classes)

    def score(X: np.ndarray, y: np.ndarray, cache_dir: str | Path | None = None) -> float:
        return classification_accuracy_score(
            X,
            class_index(y, classes),
            real.X_test,
            y_test,
            len(classes),
            seed=seed,
            cache_dir=cache_dir,
            training=training,
        )

    figures = {"cas_real": score(real.X_train, real.y_train, cache_dir)}
    if generated.for_cas is not None and generated.y_for_cas is not None:
        figures["cas"] = score(generated.for_cas, generated.y_for_cas)
    elif generated.labelled is not None and generated.y_labelled is not None:
        figures["cas"] = score(generated.labelled, generated.y_labelled)
    return figures


def _check_shapes(real: RealData, generated: GeneratedData) -> None:
    """Every set has the test split's channels and length, and as many labels as series."""
    expected = real.X_test.shape[1:]
    for name, X, y in (
        ("unconditional", generated.unconditional, None),
        ("labelled", generated.labelled, generated.y_labelled),
        ("for CAS", generated.for_cas, generated.y_for_cas),
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
