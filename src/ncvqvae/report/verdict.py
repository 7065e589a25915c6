"""A plain verdict on the generated series: the answer to "are they worth using?", reasons, and the next step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ncvqvae.evaluation.metric_list import RIVALS
from ncvqvae.evaluation.metrics import number_text, of_rival
from ncvqvae.report.content import ReportContent
from ncvqvae.report.findings import Finding, find
from ncvqvae.report.rivals import best_rival
from ncvqvae.report.variety import ClassRow, class_rows

MARKS = {"good": "✓", "bad": "✗", "even": "=", "unknown": "?"}


@dataclass(frozen=True)
class Verdict:
    """What the page and the terminal say of the generated series.

    Attributes:
        answer: one sentence: does using them help, and does a cheap rival help as much?
        headline: a few words.
        fine: whether all is well; None if something was not judged, or if the series bring no gain.
        findings: each check.
        next_step: what to do now.
        classes: the variety of each class.
    """

    answer: str
    headline: str
    fine: bool | None
    findings: list[Finding]
    next_step: str
    classes: list[ClassRow]

    @property
    def mark(self) -> str:
        """`✓`, `✗`, or `?` where it is not decided."""
        return {True: "✓", False: "✗", None: "?"}[self.fine]

    @property
    def lines(self) -> list[str]:
        """The verdict as plain text for a terminal: answer, headline, reasons, advice.

        Where all is well there is no advice: the command that ``evaluate`` ends in is the next step.
        """
        reasons = [f"{MARKS[finding.state]} {finding.title}. {finding.text}" for finding in self.findings]
        advice = [] if self.fine else [f"advice: {self.next_step}"]
        return [self.answer, f"verdict: {self.headline}", *reasons, *advice]


def judge(content: ReportContent) -> Verdict:
    """Verdict on the generated series of a run, from its metrics and from the spread within each class."""
    classes = class_rows(content)
    findings = find(content, classes)
    headline, fine = _headline(findings)
    advice = (finding.advice for state in ("bad", "unknown", "even") for finding in findings if finding.state == state)
    draw = "Draw as many as you need: ncvqvae sample RUN -n 500 --out new.csv"
    fine_step = "Use them." if content.codebook is None else draw  # series without their model are all there are
    next_step = next(filter(None, advice), fine_step)
    return Verdict(answer(content.metrics), headline, fine, findings, next_step, classes)


def _headline(findings: list[Finding]) -> tuple[str, bool | None]:
    """A few words, and whether all is well: what is bad counts most, then what is unknown, then what is no gain."""
    for state, start, fine in (("bad", "", False), ("unknown", "Not fully judged", None), ("even", "Sound", None)):
        titles = [finding.title for finding in findings if finding.state == state]
        if titles:
            return " · ".join(filter(None, [start, *titles])), fine
    return "Fine", True


def answer(metrics: Mapping[str, float]) -> str:
    """One sentence on what a user wants to know: does it help to use the generated series?"""
    m = metrics
    if {"utility_real", "utility_both"} <= m.keys():
        number = f"{m['utility_n_added']:.0f} " if "utility_n_added" in m else ""
        spread = f" ± {m['utility_both_sd']:.3f}" if "utility_both_sd" in m else ""
        change = f"from {m['utility_real']:.3f} to {m['utility_both']:.3f}{spread}"
        text = f"Adding {number}generated series moved a classifier {change}"
        return f"{text}{_beside(m, 'utility_both', 'to')}."
    for key in ("cas_rocket", "cas"):
        if {key, f"{key}_real"} <= m.keys():
            text = f"A classifier trained on generated series alone reaches {m[key]:.3f}, on real ones"
            return f"{text} {m[f'{key}_real']:.3f}{_beside(m, key, 'reaches')}."
    if "c2st" in m:
        return f"A classifier tells generated from held-out series in {m['c2st']:.0%} of cases; 50% is guessing."
    fid = next((key for key in ("fid_labelled", "fid") if {key, "fid_real"} <= m.keys()), None)
    if fid is not None:
        return f"FID is {number_text(m[fid])}, between real series {number_text(m['fid_real'])}."
    return "Nothing was measured that tells whether the generated series are worth using."


def _beside(m: Mapping[str, float], key: str, verb: str) -> str:
    """The best rival's value, to stand at the end of a sentence."""
    rival = best_rival(m, key)
    if rival is None:
        return ""
    return f"; {RIVALS[rival]}, the best cheap rival, {verb} {m[of_rival(key, rival)]:.3f}"
