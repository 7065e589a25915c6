import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ncvqvae.evaluation import compiling
from ncvqvae.evaluation.compiling import COMPILED, not_compiled

USED = """
from aeon.clustering.averaging import _ba_petitjean
from aeon.distances import dtw_distance
from aeon.transformations.collection.convolution_based import _minirocket
from aeon.transformations.collection.feature_based import _catch22
from ncvqvae.evaluation.compiling import compile_ahead, not_compiled

functions = [
    _minirocket._fit_biases, _minirocket._static_transform_uni, _minirocket._static_transform_multi,
    _catch22._transform_case_numba, _ba_petitjean._ba_one_iter_petitjean, dtw_distance,
]
assert not any(function.signatures for function in functions)
compile_ahead()
assert all(function.signatures for function in functions), [len(function.signatures) for function in functions]
assert not_compiled() == []
"""


def test_all_that_evaluations_use_is_compiled_ahead_and_kept() -> None:
    subprocess.run([sys.executable, "-c", USED], check=True)  # a new process, in which nothing has been used yet


@pytest.mark.parametrize("place", ["aeon", "numba"])
def test_what_is_missing_is_named(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aeon, numba = tmp_path / "aeon", tmp_path / "numba"
    monkeypatch.setattr(compiling, "find_spec", lambda name: SimpleNamespace(submodule_search_locations=[str(aeon)]))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(numba))
    assert not_compiled() == list(COMPILED)
    inside = "transformations/collection/feature_based/__pycache__" if place == "aeon" else "feature_based_0123"
    index = tmp_path / place / inside / "_catch22.Catch22-10.py311.nbi"
    index.parent.mkdir(parents=True)
    index.touch()
    assert not_compiled() == [name for name in COMPILED if name != "catch22"]
