"""What a model's folder says is checked at the load: what is accepted can be sampled from, the rest is one line."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from tests.storage.test_weights import TINY

from ncvqvae import NCVQVAE, InputError
from ncvqvae.storage.model_files import FORMAT


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model of equal lengths with classes, and one of unequal lengths with classes; both keep residuals."""
    X = np.random.default_rng(0).normal(size=(12, 32))
    folders = {name: tmp_path_factory.mktemp(name) for name in ("equal", "unequal")}
    for name, folder in folders.items():
        series: Any = X[:, None] if name == "equal" else [x[: 32 - n % 3] for n, x in enumerate(X)]
        NCVQVAE(settings={**TINY, "sampling.residual_neighbours": 2}).fit(series, ["a", "b"] * 6).save_pretrained(
            folder
        )
    return folders


def changed(folder: Path, name: str, value: Any) -> None:
    """Give a value of ``config.yaml``, by its dotted name, another content; without a value it goes."""
    values = yaml.safe_load((folder / "config.yaml").read_text())
    *groups, last = name.split(".")
    group = values
    for part in groups:
        group = group[part]
    group[last] = value
    (folder / "config.yaml").write_text(yaml.safe_dump(values))


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as error:
        NCVQVAE.from_pretrained(folder)
    assert "\n" not in str(error.value) and len(str(error.value)) < 600
    return str(error.value)


NOT_COUNTS = [
    [6, 6, 6],
    [12],
    [],
    [-6, 18],
    [0, 0],
    [0, 12],
    [6.5, 5.5],
    ["6", "6"],
    [2**70, 6],
    [True, 11],
    12,
    None,
    [7, 6],
]
UNFIT = {
    "data.class_counts": NOT_COUNTS,
    "data.classes": [["a", "a"], ["a"], ["a", None], ["a", ["b", {}]], ["a", "b\0c"], 3, ["a", 2**70]],
    "data.n_cases": [0, -1, 1.5, "12", True, 10**30, None],
    "data.n_channels": [0, -1, 2, "1"],
    "data.n_timepoints": [0, -1, 1, 10**12, 31.5],
    "data.scaler.mean": [[], [0.0, 0.0], [float("nan")], [float("inf")], [1e300], "words", [[0.0], [0.0]]],
    "data.scaler.scale": [[0.0], [-1.0], [float("nan")], [float("inf")], [1e300], [], None],
    "data.scaler.case_ddof": [2, -1, "0"],
    "data.scaler.flat_tolerance": [-0.1, 0.6, float("nan"), float("inf"), "x", None, [0.1]],
    "data.n_residuals": [-1, 11, 10**30, "x"],
    "seconds": [{}, [], {"stage1": "x", "stage2": 1.0}, {"stage1": float("nan"), "stage2": 1.0}, {"stage1": 1.0}],
    "preset": [3, ["default"], None],
    "format": ["2", FORMAT + 1, None, [2]],
    "model.sampling.guidance_scale": [float("inf"), float("nan"), -1.0, 1e9, "x", True],
    "model.sampling.residual_scale": [float("inf"), float("nan"), -1.0, 1e9, "x"],
    "model.sampling.temperature": [float("inf"), float("nan"), 0.0, -1.0],
    "model.sampling.n_steps": [0, -1, 10**9, 1.5],
    "model.sampling.chunk_size": [0, -1, 10**30],
    "model.seed": [-1, 2**32, 1.5, float("inf"), 10**30],
    "weights": [3, "x", [["tokenizer.safetensors"]]],
}  # fmt: skip


@pytest.mark.parametrize("name", UNFIT)
def test_values_that_no_fit_writes_are_refused_at_the_load(name: str, saved: dict[str, Path], tmp_path: Path) -> None:
    for at, value in enumerate(UNFIT[name]):
        run = shutil.copytree(saved["equal"], tmp_path / str(at))
        changed(run, name, value)
        assert "config.yaml" in (said := refusal(run)) or "belongs to another model" in said, value


