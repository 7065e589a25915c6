"""What a trained run says of given series: their tokens and embeddings, in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ncvqvae.config import EmbeddingKind
from ncvqvae.data import Half
from ncvqvae.errors import InputError
from ncvqvae.files import check_target, replaced
from ncvqvae.model import NCVQVAE

TABLES = (".parquet", ".feather", ".csv")


def check_encode_target(out: Path) -> None:
    """Say before any work that a file cannot be written.

    Raises:
        InputError: an unknown suffix, or a folder that is not there or not writable.
    """
    if out.suffix.lower() not in (*TABLES, ".npz"):
        raise InputError(f"{out}: cannot write file type {out.suffix!r}; use one of .npz, {', '.join(TABLES)}")
    check_target(out)


def encode_run(
    folder: str | Path, data: Half, out: str | Path, device: str = "auto", embedding: EmbeddingKind | None = None
) -> None:
    """Write the tokens and the embedding of every series to a file, a row a series in their order.

    Args:
        folder: the run.
        data: series X (n_cases, n_channels, n_timepoints), labels y (n_cases,) or None, and ids, if there are any.
        out: .parquet, .feather or .csv with the id column and ``start`` (of a window in its recording) if the data have
            them, ``label`` if any, ``token_0 …`` and ``z_0 …``; or .npz with ``tokens`` (n_cases, N) int64,
            ``embeddings`` (n_cases, d) float32, ``y``, ``ids`` and ``starts``.
        device: of the network.
        embedding: ``encoder`` or ``tokens``; by default the run's own.

    Raises:
        InputError: for series that do not fit the model, or a file that cannot be written.
    """
    out = Path(out)
    check_encode_target(out)
    model = NCVQVAE.from_pretrained(folder, device=device)
    tokens = model.encode(data.X)
    embeddings = model.embed(tokens) if embedding == "tokens" else model.transform(data.X, embedding=embedding)
    with replaced(out) as temporary:
        if out.suffix.lower() == ".npz":
            beside = {"y": data.y, "ids": data.ids, "starts": data.starts}
            known: dict[str, Any] = {name: np.asarray(value) for name, value in beside.items() if value is not None}
            with open(temporary, "wb") as file:
                np.savez(file, tokens=tokens, embeddings=embeddings, **known)
        else:
            _write_table(temporary, out.suffix.lower(), tokens, embeddings, data)


def _write_table(path: Path, suffix: str, tokens: np.ndarray, embeddings: np.ndarray, data: Half) -> None:
    import pandas as pd

    name = data.roles.id if data.roles is not None and data.roles.id else "id"
    beside = {name: data.ids, "start": data.starts, "label": data.y}
    named = pd.DataFrame({column: values for column, values in beside.items() if values is not None})
    parts = [pd.DataFrame(tokens).add_prefix("token_"), pd.DataFrame(embeddings).add_prefix("z_")]
    table = pd.concat([named, *parts] if len(named.columns) else parts, axis=1)
    if suffix == ".csv":
        table.to_csv(path, index=False)
    elif suffix == ".parquet":
        table.to_parquet(path, index=False)
    else:
        table.to_feather(path)
