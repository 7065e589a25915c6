"""Every metric of a trained model and of the series that it generates."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from ncvqvae.commands.encoded import EncodedSets
from ncvqvae.data import GlobalScaler, Splits, are_unequal, beyond, fill, has_missing, series_lengths
from ncvqvae.errors import InputError
from ncvqvae.evaluation.diversity import repeated_share
from ncvqvae.evaluation.fcn import FCN, cached_fcn, load_fcn
from ncvqvae.evaluation.memorisation import Memorisation, RawSeries, memorisation
from ncvqvae.evaluation.metrics import DRAWN_ONCE, WITHOUT_REDRAWS, suffixed, without_end
from ncvqvae.evaluation.privacy import MAX_MADE
from ncvqvae.evaluation.probes import probe_accuracy, token_embeddings
from ncvqvae.evaluation.protocol import (
    STANDARD,
    Extent,
    GeneratedData,
    RealData,
    cas_labels,
    evaluate_samples,
    n_unconditional,
    rivals_left_out,
)
from ncvqvae.evaluation.representation import asked, features_without_model, representation_metrics
from ncvqvae.evaluation.resampling import subsample
from ncvqvae.evaluation.tokens import prior_certainty, token_usage
from ncvqvae.files import cache_dir
from ncvqvae.generation.samples import DecodingSteps, Samples, joined
from ncvqvae.generation.trained import TrainedModel
from ncvqvae.hardware import CPU
from ncvqvae.labels import class_index, sorted_classes

MAX_COMPARED = 5000
"""Most series of a set that the metrics compare; of a larger set so many are drawn by the seed, without replacement."""


@dataclass
class Scores:
    """Metrics of generated series, and what stands behind them.

    Attributes:
        metrics: values by name, the keys of ``metrics.json``.
        unconditional: series generated without a class, in their own units; None if all were given labelled.
        labelled: series generated label-first, in their own units.
        encoded: train, test and generated series with their tokens; None where the series are not a model's own.
        copied_per_class: label → share of copied series.
        steps: how sure the prior was, step by step; None where the series are not a model's own.
        left_out: rivals that were not scored, and why.
        splits: the series of both halves that were compared.
    """

    metrics: dict[str, float]
    unconditional: np.ndarray | None
    labelled: Samples | None
    encoded: EncodedSets | None = None
    copied_per_class: dict[Hashable, float] = field(default_factory=dict)
    steps: DecodingSteps | None = None
    left_out: dict[str, str] = field(default_factory=dict)
    splits: Splits | None = None


def compared(splits: Splits, seed: int) -> Splits:
    """The series of both halves that the metrics compare: all, or `MAX_COMPARED` of a half that has more."""

    def drawn(X: np.ndarray, y: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
        rows = subsample(len(X), MAX_COMPARED, seed)
        return (X, y) if len(rows) == len(X) else (X[rows], None if y is None else y[rows])

    (X_train, y_train), (X_test, y_test) = drawn(splits.X_train, splits.y_train), drawn(splits.X_test, splits.y_test)
    return splits._replace(X_train=X_train, y_train=y_train, X_test=X_test, y_test=y_test)


def left_out(splits: Splits, n_samples: int, seed: int) -> str:
    """A line on sets of which only a part is compared, '' where all are whole."""
    sizes = {"train": len(splits.X_train), "test": len(splits.X_test), "generated": n_samples}
    parts = [f"{MAX_COMPARED} of {size} {name} series" for name, size in sizes.items() if size > MAX_COMPARED]
    return f"compared: {', '.join(parts)}, drawn by seed {seed}" if parts else ""


def feature_extractor(
    splits: Splits, scaled_train: np.ndarray, path: str | Path | None, seed: int, device: torch.device = CPU
) -> FCN:
    """The FCN behind FID and IS, on `device`: weights from ``path``, or trained on the train split and cached."""
    y = splits.y_train if splits.y_train is not None else np.zeros(len(scaled_train), int)
    classes = sorted_classes(y)
    if path is not None:
        n_classes = len(classes) if splits.y_train is not None else None
        return load_fcn(path, n_channels=scaled_train.shape[1], n_classes=n_classes).to(device)
    return cached_fcn(scaled_train, class_index(y, classes), len(classes), seed, cache_dir(), device=device)


class MaskedScale:
    """Series as the metrics take them: scaled, gaps filled in, NaN behind the end of a shorter series.

    Filling in smooths. So that real and generated series are smoothed alike, each generated one first gets the gaps of
    a real one, drawn from the train split.

    Args:
        scaler: fitted on the train split.
        X_train: the real train split; its channels and length are those of all series.
        seed: draws whose gaps a generated series gets.
    """

    def __init__(self, scaler: GlobalScaler, X_train: np.ndarray, seed: int) -> None:
        self.scaler, self.X_train, self.seed = scaler, X_train, seed
        self.unequal, self.missing = are_unequal(X_train), has_missing(X_train)

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Scale series (n, C, L) and fill their own gaps."""
        X = self._with_channels(X)
        return self._scale(X, X)

    def generated(self, X: np.ndarray) -> np.ndarray:
        """Scale generated series (n, C, L) after giving them the gaps of real ones and filling these."""
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
        values = fill(self.scaler.transform(X)).values
        return (
            np.where(beyond(series_lengths(whole), X.shape[-1]), np.float32(np.nan), values) if self.unequal else values
        )

    def _with_channels(self, X: np.ndarray) -> np.ndarray:
        return X.reshape(len(X), *self.X_train.shape[1:])


