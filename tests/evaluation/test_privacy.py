"""Nearer-to-train shares and the membership attack as instruments: on real series they move the way they should."""

from functools import partial
from typing import NamedTuple

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score

from ncvqvae.data import load_splits
from ncvqvae.evaluation.membership import auc, halves, hits
from ncvqvae.evaluation.nearer import class_matched, dtw_distances, feature_distances, nearer_share
from ncvqvae.evaluation.privacy import Known, privacy_metrics, privacy_of_real
from ncvqvae.evaluation.rivals import RIVALS, left_out, rival_series
from ncvqvae.evaluation.rocket import Extractor, minirocket

N_TRAIN = 100


class Real(NamedTuple):
    """Three parts of one dataset that are drawn alike, and MiniRocket fitted on the first."""

    train: Known
    fresh: Known
    heldout: Known
    features: Extractor


def known(X: np.ndarray, y: np.ndarray, features: Extractor) -> Known:
    return Known(X, features(X), y)


@pytest.fixture(scope="module")
def real() -> Real:
    splits = load_splits("ItalyPowerDemand").in_memory()
    assert splits.y_train is not None and splits.y_test is not None
    X, y = np.concatenate([splits.X_train, splits.X_test]), np.concatenate([splits.y_train, splits.y_test])
    rows = np.random.default_rng(0).permutation(len(X))[:700]
    parts = rows[:N_TRAIN], rows[N_TRAIN:300], rows[300:]
    X = (X - X[parts[0]].mean()) / X[parts[0]].std()
    features = minirocket(X[parts[0]])
    return Real(*(known(X[part], y[part], features) for part in parts), features)


def judged(real: Real, made: Known, draws: int = 0) -> dict[str, float]:
    return privacy_metrics(made, real.train, real.heldout, 0, draws=draws)


def with_copies(real: Real, share: float, noise: float = 0.0) -> Known:
    """Fresh series of which that share gives way to training series, with noise."""
    rng, X = np.random.default_rng(1), real.fresh.X.copy()
    n = round(share * len(X))
    X[:n] = real.train.X[rng.integers(N_TRAIN, size=n)] + noise * rng.normal(size=X[:n].shape)
    return known(X, real.fresh.y, real.features)


KEYS = ("nearer_rocket", "nearer_dtw", "membership_auc")


def test_fresh_real_series_are_told_from_nothing(real: Real) -> None:
    metrics = judged(real, real.fresh, draws=200)
    for key in KEYS:
        assert metrics[f"{key}_low"] < 0.5 < metrics[f"{key}_high"]
        assert metrics[f"{key}_high"] - metrics[f"{key}_low"] < 0.35
        assert metrics[f"{key}_low"] <= metrics[key] <= metrics[f"{key}_high"]
    assert metrics["membership_tpr"] < 0.1


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_planted_copies_raise_every_metric(real: Real, noise: float) -> None:
    found = [judged(real, with_copies(real, share, noise), draws=100) for share in (0.0, 0.1, 0.3, 1.0)]
    for key in (*KEYS, "membership_tpr"):
        values = [metrics[key] for metrics in found]
        assert values == sorted(values) and values[-1] - values[0] > 0.3, key
    for key in KEYS:
        assert found[-1][f"{key}_low"] > 0.75, key
    for key in ("nearer_rocket", "membership_auc"):  # DTW compares 150 samples: a third of them is within its interval
        assert found[2][f"{key}_low"] > 0.5, key


def test_a_model_that_memorises_is_seen_by_the_attack(real: Real) -> None:
    # a generator that draws near its training series: pairs of them, nearly the first
    rng = np.random.default_rng(2)
    a, b = rng.integers(N_TRAIN, size=(2, 300))
    X = 0.95 * real.train.X[a] + 0.05 * real.train.X[b]
    metrics = judged(real, known(X, real.train.y[a], real.features), draws=200)
    assert metrics["membership_auc"] > 0.8 and metrics["membership_auc_low"] > 0.8
    assert metrics["membership_tpr"] > 0.5


def test_collapse_onto_held_out_like_series_is_no_leak(real: Real) -> None:
    X = np.repeat(real.fresh.X[:4], 50, axis=0)
    metrics = judged(real, known(X, np.repeat(real.fresh.y[:4], 50), real.features))
    assert metrics["membership_auc"] < 0.65 and metrics["membership_tpr"] < 0.2


