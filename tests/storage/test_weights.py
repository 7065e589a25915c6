"""A run's folder from somebody else: what it asks for is checked before memory is taken, and nothing in it is code."""

import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ncvqvae import NCVQVAE, InputError
from ncvqvae.storage.model_files import FORMAT
from ncvqvae.training.checkpoints import WholeFileIO

TINY = {
    "tokenizer": {"hidden_channels": 4, "n_residual_blocks": 1, "codebook_size": 8},
    "stage1": {"max_steps": 1, "batch_size": 8, "projector_width": 16, "precision": "32-true"},
    "prior": {"width": 8, "head_width": 8, "n_layers": 1},
    "stage2": {"max_steps": 1, "batch_size": 8, "precision": "32-true"},
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    X = np.random.default_rng(0).normal(size=(12, 1, 32))
    NCVQVAE(settings=TINY).fit(X, ["a", "b"] * 6).save_pretrained(folder)
    return folder


@pytest.fixture
def run(saved: Path, tmp_path: Path) -> Path:
    return shutil.copytree(saved, tmp_path / "run")


def refusal(run: Path) -> str:
    """The line with which a folder is refused, for little memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError) as error:
        NCVQVAE.from_pretrained(run)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes
    assert "\n" not in str(error.value) and len(str(error.value)) < 1000
    return str(error.value)


BOMB = "a: &a [0,0,0,0,0,0,0,0,0,0]\n" + "\n".join(
    f"{after}: &{after} [{','.join([f'*{before}'] * 10)}]" for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGED = "a: &a {x: 1}\n" + "\n".join(
    f"{after}: &{after} {{<<: [{','.join([f'*{before}'] * 10)}]}}"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)
OLD = f"format: {FORMAT}"
HOSTILE = {
    "length": (("n_timepoints: 32", "n_timepoints: 1000000000000"), "another model"),
    "channels": (("n_channels: 1", "n_channels: 100000000000"), "is damaged"),
    "some channels": (("n_channels: 1", "n_channels: 3"), "tokenizer.safetensors belongs to another model"),
    "codes": (("codebook_size: 8", "codebook_size: 1000000"), "another model"),
    "window": (("n_fft: 8", "n_fft: 1000000"), "tokenizer.safetensors belongs to another model"),
    "residuals": (("n_residuals: 12", "n_residuals: 1000000000000"), "tokenizer.safetensors belongs to another model"),
    "no residuals": (("n_residuals: 12", "n_residuals: 0"), "tokenizer.safetensors belongs to another model"),
    "fewer than none": (("n_residuals: 12", "n_residuals: -1"), "is damaged"),
    "layers": (("n_layers: 1", "n_layers: 1000000000"), "'prior.n_layers' is 1000000000; give a whole number from"),
    "width": (("head_width: 8", "head_width: -8"), "prior.head_width"),
    "kind": (("flat: false", "scaler: 3"), "is damaged"),
    "itself": ((OLD, OLD + "\nit: &it [*it]"), "contains itself"),
    "aliases": ((OLD, OLD + "\n" + BOMB), "unfolds to more than"),
    "merge keys": ((OLD, OLD + "\n" + MERGED), "unfolds to more than"),
    "a list": ((OLD, "format: [" + "0," * 2_000_000 + "]"), "unfolds to more than"),
    "bytes": ((OLD, OLD + " " + "#" * 9_000_000), "more than 8,000,000 bytes"),
    "a long number": ((OLD, "format: " + "1:" * 400_000 + "1"), "characters"),
    "date": ((OLD, "format: 2001-99-99"), "is not valid YAML"),
    "depth": ((OLD, "format: " + "[" * 2_000), "is nested deeper than"),
    "code": ((OLD, "format: !!python/object/apply:os.getcwd []"), "is not valid YAML"),
    "key": ((OLD, "? [format]\n: 1"), "is not valid YAML"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_config_asks_for_is_checked_before_memory_is_taken(name: str, run: Path) -> None:
    (old, new), words = HOSTILE[name]
    text = (run / "config.yaml").read_text()
    assert old in text
    (run / "config.yaml").write_text(text.replace(old, new))
    assert words in refusal(run)


def with_nan(weights: dict[str, torch.Tensor]) -> None:
    weights["codes"][0, 0] = torch.nan


def with_half_precision(weights: dict[str, torch.Tensor]) -> None:
    weights["codes"] = weights["codes"].half()


def with_float8(weights: dict[str, torch.Tensor]) -> None:
    weights["codes"] = weights["codes"].to(torch.float8_e4m3fn)


def with_huge_doubles(weights: dict[str, torch.Tensor]) -> None:
    weights["codes"] = torch.full(weights["codes"].shape, 1e300, dtype=torch.float64)


def with_truth(weights: dict[str, torch.Tensor]) -> None:
    weights["codes"] = weights["codes"] > 0


def with_one_more(weights: dict[str, torch.Tensor]) -> None:
    weights["more"] = torch.zeros(1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (with_nan, "codes is not finite"),
        (with_one_more, "more is [1]"),
        (with_half_precision, "codes in float16; the model's is float32"),
        (with_float8, "codes in float8_e4m3fn; the model's is float32"),
        (with_huge_doubles, "codes in float64; the model's is float32"),
        (with_truth, "codes in bool; the model's is float32"),
    ],
)
def test_weights_are_those_of_the_model_and_finite(
    change: Callable[[dict[str, torch.Tensor]], None], words: str, run: Path
) -> None:
    weights = load_file(run / "prior.safetensors")
    change(weights)
    save_file(weights, run / "prior.safetensors")
    assert words in refusal(run)


class Bomb:
    """Unpickling it would be noticed."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[Path]]:
        return (Path.touch, (Path("unpickled"),))


@pytest.mark.parametrize("weights_only", [True, False, None])
def test_a_checkpoint_with_code_is_refused_whoever_asks(
    weights_only: bool | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {}, "callbacks": Bomb()}, "stage1.ckpt")
    with pytest.raises(InputError, match="no whole checkpoint"):
        WholeFileIO().load_checkpoint("stage1.ckpt", weights_only=weights_only)
    assert not Path("unpickled").exists()


def test_training_is_not_resumed_from_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("checkpoints").mkdir()
    torch.save({"state_dict": {}, "callbacks": Bomb()}, "checkpoints/stage1.ckpt")
    with pytest.raises(InputError, match="no whole checkpoint"):
        NCVQVAE(settings=TINY).fit(np.random.default_rng(0).normal(size=(12, 32)), checkpoints="checkpoints")
    assert not Path("unpickled").exists()
