"""Made series of the kinds that real data has, with a score each: development data for the `default` preset.

    python results/made.py write DIR             all sets as .ts files below DIR, for --data-dir DIR
    python results/made.py score KIND SAMPLES    how far samples (a file of `ncvqvae sample`) are from fresh series

Each kind has four classes, series of 128 steps and one statistic that its maker knows to matter. The score compares
the statistic's distribution in a class with that of fresh series: the Wasserstein distance, in standard deviations of
the fresh series, mean over the classes. That of other fresh series stands beside it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import wasserstein_distance

LENGTH, N_CLASSES, N_FRESH = 128, 4, 2000
TIME = np.arange(LENGTH)
Maker = Callable[[np.random.Generator, int], np.ndarray]


class Kind(NamedTuple):
    """A name for the set, a maker of one series of a class, and the statistic that tells good series from bad ones."""

    name: str
    make: Maker
    statistic: Callable[[np.ndarray], float]


def standardised(x: np.ndarray) -> np.ndarray:
    """A series with mean 0 and standard deviation 1."""
    return (x - x.mean()) / (x.std() + 1e-9)


def patterns(rng: np.random.Generator, label: int) -> np.ndarray:
    """Two jumps in noise, each up or down, at random places (in the manner of the set TwoPatterns)."""
    x = rng.normal(size=LENGTH)
    for up, start in zip((label & 1, label >> 1), (rng.integers(2, 34), rng.integers(64, 98)), strict=True):
        n = rng.integers(12, 28)
        x[start : start + n] = np.where(np.arange(n) < n // 2, -5.0, 5.0) * (1 if up else -1)
    return standardised(x)


def levels(rng: np.random.Generator, label: int) -> np.ndarray:
    """An appliance: at rest, then at a level for a while, once or more often; two classes begin with a short spike."""
    x = np.zeros(LENGTH)
    n_on, height = ((1, 1.0), (2, 1.0), (3, 0.6), (2, 2.0))[label]
    edges = np.sort(rng.choice(np.arange(4, LENGTH - 4, 4), 2 * n_on, replace=False))
    for turn, (start, end) in enumerate(edges.reshape(-1, 2)):
        x[start:end] = height * (1.3 if label == 3 and turn % 2 else 1.0)
        if label == 2:
            x[start:end] += 0.4 * (np.arange(end - start) // 3 % 2)
        if label in (0, 3):
            x[start : start + rng.integers(1, 4)] += 1.5
    return standardised(x)


def spikes(rng: np.random.Generator, label: int) -> np.ndarray:
    """Two to eight spikes of one to three steps on a slow wave."""
    x = 0.3 * np.sin(2 * np.pi * (TIME / 100 + rng.random()))
    for start in rng.choice(np.arange(2, LENGTH - 4, 5), 2 * (label + 1), replace=False):
        x[start : start + rng.integers(1, 4)] += rng.uniform(2, 4)
    return standardised(x)


def pauses(rng: np.random.Generator, label: int) -> np.ndarray:
    """A wave that stands still at its last value for a while, longer in each class."""
    x = np.sin(2 * np.pi * (TIME / 24 + rng.random()))
    n = 12 * (label + 1) + rng.integers(0, 8)
    start = rng.integers(8, LENGTH - n - 8)
    x[start + n :] = x[start : LENGTH - n]
    x[start : start + n] = x[start]
    return standardised(x)


def bursts(rng: np.random.Generator, label: int) -> np.ndarray:
    """Quick waves of one length in quiet noise; the classes differ in their frequency."""
    x, n = 0.1 * rng.normal(size=LENGTH), rng.integers(20, 40)
    start = rng.integers(4, LENGTH - n - 4)
    x[start : start + n] += np.hanning(n) * np.sin(2 * np.pi * np.arange(n) / (16, 10, 6, 4)[label])
    return standardised(x)


def chirps(rng: np.random.Generator, label: int) -> np.ndarray:
    """A wave whose frequency rises or falls, by two rates each."""
    first, last = ((2, 12), (12, 2), (4, 8), (8, 4))[label]
    share = TIME / LENGTH
    return standardised(np.sin(2 * np.pi * (rng.random() + first * share + (last - first) * share**2 / 2)))


def trends(rng: np.random.Generator, label: int) -> np.ndarray:
    """A slope with a bend, in small noise."""
    bend, (before, after) = rng.integers(32, 96), ((1, 1), (-1, 1), (1, -1), (0, 1))[label]
    slopes = np.where(bend > TIME, before, after) * rng.uniform(0.8, 1.2)
    return standardised(np.cumsum(slopes) / LENGTH + 0.03 * rng.normal(size=LENGTH))


def noises(rng: np.random.Generator, label: int) -> np.ndarray:
    """Noise whose memory grows from class to class."""
    memory, x = (0.0, 0.5, 0.8, 0.95)[label], rng.normal(size=LENGTH)
    for step in range(1, LENGTH):
        x[step] += memory * x[step - 1]
    return standardised(x)


def largest_jump(x: np.ndarray) -> float:
    """Largest change in one step; what is smoothed has smaller ones."""
    return float(np.abs(np.diff(x)).max())


def still(x: np.ndarray) -> float:
    """Share of the steps at which the value hardly changes, by less than a hundredth of its range."""
    return float((np.abs(np.diff(x)) < 0.01 * np.ptp(x)).mean())


def n_peaks(x: np.ndarray) -> float:
    """Steps in the upper half of the range that are the highest within three steps."""
    near = np.lib.stride_tricks.sliding_window_view(np.pad(x, 3, mode="edge"), 7)
    return float(((x >= near.max(1)) & (x > x.min() + 0.5 * np.ptp(x))).sum())


def turns(x: np.ndarray) -> float:
    """Share of the steps at which the series turns."""
    return float((np.diff(np.sign(np.diff(x))) != 0).mean())


def speeding_up(x: np.ndarray) -> float:
    """Crossings of the mean in the second half less those in the first."""
    crossings = np.diff(np.sign(x - x.mean())) != 0
    return float(crossings[LENGTH // 2 :].sum() - crossings[: LENGTH // 2].sum())


def roughness(x: np.ndarray) -> float:
    """Mean square of the second difference."""
    return float(np.square(np.diff(x, 2)).mean())


def memory(x: np.ndarray) -> float:
    """Correlation of each step with the next."""
    return float(np.corrcoef(x[:-1], x[1:])[0, 1])


KINDS = {
    "patterns": Kind("MadeTwoPatterns", patterns, largest_jump),
    "levels": Kind("MadeLevels", levels, still),
    "spikes": Kind("MadeSpikes", spikes, n_peaks),
    "pauses": Kind("MadePauses", pauses, still),
    "bursts": Kind("MadeBursts", bursts, turns),
    "chirps": Kind("MadeChirps", chirps, speeding_up),
    "trends": Kind("MadeTrends", trends, roughness),
    "noises": Kind("MadeNoises", noises, memory),
}


def series(kind: str, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Series (n, 128) of a kind and their classes (n,), as many of each class as of any other."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    y = rng.permutation(np.arange(n) % N_CLASSES)
    return np.stack([KINDS[kind].make(rng, label) for label in y]), y


def score(kind: str, X: np.ndarray, y: np.ndarray, seed: int = 1) -> float:
    """Distance of the statistic in series (n, 128) of classes (n,) from that in fresh ones, see above."""
    fresh, fresh_y = series(kind, N_FRESH, seed)
    of_made, of_fresh = (np.array([KINDS[kind].statistic(x) for x in part]) for part in (X, fresh))
    distances = []
    for label in range(N_CLASSES):
        own = of_fresh[fresh_y == label]
        distances.append(wasserstein_distance(of_made[y == label], own) / (own.std() + 1e-3))
    return float(np.mean(distances))


def write(kind: str, folder: Path, n_train: int, n_test: int, seed: int) -> None:
    """Write train and test split as .ts files."""
    name = KINDS[kind].name
    (folder / name).mkdir(parents=True, exist_ok=True)
    header = [f"@problemName {name}", "@timeStamps false", "@missing false", "@univariate true", "@equalLength true"]
    header += [f"@seriesLength {LENGTH}", "@classLabel true 0 1 2 3", "@data"]
    for split, n, own in (("TRAIN", n_train, seed), ("TEST", n_test, seed + 100)):
        X, y = series(kind, n, own)
        rows = [",".join(f"{value:.6g}" for value in x) + f":{label}" for x, label in zip(X, y, strict=True)]
        (folder / name / f"{name}_{split}.ts").write_text("\n".join(header + rows) + "\n")


def main() -> None:
    """Read the command line; see above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    writing = verbs.add_parser("write", help="write all sets")
    writing.add_argument("folder", type=Path)
    writing.add_argument("--train", type=int, default=1000, help="series to train on (default 1000)")
    writing.add_argument("--test", type=int, default=1000, help="series to evaluate on (default 1000)")
    writing.add_argument("--seed", type=int, default=0, help="seed of the series (default 0)")
    scoring = verbs.add_parser("score", help="score samples")
    scoring.add_argument("kind", choices=KINDS)
    scoring.add_argument("samples", type=Path)
    asked = parser.parse_args()
    if asked.verb == "write":
        for kind in KINDS:
            write(kind, asked.folder, asked.train, asked.test, asked.seed)
        return
    from ncvqvae.data import read_series

    given = read_series(asked.samples)
    assert given.y is not None, "give samples with labels"
    X, y = given.X[:, 0], given.y.astype(int)
    print(f"samples {score(asked.kind, X, y):.3f}   fresh {score(asked.kind, *series(asked.kind, len(X), 2)):.3f}")


if __name__ == "__main__":
    main()
