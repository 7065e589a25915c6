"""The registry of metrics: title, unit, which way is better, the value for real data, and the meaning of each.

Terminal, report, tables and pictures read this registry. A new metric needs one entry here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
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
        least: number of series that it takes to judge it; with fewer it is mostly chance.
        counted: key of the number of series that `least` is about.
    """

    key: str
    title: str
    group: str = ""
    better: Better = ""
    meaning: str = ""
    real: str | None = None
    unit: Unit = ""
    least: int = 0
    counted: str = "n_heldout"

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


FOR_DISTRIBUTIONS = 100
"""Held-out series below which distances of distributions, such as FID, are mostly chance."""

FOR_SHARES = 40
"""Held-out series below which shares of series, and accuracies, are mostly chance."""


def _in_space(space: str, title: str, features: str) -> list[Metric]:
    """FID and KID in one feature space, of label-first and of unconditional series."""
    fid = f"Fréchet distance between generated and held-out series in {features}."
    kid = f"Unbiased kernel distance between generated and held-out series in {features}; about 0 between real splits."
    return [
        Metric(
            f"{name}{suffix}",
            f"{name[:3].upper()}{title}, {way}",
            "fidelity",
            "lower",
            text,
            f"{name}_real",
            least=FOR_DISTRIBUTIONS,
        )
        for name, text in ((f"fid{space}", fid), (f"kid{space}", kid))
        for suffix, way in (("_labelled", "label-first"), ("", "unconditional"))
    ]


