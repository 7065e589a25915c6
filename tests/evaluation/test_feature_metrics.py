"""The features of MiniRocket and catch22 as instruments: on real series, every metric moves the way it should."""

import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from ncvqvae.data import load_splits
from ncvqvae.evaluation import rocket
from ncvqvae.evaluation.feature_metrics import (
    FeatureSets,
    coverage_metrics,
    fidelity_metrics,
    floor_metrics,
    two_sample_metrics,
)
from ncvqvae.evaluation.fidelity import frechet_distance
from ncvqvae.evaluation.rocket import Extractor, catch22, forward_fill, minirocket
from ncvqvae.evaluation.utility import paired_two_sample_accuracy, rocket_accuracy, two_sample_test

from .conftest import Split

N = 120
Corrupt = Callable[[Split, float, np.random.Generator], Split]


def noise(made: Split, level: float, rng: np.random.Generator) -> Split:
    return Split(made.X + level * rng.normal(size=made.X.shape).astype(np.float32), made.y)


def drop_a_class(made: Split, level: float, rng: np.random.Generator) -> Split:
    """That share of one class gives way to series of the others."""
    of_class, others = np.flatnonzero(made.y == made.y[0]), np.flatnonzero(made.y != made.y[0])
    rows = np.arange(len(made.X))
    rows[of_class[: round(level * len(of_class))]] = rng.choice(others, round(level * len(of_class)))
    return Split(made.X[rows], made.y[rows])


def reverse(made: Split, level: float, rng: np.random.Generator) -> Split:
    X = made.X.copy()
    X[: round(level * len(X))] = X[: round(level * len(X)), :, ::-1]
    return Split(X, made.y)


def mix_segments(made: Split, level: float, rng: np.random.Generator) -> Split:
    """The second half of that share of the series is another one's."""
    X, n, half = made.X.copy(), round(level * len(made.X)), made.X.shape[-1] // 2
    X[:n, :, half:] = made.X[rng.permutation(len(made.X))[:n], :, half:]
    return Split(X, made.y)


def swap_labels(made: Split, level: float, rng: np.random.Generator) -> Split:
    y, n = made.y.copy(), round(level * len(made.y))
    y[:n] = 1 - y[:n]
    return Split(made.X, y)


@pytest.fixture(scope="module")
def real() -> tuple[Split, Split, Split]:
    """Train, test, and other test series in the place of generated ones."""
    splits = load_splits("ItalyPowerDemand")
    assert splits.y_train is not None and splits.y_test is not None
    y_train, y = ((labels == splits.y_train[0]).astype(int) for labels in (splits.y_train, splits.y_test))
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(y))
    test, made = (Split(splits.X_test[part], y[part]) for part in (rows[:N], rows[N : 2 * N]))
    return Split(splits.X_train, y_train), test, made


@pytest.fixture(scope="module")
def spaces(real: tuple[Split, Split, Split]) -> dict[str, Extractor]:
    return {"_minirocket": minirocket(real[0].X), "_catch22": catch22(real[0].X)}


def metrics(train: Split, test: Split, made: Split, spaces: dict[str, Extractor]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, extractor in spaces.items():
        sets = FeatureSets.of(extractor, train.X, test.X, None, made.X)
        found |= fidelity_metrics(sets, name, seed=0)
        if name == "_minirocket":
            found |= coverage_metrics(sets, seed=0) | two_sample_metrics(sets, seed=0, permutations=20)
    return found | {"cas_rocket": rocket_accuracy(made.X, made.y, test.X, test.y, seed=0)}


DISTANCES = [f"{name}{space}_labelled" for name in ("fid", "kid") for space in ("_minirocket", "_catch22")]


@pytest.mark.parametrize(
    ("corrupt", "levels", "rising", "falling"),
    [
        (noise, (0, 0.3, 1), [*DISTANCES, "c2st"], ["precision", "density", "coverage", "cas_rocket"]),
        (drop_a_class, (0, 0.6, 1), DISTANCES, ["recall", "coverage", "cas_rocket"]),
        (reverse, (0, 0.4, 1), [*DISTANCES, "c2st"], ["precision", "density", "coverage"]),
        (mix_segments, (0, 0.4, 1), ["fid_minirocket_labelled", "fid_catch22_labelled"], []),
        (swap_labels, (0, 0.5, 1), [], ["cas_rocket"]),
    ],
)
@pytest.mark.usefixtures("whole_rockets")
def test_every_metric_moves_the_right_way(
    real: tuple[Split, Split, Split],
    spaces: dict[str, Extractor],
    corrupt: Corrupt,
    levels: tuple[float, ...],
    rising: list[str],
    falling: list[str],
) -> None:
    train, test, made = real
    found = [metrics(train, test, corrupt(made, level, np.random.default_rng(1)), spaces) for level in levels]
    for name in rising:
        values = [at_level[name] for at_level in found]
        assert values == sorted(values) and values[0] < values[-1], (name, values)
    for name in falling:
        values = [at_level[name] for at_level in found]
        assert values == sorted(values, reverse=True) and values[0] > values[-1], (name, values)


def test_real_series_in_the_place_of_generated_ones_look_real(
    real: tuple[Split, Split, Split], spaces: dict[str, Extractor]
) -> None:
    found = metrics(*real, spaces)
    assert found["precision"] > 0.9 and found["coverage"] > 0.9 and found["cas_rocket"] > 0.9
    assert found["c2st"] < 0.6 and found["c2st_p"] > 0.05
    assert abs(found["kid_minirocket_labelled"]) < 0.1


def test_features_are_standardised_over_train_and_reproducible(
    real: tuple[Split, Split, Split], monkeypatch: pytest.MonkeyPatch
) -> None:
    train, test, _ = real
    features = minirocket(train.X, seed=3)(train.X)
    assert features.shape == (len(train.X), 128) and features.dtype == np.float64
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-9)
    assert features.var(axis=0).mean() == pytest.approx(1)
    monkeypatch.setattr(rocket, "CHUNK", 7)
    np.testing.assert_allclose(minirocket(train.X, seed=3)(train.X), features)
    characteristics = catch22(train.X)(test.X)
    assert characteristics.shape == (N, 22) and np.abs(characteristics).max() <= rocket.MAX_DEVIATIONS


