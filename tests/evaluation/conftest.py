import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest


class Split(NamedTuple):
    X: np.ndarray
    y: np.ndarray


class UCR(NamedTuple):
    """A UCR dataset scaled by its train split, and its published FCN."""

    name: str
    train: Split
    test: Split
    fcn_path: Path


def two_tone_series(n: int, seed: int, n_classes: int = 2, length: int = 40) -> Split:
    """Noisy sines of random phase, one frequency a class."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    phase = rng.uniform(0, 2 * np.pi, (n, 1))
    t = np.arange(length) / length
    X = np.sin(2 * np.pi * (2 + 3 * y[:, None]) * t + phase) + 0.2 * rng.normal(size=(n, length))
    return Split(X[:, None].astype(np.float32), y)


def _folder(variable: str) -> Path:
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"{variable} is not set")
    return Path(folder)


def load_ucr(name: str) -> UCR:
    data, fcns = _folder("NCVQVAE_DATA_DIR"), _folder("NCVQVAE_FCN_DIR")
    fcn_path = fcns / f"{name}.safetensors"
    # the folder itself may be named, or its parent
    paths = [sorted(data.glob(f"**/{name}_{half}.tsv")) for half in ("TRAIN", "TEST")]
    if not fcn_path.is_file() or not all(paths):
        pytest.skip(f"{name} is not among the data or the weights")
    train, test = (np.loadtxt(found[0], delimiter="\t", dtype=np.float32) for found in paths)
    mean, sd = train[:, 1:].mean(dtype=np.float64), train[:, 1:].std(dtype=np.float64)
    splits = [
        Split(((rows[:, None, 1:] - mean) / sd).astype(np.float32), rows[:, 0].astype(int)) for rows in (train, test)
    ]
    return UCR(name, *splits, fcn_path)
