"""What an embedding is good for: each metric against a transcription, or against what it must be on clear data."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from ncvqvae.evaluation.representation import (
    cluster_agreement,
    features_without_model,
    few_shot,
    knn_accuracy,
    linear_accuracy,
    mean_average_precision,
    representation_metrics,
)


def clouds(n: int, seed: int, distance: float = 6.0) -> tuple[np.ndarray, np.ndarray]:
    rng, y = np.random.default_rng(seed), np.arange(n) % 3
    return rng.normal(size=(n, 4)) + distance * np.eye(4)[y], y


def test_retrieval_equals_a_transcription() -> None:
    Z, y = clouds(31, 0, distance=1.5)
    y[7] = 9  # the only one of its class asks for nothing
    distances = np.sqrt(((Z[:, None] - Z[None]) ** 2).sum(-1))
    others = [np.arange(len(Z)) != i for i in range(len(Z))]
    expected = [average_precision_score(y[o] == y[i], -distances[i, o]) for i, o in enumerate(others) if i != 7]
    assert mean_average_precision(Z, y) == pytest.approx(np.mean(expected))
    assert 0.3 < np.mean(expected) < 0.99
    assert np.isnan(mean_average_precision(Z[:3], y[:3]))


def test_clear_clouds_are_told_apart_and_noise_is_not() -> None:
    (Z, y), (Z_test, y_test) = clouds(60, 0), clouds(45, 1)
    assert linear_accuracy((Z, Z_test), y, y_test) == knn_accuracy((Z, Z_test), y, y_test) == 1
    assert cluster_agreement(Z_test, y_test, 0) == {"cluster_ari": 1, "cluster_nmi": 1}
    assert mean_average_precision(Z_test, y_test) > 0.99
    noise, other = clouds(60, 2, distance=0.0)[0], clouds(45, 3, distance=0.0)[0]
    assert linear_accuracy((noise, other), y, y_test) < 0.6 and mean_average_precision(other, y_test) < 0.5
    assert abs(cluster_agreement(other, y_test, 0)["cluster_ari"]) < 0.15


def test_units_of_features_change_no_linear_accuracy() -> None:
    (Z, y), (Z_test, y_test) = clouds(60, 0, 1.5), clouds(45, 1, 1.5)
    found = linear_accuracy((Z, Z_test), y, y_test)
    assert linear_accuracy((1000 * Z + 5, 1000 * Z_test + 5), y, y_test) == found > 0.5


def test_few_shot_knows_a_few_series_of_each_class() -> None:
    Z, y = clouds(33, 0)
    wrong = y.copy()
    wrong[12:] = (wrong[12:] + 1) % 3  # seven labels of eleven are wrong: who knows five may be misled, or not
    found = few_shot((Z, Z), wrong, y, 0)
    assert found["fewshot_20"] == linear_accuracy((Z, Z), wrong, y)  # no class has more than 11
    assert found == few_shot((Z, Z), wrong, y, 0) != few_shot((Z, Z), wrong, y, 1)
    assert few_shot((Z, Z), y, y, 0) == {"fewshot_5": 1, "fewshot_10": 1, "fewshot_20": 1}


def test_all_metrics_of_labels_of_any_kind() -> None:
    (Z, y), (Z_test, y_test) = clouds(30, 0), clouds(21, 1)
    names = np.array(["left", 7, True], dtype=object)
    X, X_test = (np.sin(np.arange(20) * (1 + 0.5 * y[:, None]))[:, None] for y in (y, y_test))
    X[0, 0, 12:] = np.nan  # a shorter series
    others = features_without_model(X, X_test, 0, 2)
    metrics = representation_metrics((Z, Z_test), names[y], names[y_test], others, 0)
    assert metrics["chance"] == pytest.approx(1 / 3)
    for key in ("embedding_linear", "linear_raw", "linear_catch22", "linear_minirocket", "fewshot_5_minirocket"):
        assert metrics[key] == 1, key
