"""Pages: one self-contained HTML file of a run, and one that sets several runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ncvqvae.errors import InputError
from ncvqvae.files import replaced
from ncvqvae.report.content import ReportContent
from ncvqvae.report.names import figure_of, generated_keys, number_text, real_value, value_text
from ncvqvae.report.payload import MAX_CLASSES, comparison_payload, report_payload
from ncvqvae.report.style import DARK, LIGHT
from ncvqvae.report.verdict import judge

BETTER = {"lower": "lower", "higher": "higher", "real": "as real data", "": ""}


class Card(NamedTuple):
    """One figure of the first screen, with the same figure for real data and what it says."""

    title: str
    value: str
    reference: str
    hint: str


def write_report(content: ReportContent, path: str | Path) -> None:
    """Write the page of one run: verdict, figures beside those of real data, pictures; needs no network.

    Args:
        content: what the page shows.
        path: the HTML file, written whole or not at all.
    """
    page = _render(
        "report.html",
        title=content.name,
        content=content,
        verdict=judge(content),
        cards=_cards(content),
        table=_table(content.metrics),
        n_hidden=max(0, len(content.classes) - MAX_CLASSES),
        payloads=[report_payload(content)],
    )
    _write(page, path)


def write_comparison(contents: Sequence[ReportContent], path: str | Path) -> None:
    """Write a page with several runs side by side; runs on the same real series share one table and one grid.

    Args:
        contents: the runs, at least one.
        path: the HTML file, written whole or not at all.

    Raises:
        InputError: if there is no run.
    """
    if not contents:
        raise InputError("no run to compare; name at least one run's folder")
    groups = [_group(runs) for runs in _by_data(contents)]
    page = _render(
        "comparison.html",
        title=f"{len(contents)} runs side by side",
        groups=groups,
        payloads=[comparison_payload(group["contents"], [run["title"] for run in group["runs"]]) for group in groups],
    )
    _write(page, path)


def _render(template: str, **values: Any) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    from ncvqvae import __version__

    loader = PackageLoader("ncvqvae.report")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["number"] = number_text
    environment.filters["percent"] = partial(value_text, "copied")
    # our own files: no value of a user is in them
    own = {name: Markup(loader.get_source(environment, f"{file}")[0]) for name, file in _OWN_FILES.items()}
    values |= {"light": LIGHT, "dark": DARK, "version": __version__}
    return environment.get_template(template).render(**own, **values)


_OWN_FILES = {"css": "page.css", "charts": "charts.js", "views": "views.js"}


def _write(page: str, path: str | Path) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _cards(content: ReportContent) -> list[Card]:
    """The five figures of the first screen; the label-first ones where there are labels."""
    metrics = content.metrics
    fid, inception = (f"{key}_labelled" if f"{key}_labelled" in metrics else key for key in ("fid", "is"))
    cards = [_card(key, metrics) for key in (fid, inception, "cas", "copied" if "copied" in metrics else "copied_raw")]
    probes = " / ".join(number_text(metrics.get(key)) for key in ("knn", "svm"))
    return [
        *cards,
        Card("KNN / SVM", probes, _guess(content.y_test), "Higher is better. Test accuracy on the embeddings."),
    ]


def _card(key: str, metrics: Mapping[str, float]) -> Card:
    figure = figure_of(key)
    better = {"lower": "Lower is better. ", "higher": "Higher is better. "}.get(figure.better, "")
    reference = f"real data {value_text(key, real_value(key, metrics))}"
    return Card(figure.title, value_text(key, metrics.get(key)), reference, better + figure.meaning)


def _guess(y: np.ndarray | None) -> str:
    """Accuracy of always naming the commonest class: what a probe must beat."""
    if y is None:
        return "no labels"
    counts = [y.tolist().count(label) for label in set(y.tolist())]
    return f"guessing {max(counts) / len(y):#.3g}"


def _table(metrics: Mapping[str, float]) -> list[dict[str, str]]:
    rows = []
    for key in generated_keys(metrics):
        title, better, meaning = figure_of(key)
        value, real = value_text(key, metrics[key]), value_text(key, real_value(key, metrics))
        rows.append({"title": title, "value": value, "real": real, "better": BETTER[better], "meaning": meaning})
    return rows


def _by_data(contents: Sequence[ReportContent]) -> list[list[ReportContent]]:
    """Runs grouped by their held-out series, in the order given."""
    groups: list[list[ReportContent]] = []
    for content in contents:
        for group in groups:
            same_labels = (group[0].y_test is None) == (content.y_test is None)
            if same_labels and np.array_equal(group[0].X_test, content.X_test):
                group.append(content)
                break
        else:
            groups.append([content])
    return groups


def _group(contents: Sequence[ReportContent]) -> dict[str, Any]:
    """Titles, verdicts and the table of runs on the same data."""
    metrics = [content.metrics for content in contents]
    keys = generated_keys(dict.fromkeys((key for run in metrics for key in run), 0.0))
    columns = [{"title": figure_of(key).title, "better": BETTER[figure_of(key).better]} for key in keys]
    titles = _titles(contents)
    runs = []
    for title, content in zip(titles, contents, strict=True):
        cells = [
            {"text": value_text(key, content.metrics.get(key)), "best": _is_best(key, content, contents)}
            for key in keys
        ]
        runs.append({"title": title, "facts": content.facts, "verdict": judge(content), "cells": cells})
    reference = [next((v for run in metrics if (v := real_value(key, run)) is not None), None) for key in keys]
    return {
        "title": " and ".join(dict.fromkeys(content.name for content in contents)),
        "contents": contents,
        "runs": runs,
        "columns": columns,
        "reference": [value_text(key, value) for key, value in zip(keys, reference, strict=True)],
    }


def _titles(contents: Sequence[ReportContent]) -> list[str]:
    """Each run by the facts in which the runs differ, or by its name; numbered where that is not enough."""
    varying = [
        key
        for key in dict.fromkeys(key for content in contents for key in content.facts)
        if len({content.facts.get(key) for content in contents}) > 1
    ]
    parts = [[_fact(key, content.facts.get(key, "–")) for key in varying] for content in contents]
    titles = [" · ".join(named) or content.name for named, content in zip(parts, contents, strict=True)]
    taken = [*titles, "test"]  # the name of the held-out series beside them
    return [title if taken.count(title) == 1 else f"{title} ({i})" for i, title in enumerate(titles, start=1)]


def _fact(name: str, value: str) -> str:
    """A word says what it is (`vibcreg`); a number or `none` needs its name."""
    return value if value.isalpha() and value != "none" else f"{name} {value}"


def _is_best(key: str, content: ReportContent, contents: Sequence[ReportContent]) -> bool:
    """Whether a run has the best value of several; where real data is the mark, none is best."""
    better = figure_of(key).better
    values = [run.metrics[key] for run in contents if key in run.metrics]
    if key not in content.metrics or len(set(values)) < 2 or better not in ("lower", "higher"):
        return False
    return content.metrics[key] == (min(values) if better == "lower" else max(values))