_IS = "How clear and how varied the classes of generated series are to an FCN; copies raise it too."
_COPIED = "Share of generated series nearer to a training series than 95 % of held-out real series are"
_REJECTED = "redraws reject by this very distance"


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
        Metric("is_labelled", "IS, label-first", "fidelity", "higher", _IS, "is_real",
               least=FOR_DISTRIBUTIONS),
        Metric("is", "IS, unconditional", "fidelity", "higher", _IS, "is_real",
               least=FOR_DISTRIBUTIONS),
        Metric("fid_reconstructed", "FID of the tokenizer", "fidelity", "lower",
               "FID of held-out series that went through the tokenizer: the prior cannot do much better.", "fid_real"),
        Metric("is_reconstructed", "IS of the tokenizer", "fidelity", "higher",
               "IS of held-out series that went through the tokenizer.", "is_real"),
        *_in_space("_minirocket", ", MiniRocket", "MiniRocket's features, which need no training"),
        *_in_space("_catch22", ", catch22", "the 22 catch22 characteristics"),
        Metric("fid_floor", "FID, floor", "fidelity", "",
               "FID that held-out series themselves would have at the samples' number, by halves of them.",
               least=FOR_DISTRIBUTIONS),
        Metric("kid_floor", "KID, floor", "fidelity", "",
               "KID that held-out series themselves would have at the samples' number, by halves of them.",
               least=FOR_DISTRIBUTIONS),
        Metric("utility_both", "Accuracy with added series", "utility", "higher",
               "Held-out accuracy of MiniRocket and ridge regression trained on real and added generated series, mean "
               "over seeds.", "utility_real", least=FOR_SHARES),
        Metric("utility_generated", "Accuracy, generated alone", "utility", "higher",
               "Held-out accuracy of MiniRocket and ridge regression trained on the added generated series alone, mean "
               "over seeds.", "utility_real", least=FOR_SHARES),
        Metric("utility_n_added", "Added series", "utility", "",
               "Number of generated series that were added: 500, or all labelled ones where there are fewer.",
               unit="whole"),
        Metric("utility_fcn_both", "Accuracy with added series, FCN", "utility", "higher",
               "Held-out accuracy of an FCN trained on real and added generated series.", "cas_real",
               least=FOR_SHARES),
        Metric("rarest_recall_both", "Recall of the rarest class", "utility", "higher",
               "Recall of the class with the fewest training series, after training on real and added series.",
               "rarest_recall_real", least=10, counted="rarest_n_heldout"),
        Metric("rarest_f1_both", "F1 of the rarest class", "utility", "higher",
               "F1 of the class with the fewest training series, after training on real and added series.",
               "rarest_f1_real", least=10, counted="rarest_n_heldout"),
        Metric("rarest_n_heldout", "Held-out series of the rarest class", "utility", "",
               "Number of held-out series of the class, or classes, with the fewest training series.", unit="whole"),
        Metric("cas", "CAS", "utility", "higher",
               "Accuracy on held-out series of an FCN trained on generated series alone.", "cas_real",
               least=FOR_SHARES),
        Metric("cas_both", "CAS, real and generated", "utility", "higher",
               "Accuracy on held-out series of an FCN trained on real and generated series together.", "cas_real",
               least=FOR_SHARES),
        Metric("cas_rocket", "CAS, MiniRocket", "utility", "higher",
               "Accuracy on held-out series of MiniRocket and ridge regression trained on generated series alone.",
               "cas_rocket_real", least=FOR_SHARES),
        Metric("cas_rocket_both", "CAS, MiniRocket, real and generated", "utility", "higher",
               "Accuracy of MiniRocket and ridge regression trained on real and generated series together.",
               "cas_rocket_real", least=FOR_SHARES),
        Metric("c2st", "Two-sample test", "utility", 0.5,
               "Accuracy of a classifier that tells generated from held-out series (0.5 is guessing), beside two "
               "halves of the held-out series of the same size.", "c2st_real", least=FOR_SHARES),
        Metric("c2st_p", "Two-sample test, p", "utility", "",
               "Share of random relabellings that the classifier tells apart as well; few mean a difference.",
               least=FOR_SHARES),
        Metric("nearer_rocket", "Nearer to train", "diversity", 0.5,
               "Share of generated series nearer to a training series than to as many held-out ones of its classes, "
               "in MiniRocket's features.", "nearer_rocket_real", least=FOR_SHARES),
        Metric("nearer_dtw", "Nearer to train, DTW", "diversity", 0.5,
               "Share of generated series nearer to a training series than to as many held-out ones of its classes, "
               "by dynamic time warping.", "nearer_dtw_real", least=FOR_SHARES),
        Metric("nearer_rocket_shift", "Nearer to train, by shift alone", "diversity", "",
               "Share among training series themselves, half of them compared with the other half; above 0.5 where the "
               "splits differ.", least=FOR_SHARES),
        Metric("nearer_dtw_shift", "Nearer to train by shift alone, DTW", "diversity", "",
               "Share among training series themselves by dynamic time warping; above 0.5 where the splits differ.",
               least=FOR_SHARES),
        Metric("membership_auc", "Membership attack, AUC", "diversity", 0.5,
               "Area under the ROC curve of an attacker who tells training from held-out series by the generated ones; "
               "0.5 is guessing.", "membership_auc_real", least=FOR_SHARES),
        Metric("membership_tpr", "Membership attack, hits", "diversity", "lower",
               "Share of training series that the attacker finds while he accuses 1 % of the held-out ones.",
               "membership_tpr_real", "%", least=200),
        Metric("membership_auc_shift", "Membership attack by shift alone, AUC", "diversity", "",
               "The attack on one half of the training series with the other half as samples; above 0.5 where the "
               "splits differ.", least=FOR_SHARES),
        Metric("membership_tpr_shift", "Membership attack by shift alone, hits", "diversity", "",
               "Hits of the attack on one half of the training series with the other half as samples.", unit="%",
               least=200),
        Metric("copied", "Copied", "diversity", "real", f"{_COPIED}; {_REJECTED}.", "copied_real", "%",
               least=FOR_SHARES),
        Metric("copied_unconditional", "Copied, unconditional", "diversity", "real",
               f"{_COPIED}, for series without a class; {_REJECTED}.", "copied_real", "%", least=FOR_SHARES),
        Metric("copied_worst_class", "Copied, worst class", "diversity", "real",
               f"Greatest share of copies in one class that has 5 or more training series; {_REJECTED}.",
               "copied_worst_class_real", "%", least=FOR_SHARES),
        Metric("copied_raw", "Copied, raw", "diversity", "real",
               "Share of copies without the tokenizer, where any smooth series looks like a copy.",
               "copied_raw_real", "%", least=FOR_SHARES),
        Metric("copied_raw_worst_class", "Copied, raw, worst class", "diversity", "real",
               "Greatest share of copies in one class without the tokenizer.", "copied_raw_worst_class_real", "%",
               least=FOR_SHARES),
        Metric("authpct", "AuthPct", "diversity", "real",
               "Share of generated series farther from their nearest training series than that one is from its own.",
               "authpct_real", "%", least=FOR_SHARES),
        Metric("repeated_tokens", "Repeated tokens", "diversity", "real",
               "Share of generated series whose whole token sequence is that of a training series.",
               "repeated_tokens_real", "%"),
        Metric("near_duplicates", "Near-duplicates", "diversity", "real",
               "Share of generated series that nearly repeat another generated one.", "near_duplicates_real", "%",
               least=FOR_SHARES),
        Metric("precision", "Precision", "diversity", "higher",
               "Share of generated series that lie among held-out ones in MiniRocket's features.", "precision_real",
               least=FOR_SHARES),
        Metric("recall", "Recall", "diversity", "higher",
               "Share of held-out series that lie among generated ones in MiniRocket's features.", "recall_real",
               least=FOR_SHARES),
        Metric("density", "Density", "diversity", "higher",
               "In how many neighbourhoods of held-out series a generated one lies; about 1 between real splits.",
               "density_real", least=FOR_SHARES),
        Metric("coverage", "Coverage", "diversity", "higher",
               "Share of held-out series that have a generated one in their neighbourhood.", "coverage_real",
               least=FOR_SHARES),
        Metric("spread", "Spread within class", "diversity", "real",
               "Mean distance between two generated series of a class, as a ratio to that of held-out series.",
               "spread_real", least=FOR_SHARES),
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
        Metric("prior_sure", "Sure of its tokens", "tokens", "",
               "Share of tokens drawn with a probability above 0.9 in the first three steps; a prior that recites is "
               "sure of most.", unit="%"),
        Metric("prior_entropy", "Entropy of the prior", "tokens", "",
               "Mean entropy of the tokens still unknown before each of the first three steps; low where the prior "
               "recites.", unit="nats"),
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
        Metric("n_train", "Training series", "training", "", "Number of training series.", unit="whole"),
        Metric("n_heldout", "Held-out series", "training", "",
               "Number of held-out series that generated ones are compared with.", unit="whole"),
        Metric("n_generated", "Generated series", "training", "",
               "Number of generated series behind the metrics of a single set.", unit="whole"),
        Metric("evaluation_seed", "Seed of the evaluation", "training", "",
               "Seed of the generated series and of the classifiers behind these metrics.", unit="whole"),
    )
}  # fmt: skip

