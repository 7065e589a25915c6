"""One run of a bench: train and evaluate into an ordinary run folder; every step can be killed and repeated."""

from __future__ import annotations

import json
import subprocess
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from ncvqvae.config import Config, from_dict, kept, load_config, read_yaml
from ncvqvae.errors import InputError
from ncvqvae.files import held, replaced
from ncvqvae.study.rows import read_facts

PHASES = ("stage1", "stage2", "evaluation")
NOTES = ".bench"
"""Folder inside the bench's folder with the runs' locks and their progress."""


@dataclass(frozen=True)
class Run:
    """A (dataset, model, seed) of a suite, as plain values: it travels to other processes and machines."""

    out: str
    """The bench's folder."""
    dataset: str
    """Name of the dataset."""
    source: dict[str, Any]
    """Where the data is: the fields of :class:`ncvqvae.commands.run_folder.DataSource`."""
    model: str
    """Name of the model in the suite."""
    preset: str
    """Recipe that the settings start from."""
    settings: dict[str, Any]
    """Settings by dotted name."""
    seed: int
    """Seed of everything drawn at random."""
    reuse: str | None = None
    """Model whose trained stages are taken over."""
    reused_stages: list[str] = field(default_factory=list)
    """Stages that are taken over: those whose settings are the same."""
    fcn: str | None = None
    """File of the FCN behind FID and IS; None trains one on the train split."""
    cas: bool = True
    """Whether FCNs are trained for CAS."""
    stage: int = 2
    """Last stage that is trained and evaluated."""

    @property
    def key(self) -> str:
        """Name of the run, and its folder inside the bench's."""
        return f"{self.dataset}/{self.model}/{self.seed}"

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return Path(self.out) / self.key

    @property
    def reused_key(self) -> str | None:
        """Key of the run whose stages are taken over."""
        return None if self.reuse is None else f"{self.dataset}/{self.reuse}/{self.seed}"

    def note(self, suffix: str) -> Path:
        """Path of a file about the run that is kept outside its folder."""
        return Path(self.out) / NOTES / f"{self.key}{suffix}"

    def config(self) -> Config:
        """The complete settings."""
        return load_config(self.preset, settings={**self.settings, "seed": self.seed})


@dataclass(frozen=True)
class Outcome:
    """How an attempt at a run ended; ``busy`` means that another process is carrying it out."""

    key: str
    state: Literal["done", "failed", "busy"]
    reason: str = ""
    seconds: float = 0.0


def carry_out(run: Run) -> Outcome:
    """Do the unfinished parts of ``run``; a failure is not raised but returned, and noted in ``failed.txt``."""
    start = time.monotonic()
    with held(run.note(".lock")) as mine:
        if not mine:
            return Outcome(run.key, "busy")
        (run.folder / "failed.txt").unlink(missing_ok=True)
        pulse = Pulse(run)
        try:
            if not is_finished(run):
                _check_weights(run)
                pulse.begin()
                _train(run, pulse)
                _evaluate(run, pulse)
        except InputError as error:
            return failed(run, str(error))
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            return failed(run, reason, traceback.format_exc())
        finally:
            pulse.path.unlink(missing_ok=True)
    return Outcome(run.key, "done", seconds=time.monotonic() - start)


def _check_weights(run: Run) -> None:
    """Check the FCN's file before the training, because the evaluation would fail only after it."""
    if run.fcn is not None and not Path(run.fcn).is_file():
        raise InputError(f"no FCN weights for {run.dataset}: {run.fcn} is missing; add it, or leave out --fcn-dir")


def failed(run: Run, reason: str, details: str = "") -> Outcome:
    """Note the failure in the run's folder."""
    run.folder.mkdir(parents=True, exist_ok=True)
    with replaced(run.folder / "failed.txt") as temporary:
        temporary.write_text(f"{reason}\n\n{details}".strip() + "\n", encoding="utf-8")
    return Outcome(run.key, "failed", reason)


def is_finished(run: Run) -> bool:
    """Whether the run is trained and evaluated, with CAS if ``run`` wants it; its settings say to which stage.

    Raises:
        InputError: if the folder holds a model with other settings, or of another file of the same name.
    """
    path = run.folder / "config.yaml"
    if not path.is_file():
        return False
    values = read_yaml(path)
    held_config, wanted = from_dict(Config, values.get("asked", values["model"])), run.config()
    if "asked" not in values and wanted.augmentation == "auto":  # format 1 kept only what "auto" became
        wanted.augmentation = held_config.augmentation
    different = sorted(_different(kept(held_config), kept(wanted)))
    if different:
        raise InputError(f"{run.folder} holds a run with another {different[0]}; choose another --out for this suite")
    _check_data(run)
    facts = read_facts(run.folder)
    evaluated = (run.folder / "metrics.json").is_file() and "evaluation" in facts.get("seconds", {})
    return evaluated and (facts.get("cas", True) or not run.cas)


def _check_data(run: Run) -> None:
    """Files of one name in two folders are two datasets; a file that was moved is still the one it was."""
    path = run.folder / "data.yaml"
    fitted, wanted = read_yaml(path).get("data") if path.is_file() else None, run.source.get("data")
    if isinstance(fitted, str) and fitted != wanted and Path(fitted).is_file():
        raise InputError(f"{run.folder} holds a run on {fitted}, not on {wanted}; choose another --out, or rename one")


