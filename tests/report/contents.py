"""Tiny contents of reports: sines by class, no model."""

from typing import Any

import numpy as np

from ncvqvae.report.content import ClassAttention, ReportContent

NAUGHTY = "<img src=x onerror=alert(1)>"
METRICS = {
    "fid": 1.5,
    "fid_labelled": 0.6,
    "fid_real": 0.3,
    "is": 1.5,
    "is_labelled": 1.8,
    "is_real": 1.9,
    "cas": 0.95,
    "cas_real": 0.97,
    "utility_real": 0.85,
    "utility_real_sd": 0.01,
    "utility_both": 0.95,
    "utility_both_sd": 0.01,
    "utility_n_added": 60.0,
    "copied": 0.06,
    "copied_unconditional": 0.02,
    "copied_real": 0.05,
    "knn": 0.91,
    "svm": 0.93,
    "val_recon": 0.05,
    "prior_loss": 1.2,
    "stage1_seconds": 130.0,
}


RIVALS = {
    "utility_both_of_train": 0.85,
    "utility_both_of_jitter": 0.86,
    "utility_both_of_timewarp": 0.88,
    "utility_both_of_timewarp_sd": 0.01,
    "utility_both_of_mixup": 0.87,
    "cas_rocket_of_timewarp": 0.9,
    "fid_labelled_of_timewarp": 0.4,
    "fid_labelled_of_jitter": 0.2,
    "nearer_rocket_of_timewarp": 0.99,
    "authpct_of_jitter": 0.1,
}
"""Metrics of four rivals, as `metrics.json` names them; not every rival has every metric."""


def sines(
    n: int, length: int = 40, channels: int = 1, seed: int = 0, noise: float = 0.1
) -> tuple[np.ndarray, np.ndarray]:
    """Series (n, channels, length) of two classes, a slow and a fast sine of random phase, and their class 0 or 1."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    phase = rng.uniform(0, 2, (n, channels, 1))
    X = np.sin(np.linspace(0, 6, length) * (1 + y[:, None, None]) + phase) + noise * rng.normal(
        size=(n, channels, length)
    )
    return X.astype(np.float32), y


def minimal_content(**given: Any) -> ReportContent:
    """Unlabelled series and unconditional samples, nothing else."""
    X, _ = sines(20)
    return ReportContent(**{"name": "minimal", "X_train": X[:10], "X_test": X[10:], "X_unconditional": X, **given})


def full_content(channels: int = 1, seed: int = 0, n_test: int = 120, **given: Any) -> ReportContent:
    """Everything a run of two classes can have; one class is named after markup."""
    names = np.array(["slow", NAUGHTY], dtype=object)
    rng = np.random.default_rng(seed)
    X_train, y_train = sines(60, channels=channels, seed=1)
    X_test, y_test = sines(n_test, channels=channels, seed=2)
    X_made, y_made = sines(60, channels=channels, seed=10 + seed)
    direction = rng.normal(size=(X_train[0].size, 5))
    history = [{"stage": "stage1", "step": i, "loss": 2 / i, "recon": 1 / i, "ssl": 1 / i} for i in range(1, 30)]
    history += [
        {"stage": "stage2", "step": i, "loss": 3 / i, "prior": 3 / i, "ssl": float("nan")} for i in range(1, 30)
    ]
    probabilities = rng.uniform(size=(4, 6, 9))
    probabilities[3] = np.nan
    values: dict[str, Any] = {
        "name": f"run {NAUGHTY}",
        "X_train": X_train,
        "y_train": names[y_train],
        "X_test": X_test,
        "y_test": names[y_test],
        "facts": {"ssl": "vibcreg", "seed": str(seed), "note": NAUGHTY},
        "metrics": METRICS,
        "history": history,
        "X_test_reconstructed": X_test * 0.98,
        "X_labelled": X_made,
        "y_labelled": names[y_made],
        "X_unconditional": sines(20, channels=channels, seed=4)[0],
        "Z_train": X_train.reshape(len(X_train), -1) @ direction,
        "Z_test": X_test.reshape(len(X_test), -1) @ direction,
        "Z_generated": X_made.reshape(len(X_made), -1) @ direction,
        "tokens_train": rng.integers(0, 7, (60, 9)),
        "tokens_test": rng.integers(0, 7, (n_test, 9)),
        "tokens_generated": rng.integers(0, 7, (60, 9)),
        "codebook": rng.normal(size=(8, 5)),
        "selected_probabilities": probabilities,
        "decoding_entropies": np.array([2.0, 1.5, 1.0, np.nan]),
        "attention": [
            ClassAttention(name, rng.dirichlet(np.ones(6), (2, 3))[..., :5], X_made[y_made == place].mean(0))
            for place, name in enumerate(names)
        ],
    }
    return ReportContent(**(values | given))
