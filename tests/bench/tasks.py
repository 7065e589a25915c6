"""What workers do in tests: the real thing with tiny networks for the figures, or nothing but its traces on disk."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

from ncvqvae.bench import job
from ncvqvae.bench.job import Outcome, Run
from ncvqvae.config import to_dict

TINY = {
    "stage1.max_steps": 2,
    "stage2.max_steps": 2,
    "stage1.projector_width": 8,
    "stage1.precision": "32-true",
    "stage2.precision": "32-true",
    "tokenizer.hidden_channels": 8,
    "tokenizer.n_residual_blocks": 1,
    "prior.n_layers": 1,
    "prior.width": 16,
    "sampling.n_steps": 2,
    "sampling.residual_neighbours": 2,
}


def tiny(run: Run) -> Outcome:
    """The real run, but the networks behind FID and CAS learn for one step, without rivals and pictures."""
    with (
        patch("ncvqvae.evaluation.fcn.FCNTraining.n_steps", lambda *_: 1),
        patch("ncvqvae.evaluation.protocol.rival_sets", lambda *_: {}),
        patch("ncvqvae.report.pictures.drawn_pictures", lambda _: {}),
        patch("ncvqvae.report.page.write_report", lambda _, path: Path(path).touch()),
    ):
        return job.carry_out(run)


def tiny_until_stage2(run: Run) -> Outcome:
    """The same, but the second seed stops in the middle of stage 2 and waits there."""
    report = job.Pulse.__call__

    def wait_in_stage2(pulse: Any, phase: str, step: int, n_steps: int, terms: dict[str, float]) -> None:
        report(pulse, phase, step, n_steps, terms)
        if run.seed == 1 and phase == "stage2":
            (Path(run.out) / "pid").write_text(str(os.getpid()))
            time.sleep(600)

    with patch.object(job.Pulse, "__call__", wait_in_stage2):
        return tiny(run)


def traces(run: Run) -> Outcome:
    """Only what a run leaves on disk, and a line in a log; models named raises and dies do as they say."""
    with patch.multiple(job, _train=_leave_config, _evaluate=_leave_metrics):
        return job.carry_out(run)


def _leave_config(run: Run, pulse: Any) -> None:
    with (Path(run.out) / "log.txt").open("a") as log:
        log.write(run.key + "\n")
    pulse("stage1", 1, 2, {})
    time.sleep(0.2)
    if not (Path(run.out) / "mended").exists():
        if run.model == "raises":
            raise RuntimeError("no luck\nsecond line")
        if run.model == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
    run.folder.mkdir(parents=True, exist_ok=True)
    config = {"format": 1, "preset": run.preset, "model": to_dict(run.config())}
    (run.folder / "config.yaml").write_text(yaml.safe_dump(config))


def _leave_metrics(run: Run, pulse: Any) -> None:
    (run.folder / "metrics.json").write_text(json.dumps({"fid": float(run.seed)}))
    (run.folder / "bench.yaml").write_text("seconds: {stage1: 1.0, stage2: 2.0, evaluation: 3.0}")
