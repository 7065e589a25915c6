"""``history.csv``: the loss terms of a training by step."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

from ncvqvae.errors import InputError
from ncvqvae.files import read_text
from ncvqvae.report.content import STAGES

MAX_HISTORY = 100_000_000
"""Bytes of ``history.csv``: a row for each of some hundred thousand steps."""


def read_history(folder: str | Path) -> list[dict[str, Any]]:
    """Loss terms of a run by step: rows with ``stage``, ``step``, ``loss`` and the terms, those that are numbers.

    A run without ``history.csv`` has none, nor has one whose file is damaged: a warning says so, since the loss curves
    are all that is lost.
    """
    path = Path(folder) / "history.csv"
    if not path.is_file():
        return []
    try:
        return _history(path)
    except (InputError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).removeprefix(f"{path} ").split())[:200]
        warnings.warn(f"{path} is damaged ({reason}); loss curves are left out", stacklevel=2)
        return []


def _history(path: Path) -> list[dict[str, Any]]:
    import pandas as pd

    table = pd.read_csv(io.StringIO(read_text(path, MAX_HISTORY)))
    terms = [str(name) for name in table.columns if name not in ("stage", "step")]
    if "loss" not in terms or not {"stage", "step"} <= set(table.columns) or not set(table["stage"]) <= set(STAGES):
        raise InputError(f"{path} has no columns stage, step and loss of the two stages")
    numbers = table[["step", *terms]].apply(pd.to_numeric).astype(float)
    steps = numbers["step"]
    if not steps.between(0, 10**12).all() or (steps % 1 != 0).any():
        raise InputError(f"{path} has steps that are no whole numbers")
    rows = numbers[terms].where(numbers[terms].abs() < 1e300).to_dict("records")
    return [
        {"stage": stage, "step": int(step), **{str(name): value for name, value in row.items() if value == value}}
        for stage, step, row in zip(table["stage"], steps, rows, strict=True)
    ]
