"""The SLURM backend, with submitit's own stand-in for a cluster: a process of this machine for each job."""

import os
from pathlib import Path
from typing import Any

import pytest
from tests.bench import tasks

from ncvqvae.bench.driver import make_backend, run_bench
from ncvqvae.bench.slurm import SlurmBackend
from ncvqvae.bench.suites import ModelEntry, Suite
from ncvqvae.errors import InputError

ROOT = Path(__file__).parents[2]


def test_runs_are_jobs_and_failures_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "src")]))
    models = {name: ModelEntry(name, "quick", {}) for name in ("a", "raises", "dies")}
    runs = Suite({"A": {"data": "A"}}, models, [0]).runs(tmp_path)
    backend = SlurmBackend(tmp_path, ["cluster=local", "partition=gpu", "time=60"], jobs=2, task=tasks.traces)
    assert (backend.slots, backend.executor.cluster) == (2, "local")
    schedule = run_bench(runs, backend)
    assert [run.key for run in schedule.in_state("done")] == ["A/a/0"]
    assert schedule.reasons["A/raises/0"] == "RuntimeError: no luck"
    assert schedule.reasons["A/dies/0"].startswith("SLURM job ")
    assert (tmp_path / "A/a/0/metrics.json").is_file() and not list(tmp_path.glob("**/a/0/failed.txt"))
    assert "See " in (tmp_path / "A/dies/0/failed.txt").read_text()
    (tmp_path / "mended").touch()
    again = SlurmBackend(tmp_path, ["cluster=local"], task=tasks.traces)
    assert run_bench(runs, again).count("done") == 3
    begun = (tmp_path / "log.txt").read_text().splitlines()
    assert sorted(begun) == ["A/a/0", "A/dies/0", "A/dies/0", "A/raises/0", "A/raises/0"]


def test_an_interrupted_job_submits_the_same_run_again(tmp_path: Path) -> None:
    (run,) = Suite({"A": {"data": "A"}}, {"a": ModelEntry("a", "quick", {})}, [0]).runs(tmp_path)
    backend = SlurmBackend(tmp_path, ["cluster=local"], task=tasks.traces)
    again = backend.task.checkpoint(run)
    assert again.args == (run,) and again.function is backend.task


@pytest.mark.parametrize(
    ("options", "gpus", "said"),
    [
        ([], 0, "no sbatch on this machine"),
        (["gpu"], 0, "not NAME=VALUE"),
        (["cluster=local", "particle=gpu"], 0, "Unknown argument 'particle'"),
        (["cluster=moon"], 0, "named moon"),
        (["cluster=local", "time=soon"], 0, 'Parameter "timeout_min"'),
        (["cluster=local"], 0.5, "whole GPUs"),
    ],
)
def test_wrong_options_are_one_line(
    options: list[str], gpus: float, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=said) as error:
        SlurmBackend(tmp_path, options, gpus=gpus)
    assert len(str(error.value).splitlines()) == 1


def test_slurm_options_without_slurm_and_gpus_that_nobody_takes_are_refused(tmp_path: Path) -> None:
    for name, device, slurm, said in (("local", "cpu", ["time=5"], "--backend slurm"), ("slurm", "cuda", [], "--gpus")):
        with pytest.raises(InputError, match=said):
            make_backend(name, tmp_path, device=device, workers=None, address=None, cpus=1, gpus=0, slurm=slurm)


@pytest.mark.parametrize(
    ("name", "option", "value", "said"),
    [
        ("ray", "workers", 3, "--workers is for --backend local or slurm"),
        ("local", "address", "auto", "--address is for --backend ray"),
        ("slurm", "address", "auto", "--address is for --backend ray"),
        ("local", "gpus", 1, "--gpus is for --backend ray or slurm"),
        ("ray", "slurm", ["time=5"], "--slurm is for --backend slurm"),
    ],
)
def test_what_a_backend_has_no_use_for_is_refused(
    name: str, option: str, value: Any, said: str, tmp_path: Path
) -> None:
    plain: dict[str, Any] = {"workers": None, "address": None, "cpus": 1, "gpus": 0.0, "slurm": ()}
    with pytest.raises(InputError, match=said):
        make_backend(name, tmp_path, **{**plain, option: value})


def test_sbatch_gets_what_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {
        "sbatch": f'case "$1" in *.sh) cat "$1" > {tmp_path}/script; echo Submitted batch job 12;; esac',
        "srun": "true",
        "sacct": "printf 'JobID|State\\n12|PENDING\\n'",
        "scancel": f'echo "$@" > {tmp_path}/cancelled',
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(programs), os.environ["PATH"]]))
    (run,) = Suite({"A": {"data": "A"}}, {"a": ModelEntry("a", "quick", {})}, [0]).runs(tmp_path)
    backend = SlurmBackend(tmp_path, ["partition=gpu", "time=60"], cpus=3, gpus=1, task=tasks.traces)
    backend.start(run)
    script = (tmp_path / "script").read_text()
    for option in ("--partition=gpu", "--time=60", "--cpus-per-task=3", "--gpus-per-node=1", "--job-name=ncvqvae"):
        assert f"#SBATCH {option}\n" in script
    assert backend.finished(timeout=0.1) == []
    backend.close()
    assert "12" in (tmp_path / "cancelled").read_text()
