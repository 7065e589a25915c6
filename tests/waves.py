"""Two classes that anything can tell apart, for models too small to learn more."""

import numpy as np

SMALL = {
    "tokenizer.hidden_channels": 8,
    "tokenizer.n_residual_blocks": 1,
    "tokenizer.codebook_size": 8,
    "stage1.max_steps": 10,
    "stage1.projector_width": 8,
    "stage1.precision": "32-true",
    "prior.width": 8,
    "prior.head_width": 4,
    "prior.n_layers": 1,
    "stage2.max_steps": 1,
    "stage2.precision": "32-true",
    "stage2.time_warp": 0.0,
    "sampling.precision": "32-true",
    "sampling.n_steps": 10,
    "sampling.choice_temperature": 16.0,
    "sampling.kept_share": 0.0,
    "sampling.time_warp": 0.0,
    "sampling.residual_neighbours": 0,
    "sampling.residual_scale": 1.0,
    "sampling.redraws": 0,
}
"""Settings of such a model; it keeps no training series."""


def two_classes(n_timepoints: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Slow waves and fast ones, at random phases."""
    rng = np.random.default_rng(0)
    y = np.array(["slow", "fast"] * 20)
    periods = np.where(y == "slow", 20.0, 4.0)[:, None]
    X = np.sin(2 * np.pi * (np.arange(n_timepoints) / periods + rng.random((40, 1))))
    return X + 0.1 * rng.normal(size=X.shape), y
