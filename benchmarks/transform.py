"""Cost of ``transform`` beside MiniRocket's, on the same series in the same run.

python benchmarks/transform.py                 10,000 series of 500 steps, as many threads as PyTorch takes
python benchmarks/transform.py -n 1000 --length 200

The model is that of the ``default`` preset after a single step: what it has learned does not change what it costs.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from aeon.transformations.collection.convolution_based import MiniRocket

from ncvqvae import NCVQVAE

FITTED = 600
SETTINGS = {"stage1.max_steps": 1, "stage2.max_steps": 1, "sampling.residual_neighbours": 0, "sampling.redraws": 0}


def seconds(function: Callable[[np.ndarray], object], X: np.ndarray) -> float:
    """Time of a call, after one on a few series, which compiles what is compiled."""
    function(X[:64])
    start = time.perf_counter()
    function(X)
    return time.perf_counter() - start


def main() -> None:
    """Print both times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=10_000)
    parser.add_argument("--length", type=int, default=500)
    given = parser.parse_args()
    X = np.random.default_rng(0).normal(size=(given.n, 1, given.length)).astype(np.float32).cumsum(2)
    y = np.arange(FITTED) % 2
    model = NCVQVAE(augmentation="gauss", settings=SETTINGS).fit(X[:FITTED], y)
    rocket = MiniRocket(random_state=0, n_jobs=torch.get_num_threads()).fit(X[:FITTED])
    size = model.transform(X[:2]).shape[1]
    ours, theirs = seconds(model.transform, X), seconds(rocket.transform, X)
    print(f"{given.n} series of {given.length} steps, {torch.get_num_threads()} thread(s)")
    print(f"transform, {size} numbers each: {ours:.1f} s; MiniRocket's: {theirs:.1f} s; ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
