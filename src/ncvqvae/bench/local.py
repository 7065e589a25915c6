"""Backend for one machine: worker processes, one run at a time in each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from multiprocessing.connection import wait
from pathlib import Path
from typing import IO, Any, cast

from ncvqvae.bench.job import Outcome, Run, failed
from ncvqvae.threads import available_cores

CARRY_OUT = "ncvqvae.bench.job:carry_out"


class LocalBackend:
    """Runs side by side in worker processes that end with this one, however it ends.

    Args:
        workers: runs at once; by default one per GPU, without a GPU one per core (or per ``threads`` cores).
        threads: threads of each run. The networks are small: on 2 cores two runs of one thread each are faster than one
            after the other with two.
        log: file for what the workers print.
        task: what to do with a run, as ``module:function``.
    """

    def __init__(self, log: Path, *, workers: int | None = None, threads: int = 1, task: str = CARRY_OUT) -> None:
        self.n_gpus = _count_gpus() if workers is None else 0
        self.slots = workers or self.n_gpus or max(1, available_cores() // threads)
        self.threads, self.log, self.task = threads, log, task
        self.workers: list[Worker] = []

    def start(self, run: Run) -> None:
        """Give ``run`` to an idle worker."""
        idle = next((worker for worker in self.workers if worker.run is None), None)
        if idle is None:
            number = len(self.workers)
            gpu = {"CUDA_VISIBLE_DEVICES": str(number % self.n_gpus)} if self.n_gpus else {}
            threads = {"OMP_NUM_THREADS": str(self.threads), "MKL_NUM_THREADS": str(self.threads)}
            idle = Worker(self.task, self.log, {**os.environ, **threads, **gpu})
            self.workers.append(idle)
        idle.begin(run)

    def finished(self, timeout: float) -> list[Outcome]:
        """Runs that ended; waits at most ``timeout`` seconds for one."""
        at_work = {worker.answers: worker for worker in self.workers if worker.run is not None}
        ready = wait(cast(Any, list(at_work)), timeout)
        outcomes = [at_work[cast(Any, answers)].take() for answers in ready]
        self.workers = [worker for worker in self.workers if worker.process.returncode is None]
        return outcomes

    def close(self) -> None:
        """End all workers; what they were doing can be continued."""
        for worker in self.workers:
            worker.process.kill()
        for worker in self.workers:
            worker.process.wait()


class Worker:
    """A process that carries out one run after the other; see :mod:`ncvqvae.bench.worker` for its side."""

    def __init__(self, task: str, log: Path, environment: dict[str, str]) -> None:
        command = [sys.executable, "-m", "ncvqvae.bench.worker", task]
        with log.open("ab") as errors:
            # its own session: an interrupt at the terminal reaches the bench only, which then ends its workers
            self.process: subprocess.Popen[str] = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment,
                start_new_session=True,
            )
        self.answers = cast(IO[str], self.process.stdout)
        self.run: Run | None = None

    def begin(self, run: Run) -> None:
        """Send a run to the process."""
        self.run = run
        requests = cast(IO[str], self.process.stdin)
        try:
            requests.write(json.dumps(asdict(run)) + "\n")
            requests.flush()
        except BrokenPipeError:
            pass  # it died while idle: take() will say so

    def take(self) -> Outcome:
        """The outcome of the run in hand; a failure if the process died over it."""
        run, self.run = self.run, None
        assert run is not None
        line = self.answers.readline()
        if line:
            return Outcome(**cast(dict[str, Any], json.loads(line)))
        code = self.process.wait()
        why = f"signal {-code}" if code < 0 else f"exit code {code}"
        memory = "; perhaps memory ran out, try fewer --workers" if code == -9 else ""
        return failed(run, f"its worker process died ({why}){memory}", "See bench.log in the bench's folder.")


def _count_gpus() -> int:
    import torch

    return torch.cuda.device_count()
