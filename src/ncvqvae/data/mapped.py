"""Chosen series of a memory-mapped array, without a copy of them."""

from __future__ import annotations

from typing import Any, cast

import numpy as np


class MappedRows:
    """Chosen rows of a memory-mapped array (n, …), read when they are asked for: ``rows[3:5]``, ``np.asarray(rows)``.

    Args:
        X: the array on disk.
        positions: which of its rows, (m,), in their order.
    """

    def __init__(self, X: np.memmap, positions: np.ndarray) -> None:
        self.X, self.positions = X, positions
        self.shape = (len(positions), *X.shape[1:])
        self.ndim, self.dtype, self.size = X.ndim, X.dtype, int(np.prod(self.shape))

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, rows: Any) -> np.ndarray:
        """The values of a row, of a slice, or of an array of positions."""
        return self.X[self.positions[rows]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)


def take(X: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Rows of ``X``; of a memory-mapped array as `MappedRows`, which passes for an array where cases are chunked."""
    return cast(np.ndarray, MappedRows(X, positions)) if isinstance(X, np.memmap) else X[positions]
