"""From a UCR name, a file or a table to train and test series."""

from __future__ import annotations

import re
import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, NamedTuple, overload

import numpy as np

from ncvqvae.data.archive import archive_names, find_dataset
from ncvqvae.data.holdout import Holdout, grouped_holdout, stratified_holdout
from ncvqvae.data.mapped import take
from ncvqvae.data.missing import are_unequal, cut_note, cut_or_pad, n_constant, n_zero_ended, stand_ins
from ncvqvae.data.read.archive_formats import COMMENTS
from ncvqvae.data.read.files import READERS, Series, checked, one_line_errors, read_raw, series_files
from ncvqvae.data.read.frame import as_arrow, is_table
from ncvqvae.data.read.notes import label_notes, spacing_notes
from ncvqvae.data.read.roles import Roles, TableOptions
from ncvqvae.data.read.table import Raw, from_table
from ncvqvae.data.times import SeriesTimes
from ncvqvae.data.validate import check_label_pair, check_pair, unmasked
from ncvqvae.data.windows import as_recordings, cut_windows, split_in_time
from ncvqvae.data.write.table_form import Beside, TableForm
from ncvqvae.errors import bad_input, listed, nearest_name
from ncvqvae.labels import look_alikes


class Splits(NamedTuple):
    """A dataset in two parts.

    X_* are (n_cases, n_channels, n_timepoints) in the units of the file: float32, or float64 where that would lose
    digits that matter. y_* are labels (n_cases,) or None. Parts of a memory-mapped array stay on disk: `MappedRows`.
    `name` is short and safe in file names; `note` tells the user how the parts came about and how many series are
    constant, or is ''. `roles`, `form` and `described` say of a table which column is what, how it is written, and the
    first in one line; of other sources they are None, None and ''.
    """

    name: str
    X_train: np.ndarray
    y_train: np.ndarray | None
    X_test: np.ndarray
    y_test: np.ndarray | None
    note: str
    roles: Roles | None = None
    form: TableForm | None = None
    described: str = ""

    def in_memory(self) -> Splits:
        """The same splits with both parts as arrays."""
        return self._replace(X_train=np.asarray(self.X_train), X_test=np.asarray(self.X_test))


class Half(NamedTuple):
    """One part of a dataset as it was read: checked series and labels, and what stands beside them.

    ids : the name of each series (n_cases,), or of its recording; None where there are none.
    starts : where in its recording each window starts; None where nothing was cut.
    roles, form : as in `Splits`.
    notes : what was left out, where windows were cut or arrays have other names.
    times : those of each series, in tables with a row a time step.
    groups, splits : whose each series is, and "train" or "test" (n_cases,), where columns say it.
    """

    X: np.ndarray
    y: np.ndarray | None
    ids: list[Any] | None = None
    starts: list[int] | None = None
    roles: Roles | None = None
    form: TableForm | None = None
    notes: tuple[str, ...] = ()
    times: SeriesTimes | None = None
    groups: list[Any] | None = None
    splits: list[str] | None = None

    def part(self, split: str, where: object, min_cases: int) -> Half:
        """The series of one split, where a column says which they are; else all.

        Raises:
            InputError: there are too few.
        """
        if self.splits is None:
            return self
        chosen = np.flatnonzero(np.array(self.splits) == split)
        if len(chosen) < min_cases:
            assert self.roles is not None
            what = f"column {self.roles.split!r} calls {len(chosen)} series {split!r}"
            raise bad_input(where, what, f"call at least {min_cases} so, or leave split_column out")

        def of(values: list[Any] | None) -> list[Any] | None:
            return None if values is None else [values[case] for case in chosen]

        return self._replace(
            X=take(self.X, chosen),
            y=None if self.y is None else self.y[chosen],
            ids=of(self.ids),
            starts=of(self.starts),
            times=None if self.times is None else self.times.taken(chosen),
            groups=of(self.groups),
            splits=of(self.splits),
        )

    @property
    def beside(self) -> Beside | None:
        """Ids and times for a table of the same series; windows of a recording have none of their own."""
        return None if self.ids is None or self.starts is not None else Beside(self.ids, self.times)

    @property
    def described(self) -> str:
        """What the columns of a table were taken for, and what was left out, in one line."""
        roles = [] if self.roles is None else [self.roles.describe(len(self.X), self.X.shape[2])]
        return "; ".join([*roles, *self.notes])


