"""Made series: fresh ones score well, and those that a generator would spoil score badly."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from ncvqvae.data import load_dataset

MADE = runpy.run_path(str(Path(__file__).parents[2] / "results" / "made.py"))


@pytest.mark.parametrize("kind", MADE["KINDS"])
def test_the_score_tells_fresh_series_from_spoiled_ones(kind: str) -> None:
    X, y = MADE["series"](kind, 400, seed=7)
    fresh = MADE["score"](kind, X, y)
    padded = np.pad(X, ((0, 0), (2, 2)), mode="edge")
    smoothed = np.lib.stride_tricks.sliding_window_view(padded, 5, axis=1).mean(2)
    noisy = X + 0.1 * np.random.default_rng(0).normal(size=X.shape)
    assert fresh < 0.25
    # smoothing and noise spoil detail; what chirps are about is the order of events, which other classes have otherwise
    spoiled = [(X, (y + 1) % 4)] if kind == "chirps" else [(smoothed, y), (noisy, y)]
    assert max(MADE["score"](kind, *of) for of in spoiled) > 2 * fresh + 0.2


def test_sets_are_written_as_the_library_reads_them(tmp_path: Path) -> None:
    MADE["write"]("levels", tmp_path, 40, 20, 3)
    X, y = load_dataset("MadeLevels", data_dir=tmp_path)
    made, classes = MADE["series"]("levels", 40, 3)
    np.testing.assert_allclose(X[:, 0], made, atol=1e-4)
    assert [str(label) for label in y] == [str(label) for label in classes]
    assert len(load_dataset("MadeLevels", "test", data_dir=tmp_path)[0]) == 20
