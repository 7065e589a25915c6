"""HTML pages, each one self-contained file: the report of one run, and the comparison of several runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ncvqvae.errors import InputError
from ncvqvae.evaluation.metrics import (
    FIRST_SCREEN,
    grouped_keys,
    interval_text,
    metric_of,
    number_text,
    real_key,
    real_value,
    value_text,
)
from ncvqvae.files import replaced
from ncvqvae.report.comparison_data import by_data, comparison_payload, run_titles
from ncvqvae.report.content import ReportContent
from ncvqvae.report.page_data import MAX_CLASSES, report_payload
from ncvqvae.report.style import DARK, LIGHT
from ncvqvae.report.verdict import judge


class Card(NamedTuple):
    """One metric at the top of the page, with its value for real data and its meaning."""

    title: str
    value: str
    interval: str
    reference: str
    hint: str


def write_report(content: ReportContent, path: str | Path) -> None:
    """Write the page of one run: verdict, metrics beside those of real data, pictures; the page needs no network.

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
    """Write a page with several runs side by side; runs on the same real series share one table and one grid of series.

    Args:
        contents: the runs, at least one.
        path: the HTML file, written whole or not at all.

    Raises:
        InputError: if there is no run.
    """
    if not contents:
        raise InputError("no run to compare; name at least one run's folder")
    groups = [_group(runs) for runs in by_data(contents)]
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
    # Markup is safe here: these are the package's own files, without any value from a user
    own = {name: Markup(loader.get_source(environment, f"{file}")[0]) for name, file in _OWN_FILES.items()}
    values |= {"light": LIGHT, "dark": DARK, "version": __version__}
    return environment.get_template(template).render(**own, **values)


_OWN_FILES = {"css": "page.css", "charts": "charts.js", "views": "views.js"}


def _write(page: str, path: str | Path) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _cards(content: ReportContent) -> list[Card]:
    """The five metrics at the top of the page; the probes replace variety if it was not measured."""
    metrics = content.metrics
    present = [next((key for key in keys if key in metrics), None) for keys in FIRST_SCREEN]
    return [
        _probe_card(content) if key is None and keys[0] == "coverage" else _card(key or keys[0], metrics)
        for key, keys in zip(present, FIRST_SCREEN, strict=True)
    ]


def _card(key: str, metrics: Mapping[str, float]) -> Card:
    metric = metric_of(key)
    better = f"Better: {metric.better_text}. " if metric.better else ""
    reference = f"real data {value_text(key, real_value(key, metrics))}"
    value, interval = value_text(key, metrics.get(key)), interval_text(key, metrics)
    return Card(metric.title, value, interval, reference, better + metric.meaning)


def _probe_card(content: ReportContent) -> Card:
    probes = " / ".join(number_text(content.metrics.get(key)) for key in ("knn", "svm"))
    return Card("KNN / SVM", probes, "", _guess(content.y_test), "Higher is better. Test accuracy on the embeddings.")


def _guess(y: np.ndarray | None) -> str:
    """Accuracy of always guessing the commonest class, which a probe must beat."""
    if y is None:
        return "no labels"
    counts = [y.tolist().count(label) for label in set(y.tolist())]
    return f"guessing {max(counts) / len(y):#.3g}"


def _table(metrics: Mapping[str, float]) -> dict[str, list[dict[str, str]]]:
    """Rows of the table of all metrics, by the title of their group."""
    return {title: [_row(key, metrics) for key in keys] for title, keys in grouped_keys(metrics).items()}


def _row(key: str, metrics: Mapping[str, float]) -> dict[str, str]:
    metric, real = metric_of(key), real_key(key, metrics)
    return {
        "title": metric.title,
        "value": value_text(key, metrics.get(key)),
        "interval": interval_text(key, metrics),
        "real": value_text(key, real_value(key, metrics)),
        "real_interval": "" if real is None else interval_text(real, metrics),
        "better": metric.better_text,
        "meaning": metric.meaning,
    }


def _group(contents: Sequence[ReportContent]) -> dict[str, Any]:
    """Titles, verdicts and table of runs on the same data: a row per metric, a column per run, real data last."""
    titles = run_titles(contents)
    every = {key: value for content in reversed(contents) for key, value in content.metrics.items()}
    return {
        "title": " and ".join(dict.fromkeys(content.name for content in contents)),
        "contents": contents,
        "runs": [
            {"title": title, "facts": content.facts, "verdict": judge(content)}
            for title, content in zip(titles, contents, strict=True)
        ],
        "table": {
            title: [_compared(key, every, contents) for key in keys] for title, keys in grouped_keys(every).items()
        },
    }


def _compared(key: str, every: Mapping[str, float], contents: Sequence[ReportContent]) -> dict[str, Any]:
    """One row of the comparison; `every` has the metrics of all runs together."""
    cells = [
        {
            "text": value_text(key, content.metrics.get(key)),
            "interval": interval_text(key, content.metrics),
            "best": _is_best(key, content, contents),
        }
        for content in contents
    ]
    return _row(key, every) | {"cells": cells}


def _is_best(key: str, content: ReportContent, contents: Sequence[ReportContent]) -> bool:
    """Whether a run has the best value of a metric; no run has it if all values are equal."""
    values = [run.metrics[key] for run in contents if key in run.metrics]
    return len(set(values)) > 1 and content.metrics.get(key) == metric_of(key).best(values) is not None