class _Halves(NamedTuple):
    """Where the halves of a source are; `test` is None for one that stands alone."""

    name: str
    train: Any  # a path, or the data itself
    test: Path | None
    note: str


class Dataset(NamedTuple):
    """Series, labels, and the roles that the columns of a table have (None for other sources)."""

    X: np.ndarray
    y: np.ndarray | None
    roles: Roles | None


@overload
def load_dataset(
    source: Any,
    split: Literal["train", "test"] = "train",
    *,
    data_dir: str | Path | None = None,
    return_roles: Literal[False] = False,
    **options: Any,
) -> Series: ...


@overload
def load_dataset(
    source: Any,
    split: Literal["train", "test"] = "train",
    *,
    data_dir: str | Path | None = None,
    return_roles: Literal[True],
    **options: Any,
) -> Dataset: ...


def load_dataset(
    source: Any,
    split: Literal["train", "test"] = "train",
    *,
    data_dir: str | Path | None = None,
    return_roles: bool = False,
    **options: Any,
) -> Series | Dataset:
    """Load the series and labels of one split of a dataset.

    Args:
        source: a UCR/UEA name, a file (.tsv, .csv, .parquet, .feather, .npz, .npy, .ts, .arff), a folder of .csv files
            of one series each, a table (pandas, polars, Arrow) or an array.
        split: "train" or "test"; of a file without a TEST half, "train" is the whole file, unless ``split_column``
            says what it is.
        data_dir: folder with `<Name>/<Name>_TRAIN.tsv` and so on; default: the folder NCVQVAE_DATA_DIR names.
        return_roles: also return which column of a table is what.
        options: which columns are what, and windows, by the names that the command line has: ``label_column="class"``,
            ``id_column``, ``time_column``, ``group_column``, ``split_column``, ``value_columns``, ``ignore_columns``,
            ``header``, ``window``, ``stride``.

    Returns:
        X (n_cases, n_channels, n_timepoints) in the units of the file, NaN where nothing was observed; y (n_cases,),
        or None without labels; with ``return_roles`` also the `Roles`, whose `describe` says them in one line.

    Raises:
        InputError: if the data cannot be used; its one line says why, and what to do.

    Example:
        >>> X, y = load_dataset("GunPoint", split="train")
        >>> X.shape
        (50, 1, 150)
    """
    half = load_half(source, split, data_dir=data_dir, **options)
    return Dataset(half.X, half.y, half.roles) if return_roles else Series(half.X, half.y)


def load_half(
    source: Any,
    split: Literal["train", "test"] = "train",
    *,
    data_dir: str | Path | None = None,
    min_cases: int | None = None,
    **options: Any,
) -> Half:
    """Load one split as `load_dataset` does, with ids and roles beside the series.

    ``min_cases`` is the fewest series that are accepted, by default 2 of a train split and 1 of a test split.
    """
    chosen = table_options(options)
    if split not in ("train", "test"):
        raise bad_input("split", f"unknown split {split!r}", "use 'train' or 'test'")
    halves = _locate(source, data_dir)
    if halves.note:
        warnings.warn(f"{halves.name}: {halves.note}", stacklevel=3)
    fewest = min_cases or (2 if split == "train" else 1)
    if chosen.split_column is not None:
        _check_no_test(halves.test)
        return _read(halves.train, chosen, fewest).part(split, halves.name, fewest)
    if halves.test is None and split == "test":
        raise bad_input(source, "this file has no TEST half", "use load_splits to keep a part of its cases aside")
    half = halves.train if split == "train" else halves.test
    return _read(half, chosen, fewest)


def table_options(options: dict[str, Any]) -> TableOptions:
    """The options of these names.

    Raises:
        InputError: an unknown name, or a value that makes no sense.
    """
    known = [field.name for field in fields(TableOptions)]
    for name in options:
        if name not in known:
            near = nearest_name(name, known)
            raise bad_input(name, "no such option", f"did you mean {near!r}?" if near else f"use {', '.join(known)}")
    return TableOptions(**options)


