"""From a UCR name or a file to train and test series."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from ncvqvae.data.checks import bad_input, check_label_pair, check_pair
from ncvqvae.data.columns import TableOptions
from ncvqvae.data.masks import are_unequal, cut_or_pad, series_lengths
from ncvqvae.data.tables import READERS, Series, read_series
from ncvqvae.data.ucr import find_dataset


class Splits(NamedTuple):
    """A dataset in two parts.

    X_* are float32 (n_cases, n_channels, n_timepoints) in the units of the file, y_* labels (n_cases,) or None.
    `name` is short and safe in file names; `note` is a sentence for the user on how the parts came about, or ''.
    """

    name: str
    X_train: np.ndarray
    y_train: np.ndarray | None
    X_test: np.ndarray
    y_test: np.ndarray | None
    note: str


class _Halves(NamedTuple):
    """Where the halves of a source are; `test` is None for a file that stands alone."""

    name: str
    train: Path
    test: Path | None
    note: str


def load_dataset(
    source: str | Path,
    split: Literal["train", "test"] = "train",
    *,
    data_dir: str | Path | None = None,
    label_column: str | None = None,
    id_column: str | None = None,
    time_column: str | None = None,
    value_columns: Sequence[str] | None = None,
) -> Series:
    """Load the series and labels of one split of a dataset.

    ``X, y = load_dataset("GunPoint", split="train")``

    Args:
        source: a UCR/UEA name, or a file (.tsv, .csv, .parquet, .feather, .npz, .npy, .ts, .arff).
        split: "train" or "test"; of a file without a TEST half, "train" is the whole file.
        data_dir: folder with `<Name>/<Name>_TRAIN.tsv` and so on; default: the folder NCVQVAE_DATA_DIR names.
        label_column, id_column, time_column, value_columns: columns of tables, see `TableOptions`.

    Returns:
        X float32 (n_cases, n_channels, n_timepoints) in the units of the file, y (n_cases,) or None without labels.

    Raises:
        InputError: whatever keeps the data from being used, in one line.
    """
    options = TableOptions(label_column, id_column, time_column, value_columns)
    if split not in ("train", "test"):
        raise bad_input("split", f"unknown split {split!r}", "use 'train' or 'test'")
    halves = _locate(source, data_dir)
    if halves.note:
        warnings.warn(f"{halves.name}: {halves.note}", stacklevel=2)
    if halves.test is None and split == "test":
        raise bad_input(source, "this file has no TEST half", "use load_splits to keep a part of its cases aside")
    if split == "train":
        return read_series(halves.train, options)
    assert halves.test is not None
    return read_series(halves.test, options, min_cases=1)


def load_splits(
    source: str | Path,
    *,
    data_dir: str | Path | None = None,
    test: str | Path | None = None,
    seed: int = 0,
    holdout: float = 0.3,
    label_column: str | None = None,
    id_column: str | None = None,
    time_column: str | None = None,
    value_columns: Sequence[str] | None = None,
) -> Splits:
    """Load a dataset's train and test part.

    A UCR name and a file called `*_TRAIN.*` beside its `*_TEST.*` have both. Of any other file a stratified share of
    the cases is kept aside as test part, by seed; a class with a single case stays in train.

    Args:
        source, data_dir, label_column, …: as in `load_dataset`.
        test: a file to use as test part.
        seed: draws the cases kept aside.
        holdout: share of the cases kept aside, between 0 and 1.

    Raises:
        InputError: bad data, parts of different length or channels, test labels that train never shows.
    """
    options = TableOptions(label_column, id_column, time_column, value_columns)
    halves = _locate(source, data_dir)
    test_file = halves.test if test is None else Path(test)
    train_part = read_series(halves.train, options)
    if test_file is None:
        return _hold_out(halves.name, train_part, seed, holdout)
    test_part = read_series(test_file, options, min_cases=1)
    labels = _in_one_kind(train_part.y, test_part.y)
    X_test, cut_note = _in_train_length(train_part.X, test_part.X)
    check_pair(train_part.X, X_test, where=test_file)
    check_label_pair(labels.train, labels.test, where=test_file)
    note = "; ".join(part for part in (halves.note, cut_note) if part)
    return Splits(halves.name, train_part.X, labels.train, X_test, labels.test, note)


class _Fitted(NamedTuple):
    X: np.ndarray
    note: str


def _in_train_length(X_train: np.ndarray, X_test: np.ndarray) -> _Fitted:
    """Where series differ in length, bring the test part to the longest of the train part."""
    longest = X_train.shape[-1]
    if X_test.shape[-1] == longest or not (are_unequal(X_train) or are_unequal(X_test)):
        return _Fitted(X_test, "")
    n_cut = int((series_lengths(X_test) > longest).sum())
    note = f"{n_cut} test series are longer than the longest of train and cut to {longest} steps" if n_cut else ""
    return _Fitted(cut_or_pad(X_test, longest), note)


class Holdout(NamedTuple):
    """Positions of the cases to train on and of the cases kept aside, each sorted."""

    kept: np.ndarray
    aside: np.ndarray


def stratified_holdout(y: np.ndarray | None, n_cases: int, *, holdout: float, seed: int) -> Holdout:
    """Draw the positions of cases to train on and of cases to keep aside, each sorted.

    Every class gives round(holdout · cases) of its cases, at least one and never all; one with a single case none.
    """
    generator = np.random.default_rng(seed)
    aside: list[int] = []
    for members in _positions_by_class(y, n_cases):
        if len(members) > 1:
            count = min(max(1, round(holdout * len(members))), len(members) - 1)
            aside.extend(generator.permutation(members)[:count].tolist())
    kept = np.setdiff1d(np.arange(n_cases), aside)
    return Holdout(kept, np.sort(np.asarray(aside, dtype=np.int64)))


def _positions_by_class(y: np.ndarray | None, n_cases: int) -> list[list[int]]:
    """Group positions by label in order of first appearance; unlabelled cases are one group."""
    groups: dict[object, list[int]] = {}
    for position, label in enumerate([None] * n_cases if y is None else y.tolist()):
        groups.setdefault(label, []).append(position)
    return list(groups.values())


def _hold_out(name: str, data: Series, seed: int, holdout: float) -> Splits:
    """Split the cases of a file without a TEST half."""
    if not 0 < holdout < 1:
        raise bad_input("holdout", f"share {holdout} of the cases", "give a share between 0 and 1")
    n_cases = len(data.X)
    kept, aside = stratified_holdout(data.y, n_cases, holdout=holdout, seed=seed)
    if not len(aside):
        raise bad_input(name, "no class has two cases, so none can be kept aside", "give a test file (test=…)")
    if len(kept) < 2:
        raise bad_input(name, f"{len(kept)} series left to train on", "give more series or a test file (test=…)")
    stratified = "" if data.y is None else ", stratified by class"
    note = f"no TEST half: {len(aside)} of {n_cases} cases kept aside for evaluation (seed {seed}{stratified})"
    y_kept, y_aside = (None, None) if data.y is None else (data.y[kept], data.y[aside])
    return Splits(name, data.X[kept], y_kept, data.X[aside], y_aside, note)


class _LabelPair(NamedTuple):
    train: np.ndarray | None
    test: np.ndarray | None


def _in_one_kind(y_train: np.ndarray | None, y_test: np.ndarray | None) -> _LabelPair:
    """Where one half's labels read as numbers and the other's as strings, make both strings."""
    if y_train is None or y_test is None or (y_train.dtype.kind == "U") == (y_test.dtype.kind == "U"):
        return _LabelPair(y_train, y_test)
    return _LabelPair(y_train.astype(str), y_test.astype(str))


def _locate(source: str | Path, data_dir: str | Path | None) -> _Halves:
    """Decide whether a source is a file or a name, and find its halves."""
    if not isinstance(source, (str, Path)):
        raise bad_input("data", f"a {type(source).__name__} is not a source", "give a UCR/UEA name or a path")
    path = Path(source).expanduser()
    is_path = isinstance(source, Path) or len(path.parts) > 1 or path.suffix != "" or path.is_file()
    if not is_path and str(source):
        found = find_dataset(str(source), data_dir)
        return _Halves(str(source), found.train, found.test, found.note)
    stem = re.sub(r"[^\w-]+", "_", path.stem) or "data"
    if not path.stem.upper().endswith("_TRAIN"):
        return _Halves(stem, path, None, "")
    return _Halves(stem[: -len("_TRAIN")] or "data", path, _sibling(path), "")


def _sibling(train: Path) -> Path | None:
    """Find the TEST half beside a TRAIN half, of the same type if there are several."""
    base = train.stem[: -len("_TRAIN")]
    halves = [f"{base}_{word}" for word in ("TEST", "test", "Test")]
    suffixes = [train.suffix, *READERS]
    names = (train.with_name(half + suffix) for suffix in suffixes for half in halves)
    return next((path for path in names if path.is_file()), None)