def _write_facts(folder: Path, facts: dict[str, Any]) -> None:
    import yaml

    with replaced(folder / "bench.yaml") as temporary:
        temporary.write_text(yaml.safe_dump(facts, sort_keys=False), encoding="utf-8")


def _train(run: Run, pulse: Pulse) -> None:
    from ncvqvae.commands.fit import fit_run
    from ncvqvae.commands.run_folder import DataSource
    from ncvqvae.model import NCVQVAE

    if not (run.folder / "config.yaml").is_file():
        if run.reused_stages:
            _take_over(run)
        model = NCVQVAE(run.preset, seed=run.seed, settings=run.settings)
        fit_run(DataSource(**run.source), model, run.folder, resume=True, report=pulse, logger="none")
    if not read_facts(run.folder):
        path = run.folder / "config.yaml"
        seconds = read_yaml(path)["seconds"]
        own = {stage: 0.0 if stage in run.reused_stages else value for stage, value in seconds.items()}
        fcn = "given" if run.fcn else "own"
        facts = {"commit": commit(), "version": metadata.version("ncvqvae"), "fcn": fcn, "reuse": run.reuse}
        _write_facts(run.folder, {**facts, "seconds": own})


def _take_over(run: Run) -> None:
    """Copy the trained stages of another run to where ``fit_run`` looks for stages of an interrupted training."""
    import pandas as pd

    from ncvqvae.model import NCVQVAE
    from ncvqvae.storage.weights import save_stage
    from ncvqvae.training.loop import Trained

    other = Path(run.out) / str(run.reused_key)
    model = NCVQVAE.from_pretrained(other, device="cpu")
    model.tokenizer_.residuals = model.tokenizer_.reduction = None  # no part of stage 1; ``fit`` computes them again
    history = pd.read_csv(other / "history.csv", float_precision="round_trip").to_dict("records")
    networks = {"stage1": model.tokenizer_, "stage2": model.prior_}
    (run.folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    for stage in run.reused_stages:
        rows = [
            {str(name): value for name, value in row.items() if value == value}  # nan: a term of the other stage
            for row in history
            if row["stage"] == stage
        ]
        path = run.folder / "checkpoints" / f"{stage}.safetensors"
        save_stage(path, networks[stage], Trained(rows, model.seconds_[stage]))


def _evaluate(run: Run, pulse: Pulse) -> None:
    from ncvqvae.commands.evaluate import evaluate_run, evaluate_tokenizer
    from ncvqvae.evaluation.sets import MAX_COMPARED, Extent

    pulse("evaluation", 0, 1, {})
    start = time.monotonic()
    data_dir, device = run.source.get("data_dir"), run.config().device
    if run.stage == 1:
        evaluate_tokenizer(run.folder, fcn=run.fcn, device=device, data_dir=data_dir)
    else:
        extent = Extent(cas=run.cas, heldout=MAX_COMPARED)
        evaluate_run(run.folder, fcn=run.fcn, device=device, data_dir=data_dir, extent=extent)
    facts = read_facts(run.folder)
    facts["seconds"]["evaluation"] = time.monotonic() - start
    facts["cas"] = run.cas
    _write_facts(run.folder, facts)


class Pulse:
    """Writes the progress of a run to a file that the bench reads; ``fit`` takes an instance as ``report``."""

    def __init__(self, run: Run, every_seconds: float = 1.0) -> None:
        self.path, self.every_seconds = run.note(".json"), every_seconds
        self.phase, self.first_step, self.since, self.written = "", 0, 0.0, 0.0

    def __call__(self, phase: str, step: int, n_steps: int, terms: dict[str, float]) -> None:
        """Note the phase, the share done, and the seconds of the whole phase at the measured time per step."""
        now = time.monotonic()
        if phase != self.phase:
            self.phase, self.first_step, self.since, self.written = phase, step, now, 0.0
        if now - self.written < self.every_seconds:
            return
        self.written = now
        steps = step - self.first_step
        expected = (now - self.since) / steps * n_steps if steps else None
        self._write(phase, step / n_steps, expected)

    def begin(self) -> None:
        """Note that the run has begun; an interrupted training need not begin at step 0."""
        self._write(PHASES[0], 0.0, None)

    def _write(self, phase: str, share: float, expected: float | None) -> None:
        with replaced(self.path) as temporary:
            temporary.write_text(json.dumps({"phase": phase, "share": share, "expected": expected}))


@cache
def commit() -> str | None:
    """Commit of the checkout that this package runs from, with ``-dirty`` if changed; None outside a checkout."""
    package = Path(__file__).parents[1]
    if not (package.parents[1] / ".git").exists():
        return None

    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", package, *arguments], capture_output=True, text=True).stdout.strip()

    name = git("rev-parse", "--short", "HEAD")
    return name + "-dirty" * bool(git("status", "--porcelain", "--", ".")) if name else None


def _different(a: Any, b: Any, where: str = "") -> Iterator[str]:
    """Dotted names of the values in which two nested mappings with the same keys differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in a | b:
            yield from _different(a.get(key), b.get(key), f"{where}.{key}" if where else str(key))
    elif a != b:
        yield where
