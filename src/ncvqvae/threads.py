"""How threads wait for one another, decided before PyTorch is loaded."""

from __future__ import annotations

import os
import sys

BRIEF = {"GOMP_SPINCOUNT": "3000", "KMP_BLOCKTIME": "1"}
"""OpenMP of GNU (turns of a loop) and of Intel and LLVM (ms): a thread that waits turns in a loop so long, then sleeps.

To wake one that sleeps takes longer than most of the work that small networks share out.
"""

CHOSEN = ("OMP_WAIT_POLICY", *BRIEF)
"""What a user may have said of it."""


def wait_briefly() -> None:
    """Let waiting threads soon sleep in this process and those that it starts, unless the user said how they wait.

    On a busy machine a thread that turns in a loop takes the core that the thread it waits for needs. If none did on
    an idle one, small models would train at half the speed (`benchmarks/busy.py`). OpenMP reads these variables when
    it is loaded: later they would change nothing.
    """
    if "torch" not in sys.modules and not os.environ.keys() & CHOSEN:
        os.environ.update(BRIEF)


def busy_hint() -> str | None:
    """A line for a machine without a free core, None where there is one or the user chose the number of threads.

    The number itself is not changed: the last bits of a training depend on it, and the same seed must give the same
    model whatever else runs.
    """
    cores = available_cores()
    if "OMP_NUM_THREADS" in os.environ or cores < 2 or not hasattr(os, "getloadavg"):
        return None
    load = os.getloadavg()[0]
    if load < cores:
        return None
    return f"this machine is busy (load {load:.1f} on {cores} cores): with OMP_NUM_THREADS=1 small models are faster"


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
