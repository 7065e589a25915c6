"""Backend for one machine: worker processes that do one run at a time, with one worker per GPU."""

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
    """Carries out runs side by side in worker processes, which end when this process ends for any reason.

    Args:
        device: device of the runs; a GPU has one run at a time.
        workers: number of runs at once, at most one per GPU; by default one per GPU, or one per ``threads`` cores.
        threads: threads of each run. The networks are small: on 2 cores two runs of one thread each are faster than one
            after the other with two.
        log: file for the output of the workers.
        task: function that carries out a run, as ``module:function``.

    Raises:
        InputError: if this machine has no such device.
    """

    def __init__(
        self,
        log: Path,
        *,
        device: str = "auto",
        workers: int | None = None,
        threads: int = 1,
        task: str = CARRY_OUT,
    ) -> None:
        self.free_gpus = _gpus(device)
        self.slots = workers or len(self.free_gpus) or max(1, available_cores() // threads)
        if self.free_gpus:
            self.slots = min(self.slots, len(self.free_gpus))
        self.threads, self.log, self.task = threads, log, task
        self.workers: list[Worker] = []

    def start(self, run: Run) -> None:
        """Give ``run`` to an idle worker."""
        idle = next((worker for worker in self.workers if worker.run is None), None)
        if idle is None:
            gpu = self.free_gpus.pop(0) if self.free_gpus else None
            threads = {"OMP_NUM_THREADS": str(self.threads), "MKL_NUM_THREADS": str(self.threads)}
            idle = Worker(self.task, self.log, {**os.environ, **threads}, gpu)
            self.workers.append(idle)
        idle.begin(run)

    def finished(self, timeout: float) -> list[Outcome]:
        """Runs that ended; waits at most ``timeout`` seconds for one."""
        at_work = {worker.answers: worker for worker in self.workers if worker.run is not None}
        ready = wait(cast(Any, list(at_work)), timeout)
        outcomes = [at_work[cast(Any, answers)].take() for answers in ready]
        dead = [worker for worker in self.workers if worker.process.returncode is not None]
        self.workers = [worker for worker in self.workers if worker not in dead]
        self.free_gpus += [worker.gpu for worker in dead if worker.gpu is not None]
        return outcomes

    def close(self) -> None:
        """End all workers; their unfinished runs can be continued later."""
        for worker in self.workers:
            worker.process.kill()
        for worker in self.workers:
            worker.process.wait()


class Worker:
    """A process that carries out one run after the other; see :mod:`ncvqvae.bench.worker` for its side.

    Args:
        task: function that carries out a run, as ``module:function``.
        log: file for its output.
        environment: its environment variables.
        gpu: the one GPU that it sees; None leaves the choice to the environment.
    """

    def __init__(self, task: str, log: Path, environment: dict[str, str], gpu: str | None = None) -> None:
        self.gpu = gpu
        if gpu is not None:
            environment = {**environment, "CUDA_VISIBLE_DEVICES": gpu}
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
            pass  # the process died while idle; take() reports it

    def take(self) -> Outcome:
        """The outcome of the current run; a failure if the process died during it."""
        run, self.run = self.run, None
        assert run is not None
        line = self.answers.readline()
        if line:
            return Outcome(**cast(dict[str, Any], json.loads(line)))
        code = self.process.wait()
        why = f"signal {-code}" if code < 0 else f"exit code {code}"
        memory = "; perhaps memory ran out, try fewer --workers" if code == -9 else ""
        return failed(run, f"its worker process died ({why}){memory}", "See bench.log in the bench's folder.")


def _gpus(device: str) -> list[str]:
    """What ``CUDA_VISIBLE_DEVICES`` calls each GPU that this process sees; none where runs take no CUDA GPU."""
    import torch

    from ncvqvae.hardware import resolve_device

    if resolve_device(device).type != "cuda":
        return []
    count = torch.cuda.device_count()
    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return (named or [str(number) for number in range(count)])[:count]
