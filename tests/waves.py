"""Two classes that anything can tell apart, for models too small to learn more."""

import numpy as np


def two_classes(n_timepoints: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Slow waves and fast ones, at random phases."""
    rng = np.random.default_rng(0)
    y = np.array(["slow", "fast"] * 20)
    periods = np.where(y == "slow", 20.0, 4.0)[:, None]
    X = np.sin(2 * np.pi * (np.arange(n_timepoints) / periods + rng.random((40, 1))))
    return X + 0.1 * rng.normal(size=X.shape), y
