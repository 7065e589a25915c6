"""The table of the study's models in README.md beside this, from ``matrix.csv``: ``python results/matrix_table.py``."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ncvqvae.evaluation.metric_list import STUDY
from ncvqvae.evaluation.metrics import metric_of
from ncvqvae.study.markup import metric_name, number, plain_markdown
from ncvqvae.study.rows import CHAPTER_MODELS, collect_rows, published_rows

ROWS = Path(__file__).with_name("matrix.csv")
COMPARED = ("val_recon", "knn", "svm", "fid", "is")
"""Metrics that the authors measured as we do."""


class Cell(NamedTuple):
    """Runs of one model on one dataset, ours and the authors'."""

    dataset: str
    model: str
    ours: pd.DataFrame
    theirs: pd.DataFrame

    def is_within(self, metric: str) -> bool:
        """Whether our mean lies among the authors' runs."""
        return bool(self.theirs[metric].min() <= self.ours[metric].mean() <= self.theirs[metric].max())


def table() -> str:
    """Markdown: a row a dataset and model, mean ± sd over seeds; a star marks a mean outside the authors' runs."""
    lines = []
    for cell in _cells():
        line = {"dataset": cell.dataset, "model": cell.model, "seeds": ", ".join(map(str, sorted(cell.ours["seed"])))}
        for metric in [name for name in STUDY if name in cell.ours]:
            star = " *" * (metric in COMPARED and not cell.is_within(metric))
            line[metric_name(metric)] = (
                number(cell.ours[metric].mean(), cell.ours[metric].std(), metric_of(metric).decimals) + star
            )
        lines.append(line)
    return plain_markdown(pd.DataFrame(lines))


def n_within() -> tuple[int, int]:
    """How many of the compared means lie within the authors' runs, and how many there are."""
    within = [cell.is_within(metric) for cell in _cells() for metric in COMPARED]
    return sum(within), len(within)


def _cells() -> Iterable[Cell]:
    ours, theirs = map(_by_cell, (collect_rows(ROWS), published_rows()))
    for dataset in sorted({dataset for dataset, _ in ours}):
        for model in CHAPTER_MODELS:
            if (dataset, model) in ours:
                yield Cell(dataset, model, ours[dataset, model], theirs[dataset, model])


def _by_cell(rows: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    return {(str(dataset), str(model)): of for (dataset, model), of in rows.groupby(["dataset", "model"])}


if __name__ == "__main__":
    print(table(), "{} of {} within".format(*n_within()), sep="\n")
