"""What binds the files of a run: one digest of settings, weights and data, which its metrics carry."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ncvqvae.errors import InputError
from ncvqvae.evaluation.metrics import read_metrics

BOUND = ("config.yaml", "tokenizer.safetensors", "prior.safetensors", "cases.csv")
"""The files that decide what a run's metrics are of."""

KEY = "run"
"""Where ``metrics.json`` holds the digest of the run that was evaluated."""


def run_digest(folder: Path) -> str:
    """SHA-256 of settings, weights and the digests of the cases, of those files that are there."""
    digest = hashlib.sha256()
    for path in (folder / name for name in BOUND):
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "none"
        digest.update(f"{path.name} {content}\n".encode())
    return digest.hexdigest()


def read_run_metrics(folder: Path) -> dict[str, float]:
    """The metrics of a run, if they are of the model that is in its folder now.

    Metrics from before there were digests are taken as they are.

    Raises:
        InputError: if there are none, they are damaged, or they are of another model.
    """
    path = folder / "metrics.json"
    if not path.is_file():
        raise InputError(f"{folder} has no metrics yet; first run: ncvqvae evaluate {folder}")
    metrics = read_metrics(path)
    evaluated = json.loads(path.read_text(encoding="utf-8")).get(KEY)
    if evaluated is not None and evaluated != run_digest(folder):
        raise InputError(f"{path} is of another model than the one in {folder}; run again: ncvqvae evaluate {folder}")
    return metrics