def load_splits(
    source: Any,
    *,
    data_dir: str | Path | None = None,
    test: str | Path | None = None,
    seed: int = 0,
    holdout: float = 0.3,
    **options: Any,
) -> Splits:
    """Load a dataset's train and test part.

    A UCR name, a file called `*_TRAIN.*` beside its `*_TEST.*`, and a table with a ``split_column`` have both. Of any
    other file a stratified share of the cases is kept aside as test part, by seed; a class with a single case stays in
    train. With ``group_column`` all series of a group, such as a patient, are on one side. Of recordings that are cut
    into windows the last part of each is kept aside, before they are cut; with ``group_column`` it is all recordings of
    some groups.

    Args:
        source, data_dir: as in `load_dataset`.
        test: a file to use as test part.
        seed: seed of the draw of the cases that are kept aside.
        holdout: share of the cases kept aside, between 0 and 1.
        options: as in `load_dataset`.

    Raises:
        InputError: bad data, parts of different length or channels, test labels that train never shows.
    """
    chosen = table_options(options)
    halves = _locate(source, data_dir)
    test_file = halves.test if test is None else Path(test).expanduser()
    if chosen.split_column is not None:
        _check_no_test(test_file)
        splits = _by_column(halves.name, _read(halves.train, chosen))
    elif test_file is not None:
        splits = _pair(halves, test_file, chosen)
    elif not 0 < holdout < 1:
        raise bad_input("holdout", f"share {holdout} of the cases", "give a share between 0 and 1")
    elif chosen.window is not None and chosen.group_column is None:
        splits = _hold_out_in_time(halves, chosen, holdout)
    else:
        splits = _hold_out(halves.name, _read(halves.train, chosen), seed, holdout)
    given = test_file is not None or chosen.split_column is not None
    if not given and splits.roles is not None and splits.roles.like_groups:
        warnings.warn(_ungrouped(halves.name, splits.roles), stacklevel=2)
    unread = "" if given else _unread_test(halves.train)
    return splits._replace(
        note="; ".join(part for part in (splits.note, unread, *_noticed(splits, halves.train)) if part)
    )


def _noticed(splits: Splits, source: Any) -> list[str]:
    """What of the train split is unusual, and may have been read as it was not meant."""
    n_cases, n_channels, n_timepoints = splits.X_train.shape
    constant = n_constant(splits.X_train)
    notes = [f"constant training series: {constant} of {n_cases}"] if constant else []
    named = isinstance(source, Path) and source.suffix.lower() in COMMENTS  # archive formats say what is a channel
    if splits.roles is None and n_channels > n_timepoints and not named:
        notes.append(f"{n_channels} channels of {n_timepoints} steps: arrays are (series, channels, time steps)")
    for value, count in stand_ins(splits.X_train).items():
        notes.append(f"{value:g} stands {count} times, far from all other values, and is read as a value like them")
    if splits.roles is None and splits.y_train is None and n_channels == 1:
        notes += label_notes(np.asarray(splits.X_train[:256])[:, 0], range(n_timepoints))
    if padded := n_zero_ended(splits.X_train):
        notes.append(
            f"{padded} of {n_cases} series end in zeros, which are read as values; leave them out, or write NaN"
        )
    alike = [] if splits.y_train is None else look_alikes(splits.y_train.tolist())
    return notes + [f"classes that may be one: {', '.join(map(repr, group))}" for group in alike[:3]]


def _pair(halves: _Halves, test_file: Path, options: TableOptions) -> Splits:
    """Read both halves of a dataset that has them."""
    train_part = _read(halves.train, options)
    test_part = _read(test_file, options, min_cases=1)
    _check_channels(train_part.roles, test_part.roles, test_file)
    labels = _in_one_kind(train_part.y, test_part.y)
    X_test, cut_note = _in_train_length(train_part.X, test_part.X)
    check_pair(train_part.X, X_test, where=test_file)
    check_label_pair(labels.train, labels.test, where=test_file)
    _warn_of_shared_groups(train_part, test_part, test_file)
    note = "; ".join(part for part in (halves.note, cut_note, _of_test(train_part, test_part)) if part)
    splits = Splits(halves.name, train_part.X, labels.train, X_test, labels.test, note)
    return _with_roles(splits, train_part)


def _check_no_test(test_file: Path | None) -> None:
    if test_file is not None:
        raise bad_input(test_file, "a test file beside split_column, which says the same", "leave one of them out")


