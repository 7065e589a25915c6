"""Files with a row for each given series: its id, where it starts in its recording, its label, and what was found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ncvqvae.data import Half
from ncvqvae.errors import InputError
from ncvqvae.files import check_target, replaced

TABLES = (".parquet", ".feather", ".csv")


def check_rows_target(out: Path) -> None:
    """Say before any work that a file cannot be written.

    Raises:
        InputError: an unknown suffix, or a folder that is not there or not writable.
    """
    if out.suffix.lower() not in (*TABLES, ".npz"):
        raise InputError(f"{out}: cannot write file type {out.suffix!r}; use one of .npz, {', '.join(TABLES)}")
    check_target(out)


def write_rows(out: Path, data: Half, found: Mapping[str, np.ndarray], prefixes: Mapping[str, str]) -> None:
    """Write what was found of each series, in their order.

    Args:
        out: .npz, with the arrays by their names, ``y``, ``ids`` and ``starts``; or a table, with the id column and
            ``start`` if the data have them, ``label`` if any, and a column for each column of the arrays.
        data: the series.
        found: arrays (n_cases,) or (n_cases, d).
        prefixes: of the columns of arrays (n_cases, d) in a table.
    """
    suffix = out.suffix.lower()
    with replaced(out) as temporary:
        if suffix == ".npz":
            beside = {"y": data.y, "ids": data.ids, "starts": data.starts}
            known = {name: np.asarray(value) for name, value in beside.items() if value is not None}
            with open(temporary, "wb") as file:
                np.savez(file, **found, **known)  # type: ignore[arg-type]
        else:
            _write_table(temporary, suffix, data, found, prefixes)


def _write_table(
    path: Path, suffix: str, data: Half, found: Mapping[str, np.ndarray], prefixes: Mapping[str, str]
) -> None:
    import pandas as pd

    name = data.roles.id if data.roles is not None and data.roles.id else "id"
    beside = {name: data.ids, "start": data.starts, "label": data.y}
    named = {column: values for column, values in beside.items() if values is not None}
    parts = [pd.DataFrame(named)] if named else []
    for key, values in found.items():
        parts.append(
            pd.DataFrame(values).add_prefix(prefixes[key]) if values.ndim == 2 else pd.DataFrame({key: values})
        )
    table = pd.concat(parts, axis=1)
    if suffix == ".csv":
        table.to_csv(path, index=False)
    elif suffix == ".parquet":
        table.to_parquet(path, index=False)
    else:
        table.to_feather(path)
