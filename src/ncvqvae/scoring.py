"""Every figure of a trained model: what is asked of the model, and what of the series that it makes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ncvqvae.data import Splits, are_unequal, beyond, fill, has_missing, series_lengths
from ncvqvae.errors import InputError
from ncvqvae.evaluation.diversity import copied_share
from ncvqvae.evaluation.features import FCN, cached_fcn, load_fcn
from ncvqvae.evaluation.probes import probe_accuracy
from ncvqvae.evaluation.protocol import (
    GeneratedData,
    RealData,
    cas_labels,
    class_index,
    evaluate_samples,
    fidelity_figures,
    n_unconditional,
    sorted_classes,
)
from ncvqvae.model import NCVQVAE, Samples


@dataclass
class Scores:
    """Figures by name (the keys of ``metrics.json``), and the generated series behind them in their own units."""

    metrics: dict[str, float]
    unconditional: np.ndarray
    labelled: Samples | None
    copied_per_class: dict[object, float] = field(default_factory=dict)


def cache_dir() -> Path:
    """Where trained FCNs are kept: NCVQVAE_CACHE_DIR, or the user's cache folder."""
    return Path(os.environ.get("NCVQVAE_CACHE_DIR") or Path.home() / ".cache" / "ncvqvae")


def feature_extractor(splits: Splits, scaled_train: np.ndarray, path: str | Path | None, seed: int) -> FCN:
    """The FCN behind FID and IS: published weights from ``path``, or one trained on the train split and cached."""
    y = splits.y_train if splits.y_train is not None else np.zeros(len(scaled_train), int)
    classes = sorted_classes(y)
    if path is not None:
        n_classes = len(classes) if splits.y_train is not None else None
        return load_fcn(path, n_channels=scaled_train.shape[1], n_classes=n_classes)
    return cached_fcn(scaled_train, class_index(y, classes), len(classes), seed, cache_dir())


