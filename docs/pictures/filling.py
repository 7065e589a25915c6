"""Draw the pictures of docs/filling.md: gaps filled, a series extended, variations, and scores of strange series.

ncvqvae fit ECG5000 --data-dir DIR --out RUN
python docs/pictures/filling.py RUN --data-dir DIR      writes impute.png, extend.png, vary.png, score.png beside itself
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ncvqvae import NCVQVAE
from ncvqvae.data import load_splits
from ncvqvae.report.style import LIGHT, new_figure

HERE = Path(__file__).parent
BLUE, ORANGE, GREEN = LIGHT[:3]
KNOWN, TRUE = LIGHT[7], "#9aa3ad"
N_DRAWS = 50


def show_draws(ax: Axes, series: np.ndarray, known: np.ndarray, draws: np.ndarray) -> None:
    """What was given, what was really there, the median of the draws and the band that holds 80 % of them."""
    time = np.arange(len(series))
    low, middle, high = np.quantile(draws, [0.1, 0.5, 0.9], axis=0)
    ax.fill_between(time, low, high, where=~known, color=BLUE, alpha=0.25, linewidth=0, label="80 % of the draws")
    ax.plot(time, series, color=TRUE, linestyle="dashed", label="really there")
    ax.plot(time, np.where(known, np.nan, middle), color=BLUE, label="median of the draws")
    ax.plot(time, np.where(known, series, np.nan), color=KNOWN, label="given")
    ax.set_xlabel("time step")


def impute_picture(model: NCVQVAE, X: np.ndarray) -> Figure:
    """Three beats with one gap or two."""
    gaps = ([(50, 90)], [(15, 45), (95, 125)], [(100, 140)])
    figure = new_figure(9, 2.8, "Gaps filled")
    for ax, series, blocks in zip(figure.subplots(1, 3, sharey=True), X, gaps, strict=True):
        known = np.ones(len(series), bool)
        for start, end in blocks:
            known[start:end] = False
        draws = model.impute(np.where(known, series, np.nan)[None, None], n_draws=N_DRAWS).values
        show_draws(ax, series, known, draws.reshape(N_DRAWS, -1))
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return figure


def extend_picture(model: NCVQVAE, X: np.ndarray) -> Figure:
    """One beat of which less and less is given."""
    figure = new_figure(9, 2.8, "A beat goes on")
    length = X.shape[-1]
    for ax, cut in zip(figure.subplots(1, 3, sharey=True), (100, 70, 40), strict=True):
        draws = model.extend(X[:1, None, :cut], length - cut, n_draws=N_DRAWS).values
        show_draws(ax, X[0], np.arange(length) < cut, draws.reshape(N_DRAWS, -1))
        ax.set_title(f"{cut} steps given")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return figure


def vary_picture(model: NCVQVAE, series: np.ndarray) -> Figure:
    """One beat and variations of it that keep more or less of it."""
    figure = new_figure(9, 2.8, "Variations of a beat")
    for ax, share in zip(figure.subplots(1, 3, sharey=True), (0.9, 0.6, 0.3), strict=True):
        made = np.asarray(model.vary(series[None, None], share=share, n=6).X).reshape(6, -1)
        ax.plot(made.T, color=BLUE, alpha=0.5, linewidth=0.8, label="variation")
        ax.plot(series, color=KNOWN, label="given")
        ax.set_title(f"share {share}")
        ax.set_xlabel("time step")
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles[-2:], labels[-2:], loc="outside lower center", ncols=2, frameon=False)
    return figure


def score_picture(model: NCVQVAE, X: np.ndarray) -> Figure:
    """Scores of real series, of the same with their steps shuffled in parts, and of noise; the strangest real ones."""
    rng = np.random.default_rng(0)
    parts = np.array_split(X, 7, axis=1)
    shuffled = np.concatenate([parts[at] for at in rng.permutation(7)], axis=1)
    noise = rng.normal(size=X.shape) * X.std()
    scores = {
        name: model.score_samples(values[:, None])
        for name, values in {"real": X, "parts in another order": shuffled, "noise": noise}.items()
    }
    figure = new_figure(9, 2.8, "Scores")
    left, right = figure.subplots(1, 2)
    bins = np.linspace(min(map(np.min, scores.values())), max(map(np.max, scores.values())), 40)
    for (name, values), color in zip(scores.items(), (BLUE, ORANGE, GREEN), strict=True):
        left.hist(values, bins, color=color, alpha=0.6, label=name)
    left.set_xlabel("score (nats per token)")
    left.set_ylabel("series")
    left.legend(frameon=False)
    order = scores["real"].argsort()
    right.plot(X[order[-20:]].T, color=TRUE, linewidth=0.6)
    right.plot(X[order[:3]].T, color=ORANGE)
    right.set_title("the three lowest real scores, among the 20 highest")
    right.set_xlabel("time step")
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder that fit wrote, of ECG5000")
    parser.add_argument("--data-dir", type=Path, help="folder with ECG5000/ECG5000_TRAIN.tsv")
    options = parser.parse_args(arguments)
    splits, model = load_splits("ECG5000", data_dir=options.data_dir), NCVQVAE.from_pretrained(options.run)
    X = splits.X_test[:, 0]
    rows = [int(np.flatnonzero(splits.y_test == label)[1]) for label in (1, 2, 1)]
    rows[2] = int(np.flatnonzero(splits.y_test == 1)[7])
    pictures = {
        "impute": impute_picture(model, X[rows]),
        "extend": extend_picture(model, X[rows]),
        "vary": vary_picture(model, X[rows[0]]),
        "score": score_picture(model, X[:400]),
    }
    for name, figure in pictures.items():
        figure.savefig(HERE / f"{name}.png", dpi=80)


if __name__ == "__main__":
    main()
