"""What generated series are worth, as an instrument: it moves with their labels, and sees what is missing."""

import numpy as np
import pytest

from ncvqvae.data import load_splits
from ncvqvae.evaluation import augmenting
from ncvqvae.evaluation.augmenting import rarest_classes, recall_and_f1, utility_metrics
from ncvqvae.evaluation.utility import Labelled


@pytest.fixture(scope="module")
def parts() -> tuple[Labelled, Labelled, Labelled]:
    """A dozen training series, two of them of class 1; real series in the place of generated ones; held-out ones."""
    splits = load_splits("ItalyPowerDemand").in_memory()
    assert splits.y_train is not None and splits.y_test is not None
    X, y = np.concatenate([splits.X_train, splits.X_test]), np.concatenate([splits.y_train, splits.y_test])
    y = (y == y[0]).astype(int)
    X = (X - X.mean()) / X.std()
    few = np.concatenate([np.flatnonzero(y == 0)[:10], np.flatnonzero(y == 1)[:2]])
    return Labelled(X[few], y[few]), Labelled(X[300:500], y[300:500]), Labelled(X[500:800], y[500:800])


def test_series_help_or_harm_by_their_labels(parts: tuple[Labelled, Labelled, Labelled]) -> None:
    real, good, test = parts
    rng, added = np.random.default_rng(0), {"": good}
    for share in (0.2, 0.5, 1.0):
        flipped = rng.uniform(size=len(good.y)) < share
        added[f"noise{share}"] = Labelled(good.X, np.where(flipped, 1 - good.y, good.y))
    metrics = utility_metrics(real, added, test.X, test.y, seed=0, n_seeds=2)
    by_noise = [metrics[f"utility_both{end}"] for end in ("", "_of_noise0.2", "_of_noise0.5", "_of_noise1.0")]
    assert metrics["utility_both"] > metrics["utility_real"] + 0.03
    assert by_noise == sorted(by_noise, reverse=True) and by_noise[-1] < 0.3
    assert metrics["utility_generated"] > 0.85
    assert metrics["rarest_recall_both"] > metrics["rarest_recall_real"] + 0.1
    assert metrics["rarest_f1_both"] > metrics["rarest_f1_real"]
    assert metrics["utility_n_added"] == 200 and metrics["rarest_n_heldout"] == (test.y == 1).sum()
    assert all(0 <= metrics[key] < 0.1 for key in metrics if key.endswith("_sd"))
    assert metrics["utility_real_sd"] > 0 or metrics["utility_both_sd"] > 0


def test_a_collapsed_class_shows_in_its_recall(parts: tuple[Labelled, Labelled, Labelled]) -> None:
    real, good, test = parts
    rare = np.flatnonzero(good.y == 1)
    collapsed = Labelled(good.X[rare[:1]].repeat(len(rare), axis=0), np.ones(len(rare), int))
    varied = Labelled(good.X[rare], np.ones(len(rare), int))
    common = good.take(np.flatnonzero(good.y == 0))
    added = {"": varied.joined(common), "collapsed": collapsed.joined(common)}
    metrics = utility_metrics(real, added, test.X, test.y, seed=0, n_seeds=2)
    assert metrics["rarest_recall_both_of_collapsed"] < metrics["rarest_recall_both"] - 0.05


def test_no_more_than_the_stated_number_is_added(
    parts: tuple[Labelled, Labelled, Labelled], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, good, test = parts
    seen: list[dict[str, int]] = []

    def noting(parts: dict[str, Labelled], trained_on: dict, X_test: np.ndarray, seed: int, n: int) -> dict:
        seen.append({name: len(part.y) for name, part in parts.items()})
        return {names: np.zeros(len(X_test), int) for names in trained_on}

    monkeypatch.setattr(augmenting, "rocket_predictions", noting)
    monkeypatch.setattr(augmenting, "N_ADDED", 50)
    monkeypatch.setattr(augmenting, "MAX_REAL", 8)
    metrics = utility_metrics(real, {"": good, "smote": good}, test.X, test.y, seed=0, n_seeds=3)
    assert seen == [{"_real": 8, "": 50, "smote": 50}] * 3
    assert metrics["utility_n_added"] == 50
    alone = utility_metrics(real, {"smote": good}, test.X, test.y, seed=0, n_seeds=1)
    assert {"utility_real", "utility_both_of_smote", "utility_both_of_smote_sd"} <= alone.keys()
    assert not {"utility_both", "utility_generated"} & alone.keys()


def test_the_rarest_class_and_ties() -> None:
    assert rarest_classes(np.array([0, 0, 1, 2, 2])) == [1]
    assert rarest_classes(np.array([2, 0, 1, 2, 0, 1])) == [0, 1, 2]
    y, predicted = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 0])
    assert recall_and_f1(y, predicted, [1]) == (1.0, pytest.approx(0.8))
    assert recall_and_f1(y, predicted, [0, 1])[0] == 0.75
    assert np.isnan(recall_and_f1(y, predicted, [7])).all()
