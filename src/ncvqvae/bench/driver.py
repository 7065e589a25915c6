"""A bench from start to end: it starts runs, collects their outcomes and shows the progress."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from rich.console import RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from ncvqvae.bench.job import Outcome, Run
from ncvqvae.bench.schedule import Estimate, Schedule, read_pulse
from ncvqvae.commands.terminal import console, duration
from ncvqvae.errors import InputError

PHASE_NAMES = {"stage1": "stage 1", "stage2": "stage 2", "evaluation": "evaluating"}


class Backend(Protocol):
    """Where runs are carried out."""

    slots: int
    """Number of runs that it accepts at once."""

    def start(self, run: Run) -> None:
        """Begin a run."""

    def finished(self, timeout: float) -> list[Outcome]:
        """Runs that ended; waits at most ``timeout`` seconds for one."""

    def close(self) -> None:
        """End everything."""


def run_bench(runs: Sequence[Run], backend: Backend, *, pause: float = 5.0) -> Schedule:
    """Carry out the unfinished runs of ``runs``; returns the schedule with the state of every run.

    Args:
        runs: see :meth:`ncvqvae.bench.suites.Suite.runs`.
        backend: :class:`~ncvqvae.bench.local.LocalBackend`, :class:`~ncvqvae.bench.cluster.RayBackend` or
            :class:`~ncvqvae.bench.slurm.SlurmBackend`; closed at the end.
        pause: seconds before a run that another bench is carrying out is tried again.

    Raises:
        InputError: if a run's folder holds a run with other settings.
    """
    try:
        schedule = Schedule(runs, pause)
        with BenchProgress(schedule, backend.slots) as progress:
            while schedule.is_open():
                _start_runs(schedule, backend)
                for outcome in backend.finished(timeout=0.5):
                    for ended in schedule.record(outcome):
                        progress.ended(ended)
                progress.refresh_counts()
                if not schedule.count("running"):
                    time.sleep(0.5)  # another bench is carrying out all that is left
    finally:
        backend.close()
    return schedule


def make_backend(
    name: str,
    folder: Path,
    *,
    device: str = "auto",
    workers: int | None,
    address: str | None,
    cpus: int,
    gpus: float,
    slurm: Sequence[str] = (),
) -> Backend:
    """The backend of that name, ``local``, ``ray`` or ``slurm``, for runs on `device`.

    Raises:
        InputError: if this machine has no such device, runs on a cluster need a GPU but ``gpus`` gives them none, or an
            option is given that this backend has no use for.
    """
    for option, value, backends in (
        ("workers", workers, ("local", "slurm")),
        ("address", address, ("ray",)),
        ("gpus", gpus, ("ray", "slurm")),
        ("slurm", slurm, ("slurm",)),
    ):
        if value and name not in backends:
            raise InputError(f"--{option} is for --backend {' or '.join(backends)}; add that, or leave it out")
    if name != "local" and device == "cuda" and not gpus:
        raise InputError("--device cuda: runs on a cluster see only the GPUs that they take; give --gpus 1")
    if name == "slurm":
        from ncvqvae.bench.slurm import SlurmBackend

        return SlurmBackend(folder.resolve(), slurm, cpus=cpus, gpus=gpus, jobs=workers)
    if name == "ray":
        from ncvqvae.bench.cluster import RayBackend

        return RayBackend(address, cpus=cpus, gpus=gpus)
    from ncvqvae.bench.local import LocalBackend

    return LocalBackend(folder / "bench.log", device=device, workers=workers, threads=cpus)


def check_outcome(schedule: Schedule) -> None:
    """Raise an InputError that names the first failed run, if any failed."""
    if schedule.reasons:
        key, reason = next(iter(schedule.reasons.items()))
        raise InputError(
            f"{len(schedule.reasons)} of {len(schedule.runs)} runs failed, first {key}: {reason.rstrip('.')}; "
            "see failed.txt in their folders, mend, and start the same command again"
        )


def prepare_folder(out: str | Path) -> Path:
    """The bench's folder, made if needed.

    Raises:
        InputError: if it cannot be written.
    """
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}; choose another --out") from None
    return folder


def _start_runs(schedule: Schedule, backend: Backend) -> None:
    while schedule.count("running") < backend.slots:
        run = schedule.next()
        if run is None:
            return
        backend.start(run)


class TimeLeftColumn(ProgressColumn):
    """Column with the time left, estimated from measured phases instead of by the bar itself."""

    def render(self, task: Task) -> Text:
        """The time left, a dash while nothing is known."""
        left = task.fields.get("left")
        return Text(f"{'–' if left is None else duration(left)} left", style="progress.remaining")


class BenchProgress(Progress):
    """One bar over all runs, and below it a line for each that is running."""

    def __init__(self, schedule: Schedule, slots: int) -> None:
        self.schedule, self.slots = schedule, slots
        self.estimate = Estimate(schedule)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[counts]}"),
            TimeElapsedColumn(),
            TimeLeftColumn(),
        )
        super().__init__(*columns, console=console())
        self.bar = self.add_task("runs", total=len(schedule.runs), counts="", left=None)
        self.refresh_counts()

    def ended(self, outcome: Outcome) -> None:
        """Print how a run ended, and add its times to the estimate."""
        if outcome.state == "done":
            self.estimate.add(self.schedule.runs[outcome.key])
            self.console.print(f"{outcome.key}: done in {duration(outcome.seconds)}", highlight=False)
        elif outcome.state == "failed":
            self.console.print(f"{outcome.key}: failed: {outcome.reason}", highlight=False, markup=False)

    def refresh_counts(self) -> None:
        """Update the number of runs by state, and the time left."""
        schedule = self.schedule
        n_done, n_failed, n_busy = (schedule.count(state) for state in ("done", "failed", "busy"))
        n_running = sum(bool(read_pulse(run)) for run in schedule.in_state("running"))  # the others are in a queue
        parts = [f"{n_done}/{len(schedule.runs)} done", f"{n_failed} failed", f"{n_running} running"]
        parts += [f"{n_busy} elsewhere"] if n_busy else []
        left = self.estimate.seconds_left(min(self.slots, max(n_running, 1)))
        self.update(self.bar, completed=n_done + n_failed, counts=", ".join(parts), left=left)

    def get_renderables(self) -> Iterator[RenderableType]:
        """The bar, then the runs."""
        yield self.make_tasks_table(self.tasks)
        for run in self.schedule.in_state("running"):
            pulse = read_pulse(run)
            if pulse:
                share = f" {pulse['share']:.0%}" if pulse["share"] else ""
                yield Text(f"  {run.key}: {PHASE_NAMES[pulse['phase']]}{share}", style="dim")
