"""A small training on a busy CPU and on an idle one: how much waiting OpenMP threads cost, and what helps.

    python benchmarks/busy.py --rounds 2
    python benchmarks/busy.py --rounds 2 --idle

A busy loop runs on each core meanwhile, as on a shared node, or none with --idle. Each way is a process of its own, in
turn; what is timed begins after imports and a few steps. Prints wall and CPU seconds of each, and their ratio to
PyTorch as it is.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from ncvqvae.threads import BRIEF, CHOSEN

WAYS = {
    "as it is": {},
    "passive": {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"},
    "brief": BRIEF,
    "one thread": {"OMP_NUM_THREADS": "1"},
}
OWN = (*CHOSEN, "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def small_training() -> None:
    """60 steps of each stage with the sizes of the preset quick, on 50 series of 150 steps; prints seconds."""
    import numpy as np

    from ncvqvae import NCVQVAE

    rng, y = np.random.default_rng(0), np.arange(50) % 2
    X = np.sin(np.linspace(0, 6, 150) * (1 + y[:, None, None])) + 0.1 * rng.normal(size=(50, 1, 150))

    def fit(n_steps: int) -> None:
        NCVQVAE("quick", settings={"stage1.max_steps": n_steps, "stage2.max_steps": n_steps}).fit(X, y, verbose=False)

    fit(5)
    wall, cpu = time.perf_counter(), time.process_time()
    fit(60)
    print(time.perf_counter() - wall, time.process_time() - cpu)


def measured(way: dict[str, str]) -> tuple[float, float]:
    """Wall and CPU seconds of the small training with these variables."""
    clean = {name: value for name, value in os.environ.items() if name not in OWN}
    command = [sys.executable, __file__, "--work"]
    done = subprocess.run(command, env={**clean, **way}, check=True, capture_output=True, text=True)
    wall, cpu = map(float, done.stdout.split())
    return wall, cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--idle", action="store_true", help="without the busy loops")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        return small_training()
    n_loops = 0 if options.idle else len(os.sched_getaffinity(0))
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n_loops)]
    totals = {name: [0.0, 0.0] for name in WAYS}
    try:
        for _ in range(options.rounds):
            for name, way in WAYS.items():
                seconds = measured(way)
                print(f"{name:12} wall {seconds[0]:6.1f} s  CPU {seconds[1]:6.1f} s", flush=True)
                totals[name] = [a + b for a, b in zip(totals[name], seconds, strict=True)]
    finally:
        for loop in loops:
            loop.kill()
    print(f"{options.rounds} rounds, {n_loops} busy loops, {os.cpu_count()} cores, {Path(sys.executable).name}")
    for name, (wall, cpu) in totals.items():
        first = totals["as it is"]
        print(f"{name:12} wall {wall:6.1f} s ({wall / first[0]:.2f})  CPU {cpu:6.1f} s ({cpu / first[1]:.2f})")
    return None


if __name__ == "__main__":
    main()
