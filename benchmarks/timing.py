"""Interleaved timing of two callables, and the machine's own matrix rate to read the figures by."""

import gc
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from ncvqvae.hardware import keep_freed_pages, restore_malloc


@dataclass(frozen=True)
class Contest:
    """Ours and the plain reference doing the same amount of work per call; ``calls`` divides the time for the table.

    Each side has the allocator as its users have it: ours keeps freed pages, a ``plain`` reference does not.
    """

    ours: Callable[[], object]
    reference: Callable[[], object]
    calls: int = 1
    plain: bool = True


@dataclass(frozen=True)
class Limit:
    """Something with a limit instead of a reference, in seconds unless the work's name says GB."""

    measure: Callable[[], float]
    limit: float


@dataclass(frozen=True)
class Row:
    """One line of ``latest.json``; ``ratio = reference_s / ours_s``, and the target is met where ratio >= target.

    For a :class:`Limit`, ``reference_s`` is the limit itself and the target 1. ``gflop`` counts our matrix products and
    convolutions: no implementation of the same arithmetic takes less than ``gflop`` over the machine's matrix rate.
    """

    work: str
    ours_s: float
    reference_s: float
    ratio: float
    target: float
    gflop: float = 0.0


def compete(work: str, contest: Contest, target: float, repetitions: int) -> Row:
    """Warm both up once, then time them in turn; medians over the repetitions.

    The side that begins alternates, so that a slow drift of the machine favours neither.
    """
    keep_pages(True)
    with FlopCounterMode(display=False) as counter:
        contest.ours()
    keep_pages(not contest.plain)
    contest.reference()
    ours: list[float] = []
    reference: list[float] = []
    for repetition in range(repetitions):
        pair = [(contest.ours, ours, True), (contest.reference, reference, not contest.plain)]
        for run, seconds, kept in pair if repetition % 2 == 0 else reversed(pair):
            keep_pages(kept)
            seconds.append(_seconds(run))
    ours_s, reference_s = (statistics.median(s) / contest.calls for s in (ours, reference))
    gflop = counter.get_total_flops() / contest.calls / 1e9
    return Row(work, ours_s, reference_s, reference_s / ours_s, target, gflop)


def keep_pages(kept: bool) -> None:
    """glibc's allocator as ``ncvqvae`` sets it, or as its own defaults end up in a process with large tensors."""
    if kept:
        keep_freed_pages()
    else:
        restore_malloc()


def measure(work: str, limit: Limit, repetitions: int) -> Row:
    """Median of the measured values against the limit."""
    value = statistics.median(limit.measure() for _ in range(repetitions))
    return Row(work, value, limit.limit, limit.limit / value, 1.0)


def matmul_gflops(dtype: torch.dtype, largest: int = 2048, repetitions: int = 5) -> float:
    """Best rate of a square matrix product in GFLOP/s.

    The size doubles from 128 until a product takes 50 ms: processors without bf16 arithmetic need minutes for one of
    the largest size.
    """
    size = 64
    seconds = 0.0
    while seconds < 0.05 and size < largest:
        size *= 2
        a, b = torch.randn(2, size, size).to(dtype)
        torch.mm(a, b)
        seconds = min(_seconds(lambda a=a, b=b: torch.mm(a, b)) for _ in range(repetitions))  # type: ignore[misc]
    return 2 * size**3 / seconds / 1e9


def peak_gb() -> float:
    """Peak resident memory of this process in GB.

    Linux gives a new process the peak of its parent in ``ru_maxrss``; ``VmHWM`` starts at its own.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        kilobytes = next(int(row.split()[1]) for row in status.read_text().splitlines() if row.startswith("VmHWM"))
    else:
        kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / 2**20


def _seconds(run: Callable[[], object]) -> float:
    gc.collect()
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
