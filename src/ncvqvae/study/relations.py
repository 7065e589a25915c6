"""How what the tokenizer reaches goes with what is generated: rank correlations over runs, each dataset by itself."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ncvqvae.evaluation.metric_list import RELATED
from ncvqvae.evaluation.metrics import metric_of
from ncvqvae.files import replaced
from ncvqvae.study.markup import Line, latex_float, markdown_lines, metric_name
from ncvqvae.study.pictures import save

Pairs = list[tuple[NDArray[np.float64], NDArray[np.float64]]]
"""Two metrics of the runs of each group."""

TITLE = "Relations: Spearman's rho over runs, its 95 % interval, and the number of runs"
POOLED, WITHIN_VIEWS = "pooled", "pooled within augmentations"
"""Scopes beside that of a single dataset: runs of one dataset are compared, or of one dataset and augmentation."""

LEAST_RUNS = 8
"""Runs of one dataset from which on there is a line; with fewer the interval misses too often. A pool needs as many
comparisons: the runs of each group but one, over all groups."""

AT_ONCE = 2_000_000
"""Runs of resamples that are in memory at once."""

LEAST_IN_GROUP = 3
"""Runs of a group that counts in a pool: two runs can only agree or disagree."""


def relations(rows: pd.DataFrame, n_resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Spearman's rho of each pair of a metric of the tokenizer or of training and one of generated series.

    In a pool each group of runs is ranked by itself, and the ranks, as shares of the group's size, are centred: neither
    differences between datasets nor their sizes count. Of a single group the result is Spearman's rho. The interval is
    the middle 95 % over resamples of the runs within each group (bootstrap).

    Args:
        rows: a row per run: `dataset`, `ssl`, `augmentation` and metrics. Runs that lack one of the two are left out.
        n_resamples: number of resamples behind an interval.
        seed: of the resamples.

    Returns:
        A line for each pair and scope with enough runs in which both metrics vary: scope, dataset, first, second, runs,
        rho, low, high.
    """
    found = []
    for first, second in [(a, b) for a in RELATED[0] for b in RELATED[1] if {a, b} <= set(rows)]:
        known = rows.dropna(subset=[first, second])
        # one loss is on another scale than the other
        own = ["dataset", "ssl"] if first == "ssl_loss" else ["dataset"]
        scopes = [(POOLED, "", known, own), (WITHIN_VIEWS, "", known, [*own, "augmentation"])]
        scopes += [("dataset", str(name), of, own) for name, of in known.groupby("dataset", sort=False)]
        for scope, dataset, runs, columns in scopes:
            x, y = (runs[name].to_numpy(float) for name in (first, second))
            pairs = _varying([(x[of], y[of]) for of in runs.groupby(columns, sort=True).indices.values()])
            if sum(len(x) - 1 for x, _ in pairs) < LEAST_RUNS - 1:
                continue
            low, high = interval(pairs, n_resamples, seed)
            place = {"scope": scope, "dataset": dataset, "first": first, "second": second}
            n, rho = sum(len(x) for x, _ in pairs), float(rank_correlation(pairs))
            found.append(place | {"runs": n, "rho": rho, "low": low, "high": high})
    return pd.DataFrame(found)


def rank_correlation(pairs: Pairs, weights: list[NDArray[np.int_]] | None = None) -> NDArray[np.float64]:
    """Spearman's rho over groups that are ranked each by itself; NaN where a metric does not vary.

    Args:
        pairs: two metrics of the runs of each group.
        weights: of each group how often each run counts, (..., runs); once where there are none.
    """
    weights = weights or [np.ones(len(x), int) for x, _ in pairs]
    xy = xx = yy = np.zeros(())
    for (x, y), times in zip(pairs, weights, strict=True):
        a, b = _centred_ranks(x, times), _centred_ranks(y, times)
        xy, xx, yy = (total + (times * u * v).sum(axis=-1) for total, u, v in ((xy, a, b), (xx, a, a), (yy, b, b)))
    with np.errstate(invalid="ignore"):
        return np.asarray(xy / np.sqrt(xx * yy))