def test_real_series_in_the_samples_place_show_a_shift_of_the_splits(real: Real) -> None:
    alike = privacy_of_real(real.train, real.heldout, 0)
    moved = Known(real.train.X + 0.6, real.features(real.train.X + 0.6), real.train.y)
    shifted = privacy_of_real(moved, real.heldout, 0)
    assert alike.keys() == {f"{key}{end}" for key in (*KEYS, "membership_tpr") for end in ("_real", "_shift")}
    for key in KEYS:
        assert abs(alike[f"{key}_real"] - 0.5) < 0.15 and abs(alike[f"{key}_shift"] - 0.5) < 0.15
    assert shifted["nearer_dtw_real"] < 0.35 and shifted["nearer_dtw_shift"] > 0.65
    assert abs(shifted["membership_auc_real"] - 0.5) < 0.15  # the reference is shifted like the samples


def test_classes_are_matched_and_redrawn() -> None:
    y_a, y_b = np.array(["a"] * 5 + ["b"] * 2 + ["c"]), np.array(["b"] * 6 + ["a"] * 3)
    draws = [class_matched(y_a, y_b, np.random.default_rng(seed)) for seed in range(5)]
    for rows in draws:
        assert y_a[rows.a].tolist() == y_b[rows.b].tolist() == ["a"] * 3 + ["b"] * 2
        assert len(set(rows.a.tolist())) == len(set(rows.b.tolist())) == 5
    assert len({tuple(rows.b.tolist()) for rows in draws}) > 1


def test_the_share_counts_nearest_series_of_equally_many() -> None:
    rng = np.random.default_rng(0)
    made, train, heldout = rng.normal(size=(200, 2)), rng.normal(size=(10, 2)), rng.normal(size=(90, 2))
    y = np.zeros(10, int), np.zeros(90, int)
    share = partial(nearer_share, draws=0, seed=0)
    of_many = share(feature_distances(made, train, heldout), *y, matches=60).value
    expected = [
        (cdist(made, train).min(1) < cdist(made, heldout[rng.choice(90, 10, replace=False)]).min(1)).mean()
        for _ in range(60)
    ]
    assert of_many == pytest.approx(np.mean(expected), abs=0.05)
    tied = share(feature_distances(made, train, train), y[0], y[0], matches=1).value
    assert tied == 0.5


def test_dtw_compares_ends_and_long_series() -> None:
    t = np.linspace(0, 12, 600)
    train = np.stack([np.sin(t), np.sin(2 * t)])[:, None]
    heldout = np.stack([np.cos(t), np.cos(3 * t)])[:, None]
    made = np.roll(train, 20, axis=-1)
    made[0, :, 500:] = train[0, :, 560:] = np.nan
    near = feature_distances(*(np.nan_to_num(X)[:, 0] for X in (made, train, heldout)))
    to_train, to_heldout = dtw_distances(made, train, heldout, near, np.arange(2))(np.arange(2), np.arange(2))
    assert np.isfinite(to_train).all() and to_train.argmin(axis=1).tolist() == [0, 1]
    assert (to_train.min(axis=1) < to_heldout.min(axis=1)).all()


def test_auc_and_hits_are_those_of_scikit_learn_and_of_counting() -> None:
    rng = np.random.default_rng(0)
    members, strangers = rng.integers(0, 30, 80).astype(float), rng.integers(0, 20, 300).astype(float)
    scores = np.concatenate([members, strangers])
    assert auc(members, strangers) == pytest.approx(roc_auc_score(np.repeat([1, 0], [80, 300]), scores))
    assert hits(np.array([5.0, 0.0]), np.arange(100.0) / 100) == 0.5
    assert hits(np.full(10, 0.5), np.full(10, 0.5)) == 0.0  # equal scores betray nobody


def test_halves_part_every_class() -> None:
    y = np.repeat([0, 1, 2], [40, 9, 1])
    a, b = halves(y, np.random.default_rng(0))
    assert sorted([*a, *b]) == list(range(50))
    assert np.bincount(y[a], minlength=3)[:2].tolist() in ([20, 4], [20, 5])


@pytest.mark.parametrize("name", [name for name in RIVALS if name != "dba"])
def test_rivals_are_as_near_to_train_as_they_should(real: Real, name: str) -> None:
    assert name not in left_out(real.train.X, 200)
    made = rival_series(name, real.train.X, real.train.y, real.fresh.y, seed=0)
    metrics = judged(real, known(made, real.fresh.y, real.features))
    if name in ("train", "jitter"):
        assert metrics["nearer_rocket"] > 0.95 and metrics["membership_auc"] > 0.95
    else:
        assert metrics["nearer_rocket"] > 0.6 and metrics["membership_auc"] > 0.6
