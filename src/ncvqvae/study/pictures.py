"""The study's pictures that compare models, from the rows of a bench and the loss curves of its runs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ncvqvae.config import Config
from ncvqvae.evaluation.metric_list import OF_CURVES
from ncvqvae.evaluation.metrics import metric_of
from ncvqvae.files import replaced
from ncvqvae.report.history import read_history
from ncvqvae.report.style import as_written
from ncvqvae.study.rows import main_models, read_settings, run_folders

LOSSES, VIEWS = ("none", "barlowtwins", "vibcreg"), ("none", "warp", "slice", "gauss")
"""SSL losses and augmentations with fixed colours and shapes; others get the next free ones."""
COLOURS = ("#555555", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#2d2270")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
HATCHES = ("", "", "///", "...", "xxx", "|||", "---", "ooo")


class Look(NamedTuple):
    """The colour, marker and hatch of a model."""

    colour: str
    marker: str
    hatch: str


def save_pictures(rows: pd.DataFrame, curves: pd.DataFrame, out: Path) -> list[Path]:
    """Write every picture that the runs have data for, as PNG and PDF, named by its number in the study.

    Args:
        rows: one row per run: `dataset`, `ssl`, `augmentation`, `model`, `seed` and its metrics.
        curves: the runs' loss terms in stage 1, as `run_curves` returns them.
        out: folder of the pictures.
    """
    out.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Figure | None] = {
        "figure-01-reconstruction": bars(rows, ["val_recon"]),
        "figure-02-reconstruction-in-training": reconstruction_curves(curves),
        "figure-03-probes": bars(rows, ["knn", "svm"]),
        "figure-06-ssl-loss": ssl_curves(curves),
        "figure-07-knn-against-ssl-loss": scatter(rows, "ssl_loss", "knn"),
        "figure-08-fid-and-is": bars(rows, ["fid", "is"]),
        "figure-09-cas": bars(rows, ["cas"]),
        "figure-10-knn-against-is": scatter(rows, "knn", "is"),
        "figure-11-knn-against-fid": scatter(rows, "knn", "fid"),
        "figure-19-augmented-weight-warp": weight_curves(curves, "warp"),
        "figure-20-augmented-weight-slice": weight_curves(curves, "slice"),
        "augmented-weight-gauss": weight_curves(curves, "gauss"),
    }
    return [path for name, figure in figures.items() if figure is not None for path in save(figure, out / name)]


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write a Figure as PNG and PDF, each whole or not at all."""
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in ("png", "pdf")]
    for path in paths:
        with replaced(path) as temporary:
            as_written(figure).savefig(temporary, format=path.suffix[1:], dpi=150, bbox_inches="tight")
    return paths


