"""The registry of metrics: title, unit, which way is better, the value for real data, and the meaning of each.

Terminal, report, tables and pictures read this registry. A new metric needs one entry here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ncvqvae.errors import InputError
from ncvqvae.files import read_text, replaced

Better = Literal["lower", "higher", "real", ""] | float
"""Which values are better: lower, higher, near the value for real data, or near a number; empty means none is."""

Unit = Literal["", "%", "nats", "s", "whole"]
"""`%` is a share between 0 and 1 that is shown in per cent, `whole` a whole number."""


@dataclass(frozen=True)
class Metric:
    """A number of `metrics.json`.

    Attributes:
        key: its name in `metrics.json`.
        title: its name for people.
        group: a key of `GROUPS`.
        better: see `Better`.
        meaning: one sentence.
        real: key of the same metric for real data, None where there is none.
        unit: see `Unit`.
    """

    key: str
    title: str
    group: str = ""
    better: Better = ""
    meaning: str = ""
    real: str | None = None
    unit: Unit = ""

    @property
    def better_text(self) -> str:
        """Which values are better, in words: `lower`, `as real data`, `near 0.5`."""
        if isinstance(self.better, float):
            return f"near {self.better:g}"
        return "as real data" if self.better == "real" else self.better

    @property
    def arrow(self) -> str:
        """`↑` or `↓` where higher or lower is better."""
        return {"higher": "↑", "lower": "↓"}.get(str(self.better), "")

    @property
    def decimals(self) -> int:
        """Decimal places in the study's tables: 2 for FID and IS, 3 for the others, as in the thesis."""
        return 2 if self.key.startswith(("fid", "is")) else 3

    @property
    def logarithmic(self) -> bool:
        """Whether pictures draw it on a logarithmic axis."""
        return self.key.startswith("fid")

    def best(self, values: Iterable[float]) -> float | None:
        """The best of some values; None if no value is better than another."""
        known = [value for value in values if math.isfinite(value)]
        if not known or self.better in ("real", ""):
            return None
        if isinstance(self.better, float):
            target = self.better
            return min(known, key=lambda value: abs(value - target))
        return max(known) if self.better == "higher" else min(known)


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


def _in_space(space: str, title: str, features: str) -> list[Metric]:
    """FID and KID in one feature space, of label-first and of unconditional series."""
    fid = f"Fréchet distance between generated and held-out series in {features}."
    kid = f"Unbiased kernel distance between generated and held-out series in {features}; about 0 between real splits."
    return [
        Metric(f"{name}{suffix}", f"{name[:3].upper()}{title}, {way}", "fidelity", "lower", text, f"{name}_real")
        for name, text in ((f"fid{space}", fid), (f"kid{space}", kid))
        for suffix, way in (("_labelled", "label-first"), ("", "unconditional"))
    ]


_IS = "How clear and how varied the classes of generated series are to an FCN; copies raise it too."
_COPIED = "Share of generated series nearer to a training series than 95 % of held-out real series are"


def _of_embeddings() -> list[Metric]:
    """Metrics of the embeddings that users get, beside the same classifier on features that need no model."""
    linear = "Held-out accuracy of a ridge classifier, its strength chosen within train, on"
    nearest = "Held-out accuracy of 5 nearest neighbours on"
    features = {
        "catch22": ("catch22", "the 22 catch22 characteristics"),
        "minirocket": ("MiniRocket", "MiniRocket's 10,000 features"),
        "raw": ("raw series", "the values of the series"),
    }

    def metric(key: str, title: str, meaning: str) -> Metric:
        return Metric(key, title, "representation", "higher", meaning)

    few = "Mean held-out accuracy of a ridge classifier that knows {} series of each class (or all there are) by"
    return [
        metric("chance", "Chance", "Held-out accuracy of naming the class that is most frequent in train."),
        metric("embedding_linear", "Linear, embedding", f"{linear} the model's embeddings."),
        *(metric(f"linear_{key}", f"Linear, {name}", f"{linear} {what}.") for key, (name, what) in features.items()),
        metric("embedding_knn", "KNN, embedding", f"{nearest} the model's embeddings."),
        *(metric(f"knn_{key}", f"KNN, {name}", f"{nearest} {what}.") for key, (name, what) in features.items()),
        *(
            metric(f"fewshot_{n}{end}", f"{n} a class, {name}", f"{few.format(n)} {what}.")
            for n in (5, 10, 20)
            for end, name, what in (
                ("", "embedding", "their embeddings"),
                ("_minirocket", "MiniRocket", features["minirocket"][1]),
            )
        ),
        metric("cluster_ari", "Clusters, Rand index",
               "Adjusted Rand index of k-means on held-out embeddings against the classes; 0 is chance."),
        metric("cluster_nmi", "Clusters, information",
               "Normalised mutual information of k-means on held-out embeddings and the classes."),
        metric("retrieval_map", "Retrieval",
               "Mean average precision of finding a held-out series' class among the others by their distance."),
    ]  # fmt: skip


