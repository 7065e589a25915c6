"""How the figures move when values are missing: ECG5000 with 5, 20 and 40 % of its values removed, and unequal series.

python benchmarks/missing.py --data-dir DIR             writes results/missing.csv, a row a case and seed
python benchmarks/missing.py --short --data-dir DIR     a few steps of training, every second case; writes nothing

Values are removed from the train and the test split alike, at random or in blocks of a twentieth of the series. The
unequal series are JapaneseVowels and PickupGestureWiimoteZ as released. Rows that are in the file already are left out.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ncvqvae import NCVQVAE
from ncvqvae.bench.job import commit
from ncvqvae.commands.score import score_model
from ncvqvae.data import Splits, has_missing, load_splits

OUT = Path(__file__).parents[1] / "results" / "missing.csv"
SHARES = (0.05, 0.2, 0.4)
KEYS = ["dataset", "removed", "share", "seed", "preset", "steps"]
SHORT = {"stage1.projector_width": 64}
SHORT_STEPS = 3


class Case(NamedTuple):
    """One row's data: what is removed of which dataset."""

    dataset: str
    removed: str = "nothing"
    share: float = 0.0


def cases() -> list[Case]:
    """All cases, the complete series first."""
    ecg = [Case("ECG5000", removed, share) for removed in ("at random", "in blocks") for share in SHARES]
    return [Case("ECG5000"), *ecg, Case("JapaneseVowels"), Case("PickupGestureWiimoteZ")]


def removed(X: np.ndarray, case: Case, rng: np.random.Generator) -> np.ndarray:
    """Series with a share of their values made NaN."""
    X = X.copy()
    n, channels, length = X.shape
    if case.removed == "at random":
        X[rng.random(X.shape) < case.share] = np.nan
    elif case.removed == "in blocks":
        width = length // 20
        for series in X.reshape(n * channels, length):
            while np.isnan(series).mean() < case.share - width / length / 2:
                start = rng.integers(1 - width, length)
                series[max(0, start) : start + width] = np.nan
    return X


def measure(
    case: Case, seed: int, preset: str, steps: int, data_dir: Path | None, short: bool
) -> dict[str, float | str | None]:
    """Train and score one case; ``steps`` of each stage, 0 for the preset's."""
    splits = load_splits(case.dataset, data_dir=data_dir, seed=seed).in_memory()
    rng = np.random.default_rng(seed)
    splits = splits._replace(X_train=removed(splits.X_train, case, rng), X_test=removed(splits.X_test, case, rng))
    if short and splits.y_train is not None:
        X, y = splits.X_train[:40], splits.y_train[:40]
        splits = Splits(splits.name, X, y, X, y, "")
    settings: dict[str, object] = {f"{stage}.max_steps": steps for stage in ("stage1", "stage2") if steps}
    settings |= SHORT if short else {}
    model = NCVQVAE(preset, seed=seed, settings=settings).fit(splits.X_train, splits.y_train)
    share = float(np.isnan(splits.X_train).mean())
    identity: dict[str, float | str | None] = dict(zip(KEYS, (*case, seed, preset, steps), strict=True))
    facts: dict[str, float | str | None] = {"commit": commit(), "missing": share, "masked": has_missing(splits.X_train)}
    return {**identity, **facts, **score_model(model, splits, seed=seed).metrics}


def left(rows: pd.DataFrame, seeds: int, preset: str, steps: int) -> Iterator[tuple[Case, int]]:
    """Cases and seeds that have no row yet."""
    done = set(rows[KEYS].itertuples(index=False, name=None)) if len(rows) else set()
    for seed in range(seeds):
        yield from ((case, seed) for case in cases() if (*case, seed, preset, steps) not in done)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, help="folder with ECG5000/ECG5000_TRAIN.tsv")
    parser.add_argument("--preset", default="default", help="recipe to train with (default: default)")
    parser.add_argument("--steps", type=int, default=0, metavar="N", help="of each stage (default: the recipe's)")
    parser.add_argument("--seeds", type=int, default=2, metavar="N", help="seeds of each case (default 2)")
    parser.add_argument("--short", action="store_true", help="a few steps, every second case; nothing is written")
    options = parser.parse_args(arguments)
    rows = pd.read_csv(OUT) if OUT.exists() and not options.short else pd.DataFrame()
    seeds, steps = (1, SHORT_STEPS) if options.short else (options.seeds, options.steps)
    for case, seed in list(left(rows, seeds, options.preset, steps))[:: 2 if options.short else 1]:
        row = measure(case, seed, options.preset, steps, options.data_dir, options.short)
        print({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}, flush=True)
        rows = pd.concat([rows, pd.DataFrame([row])], ignore_index=True)
        if not options.short:
            rows.to_csv(OUT, index=False, float_format="%.6g")


if __name__ == "__main__":
    main()
