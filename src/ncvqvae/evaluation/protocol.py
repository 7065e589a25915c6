"""The protocol of evaluation: which series are compared with which, and the key of each metric."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ncvqvae.errors import InputError
from ncvqvae.evaluation.augmenting import N_ADDED, N_SEEDS, utility_metrics
from ncvqvae.evaluation.fcn import FCN, FCNTraining, Features, extract
from ncvqvae.evaluation.feature_metrics import (
    FeatureSets,
    coverage_metrics,
    fidelity_metrics,
    floor_metrics,
    inception_metrics,
    two_sample_metrics,
)
from ncvqvae.evaluation.fidelity import frechet_distance, inception_score
from ncvqvae.evaluation.metrics import WITHOUT_REDRAWS, of_rival, suffixed
from ncvqvae.evaluation.privacy import DRAWS, MAX_MADE, Known, privacy_metrics, privacy_of_real
from ncvqvae.evaluation.resampling import subsample
from ncvqvae.evaluation.rivals import RIVALS, left_out, rival_series
from ncvqvae.evaluation.rocket import Extractor, catch22, minirocket
from ncvqvae.evaluation.structure import structure_differences
from ncvqvae.evaluation.utility import Labelled, classification_accuracy_score, rocket_predictions
from ncvqvae.labels import class_index, sorted_classes

MIN_UNCONDITIONAL = 256
MIN_FOR_CAS = 1000
BOOTSTRAP_DRAWS = 100  # of the full evaluation
PERMUTATIONS = {False: 99, True: 999}  # by whether the evaluation is the full one


@dataclass(frozen=True)
class Extent:
    """How much is computed.

    Attributes:
        full: adds FCNs trained on real and generated series, bootstrap intervals (`_low`, `_high`) of FID, KID and IS,
            and a finer permutation p-value, in minutes more.
        cas: adds CAS by FCNs, which takes most of the time without a GPU. CAS by MiniRocket (`cas_rocket`) is always
            computed.
        rivals: scores cheap rivals (see `rivals`) beside the generator.
    """

    full: bool = False
    cas: bool = True
    rivals: bool = True


STANDARD = Extent()

Copies = Callable[[np.ndarray, np.ndarray | None], dict[str, float]]
"""From scaled series (n, C, L) and their labels (n,) to the metrics of `memorisation`."""


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
    copies: Copies = lambda X, y: {},
    progress: Callable[[str], None] = lambda step: None,
) -> dict[str, float]:
    """Fidelity, utility, coverage, structure and privacy of generated series, beside the same for real data and rivals.

    Metrics of a single set (`cas`, `c2st`, `precision` …, `acf_difference` …) judge the label-first series if there are
    any. A metric is absent if its series or labels are missing. The suffix `_real` compares train with test
    (`c2st_real`: halves of test). The suffix `_reconstructed` compares the test split after the tokenizer with the test
    split itself. The suffix `_of_NAME` is that of a rival, whose series have the numbers and labels of the judged ones.

    Args:
        real: train and test split.
        generated: what the generator made.
        fcn: feature extractor of FID, IS and KID; the FCNs for CAS are trained on its device.
        seed: seed of the classifiers, of random parts and of the shuffle in IS.
        extent: how much is computed.
        cache_dir: folder that keeps the FCN of the real train split, so that a second evaluation need not train it.
        training: settings of the FCNs trained for CAS.
        copies: metrics of copies of a rival's series (n, C, L) and labels (n,), see `memorisation`.
        progress: function called with the name of each step before it begins.

    Raises:
        InputError: if the sets do not fit each other.
    """
    _check_shapes(real, generated)
    progress("features")
    known = _RealFeatures.of(real, fcn, seed)
    metrics = {
        "n_train": float(len(real.X_train)),
        "n_heldout": float(len(real.X_test)),
        "n_generated": float(len(generated.judged[0])),
    }
    metrics |= _of_reconstructed(known, generated.reconstructed, seed)
    metrics |= floor_metrics(known.fcn_train.features, known.fcn_test.features, len(generated.judged[0]), seed)
    metrics |= _of_set(known, generated, extent, seed, progress)
    progress("nearest series")
    metrics |= privacy_of_real(known.train, known.heldout, seed)
    if generated.without_redraws is not None:
        found = privacy_metrics(known.described(generated.without_redraws), known.train, known.heldout, seed)
        metrics |= {suffixed(key, WITHOUT_REDRAWS): value for key, value in found.items()}
    progress("structure")
    metrics |= _structure_metrics(real, generated)
    rivals: dict[str, GeneratedData] = {}
    if extent.rivals:
        rivals = _rivals(real, _wanted(real, generated), extent, seed)
        metrics |= _of_rivals(known, rivals, extent, seed, copies, progress)
    if real.y_train is not None and real.y_test is not None:
        progress("classifiers")
        metrics |= _utility_metrics(real, {"": generated, **rivals}, seed, extent, cache_dir, training, fcn.device)
    return metrics


def evaluate_rivals(
    real: RealData,
    wanted: Wanted,
    fcn: FCN,
    seed: int,
    *,
    extent: Extent = STANDARD,
    copies: Copies = lambda X, y: {},
) -> dict[str, float]:
    """The metrics of the rivals alone, as `evaluate_samples` gives them beside a generator, and those of real data.

    Args:
        real: labelled train and test split.
        wanted: labels of the series that each rival makes.
        fcn: feature extractor of FID, IS and KID.
        seed: seed of the rivals, the classifiers and random parts.
        extent: how much is computed.
        copies: as in `evaluate_samples`.
    """
    known = _RealFeatures.of(real, fcn, seed)
    rivals = _rivals(real, wanted, extent, seed)
    metrics = _of_rivals(known, rivals, extent, seed, copies, lambda step: None)
    return metrics | _utility_metrics(real, rivals, seed, extent, None, None, fcn.device)


@dataclass(frozen=True)
class _RealFeatures:
    """What every set is compared with: the real series and their features, computed once."""

    real: RealData
    fcn: FCN
    fcn_train: Features
    fcn_test: Features
    rocket: Extractor
    train: Known
    heldout: Known

    @classmethod
    def of(cls, real: RealData, fcn: FCN, seed: int) -> _RealFeatures:
        rocket = minirocket(real.X_train, seed)
        labels = (real.y_train, real.y_test) if real.y_train is not None and real.y_test is not None else (None, None)
        train, heldout = (
            Known(X, rocket(X), np.zeros(len(X), int) if y is None else y)
            for X, y in zip((real.X_train, real.X_test), labels, strict=True)
        )
        of_train, of_test = (extract(fcn, X) for X in (real.X_train, real.X_test))
        return cls(real, fcn, of_train, of_test, rocket, train, heldout)

    def described(self, X: np.ndarray) -> Known:
        """Generated series with their features; their labels do not count."""
        return Known(X, self.rocket(X), np.zeros(len(X), int))


def _of_reconstructed(known: _RealFeatures, X: np.ndarray | None, seed: int) -> dict[str, float]:
    """FID and IS of a prior that draws exactly the tokens of the test split."""
    if X is None:
        return {}
    found = extract(known.fcn, X)
    metrics = {"fid_reconstructed": frechet_distance(found.features, known.fcn_test.features)}
    if known.real.y_train is not None:
        metrics["is_reconstructed"] = inception_score(found.probabilities, seed=seed)
    return metrics


def _of_rivals(
    known: _RealFeatures,
    rivals: Mapping[str, GeneratedData],
    extent: Extent,
    seed: int,
    copies: Copies,
    progress: Callable[[str], None],
) -> dict[str, float]:
    """All metrics of the rivals but those of classifiers; of copies, the first 1000 series are judged."""
    metrics: dict[str, float] = {}
    for name, rival in rivals.items():
        progress(f"rival {name}")
        X, y = rival.judged
        rows = slice(0, MAX_MADE)
        found = _of_set(known, rival, extent, seed, of_real=False) | copies(X[rows], None if y is None else y[rows])
        metrics |= {of_rival(key, name): value for key, value in found.items() if not key.endswith("_real")}
    return metrics


def _of_set(
    known: _RealFeatures,
    generated: GeneratedData,
    extent: Extent,
    seed: int,
    progress: Callable[[str], None] = lambda step: None,
    *,
    of_real: bool = True,
) -> dict[str, float]:
    """Fidelity, coverage, two-sample test and privacy of a generator, or of a rival (then without those of real data).

    Rivals have no intervals, and no distances in the spaces of MiniRocket and catch22.
    """
    made = generated.unconditional, generated.labelled
    draws = BOOTSTRAP_DRAWS * (extent.full and of_real)
    free, labelled = (None if X is None else extract(known.fcn, X) for X in made)
    sets = (known.fcn_train, known.fcn_test, free, labelled)
    metrics: dict[str, float] = {}
    if known.real.y_train is not None:  # the inception score needs classes
        probabilities = FeatureSets.of(lambda found: found.probabilities, *sets)
        metrics |= inception_metrics(probabilities, seed, draws=draws, of_real=of_real)
    rocket = FeatureSets(
        known.train.features, known.heldout.features, *(None if X is None else known.rocket(X) for X in made)
    )
    spaces = {"": FeatureSets.of(lambda found: found.features, *sets)}
    if of_real:
        series = (known.real.X_train, known.real.X_test, *made)
        spaces |= {"_minirocket": rocket, "_catch22": FeatureSets.of(catch22(known.real.X_train), *series)}
    for space, features in spaces.items():
        progress(f"FID and KID{space.replace('_', ', ')}")
        metrics |= fidelity_metrics(features, space, seed, draws=draws, of_real=of_real)
    progress("coverage, two-sample test, nearest series")
    metrics |= coverage_metrics(rocket, seed, of_real=of_real)
    metrics |= two_sample_metrics(rocket, seed, PERMUTATIONS[extent.full] if of_real else 1, of_real=of_real)
    if not of_real:
        del metrics["c2st_p"]
    X = generated.judged[0]
    described = Known(X, rocket.judged, np.zeros(len(X), int))
    return metrics | privacy_metrics(described, known.train, known.heldout, seed, draws=DRAWS if of_real else 0)


class Wanted(NamedTuple):
    """Labels of series to make: those to judge (n,), and those to train classifiers on, None where none are made."""

    judged: np.ndarray
    for_cas: np.ndarray | None


def rivals_left_out(real: RealData, generated: GeneratedData, extent: Extent) -> dict[str, str]:
    """Rivals that `evaluate_samples` does not score, and why; empty if it was to score none."""
    return _left_out(real, _wanted(real, generated), extent) if extent.rivals else {}


def _left_out(real: RealData, wanted: Wanted, extent: Extent) -> dict[str, str]:
    n = len(wanted.judged) + (0 if wanted.for_cas is None else len(wanted.for_cas))
    return left_out(real.X_train, n, full=extent.full)


def _wanted(real: RealData, generated: GeneratedData) -> Wanted:
    """The labels of generated series, without those that train lacks; None for each where they have none."""
    X, y = generated.judged
    if y is None or real.y_train is None:
        return Wanted(np.full(len(X), None, dtype=object), None)
    known = set(real.y_train.tolist())
    judged, for_cas = (
        labels[[label in known for label in labels.tolist()]]
        for labels in (y, y[:0] if generated.y_for_cas is None else generated.y_for_cas)
    )
    return Wanted(judged, None if generated.for_cas is None else for_cas)


def _rivals(real: RealData, wanted: Wanted, extent: Extent, seed: int) -> dict[str, GeneratedData]:
    """Series of each rival, as many as are wanted and with their labels."""
    labelled = real.y_train is not None and None not in wanted.judged.tolist()
    X, y = real.X_train, real.y_train if labelled else np.full(len(real.X_train), None, dtype=object)
    assert y is not None
    skipped, made = _left_out(real, wanted, extent), {}
    for name in [name for name in RIVALS if name not in skipped]:
        series = rival_series(name, X, y, wanted.judged, seed)
        if not labelled:
            made[name] = GeneratedData(unconditional=series)
        elif wanted.for_cas is None:
            made[name] = GeneratedData(labelled=series, y_labelled=wanted.judged)
        else:
            more = rival_series(name, X, y, wanted.for_cas, seed + 1)
            made[name] = GeneratedData(None, series, wanted.judged, more, wanted.for_cas)
    return made


def _structure_metrics(real: RealData, generated: GeneratedData) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for suffix, (X, y) in (("", generated.judged), ("_real", (real.X_train, real.y_train))):
        found = structure_differences(real.X_test, X, None if y is None else real.y_test, y)
        metrics |= {f"{name}_difference{suffix}": value for name, value in found._asdict().items()}
    return metrics


def _utility_metrics(
    real: RealData,
    sets: Mapping[str, GeneratedData],
    seed: int,
    extent: Extent,
    cache_dir: str | Path | None,
    training: FCNTraining | None,
    device: torch.device,
) -> dict[str, float]:
    """CAS and the gain from added series, by MiniRocket, and by FCNs as far as `extent` goes.

    `sets` holds the generator's series under an empty name, if there are any, and those of rivals under theirs.
    """
    assert real.y_train is not None and real.y_test is not None
    classes = sorted_classes(real.y_train, real.y_test)
    y_test = class_index(real.y_test, classes)
    train = Labelled(real.X_train, class_index(real.y_train, classes))
    made = {
        name: Labelled(X, class_index(y, classes))
        for name, (X, y) in ((name, of.for_training) for name, of in sets.items())
        if y is not None
    }
    trained_on: dict[tuple[str, ...], str] = {("_real",): "cas_rocket_real"}
    trained_on |= {(name,): of_rival("cas_rocket", name) if name else "cas_rocket" for name in made}
    if "" in made:
        trained_on[("_real", "")] = "cas_rocket_both"
    predicted = rocket_predictions({"_real": train, **made}, trained_on, real.X_test, seed)
    metrics = {trained_on[names]: float((found == y_test).mean()) for names, found in predicted.items()}
    if made:
        metrics |= utility_metrics(train, made, real.X_test, y_test, seed=seed, n_seeds=N_SEEDS[extent.full])
    by_fcn = {"cas_real": train} if extent.cas else {}
    if extent.cas and "" in made:
        by_fcn["cas"] = made[""]
        if extent.full:
            by_fcn["cas_both"] = train.joined(made[""])
            for name, part in made.items():
                key = of_rival("utility_fcn_both", name) if name else "utility_fcn_both"
                by_fcn[key] = train.joined(part.take(subsample(len(part.y), N_ADDED, seed)))
    for key, part in by_fcn.items():
        metrics[key] = classification_accuracy_score(
            part.X,
            part.y,
            real.X_test,
            y_test,
            len(classes),
            seed=seed,
            cache_dir=cache_dir if key == "cas_real" else None,
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
