"""A plain verdict on the generated series: copies, collapsed, unlike the real data, or fine."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np

from ncvqvae.evaluation.diversity import copied_share
from ncvqvae.evaluation.metrics import number_text
from ncvqvae.evaluation.neighbours import mean_pairwise_distance
from ncvqvae.report.content import ReportContent, Sample, label_text
from ncvqvae.report.projections import choose, choose_per_class

COLLAPSED_BELOW = 0.5
COLLAPSED_BELOW_RAW = 0.3  # lower without a tokenizer: held-out series keep noise that a generator smooths away
MANY_REAL = 0.25  # copies among held-out series; 0.05 is usual, more if a coarse tokenizer merges them or few exist
NEARER_BY = 2.0  # without a tokenizer, a copy is this much nearer to train, since generated series are smoother
MISSING_FROM = 10  # a class counts as missing if at least this many series were expected from its share in train
FID_FACTOR = 10.0
CAS_LOSS = 0.1
MIN_SERIES = 5
MAX_SERIES = 200
MAX_SEARCHED = 2000


@dataclass(frozen=True)
class Finding:
    """Result of one check: a sentence with its numbers, and the rule behind it."""

    state: Literal["bad", "good", "unknown"]
    title: str
    text: str
    rule: str


@dataclass(frozen=True)
class ClassRow:
    """Spread (mean distance between two series) of one class against held-out series, and its share of copies.

    `spread` is the ratio generated : held-out, `spread_real` is train : held-out. Both are None if a class has too few
    series.
    """

    label: str
    n_train: int
    n_generated: int
    spread: float | None
    spread_real: float | None
    copied: float | None
    state: Literal["fine", "collapsed", "missing", "not judged"]


@dataclass(frozen=True)
class Verdict:
    """Headline, whether all is well (None if nothing could be checked), each check, and the metrics by class."""

    headline: str
    fine: bool | None
    findings: list[Finding]
    classes: list[ClassRow]


def judge(content: ReportContent) -> Verdict:
    """Verdict on the generated series of a run, from its metrics and from the spread within each class."""
    classes = class_rows(content)
    findings = [_copies(content), _collapse(classes), _likeness(content)]
    bad = [finding.title for finding in findings if finding.state == "bad"]
    if bad:
        return Verdict(" · ".join(bad), False, findings, classes)
    if any(finding.state == "unknown" for finding in findings):
        checked = [finding.title for finding in findings if finding.state == "good"]
        return Verdict("Not fully judged" + "".join(f" · {title}" for title in checked), None, findings, classes)
    return Verdict("Fine", True, findings, classes)


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


def class_rows(content: ReportContent) -> list[ClassRow]:
    """Spread and copies of each class; without labels all series count as one class.

    Generated and held-out series are compared as the tokenizer reconstructs them, because noise would hide a collapse.
    """
    made, smooth = content.smooth
    generated = made or Sample(content.X_train[:0], content.y_train)
    train, test = Sample(content.X_train, content.y_train), Sample(content.X_test, content.y_test)
    limit = COLLAPSED_BELOW_RAW if content.X_test_reconstructed is None else COLLAPSED_BELOW
    if train.y is None or test.y is None:
        parts = [Sample(X, None) for X in (generated.X, train.X, test.X, smooth)]
        return [_class_row(None, *parts, limit=limit, copied=None)]
    if generated.y is None:
        generated = Sample(generated.X[:0], train.y[:0])
    parts = [generated, train, test, Sample(smooth, test.y)]
    return [
        _class_row(label, *parts, limit=limit, copied=content.copied_per_class.get(label)) for label in content.classes
    ]


def _class_row(
    label: Hashable | None,
    generated: Sample,
    train: Sample,
    test: Sample,
    smooth: Sample,
    *,
    limit: float,
    copied: float | None,
) -> ClassRow:
    n_train, n_generated = len(_members(train, label)), len(_members(generated, label))
    spread = _ratio(_spread(generated, label), _spread(smooth, label))
    spread_real = _ratio(_spread(train, label), _spread(test, label))
    state: Literal["fine", "collapsed", "missing", "not judged"] = "not judged"
    if spread is not None:
        state = "collapsed" if spread < limit * min(1.0, spread_real or 1.0) else "fine"
    elif n_generated == 0 and len(generated.X) * n_train >= MISSING_FROM * len(train.X):
        state = "missing"
    name = "all series" if label is None else label_text(label)
    return ClassRow(name, n_train, n_generated, spread, spread_real, copied, state)


def _copies(content: ReportContent) -> Finding:
    copied, real = content.metrics.get("copied"), content.metrics.get("copied_real", 0.05)
    rule = (
        f"Nothing is said of copies where more than {MANY_REAL:.0%} of the real series count as such. "
        "Copied counts as too high above twice the share among real series plus three standard errors"
    )
    text = "{:.0%} of the generated series are nearly training series; among held-out real ones {:.0%} are."
    if copied is None:
        copied, real = close_share(content), 0.05
        rule = (
            f"Without a tokenizer, only series {NEARER_BY:g} times nearer to a training series than 95 % of held-out "
            "ones are count as copies: smooth series are nearer to everything, by up to 1.4 times. " + rule
        )
        text = "{:.0%} of the generated series are so near to a training series that smoothness does not explain it."
    elif real > MANY_REAL:
        text += " Where so many real ones are, copies cannot be told."
        return Finding("unknown", "Copies", text.format(copied, real), rule + ".")
    if copied is None or content.generated is None:
        return Finding("unknown", "Copies", "Nothing was generated that could be a copy.", rule + ".")
    limit = copy_limit(real, len(content.generated.X), len(content.X_test))
    text, rule = text.format(copied, real), f"{rule}, here {limit:.0%}."
    if copied <= limit:
        return Finding("good", "No copier", text, rule)
    most = sorted(content.copied_per_class.items(), key=lambda item: -item[1])[:3]
    named = ", ".join(f"{label_text(label)} ({share:.0%})" for label, share in most if share > limit)
    return Finding("bad", "Copies", text + (f" Most in class {named}." if named else ""), rule)


def _collapse(classes: list[ClassRow]) -> Finding:
    rule = (
        f"A class counts as collapsed if two of its generated series differ on average less than {COLLAPSED_BELOW:g} "
        "times as much as two real ones, in train or held-out, whichever differ less "
        f"({COLLAPSED_BELOW_RAW:g} times where held-out series have not gone through a tokenizer); from {MIN_SERIES} "
        f"series on. It is missing if none of its series was generated where {MISSING_FROM} could be expected."
    )
    judged = [row for row in classes if row.state != "not judged"]
    if not judged:
        return Finding("unknown", "Collapse", "No class has enough series to judge its variety.", rule)
    titles, texts = [], []
    for state in ("collapsed", "missing"):
        found = [row for row in judged if row.state == state]
        if found:
            names = ", ".join(row.label for row in found[:8]) + (" …" if len(found) > 8 else "")
            titles.append(f"{state.capitalize()} class{'es' if len(found) > 1 else ''} {names}")
            least = min(row.spread or 0.0 for row in found)
            texts.append("None of it was generated." if state == "missing" else _variety("Variety is as low as", least))
    if titles:
        return Finding("bad", " · ".join(titles), " ".join(texts), rule)
    row = min(judged, key=lambda row: row.spread or 0.0)
    return Finding(
        "good", "No class collapsed", _variety(f"Least varied is {row.label}, with", row.spread or 0.0), rule
    )


def _variety(start: str, ratio: float) -> str:
    return f"{start} {ratio:.0%} of the variety of real series."


def _likeness(content: ReportContent) -> Finding:
    rule = (
        f"Unlike means: CAS more than {CAS_LOSS:g} below a classifier trained on real series, or FID more than "
        f"{FID_FACTOR:g} times that of train against held-out."
    )
    m = content.metrics
    parts, bad = [], False
    cas = next((key for key in ("cas", "cas_rocket") if {key, f"{key}_real"} <= m.keys()), None)
    if cas is not None:
        made, real = m[cas], m[f"{cas}_real"]
        parts.append(f"a classifier trained on generated series reaches {made:.2f}, on real ones {real:.2f}")
        bad |= made < real - CAS_LOSS
    fid = m.get("fid_labelled", m.get("fid"))
    if fid is not None and "fid_real" in m:
        parts.append(f"FID is {number_text(fid)}, between real splits {number_text(m['fid_real'])}")
        bad |= fid > FID_FACTOR * m["fid_real"]
    if fid is not None and "fid_reconstructed" in m:
        parts.append(f"the tokenizer alone, given held-out series, reaches {number_text(m['fid_reconstructed'])}")
    if not parts:
        return Finding("unknown", "Likeness", "Neither CAS nor FID was measured beside real data.", rule)
    text = "; ".join(parts)
    title = "Unlike the real data" if bad else "Like the real data"
    return Finding("bad" if bad else "good", title, text[0].upper() + text[1:] + ".", rule)


def _members(part: Sample, label: Hashable | None) -> np.ndarray:
    return np.arange(len(part.X)) if part.y is None else choose_per_class(part.y, label, len(part.y))


def _spread(part: Sample, label: Hashable | None) -> float | None:
    members = _members(part, label)
    chosen = members[choose(len(members), MAX_SERIES)]
    return mean_pairwise_distance(part.X[chosen]) if len(chosen) >= MIN_SERIES else None


def _ratio(a: float | None, b: float | None) -> float | None:
    return a / b if a is not None and b else None
