from collections.abc import Hashable

import numpy as np
import pytest
from sklearn.metrics import pairwise_distances
from tests.references import fidelity as reference

from ncvqvae.data.validate import check_labels
from ncvqvae.evaluation.diversity import (
    authentic_share,
    copied_share,
    intra_class_spread,
    precision_recall,
    repeated_share,
)
from ncvqvae.evaluation.memorisation import memorisation
from ncvqvae.evaluation.neighbours import nearest_other


def series(n: int, seed: int, channels: int = 2, length: int = 9) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, channels, length)).astype(np.float32)


def test_copied_share_equals_the_reference() -> None:
    generated, train, heldout = series(40, 0), series(25, 1), series(50, 2)
    generated[:15] = train[:15] + 0.3 * generated[:15]
    result = copied_share(generated, train, heldout, quantile=0.2)
    assert result.share == pytest.approx(reference.copied_share(generated, train, heldout, 0.2))
    assert 0.3 < result.share < 0.8
    assert result.distances.shape == (40,)
    assert result.heldout_distances.shape == (50,)


def test_real_data_gets_the_quantile_back_and_copies_raise_it() -> None:
    train, heldout, more = series(60, 0), series(2000, 1), series(2000, 2)
    shares = []
    for n_copied in (0, 200, 600, 2000):
        generated = more.copy()
        generated[:n_copied] = train[np.arange(n_copied) % len(train)]
        shares.append(copied_share(generated, train, heldout).share)
    assert shares[0] == pytest.approx(0.05, abs=0.02)
    np.testing.assert_allclose(shares[1:], [0.1 + 0.9 * 0.05, 0.3 + 0.7 * 0.05, 1], atol=0.02)


def test_copied_share_per_class() -> None:
    train, heldout, generated = series(20, 0), series(40, 1), series(30, 2)
    y = np.array(["a", "b", "c"] * 10, dtype=object)
    generated[y == "b"] = train[:10]
    result = copied_share(generated, train, heldout, y_generated=y, y_heldout=np.arange(40) % 4)
    assert list(result.per_class) == ["a", "b", "c"]
    assert result.per_class["b"] == 1 > result.per_class["a"]
    assert np.mean(list(result.per_class.values())) == pytest.approx(result.share)
    assert np.mean(list(result.heldout_per_class.values())) == pytest.approx(0.05)


def test_spread_falls_as_a_class_collapses() -> None:
    real, y = series(60, 0), np.arange(60) % 3
    ratios = []
    for scale in (1.0, 0.5, 0.1, 0.0):
        generated = series(60, 1)
        generated[y == 1] *= scale
        spread = intra_class_spread(generated, y, real, y)
        assert spread[0].ratio == pytest.approx(1, abs=0.1)
        ratios.append(spread[1].ratio)
    np.testing.assert_allclose(ratios, ratios[0] * np.array([1.0, 0.5, 0.1, 0.0]), atol=1e-5)


def test_a_class_with_one_series_has_no_spread() -> None:
    X = series(5, 0)
    assert list(intra_class_spread(X, np.array([0, 0, 1, 1, 2]), X, np.array([0, 0, 0, 1, 2]))) == [0]


def test_a_tokenizer_that_maps_heldout_series_onto_training_series_does_not_hide_copies() -> None:
    rng = np.random.default_rng(0)
    train, far = rng.normal(size=(20, 1, 8)), rng.normal(size=(80, 1, 8))
    heldout = np.concatenate([train[:10], far])  # more than 5 % coincide: the quantile is 0
    copied = copied_share(train, train, heldout)
    assert copied.threshold == 0
    assert copied.share == 1
    assert (copied.heldout_distances <= copied.threshold).mean() == pytest.approx(10 / 90)


def test_nearest_other_and_authentic_share_equal_a_transcription() -> None:
    train, generated = series(20, 0), series(30, 1)
    generated[:12] = train[:12] + 0.2 * generated[:12]
    own = pairwise_distances(train.reshape(20, -1).astype(np.float64))
    np.fill_diagonal(own, np.inf)
    found = nearest_other(train)
    assert found.row.tolist() == own.argmin(axis=1).tolist()
    np.testing.assert_allclose(found.distance, own.min(axis=1), rtol=1e-9)
    across = pairwise_distances(*(X.reshape(len(X), -1).astype(np.float64) for X in (generated, train)))
    authentic = [row.min() >= own[row.argmin()].min() for row in across]
    assert authentic_share(generated, train) == pytest.approx(np.mean(authentic))
    assert 0.2 < np.mean(authentic) < 0.9


def test_neighbours_of_series_with_gaps_are_over_what_both_have() -> None:
    X = np.array([[[0.0, 0, np.nan]], [[1.0, 1, 1]], [[5.0, 5, 5]]])
    found = nearest_other(X)
    assert found.row.tolist() == [1, 0, 1]
    np.testing.assert_allclose(found.distance, [3**0.5, 3**0.5, 48**0.5])