def test_catch22_is_the_same_from_numbas_cache(
    real: tuple[Split, Split, Split], monkeypatch: pytest.MonkeyPatch
) -> None:
    from aeon.transformations.collection.feature_based import Catch22

    train, test, _ = real
    first = catch22(train.X)(test.X)
    compute, signs = Catch22.fit_transform, np.random.default_rng(0)

    def with_other_last_bits(self: Catch22, X: np.ndarray) -> np.ndarray:
        values = compute(self, X)
        return values * (1 + signs.choice([-1, 0, 1], size=values.shape) * np.finfo(np.float64).eps)

    monkeypatch.setattr(Catch22, "fit_transform", with_other_last_bits)
    np.testing.assert_array_equal(catch22(train.X)(test.X), first)


def test_openmp_is_set_as_before() -> None:
    code = """if True:
        import numpy as np, torch
        from threadpoolctl import ThreadpoolController
        from ncvqvae.evaluation.rocket import minirocket
        from ncvqvae.evaluation.utility import rocket_accuracy

        def openmp():
            libraries = ThreadpoolController().select(user_api="openmp").lib_controllers
            return {library.filepath: library.dynlib.omp_get_nested() for library in libraries}

        before = openmp()
        X, y = np.random.default_rng(0).normal(size=(8, 1, 20)), np.arange(8) % 2
        minirocket(X)(X)
        rocket_accuracy(X, y, X, y, 0)
        after = openmp()
        print(torch.get_num_threads(), {path: after[path] for path in before} == before != {})
    """
    one = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=one, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["1", "True"]


def test_short_and_ended_series_are_held_at_their_last_value() -> None:
    X = np.array([[[1.0, 2.0, np.nan, np.nan]], [[3.0, np.nan, 5.0, 6.0]]])
    np.testing.assert_array_equal(forward_fill(X), [[[1, 2, 2, 2]], [[3, 3, 5, 6]]])
    ended = np.random.default_rng(0).normal(size=(12, 2, 7))
    ended[::2, :, 5:] = np.nan
    for extractor in (minirocket(ended), catch22(ended)):
        assert np.isfinite(extractor(ended)).all()


def test_two_sample_test_keeps_its_level_and_finds_a_shift() -> None:
    rng = np.random.default_rng(0)
    p_values = [two_sample_test(*rng.normal(size=(2, 40, 5)), permutations=19, seed=seed).p_value for seed in range(20)]
    assert np.mean(np.array(p_values) <= 0.2) < 0.5  # 0.2 is expected
    a, b = rng.normal(size=(2, 60, 5))
    found = two_sample_test(a, b + 1.5, permutations=99)
    assert found.accuracy > 0.9 and found.p_value == 0.01


def test_pairs_are_told_apart_by_what_all_imitations_share() -> None:
    rng = np.random.default_rng(0)
    a, noise = rng.normal(size=(2, 100, 5))
    assert paired_two_sample_accuracy(a, a) == 0.5
    assert abs(paired_two_sample_accuracy(a, a + 0.1 * noise) - 0.5) < 0.1
    assert paired_two_sample_accuracy(a, a + 3.0) > 0.9


@pytest.mark.parametrize("n_made", [100, 800])
def test_the_floor_is_what_fresh_series_of_the_same_source_have(n_made: int) -> None:
    rng = np.random.default_rng(0)

    def fresh(n: int) -> np.ndarray:
        return rng.normal(size=(n, 5)) * (1, 2, 3, 1, 1)

    tests = [fresh(400) for _ in range(20)]
    floors = [floor_metrics(fresh(100), test, n_made, seed=0) for test in tests]
    mean = np.mean([floor["fid_floor"] for floor in floors])
    assert 0.8 < mean / np.mean([frechet_distance(test, fresh(n_made)) for test in tests]) < 1.25
    assert abs(np.mean([floor["kid_floor"] for floor in floors])) < 0.01  # 0 but for chance
    assert all(floor["fid_floor_low"] < floor["fid_floor"] < floor["fid_floor_high"] for floor in floors)
    assert frechet_distance(tests[0], fresh(n_made) + 1.0) > floors[0]["fid_floor_high"]


def test_the_floor_falls_with_the_number_of_samples_and_needs_four_series() -> None:
    test = np.random.default_rng(0).normal(size=(60, 3))
    floors = [floor_metrics(test, test, n, seed=0)["fid_floor"] for n in (30, 60, 600)]
    assert floors == sorted(floors, reverse=True) and floors[0] > 1.5 * floors[-1] > 0
    assert floor_metrics(test, test[:3], 30, seed=0) == {}