METRICS: dict[str, Metric] = {
    metric.key: metric
    for metric in (
        *_in_space("", "", "the features of an FCN trained on real series"),
        Metric("is_labelled", "IS, label-first", "fidelity", "higher", _IS, "is_real"),
        Metric("is", "IS, unconditional", "fidelity", "higher", _IS, "is_real"),
        Metric("fid_reconstructed", "FID of the tokenizer", "fidelity", "lower",
               "FID of held-out series that went through the tokenizer: the prior cannot do much better.", "fid_real"),
        Metric("is_reconstructed", "IS of the tokenizer", "fidelity", "higher",
               "IS of held-out series that went through the tokenizer.", "is_real"),
        *_in_space("_minirocket", ", MiniRocket", "MiniRocket's features, which need no training"),
        *_in_space("_catch22", ", catch22", "the 22 catch22 characteristics"),
        Metric("cas", "CAS", "utility", "higher",
               "Accuracy on held-out series of an FCN trained on generated series alone.", "cas_real"),
        Metric("cas_both", "CAS, real and generated", "utility", "higher",
               "Accuracy on held-out series of an FCN trained on real and generated series together.", "cas_real"),
        Metric("cas_rocket", "CAS, MiniRocket", "utility", "higher",
               "Accuracy on held-out series of MiniRocket and ridge regression trained on generated series alone.",
               "cas_rocket_real"),
        Metric("cas_rocket_both", "CAS, MiniRocket, real and generated", "utility", "higher",
               "Accuracy of MiniRocket and ridge regression trained on real and generated series together.",
               "cas_rocket_real"),
        Metric("c2st", "Two-sample test", "utility", 0.5,
               "Accuracy of a classifier that tells generated from held-out series; 0.5 is guessing.", "c2st_real"),
        Metric("c2st_p", "Two-sample test, p", "utility", "",
               "Share of random relabellings that the classifier tells apart as well; few mean a difference."),
        Metric("copied", "Copied", "diversity", "real", f"{_COPIED}.", "copied_real", "%"),
        Metric("copied_unconditional", "Copied, unconditional", "diversity", "real",
               f"{_COPIED}, for series without a class.", "copied_real", "%"),
        Metric("copied_worst_class", "Copied, worst class", "diversity", "real",
               "Greatest share of copies in one class that has 5 or more training series.",
               "copied_worst_class_real", "%"),
        Metric("copied_raw", "Copied, raw", "diversity", "real",
               "Share of copies without the tokenizer, where any smooth series looks like a copy.",
               "copied_raw_real", "%"),
        Metric("copied_raw_worst_class", "Copied, raw, worst class", "diversity", "real",
               "Greatest share of copies in one class without the tokenizer.", "copied_raw_worst_class_real", "%"),
        Metric("authpct", "AuthPct", "diversity", "real",
               "Share of generated series farther from their nearest training series than that one is from its own.",
               "authpct_real", "%"),
        Metric("repeated_tokens", "Repeated tokens", "diversity", "real",
               "Share of generated series whose whole token sequence is that of a training series.",
               "repeated_tokens_real", "%"),
        Metric("near_duplicates", "Near-duplicates", "diversity", "real",
               "Share of generated series that nearly repeat another generated one.", "near_duplicates_real", "%"),
        Metric("precision", "Precision", "diversity", "higher",
               "Share of generated series that lie among held-out ones in MiniRocket's features.", "precision_real"),
        Metric("recall", "Recall", "diversity", "higher",
               "Share of held-out series that lie among generated ones in MiniRocket's features.", "recall_real"),
        Metric("density", "Density", "diversity", "higher",
               "In how many neighbourhoods of held-out series a generated one lies; about 1 between real splits.",
               "density_real"),
        Metric("coverage", "Coverage", "diversity", "higher",
               "Share of held-out series that have a generated one in their neighbourhood.", "coverage_real"),
        Metric("spread", "Spread within class", "diversity", "real",
               "Mean distance between two generated series of a class, as a ratio to that of held-out series.",
               "spread_real"),
        Metric("acf_difference", "Autocorrelation", "structure", "lower",
               "Difference of the mean autocorrelation.", "acf_difference_real"),
        Metric("marginal_difference", "Marginal distribution", "structure", "lower",
               "Difference of the distribution of values.", "marginal_difference_real"),
        Metric("spectrum_difference", "Power spectrum", "structure", "lower",
               "Difference of the normalised power spectrum.", "spectrum_difference_real"),
        Metric("mean_difference", "Class means", "structure", "lower",
               "Difference of the mean series of each class.", "mean_difference_real"),
        Metric("perplexity_train", "Perplexity, train", "tokens", "",
               "Number of codes in equal use that would be as varied as those of the training series."),
        Metric("perplexity_test", "Perplexity, held-out", "tokens", "",
               "Number of codes in equal use that would be as varied as those of the held-out series."),
        Metric("perplexity_generated", "Perplexity, generated", "tokens", "",
               "The same of the generated series; a number well below that of train says that they vary less."),
        Metric("dead_codes", "Dead codes", "tokens", "lower", "Number of codes that no training series uses.",
               unit="whole"),
        Metric("knn", "KNN, thesis", "representation", "higher",
               "The thesis's probe: held-out accuracy of 5 nearest neighbours on the mean of the latents."),
        Metric("svm", "SVM, thesis", "representation", "higher",
               "The thesis's probe: held-out accuracy of a linear support vector machine on the mean of the latents."),
        Metric("knn_meanmax", "KNN, mean and max", "representation", "higher",
               "Held-out accuracy of 5 nearest neighbours on mean and maximum of each series' latents."),
        Metric("svm_meanmax", "SVM, mean and max", "representation", "higher",
               "Held-out accuracy of a linear support vector classifier on mean and maximum of each series' latents."),
        Metric("knn_histogram", "KNN, token histogram", "representation", "higher",
               "Held-out accuracy of 5 nearest neighbours on the share of each code in a series."),
        Metric("svm_histogram", "SVM, token histogram", "representation", "higher",
               "Held-out accuracy of a linear support vector classifier on the share of each code in a series."),
        *_of_embeddings(),
        Metric("val_recon", "Reconstruction", "training", "lower",
               "Squared error of the tokenizer on held-out series, of values and spectrogram."),
        Metric("prior_loss", "Prior loss", "training", "lower",
               "Cross-entropy of masked tokens of held-out series.", unit="nats"),
        Metric("stage1_seconds", "Training of stage 1", "training", "", "Training time of the tokenizer.", unit="s"),
        Metric("stage2_seconds", "Training of stage 2", "training", "", "Training time of the prior.", unit="s"),
        Metric("evaluation_seed", "Seed of the evaluation", "training", "",
               "Seed of the generated series and of the classifiers behind these metrics.", unit="whole"),
    )
}  # fmt: skip