@pytest.mark.parametrize(
    "lengths",
    [[], [{32: 6}], [{32: 6}, {}], [{-1: 6}, {32: 6}], [{0: 6}, {32: 6}], [{33: 6}, {32: 6}], [{32: -6}, {32: 6}],
     [{32: 6}, {32: 0}], [{32: 6.5}, {32: 6}], [{"x": 6}, {32: 6}], 3, [{32: 6}] * 3],
)  # fmt: skip
def test_lengths_that_no_series_have_are_refused(lengths: Any, saved: dict[str, Path], tmp_path: Path) -> None:
    run = shutil.copytree(saved["unequal"], tmp_path / "run")
    changed(run, "data.lengths", lengths)
    assert "config.yaml is damaged" in refusal(run)


@pytest.mark.parametrize("token", [8, 10**6, -2, -(2**31)])
def test_tokens_of_residuals_are_codes(token: int, saved: dict[str, Path], tmp_path: Path) -> None:
    run = shutil.copytree(saved["equal"], tmp_path / "run")
    edit_weights(run, "tokenizer", lambda weights: weights["residuals.tokens"].index_fill_(0, torch.tensor(3), token))
    assert f"residuals have tokens from {min(token, 0)}" in refusal(run) or f"to {token}," in refusal(run)


def edit_weights(run: Path, network: str, edit: Callable[[dict[str, torch.Tensor]], object]) -> None:
    weights = load_file(run / f"{network}.safetensors")
    edit(weights)
    save_file(weights, run / f"{network}.safetensors")
    values = yaml.safe_load((run / "config.yaml").read_text())
    del values["weights"]  # a stranger's may lack the digests
    (run / "config.yaml").write_text(yaml.safe_dump(values))


@pytest.mark.parametrize("network", ["tokenizer", "prior"])
@pytest.mark.parametrize("factor", [0.0, -1.0, 1e10, 1e38, 3e38])
@pytest.mark.parametrize("kind", ["equal", "unequal"])
def test_finite_weights_of_any_size_are_sampled_from_or_refused_in_one_line(
    kind: str, factor: float, network: str, saved: dict[str, Path], tmp_path: Path
) -> None:
    run = shutil.copytree(saved[kind], tmp_path / "run")
    edit_weights(run, network, lambda weights: [fill_(value, factor) for value in weights.values()])
    model = NCVQVAE.from_pretrained(run)
    X = np.random.default_rng(0).normal(size=(2, model.n_channels_, model.n_timepoints_)).astype(np.float32)
    for use in (lambda: model.sample(6).X, lambda: model.reconstruct(X), lambda: model.decode(model.encode(X))):
        refused = ""
        try:
            assert all((np.abs(series) < 1e15).all() for series in use())  # their squares are finite, too
        except InputError as error:
            refused = str(error)
        assert not refused or ("weights are damaged" in refused and factor)


def fill_(value: torch.Tensor, factor: float) -> None:
    if value.is_floating_point():
        value.fill_(factor)


@pytest.mark.parametrize(
    "asked",
    [{"n": 10**30}, {"n": 0}, {"n": -5}, {"n": 2.5}, {"seed": -1}, {"seed": 2**64}, {"seed": 1.5}, {"seed": True},
     {"guidance_scale": float("inf")}, {"guidance_scale": float("nan")}, {"residual_scale": float("inf")},
     {"temperature": float("nan")}, {"length": 10**30}, {"length": -1}, {"n_steps": 10**9}],
)  # fmt: skip
def test_a_draw_that_cannot_be_made_is_one_line(asked: dict[str, Any], saved: dict[str, Path]) -> None:
    model = NCVQVAE.from_pretrained(saved["equal"])
    with pytest.raises(InputError) as error:
        model.sample(**{"n": 2, **asked})
    assert "\n" not in str(error.value)


def test_a_hot_redraw_stays_within_the_largest_temperature(saved: dict[str, Path]) -> None:
    model = NCVQVAE.from_pretrained(saved["equal"])
    model._generator.is_copy = lambda made, lengths: torch.ones(len(made), dtype=torch.bool)  # type: ignore[method-assign]
    assert np.isfinite(model.sample(2, temperature=1e6, redraws=2, redraw_heating=1e3).X).all()


def test_the_largest_seed_is_good_for_every_draw(saved: dict[str, Path]) -> None:
    model = NCVQVAE.from_pretrained(saved["equal"])
    for seed in (0, 2**32 - 1, 2**32 + 1):  # an evaluation counts on from the seed it is given
        assert len(model.sample(2, seed=seed).X) == 2
