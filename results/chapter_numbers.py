"""The tables of docs/chapter.md and relations.md: each claim of the study's chapter, and what our rows say of it.

``python results/chapter_numbers.py`` prints them from ``matrix.csv``, ``ablation.csv``, ``default.csv`` and the
published runs.
"""

from collections.abc import Callable, Iterable
from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import binom, t

from ncvqvae.evaluation.metrics import metric_of
from ncvqvae.study.ablation import single_switches, ssl_share
from ncvqvae.study.relations import POOLED, WITHIN_VIEWS, interval, rank_correlation, relations
from ncvqvae.study.rows import CHAPTER_MODELS, collect_rows, published_rows

HERE = Path(__file__).parent
NC = CHAPTER_MODELS[1:]
VIEWS = ("warp", "slice", "gauss")
IMPROVED = ["FordA", "FordB", "Mallat", "ShapesAll", "TwoPatterns", "UWaveGestureLibraryAll"]
"""Datasets that the chapter looks at in pictures 10 and 11."""

EFFECTS = ("fid", "fid_labelled", "copied")
SECONDS = ("fid", "is", "cas", "copied", "authpct")
ROWS_OF_RELATIONS = {
    "chapter": "chapter, 364 runs",
    "improved": "chapter, its six datasets",
    "ours": "`matrix.csv`",
    "default": "`default.csv`",
}

HOLDS, FAILS, OPEN = "holds", "does not hold", "not decided"


class Claim(NamedTuple):
    """What the chapter says, in our words, what became of it, the numbers, and the rows that they are of."""

    says: str
    verdict: str
    numbers: str
    rows: str = "matrix.csv"


class Count(NamedTuple):
    """How many of how many."""

    k: int
    n: int

    def __str__(self) -> str:
        return f"{self.k} of {self.n}"

    @property
    def mostly(self) -> str:
        """Whether it is so in most cases."""
        return HOLDS if self.k > self.n / 2 else FAILS

    def beyond(self, chance: float) -> str:
        """Whether it is so more often than by chance; open where it is, but chance does as much in 5 of 100 cases."""
        if self.k <= chance * self.n:
            return FAILS
        return HOLDS if binom.sf(self.k - 1, self.n, chance) < 0.05 else OPEN

    @property
    def of_six(self) -> str:
        """Verdict where the best of six models counts against one."""
        return HOLDS if binom.sf(self.k - 1, self.n, 6 / 7) < 0.05 else f"{HOLDS}, no more than by chance"


@cache
def ours() -> pd.DataFrame:
    """Rows of the study's seven models in ``matrix.csv``."""
    rows = collect_rows(HERE / "matrix.csv")
    return rows[rows["model"].isin(CHAPTER_MODELS)]


@cache
def ablation() -> pd.DataFrame:
    """Rows of ``ablation.csv``."""
    return collect_rows(HERE / "ablation.csv")


@cache
def same_cells(metric: str) -> Callable[[], pd.DataFrame]:
    """The published runs of the datasets and models of which ours have the metric."""
    cells = set(zip(*(ours().dropna(subset=[metric])[name] for name in ("dataset", "model")), strict=True))
    theirs = published_rows()
    rows = theirs[[cell in cells for cell in zip(theirs["dataset"], theirs["model"], strict=True)]]
    return lambda: rows


@cache
def means(rows: Callable[[], pd.DataFrame], metric: str) -> pd.DataFrame:
    """Means over seeds: a row per dataset, a column per model."""
    table = rows().groupby(["dataset", "model"])[metric].mean().unstack()
    return table.reindex(columns=list(dict.fromkeys([*CHAPTER_MODELS, *table.columns])))


def gains(metric: str, rows: Callable[[], pd.DataFrame] = ours) -> pd.DataFrame:
    """By how much the mean of each NC model is better than that of the naive one; datasets where both ran."""
    of = means(rows, metric)
    sign = -1 if metric_of(metric).better == "lower" else 1
    return (sign * of[NC].sub(of["none"], axis="index")).dropna(how="all")


def flat(table: pd.DataFrame) -> pd.Series:
    """The values of a table by (row, column), without those that are missing."""
    return pd.Series(
        {(name, column): value for name, row in table.iterrows() for column, value in row.items()}
    ).dropna()