INTERVAL = ("_low", "_high")
"""Ends of the keys that hold a metric's bootstrap interval."""

SD = "_sd"
"""End of the keys that hold a metric's standard deviation over seeds."""

WITHOUT_REDRAWS = "_no_redraws"
"""End of the keys of metrics of series as they are drawn first, before copies are drawn again."""

DRAWN_ONCE = ("copied", "copied_raw", "authpct", "near_duplicates", "spread", "nearer_rocket", "nearer_dtw",
              "membership_auc", "membership_tpr")  # fmt: skip
"""Metrics that are computed with redraws and without."""

METRICS |= {
    f"{key}{WITHOUT_REDRAWS}": replace(
        METRICS[key],
        key=f"{key}{WITHOUT_REDRAWS}",
        title=f"{METRICS[key].title}, redraws off",
        meaning=METRICS[key].meaning.replace(f"; {_REJECTED}", "").removesuffix(".") + ", with redraws off.",
    )
    for key in DRAWN_ONCE
}

RIVALS = {
    "train": "training series",
    "jitter": "jitter",
    "timewarp": "time warp",
    "mixup": "mixup within a class",
    "smote": "SMOTE",
    "dba": "barycentre averages",
}
"""Rivals by the name in their keys, `fid_labelled_of_timewarp`, the cheapest first."""

ENDS = {
    "_real": "The same of real series, as the column beside real data names it.",
    "_low`, `_high": "Ends of a 95 % bootstrap interval.",
    SD: "Standard deviation over seeds.",
    WITHOUT_REDRAWS: "Of series as they are drawn first, before copies are drawn again.",
    **{
        f"_of_{name}": f"Of a rival of the generator, made of the training series: {text}."
        for name, text in RIVALS.items()
    },
}
"""Ends of keys, and what they mean."""

RIVALLED = ("fid_labelled", "fid", "utility_both", "cas_rocket", "nearer_rocket", "authpct")
"""Columns of the terminal's table of rivals."""

SHORT = ("val_recon", "knn", "svm", "prior_loss", "fid", "fid_labelled", "is", "is_labelled", "cas", "cas_rocket",
         "coverage", "copied", "stage1_seconds", "stage2_seconds")  # fmt: skip
"""Rows of the terminal's table, in their order."""

STUDY = ("val_recon", "knn", "svm", "fid", "is", "cas", "cas_rocket", "fid_labelled", "is_labelled", "copied",
         "copied_real")  # fmt: skip
