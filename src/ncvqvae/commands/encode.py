"""What a trained run says of given series: their tokens and embeddings, in a file."""

from __future__ import annotations

from pathlib import Path

from ncvqvae.commands.rows import check_rows_target, write_rows
from ncvqvae.config import EmbeddingKind
from ncvqvae.data import Half
from ncvqvae.model import NCVQVAE


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
    check_rows_target(out)
    model = NCVQVAE.from_pretrained(folder, device=device)
    tokens = model.encode(data.X)
    embeddings = model.embed(tokens) if embedding == "tokens" else model.transform(data.X, embedding=embedding)
    write_rows(out, data, {"tokens": tokens, "embeddings": embeddings}, {"tokens": "token_", "embeddings": "z_"})
