"""The training loop of both stages, on PyTorch Lightning.

All randomness of a step is a function of (seed, step): resuming needs no generator state, and a training that was
killed ends in the same weights as an unbroken one.
"""

from __future__ import annotations

import hashlib
import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ncvqvae.config import Config, TrainingConfig, kept
from ncvqvae.data import case_chunks
from ncvqvae.errors import InputError
from ncvqvae.files import replaced
from ncvqvae.hardware import (
    CPU,
    forked_rng,
    fp32_products,
    freed_pages_kept,
    give_freed_pages_back,
    resolve_precision,
    seed_generators,
)
from ncvqvae.training.checkpoints import Interruption, WholeFileIO, describe
from ncvqvae.training.tracker import Tracker

CHUNK = 100  # optimizer steps that Lightning sees as one epoch, so that its per-epoch work does not grow with epochs


class TrainingError(InputError):
    """The loss or the weights became NaN or infinite."""


@dataclass(frozen=True)
class Plan:
    """Which series make up the batch of each optimizer step.

    Args:
        n_cases: series in the training split.
        config: epochs, step limits, batch size.
        seed: seed of the shuffling.
    """

    n_cases: int
    config: TrainingConfig
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        """Batches that cover the split once; a last batch of one series joins its neighbour."""
        full, rest = divmod(self.n_cases, self.config.batch_size)
        return max(1, full + (rest > 1))

    @property
    def n_steps(self) -> int:
        """Optimizer steps of the whole training."""
        steps = max(self.config.epochs * self.steps_per_epoch, self.config.min_steps)
        return min(steps, self.config.max_steps) if self.config.max_steps else steps

    def batch(self, step: int) -> Tensor:
        """Indices of the series of optimizer step ``step``; every epoch is one random permutation."""
        epoch, position = divmod(step, self.steps_per_epoch)
        order = _permutation(self.n_cases, self.seed, epoch)
        first = position * self.config.batch_size
        last = self.n_cases if position == self.steps_per_epoch - 1 else first + self.config.batch_size
        return torch.from_numpy(order[first:last])


@cache
def _permutation_cache() -> dict[tuple[int, int, int], np.ndarray]:
    return {}


def _permutation(n: int, seed: int, epoch: int) -> np.ndarray:
    """The epoch's permutation; only the newest is kept."""
    kept = _permutation_cache()
    key = (n, seed, epoch)
    if key not in kept:
        kept.clear()
        kept[key] = np.random.default_rng([seed, epoch]).permutation(n)
    return kept[key]