def positive(values: pd.Series) -> Count:
    """How many of the values that are not missing are above 0."""
    known = values.dropna()
    return Count(int(np.sum(known.to_numpy(float) > 0)), len(known))


def some_better(metric: str, rows: Callable[[], pd.DataFrame] = ours) -> Count:
    """Datasets on which the best of the NC means is better than the naive one."""
    return positive(pd.Series(gains(metric, rows).max(axis="columns")))


def each_better(metric: str, rows: Callable[[], pd.DataFrame] = ours) -> Count:
    """NC means, one by one, that are better than the naive one of their dataset."""
    return positive(flat(gains(metric, rows)))


def pairs_of_losses(metric: str, rows: Callable[[], pd.DataFrame] = ours) -> pd.DataFrame:
    """Means of both SSL losses by dataset and augmentation, where both ran."""
    of = means(rows, metric)
    both = {(name, view): of.loc[name, [f"{ssl}-{view}" for ssl in ("barlowtwins", "vibcreg")]].to_numpy(float)
            for name, view in product(of.index, VIEWS)}  # fmt: skip
    return pd.DataFrame(both, index=["barlowtwins", "vibcreg"]).T.dropna()


def by_view(values: pd.DataFrame) -> list[pd.Series]:
    """A series over the three augmentations for each dataset and SSL loss with all three."""
    found = []
    for (_, row), ssl in product(values.iterrows(), ("barlowtwins", "vibcreg")):
        of = pd.Series({view: row[f"{ssl}-{view}"] for view in VIEWS})
        found += [of] if of.notna().all() else []
    return found


def counted(cases: Iterable[bool]) -> Count:
    """How many are true."""
    of = list(cases)
    return Count(sum(map(bool, of)), len(of))


def gauss_closest(rows: Callable[[], pd.DataFrame]) -> Count:
    """With which augmentation reconstruction stays nearest to that of the naive model: gauss."""
    of = means(rows, "val_recon")
    ratios = pd.DataFrame(np.log(of[NC].div(of["none"], axis="index"))).abs()
    return counted(view.idxmin() == "gauss" for view in by_view(ratios))


def gauss_best(rows: Callable[[], pd.DataFrame]) -> Count:
    """FID is lowest with gauss among the three augmentations."""
    return counted(view.idxmin() == "gauss" for view in by_view(means(rows, "fid")))


def gauss_least(rows: Callable[[], pd.DataFrame]) -> Count:
    """KNN is lowest with gauss among the three augmentations."""
    return counted(view.idxmin() == "gauss" for view in by_view(means(rows, "knn")))


def near_naive(rows: Callable[[], pd.DataFrame]) -> Count:
    """NC means of the reconstruction within a quarter of the naive one."""
    of = means(rows, "val_recon")
    return positive(0.25 - (flat(of[NC].div(of["none"], axis="index")) - 1).abs())


def value(dataset: str, model: str, metric: str, rows: Callable[[], pd.DataFrame] = ours) -> float:
    """A mean over seeds."""
    return float(means(rows, metric).loc[[dataset], model].to_numpy()[0])


def gains_on(dataset: str, metric: str) -> pd.Series:
    """By how much the mean of each NC model is better than the naive one on a dataset."""
    return gains(metric).T[dataset]


def mean_of(dataset: str, model: str, metric: str, rows: Callable[[], pd.DataFrame] = ours) -> str:
    """A mean as text."""
    return f"{value(dataset, model, metric, rows):.{metric_of(metric).decimals}f}"


def effect(metric: str, first: str, second: str, dataset: str = "Symbols") -> str:
    """Mean difference second minus first over common seeds of the ablation, with the 95 % interval by t."""
    rows = ablation()[ablation()["dataset"] == dataset].pivot_table(index="seed", columns="model", values=metric)
    difference = (rows[second] - rows[first]).dropna()
    half = t.ppf(0.975, len(difference) - 1) * difference.std() / len(difference) ** 0.5
    mean = difference.mean()
    places = metric_of(metric).decimals
    return f"{mean:+.{places}f} [{mean - half:.{places}f}, {mean + half:.{places}f}]"