def test_metrics_of_memorisation_move_with_a_growing_share_of_copies() -> None:
    train, heldout, fresh = series(60, 0), series(400, 1), series(400, 2)
    found = []
    for n_copied in (0, 100, 200, 400):
        made = np.concatenate([train[np.arange(n_copied) % len(train)], fresh[n_copied:]])
        found.append(memorisation(made, train, heldout, unconditional=fresh).metrics)
    for name, better in (("copied", 1), ("near_duplicates", 1), ("authpct", -1)):
        values = [metrics[name] for metrics in found]
        assert values == sorted(values, reverse=better < 0)
        assert abs(values[-1] - values[0]) > 0.5
        assert values[0] == pytest.approx(found[0][f"{name}_real"], abs=0.1)
    assert {metrics["copied_unconditional"] for metrics in found} == {found[0]["copied"]}
    assert found[0]["spread"] == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("kinds", [[0, 1, 2], [(0, 1), (1, 0), (1, 1)]])
def test_spread_and_copies_per_class_come_with_labels(kinds: list[Hashable]) -> None:
    X, y = series(60, 0), check_labels(kinds * 20, 60)
    assert y is not None
    made = series(60, 1)
    made[1::3] *= 0.1
    found = memorisation(made, X[:30], X[30:], y_made=y, y_train=y[:30], y_heldout=y[30:])
    assert found.spread[kinds[1]].ratio < 0.2 < found.spread[kinds[0]].ratio
    assert found.spread_real[kinds[1]].ratio == pytest.approx(1, abs=0.3)
    assert list(found.copied.per_class) == kinds


def test_the_worst_class_of_copies_is_one_that_has_enough_series_to_tell() -> None:
    X, y = series(60, 0), np.repeat([0, 1, 2], [26, 30, 4])
    made, y_made = series(90, 1), np.arange(90) % 3
    made[np.flatnonzero(y_made == 1)[:15]] = X[26:41]
    made[y_made == 2] = X[56]
    metrics = memorisation(made, X, series(200, 2), y_made=y_made, y_train=y, y_heldout=np.arange(200) % 3).metrics
    assert metrics["copied_worst_class"] == pytest.approx(0.5, abs=0.1)  # class 2, all copies, has 4 series
    assert 0.03 < metrics["copied_worst_class_real"] < 0.15
    assert "copied_worst_class" not in memorisation(made, X, series(200, 2)).metrics


def test_the_worst_class_is_found_among_labels_that_have_no_order() -> None:
    X, labels = series(60, 0), np.empty(60, object)
    labels[:] = [1, "b", 2.5] * 20
    made = series(60, 1)
    made[1::3] = X[1::3]
    metrics = memorisation(made, X, series(60, 2), y_made=labels, y_train=labels, y_heldout=labels).metrics
    assert metrics["copied_worst_class"] == 1.0


def test_repeated_share_counts_whole_sequences() -> None:
    train = np.array([[0, 1, 2], [3, 3, 3]])
    assert repeated_share(np.array([[3, 3, 3], [0, 1, 1], [0, 1, 2], [2, 1, 0]]), train) == 0.5


def test_precision_recall_equals_a_transcription() -> None:
    rng = np.random.default_rng(0)
    real, generated, k = rng.normal(size=(40, 4)), 1.3 * rng.normal(size=(30, 4)) + 0.4, 3

    def distance(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.sqrt(((a - b) ** 2).sum()))

    radius_real = [sorted(distance(a, b) for b in real)[k] for a in real]
    radius_generated = [sorted(distance(a, b) for b in generated)[k] for a in generated]
    inside = [[distance(r, g) <= radius for g in generated] for r, radius in zip(real, radius_real, strict=True)]
    recalled = [
        any(distance(r, g) <= radius for g, radius in zip(generated, radius_generated, strict=True)) for r in real
    ]
    expected = (
        np.any(inside, axis=0).mean(),
        np.mean(recalled),
        np.sum(inside, axis=0).mean() / k,
        np.any(inside, axis=1).mean(),
    )
    assert precision_recall(real, generated, k) == pytest.approx(expected)


def test_precision_falls_with_noise_and_recall_as_classes_are_dropped() -> None:
    rng = np.random.default_rng(0)
    centres, y = 8 * rng.normal(size=(4, 5)), np.arange(200) % 4
    real, generated = (centres[y] + rng.normal(size=(200, 5)) for _ in range(2))
    noisy = [precision_recall(real, generated + scale * rng.normal(size=(200, 5))) for scale in (0, 1, 3, 9)]
    assert [found.precision for found in noisy] == sorted((found.precision for found in noisy), reverse=True)
    assert [found.density for found in noisy] == sorted((found.density for found in noisy), reverse=True)
    dropped = [precision_recall(real, generated[y < kept]) for kept in (4, 3, 2, 1)]
    for name in ("recall", "coverage"):
        values = [getattr(found, name) for found in dropped]
        assert values == sorted(values, reverse=True)
        assert values[-1] < 0.3 < 0.8 < values[0]
    assert min(found.precision for found in dropped) > 0.8  # blind to what is missing
