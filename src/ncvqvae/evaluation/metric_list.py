"""The registry of metrics. Terminal, report, tables and pictures read it; a new metric needs one entry here."""

from __future__ import annotations

from dataclasses import replace

from ncvqvae.evaluation.metric import FOR_DISTRIBUTIONS, FOR_SHARES, Better, Metric


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
_COPIED = "Share of generated series nearer to a training series than 95 % of held-out ones, all through the tokenizer"
_REJECTED = "redraws use the same distance"


def _of_embeddings() -> list[Metric]:
    """Metrics of the embeddings that users get, beside the same classifier on features that need no model."""
    linear = "Held-out accuracy of a ridge classifier, its strength chosen within train, on"
    nearest = "Held-out accuracy of 5 nearest neighbours on"
    features = {
        "catch22": ("catch22", "the 22 catch22 characteristics"),
        "minirocket": ("MiniRocket", "MiniRocket's features (10,000 for up to 100 classes)"),
        "raw": ("raw series", "the values of the series"),
    }

    def metric(key: str, title: str, meaning: str, better: Better = "higher") -> Metric:
        return Metric(key, title, "representation", better, meaning)

    few = "Mean held-out accuracy of a ridge classifier that knows {} series of each class (or all there are) by"
    return [
        metric("chance", "Chance", "Held-out accuracy of naming the class that is most frequent in train.", ""),
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
               "FID that as many held-out series as generated ones would have; estimated from halves of them.",
               least=FOR_DISTRIBUTIONS),
        Metric("kid_floor", "KID, floor", "fidelity", "",
               "KID that as many held-out series as generated ones would have; estimated from halves of them.",
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
               "Accuracy on held-out series of an FCN trained on generated series alone (with --full or --cas).",
               "cas_real", least=FOR_SHARES),
        Metric("cas_both", "CAS, real and generated", "utility", "higher",
               "Accuracy on held-out series of an FCN trained on real and generated series together (with --full).",
               "cas_real", least=FOR_SHARES),
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
               "P-value of this test by random relabellings; a small one means a difference.",
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
               "Share of training series that the attacker finds, at a false positive rate of 1 %.",
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
               "Share of copies among series as they are, not through the tokenizer, where smooth series look like "
               "copies.", "copied_raw_real", "%", least=FOR_SHARES),
        Metric("copied_raw_worst_class", "Copied, raw, worst class", "diversity", "real",
               "Greatest share of copies in one class, among series as they are.", "copied_raw_worst_class_real", "%",
               least=FOR_SHARES),
        Metric("authpct", "AuthPct", "diversity", "real",
               "Share of generated series that are farther from their nearest training series than this one is from "
               "its own nearest.",
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
               "The thesis's probe: held-out accuracy of 5 nearest neighbours on the mean of the code vectors."),
        Metric("svm", "SVM, thesis", "representation", "higher",
               "The thesis's probe: held-out accuracy of a linear support vector machine on the mean of the code "
               "vectors."),
        Metric("knn_meanmax", "KNN, mean and max", "representation", "higher",
               "Held-out accuracy of 5 nearest neighbours on mean and maximum of each series' code vectors."),
        Metric("svm_meanmax", "SVM, mean and max", "representation", "higher",
               "Held-out accuracy of a linear support vector classifier on mean and maximum of the code vectors."),
        Metric("knn_histogram", "KNN, token histogram", "representation", "higher",
               "Held-out accuracy of 5 nearest neighbours on the share of each code in a series."),
        Metric("svm_histogram", "SVM, token histogram", "representation", "higher",
               "Held-out accuracy of a linear support vector classifier on the share of each code in a series."),
        *_of_embeddings(),
        Metric("val_recon", "Reconstruction", "training", "lower",
               "Squared error of the tokenizer on held-out series, of values and spectrogram."),
        Metric("prior_loss", "Prior loss", "training", "lower",
               "Cross-entropy of masked tokens of held-out series.", unit="nats"),
        Metric("ssl_loss", "SSL loss at the end", "training", "lower",
               "Self-supervised loss, mean over the last tenth of stage 1 (in a bench's `rows.csv` alone); each kind "
               "of loss has a scale of its own."),
        Metric("commitment", "Commitment at the end", "training", "lower",
               "Distance of the latents from their codes, mean over the last tenth of stage 1 (in a bench's `rows.csv` "
               "alone)."),
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
    "train": "copies of the training series",
    "jitter": "jitter",
    "timewarp": "time warp",
    "mixup": "mixup within a class",
    "smote": "SMOTE",
    "dba": "weighted DBA",
}
"""Rivals by the name in their keys, `fid_labelled_of_timewarp`, the cheapest first."""

ENDS = {
    "_real": "The same of real series; the column *beside real data* names these keys.",
    "_low`, `_high": "Ends of a 95 % bootstrap interval.",
    SD: "Standard deviation over seeds.",
    WITHOUT_REDRAWS: "Of series as they are drawn first, before copies are drawn again.",
    **{
        f"_of_{name}": f"Of a rival of the generator, made of the training series: {text}."
        for name, text in RIVALS.items()
    },
}
"""Ends of keys, and what they mean."""

RIVALLED = ("utility_both", "rarest_recall_both", "cas_rocket", "cas", "fid_labelled", "fid", "nearer_rocket",
            "authpct", "copied")  # fmt: skip
"""Columns of tables of rivals, in their order."""

FIRST_SCREEN = (
    ("utility_both", "cas_rocket", "cas", "c2st"),
    ("fid_labelled", "fid"),
    ("nearer_rocket", "copied", "copied_raw"),
)
"""The three metrics to read first: useful, alike, new; of each, the first key that was measured."""

SHORT = ("val_recon", "knn", "svm", "prior_loss", "fid", "fid_labelled", "is", "is_labelled", "cas", "cas_rocket",
         "coverage", "copied", "stage1_seconds", "stage2_seconds")  # fmt: skip
"""Rows of the terminal's table, in their order."""

STUDY = ("val_recon", "knn", "svm", "fid", "is", "cas", "cas_rocket", "fid_labelled", "is_labelled", "copied",
         "copied_real")  # fmt: skip
"""Metrics in the study's tables over models, in their order."""

OF_CURVES = ("ssl_loss", "commitment")
"""Metrics that no evaluation writes: rows of a bench have them from the curves of stage 1."""

RELATED = (
    ("knn", "svm", "val_recon", "prior_loss", *OF_CURVES),
    ("fid", "is", "fid_labelled", "is_labelled", "cas", "cas_rocket", "copied", "authpct"),
)
"""Metrics of the tokenizer and of training, and of generated series, whose relations the study looks at."""
