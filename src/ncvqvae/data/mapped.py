"""Large arrays, also memory-mapped ones, a part at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import numpy as np

# Values looked at in one go: keeps temporaries small beside a memory-mapped array.
CHUNK_VALUES = 1 << 22


def case_chunks(X: np.ndarray) -> Iterable[np.ndarray]:
    """Yield consecutive runs of cases of X, each small enough to make temporaries of."""
    values_per_case = max(1, X.size // max(1, len(X)))
    step = max(1, CHUNK_VALUES // values_per_case)
    for start in range(0, len(X), step):
        yield X[start : start + step]


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