@cache
def found_relations(name: str) -> pd.DataFrame:
    """Relations of rows by their name: ours, default, chapter, improved (the chapter's six datasets)."""
    if name in ("chapter", "improved"):
        rows = published_rows()
        return relations(rows[rows["dataset"].isin(IMPROVED)] if name == "improved" else rows)
    return relations(ours() if name == "ours" else collect_rows(HERE / "default.csv"))


def rho(name: str, first: str, second: str, scope: str = POOLED) -> str:
    """One relation as text."""
    found = found_relations(name)
    of = found[(found["scope"] == scope) & (found["first"] == first) & (found["second"] == second)].iloc[0]
    return f"{of['rho']:.2f} [{of['low']:.2f}, {of['high']:.2f}], {of['runs']} runs"


def excludes_zero(name: str, first: str, second: str, scope: str = POOLED) -> bool:
    """Whether the interval of a relation leaves out 0."""
    found = found_relations(name)
    of = found[(found["scope"] == scope) & (found["first"] == first) & (found["second"] == second)].iloc[0]
    return bool(of["low"] > 0 or of["high"] < 0)


def copies_and(metric: str) -> str:
    """Relation of the share of copies to another metric, within datasets."""
    groups = [of[["copied", metric]].to_numpy(float).T for _, of in ours().groupby("dataset")]
    pairs = [(x, y) for x, y in groups]
    low, high = interval(pairs, 1000, 0)
    return f"{float(rank_correlation(pairs)):.2f} [{low:.2f}, {high:.2f}]"


@cache
def shares_of_ssl() -> pd.DataFrame:
    """SSL's part of the published gain, of all datasets and metrics of the ablation."""
    return ssl_share(ablation())


def shares(metric: str, dataset: str) -> str:
    """SSL's part of the published gain, with the model's and with the naive prior."""
    table = shares_of_ssl()
    of = table[(table["metric"] == metric) & (table["dataset"] == dataset)].iloc[0]
    return f"{of['share, with the model' + chr(39) + 's prior']} or {of['share, with the naive prior']}"


def against(count: Callable[..., Count], *args: str) -> str:
    """A count of ours beside that of the published runs, of all and of the same models."""
    same = same_cells(args[0] if args else {"gauss_least": "knn", "gauss_best": "fid"}.get(count.__name__, "val_recon"))
    return (
        f"{count(*args, ours)} (chapter's runs {count(*args, published_rows)}, of the same models {count(*args, same)})"
    )


BOTH = "matrix.csv, published runs"
CHANCE = "By chance on 6 of 7: six models against one."