def _warn_of_shared_groups(train: Half, test: Half, where: object) -> None:
    both = set(train.groups or ()) & set(test.groups or ())
    if both:
        assert train.roles is not None
        shared = f"{listed(sorted(both, key=str))} of {train.roles.group!r}"
        said = f"{where}: train has series of {shared}, too, so results may look better than they are"
        warnings.warn(said, stacklevel=4)


def _by_column(name: str, data: Half) -> Splits:
    """Split the cases of a file as one of its columns says."""
    assert data.roles is not None
    train, test = data.part("train", name, 2), data.part("test", name, 1)
    check_label_pair(train.y, test.y, where=name)
    _warn_of_shared_groups(train, test, name)
    note = f"{len(test.X)} of {len(data.X)} cases kept aside for evaluation, as {data.roles.split!r} says"
    return _with_roles(Splits(name, train.X, train.y, test.X, test.y, note), data)


def _with_roles(splits: Splits, half: Half) -> Splits:
    return splits._replace(roles=half.roles, form=half.form, described=half.described)


def _check_channels(train: Roles | None, test: Roles | None, where: object) -> None:
    """Refuse a test table whose channels have other names, or another order."""
    if train is None or test is None:
        return
    steps = [(a, b) for a, b in zip(train.values, test.values, strict=False) if a != b]
    if train.channel_names == test.channel_names and steps:
        what = f"time steps from {steps[0][1]!r} on where train has {steps[0][0]!r}"
        raise bad_input(where, what, "name and number the columns of both alike")
    if train.channel_names == test.channel_names:
        return
    what = f"channels {', '.join(test.channel_names)} where train has {', '.join(train.channel_names)}"
    raise bad_input(where, what, "name and order the columns of both alike")


def _of_test(train: Half, test: Half) -> str:
    """What a user should know of the test part, where it does not hold of the train part too."""
    said, known = ([*(half.roles.notes if half.roles else ()), *half.notes] for half in (test, train))
    forms = [
        half.form.times.interval for half in (train, test) if half.form is not None and half.form.times is not None
    ]
    notes = [note for note in [*said, *spacing_notes(forms)] if note not in known]
    return f"of the test part: {'; '.join(notes)}" if notes else ""


class _Fitted(NamedTuple):
    X: np.ndarray
    note: str


def _in_train_length(X_train: np.ndarray, X_test: np.ndarray) -> _Fitted:
    """Where series differ in length, bring the test part to the longest of the train part."""
    longest = X_train.shape[-1]
    if X_test.shape[-1] == longest or not (are_unequal(X_train) or are_unequal(X_test)):
        return _Fitted(X_test, "")
    return _Fitted(cut_or_pad(X_test, longest), cut_note(X_test, longest, "test series"))


def _hold_out(name: str, data: Half, seed: int, holdout: float) -> Splits:
    """Split the cases of a file without a TEST half."""
    n_cases = len(data.X)
    if data.groups is None:
        kept, aside = stratified_holdout(data.y, n_cases, holdout=holdout, seed=seed)
    else:
        kept, aside = _drawn_groups(name, data, data.groups, seed, holdout)
    if not len(aside):
        raise bad_input(name, "no class has two cases, so none can be kept aside", "give a test file (test=…)")
    if len(kept) < 2:
        raise bad_input(name, f"{len(kept)} series left to train on", "give more series or a test file (test=…)")
    stratified = "" if data.y is None else ", stratified by class"
    note = f"no TEST half: {len(aside)} of {n_cases} cases kept aside for evaluation (seed {seed}{stratified})"
    note += _of_groups(data, aside)
    y_kept, y_aside = (None, None) if data.y is None else (data.y[kept], data.y[aside])
    splits = Splits(name, take(data.X, kept), y_kept, take(data.X, aside), y_aside, note)
    return _with_roles(splits, data)


def _drawn_groups(name: str, data: Half, groups: list[Any], seed: int, holdout: float) -> Holdout:
    """Draw whole groups to keep aside."""
    column = None if data.roles is None else data.roles.group
    mend = "group by another column, or give a test file (test=…)"
    if len(set(groups)) < 2:
        raise bad_input(name, f"column {column!r} has one value, so nothing can be held out", mend)
    drawn = grouped_holdout(data.y, groups, holdout=holdout, seed=seed)
    if not len(drawn.aside):
        what = f"without the series of any value of {column!r}, a class would have none left to train on"
        raise bad_input(name, what, mend)
    return drawn


