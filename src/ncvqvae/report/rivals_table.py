"""The table and charts of rivals: each beside the generated series, the cheapest first."""

from __future__ import annotations

from typing import Any, NamedTuple

from ncvqvae.evaluation.metric_list import RIVALLED, RIVALS
from ncvqvae.evaluation.metrics import metric_of, of_rival, real_value, value_text
from ncvqvae.report.content import ReportContent
from ncvqvae.report.page_data import rounded
from ncvqvae.report.rivals import cheapest_as_good, measured_rivals, useful_key

MAX_COLUMNS = 6


class RivalsTable(NamedTuple):
    """Titles of columns, rows of texts (name, then values), the sentence above, and the charts by metric."""

    columns: list[str]
    rows: list[list[str]]
    says: str
    charts: list[dict[str, Any]]


def rivals_table(content: ReportContent) -> RivalsTable:
    """Generated series, rivals and real data by metric; empty if no rival was measured."""
    m, rivals = content.metrics, measured_rivals(content.metrics)
    keys = [key for key in RIVALLED if any(of_rival(key, rival) in m for rival in rivals)][:MAX_COLUMNS]
    if not keys:
        return RivalsTable([], [], "", [])
    sources = {"Generated series": "", **{_capital(RIVALS[rival]): rival for rival in rivals}}
    rows = [
        [name, *(value_text(key, m.get(of_rival(key, rival) if rival else key)) for key in keys)]
        for name, rival in sources.items()
    ]
    rows.append(["Real data", *(value_text(key, real_value(key, m)) for key in keys)])
    charts = [_chart(key, content, sources) for key in keys]
    return RivalsTable([metric_of(key).title for key in keys], rows, _says(content), charts)


def _chart(key: str, content: ReportContent, sources: dict[str, str]) -> dict[str, Any]:
    """The values of one metric by source, with their standard deviations over seeds."""
    metric, m = metric_of(key), content.metrics
    names = {title: of_rival(key, rival) if rival else key for title, rival in sources.items()}
    return {
        "title": metric.title,
        "better": metric.better_text,
        "runs": [
            {"title": title, "value": rounded(m[name]), "sd": rounded(m.get(f"{name}_sd", float("nan")))}
            for title, name in names.items()
            if name in m
        ],
        "real": real_value(key, m),
        "log": metric.logarithmic,
    }


def _says(content: ReportContent) -> str:
    key = useful_key(content.metrics)
    if key is None:
        return ""
    cheapest = cheapest_as_good(content.metrics, len(content.X_test))
    measured = f"by {metric_of(key).title}"
    if cheapest is None:
        return f"No cheap augmentation does as well as the generated series, {measured}."
    return f"The cheapest thing that does as well as the generated series, {measured}: {RIVALS[cheapest]}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
