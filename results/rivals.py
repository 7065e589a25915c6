"""Scores of the rivals alone, `rivals.csv`: what cheap ways to more series reach without any model.

``python results/rivals.py --data-dir DATA --fcn-dir WEIGHTS`` adds the rows that are missing, small datasets first.
DATA holds NAME/NAME_TRAIN.tsv and so on (default: NCVQVAE_DATA_DIR), WEIGHTS the published FCN weights,
NAME.safetensors. AuthPct, near-duplicates and spread are of raw series, which no tokenizer has smoothed. A dataset
without weights is scored by an FCN that is trained on its train split: its FID compares with no other's.
"""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ncvqvae.commands.score import feature_extractor
from ncvqvae.data import GlobalScaler, load_splits
from ncvqvae.evaluation.memorisation import memorisation
from ncvqvae.evaluation.metric_list import RIVALS
from ncvqvae.evaluation.metrics import of_rival
from ncvqvae.evaluation.protocol import evaluate_rivals
from ncvqvae.evaluation.sets import Extent, RealData, Wanted, cas_labels, n_unconditional

ROWS = Path(__file__).with_name("rivals.csv")
DATASETS = (
    "GunPoint",
    "SonyAIBORobotSurface1",
    "SonyAIBORobotSurface2",
    "Symbols",
    "ECG5000",
    "ShapesAll",
    "Mallat",
    "UWaveGestureLibraryAll",
    "FordA",
)
METRICS = (
    "fid_labelled",
    "kid_labelled",
    "is_labelled",
    "cas_rocket",
    "utility_both",
    "utility_both_sd",
    "rarest_recall_both",
    "c2st",
    "coverage",
    "nearer_rocket",
    "nearer_dtw",
    "membership_auc",
    "membership_tpr",
    "authpct",
    "near_duplicates",
    "spread",
)
OF_REAL = ("cas_rocket_real", "utility_real", "rarest_recall_real", "n_train", "n_heldout")
COLUMNS = ("dataset", "seed", "rival", "fcn", *METRICS, *OF_REAL)


def rows(name: str, seed: int, data_dir: Path | None, fcn_dir: Path | None) -> Iterator[dict[str, object]]:
    """A row for each rival on one dataset with one seed."""
    splits = load_splits(name, data_dir=data_dir).in_memory()
    assert splits.y_train is not None
    scaler = GlobalScaler().fit(splits.X_train)
    real = RealData(scaler.transform(splits.X_train), splits.y_train, scaler.transform(splits.X_test), splits.y_test)
    weights = None if fcn_dir is None else fcn_dir / f"{name}.safetensors"
    given = weights is not None and weights.is_file()
    fcn = feature_extractor(splits, real.X_train, weights if given else None, seed)
    judged = np.random.default_rng(seed).choice(splits.y_train, n_unconditional(len(splits.X_test)))

    def copies(X: np.ndarray, y: np.ndarray | None) -> dict[str, float]:
        X_train, X_test = real.X_train, real.X_test
        return memorisation(
            X, X_train, X_test, y_made=y, y_train=real.y_train, y_heldout=real.y_test, seed=seed
        ).metrics

    wanted = Wanted(judged, cas_labels(splits.y_train))
    metrics = evaluate_rivals(real, wanted, fcn, seed, extent=Extent(cas=False), copies=copies)
    metrics |= {"n_train": len(splits.X_train), "n_heldout": len(splits.X_test)}
    for rival in RIVALS:
        found = {key: metrics[of_rival(key, rival)] for key in METRICS if of_rival(key, rival) in metrics}
        if found:
            found |= {key: metrics[key] for key in OF_REAL}
            rounded = {key: f"{value:.6g}" for key, value in found.items()}
            yield {"dataset": name, "seed": seed, "rival": rival, "fcn": "published" if given else "own", **rounded}


def main() -> None:
    """Add the rows that are missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--fcn-dir", type=Path)
    parser.add_argument("--datasets", nargs="+", default=DATASETS)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    done: list[dict[str, object]] = []
    if ROWS.is_file():
        with ROWS.open(newline="", encoding="utf-8") as file:
            done = list(csv.DictReader(file))
    for seed in range(options.seeds):
        for name in options.datasets:
            if not any(row["dataset"] == name and int(str(row["seed"])) == seed for row in done):
                done += rows(name, seed, options.data_dir, options.fcn_dir)
                done.sort(key=lambda row: (str(row["dataset"]), int(str(row["seed"]))))
                with ROWS.open("w", newline="", encoding="utf-8") as file:
                    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                    writer.writeheader()
                    writer.writerows(done)
                print(f"{name}, seed {seed}: done", flush=True)


if __name__ == "__main__":
    main()
