"""Small tables that tests write and read."""

from pathlib import Path
from typing import Any

import numpy as np

from ncvqvae.data import load_half

NOISE = np.round(np.random.default_rng(0).normal(size=(6, 8)), 3)
WIDE = [",".join(map(str, row)) for row in NOISE]


def lines(*rows: str) -> str:
    return "\n".join(rows) + "\n"


def with_labels(header: str, last: bool = False) -> str:
    rows = [f"{row},{i % 2}" if last else f"{i % 2},{row}" for i, row in enumerate(WIDE)]
    return lines(header, *rows)


def long(times: list[str], ids: str = "a") -> str:
    return lines("id,time,x", *(f"{name},{time},{i}" for name in ids for i, time in enumerate(times)))


def read(tmp_path: Path, content: str, suffix: str = ".csv", **options: Any) -> Any:
    path = tmp_path / f"x{suffix}"
    path.write_text(content)
    return load_half(path, **options)


LONG = {"id_column": "id", "time_column": "time"}
