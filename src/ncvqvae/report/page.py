"""HTML pages, each one self-contained file: the report of one run, and the comparison of several runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from ncvqvae.errors import InputError
from ncvqvae.evaluation.metric_list import FIRST_SCREEN
from ncvqvae.evaluation.metrics import (
    grouped_keys,
    interval_text,
    metric_of,
    number_text,
    real_key,
    real_value,
    value_text,
)
from ncvqvae.files import replaced
from ncvqvae.report.comparison_data import by_data, comparison_payload
from ncvqvae.report.comparison_table import differing_settings, repetitions, run_titles, winners
from ncvqvae.report.content import ReportContent
from ncvqvae.report.page_data import MAX_CLASSES, report_payload
from ncvqvae.report.rivals import own_metrics
from ncvqvae.report.rivals_table import rivals_table
from ncvqvae.report.style import THEMES
from ncvqvae.report.verdict import MARKS, Verdict, judge


class Card(NamedTuple):
    """One metric at the top of the page, with its value for real data, its meaning and what it was computed from."""

    title: str
    value: str
    interval: str
    reference: str
    hint: str
    n: str


def write_report(content: ReportContent, path: str | Path) -> None:
    """Write the page of one run: verdict, metrics beside those of real data, charts; the page needs no network.

    Args:
        content: what the page shows.
        path: the HTML file, written whole or not at all.
    """
    verdict, rivals = judge(content), rivals_table(content)
    page = _render(
        "report.html",
        title=f"Report on generated series: {content.name}",
        content=content,
        about=_about(content),
        verdict=verdict,
        cards=_cards(content),
        rivals=rivals,
        table=_table(own_metrics(content.metrics)),
        with_intervals=any(interval_text(key, content.metrics) for key in content.metrics),
        n_hidden=max(0, len(content.classes) - MAX_CLASSES),
        payloads=[report_payload(content) | {"rivals": rivals.charts}],
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
        rules_of=groups[0]["runs"][0]["verdict"].findings,
        payloads=[comparison_payload(group["contents"], [run["title"] for run in group["runs"]]) for group in groups],
    )
    _write(page, path)


def _render(template: str, **values: Any) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    loader = PackageLoader("ncvqvae.report", "")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = number_text
    environment.filters["percent"] = partial(value_text, "copied")
    # Markup is safe here: these are the package's own files, without any value from a user
    own = {name: Markup(loader.get_source(environment, file)[0]) for name, file in _OWN_FILES.items()}
    values |= {"themes": THEMES, "version": metadata.version("ncvqvae"), "marks": MARKS}
    return environment.get_template(f"templates/{template}").render(**own, **values)


_OWN_FILES = {
    "css": "templates/page.css",
    "plotly": "assets/plotly-cartesian.min.js",
    "charts": "templates/charts.js",
    "views": "templates/views.js",
}


def _write(page: str, path: str | Path) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _about(content: ReportContent) -> str:
    """One plain sentence on what the page is."""
    made = content.generated
    what = "no generated series" if made is None else f"{len(made.X)} generated series"
    source = f" ({content.facts['samples']})" if "samples" in content.facts else ""
    return (
        f"This page compares {what}{source} with {len(content.X_test)} real ones that were held out of the training, "
        "and says whether they are worth using."
    )


def _cards(content: ReportContent) -> list[Card]:
    """The three metrics at the top of the page."""
    present = [next((key for key in keys if key in content.metrics), None) for keys in FIRST_SCREEN]
    return [_card(key, content) for key in present if key is not None]


def _card(key: str, content: ReportContent) -> Card:
    metric, m, n_heldout = metric_of(key), content.metrics, len(content.X_test)
    hint = (f"Better: {metric.better_text}. " if metric.better else "") + metric.meaning
    value = value_text(key, m.get(key))
    n_made = 0 if content.generated is None else len(content.generated.X)
    n = f"n = {n_made} generated, {n_heldout} held-out series"
    if n_heldout < metric.least:
        reason = f"{n_heldout} held-out series are too few, {metric.least} are needed"
        return Card(metric.title, "cannot be judged", "", reason, hint, n)
    reference = f"real data {value_text(key, real_value(key, m))}"
    return Card(metric.title, value, _with_spread(key, m), reference, hint, n)


def _with_spread(key: str, metrics: Mapping[str, float]) -> str:
    """A metric's interval, or its standard deviation over seeds, or nothing."""
    spread = f"± {metrics[f'{key}_sd']:.2g}" if f"{key}_sd" in metrics else ""
    return interval_text(key, metrics) or spread


def _table(metrics: Mapping[str, float]) -> dict[str, list[dict[str, str]]]:
    """Rows of the table of all metrics, by the title of their group."""
    shown = {key: value for key, value in metrics.items() if not _is_spread(key, metrics)}
    return {title: [_row(key, metrics) for key in keys] for title, keys in grouped_keys(shown).items()}


def _is_spread(key: str, metrics: Mapping[str, float]) -> bool:
    """Whether a key is the standard deviation of another metric, which stands beside that one."""
    return key.endswith("_sd") and key.removesuffix("_sd") in metrics


def _row(key: str, metrics: Mapping[str, float]) -> dict[str, str]:
    metric, real = metric_of(key), real_key(key, metrics)
    return {
        "title": metric.title,
        "value": value_text(key, metrics.get(key)),
        "interval": _with_spread(key, metrics),
        "real": value_text(key, real_value(key, metrics)),
        "real_interval": "" if real is None else _with_spread(real, metrics),
        "better": metric.better_text,
        "meaning": metric.meaning,
    }


def _group(contents: Sequence[ReportContent]) -> dict[str, Any]:
    """Titles, verdicts and table of runs on the same data: a row per metric, a column per run, real data last."""
    titles = run_titles(contents)
    verdicts: list[Verdict] = [judge(content) for content in contents]
    every = own_metrics({key: value for content in reversed(contents) for key, value in content.metrics.items()})
    shown = {key: value for key, value in every.items() if not _is_spread(key, every)}
    groups = repetitions(contents)
    return {
        "title": " and ".join(dict.fromkeys(content.name for content in contents)),
        "contents": contents,
        "runs": [
            {"title": title, "content": content, "verdict": verdict}
            for title, content, verdict in zip(titles, contents, verdicts, strict=True)
        ],
        "settings": differing_settings(contents),
        "has_seeds": len(groups) > 1 and min(map(len, groups)) > 1,
        "table": {
            title: [_compared(key, every, contents) for key in keys] for title, keys in grouped_keys(shown).items()
        },
    }


def _compared(key: str, every: Mapping[str, float], contents: Sequence[ReportContent]) -> dict[str, Any]:
    """One row of the comparison; `every` has the metrics of all runs together."""
    best = winners(key, contents)
    cells = [
        {
            "text": value_text(key, content.metrics.get(key)),
            "interval": _with_spread(key, content.metrics),
            "best": place in best,
        }
        for place, content in enumerate(contents)
    ]
    return _row(key, every) | {"cells": cells}
