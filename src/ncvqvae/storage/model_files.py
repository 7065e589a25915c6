"""A trained model's three files: ``config.yaml``, ``tokenizer.safetensors`` and ``prior.safetensors``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ncvqvae.config import Config, check_ranges, from_dict, read_yaml, to_dict
from ncvqvae.data import GlobalScaler
from ncvqvae.data.facts import TrainFacts
from ncvqvae.errors import InputError
from ncvqvae.files import replaced
from ncvqvae.generation.residuals import Residuals, kept_residuals
from ncvqvae.prior.prior import Prior
from ncvqvae.storage.weights import check_weights, load_weights, write_weights
from ncvqvae.tokenizer.tokenizer import Tokenizer
from ncvqvae.training.build import build_prior, build_tokenizer

FORMAT = 1
"""Version of the files that :func:`write_model` writes."""


@dataclass(frozen=True)
class ModelState:
    """All that a trained model consists of.

    Attributes:
        preset: recipe that its settings started from.
        config: its settings.
        facts: of its train split.
        scaler: fitted on its train split.
        residual_scale: factor of the residuals that was chosen after training, if one was.
        seconds: training time of each stage.
        tokenizer, prior: the networks.
    """

    preset: str
    config: Config
    facts: TrainFacts
    scaler: GlobalScaler
    residual_scale: float | None
    seconds: dict[str, float]
    tokenizer: Tokenizer
    prior: Prior


def write_model(folder: Path, state: ModelState) -> None:
    """Write the three files, all of them or none.

    Raises:
        InputError: if they cannot be written; an older model in the folder stays as it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (
        replaced(folder / "config.yaml") as config,  # the last to take its name: it says that a run is finished
        replaced(folder / "prior.safetensors") as prior,
        replaced(folder / "tokenizer.safetensors") as tokenizer,
    ):
        config.write_text(_as_yaml(state), encoding="utf-8")
        write_weights(prior, state.prior)
        write_weights(tokenizer, state.tokenizer)


def _as_yaml(state: ModelState) -> str:
    """All but the weights."""
    import yaml

    data = {**state.facts.to_state(), "scaler": state.scaler.get_state()}
    residuals = kept_residuals(state.tokenizer)
    if residuals is not None:
        data["n_residuals"] = len(residuals)
        data["residual_scale"] = state.residual_scale
    values = {"format": FORMAT, "preset": state.preset, "model": to_dict(state.config), "data": data}
    return yaml.safe_dump({**values, "seconds": state.seconds}, sort_keys=False)


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
        empty = _without_weights(folder, values)
    except InputError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(f"{path} is damaged ({reason}); fit the run again") from None
    residuals = kept_residuals(empty.tokenizer)
    tokenizer, prior = _build(empty.config, empty.facts, 0 if residuals is None else len(residuals))
    load_weights(folder / "tokenizer.safetensors", tokenizer)
    load_weights(folder / "prior.safetensors", prior)
    for network in (tokenizer, prior):
        network.eval().requires_grad_(False)
    return replace(empty, tokenizer=tokenizer, prior=prior)


def _without_weights(folder: Path, values: Mapping[str, Any]) -> ModelState:
    """What ``config.yaml`` says, compared with the weights' files before memory is taken for it; networks are empty."""
    config, data = check_ranges(from_dict(Config, values["model"])), values["data"]
    scale = data.get("residual_scale")
    facts = TrainFacts.from_state(data, with_lengths=False)
    with torch.device("meta"):
        tokenizer, prior = _build(config, facts, int(data.get("n_residuals", 0)))
    check_weights(folder / "tokenizer.safetensors", tokenizer)
    check_weights(folder / "prior.safetensors", prior)
    return ModelState(
        preset=values["preset"],
        config=config,
        facts=TrainFacts.from_state(data),
        scaler=GlobalScaler.from_state(data["scaler"]),
        residual_scale=None if scale is None else float(scale),
        seconds=dict(values["seconds"]),
        tokenizer=tokenizer,
        prior=prior,
    )


def _build(config: Config, facts: TrainFacts, n_residuals: int) -> tuple[Tokenizer, Prior]:
    """Both networks with the memory for their weights."""
    tokenizer = build_tokenizer(config.tokenizer, facts)
    if n_residuals:
        tokenizer.residuals = Residuals(n_residuals, tokenizer.n_tokens, facts.n_channels, facts.n_timepoints)
    return tokenizer, build_prior(config.prior, tokenizer, facts)
