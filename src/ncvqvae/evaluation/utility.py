"""Is generated data good for training, and can it be told from real data? CAS, and a two-sample classifier test."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from ncvqvae.evaluation.fcn import FCN, FCNTraining, cached_fcn, extract
from ncvqvae.evaluation.resampling import subsample
from ncvqvae.evaluation.ridge import ridge_classifier
from ncvqvae.evaluation.rocket import CHUNK, at_least_9_steps, kept_threads, n_kernels_for
from ncvqvae.hardware import CPU

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

N_KERNELS = 10_000
MAX_FOR_ROCKET = 4000  # series to train on; each has 10,000 features in float64


class Labelled(NamedTuple):
    """Series (n, C, L) and their class indices (n,)."""

    X: np.ndarray
    y: np.ndarray

    def take(self, rows: np.ndarray) -> Labelled:
        """Some of the series."""
        return Labelled(self.X[rows], self.y[rows])

    def joined(self, other: Labelled) -> Labelled:
        """These series and others behind them."""
        return Labelled(np.concatenate([self.X, other.X]), np.concatenate([self.y, other.y]))


class TwoSampleTest(NamedTuple):
    """Cross-validated accuracy of telling two sets apart (0.5 is chance), and its permutation p-value."""

    accuracy: float
    p_value: float


def classification_accuracy_score(
    X_syn: np.ndarray,
    y_syn: np.ndarray,
    X_test: np.ndarray,
    y_test: np.ndarray,
    n_classes: int,
    *,
    seed: int,
    cache_dir: str | Path | None = None,
    training: FCNTraining | None = None,
    device: torch.device = CPU,
) -> float:
    """CAS: accuracy on real test series of an FCN trained on generated ones, measured once, after training.

    With the real train split as `X_syn`, the result is the train-on-real accuracy, the value for real data.

    Args:
        X_syn: scaled series to train on (n, C, L).
        y_syn: their class indices (n,).
        X_test: scaled real test series (n_test, C, L).
        y_test: their class indices (n_test,).
        n_classes: number of classes.
        seed: seed of the FCN's training.
        cache_dir: where to keep the trained FCN; None keeps none.
        training: budget and optimiser settings of the FCN.
        device: where the FCN is trained.

    Reference: Ravuri and Vinyals, "Classification accuracy score for conditional generative models" (2019).
    """
    fcn = cached_fcn(X_syn, y_syn, n_classes, seed, cache_dir, training, device)
    return accuracy(fcn, X_test, y_test)


def accuracy(fcn: FCN, X: np.ndarray, y_index: np.ndarray) -> float:
    """Share of series (n, C, L) for which `fcn` gives the true class the highest probability."""
    return float((extract(fcn, X).probabilities.argmax(axis=1) == np.asarray(y_index)).mean())


def rocket_accuracy(X: np.ndarray, y_index: np.ndarray, X_test: np.ndarray, y_test: np.ndarray, seed: int) -> float:
    """A CAS that takes seconds: accuracy on real test series of MiniRocket with a ridge classifier, trained on `X`.

    Args:
        X: scaled series to train on (n, C, L); a random choice of 4000 if there are more.
        y_index: their class indices (n,).
        X_test: scaled real test series (n_test, C, L).
        y_test: their class indices (n_test,).
        seed: seed of MiniRocket and of the random choice.

    Reference: Dempster, Schmidt, Webb, "MiniRocket" (2021).
    """
    (predicted,) = rocket_predictions({"": Labelled(X, y_index)}, [("",)], X_test, seed).values()
    return float((predicted == y_test).mean())


@kept_threads()
def rocket_predictions(
    parts: Mapping[str, Labelled],
    trained_on: Iterable[tuple[str, ...]],
    X_test: np.ndarray,
    seed: int,
    n_kernels: int = N_KERNELS,
) -> dict[tuple[str, ...], np.ndarray]:
    """Classes (n_test,) that ridge regression on MiniRocket's features gives to test series, for several training sets.

    The features of each part, and of the test series, are computed once.

    Args:
        parts: labelled series by name. The first part fixes MiniRocket's biases.
        trained_on: the training sets: the name of a part, or of the first part and another.
        X_test: series to classify (n_test, C, L).
        seed: seed of MiniRocket and of the choice of 4000 series where a training set has more.
        n_kernels: number of MiniRocket's features; fewer for more than 100 classes (`n_kernels_for`).
    """
    from aeon.transformations.collection.convolution_based import MiniRocket

    def features(X: np.ndarray) -> np.ndarray:
        chunks = range(0, len(X), CHUNK)
        return np.concatenate([transform.transform(at_least_9_steps(X[start : start + CHUNK])) for start in chunks])

    cut = {name: part.take(subsample(len(part.y), MAX_FOR_ROCKET, seed)) for name, part in parts.items()}
    first = next(iter(cut))
    n_kernels = n_kernels_for(len(np.unique(cut[first].y)), n_kernels)
    transform = MiniRocket(n_kernels, random_state=seed, n_jobs=torch.get_num_threads())
    transform.fit(at_least_9_steps(cut[first].X))
    wanted, of_first = list(trained_on), features(cut[first].X)
    classifiers: dict[tuple[str, ...], Pipeline] = {}
    for name, part in cut.items():
        known = {first: of_first, name: of_first if name == first else features(part.X)}
        for names in wanted:
            if names[-1] == name:
                y = np.concatenate([cut[other].y for other in names])
                classifiers[names] = _fitted(np.concatenate([known[other] for other in names]), y, seed)
    found: dict[tuple[str, ...], list[np.ndarray]] = {names: [] for names in wanted}
    for start in range(0, len(X_test), CHUNK):
        tested = features(X_test[start : start + CHUNK])
        for names in wanted:
            found[names].append(classifiers[names].predict(tested))
    return {names: np.concatenate(predicted) for names, predicted in found.items()}


def _fitted(features: np.ndarray, y: np.ndarray, seed: int) -> Pipeline:
    """Ridge classifier of MiniRocket's features; with a single class the answer is always that class."""
    from sklearn.dummy import DummyClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = subsample(len(y), MAX_FOR_ROCKET, seed)
    if len(np.unique(y[rows])) == 1:
        return make_pipeline(DummyClassifier()).fit(features[rows], y[rows])
    scaler = StandardScaler().fit(features[rows])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*ill-conditioned matrix.*")  # nearly equal series cause it
        ridge = ridge_classifier(scaler.transform(features[rows]), y[rows], np.logspace(-3, 3, 10))
    return make_pipeline(scaler, ridge)