def sections() -> dict[str, list[Claim]]:
    """Claims by the chapter's headings, in its order."""
    spread = ours().groupby(["dataset", "model"])["knn"].std().median()
    knn, copied = pairs_of_losses("knn"), pairs_of_losses("copied")
    recon = pairs_of_losses("val_recon")
    recon_theirs = pairs_of_losses("val_recon", published_rows)
    prior = means(ours, "prior_loss")
    naive_lowest = positive(prior[NC].min(axis="columns") - prior["none"])
    all_lower = flat(gains("prior_loss"))
    lower = all_lower[all_lower > 0]
    gauss_lower = sum(str(model).endswith("gauss") for _, model in lower.index)
    copies, symbols_is = means(ours, "copied"), means(ours, "is").T["Symbols"][NC]
    more_copies = positive(flat(copies[NC].sub(copies["none"], axis="index")))
    return {
        "The chapter's summary": [
            Claim("With few training series NC-VQVAE overfits.", more_copies.beyond(0.5),
                  f"More copies than the naive model in {more_copies} means."),
        ],
        "Stage 1: reconstruction": [
            Claim("Some NC model reconstructs better than the naive one on 9 of 13 datasets.",
                  some_better("val_recon").of_six,
                  f"On {against(some_better, 'val_recon')}. {CHANCE}", BOTH),
            Claim("The differences are small.", near_naive(ours).mostly,
                  f"Within 25 % of the naive mean: {against(near_naive)} means.", BOTH),
            Claim("VIbCReg reconstructs better than Barlow Twins.",
                  positive(recon["barlowtwins"] - recon["vibcreg"]).beyond(0.5),
                  f"With the same augmentation in {positive(recon['barlowtwins'] - recon['vibcreg'])} pairs; "
                  f"chapter's runs "
                  f"{positive(recon_theirs['barlowtwins'] - recon_theirs['vibcreg'])}.", BOTH),
            Claim("Gauss changes the reconstruction least.", gauss_closest(ours).beyond(1 / 3),
                  f"Nearest to the naive model of three: {against(gauss_closest)}; by chance a third.", BOTH),
            Claim("The weight of the augmented view's reconstruction matters little.", OPEN,
                  "Symbols, 0.1 to 0: reconstruction "
                  f"{effect('val_recon', 'vibcreg-gauss', 'vibcreg-gauss+weight-0')}, 0.1 to 0.2: "
                  f"{effect('val_recon', 'vibcreg-gauss', 'vibcreg-gauss+weight-0.2')}; FID "
                  f"{effect('fid', 'vibcreg-gauss', 'vibcreg-gauss+weight-0')} and "
                  f"{effect('fid', 'vibcreg-gauss', 'vibcreg-gauss+weight-0.2')}. Only gauss ran; the chapter has warp "
                  "and slice.", "ablation.csv"),
            Claim("The right NC model regularises the reconstruction during training (FordA).", OPEN,
                  "Training never sees the test split here, and preset paper was not run on FordA.", ""),
        ],
        "Stage 1: probes": [
            Claim("Some NC model has the best probe on 12 of 13 datasets.", some_better("svm").of_six,
                  f"KNN on {against(some_better, 'knn')}; SVM on {against(some_better, 'svm')}. {CHANCE}",
                  BOTH),
            Claim("All augmentations raise the probes much on most datasets.", OPEN,
                  f"Above the naive mean: KNN {against(each_better, 'knn')}; SVM {against(each_better, 'svm')}. Of the "
                  "six datasets with large gains in the chapter only Mallat was run. Our median "
                  f"gain in KNN {flat(gains('knn')).median():+.3f}, where seeds have an sd of {spread:.3f}.",
                  BOTH),
            Claim("The largest gains are on six datasets, Mallat among them.", OPEN,
                  f"Mallat: KNN {gains_on('Mallat', 'knn').min():+.3f} to {gains_on('Mallat', 'knn').max():+.3f}. "
                  "The other five were not run with preset paper."),
            Claim("Both SSL losses give similar probes with the same augmentation.", HOLDS
                  if (knn["vibcreg"] - knn["barlowtwins"]).abs().median() <= spread else FAILS,
                  f"KNN differs by {(knn['vibcreg'] - knn['barlowtwins']).abs().median():.3f} in the median of "
                  f"{len(knn)} pairs, seeds by an sd of {spread:.3f}."),
            Claim("Gauss raises the probes least.", gauss_least(ours).beyond(1 / 3),
                  f"KNN lowest with gauss of three augmentations: {against(gauss_least)}; by chance a third.", BOTH),
            Claim("In pictures the tokens of NC models lie in clearer groups.", OPEN,
                  "Judged by eye in the chapter; no number stands for it in our rows.", ""),
        ],
        "Stage 1: losses": [
            Claim("VIbCReg's loss falls faster than that of Barlow Twins, and most easily with gauss.", OPEN,
                  "Our rows hold no losses of stage 1. `tables` on a bench's folder draws them (figure 6), and "
                  "`rows.csv` now has `ssl_loss`.", ""),
            Claim("A harder SSL loss goes with a higher KNN (figure 7).", OPEN, "As above.", ""),
            Claim("Codebook losses are lowest with VIbCReg and with gauss.", OPEN,
                  "As above; `rows.csv` now has `commitment`.", ""),
        ],
        "Stage 2: FID and IS": [
            Claim("With few series the scores are uncertain.", HOLDS,
                  "Naive model on SonyAIBORobotSurface1, 20 training series: FID "
                  + " and ".join(f"{v:.1f}" for v in _runs("SonyAIBORobotSurface1", "none")) + " of two seeds."),
            Claim("Some NC model has the better IS on 12 of 13 datasets.", some_better("is").of_six,
                  f"On {against(some_better, 'is')}; one by one {against(each_better, 'is')}. {CHANCE}", BOTH),
            Claim("Some NC model has the better FID on 10 of 13 datasets.", some_better("fid").of_six,
                  f"On {against(some_better, 'fid')}. {CHANCE}", BOTH),
            Claim("Both SSL losses draw better than the naive model.", each_better("fid").beyond(0.5),
                  f"FID, one by one: {against(each_better, 'fid')}.", BOTH),
            Claim("Gauss improves most.", gauss_best(ours).beyond(1 / 3),
                  f"FID lowest with gauss of three augmentations: {against(gauss_best)}; by chance a third.", BOTH),
            Claim("The gain comes from the classes that SSL puts into the tokens.", OPEN,
                  "The NC models also have another prior. Of the gain in FID, SSL alone makes up "
                  f"{shares('fid', 'Symbols')} (Symbols) and {shares('fid', 'Mallat')} (Mallat), of that in IS "
                  f"{shares('is', 'Symbols')} and {shares('is', 'Mallat')}: each first with the NC prior, then with "
                  "the naive one. On Symbols it is mostly the prior.", "ablation.csv"),
            Claim("FID and IS may favour copies.", OPEN,
                  f"Share of copies and label-first IS: rho {copies_and('is_labelled')}; and label-first FID: "
                  f"{copies_and('fid_labelled')}. What makes copies may also make good series."),
        ],
        "Stage 2: CAS": [
            Claim("Some NC model has the better CAS on all 13 datasets.", some_better("cas").of_six,
                  f"On {against(some_better, 'cas')}; one by one {against(each_better, 'cas')}. {CHANCE}", BOTH),
            Claim("VIbCReg with gauss has the better CAS on 12 of 13.",
                  positive(gains("cas")["vibcreg-gauss"]).beyond(0.5),
                  f"On {positive(gains('cas')['vibcreg-gauss'])}, by "
                  f"{gains('cas')['vibcreg-gauss'].min():+.3f} to {gains('cas')['vibcreg-gauss'].max():+.3f}."),
            Claim("The greatest gain is on Mallat, 0.437.", FAILS,
                  f"Naive {mean_of('Mallat', 'none', 'cas')}, VIbCReg with gauss "
                  f"{mean_of('Mallat', 'vibcreg-gauss', 'cas')}. Ours is the final accuracy, theirs an average "
                  "while the classifier learns."),
        ],
        "Stage 2: the prior's loss": [
            Claim("The naive model has the lowest loss of the prior.", naive_lowest.mostly,
                  f"Lowest on {naive_lowest} datasets; {len(lower)} of {len(all_lower)} NC means "
                  "lie below it."),
            Claim("The exceptions are models with gauss.",
                  HOLDS if gauss_lower > len(lower) / 2 else FAILS,
                  f"Of these {len(lower)} exceptions {gauss_lower} have gauss. "
                  f"{sum(str(m).startswith('barlow') for _, m in lower.index)} have Barlow Twins."),
            Claim("The changed stage 2, with the codebook at the prior's input, has a higher loss.", HOLDS,
                  f"Symbols: naive tokenizer {effect('prior_loss', 'none', 'none+codebook')}, VIbCReg with gauss "
                  f"{effect('prior_loss', 'vibcreg-gauss+token', 'vibcreg-gauss')}.", "ablation.csv"),
            Claim("A lower loss of the prior does not mean better series.", HOLDS,
                  f"A higher one goes with better ones: rho with FID {rho('ours', 'prior_loss', 'fid')}; with "
                  f"label-first IS {rho('ours', 'prior_loss', 'is_labelled')}. It also goes with copies: "
                  f"{rho('ours', 'prior_loss', 'copied')}."),
        ],
        "How stage 1 affects stage 2": [
            Claim("Open question: does better reconstruction give better series?", "answered: somewhat",
                  f"Chapter's runs: rho of the error with FID {rho('chapter', 'val_recon', 'fid')}. Ours "
                  f"{rho('ours', 'val_recon', 'fid')}; with label-first IS {rho('ours', 'val_recon', 'is_labelled')}.",
                  BOTH),
            Claim("A higher KNN goes with a higher IS (figure 10).",
                  f"{HOLDS} in the chapter's runs, not in ours"
                  if excludes_zero("improved", "knn", "is") and not excludes_zero("ours", "knn", "is") else FAILS,
                  f"Chapter's six datasets: rho {rho('improved', 'knn', 'is')}; all 13: {rho('chapter', 'knn', 'is')}; "
                  f"ours {rho('ours', 'knn', 'is')}.", BOTH),
            Claim("Within one augmentation KNN and IS are unrelated.",
                  FAILS if excludes_zero("improved", "knn", "is", WITHIN_VIEWS) else HOLDS,
                  f"Chapter's six datasets: rho {rho('improved', 'knn', 'is', WITHIN_VIEWS)}; all 13: "
                  f"{rho('chapter', 'knn', 'is', WITHIN_VIEWS)}; ours {rho('ours', 'knn', 'is', WITHIN_VIEWS)}.", BOTH),
            Claim("KNN and FID (figure 11), from which the chapter draws no conclusion.", "answered: hardly related",
                  f"Chapter's six datasets: rho {rho('improved', 'knn', 'fid')}; all 13: {rho('chapter', 'knn', 'fid')}"
                  f"; ours {rho('ours', 'knn', 'fid')}.", BOTH),
        ],
        "Tokens, and series by eye": [
            Claim("NC priors are surer of their tokens, on small sets nearly certain.", OPEN,
                  "These rows are older than the metrics `prior_sure` and `prior_entropy`.", ""),
            Claim("With a class given, NC models overfit most.", HOLDS,
                  "VIbCReg with gauss, share of copies label-first and without a class: "
                  + "; ".join(_copies_by_path(d) for d in ("Symbols", "Mallat")) + ".", "ablation.csv"),
            Claim("On ECG5000, ShapesAll and UWaveGestureLibraryAll VIbCReg varies more than Barlow Twins.", OPEN,
                  "Judged by eye in the chapter. Of these, preset paper ran only on ECG5000, with one model of each "
                  "loss.", ""),
            Claim("On Mallat VIbCReg with gauss raises IS and lowers FID.",
                  HOLDS if min(gains_on("Mallat", of)["vibcreg-gauss"] for of in ("fid", "is")) > 0 else FAILS,
                  f"FID {mean_of('Mallat', 'none', 'fid')} to {mean_of('Mallat', 'vibcreg-gauss', 'fid')}, IS "
                  f"{mean_of('Mallat', 'none', 'is')} to {mean_of('Mallat', 'vibcreg-gauss', 'is')}. The naive "
                  f"tokenizer with the NC prior: {mean_of('Mallat', 'none+nc-prior', 'fid', ablation)} and "
                  f"{mean_of('Mallat', 'none+nc-prior', 'is', ablation)}, so most of it is not SSL.",
                  "matrix.csv, ablation.csv"),
            Claim("On Symbols IS is much higher with either SSL loss.",
                  HOLDS if symbols_is.min() > 1.25 * value("Symbols", "none", "is") else FAILS,
                  f"{symbols_is.min():.2f} to {symbols_is.max():.2f}; naive {mean_of('Symbols', 'none', 'is')}. "
                  "Mostly the prior (see above)."),
            Claim("IS does not see overfitting.", HOLDS,
                  f"Symbols: VIbCReg with gauss has an IS of {mean_of('Symbols', 'vibcreg-gauss', 'is')} and "
                  f"{mean_of('Symbols', 'vibcreg-gauss', 'copied')} copies; real series have "
                  f"{mean_of('Symbols', 'vibcreg-gauss', 'copied_real')}."),
        ],
        "Barlow Twins and VIbCReg, and further thoughts": [
            Claim("VIbCReg keeps more variety within a class.", OPEN,
                  "Our rows hold no measure of variety. VIbCReg copies more in "
                  f"{positive(copied['vibcreg'] - copied['barlowtwins'])} pairs."),
            Claim("Without dropout the models overfit on few series.", HOLDS,
                  "Dropout of 0.1 and 0.2 on Symbols: copies "
                  f"{effect('copied', 'vibcreg-gauss', 'vibcreg-gauss+dropout-0.1')} and "
                  f"{effect('copied', 'vibcreg-gauss', 'vibcreg-gauss+dropout-0.2')}; FID "
                  f"{effect('fid', 'vibcreg-gauss', 'vibcreg-gauss+dropout-0.1')} and "
                  f"{effect('fid', 'vibcreg-gauss', 'vibcreg-gauss+dropout-0.2')}.", "ablation.csv"),
            Claim("On SonyAIBORobotSurface2 and Symbols NC models have the better FID and IS.", OPEN,
                  f"FID: {positive(gains_on('Symbols', 'fid'))} on Symbols, "
                  f"{positive(gains_on('SonyAIBORobotSurface2', 'fid'))} on SonyAIBORobotSurface2; IS: "
                  f"{positive(gains_on('Symbols', 'is'))} and "
                  f"{positive(gains_on('SonyAIBORobotSurface2', 'is'))}."),
            Claim("Generated series contain the noise of the augmentation.", OPEN,
                  "Judged by eye in the chapter; we have no number for it.", ""),
            Claim("Open question: are CAS and probes correlated?", "answered: no",
                  f"Chapter's runs: KNN {rho('chapter', 'knn', 'cas')}; SVM {rho('chapter', 'svm', 'cas')}. Ours: "
                  f"KNN {rho('ours', 'knn', 'cas')}; SVM {rho('ours', 'svm', 'cas')}.", BOTH),
            Claim("Fewer steps T may help against copies.", HOLDS,
                  f"Symbols, T from 10 to 2: copies {effect('copied', 'vibcreg-gauss', 'vibcreg-gauss+T-2')}, but "
                  f"label-first FID {effect('fid_labelled', 'vibcreg-gauss', 'vibcreg-gauss+T-2')}.", "ablation.csv"),
            Claim("More masks in training may help, too.", OPEN,
                  f"Symbols, cosine to cubic: copies {effect('copied', 'vibcreg-gauss', 'vibcreg-gauss+cubic-masks')}.",
                  "ablation.csv"),
        ],
    }  # fmt: skip


