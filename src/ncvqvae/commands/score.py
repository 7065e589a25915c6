"""Every metric of a trained model and of the series that it generates."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from ncvqvae.commands.encoded import Encoded, EncodedSets
from ncvqvae.commands.masked_scale import MaskedScale
from ncvqvae.commands.model_metrics import (
    code_metrics,
    embedding_metrics,
    prior_metrics,
    token_metrics,
    tokenizer_metrics,
)
from ncvqvae.data import GlobalScaler, Splits
from ncvqvae.errors import InputError
from ncvqvae.evaluation.fcn import FCN, cached_fcn, extract, load_fcn
from ncvqvae.evaluation.memorisation import Memorisation, RawSeries, memorisation
from ncvqvae.evaluation.metric_list import DRAWN_ONCE, WITHOUT_REDRAWS
from ncvqvae.evaluation.metrics import suffixed, without_end
from ncvqvae.evaluation.privacy import MAX_MADE
from ncvqvae.evaluation.protocol import Copies, evaluate_samples, reconstructed_metrics
from ncvqvae.evaluation.resampling import subsample
from ncvqvae.evaluation.rival_sets import rivals_left_out
from ncvqvae.evaluation.sets import (
    MAX_COMPARED,
    STANDARD,
    Extent,
    GeneratedData,
    RealData,
    cas_labels,
    n_unconditional,
)
from ncvqvae.evaluation.tokens import prior_certainty
from ncvqvae.files import cache_dir
from ncvqvae.generation.samples import DecodingSteps, Samples, joined
from ncvqvae.generation.trained import TrainedModel
from ncvqvae.hardware import CPU
from ncvqvae.labels import class_index, sorted_classes


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


def compared(splits: Splits, seed: int, heldout: int = MAX_COMPARED) -> Splits:
    """The series of both halves that the metrics compare: at most `MAX_COMPARED` of train, and `heldout` of test."""

    def drawn(X: np.ndarray, y: np.ndarray | None, most: int) -> tuple[np.ndarray, np.ndarray | None]:
        rows = subsample(len(X), most, seed)
        return (X, y) if len(rows) == len(X) else (X[rows], None if y is None else y[rows])

    X_train, y_train = drawn(splits.X_train, splits.y_train, MAX_COMPARED)
    X_test, y_test = drawn(splits.X_test, splits.y_test, heldout)
    return splits._replace(X_train=X_train, y_train=y_train, X_test=X_test, y_test=y_test)


def left_out(splits: Splits, n_samples: int, seed: int, heldout: int) -> str:
    """A line on sets of which `compared` takes only a part, '' where all are whole; of a file, `n_samples` series."""
    sizes = {
        "train": (len(splits.X_train), MAX_COMPARED),
        "test": (len(splits.X_test), heldout),
        "generated": (n_samples, heldout),
    }
    parts = [f"{most} of {size} {name} series" for name, (size, most) in sizes.items() if size > most]
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
    whole, splits = splits, compared(splits, seed, extent.heldout)
    progress("sampling")
    n = n_unconditional(len(splits.X_test))
    unconditional = joined(model.iter_samples(n, unconditional=True, seed=seed)).X
    first = None if splits.y_train is None else joined(model.iter_samples(n, seed=seed + 1))
    progress("tokens and probes")
    encoded = EncodedSets.by(model, splits, unconditional if first is None else first.X)
    metrics = tokenizer_metrics(model, splits, encoded.train, encoded.test)
    metrics |= prior_metrics(model, splits, encoded.test) | token_metrics(model, encoded)
    steps = model.decoding_steps(256)
    metrics |= prior_certainty(steps.probabilities, steps.entropies)
    scaled = MaskedScale(model.scaler_, splits.X_train, seed)
    generated = _generated(model, splits, scaled, unconditional, first, encoded, seed)
    real = RealData(scaled(splits.X_train), splits.y_train, scaled(splits.X_test), splits.y_test)
    if splits.y_train is not None and splits.y_test is not None and len(model.classes_) > 1:
        progress("embeddings")
        metrics |= embedding_metrics(encoded.train, encoded.test, real, seed)
    progress("copies")
    copies = _copies_by(model, scaled, whole, splits, real, encoded, seed)
    made = scaled(encoded.made.reconstruction)
    free = made if first is None else scaled(model.reconstruct(unconditional))
    found = copies(*generated.judged, made, free)
    metrics |= found.metrics
    if generated.without_redraws is not None:
        of_first = copies(generated.without_redraws, generated.y_without_redraws).metrics
        metrics |= {f"{key}{WITHOUT_REDRAWS}": value for key, value in of_first.items() if key in DRAWN_ONCE}
    comparison = _Comparison(splits, real, generated, seed, extent)
    metrics |= comparison.metrics(fcn, model.tokenizer_.codebook.device, lambda X, y: copies(X, y).metrics, progress)
    if generated.without_redraws is None:  # the model never draws again, so that both are the same
        metrics |= {
            suffixed(key, WITHOUT_REDRAWS): value for key, value in metrics.items() if without_end(key) in DRAWN_ONCE
        }
    return comparison.scores(metrics, found, unconditional, first, encoded, steps)


def score_tokenizer(
    model: TrainedModel, splits: Splits, *, fcn: str | Path | None = None, seed: int = 0, heldout: int = MAX_COMPARED
) -> dict[str, float]:
    """The metrics of stage 1 alone: reconstruction, use of the codes, probes and embeddings, by the names of all.

    Args:
        model, splits, fcn: as in :func:`score_model`.
        seed: of classifiers and random parts.
        heldout: most held-out series that are compared.
    """
    splits = compared(splits, seed, heldout)
    train, test = (Encoded.by(model, X) for X in (splits.X_train, splits.X_test))
    metrics = tokenizer_metrics(model, splits, train, test) | code_metrics(model, train=train, test=test)
    scaled = MaskedScale(model.scaler_, splits.X_train, seed)
    real = RealData(scaled(splits.X_train), splits.y_train, scaled(splits.X_test), splits.y_test)
    if real.tells_classes:
        metrics |= embedding_metrics(train, test, real, seed)
    extractor = feature_extractor(splits, real.X_train, fcn, seed, model.tokenizer_.codebook.device)
    of_test, labelled = extract(extractor, real.X_test), real.y_train is not None
    decoded = scaled.generated(test.reconstruction)
    metrics |= reconstructed_metrics(extractor, of_test, decoded, seed, labelled=labelled)
    sizes = {"n_train": float(len(splits.X_train)), "n_heldout": float(len(splits.X_test))}
    return metrics | sizes | {"evaluation_seed": float(seed)}


@dataclass(frozen=True)
class _Comparison:
    """Real and generated series as the metrics take them, and how much is computed of them."""

    splits: Splits
    real: RealData
    generated: GeneratedData
    seed: int
    extent: Extent

    def metrics(
        self, fcn: str | Path | None, device: torch.device, copies: Copies, progress: Callable[[str], None]
    ) -> dict[str, float]:
        """The metrics of the generated series beside those of real ones and of rivals."""
        progress("FCN")
        extractor = feature_extractor(self.splits, self.real.X_train, fcn, self.seed, device)
        return evaluate_samples(
            self.real,
            self.generated,
            extractor,
            self.seed,
            extent=self.extent,
            cache_dir=cache_dir(),
            copies=copies,
            progress=progress,
        )

    def scores(
        self,
        metrics: dict[str, float],
        found: Memorisation,
        unconditional: np.ndarray | None,
        labelled: Samples | None,
        encoded: EncodedSets | None = None,
        steps: DecodingSteps | None = None,
    ) -> Scores:
        """All metrics, and what stands behind them."""
        metrics["evaluation_seed"] = float(self.seed)
        left = rivals_left_out(self.real, self.generated, self.extent)
        return Scores(metrics, unconditional, labelled, encoded, found.copied.per_class, steps, left, self.splits)


def _copies_by(
    model: TrainedModel,
    scaled: MaskedScale,
    whole: Splits,
    splits: Splits,
    real: RealData,
    encoded: EncodedSets,
    seed: int,
) -> Callable[..., Memorisation]:
    """What finds copies among series, after the model's tokenizer."""
    # it smooths noise away, and smooth series are nearer to everything; whole series, as it fills gaps
    train, test = (scaled(part.reconstruction) for part in (encoded.train, encoded.test))
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

    return copies


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
        X: series (n, C, L) in the units of the data; of more than `extent.heldout` so many are scored.
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
    rows, whole, splits = subsample(len(X), extent.heldout, seed), splits, compared(splits, seed, extent.heldout)
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

    comparison = _Comparison(splits, real, generated, seed, extent)
    metrics = comparison.metrics(fcn, device, lambda X, y: _raw(copies(X, y).metrics), progress)
    progress("copies")
    found = copies(*generated.judged)
    metrics |= _raw(found.metrics)
    return comparison.scores(metrics, found, *((X, None) if y is None else (None, Samples(X, y))))


def _raw(metrics: dict[str, float]) -> dict[str, float]:
    """Metrics of copies under the names of those that no tokenizer has smoothed."""
    return {name.replace("copied", "copied_raw"): value for name, value in metrics.items()}