def _of_groups(data: Half, aside: np.ndarray) -> str:
    """Say of how many groups the cases kept aside are, and which classes are not among them."""
    if data.groups is None or data.roles is None:
        return ""
    n_aside, column = len({data.groups[case] for case in aside}), data.roles.group
    said = f", all series of {n_aside} of the {len(set(data.groups))} values of {column!r}"
    missing = [] if data.y is None else sorted(set(data.y.tolist()) - set(data.y[aside].tolist()), key=str)
    return said + (f"; none of {listed(missing)}, which too few values of {column!r} have" if missing else "")


def _ungrouped(name: str, roles: Roles) -> str:
    """What to say where a column that is left out looks like groups."""
    return (
        f"{name}: several series have the same value of {listed(roles.like_groups)}, which is left out; where some are "
        "in train and others held out, results look better than they are; keep them together with group_column"
    )


def _hold_out_in_time(halves: _Halves, options: TableOptions, holdout: float) -> Splits:
    """Split recordings without a TEST half in time, then cut both parts into windows."""
    assert options.window is not None
    raw = _raw(halves.train, options)
    parts = split_in_time(as_recordings(raw, halves.name), holdout)
    train, test = (
        _cut(raw, part, options, halves.name, min_cases) for part, min_cases in zip(parts, (2, 1), strict=True)
    )
    labels = _in_one_kind(train.y, test.y)
    check_label_pair(labels.train, labels.test, where=halves.name)
    note = f"no TEST half: the last {holdout:.0%} of each recording kept aside for evaluation, then cut into windows"
    return _with_roles(Splits(halves.name, train.X, labels.train, test.X, labels.test, note), train)


def _read(source: Any, options: TableOptions, min_cases: int = 2) -> Half:
    """Series of one half, cut from recordings where windows are asked for."""
    raw, where = _raw(source, options), source if isinstance(source, Path) else type(source).__name__
    if options.window is not None:
        return _cut(raw, as_recordings(raw, where), options, where, min_cases)
    series = checked(raw, where, min_cases)
    half = Half(series.X, series.y, raw.ids, None, raw.roles, raw.form, raw.notes, raw.times)
    return half._replace(groups=raw.groups, splits=raw.splits)


def _cut(raw: Raw, recordings: list[Any], options: TableOptions, where: object, min_cases: int) -> Half:
    assert options.window is not None
    cut = cut_windows(recordings, options.window, options.stride, where)
    series = checked(Raw(cut.X, cut.y), where, min_cases)
    groups, splits = (of and [of[recording] for recording in cut.of] for of in (raw.groups, raw.splits))
    notes = (*raw.notes, *cut.notes)
    return Half(series.X, series.y, cut.ids, cut.starts, raw.roles, raw.form, notes, groups=groups, splits=splits)


def _raw(source: Any, options: TableOptions) -> Raw:
    if isinstance(source, Path):
        return read_raw(source, options)
    if is_table(source):
        where = type(source).__name__
        with one_line_errors(where):
            table, options = as_arrow(source, options, where)
            return from_table(table, None, options, where)
    if options.given():
        raise bad_input("array", f"{options.given()[0]} means nothing in an array", "leave it out")
    return Raw(unmasked(source), None)


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
    if is_table(source) or isinstance(source, np.ndarray):
        return _Halves("data", source, None, "")
    if not isinstance(source, (str, Path)):
        raise bad_input(
            "data", f"a {type(source).__name__} is not a source", "give a UCR/UEA name, a path or a DataFrame"
        )
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
    names = [train.with_name(half + suffix) for suffix in suffixes for half in halves]
    return next((path for path in names if (path.is_dir() if train.is_dir() else path.is_file())), None)


def _unread_test(source: Any) -> str:
    """What a user should know of a file beside ``train.csv`` that is called ``test.csv`` and is not read."""
    names = [("TRAIN", "TEST"), ("Train", "Test"), ("train", "test")] if isinstance(source, Path) else []
    others = [source.with_name(source.name.replace(*pair)) for pair in names if pair[0] in source.name]
    return next((f"{other.name} beside it is not read (test=… reads it)" for other in others if other.exists()), "")