def _runs(dataset: str, model: str) -> list[float]:
    rows = ours()
    return rows[(rows["dataset"] == dataset) & (rows["model"] == model)]["fid"].tolist()


def _copies_by_path(dataset: str) -> str:
    rows = ablation()
    of = rows[(rows["dataset"] == dataset) & (rows["model"] == "vibcreg-gauss")]
    return f"{of['copied'].mean():.3f} and {of['copied_unconditional'].mean():.3f} ({dataset})"


def table(claims: Iterable[Claim]) -> str:
    """Markdown: a line per claim."""
    lines = ["| the chapter says | | our numbers | rows |", "|---|---|---|---|"]
    return "\n".join(lines + [f"| {c.says} | {c.verdict} | {c.numbers} | {c.rows} |" for c in claims])


def effects() -> str:
    """Markdown: the effect of each switch of the ablation, with intervals."""
    lines = [
        "| dataset | model | setting | from | to | FID unconditional | FID label-first | copied |",
        "|---" * 8 + "|",
    ]
    for row in single_switches(ablation()).to_dict("records"):
        place = [row["dataset"], row["first"], f"`{row['switch']}`", str(row["from"]), str(row["to"])]
        pair = row["first"], row["second"], row["dataset"]
        lines.append(f"| {' | '.join([*place, *(effect(metric, *pair) for metric in EFFECTS)])} |")
    return "\n".join(lines)


