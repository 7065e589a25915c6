"""What numba compiles for evaluations, in aeon, at the first use on a machine: what is there, and all of it ahead."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ncvqvae.evaluation.nearer import dtw_distances, feature_distances
from ncvqvae.evaluation.rivals import RIVALS
from ncvqvae.evaluation.rocket import catch22, minirocket

COMPILED = {
    "MiniRocket": "transformations/collection/convolution_based/**/_minirocket*.nbi",
    "catch22": "transformations/collection/feature_based/**/_catch22*.nbi",
    "DTW barycentres": "clustering/averaging/**/_ba_*.nbi",
}
"""By what it is for: where in aeon's folder numba keeps its index of compiled code, if it may write there."""

COMPILE_COMMAND = "ncvqvae doctor --compile"


def not_compiled() -> list[str]:
    """Names of `COMPILED` of which numba has kept nothing on this machine."""
    from platformdirs import user_cache_path

    found = find_spec("aeon")
    aeon = [Path(path) for path in (found and found.submodule_search_locations) or ()]
    elsewhere = Path(os.environ.get("NUMBA_CACHE_DIR") or user_cache_path("numba", appauthor=False))

    def is_kept(pattern: str) -> bool:
        name = Path(pattern).name
        return any(any(folder.glob(pattern)) for folder in aeon) or any(elsewhere.rglob(name))

    return [name for name, pattern in COMPILED.items() if not is_kept(pattern)]


def compile_ahead() -> None:
    """Compute on a few small series all that numba compiles in an evaluation; it keeps the result for later processes.

    Takes one to three minutes once, and seconds where everything is compiled.
    """
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12, 1, 32)).astype(np.float32)
    extractors: list[Callable[[np.ndarray], object]] = [minirocket(X), catch22(X)]
    for extract in extractors:
        extract(X)
    minirocket(two_channels := np.repeat(X, 2, axis=1))(two_channels)
    near = feature_distances(X[:, 0], X[:, 0], X[:, 0])
    dtw_distances(X, X, X, near, np.arange(2))(np.arange(4), np.arange(4))
    for make in RIVALS.values():
        make(X, 2, rng)