class Stage(L.LightningModule):
    """Thin wrapper: ``objective`` maps a batch to named loss terms, whose sum is minimised by AdamW under a cosine.

    Args:
        objective: module whose parameters are trained.
        get_batch: indices of the series of a step to the arguments of ``objective``; runs under the step's seed.
        plan: batches and number of steps.
        config: optimizer settings.
    """

    def __init__(
        self, objective: nn.Module, get_batch: Callable[[Tensor], Sequence[Tensor]], plan: Plan, config: TrainingConfig
    ) -> None:
        super().__init__()
        self.objective, self.get_batch, self.plan, self.config = objective, get_batch, plan, config

    def training_step(self, *_: Any) -> dict[str, Tensor]:
        """Loss terms of the batch of the current optimizer step."""
        step = self.global_step
        seed_generators(int(np.random.SeedSequence([self.plan.seed, step]).generate_state(1)[0]), self.device)
        rows = self.plan.batch(step)
        terms = self.objective(*(part.to(self.device) for part in self.get_batch(rows)))
        loss = torch.stack(list(terms.values())).sum()
        if not math.isfinite(loss.item()):
            values = ", ".join(f"{name} {value.item():.3g}" for name, value in terms.items())
            raise TrainingError(f"the loss is not finite at step {step} ({values}), batch of series {rows.tolist()}")
        return {"loss": loss, **{name: value.detach() for name, value in terms.items()}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Let no checkpoint hold weights that are not finite: the last one on disk stays a good one."""
        for name, value in self.objective.state_dict().items():
            if not value.isfinite().all():
                raise TrainingError(f"weights ({name}) are not finite after step {self.global_step - 1}")

    def configure_optimizers(self) -> Any:
        """AdamW and a cosine to 0, stepped per optimizer step."""
        parameters = [p for p in self.objective.parameters() if p.requires_grad]
        config = self.config
        optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.plan.n_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class History(L.Callback):
    """Collects the loss terms about ``n_rows`` times, and hands them to the tracker and to ``report``."""

    def __init__(
        self,
        stage: str,
        tracker: Tracker,
        report: Callable[[int, int, dict[str, float]], None] | None,
        monitor: Callable[[float], dict[str, float]] | None = None,
        n_rows: int = 500,
    ) -> None:
        self.stage, self.tracker, self.report, self.monitor, self.n_rows = stage, tracker, report, monitor, n_rows
        self.rows: list[dict[str, float | str]] = []

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, *_: Any) -> None:
        """Record the finished step."""
        step, n_steps = trainer.global_step, int(trainer.max_steps)
        every = max(1, n_steps // self.n_rows)
        if step % every and step != n_steps:
            return
        terms = {name: float(value) for name, value in outputs.items()}
        if self.monitor is not None:
            terms |= self.monitor(step / n_steps)
        self.rows.append({"stage": self.stage, "step": step, **terms})
        self.tracker.log({f"{self.stage}/{name}": value for name, value in terms.items()}, step)
        if self.report is not None:
            self.report(step, n_steps, terms)

    def state_dict(self) -> dict[str, Any]:
        """Rows so far, so that a resumed run has the whole curve."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the rows of the interrupted run."""
        self.rows = list(state_dict["rows"])


class FreedPages(L.Callback):
    """Gives freed memory back every 100 steps: batches of other sizes leave ever more of it unused (0.2 GB in 250)."""

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Give it back after a hundredth step."""
        if trainer.global_step % 100 == 0:
            give_freed_pages_back()


class Clock(L.Callback):
    """Seconds spent in training, summed over interruptions."""

    def __init__(self) -> None:
        self.seconds, self._since = 0.0, time.perf_counter()

    def on_train_start(self, *_: Any) -> None:
        """Start the clock."""
        self._since = time.perf_counter()

    def state_dict(self) -> dict[str, Any]:
        """Seconds up to now."""
        now = time.perf_counter()
        self.seconds, self._since = self.seconds + now - self._since, now
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Seconds of the interrupted run."""
        self.seconds = state_dict["seconds"]


@dataclass
class Trained:
    """What a training leaves besides the weights: loss rows and seconds."""

    history: list[dict[str, float | str]]
    seconds: float


def train(
    stage: str,
    objective: nn.Module,
    get_batch: Callable[[Tensor], Sequence[Tensor]],
    plan: Plan,
    *,
    device: torch.device = CPU,
    checkpoints: Path | None = None,
    logger: Any = None,
    report: Callable[[int, int, dict[str, float]], None] | None = None,
    monitor: Callable[[float], dict[str, float]] | None = None,
    checkpoint_seconds: float = 60.0,
) -> Trained:
    """Train ``objective`` in place; it ends on `device`.

    Args:
        stage: name of the stage, also of its checkpoint.
        objective: see :class:`Stage`.
        get_batch: see :class:`Stage`.
        plan: batches, number of steps, seed and settings.
        device: where the objective is trained.
        checkpoints: folder of the resumable checkpoint; one that exists is continued.
        logger: a Lightning logger; one that fails is left out from then on, with a warning.
        report: called with step, number of steps and loss terms about 500 times.
        monitor: takes the share of finished steps and returns values to record beside the loss terms.
        checkpoint_seconds: time between checkpoints; 0 saves one after each step.

    Raises:
        TrainingError: if the loss becomes NaN or infinite; it names step, series and the last good checkpoint.
        InputError: if a checkpoint is damaged, or cannot be written.
        KeyboardInterrupt: after Ctrl-C; the step in hand is finished and a checkpoint saved first.
    """
    tracker = Tracker(logger)
    history, clock = History(stage, tracker, report, monitor), Clock()
    path = None if checkpoints is None else checkpoints / f"{stage}.ckpt"
    interruption = Interruption(path)
    callbacks: list[L.Callback] = [history, FreedPages(), clock, interruption]
    if checkpoints is not None:
        callbacks.append(
            ModelCheckpoint(
                checkpoints,
                filename=stage,
                train_time_interval=timedelta(seconds=max(checkpoint_seconds, 1e-6)),  # Lightning 2.5.0: 0 is never
                enable_version_counter=False,
            )
        )
    with _quiet():
        trainer = _trainer(plan, device, callbacks, checkpoints is not None)
    loader: DataLoader[int] = DataLoader(range(CHUNK), batch_size=None)  # type: ignore[arg-type]
    module = Stage(objective, get_batch, plan, plan.config)
    objective.train()
    try:
        with tracker, _quiet(), freed_pages_kept(), fp32_products("high", device), forked_rng(device), interruption:
            trainer.fit(module, loader, ckpt_path=path if path is not None and path.exists() else None)
    except TrainingError as error:
        mend = f"look at these series, or lower {stage}.learning_rate"
        raise TrainingError(f"{stage}: {error}; {describe(path)}; {mend}") from None
    objective.eval().to(device)  # Lightning takes it to the CPU
    return Trained(history.rows, clock.state_dict()["seconds"])


def _trainer(plan: Plan, device: torch.device, callbacks: list[L.Callback], checkpointing: bool) -> L.Trainer:
    return L.Trainer(
        max_steps=plan.n_steps,
        max_epochs=-1,
        accelerator=device.type,
        devices=1,
        precision=resolve_precision(plan.config.precision, device),  # type: ignore[arg-type]
        callbacks=callbacks,
        plugins=[WholeFileIO()],
        logger=False,
        enable_checkpointing=checkpointing,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=max(1, plan.n_steps),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Lightning's notes that do not concern a user of this package; afterwards they are as before."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\..*")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def check_identity(path: Path, config: Config, series: np.ndarray, y: Any) -> None:
    """Refuse to continue checkpoints of other settings or other data; the device may differ.

    Args:
        path: file beside the checkpoints that says what they belong to.
        config: the settings.
        series, y: the train split.

    Raises:
        InputError: if they belong to others.
    """
    digest = hashlib.sha256(repr((kept(config), series.shape, None if y is None else list(y))).encode())
    for chunk in case_chunks(series):
        digest.update(np.ascontiguousarray(chunk).tobytes())
    if path.exists() and path.read_text() != digest.hexdigest():
        raise InputError(f"{path.parent} has checkpoints of other data or settings; use the same, or another folder")
    with replaced(path) as temporary:
        temporary.write_text(digest.hexdigest())
