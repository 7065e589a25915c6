"""How the metrics of `metrics.json` are called, which way is better, and where their value for real data stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Better = Literal["lower", "higher", "real", ""]


class Metric(NamedTuple):
    """Name and group of a metric, which way is better (`real`: as near to real data as can be), its meaning."""

    title: str
    group: str
    better: Better
    meaning: str


def _group(group: str, **metrics: tuple[str, Better, str]) -> dict[str, Metric]:
    return {key: Metric(title, group, better, meaning) for key, (title, better, meaning) in metrics.items()}


_KEYWORD: dict[str, tuple[str, Better, str]] = {  # no name of an argument
    "is": ("IS", "higher", "How clear and how varied the classes are; blind to copies.")
}
GROUPS = {
    "fidelity": "Fidelity: do generated series look like real ones",
    "utility": "Utility: can they stand in for real ones",
    "diversity": "Diversity and memorisation",
    "structure": "Classical structure",
    "tokens": "Tokens",
    "representation": "Representation",
    "training": "Training",
    "": "Further metrics",
}

METRICS = (
    _group(
        "fidelity",
        fid_labelled=("FID", "lower", "Distance of generated to held-out series in an FCN's features."),
        fid=("FID", "lower", "Distance of generated to held-out series in an FCN's features."),
        is_labelled=("IS", "higher", "How clear and how varied the classes are; blind to copies."),
        **_KEYWORD,
        fid_reconstructed=("FID of the tokenizer", "lower", "FID of held-out series through the tokenizer alone."),
        is_reconstructed=("IS of the tokenizer", "higher", "IS of held-out series through the tokenizer alone."),
        kid_labelled=("KID", "lower", "Unbiased kernel distance in an FCN's features; about 0 between real splits."),
        kid=("KID", "lower", "Unbiased kernel distance in an FCN's features; about 0 between real splits."),
        fid_minirocket_labelled=("FID, MiniRocket", "lower", "The Fréchet distance in MiniRocket's features."),
        fid_minirocket=("FID, MiniRocket", "lower", "The Fréchet distance in MiniRocket's features."),
        kid_minirocket_labelled=("KID, MiniRocket", "lower", "The kernel distance in MiniRocket's features."),
        kid_minirocket=("KID, MiniRocket", "lower", "The kernel distance in MiniRocket's features."),
        fid_catch22_labelled=("FID, catch22", "lower", "The Fréchet distance in the catch22 features."),
        fid_catch22=("FID, catch22", "lower", "The Fréchet distance in the catch22 features."),
        kid_catch22_labelled=("KID, catch22", "lower", "The kernel distance in the catch22 features."),
        kid_catch22=("KID, catch22", "lower", "The kernel distance in the catch22 features."),
    )
    | _group(
        "utility",
        cas=("CAS", "higher", "Accuracy on held-out series of an FCN trained on generated ones."),
        cas_both=("CAS, real and generated", "higher", "Accuracy of the FCN trained on both together."),
        cas_rocket=("CAS, MiniRocket", "higher", "Accuracy of MiniRocket and ridge trained on generated series."),
        cas_rocket_both=("CAS, MiniRocket, real and generated", "higher", "The same trained on both together."),
        c2st=("Two-sample test", "lower", "How often a classifier tells generated from held-out; 0.5 is guessing."),
        c2st_p=("Two-sample test, p", "", "Share of permutations told apart as well; small: they differ."),
    )
    | _group(
        "diversity",
        copied=("Copied", "real", "Share nearer to a training series than 95 % of held-out real series are."),
        copied_unconditional=("Copied", "real", "Share nearer to a training series than 95 % of held-out ones are."),
        copied_worst_class=("Copied, worst class", "real", "The greatest such share in one class of 5 or more series."),
        copied_raw=("Copied, raw", "real", "Copied without the tokenizer: smooth series look like copies here."),
        authpct=("AuthPct", "real", "Share farther from their nearest training series than that is from its own."),
        repeated_tokens=("Repeated tokens", "real", "Share whose whole token sequence stands in the train split."),
        near_duplicates=("Near-duplicates", "real", "Generated series that nearly repeat another generated one."),
        precision=("Precision", "higher", "Share of generated series inside the manifold of held-out ones."),
        recall=("Recall", "higher", "Share of held-out series inside the manifold of generated ones."),
        density=("Density", "higher", "How many held-out neighbourhoods a generated series lies in."),
        coverage=("Coverage", "higher", "Share of held-out series with a generated one in their neighbourhood."),
        spread=("Spread within class", "real", "Mean distance of two series of a class, as a ratio to real ones."),
    )
    | _group(
        "structure",
        acf_difference=("Autocorrelation", "lower", "Difference of the mean normalised autocorrelation."),
        marginal_difference=("Marginal distribution", "lower", "Difference of the distribution of values."),
        spectrum_difference=("Power spectrum", "lower", "Difference of the normalised power spectrum."),
        mean_difference=("Class means", "lower", "Difference of the mean series of each class."),
    )
    | _group(
        "tokens",
        perplexity_train=("Perplexity, train", "", "Number of codes in equal use that would be as varied."),
        perplexity_test=("Perplexity, held-out", "", "The same of the held-out series."),
        perplexity_generated=(
            "Perplexity, generated",
            "",
            "The same of the generated series; below train: less varied.",
        ),
        dead_codes=("Dead codes", "lower", "Codes that stand in no training series."),
    )
    | _group(
        "representation",
        knn=("KNN", "higher", "Test accuracy of 5 nearest neighbours on mean-pooled latents."),
        svm=("SVM", "higher", "Test accuracy of a linear classifier on mean-pooled latents."),
        knn_meanmax=("KNN, mean and max", "higher", "The same on mean and max pooled latents."),
        svm_meanmax=("SVM, mean and max", "higher", "The same on mean and max pooled latents."),
        knn_histogram=("KNN, token histogram", "higher", "The same on each series' histogram of tokens."),
        svm_histogram=("SVM, token histogram", "higher", "The same on each series' histogram of tokens."),
    )
    | _group(
        "training",
        val_recon=("Reconstruction", "lower", "Error of the tokenizer on held-out series."),
        prior_loss=("Prior loss", "lower", "Cross-entropy of masked held-out tokens, in nats."),
        stage1_seconds=("Stage 1, s", "", "Training time of the tokenizer."),
        stage2_seconds=("Stage 2, s", "", "Training time of the prior."),
    )
)
PERCENT = ("copied", "authpct", "repeated_tokens", "near_duplicates")
"""Beginnings of the keys that are read as a share."""
COMPANIONS = ("_real", "_low", "_high")
"""Ends of the keys that belong to another metric: its value for real data, its interval."""


def metric_of(key: str) -> Metric:
    """What is known of a metric; an unknown one is called by its key."""
    return METRICS.get(key, Metric(key, "", "", ""))


def title_of(key: str, metrics: Mapping[str, float]) -> str:
    """Title of a metric, with the way of sampling where the same metric is there for both."""
    title = metric_of(key).title
    if key.endswith("_labelled"):
        return f"{title}, label-first"
    paired = key in ("fid", "is", "copied_unconditional") or f"{key}_labelled" in metrics
    return f"{title}, unconditional" if paired else title


def real_key(key: str, metrics: Mapping[str, float]) -> str | None:
    """Key of the same metric for real data: `fid_real` of `fid_labelled`; None where there is none."""
    stem = key.removesuffix("_labelled").removesuffix("_unconditional").removesuffix("_both")
    return next((name for name in (f"{key}_real", f"{stem}_real") if name in metrics), None)


def real_value(key: str, metrics: Mapping[str, float]) -> float | None:
    """The same metric for real data."""
    name = real_key(key, metrics)
    return None if name is None else metrics[name]


def interval_text(key: str, metrics: Mapping[str, float]) -> str:
    """Bootstrap interval of a metric, `0.51 – 0.72`; empty where there is none."""
    ends = [metrics.get(f"{key}_{end}") for end in ("low", "high")]
    return " – ".join(value_text(key, value) for value in ends) if None not in ends else ""


def generated_keys(metrics: Mapping[str, float]) -> list[str]:
    """Keys of metrics that are not companions of another, the known ones first and in their order."""
    kept = [key for key in metrics if key in METRICS or not key.endswith(COMPANIONS)]
    order = {key: place for place, key in enumerate(METRICS)}
    return sorted(kept, key=lambda key: order.get(key, len(order)))


def grouped_keys(metrics: Mapping[str, float]) -> dict[str, list[str]]:
    """`generated_keys` by the title of their group, in the order of `GROUPS`."""
    keys = generated_keys(metrics)
    grouped = {title: [key for key in keys if metric_of(key).group == group] for group, title in GROUPS.items()}
    return {title: of_group for title, of_group in grouped.items() if of_group}


def number_text(value: float | None) -> str:
    """Three significant digits, whole above 100; a dash for what is missing."""
    if value is None or value != value:
        return "–"
    if value and abs(value) < 0.001:
        return f"{value:.1e}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")


def value_text(key: str, value: float | None) -> str:
    """A metric as people write it: a share of series in per cent, all else as a number."""
    if key.startswith(PERCENT) and value is not None and value == value:
        return f"{100 * value:.1f} %"
    return number_text(value)
