from pathlib import Path
from types import SimpleNamespace

import pytest

from ncvqvae.evaluation import compiling
from ncvqvae.evaluation.compiling import COMPILED, compile_ahead, not_compiled


def test_what_was_compiled_ahead_is_kept() -> None:
    compile_ahead()
    assert not_compiled() == []


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
