import numpy as np
import pytest

from ncvqvae.evaluation.resampling import bootstrap_interval, matched_mean, subsample


def test_subsample_draws_without_replacement_by_seed() -> None:
    rows = subsample(100, 30, seed=1)
    assert len(set(rows.tolist())) == 30 and rows.tolist() == sorted(rows.tolist())
    assert rows.tolist() == subsample(100, 30, seed=1).tolist() != subsample(100, 30, seed=2).tolist()
    assert subsample(5, 30, seed=1).tolist() == [0, 1, 2, 3, 4]


def test_matched_mean_shows_the_statistic_as_many_rows_of_both() -> None:
    sizes: list[tuple[int, int]] = []

    def statistic(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        sizes.append((len(a), len(b)))
        return np.array([a.mean(), b.mean()])

    a, b = np.arange(40.0), np.arange(1000.0)
    means = matched_mean(statistic, a, b, 40, subsets=200)
    assert set(sizes) == {(40, 40)} and len(sizes) == 200
    np.testing.assert_allclose(means, [19.5, 499.5], rtol=0.03)
    matched_mean(statistic, a, b[:40], 40, subsets=200)
    assert len(sizes) == 201  # nothing is left to chance


def test_bootstrap_interval_covers_a_mean_as_often_as_it_says() -> None:
    covered, widths = 0, []
    for seed in range(200):
        x = np.random.default_rng(seed).normal(size=60)
        low, high = bootstrap_interval(x.mean(), lambda a: float(a.mean()), x, draws=200, seed=seed)
        covered += low <= 0 <= high
        widths.append(high - low)
    assert covered / 200 == pytest.approx(0.95, abs=0.05)
    assert np.mean(widths) == pytest.approx(2 * 1.96 / np.sqrt(60), rel=0.1)


def test_bootstrap_interval_lies_around_the_metric_where_repeated_rows_raise_it() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 30, 4))

    def largest_gap(a: np.ndarray, b: np.ndarray) -> float:  # fewer distinct rows, larger gaps
        return float(np.mean([np.abs(b - row).sum(axis=1).min() for row in a]))

    metric = largest_gap(a, b)
    low, high = bootstrap_interval(metric, largest_gap, a, b, draws=100)
    assert low < metric < high
