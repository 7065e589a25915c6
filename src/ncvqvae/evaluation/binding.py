"""One digest of a run's settings, weights and data; the run's metrics carry it to show what they belong to."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ncvqvae.errors import InputError
from ncvqvae.evaluation.metric_files import read_metrics, read_object

BOUND = ("config.yaml", "tokenizer.safetensors", "prior.safetensors", "cases.csv")
"""The files that the digest covers: a run's metrics are valid only for these."""

KEY = "run"
"""Key in ``metrics.json`` of the digest of the run that was evaluated."""


def run_digest(folder: Path) -> str:
    """SHA-256 of a run's settings, weights and the digests of its cases; files that are missing are left out."""
    digest = hashlib.sha256()
    for path in (folder / name for name in BOUND):
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "none"
        digest.update(f"{path.name} {content}\n".encode())
    return digest.hexdigest()


def read_run_metrics(folder: Path) -> dict[str, float]:
    """The metrics of a run, after a check that they belong to the model that is in its folder now.

    Older metrics have no digest and are returned without the check.

    Raises:
        InputError: if there are no metrics, they are damaged, or they belong to another model.
    """
    path = folder / "metrics.json"
    if not path.is_file():
        raise InputError(f"{folder} has no metrics yet; first run: ncvqvae evaluate {folder}")
    metrics = read_metrics(path)
    evaluated = read_object(path).get(KEY)
    if evaluated is not None and evaluated != run_digest(folder):
        raise InputError(f"{path} is of another model than the one in {folder}; run again: ncvqvae evaluate {folder}")
    return metrics
