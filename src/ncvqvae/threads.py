"""How threads wait for one another, decided before PyTorch is loaded."""

from __future__ import annotations

import os
import sys

PASSIVE = {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"}
"""OpenMP of GNU and of Intel: a thread that waits sleeps at once, instead of turning in a loop."""


def wait_passively() -> None:
    """Let waiting threads sleep in this process and those that it starts, unless the user said how they wait.

    On a busy machine a thread that turns in a loop takes the core that the thread it waits for needs
    (`benchmarks/busy.py`). OpenMP reads these variables when it is loaded: later they would change nothing.
    """
    if "torch" not in sys.modules and not PASSIVE.keys() & os.environ.keys():
        os.environ.update(PASSIVE)
