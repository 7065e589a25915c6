"""What a trained run says of given series: their tokens and embeddings, in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ncvqvae.data import Series
from ncvqvae.errors import InputError
from ncvqvae.files import replaced
from ncvqvae.model import NCVQVAE

TABLES = (".parquet", ".feather", ".csv")


def encode_run(folder: str | Path, data: Series, out: str | Path) -> None:
    """Write the tokens and the embedding of every series to a file, a row a series in their order.

    Args:
        folder: the run.
        data: series X (n_cases, n_channels, n_timepoints) and labels y (n_cases,) or None.
        out: .parquet, .feather or .csv with columns ``label`` (if any), ``token_0 …`` and ``z_0 …``, or .npz with
            ``tokens`` (n_cases, N) int64, ``embeddings`` (n_cases, d) float32 and ``y``.

    Raises:
        InputError: for series that do not fit the model, or a file that cannot be written.
    """
    out = Path(out)
    suffix = out.suffix.lower()
    if suffix not in (*TABLES, ".npz"):
        raise InputError(f"{out}: cannot write file type {out.suffix!r}; use one of .npz, {', '.join(TABLES)}")
    model = NCVQVAE.from_pretrained(folder)
    tokens = model.encode(data.X)
    embeddings = model.embed(tokens)
    with replaced(out) as temporary:
        if suffix == ".npz":
            labels = {} if data.y is None else {"y": data.y}
            with open(temporary, "wb") as file:
                np.savez(file, tokens=tokens, embeddings=embeddings, **labels)  # type: ignore[arg-type]
        else:
            _write_table(temporary, suffix, tokens, embeddings, data.y)


def _write_table(path: Path, suffix: str, tokens: np.ndarray, embeddings: np.ndarray, y: np.ndarray | None) -> None:
    import pandas as pd

    parts = [pd.DataFrame(tokens).add_prefix("token_"), pd.DataFrame(embeddings).add_prefix("z_")]
    if y is not None:
        parts.insert(0, pd.DataFrame({"label": y}))
    table = pd.concat(parts, axis=1)
    if suffix == ".csv":
        table.to_csv(path, index=False)
    elif suffix == ".parquet":
        table.to_parquet(path, index=False)
    else:
        table.to_feather(path)
