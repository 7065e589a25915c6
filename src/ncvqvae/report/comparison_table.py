"""The static part of the page of several runs: their names, how their settings differ, and which are better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import hypot
from pathlib import PurePath

import numpy as np

from ncvqvae.evaluation.metrics import metric_of
from ncvqvae.report.content import ReportContent

SEED = "seed"
"""Setting in which repetitions of one training differ."""


def run_titles(contents: Sequence[ReportContent]) -> list[str]:
    """Titles of the runs: their folders, else the facts in which they differ; equal titles get a number."""
    if all(content.folder for content in contents):
        titles = _short_paths([content.folder for content in contents])
    else:
        titles = _by_facts(contents)
    taken = [*titles, "test"]  # the name of the held-out series beside them
    return [title if taken.count(title) == 1 else f"{title} ({i})" for i, title in enumerate(titles, start=1)]


def _short_paths(folders: Sequence[str]) -> list[str]:
    """The ends of the paths, all as long as it takes to tell different ones apart."""
    parts = [PurePath(folder).parts for folder in folders]
    longest = max(len(part) for part in parts)
    for length in range(1, longest + 1):
        ends = [str(PurePath(*part[-length:])) for part in parts]
        if len(set(ends)) == len(set(parts)):
            return ends
    return [str(folder) for folder in folders]


def _by_facts(contents: Sequence[ReportContent]) -> list[str]:
    varying = [
        key
        for key in dict.fromkeys(key for content in contents for key in content.facts)
        if len({content.facts.get(key) for content in contents}) > 1
    ]
    parts = [[_fact(key, content.facts.get(key, "–")) for key in varying] for content in contents]
    return [" · ".join(named) or content.name for named, content in zip(parts, contents, strict=True)]


def _fact(name: str, value: str) -> str:
    """Text of a fact: the value alone if it explains itself (`vibcreg`); a number or `none` gets its name."""
    return value if value.isalpha() and value != "none" else f"{name} {value}"


def differing_settings(contents: Sequence[ReportContent]) -> dict[str, list[str]]:
    """Settings that differ between the runs, with the value of each run; a dash where a run lacks the setting."""
    rows = {
        name: [str(content.settings.get(name, "–")) for content in contents]
        for name in dict.fromkeys(name for content in contents for name in content.settings)
    }
    return {name: values for name, values in rows.items() if len(set(values)) > 1}


def repetitions(contents: Sequence[ReportContent]) -> list[list[int]]:
    """Places of the runs that differ in nothing but their seed."""
    groups: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for place, content in enumerate(contents):
        identity: Mapping[str, str] = content.settings or content.facts
        key = tuple(sorted((name, str(value)) for name, value in identity.items() if name != SEED))
        groups.setdefault(key, []).append(place)
    return list(groups.values())


def winners(key: str, contents: Sequence[ReportContent]) -> list[int]:
    """Places of the runs whose settings win by a metric; empty where chance may explain the lead.

    A setting wins if each setting has two seeds or more and the lead of its mean over each other mean is above two
    standard errors of the difference.
    """
    groups = repetitions(contents)
    values = [[contents[place].metrics[key] for place in group if key in contents[place].metrics] for group in groups]
    if len(groups) < 2 or min(map(len, values)) < 2:
        return []
    means = [float(np.mean(part)) for part in values]
    best = metric_of(key).best(means)
    if best is None or means.count(best) > 1:
        return []
    place = means.index(best)
    errors = [float(np.std(part, ddof=1)) / len(part) ** 0.5 for part in values]
    leads = [
        _ahead(key, best, mean) > 2 * hypot(errors[place], error)
        for other, (mean, error) in enumerate(zip(means, errors, strict=True))
        if other != place
    ]
    return groups[place] if all(leads) else []


def _ahead(key: str, best: float, other: float) -> float:
    """How far a mean is behind the best one, in the direction that counts."""
    better = metric_of(key).better
    return abs(other - better) - abs(best - better) if isinstance(better, float) else abs(best - other)
