"""Metrics of every run as rows: our own from the run folders, the published ones from CSVs in the package."""

from __future__ import annotations

import io
import json
import reprlib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from ncvqvae.config import Config, from_dict, load_config, preset_names, read_yaml, to_dict
from ncvqvae.errors import InputError
from ncvqvae.evaluation.binding import read_run_metrics
from ncvqvae.evaluation.metrics import metric_of
from ncvqvae.files import read_text

IDENTITY = ["dataset", "ssl", "augmentation", "model", "seed", "preset"]
NAMES = ["dataset", "ssl", "augmentation", "model", "preset", "settings", "reuse", "fcn", "commit", "version"]
"""Columns that are text even if a value looks like a number, such as the commit 2564e87."""


def collect_rows(folder: str | Path) -> pd.DataFrame:
    """One row per evaluated run: identity, settings that differ from the preset, metrics, seconds, commit, version.

    Args:
        folder: a bench's folder, or a CSV of rows that were written before.

    Raises:
        InputError: if there is no evaluated run, or the file is no CSV of rows.
    """
    if Path(folder).is_file():
        return _read_rows(Path(folder))
    rows = [_row(path.parent) for path in run_folders(folder)]
    if not rows:
        raise InputError(f"{folder} holds no evaluated run (DATASET/MODEL/SEED/metrics.json); run ncvqvae bench first")
    return pd.DataFrame(rows)


def run_folders(folder: str | Path) -> list[Path]:
    """Paths of the ``metrics.json`` of every evaluated run of a bench, sorted."""
    found = Path(folder).glob("*/*/*/metrics.json")
    return sorted(path for path in found if (path.parent / "config.yaml").is_file())


MAX_ROWS = 100_000_000
"""Bytes of a CSV of rows: some hundred thousand runs."""

MAX_COLUMNS = 2000
"""Columns of a CSV of rows; metrics, their intervals and those of rivals are some hundreds."""

MAX_NAME = 200
"""Characters of a dataset's, a model's or a part's name."""


class Stored(NamedTuple):
    """Settings of a run, and the preset on which they are based."""

    preset: str
    config: Config


def read_settings(folder: Path) -> Stored:
    """The complete settings of a run as they were asked for, but with the augmentation that was used."""
    path = folder / "config.yaml"
    return _read_settings(path, path.stat().st_mtime_ns)


@cache
def _read_settings(path: Path, modified: int) -> Stored:
    values = read_yaml(path)
    preset, became = values.get("preset"), values.get("model")
    if preset not in preset_names() or became is None:
        raise InputError(f"{path} is damaged (preset {str(preset)[:40]!r}); fit the run again")
    config = from_dict(Config, values.get("asked", became))  # format 1 kept the asked settings in "model"
    config.augmentation = from_dict(Config, became).augmentation  # "auto" resolved: models are told apart by it
    return Stored(preset, config)


def read_facts(folder: Path) -> dict[str, Any]:
    """Facts about a run in its ``bench.yaml``: commit, version, FCN and seconds; empty if there is no such file."""
    path = folder / "bench.yaml"
    return read_yaml(path) if path.is_file() else {}


def flat_settings(config: Config) -> dict[str, Any]:
    """Settings by dotted name."""
    flat: dict[str, Any] = {}
    for name, value in to_dict(config).items():
        inner = {f"{name}.{key}": v for key, v in value.items()} if isinstance(value, dict) else {name: value}
        flat |= inner
    return flat


@cache
def is_known(preset: str, ssl: str, augmentation: str) -> bool:
    """Whether this installation has the SSL loss and the augmentation of a row."""
    try:
        load_config(preset, settings={"ssl": ssl, "augmentation": augmentation})
    except InputError:
        return False
    return True


def row_settings(row: pd.Series) -> dict[str, Any]:
    """All settings of the run behind a row, by dotted name, with its preset and without the seed.

    Raises:
        InputError: if the row names settings that do not exist.
    """
    own = _own_of_row(row)
    chosen = {"ssl": row["ssl"], "augmentation": row["augmentation"]}
    flat = flat_settings(load_config(row["preset"], settings=chosen | own)) | {"preset": row["preset"]}
    del flat["seed"]
    return flat


def _own_of_row(row: pd.Series) -> dict[str, Any]:
    """The row's settings that differ from its preset's.

    Raises:
        InputError: if they are no JSON object.
    """
    if not isinstance(row["settings"], str):
        return {}
    try:
        return dict(json.loads(row["settings"]))
    except (TypeError, ValueError, RecursionError):
        where, found = f"{row['dataset']}, {row['model']}", reprlib.repr(row["settings"])
        raise InputError(f"{where}: settings {found} is no JSON object; copy it from rows.csv") from None


def _own_settings(preset: str, config: Config) -> str | None:
    """Settings that differ from the preset and have no column of their own, as JSON; None if there are none."""
    usual = load_config(preset, settings={"ssl": config.ssl, "augmentation": config.augmentation, "seed": config.seed})
    expected = flat_settings(usual)
    own = {name: value for name, value in flat_settings(config).items() if value != expected[name]}
    return json.dumps(own) if own else None


