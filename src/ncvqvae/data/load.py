"""From a UCR name or a file to train and test series."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from ncvqvae.data.archive import archive_names, find_dataset
from ncvqvae.data.mapped import take
from ncvqvae.data.missing import are_unequal, cut_or_pad, n_constant, series_lengths
from ncvqvae.data.read.files import READERS, Series, checked, read_raw, series_files
from ncvqvae.data.read.table import Raw, TableOptions, from_frame
from ncvqvae.data.validate import check_label_pair, check_pair
from ncvqvae.data.windows import Windows, as_recordings, cut_windows, split_in_time
from ncvqvae.data.write.table_form import TableForm, file_form
from ncvqvae.errors import bad_input

if TYPE_CHECKING:
    import pandas as pd


class Splits(NamedTuple):
    """A dataset in two parts.

    X_* are float32 (n_cases, n_channels, n_timepoints) in the units of the file, y_* labels (n_cases,) or None. Parts
    of a memory-mapped array stay on disk, see `MappedRows`. `name` is short and safe in file names; `note` tells the
    user how the parts came about and how many series are constant, or is ''.
    """

    name: str
    X_train: np.ndarray
    y_train: np.ndarray | None
    X_test: np.ndarray
    y_test: np.ndarray | None
    note: str

    def in_memory(self) -> Splits:
        """The same splits with both parts as arrays."""
        return self._replace(X_train=np.asarray(self.X_train), X_test=np.asarray(self.X_test))


class _Halves(NamedTuple):
    """Where the halves of a source are; `test` is None for one that stands alone."""

    name: str
    train: Any  # a path, or the data itself
    test: Path | None
    note: str


def load_dataset(
    source: str | Path | pd.DataFrame | np.ndarray,
    split: Literal["train", "test"] = "train",
    *,
    data_dir: str | Path | None = None,
    label_column: str | None = None,
    id_column: str | None = None,
    time_column: str | None = None,
    value_columns: Sequence[str] | None = None,
    window: int | None = None,
    stride: int | None = None,
) -> Series:
    """Load the series and labels of one split of a dataset.

    ``X, y = load_dataset("GunPoint", split="train")``

    Args:
        source: a UCR/UEA name, a file (.tsv, .csv, .parquet, .feather, .npz, .npy, .ts, .arff), a folder of .csv files
            of one series each, a table or an array.
        split: "train" or "test"; of a file without a TEST half, "train" is the whole file.
        data_dir: folder with `<Name>/<Name>_TRAIN.tsv` and so on; default: the folder NCVQVAE_DATA_DIR names.
        label_column, id_column, time_column, value_columns: columns of tables, see `TableOptions`.
        window, stride: cut recordings into windows, see `Windows`; a table is then one recording, a row a time step.

    Returns:
        X float32 (n_cases, n_channels, n_timepoints) in the units of the file, NaN where nothing was observed; y
        (n_cases,), or None without labels.

    Raises:
        InputError: whatever keeps the data from being used, in one line.
    """
    options = TableOptions(label_column, id_column, time_column, value_columns, recordings=window is not None)
    windows = None if window is None else Windows(window, stride)
    if split not in ("train", "test"):
        raise bad_input("split", f"unknown split {split!r}", "use 'train' or 'test'")
    halves = _locate(source, data_dir)
    if halves.note:
        warnings.warn(f"{halves.name}: {halves.note}", stacklevel=2)
    if halves.test is None and split == "test":
        raise bad_input(source, "this file has no TEST half", "use load_splits to keep a part of its cases aside")
    half = halves.train if split == "train" else halves.test
    return _read(half, options, windows, min_cases=2 if split == "train" else 1)


def load_splits(
    source: str | Path | pd.DataFrame | np.ndarray,
    *,
    data_dir: str | Path | None = None,
    test: str | Path | None = None,
    seed: int = 0,
    holdout: float = 0.3,
    label_column: str | None = None,
    id_column: str | None = None,
    time_column: str | None = None,
    value_columns: Sequence[str] | None = None,
    window: int | None = None,
    stride: int | None = None,
) -> Splits:
    """Load a dataset's train and test part.

    A UCR name and a file called `*_TRAIN.*` beside its `*_TEST.*` have both. Of any other file a stratified share of
    the cases is kept aside as test part, by seed; a class with a single case stays in train. Of recordings that are cut
    into windows the last part of each is kept aside, before they are cut.

    Args:
        source, data_dir, label_column, …: as in `load_dataset`.
        test: a file to use as test part.
        seed: draws the cases kept aside.
        holdout: share of the cases kept aside, between 0 and 1.

    Raises:
        InputError: bad data, parts of different length or channels, test labels that train never shows.
    """
    options = TableOptions(label_column, id_column, time_column, value_columns, recordings=window is not None)
    windows = None if window is None else Windows(window, stride)
    halves = _locate(source, data_dir)
    test_file = halves.test if test is None else Path(test)
    if test_file is not None:
        splits = _pair(halves, test_file, options, windows)
    elif not 0 < holdout < 1:
        raise bad_input("holdout", f"share {holdout} of the cases", "give a share between 0 and 1")
    elif windows is not None:
        splits = _hold_out_in_time(halves, options, windows, holdout)
    else:
        splits = _hold_out(halves.name, _read(halves.train, options, None), seed, holdout)
    constant = n_constant(splits.X_train)
    noticed = f"constant training series: {constant} of {len(splits.X_train)}" if constant else ""
    return splits._replace(note="; ".join(part for part in (splits.note, noticed) if part))


def _pair(halves: _Halves, test_file: Path, options: TableOptions, windows: Windows | None) -> Splits:
    """Read both halves of a dataset that has them."""
    train_part = _read(halves.train, options, windows)
    test_part = _read(test_file, options, windows, min_cases=1)
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


def load_form(source: str | Path, *, data_dir: str | Path | None = None, **columns: Any) -> TableForm | None:
    """The form of the table behind a dataset, in which generated series can be written; None where there is none.

    Args:
        source, data_dir, columns: as in `load_dataset`.
    """
    window = columns.pop("window", None)
    columns.pop("stride", None)
    halves = _locate(source, data_dir)
    return file_form(halves.train, TableOptions(**columns, recordings=window is not None))


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
    n_cases = len(data.X)
    kept, aside = stratified_holdout(data.y, n_cases, holdout=holdout, seed=seed)
    if not len(aside):
        raise bad_input(name, "no class has two cases, so none can be kept aside", "give a test file (test=…)")
    if len(kept) < 2:
        raise bad_input(name, f"{len(kept)} series left to train on", "give more series or a test file (test=…)")
    stratified = "" if data.y is None else ", stratified by class"
    note = f"no TEST half: {len(aside)} of {n_cases} cases kept aside for evaluation (seed {seed}{stratified})"
    y_kept, y_aside = (None, None) if data.y is None else (data.y[kept], data.y[aside])
    return Splits(name, take(data.X, kept), y_kept, take(data.X, aside), y_aside, note)


def _hold_out_in_time(halves: _Halves, options: TableOptions, windows: Windows, holdout: float) -> Splits:
    """Split recordings without a TEST half in time, then cut both parts into windows."""
    kept, aside = split_in_time(as_recordings(_raw(halves.train, options), halves.name), holdout)
    train = checked(cut_windows(kept, windows, halves.name), halves.name)
    test = checked(cut_windows(aside, windows, halves.name), halves.name, min_cases=1)
    labels = _in_one_kind(train.y, test.y)
    check_label_pair(labels.train, labels.test, where=halves.name)
    note = f"no TEST half: the last {holdout:.0%} of each recording kept aside for evaluation, then cut into windows"
    return Splits(halves.name, train.X, labels.train, test.X, labels.test, note)


def _read(source: Any, options: TableOptions, windows: Windows | None, min_cases: int = 2) -> Series:
    """Series of one half, cut from recordings where windows are asked for."""
    raw, where = _raw(source, options), source if isinstance(source, Path) else type(source).__name__
    return checked(raw if windows is None else cut_windows(as_recordings(raw, where), windows, where), where, min_cases)


def _raw(source: Any, options: TableOptions) -> Raw:
    if isinstance(source, Path):
        return read_raw(source, options)
    if isinstance(source, np.ndarray):
        return Raw(source, None)
    return from_frame(source, options, "DataFrame")


class _LabelPair(NamedTuple):
    train: np.ndarray | None
    test: np.ndarray | None


def _in_one_kind(y_train: np.ndarray | None, y_test: np.ndarray | None) -> _LabelPair:
    """Where one half's labels read as numbers and the other's as strings, make both strings."""
    if y_train is None or y_test is None or (y_train.dtype.kind == "U") == (y_test.dtype.kind == "U"):
        return _LabelPair(y_train, y_test)
    return _LabelPair(y_train.astype(str), y_test.astype(str))


def is_path(source: str | Path) -> bool:
    """Tell a file, or a folder of series, from the name of a dataset."""
    path = Path(source).expanduser()
    if isinstance(source, Path) or len(path.parts) > 1 or path.suffix != "" or path.is_file():
        return True
    return path.is_dir() and bool(series_files(path)) and source not in archive_names()


def _locate(source: Any, data_dir: str | Path | None) -> _Halves:
    """Decide whether a source is data, a file, a folder or a name, and find its halves."""
    if hasattr(source, "columns") or isinstance(source, np.ndarray):
        return _Halves("data", source, None, "")
    if not isinstance(source, (str, Path)):
        raise bad_input("data", f"a {type(source).__name__} is not a source", "give a UCR/UEA name or a path")
    if not str(source):
        raise bad_input("data", "an empty name", "give a UCR/UEA name or a path")
    path = Path(source).expanduser()
    if not is_path(source):
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
