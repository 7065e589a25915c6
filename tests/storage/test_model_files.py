"""A model's files: those of the first format sample as they did, and no two models are mixed."""

import copy
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.torch import load_file, save_file
from tests.waves import SMALL, two_classes

from ncvqvae import NCVQVAE, InputError
from ncvqvae.config import EmbeddingConfig, kept

AUTO = {
    **SMALL,
    "tokenizer.codes_per_class": 5,
    "tokenizer.tokens_per_code": 40,
    "stage1.warped_share": "auto",
    "prior.linear_rank": "auto",
    "prior.input_mode": "auto",
    "stage2.token_temperature": "auto",
    "sampling.residual_neighbours": 4,
    "sampling.residual_scale": "auto",
    "sampling.redraws": 1,
}


@pytest.fixture(scope="module")
def fitted() -> NCVQVAE:
    X, y = two_classes()
    model = NCVQVAE(augmentation="auto", settings=AUTO).fit([x[: len(x) - n % 4] for n, x in enumerate(X)], y)
    model.config_.sampling.residual_scale = 0.5  # whatever was chosen: a factor of 0 would show nothing
    return model


def without_bands(folder: Path) -> None:
    """Names the weights as formats 1 to 5 did."""
    path = folder / "tokenizer.safetensors"
    weights = load_file(path)
    assert any(name.startswith("bands.0.encoder.") for name in weights)
    old = {name.replace("bands.0.", "").replace("of_latents.0.", "of_latents."): w for name, w in weights.items()}
    save_file(old, path)


def in_format_1(folder: Path) -> None:
    """What version 0.1.0 up to commit 85cabad wrote: views settled, all else as asked, the factor with the data."""
    without_bands(folder)
    path = folder / "config.yaml"
    now = yaml.safe_load(path.read_text())
    model = {**now["asked"], "augmentation": now["model"]["augmentation"]}
    del model["embedding"]
    data = {**now["data"], "residual_scale": now["model"]["sampling"]["residual_scale"]}
    old = {"format": 1, "preset": now["preset"], "model": model, "data": data, "seconds": now["seconds"]}
    path.write_text(yaml.safe_dump(old, sort_keys=False))


def without_embeddings(model: NCVQVAE) -> NCVQVAE:
    """The model as it was before formats knew embeddings by the encoder."""
    before = copy.deepcopy(model)
    before.tokenizer_.reduction, before.config_.embedding = None, EmbeddingConfig(kind="tokens")
    return before


def test_models_of_the_second_format_give_embeddings_of_tokens(fitted: NCVQVAE, tmp_path: Path) -> None:
    without_embeddings(fitted).save_pretrained(tmp_path)
    without_bands(tmp_path)
    path = tmp_path / "config.yaml"
    values = yaml.safe_load(path.read_text())
    del values["asked"]["embedding"], values["model"]["embedding"], values["weights"]
    path.write_text(yaml.safe_dump({**values, "format": 2}, sort_keys=False))
    X = two_classes()[0]
    np.testing.assert_array_equal(
        NCVQVAE.from_pretrained(tmp_path).transform(X), fitted.transform(X, embedding="tokens")
    )


def test_models_of_the_first_format_are_read_as_what_they_were(fitted: NCVQVAE, tmp_path: Path) -> None:
    fitted = without_embeddings(fitted)
    fitted.save_pretrained(tmp_path)
    in_format_1(tmp_path)
    assert "linear_rank: auto" in (tmp_path / "config.yaml").read_text()
    old = NCVQVAE.from_pretrained(tmp_path)
    assert old.config_ == fitted.config_ and old.config_.sampling.residual_scale == 0.5
    assert (old.asked_.prior.linear_rank, old.asked_.augmentation) == ("auto", fitted.config_.augmentation)
    X = two_classes()[0]
    for ours, theirs in zip(fitted.sample(40).X, old.sample(40).X, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(fitted.encode(X), old.encode(X))
    old.save_pretrained(tmp_path / "again")
    again = NCVQVAE.from_pretrained(tmp_path / "again")
    assert again.config_ == old.config_ and again.asked_ == old.asked_


def test_what_was_asked_is_kept_beside_what_it_became(fitted: NCVQVAE, tmp_path: Path) -> None:
    fitted.save_pretrained(tmp_path)
    values = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert values["asked"] == kept(fitted._config()) and values["model"] == kept(fitted.config_)
    assert values["model"]["tokenizer"]["codebook_size"] == len(fitted.tokenizer_.codebook) > SMALL_CODES
    assert values["asked"]["sampling"]["residual_scale"] == "auto"


SMALL_CODES = SMALL["tokenizer.codebook_size"]


@pytest.mark.parametrize("name", ["tokenizer.safetensors", "prior.safetensors"])
def test_the_weights_of_another_model_are_refused(name: str, fitted: NCVQVAE, tmp_path: Path) -> None:
    X, y = two_classes()
    other = NCVQVAE(augmentation="auto", seed=1, settings=AUTO)
    other.fit([x[: len(x) - n % 4] for n, x in enumerate(X)], y).save_pretrained(tmp_path / "other")
    fitted.save_pretrained(tmp_path / "own")
    shutil.copy(tmp_path / "other" / name, tmp_path / "own" / name)
    with pytest.raises(InputError, match=f"{name} is not the file that config.yaml was written with"):
        NCVQVAE.from_pretrained(tmp_path / "own")


@pytest.mark.parametrize("n_whole", [0, 1, 2])
def test_a_disk_that_fills_up_leaves_the_old_model(
    n_whole: int, fitted: NCVQVAE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted.save_pretrained(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    other = NCVQVAE.from_pretrained(tmp_path)
    for network in (other.tokenizer_, other.prior_):
        for parameter in network.parameters():
            parameter.data += 1
    other.asked_.seed = 7
    fsync, calls = os.fsync, []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) > n_whole:
            raise OSError(28, "No space left on device")
        fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(InputError, match="No space left on device"):
            other.save_pretrained(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("n_named", [1, 2])
def test_a_kill_between_two_names_is_noticed(
    n_named: int, fitted: NCVQVAE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted.save_pretrained(tmp_path)
    other = NCVQVAE.from_pretrained(tmp_path)
    other.tokenizer_.bands[0].quantizer.codebook.data += 1
    other.prior_.output_bias.data += 1
    replace, calls = os.replace, []

    def killed(*paths: Any) -> None:
        calls.append(paths)
        if len(calls) > n_named:
            raise KeyboardInterrupt
        replace(*paths)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            other.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="is not the file that config"):
        NCVQVAE.from_pretrained(tmp_path)