class MaskedScale:
    """Series as the figures take them: scaled, gaps filled in, NaN behind the end of a shorter series.

    Filling in smooths. So that real and generated series are smoothed alike, each generated one first gets the gaps of
    a real one, drawn from the train split.

    Args:
        model: gives scaling and shape.
        X_train: the real train split.
        seed: draws whose gaps a generated series gets.
    """

    def __init__(self, model: NCVQVAE, X_train: np.ndarray, seed: int) -> None:
        self.model, self.X_train, self.seed = model, X_train, seed
        self.unequal, self.missing = are_unequal(X_train), has_missing(X_train)

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Scaled series (n, C, L) with what they have of gaps."""
        X = self._with_channels(X)
        return self._scale(X, X)

    def generated(self, X: np.ndarray) -> np.ndarray:
        """Scaled generated series (n, C, L), with the gaps of real ones."""
        X = self._with_channels(X)
        if not self.missing:
            return self._scale(X, X)
        real = self.X_train[np.random.default_rng(self.seed).integers(len(self.X_train), size=len(X))]
        gaps = np.isnan(real)
        if self.unequal:
            gaps &= ~beyond(series_lengths(real), X.shape[-1])
        hidden = np.where(gaps, np.float32(np.nan), X)
        nothing = np.isnan(hidden).all(axis=(1, 2), keepdims=True)  # a short series in a long gap
        return self._scale(np.where(nothing, X, hidden), X)

    def _scale(self, X: np.ndarray, whole: np.ndarray) -> np.ndarray:
        values = fill(self.model.scaler_.transform(X)).values
        return (
            np.where(beyond(series_lengths(whole), X.shape[-1]), np.float32(np.nan), values) if self.unequal else values
        )

    def _with_channels(self, X: np.ndarray) -> np.ndarray:
        return X.reshape(len(X), self.model.n_channels_, self.model.n_timepoints_)


def score_model(model: NCVQVAE, splits: Splits, *, fcn: str | Path | None = None, seed: int = 0) -> Scores:
    """All figures of the chapter's protocol, the label-first ones and the share of copies.

    Args:
        model: a fitted model.
        splits: its data; the train split must be the one it was fitted on.
        fcn: published FCN weights (.safetensors); by default an FCN is trained on the train split.
        seed: seed of the samples and of the FCNs.
    """
    y_train = splits.y_train
    metrics = model_figures(model, splits)
    n = n_unconditional(len(splits.X_test))
    unconditional = model.sample(n, unconditional=True, seed=seed).X
    first = None if y_train is None else model.sample(n, seed=seed + 1)

    scaled = MaskedScale(model, splits.X_train, seed)
    generated = GeneratedData(unconditional=scaled.generated(unconditional))
    if first is not None and y_train is not None:
        wanted = cas_labels(y_train)
        for_cas = model.sample(len(wanted), wanted, seed=seed + 2)
        generated = GeneratedData(
            generated.unconditional, scaled.generated(first.X), first.y, scaled.generated(for_cas.X), for_cas.y
        )
    real = RealData(scaled(splits.X_train), splits.y_train, scaled(splits.X_test), splits.y_test)
    extractor = feature_extractor(splits, real.X_train, fcn, seed)
    if y_train is not None:
        metrics |= evaluate_samples(real, generated, extractor, seed, cache_dir=cache_dir())
    else:  # without classes there is nothing that an inception score could count
        figures = fidelity_figures(real, generated, extractor, seed)
        metrics |= {name: value for name, value in figures.items() if not name.startswith("is")}

    # through the tokenizer first: it smooths noise away, and smooth series are nearer to everything
    train_image, test_image = scaled(model.reconstruct(splits.X_train)), scaled(model.reconstruct(splits.X_test))
    main = scaled(unconditional if first is None else first.X)  # whole series, as the tokenizer fills gaps
    copied = copied_share(main, train_image, test_image, y_generated=generated.y_labelled, y_heldout=splits.y_test)
    metrics["copied"] = copied.share
    metrics["copied_unconditional"] = copied_share(scaled(unconditional), train_image, test_image).share
    metrics["copied_real"] = float((copied.heldout_distances <= copied.threshold).mean())
    return Scores(metrics, unconditional, first, copied.per_class)


def score_series(
    model: NCVQVAE,
    splits: Splits,
    X: np.ndarray,
    y: np.ndarray | None,
    *,
    fcn: str | Path | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """Figures of series made by any other model; copies are counted against the raw series, whatever made them.

    Args:
        model: gives the scaling of the train split.
        splits: real data.
        X: series in the units of the data, labelled if ``y`` is given.

    Raises:
        InputError: if the samples have another shape than the data.
    """
    if X.shape[1:] != splits.X_train.shape[1:]:
        given, wanted = (f"{a.shape[1]} channel(s) and length {a.shape[2]}" for a in (X, splits.X_train))
        raise InputError(f"the samples have {given}, the data {wanted}; give series of the data's own shape")
    scaled = MaskedScale(model, splits.X_train, seed)
    real = RealData(scaled(splits.X_train), splits.y_train, scaled(splits.X_test), splits.y_test)
    made = scaled.generated(X)
    generated = GeneratedData(unconditional=made) if y is None else GeneratedData(labelled=made, y_labelled=y)
    extractor = feature_extractor(splits, real.X_train, fcn, seed)
    if splits.y_train is not None:
        metrics = evaluate_samples(real, generated, extractor, seed, cache_dir=cache_dir())
    else:
        metrics = fidelity_figures(real, generated, extractor, seed)
    copied = copied_share(made, real.X_train, real.X_test)
    return metrics | {
        "copied_raw": copied.share,
        "copied_raw_real": float((copied.heldout_distances <= copied.threshold).mean()),
    }


def model_figures(model: NCVQVAE, splits: Splits) -> dict[str, float]:
    """Reconstruction, probes and prior loss on the test split, and the seconds of training."""
    metrics = {"val_recon": model.reconstruction_loss(splits.X_test)}
    if splits.y_train is not None and splits.y_test is not None and len(model.classes_) > 1:
        probes = probe_accuracy(
            model.transform(splits.X_train), splits.y_train, model.transform(splits.X_test), splits.y_test
        )
        metrics |= {"knn": probes.knn, "svm": probes.svm}
    metrics["prior_loss"] = model.prior_loss(splits.X_test, splits.y_test)
    return metrics | {f"{stage}_seconds": seconds for stage, seconds in model.seconds_.items()}
