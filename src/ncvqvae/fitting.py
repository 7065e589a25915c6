"""The steps of :meth:`ncvqvae.model.NCVQVAE.fit`: train split, settings, training of a stage, and how long it takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ncvqvae.codec import Codec
from ncvqvae.config import Config, SamplingConfig, keeps_series
from ncvqvae.data import GlobalScaler, ScaledSeries, check_series
from ncvqvae.data.facts import TrainFacts
from ncvqvae.errors import InputError
from ncvqvae.generation.generator import SeriesGenerator
from ncvqvae.hardware import forked_rng, freed_pages_kept, resolve_device
from ncvqvae.prior.prior import Prior
from ncvqvae.storage.weights import load_stage, save_stage
from ncvqvae.tokenizer.tokenizer import Tokenizer
from ncvqvae.training.auto import Choice, Resolved, choose_by_series, resolve
from ncvqvae.training.stages import (
    Report,
    StageParts,
    TrainSet,
    estimated_seconds,
    learned_and_heldout,
    prior_stage,
    relay,
    tokenizer_stage,
)

if TYPE_CHECKING:  # Lightning takes seconds to import, and only training needs it
    from ncvqvae.training.loop import Trained


def train_set(X: Any, y: Any, asked: Config, *, checked: bool = False) -> TrainSet:
    """The train split as both stages take it.

    Args:
        X, y: as in :meth:`ncvqvae.model.NCVQVAE.fit`.
        asked: the settings.
        checked: the values have been checked, as those of ``load_splits`` are.

    Raises:
        InputError: if the series cannot be used.
    """
    series = X if checked else check_series(X)
    n_fft, (_, n_channels, n_timepoints) = asked.tokenizer.n_fft, series.shape
    if asked.tokenizer.transform == "stft" and n_timepoints < n_fft:
        mend = "set a smaller tokenizer.n_fft"
        if n_channels > n_timepoints:
            mend = f"give (cases, channels, time steps): X.transpose(0, 2, 1) has {n_channels} steps; or {mend}"
        raise InputError(f"series have {n_timepoints} time steps, fewer than the STFT window of {n_fft}; {mend}")
    facts = TrainFacts.of(X, y, series)
    scaler = GlobalScaler(asked.tokenizer.keep_standardised).fit(series)
    classes = torch.from_numpy(facts.class_indices(y, len(series)))
    return TrainSet(ScaledSeries(series, scaler), classes, facts)


def settled(asked: Config, train: TrainSet) -> Resolved:
    """What the settings become on the train split."""
    by_series = choose_by_series(asked, train.series, train.classes.numpy())
    return resolve(asked, train.facts, by_series)


def settled_unseen(asked: Config, facts: TrainFacts) -> Resolved:
    """The same from the facts alone, for costs: a choice by the series takes seconds and changes them little."""
    none = Choice(0.0, "")
    unseen = {"augmentation": Choice("warp", ""), "stage2.time_warp": none, "sampling.time_warp": none}
    return resolve(asked, facts, unseen)


def checkpoint_folder(path: str | Path, asked: Config, train: TrainSet) -> Path:
    """A folder for checkpoints of these settings and this train split.

    Raises:
        InputError: if it holds those of others.
    """
    from ncvqvae.training.loop import check_identity

    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    labels = [*train.facts.classes.tolist(), *train.classes.tolist()]
    check_identity(folder / "identity", asked, train.series.X, labels)
    return folder


def train_stage(
    stage: str,
    network: Tokenizer | Prior,
    parts: StageParts,
    device: torch.device,
    checkpoints: Path | None,
    logger: Any,
    report: Report | None,
) -> Trained:
    """Train a stage's network on ``device``, or load one that an interrupted training had finished."""
    from ncvqvae.training.loop import train

    done = None if checkpoints is None else checkpoints / f"{stage}.safetensors"
    if done is not None and done.exists():
        trained = load_stage(done, network)
    else:
        trained = train(
            stage,
            parts.objective,
            parts.get_batch,
            parts.plan,
            device=device,
            checkpoints=checkpoints,
            logger=logger,
            report=relay(report, stage),
            monitor=parts.monitor,
        )
        if done is not None:
            save_stage(done, network, trained)
    network.eval().requires_grad_(False).to(device)
    return trained


def estimate(asked: Config, train: TrainSet) -> dict[str, float]:
    """Expected seconds of ``stage1`` and ``stage2``, from three steps of each by networks that are then dropped.

    If settings of sampling are to be chosen, ``sampling`` is the time of that: passes of the prior without gradients,
    each a third of a step.
    """
    from ncvqvae.training.loop import Plan
    from ncvqvae.training.sampler import combinations, n_judged

    config = settled_unseen(asked, train.facts).config
    device = resolve_device(config.device)
    with freed_pages_kept(), forked_rng(device):
        tokenizer, parts = tokenizer_stage(config, train)
        seconds = {"stage1": estimated_seconds(parts, device)}
        few = train.first(config.stage2.batch_size)  # latents of all series would take long, and memory
        _, parts = prior_stage(config, few, Codec(train.facts, train.series.scaler, tokenizer))
        n_steps = Plan(len(learned_and_heldout(config, train)[0]), config.stage2, config.seed).n_steps
        step = estimated_seconds(parts, device) / parts.plan.n_steps
        seconds["stage2"] = step * n_steps
    tried = combinations(config.sampling, keeps_series=keeps_series(config.sampling))
    if len(tried) > 1:
        n_passes = sum(int(way.n_steps) for way in tried)
        seconds["sampling"] = n_passes * step / 3 * n_judged(len(train.series)) / len(few.series)
    return seconds


def settled_sampling(
    codec: Codec,
    generator: SeriesGenerator,
    sampling: SamplingConfig,
    train: TrainSet,
    seed: int,
    explain: Callable[[list[str]], None],
) -> SamplingConfig:
    """The settings of sampling that are left to the trained networks, chosen; lines before and after say so."""
    names = [name for name in ("n_steps", "choice_temperature", "kept_share") if getattr(sampling, name) == "auto"]
    if not names:
        return sampling
    from ncvqvae.training.sampler import choose_sampling  # imports MiniRocket, which takes seconds

    explain(["sampling: now chosen by what the trained networks draw"])
    chosen = choose_sampling(codec, generator, sampling, train.series, train.classes, seed)
    values = ", ".join(f"{name} {getattr(chosen.value, name):g}" for name in names)
    explain([f"sampling: {values} ({chosen.reason})"])
    return chosen.value