def two_sample_test(a: np.ndarray, b: np.ndarray, *, permutations: int, seed: int = 0) -> TwoSampleTest:
    """Can a ridge classifier tell two sets of features apart? Stratified cross-validation, and a permutation test.

    Args:
        a: features (n, d).
        b: features (m, d); give as many rows as in `a`, so that chance is 0.5.
        permutations: how often the two labels are shuffled; the smallest possible p-value is 1 / (permutations + 1).
        seed: seed of folds and permutations.

    Raises:
        ValueError: if a set has fewer than two rows.

    Reference: Lopez-Paz and Oquab, "Revisiting classifier two-sample tests" (2017).
    """
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import StratifiedKFold
    from sklearn.preprocessing import StandardScaler

    features, source = _two_samples(a, b)
    folds = list(StratifiedKFold(min(5, len(a), len(b)), shuffle=True, random_state=seed).split(features, source))
    rng, accuracies = np.random.default_rng(seed), []
    signs = np.repeat(2.0 * source[:, None] - 1, permutations + 1, axis=1)
    for _, held in folds:  # labels move within a fold, so that each permutation's folds are stratified, too
        signs[held, 1:] = rng.permuted(signs[held, 1:], axis=0)
    for fit, held in folds:  # one regression finds the classifiers of all permutations
        scaler = StandardScaler().fit(features[fit])
        predicted = Ridge().fit(scaler.transform(features[fit]), signs[fit]).predict(scaler.transform(features[held]))
        accuracies.append(((predicted > 0) == (signs[held] > 0)).mean(0))
    true, *shuffled = np.mean(accuracies, axis=0)
    return TwoSampleTest(float(true), float((1 + np.sum(shuffled >= true)) / (1 + permutations)))


def paired_two_sample_accuracy(a: np.ndarray, b: np.ndarray, *, seed: int = 0) -> float:
    """Cross-validated accuracy at which a ridge classifier tells features b (n, d) from a (n, d); 0.5 is chance.

    b[i] imitates a[i], so both are in the same fold: otherwise a classifier trained on one would be misled about the
    other.

    Raises:
        ValueError: if there are fewer than two pairs.

    Reference: Lopez-Paz and Oquab, "Revisiting classifier two-sample tests" (2017).
    """
    from sklearn.model_selection import KFold, cross_val_score

    n = len(a)
    features, source = _two_samples(a, b)
    folds = KFold(min(5, n), shuffle=True, random_state=seed).split(a)
    both = [(np.r_[fit, fit + n], np.r_[held, held + n]) for fit, held in folds]
    return float(cross_val_score(_ridge(), features, source, cv=both).mean())


def _two_samples(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([a, b]), np.repeat([0, 1], [len(a), len(b)])


def _ridge() -> Pipeline:
    from sklearn.linear_model import RidgeClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), RidgeClassifier())
