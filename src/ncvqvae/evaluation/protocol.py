"""The protocol of evaluation: which series are compared with which, and the key of each metric."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ncvqvae.evaluation.classifiers import classifier_metrics
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
from ncvqvae.evaluation.metric_list import WITHOUT_REDRAWS
from ncvqvae.evaluation.metrics import of_rival, suffixed
from ncvqvae.evaluation.privacy import DRAWS, MAX_MADE, Known, privacy_metrics, privacy_of_real
from ncvqvae.evaluation.rival_sets import rival_sets, wanted_labels
from ncvqvae.evaluation.rocket import Extractor, catch22, minirocket
from ncvqvae.evaluation.sets import STANDARD, Extent, GeneratedData, RealData, Wanted, check_shapes
from ncvqvae.evaluation.structure import structure_differences

BOOTSTRAP_DRAWS = 100  # of the full evaluation
PERMUTATIONS = {False: 99, True: 999}  # by whether the evaluation is the full one

Copies = Callable[[np.ndarray, np.ndarray | None], dict[str, float]]
"""From scaled series (n, C, L) and their labels (n,) to the metrics of `memorisation`."""


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
    any. A metric is absent if its series or labels are missing, one of classifiers also if train has a single class,
    since nothing is told apart then. The suffix `_real` compares train with test
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
    check_shapes(real, generated)
    progress("features")
    known = _RealFeatures.of(real, fcn, seed)
    metrics = {
        "n_train": float(len(real.X_train)),
        "n_heldout": float(len(real.X_test)),
        "n_generated": float(len(generated.judged[0])),
    }
    if generated.reconstructed is not None:
        labelled = real.y_train is not None
        metrics |= reconstructed_metrics(fcn, known.fcn_test, generated.reconstructed, seed, labelled=labelled)
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
        rivals = rival_sets(real, wanted_labels(real, generated), extent, seed)
        metrics |= _of_rivals(known, rivals, extent, seed, copies, progress)
    if real.tells_classes:
        progress("classifiers")
        metrics |= classifier_metrics(real, {"": generated, **rivals}, seed, extent, cache_dir, training, fcn.device)
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
    rivals = rival_sets(real, wanted, extent, seed)
    metrics = _of_rivals(known, rivals, extent, seed, copies, lambda step: None)
    if not real.tells_classes:
        return metrics
    return metrics | classifier_metrics(real, rivals, seed, extent, None, None, fcn.device)


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


def reconstructed_metrics(fcn: FCN, test: Features, X: np.ndarray, seed: int, *, labelled: bool) -> dict[str, float]:
    """FID and IS of a prior that draws exactly the tokens of the test split.

    Args:
        fcn: feature extractor.
        test: features of the test split.
        X: the test split through the tokenizer (n, C, L), scaled by the train split.
        seed: of the shuffle in IS.
        labelled: whether there are classes, which IS needs.
    """
    found = extract(fcn, X)
    metrics = {"fid_reconstructed": frechet_distance(found.features, test.features)}
    if labelled:
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


def _structure_metrics(real: RealData, generated: GeneratedData) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for suffix, (X, y) in (("", generated.judged), ("_real", (real.X_train, real.y_train))):
        found = structure_differences(real.X_test, X, None if y is None else real.y_test, y)
        metrics |= {f"{name}_difference{suffix}": value for name, value in found._asdict().items()}
    return metrics