SHORT = ("val_recon", "knn", "svm", "prior_loss", "fid", "fid_labelled", "is", "is_labelled", "cas", "cas_rocket",
         "coverage", "copied", "stage1_seconds", "stage2_seconds")  # fmt: skip
"""Rows of the terminal's table, in their order."""

STUDY = ("val_recon", "knn", "svm", "fid", "is", "cas", "cas_rocket", "fid_labelled", "is_labelled", "copied",
         "copied_real")  # fmt: skip
"""Metrics in the study's tables over models, in their order."""

INTERVAL = ("_low", "_high")
"""Ends of the keys that hold a metric's bootstrap interval."""

_OF_REAL = {metric.real: metric for metric in reversed(METRICS.values()) if metric.real is not None}
"""Key of a value for real data → the metric that it belongs to."""


def metric_of(key: str) -> Metric:
    """The metric of a key; an unknown key becomes a metric with the key as its title and no better values."""
    if key in METRICS:
        return METRICS[key]
    if key in _OF_REAL:
        of = _OF_REAL[key]
        title = of.title.removesuffix(", label-first").removesuffix(", unconditional")
        return Metric(key, f"{title}, real data", of.group, "", of.meaning, unit=of.unit)
    return Metric(key, key)


def real_key(key: str, metrics: Mapping[str, float]) -> str | None:
    """Key of the same metric for real data, such as `fid_real` for `fid_labelled`; None if it was not measured."""
    name = metric_of(key).real or f"{key}_real"
    return name if name in metrics else None


