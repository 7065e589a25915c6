"""The checks behind a verdict: worth, likeness, variety and copies, each a sentence with its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan, sqrt
from typing import Literal, NamedTuple

from ncvqvae.evaluation.diversity import copied_share
from ncvqvae.evaluation.metric import FOR_SHARES
from ncvqvae.evaluation.metric_list import RIVALS
from ncvqvae.evaluation.metrics import judgeable, number_text, of_rival
from ncvqvae.labels import count_classes
from ncvqvae.report.content import ReportContent, label_text
from ncvqvae.report.projections import choose
from ncvqvae.report.rivals import best_rival, cheapest_as_good, margin
from ncvqvae.report.variety import COLLAPSED_BELOW, COLLAPSED_BELOW_RAW, MIN_SERIES, MISSING_FROM, ClassRow

FEW_TRAIN = 50
"""Below this number of training series, generated ones stay close to them."""

MANY_REAL = 0.25  # copies among held-out series; 0.05 is usual, more if a coarse tokenizer merges them or few exist
NEARER_BY = 2.0  # without a tokenizer, a copy is this much nearer to train, since generated series are smoother
CLOSER = 0.1  # by which closeness to train, or an attack's AUC, is above 0.5, or above what the splits' shift explains
FID_FACTOR = 10.0
CAS_LOSS = 0.1
TOLD_APART = 0.1  # accuracy of the two-sample test above that of train against held-out
TELLING = 0.65  # accuracy from which two sets count as different, if the permutation test agrees
SIGNIFICANT = 0.05
COVERED = 0.7  # share of the coverage by real data
MAX_SEARCHED = 2000

State = Literal["bad", "unknown", "even", "good"]
"""`even`: neither good nor bad, such as no gain from adding generated series."""

_ORDER: tuple[State, ...] = ("bad", "unknown", "even", "good")


@dataclass(frozen=True)
class Finding:
    """Result of one check: a title, a sentence with its numbers, the rule behind it, and what to do about it."""

    state: State
    title: str
    text: str
    rule: str
    advice: str = ""


class Part(NamedTuple):
    """One of several observations of a check."""

    state: State
    title: str
    text: str


def find(content: ReportContent, classes: Sequence[ClassRow]) -> list[Finding]:
    """Every check that makes sense for the content, in the order of the page."""
    worth = [_worth(content)] if len(count_classes(content.y_train)[0]) > 1 else []
    return [*worth, _likeness(content), _variety(content, classes), _copies(content)]


def copy_limit(real: float, n_generated: int, n_heldout: int) -> float:
    """Share of copied series above which the verdict is that the generator copies.

    The limit is twice the share `real` of real series plus three standard errors of the difference of the two shares.
    """
    return 2 * real + 3 * sqrt(real * (1 - real) * (1 / n_generated + 1 / n_heldout))


def close_share(content: ReportContent) -> float | None:
    """Share of generated series that lie `NEARER_BY` times nearer to train than the usual threshold for copies.

    This check needs no tokenizer. A generator that removes noise brings its series nearer to every series. The squared
    distance of two noisy series holds the noise of both, that of a smooth and a noisy series the noise of one. So
    smoothing alone shortens distances by up to the square root of 2. `NEARER_BY` is larger than that, because a
    tokenizer fitted to the train split shortens them further. The result is None if nothing was generated.
    """
    if content.generated is None:
        return None
    X, heldout = content.generated.X, content.X_test
    parts = [part[choose(len(part), MAX_SEARCHED)] for part in (X, content.X_train, heldout)]
    nearest = copied_share(*parts)
    return float((nearest.distances <= nearest.threshold / NEARER_BY).mean())


def _merged(parts: Sequence[Part], rule: str, advice: str = "") -> Finding:
    """One finding of several parts: its state is the worst of theirs, its titles those of the worst."""
    ordered = sorted(parts, key=lambda part: _ORDER.index(part.state))
    state = ordered[0].state
    titles = dict.fromkeys(part.title for part in ordered if part.state == state)
    text = " ".join(part.text for part in ordered if part.text)
    return Finding(state, " · ".join(titles), text, rule, "" if state == "good" else advice)


def _worth(content: ReportContent) -> Finding:
    """Does a classifier get better when generated series are added, and does a cheap rival do as well?"""
    m, n_heldout = content.metrics, len(content.X_test)
    rule = (
        "Worth adding means: MiniRocket with a ridge classifier gets more held-out series right after generated series "
        "were added to the real ones, by more than twice the standard deviation of the difference over seeds and by "
        "more than two held-out series; and no cheap augmentation does as well."
    )
    if not {"utility_real", "utility_both"} <= m.keys():
        text = "How much a classifier gains from the generated series was not measured."
        return Finding("unknown", "Worth not measured", text, rule, "Run `ncvqvae evaluate` again.")
    rival = best_rival(m, "utility_both") if cheapest_as_good(m, n_heldout) else None
    use = "leave the generated series out" if rival is None else f"add {RIVALS[rival]} instead, which needs no model"
    parts = [_gain(m, n_heldout), *_rivalry(m, n_heldout), *_rarest(m, n_heldout)]
    return _merged(parts, rule, f"To train a classifier, {use}. {_longer(content, '')}".strip())


def _gain(m: Mapping[str, float], n_heldout: int) -> Part:
    gain = m["utility_both"] - m["utility_real"]
    chance = margin(m, "utility_both", "utility_real", n_heldout)
    text = f"Accuracy on held-out series changes by {gain:+.3f}; up to {chance:.3f} may be chance."
    if gain < -chance:
        return Part("bad", "Adding them harms a classifier", text)
    if gain <= chance:
        return Part("even", "No gain from adding them", text)
    return Part("good", "Worth adding", text)


def _rivalry(m: Mapping[str, float], n_heldout: int) -> list[Part]:
    """What the best rival and the cheapest one that does as well say; nothing if the generated series beat them all."""
    best, as_good = best_rival(m, "utility_both"), cheapest_as_good(m, n_heldout)
    if best is None or as_good is None:
        return []
    key = of_rival("utility_both", best)
    ahead = m[key] - m["utility_both"]
    if ahead > margin(m, "utility_both", key, n_heldout):
        return [Part("bad", f"Beaten by {RIVALS[best]}", f"Adding {RIVALS[best]} reaches {m[key]:.3f}.")]
    cheapest = RIVALS[as_good]
    return [Part("even", f"No better than {cheapest}", f"The cheapest thing that does as well is {cheapest}.")]


def _rarest(m: Mapping[str, float], n_heldout: int) -> list[Part]:
    keys = ("rarest_recall_real", "rarest_recall_both")
    before, after = (m.get(key, nan) for key in keys)
    if isnan(before) or isnan(after):  # no held-out series is of that class
        return []
    text = f"Recall of the rarest class goes from {number_text(before)} to {number_text(after)}."
    worse = after < before - max(CAS_LOSS, margin(m, *keys, n_heldout))
    return [Part("bad", "The rarest class suffers", text) if worse else Part("good", "Worth adding", text)]


def _likeness(content: ReportContent) -> Finding:
    rule = (
        f"Unlike means one of three: CAS more than {CAS_LOSS:g} below a classifier trained on real series; FID more "
        f"than {FID_FACTOR:g} times that between real series; the two-sample test at {TELLING:g} or more with p of "
        f"{SIGNIFICANT:g} or less, and {TOLD_APART:g} above its value for real data. At least {FOR_SHARES} held-out "
        "series are needed."
    )
    advice = _longer(content, "Look at the series below; more training series help most.")
    n, m = len(content.X_test), content.metrics
    if n < FOR_SHARES:
        text = f"{n} held-out series are too few to judge likeness; {FOR_SHARES} are needed."
        return Finding("unknown", "Too few held-out series", text, rule, "Evaluate on more series (--test FILE).")
    parts = [*_cas(m), *_fid(m), *_told_apart(m)]
    if not parts:
        text = "Neither CAS, FID nor the two-sample test was measured beside real data."
        return Finding("unknown", "Likeness not measured", text, rule, "Run `ncvqvae evaluate` again.")
    return _merged(parts, rule, advice)


LIKE, UNLIKE = "Like the real data", "Unlike the real data"


def _cas(m: Mapping[str, float]) -> list[Part]:
    key = next((key for key in ("cas", "cas_rocket") if {key, f"{key}_real"} <= m.keys()), None)
    if key is None:
        return []
    made, real = m[key], m[f"{key}_real"]
    text = f"A classifier trained on generated series alone reaches {made:.2f}, on real ones {real:.2f}."
    return [Part("bad", UNLIKE, text) if made < real - CAS_LOSS else Part("good", LIKE, text)]


def _fid(m: Mapping[str, float]) -> list[Part]:
    key = "fid_labelled" if "fid_labelled" in m else "fid"
    if key not in m or not {"fid_real", "fid_floor"} & m.keys() or key in judgeable(m):
        return []
    fid = m[key]
    real = max(m[key] for key in ("fid_real", "fid_floor") if key in m)
    text = f"FID is {number_text(fid)}, between real series {number_text(real)}"
    if "fid_reconstructed" in m:
        text += f"; the tokenizer alone, given held-out series, reaches {number_text(m['fid_reconstructed'])}"
    return [Part("bad", UNLIKE, f"{text}.") if fid > FID_FACTOR * real else Part("good", LIKE, f"{text}.")]


def _told_apart(m: Mapping[str, float]) -> list[Part]:
    if not {"c2st", "c2st_p"} <= m.keys():
        return []
    made, real, p = m["c2st"], max(0.5, m.get("c2st_real", 0.5)), m["c2st_p"]
    text = f"A classifier tells generated from held-out series in {made:.0%} of cases, training series in {real:.0%}."
    if made < TELLING or p > SIGNIFICANT:
        return [Part("good", LIKE, text)]
    if made > real + TOLD_APART:
        return [Part("bad", "Told apart from real series", text)]
    title = "Told apart, but so are the real splits"
    return [Part("unknown", title, f"{text} So train and held-out series differ themselves.")]


def _variety(content: ReportContent, rows: Sequence[ClassRow]) -> Finding:
    rule = (
        f"A class counts as collapsed if two of its generated series differ on average less than {COLLAPSED_BELOW:g} "
        "times as much as two real ones, in train or held-out, whichever differ less "
        f"({COLLAPSED_BELOW_RAW:g} times where held-out series have not gone through a tokenizer); from {MIN_SERIES} "
        f"series on. It is missing if none of its series was generated where {MISSING_FROM} could be expected. "
        f"Coverage is too low below {COVERED:g} times that of real data, and near-duplicates are too many above twice "
        "the share among real series plus three standard errors."
    )
    parts = [*_collapse(rows), *_coverage(content), *_duplicates(content)]
    return _merged(parts, rule, _longer(content, "Give the classes more training series."))


def _collapse(rows: Sequence[ClassRow]) -> list[Part]:
    judged = [row for row in rows if row.state != "not judged"]
    if not judged:
        return [Part("unknown", "Variety not judged", "No class has enough series to judge its variety.")]
    parts = [part for state in ("collapsed", "missing") if (part := _classes_in(state, judged)) is not None]
    if len(judged) < len(rows):
        title = f"{len(judged)} of {len(rows)} classes judged"
        parts.append(Part("unknown", title, f"The others have fewer than {MIN_SERIES} series."))
    if not parts:
        row = min(judged, key=lambda row: row.spread or 0.0)
        least = f"Least varied is {row.label}, with {row.spread or 0.0:.0%} of the variety of real series."
        parts.append(Part("good", "No class collapsed", least))
    return parts


def _classes_in(state: str, rows: Sequence[ClassRow]) -> Part | None:
    found = [row for row in rows if row.state == state]
    if not found:
        return None
    names = ", ".join(row.label for row in found[:8]) + (" …" if len(found) > 8 else "")
    title = f"{state.capitalize()} class{'es' if len(found) > 1 else ''} {names}"
    least = min(row.spread or 0.0 for row in found)
    missing = state == "missing"
    text = "None of it was generated." if missing else f"Variety is as low as {least:.0%} of that of real series."
    return Part("bad", title, text)


def _coverage(content: ReportContent) -> list[Part]:
    m = content.metrics
    if not {"coverage", "coverage_real"} <= m.keys() or len(content.X_test) < FOR_SHARES:
        return []
    text = (
        f"{m['coverage']:.0%} of held-out series have a generated one nearby, {m['coverage_real']:.0%} a training one."
    )
    low = m["coverage"] < COVERED * m["coverage_real"]
    return [
        Part("bad", "Parts of the real data are missing", text) if low else Part("good", "No class collapsed", text)
    ]


def _duplicates(content: ReportContent) -> list[Part]:
    m, made = content.metrics, content.generated
    if "near_duplicates" not in m or made is None:
        return []
    share, real = m["near_duplicates"], m.get("near_duplicates_real", 0.0)
    if share <= max(0.01, copy_limit(real, len(made.X), len(content.X_test))):
        return []
    text = f"{share:.0%} of the generated series nearly repeat another one; {real:.0%} of real ones do."
    return [Part("bad", "Repeats itself", text)]


def _copies(content: ReportContent) -> Finding:
    rule = (
        f"Nothing is said of copies where more than {MANY_REAL:.0%} of the real series count as such. "
        "Copied counts as too high above twice the share among real series plus three standard errors. Generated "
        "series are too close where the share nearer to a training than to a held-out series, or the AUC of an attack "
        f"that tells training series, is more than {CLOSER:g} above 0.5, or above what a difference between the splits "
        "explains, and its interval excludes that."
    )
    if content.generated is None:
        return Finding("unknown", "Nothing generated", "Nothing was generated that could be a copy.", rule)
    parts = [*_copied(content), *_worst_class(content), *_nearer(content.metrics), *_recognised(content.metrics)]
    n = len(content.X_train)
    if n < FEW_TRAIN:
        text = f"With {n} training series, fewer than {FEW_TRAIN}, generated series stay close to them."
        parts.append(Part("unknown", "Close to few training series", text))
    advice = "Do not share them as private data; fit on more series."
    if content.kept_share:
        text = (
            f"Each of them starts from {content.kept_share:.0%} of the tokens of a training series "
            "(sampling.kept_share); `ncvqvae sample RUN --sampling.kept-share 0` draws without that."
        )
        parts.append(Part("good", "No copier", text))
        advice = "Do not share them as private data; draw with --sampling.kept-share 0, or fit on more series."
    if "copied" not in content.metrics:
        rule = (
            f"Without a tokenizer, only series {NEARER_BY:g} times nearer to a training series than 95 % of held-out "
            "ones are count as copies: smooth series are nearer to everything, by up to 1.4 times. " + rule
        )
    return _merged(parts, rule, advice)


def _copied(content: ReportContent) -> list[Part]:
    assert content.generated is not None
    copied, real = content.metrics.get("copied"), content.metrics.get("copied_real", 0.05)
    text = "{:.0%} of the generated series are nearly training series; among held-out real ones {:.0%} are."
    if copied is None:
        copied, real = close_share(content) or 0.0, 0.05
        text = "{:.0%} of the generated series are so near to a training series that smoothness does not explain it."
    elif real > MANY_REAL:
        return [Part("unknown", "Copies cannot be told", f"{text.format(copied, real)} That is too many to tell.")]
    text = text.format(copied, real)
    limit = copy_limit(real, len(content.generated.X), len(content.X_test))
    if copied <= limit:
        return [Part("good", "No copier", text)]
    most = sorted(content.copied_per_class.items(), key=lambda item: -item[1])[:3]
    named = ", ".join(f"{label_text(label)} ({share:.0%})" for label, share in most if share > limit)
    return [Part("bad", "Copies", text + (f" Most in class {named}." if named else ""))]


def _worst_class(content: ReportContent) -> list[Part]:
    """Copies in the class that has most, though few over all classes."""
    m, made = content.metrics, content.generated
    if made is None or not {"copied_worst_class", "copied_worst_class_real"} <= m.keys():
        return []
    worst, real = m["copied_worst_class"], m["copied_worst_class_real"]
    n_classes = max(1, len(content.classes))
    sizes = (max(1, len(X) // n_classes) for X in (made.X, content.X_test))
    if real > MANY_REAL or worst <= copy_limit(real, *sizes):
        return []
    name = max(content.copied_per_class, key=lambda label: content.copied_per_class[label], default=None)
    of = "one class" if name is None else f"class {label_text(name)}"
    text = f"In {of}, {worst:.0%} of the generated series are nearly training series; of real ones at most {real:.0%}."
    return [Part("bad", f"Copies in {of}", text)]


def _nearer(m: Mapping[str, float]) -> list[Part]:
    spaces = {"nearer_rocket": "in MiniRocket's features", "nearer_dtw": "by DTW"}
    parts = []
    for key, space in spaces.items():
        if key in m:
            text = f"{m[key]:.0%} are nearer to a training than to a held-out series {space}; half of real ones are."
            close = Part("bad", "Too close to training series", text)
            parts.append(close if _beyond_shift(key, m) else Part("good", "No copier", text))
    return parts


def _recognised(m: Mapping[str, float]) -> list[Part]:
    if "membership_auc" not in m:
        return []
    text = f"An attack recognises training series with AUC {m['membership_auc']:.2f}; 0.5 is guessing."
    told = Part("bad", "Training series are recognised", text)
    return [told if _beyond_shift("membership_auc", m) else Part("good", "No copier", text)]


def _beyond_shift(key: str, m: Mapping[str, float]) -> bool:
    """Whether a share or AUC is above chance, and above what a difference between train and held-out explains."""
    chance = max(0.5, m.get(f"{key}_shift", 0.5))
    return m[key] > chance + CLOSER and m.get(f"{key}_low", m[key]) > chance


def _longer(content: ReportContent, otherwise: str) -> str:
    """Advice to train longer where a short preset was used."""
    if content.facts.get("preset") == "quick":
        return "For better series, fit again with --preset default, which trains a larger model for longer."
    return otherwise