def score_model(
    model: TrainedModel,
    splits: Splits,
    *,
    fcn: str | Path | None = None,
    seed: int = 0,
    extent: Extent = STANDARD,
    progress: Callable[[str], None] = lambda step: None,
) -> Scores:
    """Every metric of a model and of the series it makes, and what stands behind them.

    Args:
        model: a fitted model.
        splits: its data; the train split must be the one it was fitted on.
        fcn: published FCN weights (.safetensors); by default an FCN is trained on the train split.
        seed: seed of the samples and of the classifiers.
        extent: how much is computed.
        progress: hears of each step before it begins.
    """
    whole, splits = splits, compared(splits, seed)
    progress("sampling")
    n = n_unconditional(len(splits.X_test))
    unconditional = joined(model.iter_samples(n, unconditional=True, seed=seed)).X
    first = None if splits.y_train is None else joined(model.iter_samples(n, seed=seed + 1))
    progress("tokens and probes")
    encoded = EncodedSets.by(model, splits, unconditional if first is None else first.X)
    metrics = model_metrics(model, splits, encoded) | token_metrics(model, encoded)
    steps = model.decoding_steps(256)
    metrics |= prior_certainty(steps.probabilities, steps.entropies)
    scaled = MaskedScale(model.scaler_, splits.X_train, seed)
    generated = _generated(model, splits, scaled, unconditional, first, encoded, seed)
    real = RealData(scaled(splits.X_train), splits.y_train, scaled(splits.X_test), splits.y_test)
    if splits.y_train is not None and splits.y_test is not None and len(model.classes_) > 1:
        progress("embeddings")
        metrics |= embedding_metrics(encoded, real, seed)
    progress("copies")
    # through the tokenizer first: it smooths noise away, and smooth series are nearer to everything
    train, test, made = (scaled(part.reconstruction) for part in encoded)  # whole series, as the tokenizer fills gaps
    if len(whole.X_train) > len(splits.X_train):  # a copy may be of any training series
        train = scaled(model.reconstruct(whole.X_train))
    raw_train = scaled(whole.X_train)

    def copies(
        X: np.ndarray, y: np.ndarray | None, made: np.ndarray | None = None, free: np.ndarray | None = None
    ) -> Memorisation:
        """Copies among scaled series X and, through the tokenizer, `made`; `free` are unconditional ones."""
        return memorisation(
            scaled(model.reconstruct(model.scaler_.inverse_transform(X))) if made is None else made,
            train,
            test,
            unconditional=free,
            raw=RawSeries(X, raw_train, real.X_test),
            y_made=y,
            y_train=whole.y_train,
            y_heldout=splits.y_test,
            seed=seed,
        )

    free = made if first is None else scaled(model.reconstruct(unconditional))
    found = copies(*generated.judged, made, free)
    metrics |= found.metrics
    if generated.without_redraws is not None:
        of_first = copies(generated.without_redraws, generated.y_without_redraws).metrics
        metrics |= {f"{key}{WITHOUT_REDRAWS}": value for key, value in of_first.items() if key in DRAWN_ONCE}
    progress("FCN")
    extractor = feature_extractor(splits, real.X_train, fcn, seed, model.tokenizer_.codebook.device)
    metrics |= evaluate_samples(
        real,
        generated,
        extractor,
        seed,
        extent=extent,
        cache_dir=cache_dir(),
        copies=lambda X, y: copies(X, y).metrics,
        progress=progress,
    )
    if generated.without_redraws is None:  # the model never draws again, so that both are the same
        metrics |= {
            suffixed(key, WITHOUT_REDRAWS): value for key, value in metrics.items() if without_end(key) in DRAWN_ONCE
        }
    metrics["evaluation_seed"] = float(seed)
    left = rivals_left_out(real, generated, extent)
    return Scores(metrics, unconditional, first, encoded, found.copied.per_class, steps, left, splits)


