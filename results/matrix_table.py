"""The table of the study's models in README.md beside this, and how near they are to the authors' runs.

``python results/matrix_table.py`` makes both from ``matrix.csv``.
"""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.integrate import quad
from scipy.stats import norm

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


class Agreement(NamedTuple):
    """Of how many means of ours, how many lie within the authors' runs; and the same of both seeds one by one."""

    n: int
    within: int
    both_within: int
    both_outside: int


def agreement(without: Collection[str] = ()) -> Agreement:
    """Counts over models, datasets (but those left out) and the metrics that the authors measured as we do."""
    cells = [(cell, metric) for cell in _cells() if cell.dataset not in without for metric in COMPARED]
    sides = [_sides(cell.theirs[metric].to_numpy(), cell.ours[metric].to_numpy()) for cell, metric in cells]
    within = sum(cell.is_within(metric) for cell, metric in cells)
    both_within, both_outside = sum((s == 0).all() for s in sides), sum(abs(s.sum()) == 2 for s in sides)
    return Agreement(len(cells), within, int(both_within), int(both_outside))


def _sides(theirs: np.ndarray, ours: np.ndarray) -> np.ndarray:
    """0 of a run of ours within the range of theirs, -1 below, 1 above."""
    return (ours > theirs.max()).astype(int) - (ours < theirs.min()).astype(int)


def expected_within(theirs: int = 4, ours: int = 2) -> float:
    """How often a mean of ours lies within the range of theirs if all runs are of one normal distribution."""

    def both(z: float) -> float:
        return float(norm.pdf(z, scale=ours**-0.5) * (1 - norm.cdf(z) ** theirs - norm.sf(z) ** theirs))

    return float(quad(both, -8, 8)[0])


def observed_within_halves() -> float:
    """The same with two of the authors' runs as theirs and the other two as ours, over all cells and splits."""
    found = []
    for _, runs in published_rows().groupby(["dataset", "model"]):
        for values in runs[[*COMPARED]].to_numpy().T:
            for a, b in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)):
                rest = np.delete(values, [a, b])
                found.append(rest.min() <= values[[a, b]].mean() <= rest.max())
    return float(np.mean(found))


def redrawn_within(n_cells: int, times: int = 1000) -> tuple[float, float]:
    """Mean and sd of the share within, of as many cells with six runs each that are drawn from the authors' runs.

    Each run is drawn with all its metrics, as a deviation from its cell's mean in units of the cell's sd.
    """
    groups = published_rows().groupby(["dataset", "model"])[[*COMPARED]]
    pool = ((groups.transform("mean") * -1 + published_rows()[[*COMPARED]]) / groups.transform("std")).to_numpy()
    rng = np.random.default_rng(0)
    drawn = pool[rng.integers(len(pool), size=(times, n_cells, 6))]
    theirs, mean = drawn[:, :, :4], drawn[:, :, 4:].mean(axis=2)
    within = ((theirs.min(axis=2) <= mean) & (mean <= theirs.max(axis=2))).mean(axis=(1, 2))
    return float(within.mean()), float(within.std())


def in_short() -> str:
    """What the project's README says of the replication."""
    every, but_one = agreement(), agreement(["ECG5000"])
    return (
        f"Of our {every.n} means of two seeds {_counted(every.within, every)} lie within the range of the authors' "
        f"four runs; a perfect replication would have about {_percent(expected_within())}. Without ECG5000 it is "
        f"{but_one.within} of {but_one.n} ({_percent(but_one.within / but_one.n)})."
    )


def in_full() -> str:
    """What README.md beside this says of it."""
    every, but_one = agreement(), agreement(["ECG5000"])
    share, sd = redrawn_within(every.n // len(COMPARED))
    inside, outside = (_counted(n, every) for n in (every.both_within, every.both_outside))
    return (
        f"{in_short()} Both seeds lie within the range in {inside} of them, and outside it on the same side in "
        f"{outside}; without ECG5000 in {_counted(but_one.both_within, but_one)} and "
        f"{_counted(but_one.both_outside, but_one)}. A perfect replication would have 40 % and 13 % there, whatever "
        f"the distribution. The {_percent(expected_within())} of means are those of normal runs. Runs drawn from the "
        f"authors' own give {_percent(share)} ± {_percent(sd)} over as many models. The mean of two of their runs lies "
        f"within the other two in {_percent(observed_within_halves(), 1)} of cases, where normal runs would in "
        f"{_percent(expected_within(2, 2), 1)}."
    )


def _counted(n: int, of: Agreement) -> str:
    return f"{n} ({_percent(n / of.n)})"


def _percent(share: float, places: int = 0) -> str:
    return f"{100 * share:.{places}f} %"


def _cells() -> Iterable[Cell]:
    ours, theirs = map(_by_cell, (collect_rows(ROWS), published_rows()))
    for dataset in sorted({dataset for dataset, _ in ours}):
        for model in CHAPTER_MODELS:
            if (dataset, model) in ours:
                yield Cell(dataset, model, ours[dataset, model], theirs[dataset, model])


def _by_cell(rows: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    return {(str(dataset), str(model)): of for (dataset, model), of in rows.groupby(["dataset", "model"])}


if __name__ == "__main__":
    print(table(), in_full(), sep="\n")