def published_rows() -> pd.DataFrame:
    """The 364 runs published in the study, with our names: ``none`` for naive, ``seed`` for run."""
    rows = _in_our_names(_published("per_run.csv"))
    rows["model"] = [chapter_model(ssl, aug) for ssl, aug in zip(rows["ssl"], rows["augmentation"], strict=True)]
    return rows


def _in_our_names(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows as the study's authors name them, with our names: ``none`` for naive, ``seed`` for run."""
    renamed = rows.rename(columns={"run": "seed"})
    return renamed.assign(ssl=renamed["ssl"].replace("naive", "none"))


def timevqvae_means() -> pd.DataFrame:
    """Published means of TimeVQVAE: a row per dataset, a column per metric."""
    return _published("timevqvae.csv").pivot(index="dataset", columns="metric", values="value")


def chapter_model(ssl: str, augmentation: str) -> str:
    """Name in suite ``paper`` of one of the study's seven models."""
    return "none" if ssl == "none" else f"{ssl}-{augmentation}"


CHAPTER_MODELS = ["none"] + [
    chapter_model(ssl, augmentation)
    for ssl in ("barlowtwins", "vibcreg")
    for augmentation in ("warp", "slice", "gauss")
]


def main_models(rows: pd.DataFrame) -> list[str]:
    """Models that are no variants (``A+B``), the study's first in its order; all models if all are variants."""
    present = sorted(set(rows["model"]))
    main = [name for name in present if "+" not in name] or present
    return [name for name in CHAPTER_MODELS if name in main] + [name for name in main if name not in CHAPTER_MODELS]


def _row(folder: Path) -> dict[str, Any]:
    preset, config = read_settings(folder)
    facts = read_facts(folder)
    identity = {
        "dataset": folder.parts[-3],
        "ssl": config.ssl,
        "augmentation": config.augmentation,
        "model": folder.parts[-2],
        "seed": config.seed,
        "preset": preset,
        "settings": _own_settings(preset, config),
    }
    made_by = {name: facts.get(name) for name in ("reuse", "fcn", "commit", "version")}
    metrics = {key: value for key, value in read_run_metrics(folder).items() if key not in identity}
    return identity | metrics | made_by


def _read_rows(path: Path) -> pd.DataFrame:
    """Rows that were written before, or the authors' own; a row without a model's name gets that of suite ``paper``.

    Raises:
        InputError: if the file is no CSV of rows, or a cell is missing or no number; the line says which.
    """
    try:
        text = io.StringIO(read_text(path, MAX_ROWS))
        rows = pd.read_csv(
            text, keep_default_na=False, na_values=[""], dtype=dict.fromkeys(NAMES, str), float_precision="round_trip"
        )
    except (ValueError, OverflowError) as error:  # an InputError is a ValueError
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} is no CSV of rows: {reason}; give rows.csv of ncvqvae tables") from None
    if {"run", "ssl"} <= set(rows) and not {"seed", "preset"} & set(rows):
        rows = _in_our_names(rows).assign(preset="published")
    missing = [name for name in IDENTITY if name not in rows and name != "model"]
    what = f"has no column {missing[0]!r}" if missing else "has no rows" if rows.empty else ""
    if len(rows.columns) > MAX_COLUMNS:
        what = f"has {len(rows.columns)} columns, over {MAX_COLUMNS}"
    if what:
        raise InputError(f"{path} {what}; give rows.csv of ncvqvae tables")
    rows = rows.reset_index(drop=True)  # a row with a cell too many makes an index of the first column
    if "model" not in rows:
        rows["model"] = [chapter_model(ssl, aug) for ssl, aug in zip(rows["ssl"], rows["augmentation"], strict=True)]
    for name in IDENTITY:
        lengths = rows[name].astype(str).str.len()
        bad = rows[name].isna() | (lengths > MAX_NAME)  # a picture takes minutes of a long name
        if bad.any():
            raise _bad_cell(path, rows, name, bad)
    if "settings" in rows:
        for _, row in rows.iterrows():
            _own_of_row(row)
    known = [name for name in map(str, rows) if metric_of(name).meaning or name == "seed"]
    for name in known:
        rows[name] = _numbers(path, rows, name)
    return rows


def _numbers(path: Path, rows: pd.DataFrame, name: str) -> pd.Series:
    """A column of metrics, or of seeds, as numbers."""
    numbers = pd.to_numeric(rows[name], errors="coerce")
    bad = (numbers.isna() & rows[name].notna()) | (numbers.abs() > 1e100)
    if name == "seed":
        bad |= (numbers < 0) | (numbers % 1 != 0)
    if bad.any() or numbers.dtype.kind not in "iuf":
        raise _bad_cell(path, rows, name, bad if bad.any() else rows[name].notna())
    return numbers


def _bad_cell(path: Path, rows: pd.DataFrame, name: str, bad: pd.Series) -> InputError:
    at = int(bad.to_numpy().argmax())
    found, wanted = (
        reprlib.repr(rows[name].iloc[at]),
        f"a text of up to {MAX_NAME} characters" if name in NAMES else "a number",
    )
    return InputError(f"{path} has {found} in column {name!r} of row {at + 1}; give {wanted}, as in rows.csv")


def _published(name: str) -> pd.DataFrame:
    with (resources.files("ncvqvae.study") / "published" / name).open(encoding="utf-8") as file:
        # "none" in these files is a name, not a missing value
        return pd.read_csv(file, keep_default_na=False, na_values=[""])