def relations_table() -> str:
    """Markdown of relations.md: pooled relations of the chapter's runs and ours."""
    lines = ["| rows | within | | FID | IS | CAS | copied | AuthPct |", "|---" * 8 + "|"]
    for (name, title), scope in product(ROWS_OF_RELATIONS.items(), (POOLED, WITHIN_VIEWS)):
        found = found_relations(name)
        of = found[found["scope"] == scope].set_index(["first", "second"])
        for first in dict.fromkeys(of.index.get_level_values("first")):
            cells = [_relation(of.loc[first, second]) if (first, second) in of.index else "" for second in SECONDS]
            within = "dataset" if scope == POOLED else "dataset and augmentation"
            lines.append(f"| {' | '.join([title, within, metric_of(str(first)).title, *cells])} |")
    return "\n".join(lines)


def _relation(row: pd.Series) -> str:
    text = f"{row['rho']:.2f} [{row['low']:.2f}, {row['high']:.2f}]; {row['runs']}"
    return f"**{text}**" if row["low"] > 0 or row["high"] < 0 else text


def page() -> str:
    """The tables under their headings, as docs/chapter.md has them."""
    parts = [f"## {title}\n\n{table(claims)}\n" for title, claims in sections().items()]
    return "\n".join([*parts, f"## Effects of single settings\n\n{effects()}\n"])


if __name__ == "__main__":
    print(page(), relations_table(), sep="\n")
