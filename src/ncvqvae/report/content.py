"""What a report shows: plain arrays and numbers, no model."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ncvqvae.errors import InputError
from ncvqvae.labels import sorted_classes

STAGES = {"stage1": "Stage 1: tokenizer", "stage2": "Stage 2: prior"}


class Sample(NamedTuple):
    """Series (n, C, L) and their labels (n,), None where there are none."""

    X: np.ndarray
    y: np.ndarray | None


class ClassAttention(NamedTuple):
    """Attention of the prior while it draws series of a class: `label`, None for all classes.

    `shares` (layers, heads, columns) is what each part of time gets of each head's attention, mean over the steps of
    decoding; `series` (C, L) is the mean of the series that were drawn.
    """

    label: Hashable | None
    shares: np.ndarray
    series: np.ndarray


@dataclass
class ReportContent:
    """The content of one run's report; the page leaves out what is None or empty.

    Series are (n, C, L) in the units of the data. K is the number of codes, d their width, N the tokens per series and
    T the decoding steps.

    Attributes:
        name: title of the page.
        X_train: training series.
        X_test: held-out series.
        y_train: labels of `X_train`; None for unlabelled data, and then `y_test` is None as well.
        y_test: labels of `X_test`.
        facts: what identifies the run (ssl, augmentation, preset, seed, ...), shown as given.
        metrics: values by the keys of a run's `metrics.json`; a metric's value for real data has the suffix `_real`.
        history: rows with `stage` (`stage1`, `stage2`), `step`, `loss` and the loss terms by name.
        X_test_reconstructed: `X_test` through the tokenizer (encode, decode).
        X_generated_reconstructed: the series of `generated` through the tokenizer, row by row.
        X_labelled: series generated label-first, with `y_labelled`.
        y_labelled: labels of `X_labelled`.
        X_unconditional: series generated without a class.
        Z_train: embeddings (n_train, d).
        Z_test: embeddings (n_test, d).
        Z_generated: embeddings (n, d) of the series of `generated`, row by row.
        tokens_train: tokens (n, N).
        tokens_test: tokens (n, N).
        tokens_generated: tokens (n, N).
        codebook: code vectors (K, d).
        selected_probabilities: probability of the tokens drawn at each step of decoding (T, n, N), nan where none was.
        decoding_entropies: mean entropy of the tokens still unknown before each step (T,), nats.
        attention: where the prior looks while it draws, class by class.
        kept_share: share of its tokens that each new series takes from a training series; 0 without a model.
        channels: names of the channels; without them they are "channel 1", "channel 2" and so on.
        copied_per_class: label → share of copied series among those generated for it.
        digest: SHA-256 of the run that was evaluated, as in `metrics.json`; empty for series without a run.
        folder: folder of the run, by which a comparison calls it.
        settings: dotted name → value of each setting of the run, for a comparison.

    Raises:
        InputError: if two arrays that belong together do not fit each other.
    """

    name: str
    X_train: np.ndarray
    X_test: np.ndarray
    y_train: np.ndarray | None = None
    y_test: np.ndarray | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = ()
    X_test_reconstructed: np.ndarray | None = None
    X_generated_reconstructed: np.ndarray | None = None
    X_labelled: np.ndarray | None = None
    y_labelled: np.ndarray | None = None
    X_unconditional: np.ndarray | None = None
    Z_train: np.ndarray | None = None
    Z_test: np.ndarray | None = None
    Z_generated: np.ndarray | None = None
    tokens_train: np.ndarray | None = None
    tokens_test: np.ndarray | None = None
    tokens_generated: np.ndarray | None = None
    codebook: np.ndarray | None = None
    selected_probabilities: np.ndarray | None = None
    decoding_entropies: np.ndarray | None = None
    attention: Sequence[ClassAttention] = ()
    copied_per_class: Mapping[Any, float] = field(default_factory=dict)
    kept_share: float = 0.0
    channels: Sequence[str] = ()
    digest: str = ""
    folder: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def channel_names(self) -> list[str]:
        """A name for each channel."""
        return list(self.channels) or [f"channel {place + 1}" for place in range(self.X_train.shape[1])]

    def __post_init__(self) -> None:
        reconstructed = ("X_test_reconstructed", "X_generated_reconstructed")
        for name in ("X_test", "X_labelled", "X_unconditional", *reconstructed):
            X = getattr(self, name)
            if X is not None and X.shape[1:] != self.X_train.shape[1:]:
                raise InputError(
                    f"report of {self.name}: {name} has (channels, length) {X.shape[1:]} but X_train "
                    f"{self.X_train.shape[1:]}; give series of the same shape"
                )
        generated = None if self.generated is None else self.generated.X
        for name, rows, X in (
            ("y_train", self.y_train, self.X_train),
            ("y_test", self.y_test, self.X_test),
            ("y_labelled", self.y_labelled, self.X_labelled),
            ("X_test_reconstructed", self.X_test_reconstructed, self.X_test),
            ("X_generated_reconstructed", self.X_generated_reconstructed, generated),
            ("Z_train", self.Z_train, self.X_train),
            ("Z_test", self.Z_test, self.X_test),
            ("Z_generated", self.Z_generated, generated),
        ):
            if rows is not None and (X is None or len(rows) != len(X)):
                n = "no" if X is None else len(X)
                raise InputError(
                    f"report of {self.name}: {name} has {len(rows)} rows for {n} series; give one a series"
                )

    @property
    def generated(self) -> Sample | None:
        """The generated series that metrics judge: label-first if there are any, else unconditional."""
        if self.X_labelled is not None:
            return Sample(self.X_labelled, self.y_labelled)
        return None if self.X_unconditional is None else Sample(self.X_unconditional, None)

    @property
    def smooth(self) -> tuple[Sample | None, np.ndarray]:
        """`generated` and `X_test`, both without the detail that a tokenizer drops, to compare distances fairly."""
        made, decoded = self.generated, self.X_generated_reconstructed
        smooth = made if made is None or decoded is None else Sample(decoded, made.y)
        return smooth, self.X_test if self.X_test_reconstructed is None else self.X_test_reconstructed

    @property
    def classes(self) -> list[Hashable]:
        """Distinct labels of the real series, sorted; empty for unlabelled data."""
        return sorted_classes(*(y for y in (self.y_train, self.y_test) if y is not None))

    @property
    def tokens(self) -> dict[str, np.ndarray]:
        """The token arrays by split; a missing one is left out."""
        named = {"train": self.tokens_train, "test": self.tokens_test, "generated": self.tokens_generated}
        return {name: tokens for name, tokens in named.items() if tokens is not None and tokens.size}


def label_text(label: Hashable) -> str:
    """Label as people write it: `1` for 1.0; one without a character is said to be empty."""
    return f"{label:g}" if isinstance(label, float) else str(label) or "(empty)"


class Curve(NamedTuple):
    """One loss term during training: its finite values (n,) and their steps (n,)."""

    steps: np.ndarray
    values: np.ndarray


NOT_TERMS = ("stage", "step", "perplexity")
"""Columns of the history that are not loss terms."""


def loss_terms(history: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Curve]]:
    """Curves by stage and term, the total `loss` first; a row gives no point for a term that is missing or nan."""
    stages: dict[str, dict[str, Curve]] = {}
    for stage in STAGES:
        rows = [row for row in history if row["stage"] == stage]
        names = dict.fromkeys(key for row in rows for key in row if key not in NOT_TERMS)
        for name in sorted(names, key=lambda name: name != "loss"):
            points = [(row["step"], row[name]) for row in rows if np.isfinite(row.get(name, np.nan))]
            if points:
                stages.setdefault(stage, {})[name] = Curve(*np.array(points, np.float64).T)
    return stages
