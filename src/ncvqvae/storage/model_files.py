"""A trained model's three files: ``config.yaml``, ``tokenizer.safetensors`` and ``prior.safetensors``."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ncvqvae.config import Config, from_dict, kept, read_yaml, to_dict
from ncvqvae.data import GlobalScaler
from ncvqvae.data.facts import TrainFacts
from ncvqvae.errors import InputError
from ncvqvae.files import all_replaced
from ncvqvae.generation.residuals import Residuals, kept_residuals
from ncvqvae.prior.prior import Prior
from ncvqvae.storage.weights import Rename, as_it_is, check_weights, load_weights, write_weights
from ncvqvae.tokenizer.pooling import Reduction
from ncvqvae.tokenizer.tokenizer import Tokenizer
from ncvqvae.training.auto import resolve
from ncvqvae.training.build import build_prior, build_tokenizer

FORMAT = 8
"""Version of the files that :func:`write_model` writes; format 1 held no settings as they were asked for, format 2 no
embeddings by the encoder, format 3 no classes of the training series that are kept, format 4 no decoder in time, format
5 no bands, format 7 no bias by relative positions."""

WEIGHTS = ("tokenizer.safetensors", "prior.safetensors")
"""The files of the networks' weights; ``config.yaml`` holds their digests, so that no two models are mixed."""


@dataclass(frozen=True)
class ModelState:
    """All that a trained model consists of.

    Attributes:
        preset: recipe that its settings started from.
        asked: its settings as they were asked for.
        config: what they became.
        facts: of its train split.
        scaler: fitted on its train split.
        seconds: training time of each stage.
        tokenizer, prior: the networks; on the CPU where they were read.
    """

    preset: str
    asked: Config
    config: Config
    facts: TrainFacts
    scaler: GlobalScaler
    seconds: dict[str, float]
    tokenizer: Tokenizer
    prior: Prior