def bars(rows: pd.DataFrame, metrics: list[str]) -> Figure | None:
    """Bars of the mean over seeds per dataset and model, with sd as a whisker; FID has a logarithmic axis."""
    metrics = [metric for metric in metrics if metric in rows and rows[metric].notna().any()]
    if not metrics:
        return None
    models = main_models(rows)
    looks = model_looks(rows)
    datasets = list(dict.fromkeys(rows["dataset"]))
    size = (max(6.0, 0.16 * len(models) * len(datasets) + 2.5), 2.8 * len(metrics))
    figure, axes = _panels(len(metrics), 1, size)
    for axis, metric in zip(axes, metrics, strict=True):
        groups = rows.groupby(["dataset", "model"])[metric]
        mean, sd = groups.mean().unstack(), groups.std().unstack()
        for place, model in enumerate(models):
            x = np.arange(len(datasets)) + (place - (len(models) - 1) / 2) * 0.8 / len(models)
            look = looks[model]
            height, spread = mean.loc[datasets, model], sd.loc[datasets, model]
            axis.bar(
                x,
                height,
                0.8 / len(models),
                yerr=spread.fillna(0.0),
                label=model,
                color=look.colour,
                edgecolor="white",
                hatch=look.hatch,
                error_kw={"lw": 0.7},
            )
        axis.set_ylabel(metric_of(metric).title)
        axis.set_xticks(range(len(datasets)), datasets, rotation=25, ha="right")
        if metric_of(metric).logarithmic:
            axis.set_yscale("log")
    axes[0].legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def scatter(rows: pd.DataFrame, x: str, y: str) -> Figure | None:
    """Scatter of two metrics: a panel per dataset, a point per run, colour by SSL loss, shape by augmentation."""
    looks = model_looks(rows)
    rows = rows.dropna(subset=[x, y]) if {x, y} <= set(rows.columns) else rows.iloc[:0]
    rows = rows[rows["model"].isin(main_models(rows))]
    datasets = list(dict.fromkeys(rows["dataset"]))
    if not datasets:
        return None
    n_columns = min(4, len(datasets))
    n_rows = -(-len(datasets) // n_columns)
    figure, axes = _panels(n_rows, n_columns, (2.7 * n_columns + 1, 2.4 * n_rows))
    for axis, dataset in zip(axes, datasets, strict=False):
        for model, group in rows[rows["dataset"] == dataset].groupby("model"):
            look = looks[str(model)]
            axis.scatter(group[x], group[y], s=18, c=look.colour, marker=look.marker)
        axis.set_title(dataset, fontsize=9)
        axis.set_xlabel(metric_of(x).title, fontsize=8)
        axis.set_ylabel(metric_of(y).title, fontsize=8)
        if metric_of(y).logarithmic:
            axis.set_yscale("log")
    _hide_rest(axes, len(datasets))
    handles = [
        axes[0].scatter([], [], c=looks[model].colour, marker=looks[model].marker, label=model)
        for model in main_models(rows)
    ]
    figure.legend(handles=handles, fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def load_curves(folder: Path) -> pd.DataFrame:
    """Loss curves of every run of a bench that has a history; see :func:`run_curves`."""
    parts = []
    for path in run_folders(folder):
        run = path.parent
        history = pd.DataFrame(read_history(run))
        if len(history):
            parts.append(run_curves(history, read_settings(run).config, run.parts[-3], run.parts[-2]))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def run_curves(history: pd.DataFrame, config: Config, dataset: str, model: str) -> pd.DataFrame:
    """Stage-1 loss terms of a run during training, with dataset, model, seed and the settings that pictures need."""
    of_stage = history[history["stage"] == "stage1"]
    return of_stage.assign(
        dataset=dataset,
        model=model,
        seed=config.seed,
        method=config.ssl,
        augmentation=config.augmentation,
        weight=config.stage1.augmented_weight,
    )


SSL_TERM, RECONSTRUCTION_TERM, HELDOUT_TERM, COMMITMENT_TERM = "ssl", "recon", "heldout_recon", "commit"
"""Columns of history.csv: the self-supervised loss, the reconstruction error of the series (not the views) that are
learned from, that of those held out, and the distance of the latents from their codes."""


def ssl_curves(curves: pd.DataFrame) -> Figure | None:
    """SSL loss during stage 1, mean over seeds: a panel per dataset and loss, a line per augmentation (or model)."""
    if SSL_TERM not in curves:
        return None
    curves = curves[curves["model"].isin(main_models(curves))].dropna(subset=[SSL_TERM])
    shared = curves.groupby(["method", "augmentation"])["model"].nunique().max() > 1  # several models per augmentation
    line = "model" if shared else "augmentation"
    return _curve_panels(curves, ["dataset", "method"], line, SSL_TERM, "SSL loss")


def reconstruction_curves(curves: pd.DataFrame) -> Figure | None:
    """Reconstruction error during stage 1, mean over seeds: a panel per dataset, a line per model.

    The study's picture 2 shows the error of the test split, which training here never sees. With ``heldout_share`` the
    error is that of the part of train that was held out, else that of the series that are learned from.
    """
    return _reconstruction_panels(curves, ["dataset"], "model")


def weight_curves(curves: pd.DataFrame, augmentation: str) -> Figure | None:
    """Reconstruction error during stage 1, mean over seeds: a panel per dataset, a line per augmented weight."""
    if curves.empty:
        return None
    chosen = curves[(curves["augmentation"] == augmentation) & (curves["method"] != "none")]
    if chosen["weight"].nunique() < 2:
        return None
    return _reconstruction_panels(chosen, ["dataset", "method"], "weight")


def _reconstruction_panels(curves: pd.DataFrame, panel: list[str], line: str) -> Figure | None:
    """Curves of the held-out part of train where runs have one, else of the series that are learned from."""
    for column, of in ((HELDOUT_TERM, "held out"), (RECONSTRUCTION_TERM, "train")):
        if column in curves and len(known := curves.dropna(subset=[column])):
            return _curve_panels(known, panel, line, column, f"reconstruction ({of})")
    return None


def with_final_losses(rows: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Rows with columns ``ssl_loss`` and ``commitment``: the means of these terms over the last tenth of stage 1."""
    run = ["dataset", "model", "seed"]
    for term, name in zip((SSL_TERM, COMMITMENT_TERM), OF_CURVES, strict=True):
        if term in curves:
            known = curves.dropna(subset=[term])
            last = known[known["step"] > 0.9 * known.groupby(run)["step"].transform("max")]
            final = last.groupby(run)[term].mean().rename(name).reset_index()
            rows = rows.drop(columns=name, errors="ignore").merge(final, how="left", on=run)
    return rows


def _curve_panels(curves: pd.DataFrame, panel: list[str], line: str, column: str, label: str) -> Figure | None:
    groups = list(curves.groupby(panel, sort=False))
    if not groups:
        return None
    n_columns = min(3, len(groups))
    n_rows = -(-len(groups) // n_columns)
    figure, axes = _panels(n_rows, n_columns, (3.4 * n_columns, 2.6 * n_rows))
    for axis, (names, group) in zip(axes, groups, strict=False):
        for value, of_line in group.groupby(line):
            mean = of_line.groupby("step")[column].mean()
            axis.plot(mean.index, mean, lw=1.1, label=f"{line} {value}")
        axis.set_title(", ".join(map(str, names)), fontsize=9)
        axis.set_xlabel("optimizer step", fontsize=8)
        axis.set_ylabel(label, fontsize=8)
        axis.set_yscale("log")
        axis.legend(fontsize=7)
    _hide_rest(axes, len(groups))
    return figure


def _panels(n_rows: int, n_columns: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    with mpl.rc_context({"axes.spines.top": False, "axes.spines.right": False, "font.size": 9}):
        figure = Figure(size, layout="constrained")
        return figure, list(np.atleast_1d(figure.subplots(n_rows, n_columns)).ravel())


def _hide_rest(axes: list[Axes], n: int) -> None:
    for axis in axes[n:]:
        axis.set_visible(False)


def model_looks(rows: pd.DataFrame) -> dict[str, Look]:
    """Look of each model: colour by SSL loss, marker and hatch by augmentation, or by model if two share both."""
    losses, views = (list(dict.fromkeys([*k, *rows[c]])) for c, k in (("ssl", LOSSES), ("augmentation", VIEWS)))
    looks: dict[str, Look] = {}
    pairs: Counter[tuple[str, str]] = Counter()
    for row in rows.drop_duplicates("model").to_dict("records"):
        pair = row["ssl"], row["augmentation"]
        shape = len(views) + pairs[pair] - 1 if pairs[pair] else views.index(pair[1])
        pairs[pair] += 1
        colour = COLOURS[losses.index(pair[0]) % len(COLOURS)]
        looks[row["model"]] = Look(colour, MARKERS[shape % len(MARKERS)], HATCHES[shape % len(HATCHES)])
    return looks
