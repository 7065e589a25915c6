"""Accuracy of classifiers that are trained on real and on made series, MiniRocket's and FCNs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from ncvqvae.evaluation.augmenting import N_ADDED, N_SEEDS, utility_metrics
from ncvqvae.evaluation.fcn import FCNTraining
from ncvqvae.evaluation.metrics import of_rival
from ncvqvae.evaluation.resampling import subsample
from ncvqvae.evaluation.sets import Extent, GeneratedData, RealData
from ncvqvae.evaluation.utility import Labelled, classification_accuracy_score, rocket_predictions
from ncvqvae.labels import class_index, sorted_classes


def classifier_metrics(
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
    train, test = (
        Labelled(X, class_index(y, classes)) for X, y in ((real.X_train, real.y_train), (real.X_test, real.y_test))
    )
    made = {
        name: Labelled(X, class_index(y, classes))
        for name, (X, y) in ((name, of.for_training) for name, of in sets.items())
        if y is not None
    }
    metrics = _rocket_accuracies(train, made, test, seed)
    if made:
        metrics |= utility_metrics(train, made, test.X, test.y, seed=seed, n_seeds=N_SEEDS[extent.full])
    for key, part in _for_fcns(train, made, seed, extent).items():
        metrics[key] = classification_accuracy_score(
            part.X,
            part.y,
            test.X,
            test.y,
            len(classes),
            seed=seed,
            cache_dir=cache_dir if key == "cas_real" else None,
            training=training,
            device=device,
        )
    return metrics


def _rocket_accuracies(train: Labelled, made: Mapping[str, Labelled], test: Labelled, seed: int) -> dict[str, float]:
    """Held-out accuracy of MiniRocket and ridge regression, trained on real series, on each made set, and on both."""
    trained_on: dict[tuple[str, ...], str] = {("_real",): "cas_rocket_real"}
    trained_on |= {(name,): of_rival("cas_rocket", name) if name else "cas_rocket" for name in made}
    if "" in made:
        trained_on[("_real", "")] = "cas_rocket_both"
    predicted = rocket_predictions({"_real": train, **made}, trained_on, test.X, seed)
    return {trained_on[names]: float((found == test.y).mean()) for names, found in predicted.items()}


def _for_fcns(train: Labelled, made: Mapping[str, Labelled], seed: int, extent: Extent) -> dict[str, Labelled]:
    """What FCNs are trained on, by the key of their accuracy."""
    if not extent.cas:
        return {}
    sets = {"cas_real": train}
    if "" not in made:
        return sets
    sets["cas"] = made[""]
    if extent.full:
        sets["cas_both"] = train.joined(made[""])
        for name, part in made.items():
            key = of_rival("utility_fcn_both", name) if name else "utility_fcn_both"
            sets[key] = train.joined(part.take(subsample(len(part.y), N_ADDED, seed)))
    return sets
