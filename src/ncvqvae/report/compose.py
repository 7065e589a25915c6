"""The content of a report from a model, its data and its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ncvqvae.analysis.attention import attention_maps
from ncvqvae.commands.encoded import EncodedSets
from ncvqvae.commands.score import Scores, left_out
from ncvqvae.data import Splits
from ncvqvae.errors import InputError
from ncvqvae.generation.trained import TrainedModel
from ncvqvae.report.content import ClassAttention, ReportContent

ATTENTION_CLASSES, ATTENTION_SERIES = 8, 16
"""Of how many classes the page shows the prior's attention, and over how many series each it is the mean."""

ATTENTION_TOKENS = 512
"""Models with more tokens have none on their page: maps take memory with the square of this number."""


def report_content(
    model: TrainedModel, splits: Splits, scores: Scores, history: Sequence[Mapping[str, Any]] = ()
) -> ReportContent:
    """Everything that pictures and report show of a model, as plain arrays in the units of the data.

    Args:
        model: a fitted model.
        splits: its data; the page shows those that were compared.
        scores: metrics and generated series.
        history: loss terms during training; without them the loss curves are left out.
    """
    facts = {
        "self-supervised loss": model.config_.ssl,
        "augmentation": model.config_.augmentation,
        "preset": model.preset,
        "seed": str(model.config_.seed),
        "tokens": f"{model.tokenizer_.n_tokens} of {len(model.tokenizer_.codebook)} codes",
    }
    content = series_content(splits, scores, facts)
    splits = scores.splits or splits
    assert content.generated is not None
    train, test, made = scores.encoded or EncodedSets.by(model, splits, content.generated.X)
    steps = scores.steps or model.decoding_steps(256)
    kept_share = model.config_.sampling.kept_share
    assert kept_share != "auto"  # settled after training
    return replace(
        content,
        history=history,
        kept_share=kept_share,
        X_test_reconstructed=test.reconstruction,
        X_generated_reconstructed=made.reconstruction,
        Z_train=train.embedding,
        Z_test=test.embedding,
        Z_generated=made.embedding,
        tokens_train=train.tokens,
        tokens_test=test.tokens,
        tokens_generated=made.tokens,
        codebook=model.tokenizer_.codebook.cpu().numpy(),
        selected_probabilities=steps.probabilities,
        decoding_entropies=steps.entropies,
        attention=class_attention(model, splits) if scores.encoded is not None else (),  # a comparison shows none
    )


def class_attention(model: TrainedModel, splits: Splits) -> list[ClassAttention]:
    """Where the prior looks while it draws series of each class, or unlabelled ones.

    Empty for a plug-in's network, and for more than `ATTENTION_TOKENS` tokens.
    """
    if model.tokenizer_.n_tokens > ATTENTION_TOKENS:
        return []
    labels = [None] if splits.y_train is None else model.classes_[:ATTENTION_CLASSES].tolist()
    found = []
    for label in labels:
        try:
            maps = attention_maps(model, label, n=ATTENTION_SERIES, seed=model.config_.seed)
        except InputError:
            return []  # a network of a plug-in, which has no heads that are known here
        mean = np.ma.masked_invalid(maps.series).mean(0).filled(np.nan)  # series may have ended
        found.append(ClassAttention(label, maps.over_time().mean(0), mean))
    return found


def series_content(whole: Splits, scores: Scores, facts: Mapping[str, str], n_samples: int = 0) -> ReportContent:
    """The part of the report that needs no model: metrics and series.

    Args:
        whole: the data; the page shows those that were compared.
        scores: metrics and generated series.
        facts: what else the page says of them.
        n_samples: number of given samples, before some were drawn.
    """
    splits = scores.splits or whole
    shape = splits.X_train.shape[1:]
    n_channels, length = shape
    # what was cut has as many series as the limit says
    limit = max(len(splits.X_test), int(scores.metrics.get("n_generated", n_samples)))
    part = left_out(whole, n_samples, int(scores.metrics.get("evaluation_seed", 0)), limit)
    return ReportContent(
        name=splits.name,
        facts={
            **facts,
            "series": f"{len(whole.X_train)} train, {len(whole.X_test)} test",
            "length": f"{length}, {n_channels} channel(s)",
            **({"compared": part.partition(": ")[2]} if part else {}),
        },
        metrics=scores.metrics,
        copied_per_class=scores.copied_per_class,
        channels=() if splits.roles is None else splits.roles.channel_names,
        X_train=splits.X_train,
        y_train=splits.y_train,
        X_test=splits.X_test,
        y_test=splits.y_test,
        X_labelled=None if scores.labelled is None else scores.labelled.X.reshape(-1, *shape),
        y_labelled=None if scores.labelled is None else scores.labelled.y,
        X_unconditional=None if scores.unconditional is None else scores.unconditional.reshape(-1, *shape),
    )