def _generated(
    model: TrainedModel,
    splits: Splits,
    scaled: MaskedScale,
    unconditional: np.ndarray,
    first: Samples | None,
    encoded: EncodedSets,
    seed: int,
) -> GeneratedData:
    """Generated series as the metrics take them, those for CAS and the test split's reconstructions among them."""
    as_sampled = model.config_.sampling.residual_neighbours
    reconstructed = model.reconstruct(
        splits.X_test, residual_neighbours=as_sampled, seed=seed, tokens=encoded.test.tokens
    )
    generated = GeneratedData(scaled.generated(unconditional), reconstructed=scaled.generated(reconstructed))
    labelled = first is not None
    if model.config_.sampling.redraws:
        n = min(len(unconditional), MAX_MADE)
        drawn_once = joined(model.iter_samples(n, unconditional=not labelled, seed=seed + labelled, redraws=0))
        generated = replace(generated, without_redraws=scaled.generated(drawn_once.X), y_without_redraws=drawn_once.y)
    if first is None or splits.y_train is None:
        return generated
    wanted = cas_labels(splits.y_train)
    for_cas = joined(model.iter_samples(len(wanted), wanted, seed=seed + 2))
    return replace(
        generated,
        labelled=scaled.generated(first.X),
        y_labelled=first.y,
        for_cas=scaled.generated(for_cas.X),
        y_for_cas=for_cas.y,
    )


def score_series(
    splits: Splits,
    X: np.ndarray,
    y: np.ndarray | None,
    *,
    fcn: str | Path | None = None,
    seed: int = 0,
    device: torch.device = CPU,
    extent: Extent = STANDARD,
    progress: Callable[[str], None] = lambda step: None,
) -> Scores:
    """Metrics of series made by any model; copies are counted against the raw series, for want of its tokenizer.

    Args:
        splits: real data; its train split is what the other model was trained on.
        X: series (n, C, L) in the units of the data; of more than `MAX_COMPARED` so many are scored.
        y: their labels (n,), None without.
        fcn, seed, extent, progress: as in `score_model`.
        device: of the FCNs.

    Raises:
        InputError: if the samples have another shape than the data, or a label it does not have.
    """
    if X.shape[1:] != splits.X_train.shape[1:]:
        given, wanted = (f"{a.shape[1]} channel(s) and length {a.shape[2]}" for a in (X, splits.X_train))
        raise InputError(f"the samples have {given}, the data {wanted}; give series of the data's own shape")
    if splits.y_train is None:
        y = None
    elif y is not None:
        known = [labels for labels in (splits.y_train, splits.y_test) if labels is not None]
        class_index(y, sorted_classes(*known))  # refuses labels unheard of before the long work
    rows, whole, splits = subsample(len(X), MAX_COMPARED, seed), splits, compared(splits, seed)
    X, y = X[rows], None if y is None else y[rows]
    scaled = MaskedScale(GlobalScaler().fit(splits.X_train), splits.X_train, seed)
    real = RealData(scaled(splits.X_train), splits.y_train, scaled(splits.X_test), splits.y_test)
    generated = GeneratedData(unconditional=scaled.generated(X))
    if y is not None:
        generated = GeneratedData(labelled=generated.unconditional, y_labelled=y)

    raw_train = scaled(whole.X_train)  # a copy may be of any training series

    def copies(X: np.ndarray, y: np.ndarray | None) -> Memorisation:
        labels = (whole.y_train, splits.y_test)
        return memorisation(X, raw_train, real.X_test, y_made=y, y_train=labels[0], y_heldout=labels[1], seed=seed)

    progress("FCN")
    extractor = feature_extractor(splits, real.X_train, fcn, seed, device)
    metrics = evaluate_samples(
        real,
        generated,
        extractor,
        seed,
        extent=extent,
        cache_dir=cache_dir(),
        copies=lambda X, y: _raw(copies(X, y).metrics),
        progress=progress,
    )
    progress("copies")
    found = copies(*generated.judged)
    metrics |= _raw(found.metrics)
    labelled = None if y is None else Samples(X, y)
    metrics["evaluation_seed"] = float(seed)
    left = rivals_left_out(real, generated, extent)
    return Scores(
        metrics, None if y is not None else X, labelled, None, found.copied.per_class, left_out=left, splits=splits
    )


