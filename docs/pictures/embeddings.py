"""Draw the pictures of docs/embeddings.md beside this file, by its recipes.

ncvqvae fit SonyAIBORobotSurface1 --data-dir DIR --out RUN
python docs/pictures/embeddings.py RUN SonyAIBORobotSurface1 --data-dir DIR
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from sklearn.cluster import KMeans
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import RidgeClassifierCV
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from ncvqvae import NCVQVAE
from ncvqvae.data import Splits, load_splits
from ncvqvae.report.style import LIGHT, new_figure

HERE = Path(__file__).parent
STRENGTHS = np.logspace(-4, 3, 15)
DRAWS = 20


class Data(NamedTuple):
    """A model, its dataset, series (n, L) and embeddings of the test split, and the class indices of both splits."""

    model: NCVQVAE
    splits: Splits
    X: np.ndarray
    Z: np.ndarray
    y_train: np.ndarray
    y: np.ndarray

    @classmethod
    def of(cls, model: NCVQVAE, splits: Splits) -> "Data":
        """Embed the test split."""
        _, y = np.unique(np.concatenate([splits.y_train, splits.y_test]), return_inverse=True)
        n = len(splits.X_train)
        return cls(model, splits, splits.X_test[:, 0], model.transform(splits.X_test), y[:n], y[n:])


def classify(data: Data) -> Figure:
    """Embeddings on their first two axes; the classifier's mistakes are ringed."""
    Z_train = data.model.transform(data.splits.X_train)
    predicted = RidgeClassifierCV(STRENGTHS).fit(Z_train, data.y_train).predict(data.Z)
    figure = new_figure(5, 3.2, f"{(predicted == data.y).mean():.3f} right on held-out series")
    ax = figure.subplots()
    for place, color in enumerate(LIGHT[: data.y.max() + 1]):
        ax.scatter(*data.Z[data.y == place, :2].T, s=8, color=color, label=f"class {place + 1}")
    wrong = data.Z[predicted != data.y]
    ax.scatter(*wrong[:, :2].T, s=40, facecolors="none", edgecolors=LIGHT[7], linewidths=0.8, label="mistaken")
    ax.set_xlabel("z_0")
    ax.set_ylabel("z_1")
    ax.legend(fontsize=8)
    return figure


def tune(data: Data) -> Figure:
    """Accuracy by strength and kernel."""
    strengths = [0.1, 1, 10, 100, 1000]
    steps = Pipeline([("embed", FrozenEstimator(data.model)), ("classify", SVC())])
    grid = {"classify__C": strengths, "classify__kernel": ["linear", "rbf"]}
    found = GridSearchCV(steps, grid, cv=3).fit(data.splits.X_train, data.y_train).cv_results_
    figure = new_figure(5, 3, "Support vector classifiers in cross-validation")
    ax = figure.subplots()
    for kernel, color in zip(("linear", "rbf"), LIGHT[:2], strict=True):
        ax.plot(
            strengths,
            found["mean_test_score"][found["param_classify__kernel"] == kernel],
            "o-",
            color=color,
            label=kernel,
        )
    ax.set_xscale("log")
    ax.set_xlabel("C")
    ax.set_ylabel("accuracy")
    ax.legend(fontsize=8)
    return figure


def cluster(data: Data) -> Figure:
    """Twelve series of each cluster."""
    n = data.y.max() + 1
    found = KMeans(n, n_init=10, random_state=0).fit_predict(data.Z)
    figure = new_figure(7, 2.6, "k-means")
    for place, (ax, color) in enumerate(zip(figure.subplots(1, n, sharey=True), LIGHT[:n], strict=True)):
        ax.plot(data.X[found == place][:12].T, color=color, linewidth=0.7)
        ax.set_xlabel(f"cluster {place + 1}")
    return figure


def find(data: Data) -> Figure:
    """Three series over the three nearest to each."""
    asked = np.linspace(0, len(data.Z) - 1, 3).astype(int)
    _, nearest = NearestNeighbors(n_neighbors=4).fit(data.Z).kneighbors(data.Z[asked])
    figure = new_figure(7, 2.6, "The three nearest series of each")
    for ax, (own, *others) in zip(figure.subplots(1, 3, sharey=True), nearest, strict=True):
        ax.plot(data.X[others].T, color=LIGHT[0], linewidth=0.8)
        ax.plot(data.X[own], color=LIGHT[7], linewidth=1.2)
    return figure


def outliers(data: Data) -> Figure:
    """Series with the greatest errors and what the model makes of them."""
    made = data.model.reconstruct(data.splits.X_test)[:, 0]
    error = np.square(data.X - made).mean(axis=1)
    strangest = np.argsort(error)[::-1][:3]
    figure = new_figure(7, 2.6, f"The three greatest errors; the median is {np.median(error):.2f}")
    for ax, row in zip(figure.subplots(1, 3, sharey=True), strangest, strict=True):
        ax.plot(data.X[row], color=LIGHT[7], linewidth=1.0, label="series")
        ax.plot(made[row], color=LIGHT[1], linewidth=1.0, label="reconstruction")
        ax.set_xlabel(f"error {error[row]:.2f}")
    ax.legend(fontsize=8)
    return figure


def label(data: Data) -> Figure:
    """Accuracy on all other series, by the number of labelled ones of each class."""
    sizes, rng = (1, 2, 5, 10, 20), np.random.default_rng(0)

    def accuracy(size: int) -> float:
        classes = range(data.y.max() + 1)
        rows = np.concatenate([rng.choice(np.flatnonzero(data.y == one), size, replace=False) for one in classes])
        rest = np.setdiff1d(np.arange(len(data.y)), rows)
        return RidgeClassifierCV(STRENGTHS).fit(data.Z[rows], data.y[rows]).score(data.Z[rest], data.y[rest])

    found = np.array([[accuracy(size) for _ in range(DRAWS)] for size in sizes])
    figure = new_figure(5, 3, f"Mean, least and greatest of {DRAWS} draws")
    ax = figure.subplots()
    ax.fill_between(sizes, found.min(1), found.max(1), color=LIGHT[0], alpha=0.25, linewidth=0)
    ax.plot(sizes, found.mean(1), "o-", color=LIGHT[0])
    ax.set_xlabel("labelled series of each class")
    ax.set_ylabel("accuracy on the others")
    return figure


PICTURES: tuple[Callable[[Data], Figure], ...] = (classify, tune, cluster, find, outliers, label)


def main() -> None:
    """Write all pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("dataset")
    parser.add_argument("--data-dir", type=Path)
    given = parser.parse_args()
    splits = load_splits(given.dataset, data_dir=given.data_dir)
    data = Data.of(NCVQVAE.from_pretrained(given.run, device="cpu"), splits)
    for draw in PICTURES:
        draw(data).savefig(HERE / f"{draw.__name__}.png", dpi=80)


if __name__ == "__main__":
    main()
