"""Average ranks of the models over datasets, with a critical-difference diagram."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ncvqvae.evaluation.metric_list import STUDY
from ncvqvae.evaluation.metrics import metric_of
from ncvqvae.files import replaced


def complete_scores(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Means over seeds: a row per dataset, a column per model that ran on every dataset."""
    if metric not in rows:
        return pd.DataFrame()
    return rows.pivot_table(index="dataset", columns="model", values=metric).dropna(axis="columns")


def average_ranks(scores: pd.DataFrame, higher_is_better: bool) -> pd.Series:
    """Mean rank of each model over the datasets, best first; rank 1 is best, and ties share a rank."""
    return scores.rank(axis="columns", ascending=not higher_is_better).mean().sort_values()


def save_ranks(rows: pd.DataFrame, out: Path) -> list[Path]:
    """Write ``ranks.csv`` and a diagram for each metric that is complete for at least 3 datasets and 3 models."""
    import matplotlib.pyplot as plt
    from aeon.visualisation import plot_critical_difference

    from ncvqvae.study.pictures import save

    ranks, files = {}, []
    for metric in [key for key in STUDY if metric_of(key).arrow]:
        scores = complete_scores(rows, metric)
        if scores.shape[0] < 3 or scores.shape[1] < 3:
            continue
        higher = metric_of(metric).better == "higher"
        ranks[metric] = average_ranks(scores, higher)
        figure, _ = plot_critical_difference(scores.to_numpy(), list(scores.columns), lower_better=not higher)
        files += save(figure, out / f"ranks-{metric}")
        plt.close(figure)
    if ranks:
        path = out / "ranks.csv"
        with replaced(path) as temporary:
            pd.DataFrame(ranks).rename_axis("model").round(3).to_csv(temporary)
        files.append(path)
    return files