def _raw(metrics: dict[str, float]) -> dict[str, float]:
    """Metrics of copies under the names of those that no tokenizer has smoothed."""
    return {name.replace("copied", "copied_raw"): value for name, value in metrics.items()}


def token_metrics(model: TrainedModel, encoded: EncodedSets) -> dict[str, float]:
    """Perplexity of the codes in train, test and generated series, dead codes, and repeated token sequences.

    Repeats are looked for in the series as decoded from their tokens: what the tokenizer leaves out would stand
    between a copy and its original.
    """
    n_codes = len(model.tokenizer_.codebook)
    usage = {
        name: token_usage(part.tokens, n_codes)
        for name, part in zip(("train", "test", "generated"), encoded, strict=True)
    }
    metrics = {f"perplexity_{name}": found.perplexity for name, found in usage.items()}
    train, test, made = (model.encode(part.reconstruction) for part in encoded)
    return metrics | {
        "dead_codes": float(usage["train"].dead_codes),
        "repeated_tokens": repeated_share(made, train),
        "repeated_tokens_real": repeated_share(test, train),
    }


def embedding_metrics(encoded: EncodedSets, real: RealData, seed: int) -> dict[str, float]:
    """What the embeddings that ``transform`` gives are good for, beside features that need no model."""
    assert real.y_train is not None and real.y_test is not None
    train, test = asked(len(real.X_train), seed), asked(len(real.X_test), seed)
    others = features_without_model(real.X_train[train], real.X_test[test], seed)
    Z = encoded.train.embedding[train], encoded.test.embedding[test]
    return representation_metrics(Z, real.y_train[train], real.y_test[test], others, seed)


def model_metrics(model: TrainedModel, splits: Splits, encoded: EncodedSets) -> dict[str, float]:
    """Reconstruction, probes and prior loss on the test split, and the seconds of training."""
    tokens = encoded.test.tokens
    metrics = {"val_recon": model.reconstruction_loss(splits.X_test, tokens=tokens)}
    if splits.y_train is not None and splits.y_test is not None and len(model.classes_) > 1:
        codebook = model.tokenizer_.codebook.cpu().numpy()
        train, test = (token_embeddings(part.tokens, codebook) for part in (encoded.train, encoded.test))
        for suffix, embedding in train.items():
            probes = probe_accuracy(embedding, splits.y_train, test[suffix], splits.y_test)
            metrics |= {f"{name}{suffix}": score for name, score in probes._asdict().items() if score == score}
    metrics["prior_loss"] = model.prior_loss(splits.X_test, splits.y_test, tokens=tokens)
    return metrics | {f"{stage}_seconds": seconds for stage, seconds in model.seconds_.items()}
