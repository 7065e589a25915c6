"""Which run is next, and how long all of them will still take."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

from ncvqvae.bench.job import PHASES, Outcome, Run, is_finished
from ncvqvae.study.rows import read_facts


class Schedule:
    """State of every run of a bench: waiting, running, busy (another bench carries it out), done or failed.

    Args:
        runs: in the order in which they should be done; one that reuses another waits for it.
        pause: seconds before a run that was busy is tried again.
    """

    def __init__(self, runs: Sequence[Run], pause: float = 5.0) -> None:
        self.runs = {run.key: run for run in runs}
        self.pause = pause
        self.states = {key: "done" if is_finished(run) else "waiting" for key, run in self.runs.items()}
        self.reasons: dict[str, str] = {}
        self._again: dict[str, float] = {}

    def count(self, *states: str) -> int:
        """Number of runs in any of these states."""
        return sum(state in states for state in self.states.values())

    def is_open(self) -> bool:
        """Whether anything is left to do or to wait for."""
        return self.count("waiting", "running", "busy") > 0

    def in_state(self, state: str) -> list[Run]:
        """The runs in this state, in order."""
        return [run for key, run in self.runs.items() if self.states[key] == state]

    def next(self) -> Run | None:
        """The next run to start, marked as running; None if nothing can start now."""
        now = time.monotonic()
        due = (run for run in self.in_state("busy") if self._again[run.key] <= now)
        for run in [*self.in_state("waiting"), *due]:
            before = self.states.get(run.reused_key) if run.reused_key else "done"
            if before == "done":
                self.states[run.key] = "running"
                return run
        return None

    def record(self, outcome: Outcome) -> list[Outcome]:
        """Record how a run ended; returns its outcome and the failures of the runs that need it."""
        self.states[outcome.key] = outcome.state
        if outcome.state == "busy":
            self._again[outcome.key] = time.monotonic() + self.pause
        outcomes = [outcome]
        if outcome.state == "failed":
            self.reasons[outcome.key] = outcome.reason
            for run in self.runs.values():
                if run.reused_key == outcome.key and self.states[run.key] in ("waiting", "busy"):
                    outcomes += self.record(Outcome(run.key, "failed", f"{outcome.key}, which it reuses, failed"))
        return outcomes


class Estimate:
    """Estimate of the seconds that a bench still needs, from the phases of finished runs and the current phases.

    A phase is expected to take as long as the same phase of runs with the same model and dataset. If there are none,
    runs on the same dataset count; if there are none either, all runs count.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.measured: dict[tuple[str, ...], list[float]] = {}
        for run in schedule.in_state("done"):
            self.add(run)

    def add(self, run: Run) -> None:
        """Take in the seconds of a finished run."""
        for phase, seconds in read_facts(run.folder).get("seconds", {}).items():
            if phase not in run.reused_stages:
                for group in _groups(run, phase):
                    self.measured.setdefault(group, []).append(seconds)

    def seconds_left(self, n_at_once: int) -> float | None:
        """Time until all is done with ``n_at_once`` runs side by side; None as long as nothing was measured."""
        running = [(run, read_pulse(run)) for run in self.schedule.in_state("running")]
        current: dict[tuple[str, ...], list[float]] = {}
        for run, pulse in running:
            if pulse.get("expected"):
                for group in _groups(run, pulse["phase"]):
                    current.setdefault(group, []).append(pulse["expected"])
        known = current | self.measured
        if not known:
            return None
        waiting = [*self.schedule.in_state("waiting"), *self.schedule.in_state("busy")]
        parts = [_remaining(run, pulse, known) for run, pulse in running]
        parts += [_remaining(run, {}, known) for run in waiting]
        if not parts:
            return 0.0
        return max(sum(parts) / min(n_at_once, len(parts)), max(parts))


def read_pulse(run: Run) -> dict[str, Any]:
    """Progress of a run, from the file that it writes; empty before its first step."""
    try:
        pulse: dict[str, Any] = json.loads(run.note(".json").read_text())
    except (OSError, ValueError):
        return {}
    return pulse


def _groups(run: Run, phase: str) -> Iterator[tuple[str, ...]]:
    yield from ((phase, run.dataset, run.model), (phase, run.dataset), (phase,))


def _remaining(run: Run, pulse: dict[str, Any], known: dict[tuple[str, ...], list[float]]) -> float:
    """Seconds that a run still needs: the rest of its current phase and all later ones."""
    first = PHASES.index(pulse["phase"]) if pulse else 0
    total = 0.0
    for phase in PHASES[first:]:
        if phase in run.reused_stages:
            continue
        nearest = next((known[group] for group in _groups(run, phase) if group in known), [0.0])
        seconds = fmean(nearest)
        if pulse and phase == pulse["phase"]:
            seconds = (pulse["expected"] or seconds) * (1 - pulse["share"])
        total += seconds
    return total