def real_value(key: str, metrics: Mapping[str, float]) -> float | None:
    """The same metric for real data."""
    name = real_key(key, metrics)
    return None if name is None else metrics[name]


def generated_keys(metrics: Mapping[str, float]) -> list[str]:
    """Keys of metrics, known ones first; values for real data and ends of intervals are left out."""
    kept = [key for key in metrics if key in METRICS or not key.endswith(("_real", *INTERVAL))]
    order = {key: place for place, key in enumerate(METRICS)}
    return sorted(kept, key=lambda key: order.get(key, len(order)))


def grouped_keys(metrics: Mapping[str, float]) -> dict[str, list[str]]:
    """`generated_keys` by the title of their group, in the order of `GROUPS`."""
    keys = generated_keys(metrics)
    grouped = {title: [key for key in keys if metric_of(key).group == group] for group, title in GROUPS.items()}
    return {title: of_group for title, of_group in grouped.items() if of_group}


def number_text(value: float | None) -> str:
    """A number with three significant digits, or whole above 100; a dash if it is missing."""
    if value is None or value != value:
        return "–"
    if value and abs(value) < 0.001:
        return f"{value:.1e}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")


def value_text(key: str, value: float | None) -> str:
    """A value with its unit as people write it: `5.5 %`, `130 s`, `0.950`."""
    unit = metric_of(key).unit
    if value is None or value != value:
        return number_text(value)
    if unit == "whole":
        return f"{value:.0f}"
    return f"{100 * value:.1f} %" if unit == "%" else f"{number_text(value)} {unit}".rstrip()


def interval_text(key: str, metrics: Mapping[str, float]) -> str:
    """Bootstrap interval of a metric, `0.51 – 0.72`; empty where there is none."""
    ends = [metrics.get(f"{key}{end}") for end in INTERVAL]
    return " – ".join(value_text(key, value) for value in ends) if None not in ends else ""


MAX_FILE, LARGEST = 1_000_000, 1e100
"""Bytes of a metrics file, and the largest metric: pages and pictures take no larger ones."""


def read_metrics(path: Path) -> dict[str, float]:
    """Read the metrics that `write_metrics` wrote; an unknown key is kept if its value is a number.

    Raises:
        InputError: if the file is no JSON object of finite numbers, a known metric is no number, or the seed no seed.
    """
    return _checked(read_object(path), path)


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object of a metrics file as it stands.

    Raises:
        InputError: if it is none.
    """
    try:
        values = json.loads(read_text(path, MAX_FILE))
    except InputError:
        raise
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise InputError(f"{path} is damaged (no JSON object); evaluate the run again")
    return values


def _checked(values: dict[str, Any], path: Path) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for key, value in values.items():
        if type(value) in (int, float):
            if not abs(value) <= LARGEST:  # NaN, too
                raise InputError(f"{path} is damaged ({key[:40]} is no finite number); evaluate the run again")
            metrics[key] = float(value)
        elif key in METRICS:
            raise InputError(f"{path} is damaged ({key} is no number); evaluate the run again")
    seed = metrics.get("evaluation_seed", 0.0)
    if not 0 <= seed < 2**32 or seed % 1:
        raise InputError(f"{path} is damaged (evaluation_seed {seed:g}); evaluate the run again")
    return metrics


def write_metrics(path: Path, metrics: Mapping[str, Any], run: str | None = None) -> None:
    """Write metrics and the digest of their run as a flat JSON object; metrics without a value are left out."""
    known = {name: value for name, value in metrics.items() if value is not None and math.isfinite(value)}
    values = known if run is None else {**known, "run": run}
    with replaced(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def glossary() -> str:
    """All metrics with their meaning, in Markdown, by group: the page docs/metrics.md."""
    lines = [
        "# Metrics",
        "",
        "What `evaluate` writes to `metrics.json` and shows on the page of a run. This page is made from the code:",
        "`python -m ncvqvae.evaluation.metrics > docs/metrics.md`.",
    ]
    groups = {**GROUPS, "": "Beside these"}
    for group, title in groups.items():
        of_group = [metric for metric in METRICS.values() if metric.group == group]
        if of_group:
            lines += [
                "",
                f"## {title}",
                "",
                "| key | name | unit | better | beside real data | meaning |",
                "|---|---|---|---|---|---|",
            ]
        for metric in of_group:
            real = f"`{metric.real}`" if metric.real else ""
            cells = (f"`{metric.key}`", metric.title, metric.unit, metric.better_text, real, metric.meaning)
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(glossary())
