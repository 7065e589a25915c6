"""The protocol of evaluation: which series are compared with which, and the key of each metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ncvqvae.errors import InputError
from ncvqvae.evaluation.fcn import FCN, FCNTraining, extract
from ncvqvae.evaluation.feature_metrics import (
    FeatureSets,
    coverage_metrics,
    fidelity_metrics,
    inception_metrics,
    two_sample_metrics,
)
from ncvqvae.evaluation.fidelity import frechet_distance, inception_score
from ncvqvae.evaluation.rocket import catch22, minirocket
from ncvqvae.evaluation.structure import structure_differences
from ncvqvae.evaluation.utility import classification_accuracy_score, rocket_accuracy
from ncvqvae.labels import class_index, sorted_classes

MIN_UNCONDITIONAL = 256
MIN_FOR_CAS = 1000
BOOTSTRAP_DRAWS = 100  # of the full evaluation
PERMUTATIONS = {False: 99, True: 999}  # by whether the evaluation is the full one


@dataclass(frozen=True)
class Extent:
    """How much is computed.

    Attributes:
        full: adds `cas_both`, bootstrap intervals (`_low`, `_high`) and a finer permutation p-value, in minutes more.
        cas: adds CAS by FCNs, which takes most of the time without a GPU. CAS by MiniRocket (`cas_rocket`) is always
            computed.
    """

    full: bool = False
    cas: bool = True


STANDARD = Extent()


@dataclass(frozen=True)
class RealData:
    """Real series (n, C, L), scaled by the train split, and their labels (n,), None where there are none."""

    X_train: np.ndarray
    y_train: np.ndarray | None
    X_test: np.ndarray
    y_test: np.ndarray | None


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
    """

    unconditional: np.ndarray | None = None
    labelled: np.ndarray | None = None
    y_labelled: np.ndarray | None = None
    for_cas: np.ndarray | None = None
    y_for_cas: np.ndarray | None = None
    reconstructed: np.ndarray | None = None

    @property
    def judged(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Series and labels for metrics that judge a single set: label-first series if there are any."""
        if self.labelled is not None:
            return self.labelled, self.y_labelled
        if self.unconditional is None:
            raise InputError("no generated series were given; give unconditional or labelled ones")
        return self.unconditional, None


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
    extent: Extent = STANDARD,
    cache_dir: str | Path | None = None,
    training: FCNTraining | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> dict[str, float]:
    """Fidelity, utility, coverage and structure of generated series, each metric beside the same for real data.

    Metrics of a single set (`cas`, `c2st`, `precision` …, `acf_difference` …) judge the label-first series if there are
    any. A metric is absent if its series or labels are missing. The suffix `_real` compares train with test. The suffix
    `_reconstructed` compares the test split after the tokenizer with the test split itself.

    Args:
        real: train and test split.
        generated: what the generator made.
        fcn: feature extractor of FID, IS and KID; the FCNs for CAS are trained on its device.
        seed: seed of the classifiers, of random parts and of the shuffle in IS.
        extent: how much is computed.
        cache_dir: folder that keeps the FCN of the real train split, so that a second evaluation need not train it.
        training: settings of the FCNs trained for CAS.
        progress: function called with the name of each step before it begins.

    Raises:
        InputError: if the sets do not fit each other.
    """
    _check_shapes(real, generated)
    draws = BOOTSTRAP_DRAWS * extent.full
    progress("features")
    made = generated.unconditional, generated.labelled
    *by_fcn, reconstructed = (None if X is None else extract(fcn, X) for X in (*made, generated.reconstructed))
    real_by_fcn = extract(fcn, real.X_train), extract(fcn, real.X_test)
    series = (real.X_train, real.X_test, *made)
    rocket = FeatureSets.of(minirocket(real.X_train, seed), *series)
    spaces = {
        "": FeatureSets.of(lambda found: found.features, *real_by_fcn, *by_fcn),
        "_minirocket": rocket,
        "_catch22": FeatureSets.of(catch22(real.X_train), *series),
    }
    metrics = {}
    if reconstructed is not None:  # the FID of a prior that draws exactly the tokens of the test split
        metrics["fid_reconstructed"] = frechet_distance(reconstructed.features, real_by_fcn[1].features)
    if real.y_train is not None:  # the inception score needs classes
        if reconstructed is not None:
            metrics["is_reconstructed"] = inception_score(reconstructed.probabilities, seed=seed)
        probabilities = FeatureSets.of(lambda found: found.probabilities, *real_by_fcn, *by_fcn)
        metrics |= inception_metrics(probabilities, seed, draws=draws)
    for space, features in spaces.items():
        progress(f"FID and KID{space.replace('_', ', ')}")
        metrics |= fidelity_metrics(features, space, seed, draws=draws)
    progress("coverage and two-sample test")
    metrics |= coverage_metrics(rocket, seed) | two_sample_metrics(rocket, seed, PERMUTATIONS[extent.full])
    progress("structure")
    metrics |= _structure_metrics(real, generated)
    if real.y_train is not None and real.y_test is not None:
        progress("classifiers")
        metrics |= _utility_metrics(real, generated, seed, extent, cache_dir, training, fcn.device)
    return metrics


def _structure_metrics(real: RealData, generated: GeneratedData) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for suffix, (X, y) in (("", generated.judged), ("_real", (real.X_train, real.y_train))):
        found = structure_differences(real.X_test, X, None if y is None else real.y_test, y)
        metrics |= {f"{name}_difference{suffix}": value for name, value in found._asdict().items()}
    return metrics


def _utility_metrics(
    real: RealData,
    generated: GeneratedData,
    seed: int,
    extent: Extent,
    cache_dir: str | Path | None,
    training: FCNTraining | None,
    device: torch.device,
) -> dict[str, float]:
    """CAS and train-on-real, by MiniRocket and by the FCN; train-on-both by the FCN only if full."""
    assert real.y_train is not None and real.y_test is not None
    classes = sorted_classes(real.y_train, real.y_test)
    y_train, y_test = class_index(real.y_train, classes), class_index(real.y_test, classes)
    sets = {"_real": (real.X_train, y_train)}
    X, y = (generated.for_cas, generated.y_for_cas) if generated.for_cas is not None else generated.judged
    if X is not None and y is not None:
        y = class_index(y, classes)
        sets[""] = X, y
        sets["_both"] = np.concatenate([real.X_train, X]), np.concatenate([y_train, y])
    metrics: dict[str, float] = {}
    for suffix, (X, y) in sets.items():
        metrics[f"cas_rocket{suffix}"] = rocket_accuracy(X, y, real.X_test, y_test, seed)
        if extent.cas and (extent.full or suffix != "_both"):
            metrics[f"cas{suffix}"] = classification_accuracy_score(
                X,
                y,
                real.X_test,
                y_test,
                len(classes),
                seed=seed,
                cache_dir=cache_dir if suffix == "_real" else None,
                training=training,
                device=device,
            )
    return metrics


def _check_shapes(real: RealData, generated: GeneratedData) -> None:
    """Check that every set has the test split's channels and length, and as many labels as series."""
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
