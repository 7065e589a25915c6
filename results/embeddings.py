"""What the embeddings of the ``default`` preset are good for: a row of ``embeddings.csv`` a dataset and seed.

``python results/embeddings.py --seeds 0 1 2 GunPoint OSULeaf`` trains the tokenizer of each dataset and seed
(the prior, which embeddings do not need, for one step) and adds rows. ``--steps`` limits the optimizer steps;
``--runs FOLDER`` keeps trained models there, and takes those that are there already.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from pathlib import Path

import pandas as pd
import torch

from ncvqvae import NCVQVAE
from ncvqvae.commands.encoded import Encoded
from ncvqvae.commands.masked_scale import MaskedScale
from ncvqvae.commands.model_metrics import embedding_metrics
from ncvqvae.data import Splits, load_splits
from ncvqvae.evaluation.probes import probe_accuracy, token_embeddings
from ncvqvae.evaluation.sets import RealData

ROWS = Path(__file__).with_name("embeddings.csv")


def trained(splits: Splits, seed: int, ssl: str | None, steps: int, folder: Path) -> NCVQVAE:
    """The model of ``folder``, or a new one that is kept there."""
    if not folder.exists():
        prior = {"stage2.max_steps": 1, "sampling.residual_neighbours": 0, "sampling.redraws": 0}
        limits = {"stage1.max_steps": steps} if steps else {}
        model = NCVQVAE(seed=seed, ssl=ssl, settings={**prior, **limits}).fit(splits.X_train, splits.y_train)
        model.save_pretrained(folder)
    return NCVQVAE.from_pretrained(folder, device="cpu")


def with_reduction(model: NCVQVAE, splits: Splits) -> NCVQVAE:
    """The model; one that was trained before there were embeddings by the encoder gets its reduction."""
    if model.tokenizer_.reduction is None:
        config = model.config_.embedding
        config.kind, classes = (
            "encoder",
            torch.from_numpy(model.facts_.class_indices(splits.y_train, len(splits.X_train))),
        )
        scaled, seed = model._codec.scaled(splits.X_train), model.config_.seed
        config.parts_weight = model._codec.keep_reduction(scaled, classes, config, seed)
    return model


def row(splits: Splits, model: NCVQVAE) -> dict[str, object]:
    """Metrics of one model's embeddings, the thesis's probes among them."""
    assert splits.y_train is not None and splits.y_test is not None
    start = time.perf_counter()
    train, test = (Encoded.by(model, X) for X in (splits.X_train, splits.X_test))
    scaled, seed, codebook = (
        MaskedScale(model.scaler_, splits.X_train, 0),
        model.config_.seed,
        model.tokenizer_.codebook,
    )
    real = RealData(scaled(splits.X_train), splits.y_train, scaled(splits.X_test), splits.y_test)
    metrics = embedding_metrics(train, test, real, seed)
    means = [token_embeddings(part.tokens, codebook.cpu().numpy())[""] for part in (train, test)]
    probes = probe_accuracy(means[0], splits.y_train, means[1], splits.y_test)
    return {
        "dataset": splits.name,
        "seed": seed,
        "preset": model.preset,
        "ssl": model.config_.ssl,
        "steps": min(
            model.config_.stage1.max_steps,
            model.config_.stage1.epochs * -(-len(train.X) // model.config_.stage1.batch_size),
        ),
        "commit": subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], cwd=ROWS.parent, text=True).strip(),
        "size": train.embedding.shape[1],
        "parts_weight": model.config_.embedding.parts_weight,
        "val_recon": model.reconstruction_loss(splits.X_test, tokens=test.tokens),
        "knn": probes.knn,
        "svm": probes.svm,
        **metrics,
        "seconds": time.perf_counter() - start,
    }


def main() -> None:
    """Add a row for each dataset and seed; one of the same dataset, seed, loss and steps is replaced."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--ssl", help="self-supervised loss; the preset's if not given")
    parser.add_argument("--steps", type=int, default=0, help="optimizer steps at most; 0: as the preset says")
    parser.add_argument("--runs", type=Path, default=Path("runs/embeddings"))
    parser.add_argument("--data-dir", type=Path)
    given = parser.parse_args()
    for dataset in given.datasets:
        splits = load_splits(dataset, data_dir=given.data_dir)
        for seed in given.seeds:
            folder = given.runs / f"{dataset}_{seed}"
            model = with_reduction(trained(splits, seed, given.ssl, given.steps, folder), splits)
            found = pd.DataFrame([row(splits, model)])
            rows = pd.concat([pd.read_csv(ROWS, dtype={"commit": str}), found]) if ROWS.exists() else found
            rows = rows.drop_duplicates(["dataset", "seed", "ssl", "steps"], keep="last")
            rows.sort_values(["dataset", "seed", "ssl", "steps"]).to_csv(ROWS, index=False, float_format="%.4g")
            print(found.iloc[0].to_string(), flush=True)


if __name__ == "__main__":
    main()
