"""Finished benches without any training: run folders with settings and figures that a test chose."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import yaml

from ncvqvae.bench.job import Run
from ncvqvae.bench.suites import Suite
from ncvqvae.config import to_dict

Metrics = Callable[[Run], dict[str, float]]


def write_finished(suite: Suite, out: Path, metrics: Metrics) -> list[Run]:
    return finish(suite.runs(out), metrics)


def finish(runs: list[Run], metrics: Metrics) -> list[Run]:
    for run in runs:
        run.folder.mkdir(parents=True)
        config = {"format": 1, "preset": run.preset, "model": to_dict(run.config())}
        (run.folder / "config.yaml").write_text(yaml.safe_dump(config))
        (run.folder / "metrics.json").write_text(json.dumps(metrics(run)))
        seconds = {"stage1": 10.0, "stage2": 20.0, "evaluation": 5.0}
        facts = {"commit": "abc1234", "version": "0.1.0", "fcn": "own", "reuse": run.reuse, "seconds": seconds}
        (run.folder / "bench.yaml").write_text(yaml.safe_dump(facts))
        losses = {"stage": "stage1", "step": [1, 50, 100], "loss": [3.0, 2.0, 1.0], "recon": [1.0, 0.5, 0.2 + run.seed]}
        ssl = {} if run.config().ssl == "none" else {"ssl": [1.0, 0.5, 0.1 + run.seed]}
        pd.DataFrame(losses | ssl).to_csv(run.folder / "history.csv", index=False)
    return runs