def write_model(folder: Path, state: ModelState) -> None:
    """Write the three files, all of them or none.

    Raises:
        InputError: if they cannot be written; an older model in the folder stays as it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in (*WEIGHTS, "config.yaml")]  # the last name says that the model is whole
    with all_replaced(*paths) as (tokenizer, prior, config):
        write_weights(tokenizer, state.tokenizer)
        write_weights(prior, state.prior)
        digests = {name: digest(path) for name, path in zip(WEIGHTS, (tokenizer, prior), strict=True)}
        config.write_text(_as_yaml(state, digests), encoding="utf-8")


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _as_yaml(state: ModelState, digests: dict[str, str]) -> str:
    """All but the weights."""
    import yaml

    data = {**state.facts.to_state(), "scaler": state.scaler.get_state()}
    residuals = kept_residuals(state.tokenizer)
    if residuals is not None:
        data["n_residuals"] = len(residuals)
        data["residual_classes"] = residuals.classes is not None  # a model of format 3 may be saved again
    if state.tokenizer.reduction is not None:
        data["n_axes"] = state.tokenizer.reduction.axes.shape[1]
    settings = {"asked": kept(state.asked), "model": kept(state.config)}
    values = {"format": FORMAT, "preset": state.preset, **settings, "data": data, "seconds": state.seconds}
    return yaml.safe_dump({**values, "weights": digests}, sort_keys=False)


def read_model(folder: Path) -> ModelState:
    """Read what :func:`write_model` wrote.

    Raises:
        InputError: if a file is missing, damaged, or of a newer format.
    """
    path = folder / "config.yaml"
    if not path.is_file():
        raise InputError(f"{folder} holds no trained model (no config.yaml); give the folder that fit wrote")
    try:
        values = read_yaml(path)
        version = values["format"]
        if not isinstance(version, int) or version > FORMAT:
            raise InputError(f"{path} has format {version!r}; this version reads up to {FORMAT}: upgrade ncvqvae")
        rename = as_it_is if version > 5 else _of_one_band
        empty = _without_weights(folder, values, rename)
        digests = dict(values.get("weights", {}))  # models from before it were written without
    except InputError as error:
        if str(folder) in str(error):
            raise
        raise InputError(f"{path}: {error}") from None
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(f"{path} is damaged ({reason}); fit the run again") from None
    tokenizer, prior = _build(empty.config, empty.facts, values["data"])
    for name, network in zip(WEIGHTS, (tokenizer, prior), strict=True):
        load_weights(folder / name, network, rename)
        if name in digests and digests[name] != digest(folder / name):
            raise InputError(f"{folder / name} is not the file that config.yaml was written with; fit the run again")
        network.eval().requires_grad_(False)
    _check_residuals(folder / WEIGHTS[0], tokenizer)
    return replace(empty, tokenizer=tokenizer, prior=prior)


def _check_residuals(path: Path, tokenizer: Tokenizer) -> None:
    """The tokens of the training series kept must be codes of the tokenizer, or -1 behind the end of a series."""
    kept = kept_residuals(tokenizer)
    if kept is not None and not -1 <= int(kept.tokens.min()) <= int(kept.tokens.max()) < len(tokenizer.codebook):
        raise InputError(
            f"{path} is damaged: residuals have tokens from {int(kept.tokens.min())} to {int(kept.tokens.max())}, and "
            f"there are {len(tokenizer.codebook)} codes; fit the run again"
        )


def _without_weights(folder: Path, values: Mapping[str, Any], rename: Rename) -> ModelState:
    """The model of ``config.yaml``, its networks on the meta device, checked against both files of weights."""
    config, data = from_dict(Config, values["model"]), values["data"]
    asked = from_dict(Config, values.get("asked", values["model"]))
    facts = TrainFacts.from_state(data, with_lengths=False)
    with torch.device("meta"):
        config = _settled(config, facts, data)
        tokenizer, prior = _build(config, facts, data)
    for name, network in zip(WEIGHTS, (tokenizer, prior), strict=True):
        check_weights(folder / name, network, rename)
    scaler = GlobalScaler.from_state(data["scaler"])
    if len(scaler.mean_) != facts.n_channels:
        raise ValueError(f"scaler of {len(scaler.mean_)} channels, series of {facts.n_channels}")
    return ModelState(
        preset=_text(values["preset"]),
        asked=asked,
        config=config,
        facts=TrainFacts.from_state(data),
        scaler=scaler,
        seconds={stage: _seconds(values["seconds"][stage]) for stage in ("stage1", "stage2")},
        tokenizer=tokenizer,
        prior=prior,
    )


def _of_one_band(name: str) -> str:
    """What a tensor of the tokenizer is called since format 6; before, there was one band and it had no name."""
    if name.startswith(("encoder.", "decoder.", "quantizer.", "coarser.")):
        return f"bands.0.{name}"
    return name.replace("refinement.of_latents.", "refinement.of_latents.0.")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"preset is {str(value)[:40]}")
    return value


def _seconds(value: Any) -> float:
    seconds = float(value)
    if not 0 <= seconds < math.inf:
        raise ValueError(f"seconds are {seconds:g}")
    return seconds


def _settled(config: Config, facts: TrainFacts, data: Mapping[str, Any]) -> Config:
    """Settings with every "auto" resolved. Format 1 kept them unresolved, and ``residual_scale`` among the data.

    Formats 1 and 2 knew no embeddings but those of tokens.
    """
    settled, scale = resolve(config, facts).config, data.get("residual_scale")
    if scale is not None:
        settled.sampling.residual_scale = float(scale)
    if "n_axes" not in data:
        settled.embedding.kind = "tokens"
    return from_dict(Config, to_dict(settled))


def _build(config: Config, facts: TrainFacts, data: Mapping[str, Any]) -> tuple[Tokenizer, Prior]:
    """Both networks with the memory for their weights, and for what the tokenizer keeps of the train split."""
    tokenizer = build_tokenizer(config.tokenizer, facts.n_channels, facts.n_timepoints)
    n_residuals, n_axes = int(data.get("n_residuals", 0)), int(data.get("n_axes", 0))
    if n_axes:  # models of format 2 have none
        tokenizer.reduction = Reduction(len(tokenizer.of_parts), n_axes)
    if n_residuals:
        shape = (tokenizer.n_tokens, facts.n_channels, facts.n_timepoints)
        tokenizer.residuals = Residuals(n_residuals, *shape, with_classes=data.get("residual_classes") is True)
    codebook, grids = tokenizer.codebook, tokenizer.grids
    return tokenizer, build_prior(config.prior, codebook, grids, facts.n_classes, unequal=facts.unequal)
