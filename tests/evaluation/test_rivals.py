"""Rivals: what each makes of training series."""

import numpy as np
import pytest

from ncvqvae.evaluation import metrics, rivals
from ncvqvae.evaluation.rivals import JITTER, RIVALS, left_out, rival_series


def train(n_channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Class a near 0, class b near 10, one series of class c."""
    rng, y = np.random.default_rng(0), np.array(["a"] * 8 + ["b"] * 6 + ["c"])
    level = np.array([{"a": 0.0, "b": 10.0, "c": 20.0}[label] for label in y.tolist()])
    t = np.linspace(0, 6, 30)
    X = level[:, None, None] + np.sin(t + rng.uniform(0, 2, (15, n_channels, 1)))
    return X.astype(np.float32), y


WANTED = np.array(["b", "a", "c"] * 7)


@pytest.mark.parametrize("name", list(RIVALS))
@pytest.mark.parametrize("n_channels", [1, 3])
def test_every_rival_makes_series_of_the_wanted_class(name: str, n_channels: int) -> None:
    X, y = train(n_channels)
    made = rival_series(name, X, y, WANTED, seed=3)
    assert made.shape == (21, n_channels, 30) and made.dtype == np.float32 and np.isfinite(made).all()
    means = {"a": 0.0, "b": 10.0, "c": 20.0}
    assert all(abs(series.mean() - means[label]) < 1.5 for series, label in zip(made, WANTED.tolist(), strict=True))
    assert np.array_equal(made, rival_series(name, X, y, WANTED, seed=3))
    assert name == "train" or not np.array_equal(made, rival_series(name, X, y, WANTED, seed=4))
    known = {series.tobytes() for series in X}
    new = [series.tobytes() not in known for series in made[WANTED != "c"]]  # SMOTE and averages repeat a lone series
    assert not any(new) if name == "train" else np.mean(new) > 0.9


@pytest.mark.parametrize("name", ["train", "jitter", "timewarp", "mixup"])
def test_series_that_end_early_still_do(name: str) -> None:
    X, y = train(2)
    X[::2, :, 20:] = np.nan
    made = rival_series(name, X, y, WANTED, seed=0)
    ends = (~np.isnan(made).any(axis=1)).sum(axis=-1)
    assert set(ends.tolist()) == {20, 30}
    assert (np.isnan(made).all(axis=1) == (np.arange(30) >= ends[:, None])).all()
    assert set(left_out(X, 10)) == {"smote", "dba"}


def test_jitter_has_its_noise_and_training_series_come_equally_often() -> None:
    X, y = train()
    wanted = np.repeat("a", 400)
    copies = rival_series("train", X, y, wanted, seed=0)
    counts = [(copies == series).all(axis=(1, 2)).sum() for series in X[y == "a"]]
    assert counts == [50] * 8
    nearest = np.abs(rival_series("jitter", X, y, wanted, seed=0)[:, None] - X[None, y == "a"]).mean(axis=(2, 3)).min(1)
    assert nearest.mean() == pytest.approx(JITTER * np.sqrt(2 / np.pi), rel=0.05)


def test_time_warp_keeps_both_ends_and_the_order_of_values() -> None:
    ramp = np.arange(50, dtype=np.float32)[None, None]
    made = rival_series("timewarp", ramp, np.zeros(1), np.zeros(200), seed=0)[:, 0]
    assert (np.diff(made) > 0).all()
    assert np.allclose(made[:, 0], 0) and np.allclose(made[:, -1], 49)
    moved = np.abs(made - ramp[0, 0]).max(axis=1) / 49
    assert 0.02 < np.median(moved) < 0.2


def test_averages_are_left_out_where_they_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    X, _ = train()
    assert left_out(X, 100) == {} and set(left_out(X, 5000)) == {"dba"} and left_out(X, 5000, full=True) == {}
    long = np.zeros((2, 1, 3000), np.float32)
    assert "length 3000" in left_out(long, 100)["dba"]
    monkeypatch.setitem(rivals.MAX_SECONDS, False, 1e6)
    assert left_out(long, 100) == {}


@pytest.mark.parametrize(
    ("n", "full", "text"),
    [
        (1264, False, "1264 barycentres of length 30 take some 27 s, over the limit of 15 s; --full allows 300 s"),
        (50000, False, "50000 barycentres of length 30 take some 1068 s, over the limit of 15 s; --full allows 300 s"),
        (50000, True, "50000 barycentres of length 30 take some 1068 s, over the limit of 300 s"),
    ],
)
def test_what_averages_would_take_is_said_beside_the_limit(n: int, full: bool, text: str) -> None:
    said = left_out(train()[0], n, full=full)["dba"]
    assert said.startswith(text) and said.count("--full") == text.count("--full")


def test_the_registry_names_the_rivals_that_there_are() -> None:
    assert list(metrics.RIVALS) == list(RIVALS)