"""Metrics in the study's tables over models, in their order."""


_OF_REAL = {metric.real: metric for metric in reversed(METRICS.values()) if metric.real is not None}
"""Key of a value for real data → the metric that it belongs to."""


def without_end(key: str) -> str:
    """A key without the end that says interval or deviation: `fid` for `fid_low`."""
    end = next((end for end in (*INTERVAL, SD) if key.endswith(end)), "")
    return key.removesuffix(end)


def suffixed(key: str, suffix: str) -> str:
    """A key with a suffix before the end that says interval or deviation: `fid_low` and `_x` make `fid_x_low`."""
    bare = without_end(key)
    return f"{bare}{suffix}{key.removeprefix(bare)}"


def of_rival(key: str, rival: str) -> str:
    """Key of a metric of a rival: `fid_labelled` and `timewarp` make `fid_labelled_of_timewarp`."""
    return suffixed(key, f"_of_{rival}")


def rival_of(key: str) -> tuple[str, str] | None:
    """The metric and the rival of a key, `fid_labelled_of_timewarp`; None of a key that is no rival's."""
    metric, _, rival = without_end(key).rpartition("_of_")
    return (metric, rival) if metric and rival in RIVALS else None


def metric_of(key: str) -> Metric:
    """The metric of a key; an unknown key becomes a metric with the key as its title and no better values."""
    if key in METRICS:
        return METRICS[key]
    if key in _OF_REAL:
        of = _OF_REAL[key]
        title = of.title.removesuffix(", label-first").removesuffix(", unconditional")
        return replace(of, key=key, title=f"{title}, real data", better="", real=None)
    if key.endswith(SD):
        of = metric_of(key.removesuffix(SD))
        return replace(of, key=key, title=f"{of.title}, deviation over seeds", better="", real=None)
    found = rival_of(key)
    if found is not None and found[0] in METRICS:
        of = METRICS[found[0]]
        return replace(of, key=key, title=f"{of.title}, {RIVALS[found[1]]}")
    return Metric(key, key)


def judgeable(metrics: Mapping[str, float]) -> dict[str, str]:
    """Keys of metrics that there are too few series to judge, and why: empty where all can be judged.

    The least number is `Metric.least`; metrics without a count of their series are left alone.
    """
    reasons: dict[str, str] = {}
    for key in metrics:
        metric = metric_of(key)
        n = metrics.get(metric.counted)
        if n is not None and n < metric.least:
            what = METRICS[metric.counted].title
            reasons[key] = f"{what}: {n:.0f}, and at least {metric.least} are needed to tell it from chance"
    return reasons


def real_key(key: str, metrics: Mapping[str, float]) -> str | None:
    """Key of the same metric for real data, such as `fid_real` for `fid_labelled`; None if it was not measured."""
    name = metric_of(key).real or f"{key}_real"
    return name if name in metrics else None


def real_value(key: str, metrics: Mapping[str, float]) -> float | None:
    """The same metric for real data."""
    name = real_key(key, metrics)
    return None if name is None else metrics[name]


def generated_keys(metrics: Mapping[str, float]) -> list[str]:
    """Keys of metrics, known ones first; values for real data, of rivals, intervals and deviations are left out."""
    kept = [
        key
        for key in metrics
        if key in METRICS or not (key.endswith(("_real", SD, *INTERVAL)) or rival_of(key) is not None)
    ]
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
        "`python -m ncvqvae.evaluation.metrics > docs/metrics.md`. Below the least number of held-out series (of the",
        "rarest class, where the metric is about it) a metric is mostly chance.",
    ]
    groups = {**GROUPS, "": "Beside these"}
    for group, title in groups.items():
        of_group = [metric for metric in METRICS.values() if metric.group == group]
        if of_group:
            lines += [
                "",
                f"## {title}",
                "",
                "| key | name | unit | better | beside real data | least number | meaning |",
                "|---|---|---|---|---|---|---|",
            ]
        for metric in of_group:
            real = f"`{metric.real}`" if metric.real else ""
            least = str(metric.least or "")
            cells = (f"`{metric.key}`", metric.title, metric.unit, metric.better_text, real, least, metric.meaning)
            lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        "## Ends of keys",
        "",
        "| end | meaning |",
        "|---|---|",
        *(f"| `{end}` | {meaning} |" for end, meaning in ENDS.items()),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(glossary())
