"""Which series a model was fitted on: a digest of each case, of its values and its label."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from ncvqvae.data.mapped import case_chunks
from ncvqvae.data.missing import series_lengths


def case_digests(X: np.ndarray, y: np.ndarray | None) -> list[str]:
    """A digest of 16 hexadecimal digits of each case; the same wherever it stands and however far it is padded.

    Args:
        X: series (n_cases, n_channels, n_timepoints), which end in NaN where they are shorter; taken as float32.
        y: labels (n_cases,) or None; the text "1" and the number 1 count as one label.
    """
    labels = [""] * len(X) if y is None else [f"={label}" for label in y.tolist()]
    digests: list[str] = []
    for chunk in case_chunks(X):
        with np.errstate(over="ignore"):
            values = np.asarray(chunk).astype("<f4") + np.float32(0)  # one zero, not two
        values[np.isnan(values)] = np.nan
        for series, end in zip(values, series_lengths(values), strict=True):
            label = labels[len(digests)].encode("utf-8", "surrogatepass")
            content = f"{series.shape[0]}:".encode() + series[:, :end].tobytes() + label
            digests.append(hashlib.blake2b(content, digest_size=8).hexdigest())
    return digests


def joint_digest(digests: Sequence[str]) -> str:
    """One digest of cases in any order."""
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()
