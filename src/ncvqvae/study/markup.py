"""Tables as Markdown and LaTeX: a line per dataset, metric and source, a column per model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import pandas as pd

from ncvqvae.evaluation.metrics import metric_of
from ncvqvae.study.rows import CHAPTER_MODELS

Statistic = Literal["mean", "top1"]
PEER = {"TimeVQVAE": "TimeVQVAE, published", "real data": "real data"}


@dataclass(frozen=True)
class TableSpec:
    """Description of one table: what it shows."""

    number: int
    title: str
    statistic: Statistic
    metrics: tuple[str, ...]

    @property
    def stem(self) -> str:
        """Name of its files."""
        return f"table-{self.number}"


class Line(NamedTuple):
    """One line of a table: its heading cells, and a (text, is best) pair per column, None where nothing ran."""

    heading: tuple[str, ...]
    cells: list[tuple[str, bool] | None]


def to_markdown(spec: TableSpec, cells: pd.DataFrame) -> str:
    """The table with its title as a Markdown section."""
    models = _columns(cells)
    table = markdown_lines(["dataset", "metric", "runs"], models, _lines(cells, models))
    return f"## Table {spec.number}: {spec.title}\n\n{table}\n"


def to_latex(spec: TableSpec, cells: pd.DataFrame) -> str:
    """The table as a LaTeX float; needs package ``booktabs``."""
    models = _columns(cells)
    return latex_float(spec.stem, spec.title, ["dataset", "metric", "runs"], models, _lines(cells, models))


def markdown_lines(heading: Sequence[str], columns: Sequence[str], lines: Iterable[Line]) -> str:
    """A table of lines, best cells in bold, under the names of their heading cells and of their columns."""
    out = ["| " + " | ".join([*heading, *map(_cell, columns)]) + " |"]
    out.append("|" + " --- |" * len(heading) + " ---: |" * len(columns))
    for line in lines:
        texts = ["" if cell is None else f"**{cell[0]}**" if cell[1] else cell[0] for cell in line.cells]
        out.append("| " + " | ".join([*map(_cell, line.heading), *texts]) + " |")
    return "\n".join(out)


def latex_float(stem: str, title: str, heading: Sequence[str], columns: Sequence[str], lines: Iterable[Line]) -> str:
    """The same as a LaTeX float with a caption and the label ``tab:STEM``; needs package ``booktabs``."""
    out = [r"\begin{table}", r"\centering", rf"\caption{{{_escaped(title)}}}", rf"\label{{tab:{stem}}}"]
    out += [rf"\begin{{tabular}}{{{'l' * len(heading)}{'r' * len(columns)}}}", r"\toprule"]
    out.append(" & ".join(_escaped(name) for name in [*heading, *columns]) + r" \\")
    out.append(r"\midrule")
    for line in lines:
        texts = ["" if cell is None else _latex_cell(*cell) for cell in line.cells]
        out.append(" & ".join([*map(_escaped, line.heading), *texts]) + r" \\")
    return "\n".join([*out, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _columns(cells: pd.DataFrame) -> list[str]:
    """Models with a value in our or the study's lines: the study's in its order, then others, then peers."""
    found = dict.fromkeys(cells["model"])
    own = [name for name in found if name not in (*CHAPTER_MODELS, *PEER.values())]
    return [name for name in (*CHAPTER_MODELS, *own, *PEER.values()) if name in found]


def _lines(cells: pd.DataFrame, models: list[str]) -> Iterator[Line]:
    for (dataset, metric, source), group in cells.groupby(["dataset", "metric", "source"], sort=False):
        by_model = {row["model"]: row for row in group.to_dict("records")}
        places = metric_of(str(metric)).decimals
        rows = [by_model.get(model) for model in models]
        texts = [None if row is None else (number(row["value"], row["sd"], places), bool(row["best"])) for row in rows]
        seeds = group.loc[~group["model"].isin(PEER.values()), "n_seeds"].dropna().astype(int)
        n = f" ({seeds.min()})" if seeds.min() == seeds.max() else f" ({seeds.min()}–{seeds.max()})"
        yield Line((str(dataset), metric_name(str(metric)), f"{source}{n if len(seeds) else ''}"), texts)


def plain_markdown(table: pd.DataFrame) -> str:
    """Any table in Markdown, with its columns and rows as they are."""
    lines = ["| " + " | ".join(table.columns) + " |", "|" + " --- |" * len(table.columns)]
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in table.itertuples(index=False)]
    return "\n".join(lines)


def number(value: float, sd: float, places: int) -> str:
    """``mean ± sd``; a single seed has no sd, and a missing value gives an empty text."""
    if value != value:
        return ""
    spread = "" if sd != sd else f" ± {sd:.{places}f}"
    return f"{value:.{places}f}{spread}"


def metric_name(key: str) -> str:
    """A metric's title with an arrow for the better direction: `FID, label-first ↓`."""
    return f"{metric_of(key).title} {metric_of(key).arrow}".rstrip()


def _latex_cell(text: str, best: bool) -> str:
    number = text.replace("±", r"\pm").replace(" [", r"\;[").replace("; ", r";\;")
    return rf"$\mathbf{{{number}}}$" if best else f"${number}$"


_LATEX = str.maketrans(
    {
        **{sign: f"\\{sign}" for sign in "_%&$#{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "↑": r"$\uparrow$",
        "↓": r"$\downarrow$",
        "–": "--",
        "\n": " ",
        "\r": " ",
    }
)
_MARKDOWN = str.maketrans({**{sign: f"\\{sign}" for sign in "\\|`*<$["}, "\n": " ", "\r": " "})


def _escaped(text: str) -> str:
    """Text for LaTeX with special characters escaped."""
    return text.translate(_LATEX)


def _cell(value: object) -> str:
    """Text for a Markdown cell with special characters escaped."""
    return str(value).translate(_MARKDOWN)
