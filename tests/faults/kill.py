"""Kill fit, sample, evaluate and bench at random moments, many times, and check all that they leave.

    PYTHONPATH=. python tests/faults/kill.py --kills 120

Prints a line per command: how often it was killed, by which signals, how many files were loaded in between, and how
often it got to its end, where weights, samples or figures had to be those of an unbroken run bit by bit.
"""

import argparse
import json
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.faults.processes import check_intact, finish, killed_at_random, weights_digest, write_inputs

FIT = ["fit", "data.npz", "--config", "tiny.yaml", "--logger", "none", "--resume"]


@dataclass
class Victim:
    """A command, what it makes, and what must be the same at its end however often it was killed."""

    arguments: list[str]
    makes: list[str]
    outcome: Callable[[], object]
    share: float

    def begin_anew(self, folder: Path) -> None:
        """Remove what it made."""
        for path in (folder / name for name in self.makes):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def victims(folder: Path, n_samples: int = 3000) -> dict[str, Victim]:
    """The four commands; ``whole`` is the run that is sampled from and evaluated."""

    def metrics() -> object:
        return json.loads((folder / "whole/metrics.json").read_text())

    def bench_weights() -> list[str]:
        return [weights_digest(folder / f"bench/data/naive/{seed}") for seed in range(2)]

    sample = ["sample", "whole", "-n", str(n_samples), "--sampling.chunk-size", "16", "--overwrite", "--out", "cut.npz"]
    bench = ["bench", "--suite", "suite.yaml", "--out", "bench", "--workers", "2"]
    return {
        "fit": Victim([*FIT, "--out", "cut"], ["cut"], lambda: weights_digest(folder / "cut"), 0.5),
        "sample": Victim(sample, ["cut.npz", ".cut.npz.parts"], lambda: (folder / "cut.npz").read_bytes(), 0.15),
        "evaluate": Victim(["evaluate", "whole"], ["whole/metrics.json", "whole/figures", "cache"], metrics, 0.2),
        "bench": Victim(bench, ["bench"], bench_weights, 0.15),
    }


def kill_often(victim: Victim, folder: Path, n_kills: int, rng: random.Random) -> Counter[str]:
    """Kill one command ``n_kills`` times; whenever it gets to its end, compare the outcome and begin anew."""
    start = time.monotonic()
    finish(folder, victim.arguments)
    longest = 1.1 * (time.monotonic() - start)
    expected = victim.outcome()
    victim.begin_anew(folder)
    counts: Counter[str] = Counter()
    while counts["kills"] < n_kills:
        for number in killed_at_random(folder, victim.arguments, longest, rng):
            counts["files loaded"] += check_intact(folder)
            if number is not None:
                counts.update(["kills", number.name])
            if counts["kills"] == n_kills:
                finish(folder, victim.arguments)
                break
        assert victim.outcome() == expected, "it ended otherwise than an unbroken one"
        counts["ends compared"] += 1
        victim.begin_anew(folder)
    return counts


def main(n_kills: int, seed: int, n_steps: int, only: list[str]) -> None:
    """Kill the four commands, or ``only`` some, in the proportions of ``n_kills`` for all."""
    rng, total = random.Random(seed), 0
    with tempfile.TemporaryDirectory(prefix="ncvqvae-kill-") as scratch:
        folder = Path(scratch)
        write_inputs(folder, n_steps)
        finish(folder, [*FIT, "--out", "whole"])
        chosen = {name: victim for name, victim in victims(folder).items() if not only or name in only}
        for name, victim in chosen.items():
            start = time.monotonic()
            counts = kill_often(victim, folder, round(victim.share * n_kills), rng)
            total += counts["kills"]
            print(f"{name}: {dict(counts)}, {time.monotonic() - start:.0f} s", flush=True)
    print(f"{total} kills, nothing lost")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=400, help="optimizer steps of each stage")
    parser.add_argument("--only", nargs="*", default=[], metavar="COMMAND", help="only these of the four commands")
    given = parser.parse_args()
    main(given.kills, given.seed, given.steps, given.only)
