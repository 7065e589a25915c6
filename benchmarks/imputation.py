"""How well gaps are filled: ECG5000 with 20 and 40 % of each test series removed in blocks, against simple methods.

ncvqvae fit ECG5000 --data-dir DIR --out RUN            the model, fitted on complete series
python benchmarks/imputation.py RUN --data-dir DIR      writes results/imputation.csv, a row a case and method
python benchmarks/imputation.py RUN --data-dir DIR --short      40 series and 2 draws; writes nothing

The blocks are one of the whole share, or of a tenth of the series each; they lie anywhere and do not overlap. Errors
are in scaled units (those of the train split's standard deviation), over removed values. "One draw" has the mean error
of all draws; rows below "median of draws" are medians, too, with one thing changed each.
"""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ncvqvae import NCVQVAE
from ncvqvae.bench.job import commit
from ncvqvae.data import fill, load_splits
from ncvqvae.evaluation.neighbours import nearest
from ncvqvae.generation import filling

OUT = Path(__file__).parents[1] / "results" / "imputation.csv"
SHARES = (0.2, 0.4)
N_SERIES = 200


class Case(NamedTuple):
    """What is removed: a share of each series, in this many blocks."""

    share: float
    n_blocks: int


def cases(n_timepoints: int) -> Iterator[Case]:
    """Each share in one block, and in blocks of a tenth of the series."""
    for share in SHARES:
        yield Case(share, 1)
        yield Case(share, round(10 * share))


def removed(X: np.ndarray, case: Case, seed: int) -> np.ndarray:
    """Series (n, C, T) with equal blocks of them made NaN, at random places, without overlap."""
    rng, X = np.random.default_rng(seed), X.copy()
    width = round(case.share * X.shape[-1] / case.n_blocks)
    free = X.shape[-1] - case.n_blocks * width
    for series in X:
        starts = np.sort(rng.integers(0, free + 1, case.n_blocks)) + width * np.arange(case.n_blocks)
        for start in starts:
            series[:, start : start + width] = np.nan
    return X


@contextmanager
def changed(owner: Any, name: str, value: Any) -> Iterator[None]:
    """The object with another value of an attribute."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def filled(
    model: NCVQVAE, X: np.ndarray, X_train: np.ndarray, y: np.ndarray, n_draws: int
) -> Iterator[tuple[str, np.ndarray]]:
    """The name of each method, and the series (k, n, C, T) that it makes of those with gaps."""
    yield "linear", fill(X).values[None]
    yield "nearest training series", np.where(np.isnan(X), X_train[nearest(X, X_train).row], X)[None]
    drawn, fill_grid = [], model.prior_.fill

    def record(*given: Any) -> Any:
        drawn.append(fill_grid(*given))
        return drawn[-1]

    with changed(model.prior_, "fill", record):
        draws = model.impute(X, y, n_draws=n_draws)
    yield "one draw", draws.values
    yield "mean of draws", draws.mean()[None]
    yield "median of draws", draws.median()[None]
    for name, reach in (("without blending", 1e-4), ("linear blending", 1e5)):
        again = iter(drawn)  # the same tokens
        with changed(model.prior_, "fill", lambda *_, again=again: next(again)), changed(filling, "REACH", reach):
            yield name, model.impute(X, y, n_draws=n_draws).median()[None]
    yield "without a class", model.impute(X, n_draws=n_draws).median()[None]


def errors(made: np.ndarray, X: np.ndarray, gaps: np.ndarray, scale: float) -> dict[str, float]:
    """Mean squared and absolute error over the gaps, in scaled units."""
    differences = (made.reshape(-1, *X.shape) - X)[:, gaps] / scale
    return {"mse": float(np.mean(differences**2)), "mae": float(np.mean(np.abs(differences)))}


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder that fit wrote, of ECG5000")
    parser.add_argument("--data-dir", type=Path, help="folder with ECG5000/ECG5000_TRAIN.tsv")
    parser.add_argument("--draws", type=int, default=20, metavar="N", help="draws of each series (default 20)")
    parser.add_argument("--series", type=int, default=N_SERIES, metavar="N", help=f"test series (default {N_SERIES})")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of series and of the blocks (default 0)")
    parser.add_argument("--short", action="store_true", help="40 series and 2 draws; nothing is written")
    options = parser.parse_args(arguments)
    n_series, n_draws = (40, 2) if options.short else (options.series, options.draws)
    splits, model = load_splits("ECG5000", data_dir=options.data_dir), NCVQVAE.from_pretrained(options.run)
    chosen = np.random.default_rng(options.seed).choice(len(splits.X_test), n_series, replace=False)
    assert splits.y_test is not None
    X, y, scale = splits.X_test[chosen], splits.y_test[chosen], float(model.scaler_.scale_[0])
    facts = {
        "n_series": n_series,
        "n_draws": n_draws,
        "seed": options.seed,
        "preset": model.preset,
        "stage1_steps": model.config_.stage1.max_steps,
        "stage2_steps": model.config_.stage2.max_steps,
        "commit": commit(),
        "command": f"imputation.py RUN --data-dir DIR --draws {n_draws} --series {n_series} --seed {options.seed}",
    }
    rows = []
    for case in cases(X.shape[-1]):
        with_gaps = removed(X, case, options.seed)
        gaps = np.isnan(with_gaps)
        for name, made in filled(model, with_gaps, splits.X_train, y, n_draws):
            row = {"dataset": "ECG5000", **case._asdict(), "method": name}
            rows.append({**row, **errors(made, X, gaps, scale), **facts})
            print({k: v for k, v in rows[-1].items() if k not in facts}, flush=True)
            if not options.short:
                pd.DataFrame(rows).to_csv(OUT, index=False, float_format="%.6g")


if __name__ == "__main__":
    main()
