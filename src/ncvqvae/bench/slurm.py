"""Backend for a SLURM cluster: each run is a job of its own and writes its results to a folder that all nodes share."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ncvqvae.bench.job import NOTES, Outcome, Run, carry_out, failed
from ncvqvae.errors import InputError

POLL_SECONDS = 0.2
MINUTES = 24 * 60
"""Time limit of a job where ``time`` is not given; submitit's own 5 minutes are too few."""


class Task:
    """What a job does; after its time limit or a preemption SLURM starts it again, and it goes on where it was.

    Args:
        task: function that carries out a run.
        cpus: threads of the run.
    """

    def __init__(self, task: Callable[[Run], Outcome], cpus: int) -> None:
        self.task, self.cpus = task, cpus

    def __call__(self, run: Run) -> Outcome:
        """Carry out ``run`` with as many threads as it has cores; PyTorch reads their number when it is loaded."""
        os.environ.update({"OMP_NUM_THREADS": str(self.cpus), "MKL_NUM_THREADS": str(self.cpus)})
        return self.task(run)

    def checkpoint(self, run: Run) -> Any:
        """What submitit submits again: the same run, whose folder holds its checkpoints."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, run)


class SlurmBackend:
    """Carries out runs as SLURM jobs through submitit; their logs are below ``.bench/slurm`` of the bench's folder.

    Args:
        folder: the bench's folder, which all nodes must see under this path.
        options: ``NAME=VALUE`` options of sbatch, such as ``partition=gpu``; ``time`` is in minutes. ``cluster=local``
            starts the jobs on this machine, to try the whole without a cluster.
        cpus: cores of each job.
        gpus: GPUs of each job.
        jobs: jobs in the queue at once; 100 by default.
        task: function that carries out a run.

    Raises:
        InputError: if submitit or SLURM is not there, or an option is none of sbatch's.
    """

    def __init__(
        self,
        folder: Path,
        options: Sequence[str] = (),
        *,
        cpus: int = 1,
        gpus: float = 0,
        jobs: int | None = None,
        task: Callable[[Run], Outcome] = carry_out,
    ) -> None:
        try:
            import submitit
        except ModuleNotFoundError:
            raise InputError(
                "submitit is not installed; pip install 'ncvqvae[slurm]', or use --backend local"
            ) from None
        if gpus != int(gpus):
            raise InputError(f"--gpus {gpus:g}: a SLURM job takes whole GPUs; give --gpus 1, or use --backend ray")
        given = dict(_option(text) for text in options)
        cluster = str(given.pop("cluster", "slurm"))
        if cluster == "slurm" and shutil.which("sbatch") is None:
            raise InputError(
                "no sbatch on this machine; start the bench where it is, or try with --slurm cluster=local"
            )
        minutes = given.pop("time", MINUTES)
        named = {f"slurm_{name.replace('-', '_')}": value for name, value in given.items()}
        try:
            self.executor = submitit.AutoExecutor(folder / NOTES / "slurm", cluster=cluster)
            self.executor.update_parameters(
                name="ncvqvae", timeout_min=minutes, cpus_per_task=cpus, gpus_per_node=int(gpus), **named
            )
        except (AssertionError, NameError, RuntimeError, ValueError) as error:
            raise InputError(f"--slurm: {str(error).splitlines()[0].rstrip('.')}; see the manual of sbatch") from None
        self.slots = jobs or 100
        self.task = Task(task, cpus)
        self.at_work: list[tuple[Any, Run]] = []

    def start(self, run: Run) -> None:
        """Submit a job for ``run``.

        Raises:
            InputError: if SLURM refuses the job.
        """
        try:
            self.at_work.append((self.executor.submit(self.task, run), run))
        except Exception as error:  # submitit's FailedJobError, which has no common base with others
            raise InputError(f"SLURM refused the job ({' '.join(str(error).split())[:200]}); check --slurm") from None

    def finished(self, timeout: float) -> list[Outcome]:
        """Runs that ended; waits at most ``timeout`` seconds for one."""
        deadline = time.monotonic() + timeout
        while True:
            ended = [pair for pair in self.at_work if pair[0].done()]
            if ended or time.monotonic() > deadline:
                self.at_work = [pair for pair in self.at_work if pair not in ended]
                return [_outcome(job, run) for job, run in ended]
            time.sleep(POLL_SECONDS)

    def close(self) -> None:
        """Cancel the unfinished jobs; their runs can be continued later."""
        for job, _ in self.at_work:
            job.cancel(check=False)


def _option(text: str) -> tuple[str, str | int]:
    """Name and value of an option that was given as ``NAME=VALUE``."""
    name, sign, value = text.partition("=")
    if not (name and sign and value):
        raise InputError(f"--slurm {text}: not NAME=VALUE; give for example --slurm partition=gpu time=240")
    return name, int(value) if value.isdigit() else value


def _outcome(job: Any, run: Run) -> Outcome:
    try:
        outcome: Outcome = job.result()
    except Exception as error:
        last = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        return failed(run, f"SLURM job {job.job_id}: {last[0]}", f"{error}\n\nSee {job.paths.stderr}.")
    return outcome
