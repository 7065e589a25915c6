"""How the figures of `metrics.json` are called, which way is better, and where their value for real data stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple


class Figure(NamedTuple):
    """Name of a figure, which way is better (`real`: as close to real data as can be), and what it says."""

    title: str
    better: Literal["lower", "higher", "real", ""]
    meaning: str


FIGURES = {
    "fid_labelled": Figure(
        "FID, label-first", "lower", "Distance of generated to held-out series in an FCN's features."
    ),
    "fid": Figure("FID, unconditional", "lower", "Distance of series generated without a class to held-out ones."),
    "is_labelled": Figure("IS, label-first", "higher", "How clear and how varied the classes are; blind to copies."),
    "is": Figure("IS, unconditional", "higher", "How clear and varied series generated without a class are."),
    "cas": Figure("CAS", "higher", "Accuracy on held-out series of a classifier trained on generated ones."),
    "copied": Figure("Copied", "real", "Share nearer to a training series than 95 % of held-out real series are."),
    "copied_unconditional": Figure(
        "Copied, unconditional", "real", "Share of copies among series generated without a class."
    ),
    "copied_raw": Figure("Copied, raw", "real", "Copied without the tokenizer: smooth series look like copies here."),
    "knn": Figure("KNN", "higher", "Test accuracy of 5 nearest neighbours on the embeddings."),
    "svm": Figure("SVM", "higher", "Test accuracy of a linear classifier on the embeddings."),
    "val_recon": Figure("Reconstruction", "lower", "Error of the tokenizer on held-out series."),
    "prior_loss": Figure("Prior loss", "lower", "Cross-entropy of masked held-out tokens, in nats."),
    "stage1_seconds": Figure("Stage 1, s", "", "Training time of the tokenizer."),
    "stage2_seconds": Figure("Stage 2, s", "", "Training time of the prior."),
}


def figure_of(key: str) -> Figure:
    """What is known of a figure; an unknown one is called by its key."""
    return FIGURES.get(key, Figure(key, "", ""))


def real_key(key: str, metrics: Mapping[str, float]) -> str | None:
    """Key of the same figure for real data: `fid_real` of `fid_labelled`; None where there is none."""
    stem = key.removesuffix("_labelled").removesuffix("_unconditional")
    return next((name for name in (f"{key}_real", f"{stem}_real") if name in metrics), None)


def real_value(key: str, metrics: Mapping[str, float]) -> float | None:
    """The same figure for real data."""
    name = real_key(key, metrics)
    return None if name is None else metrics[name]


def generated_keys(metrics: Mapping[str, float]) -> list[str]:
    """Keys that are not themselves figures of real data, the known ones first and in their order."""
    kept = [key for key in metrics if not key.endswith("_real")]
    order = {key: place for place, key in enumerate(FIGURES)}
    return sorted(kept, key=lambda key: order.get(key, len(order)))


def number_text(value: float | None) -> str:
    """Three significant digits, whole above 100; a dash for what is missing."""
    if value is None or value != value:
        return "–"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")


def value_text(key: str, value: float | None) -> str:
    """A figure as people write it: the share of copies in per cent, all else as a number."""
    if key.startswith("copied") and value is not None and value == value:
        return f"{100 * value:.1f} %"
    return number_text(value)
