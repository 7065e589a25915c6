"""Metrics files: a flat JSON object of finite numbers, read with care and written whole."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ncvqvae.errors import InputError
from ncvqvae.evaluation.metric_list import METRICS
from ncvqvae.files import read_text, replaced

MAX_FILE, LARGEST = 1_000_000, 1e100
"""Bytes of a metrics file, and the largest metric: pages and pictures take no larger ones."""


def read_metrics(path: Path) -> dict[str, float]:
    """Read the metrics that `write_metrics` wrote; an unknown key is kept if its value is a number.

    Raises:
        InputError: if the file is no JSON object of finite numbers, a known metric is no number, or the seed no seed.
    """
    return _checked(read_object(path), path)


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object of a metrics file as it stands.

    Raises:
        InputError: if it is none.
    """
    try:
        values = json.loads(read_text(path, MAX_FILE))
    except InputError:
        raise
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise InputError(f"{path} is damaged (no JSON object); evaluate the run again")
    return values


def _checked(values: dict[str, Any], path: Path) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for key, value in values.items():
        if type(value) in (int, float):
            if not abs(value) <= LARGEST:  # NaN, too
                raise InputError(f"{path} is damaged ({key[:40]} is no finite number); evaluate the run again")
            metrics[key] = float(value)
        elif key in METRICS:
            raise InputError(f"{path} is damaged ({key} is no number); evaluate the run again")
    seed = metrics.get("evaluation_seed", 0.0)
    if not 0 <= seed < 2**32 or seed % 1:
        raise InputError(f"{path} is damaged (evaluation_seed {seed:g}); evaluate the run again")
    return metrics


def write_metrics(path: Path, metrics: Mapping[str, Any], run: str | None = None) -> None:
    """Write metrics and the digest of their run as a flat JSON object; metrics without a value are left out."""
    known = {name: value for name, value in metrics.items() if value is not None and math.isfinite(value)}
    values = known if run is None else {**known, "run": run}
    with replaced(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