def _centred_ranks(values: NDArray[np.float64], times: NDArray[np.int_]) -> NDArray[np.float64]:
    """Ranks of values that count several times or not at all, as shares of their number, about 0; ties share a rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    each = np.add.reduceat(times[..., np.argsort(place, kind="stable")], np.cumsum(counts) - counts, axis=-1)
    below = np.cumsum(each, axis=-1) - each / 2
    return np.asarray(below[..., place] / len(values) - 0.5)


def _varying(pairs: Pairs) -> Pairs:
    """Groups that can tell of a relation: both metrics vary, over more than two runs."""
    return [pair for pair in pairs if len(pair[0]) >= LEAST_IN_GROUP and all(np.ptp(values) > 0 for values in pair)]


def interval(pairs: Pairs, n_resamples: int, seed: int) -> tuple[float, float]:
    """The middle 95 % of rho over resamples of the runs within each group; resamples that do not vary are left out."""
    rng = np.random.default_rng(seed)
    sizes = [len(x) for x, _ in pairs]
    at_once = max(1, AT_ONCE // sum(sizes))
    parts = []
    for begin in range(0, n_resamples, at_once):
        n = min(at_once, n_resamples - begin)
        parts.append(rank_correlation(pairs, [_resamples(size, n, rng) for size in sizes]))
    drawn = np.concatenate(parts)
    low, high = np.quantile(drawn[np.isfinite(drawn)], [0.025, 0.975])
    return round(float(low), 9) + 0.0, round(float(high), 9) + 0.0  # an end of 0 is 0, whatever the machine adds up


def _resamples(size: int, n: int, rng: np.random.Generator) -> NDArray[np.int_]:
    """How often each of some runs is drawn, with replacement, in n resamples of as many: (n, size)."""
    chosen = rng.integers(size, size=(n, size)) + size * np.arange(n)[:, np.newaxis]
    return np.bincount(chosen.ravel(), minlength=n * size).reshape(n, size)


def _lines(found: pd.DataFrame) -> list[Line]:
    """A line per scope and metric of the tokenizer, a column per generated metric; in bold what differs from 0."""
    rows = {(row["scope"], row["dataset"], row["first"], row["second"]): row for row in found.to_dict("records")}
    lines = []
    for scope, dataset in dict.fromkeys(zip(found["scope"], found["dataset"], strict=True)):
        for first in _present(found, "first"):
            cells = [_cell(rows.get((scope, dataset, first, second))) for second in _present(found, "second")]
            if any(cells):
                lines.append(Line((dataset or f"all, {scope}", metric_name(first)), cells))
    return lines


def _cell(row: dict[Hashable, Any] | None) -> tuple[str, bool] | None:
    if row is None:
        return None
    text = f"{row['rho']:.2f} [{row['low']:.2f}, {row['high']:.2f}]; {row['runs']}"
    return text, row["low"] > 0 or row["high"] < 0


def _present(found: pd.DataFrame, side: str) -> list[str]:
    return [name for name in RELATED[side == "second"] if name in set(found[side])]


def save_relations(rows: pd.DataFrame, out: Path) -> tuple[list[Path], str]:
    """Write ``relations.csv``, ``.md``, ``.tex`` and the picture; returns the files and the table in Markdown.

    Nothing is written, and the text is empty, where no pair has enough runs.
    """
    found = relations(rows)
    if found.empty:
        return [], ""
    heading, columns, lines = ["dataset", "metric"], list(map(metric_name, _present(found, "second"))), _lines(found)
    markdown = f"## {TITLE}\n\n{markdown_lines(heading, columns, lines)}\n"
    texts = {
        "csv": found.round(4).to_csv(index=False),
        "md": markdown,
        "tex": latex_float("relations", TITLE, heading, columns, lines),
    }
    files = []
    for kind, text in texts.items():
        path = out / f"relations.{kind}"
        with replaced(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        files.append(path)
    return files + save(picture(found), out / "relations"), markdown


def picture(found: pd.DataFrame) -> Figure:
    """Rho of the two pools with intervals: a panel per generated metric, a line per metric of the tokenizer."""
    pools = found[found["scope"] != "dataset"]
    firsts, seconds = (_present(found, side) for side in ("first", "second"))
    looks = {POOLED: ("o", "#0072b2", -0.12), WITHIN_VIEWS: ("s", "#d55e00", 0.12)}
    with mpl.rc_context({"axes.spines.top": False, "axes.spines.right": False, "font.size": 9}):
        size = (1.9 * len(seconds) + 1.6, 0.45 * len(firsts) + 1.3)
        figure = Figure(size, layout="constrained")
        axes = figure.subplots(1, len(seconds), sharey=True, squeeze=False)[0]
    for axis, second in zip(axes, seconds, strict=True):
        for scope, (marker, colour, shift) in looks.items():
            of = pools[(pools["second"] == second) & (pools["scope"] == scope)]
            at = np.array([firsts.index(name) for name in of["first"]]) + shift
            axis.hlines(at, of["low"], of["high"], lw=1, color=colour)
            axis.plot(of["rho"], at, marker, ms=4, color=colour, label=scope)
        axis.axvline(0, color="#999999", lw=0.8, zorder=0)
        axis.set_xlim(-1, 1)
        axis.set_title(metric_of(second).title, fontsize=8)
        axis.set_xlabel("rho", fontsize=8)
    axes[0].set_yticks(range(len(firsts)), [metric_of(name).title for name in firsts])
    axes[0].set_ylim(len(firsts) - 0.5, -0.5)
    figure.legend(*axes[0].get_legend_handles_labels(), fontsize=7, loc="outside lower center", ncols=2)
    return figure
