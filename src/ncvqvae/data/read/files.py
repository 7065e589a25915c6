"""Read series from the files that users have.

| suffix | form |
|---|---|
| .tsv, .txt | the archive's: label first, no header; with a header like .csv |
| .csv, .parquet, .feather | wide (a row a series) or long (a row a time step); which column is what: see `roles` |
| .npz, .npy | arrays `X` and optional `y`; a lone array |
| .ts, .arff | the archive's own formats |
| a folder | one .csv a series, a row a time step and a column a channel; in a folder a class, or with a label column |

Nothing is ever unpickled.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ncvqvae.data.read.archive_formats import read_arff, read_ts
from ncvqvae.data.read.frame import binary_column_names, read_binary_table
from ncvqvae.data.read.limits import check_size
from ncvqvae.data.read.notes import spacing_notes
from ncvqvae.data.read.roles import TableOptions
from ncvqvae.data.read.table import Raw, from_table
from ncvqvae.data.read.text import blank_lines, first_cells, is_label_first, is_value, read_text
from ncvqvae.data.validate import check_labels, check_series
from ncvqvae.data.write.table_form import TableForm, with_label_column
from ncvqvae.errors import InputError, bad_input, listed, nearest_name


class Series(NamedTuple):
    """Series (n_cases, n_channels, n_timepoints) and their labels (n_cases,), None where there are none.

    The values are float32, or float64 where float32 would lose what differs between them.
    """

    X: np.ndarray
    y: np.ndarray | None


def read_series(path: str | Path, options: TableOptions | None = None, *, min_cases: int = 2) -> Series:
    """Read one file of series; its suffix decides how.

    Args:
        path: a file with one of the suffixes above.
        options: columns of .csv, .parquet and .feather tables (and of .tsv and .txt with a header).
        min_cases: fewest series accepted.

    Raises:
        InputError: anything that keeps the file from being series of one length; the line names the file.
    """
    raw = read_raw(path, options)
    if options is not None and options.recordings and raw.y is not None:
        raw = raw._replace(y=[_one_label(steps, path) for steps in raw.y])
    return checked(raw, path, min_cases)


def options_like(path: str | Path, form: TableForm | None, listed_values: bool = False) -> TableOptions:
    """The options that read a file as a table of this form, as far as it has its columns.

    Args:
        path: of any file; one that holds no table needs no options.
        form: of the other table; None where it was none.
        listed_values: an option listed its columns of values; else their names say what they are.

    Raises:
        InputError: the file cannot be read; the line names it.
    """
    path = Path(path).expanduser()
    reader = READERS.get(path.suffix.lower())
    if form is None or reader not in (_read_text_table, _read_table_file):
        return TableOptions()
    _check_file(path, known=True)
    with one_line_errors(path):
        is_text = reader is _read_text_table
        names = first_cells(path) if is_text else binary_column_names(path)
    header = None
    if is_text and not form.header and len(names) == len(form.columns) and any(map(is_value, filter(None, names))):
        names, header = list(form.columns), False
    named = {f"{role}_column": getattr(form, role) for role in ("label", "id", "time")}
    found = {option: name for option, name in named.items() if name in names}
    values = list(form.places) if listed_values and form.places.keys() <= set(names) else None
    untimed = form.long and form.time is None and form.id in names  # windows and files, whose rows stand in their order
    return TableOptions(**found, value_columns=values, header=header, recordings=untimed)


def checked(raw: Raw, where: object, min_cases: int = 2) -> Series:
    """Series and labels that passed `check_series` and `check_labels`."""
    series = check_series(raw.X, where=where, min_cases=min_cases)
    return Series(series, check_labels(raw.y, len(series), where=where))


def read_raw(path: str | Path, options: TableOptions | None = None) -> Raw:
    """Read a file, or a folder of one file per series, without judging the values.

    Raises:
        InputError: the file cannot be read; the line names it.
    """
    path = Path(path).expanduser()
    options = options or TableOptions()
    if path.is_dir():
        return _read_folder(path, options)
    reader = READERS.get(path.suffix.lower())
    _check_file(path, known=reader is not None)
    assert reader is not None
    with one_line_errors(path):
        return reader(path, options)


# --- folders ----------------------------------------------------------------------------------------------------


HALVES = {"train", "training", "test", "testing", "val", "valid", "validation", "eval"}
"""Names of folders that are no classes where there are no others."""


class _Folder(NamedTuple):
    """The files of a folder that hold one series each, and the names of all others but hidden ones."""

    files: list[Path]
    others: list[str]


def series_files(folder: Path) -> list[Path]:
    """The files of a folder that holds one series each: its .csv files, or those of its folders, one a class."""
    return _scan(folder).files


def _scan(folder: Path) -> _Folder:
    here = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    below = sorted(path for part in here if part.is_dir() for path in part.iterdir() if not path.name.startswith("."))
    top = [path for path in here if _is_csv(path)]
    in_classes = [path for path in below if _is_csv(path)]
    if top and in_classes:
        what = f"files such as {top[0].name} beside folders such as {in_classes[0].parent.name}"
        raise bad_input(folder, what, "put every series into the folder of its class, or none")
    used = top or in_classes
    classes = {path.parent for path in in_classes}
    empty = [path for path in here if path.is_dir() and path not in classes and any(path.rglob("*.[cC][sS][vV]*"))]
    deeper = [path for path in below if path.is_dir() and any(path.rglob("*.[cC][sS][vV]*"))]
    if used and (empty or deeper):
        where = str((empty or deeper)[0].relative_to(folder))
        what = f"series in the folder {where}, which are not read where they are"
        raise bad_input(folder, what, "put every series into the folder of its class, one level deep, as .csv")
    others = [path for path in (*here, *below) if path not in used and path not in classes]
    return _Folder(used, [str(path.relative_to(folder)) for path in others])


def _is_csv(path: Path) -> bool:
    return path.suffix.lower() == ".csv" and path.is_file()


def _read_folder(folder: Path, options: TableOptions) -> Raw:
    """Series of any length from one file each; the folder of a file is its class where there is no label column."""
    files, others = _scan(folder)
    if not files:
        raise bad_input(folder, "a folder without .csv files", "name a file in it, or give a UCR name and data_dir")
    tables = [name for name in others if Path(name).suffix.lower() in (*READERS, ".xlsx", ".xls")]
    if tables:
        raise bad_input(folder, f"{listed(tables)} beside .csv files", "give all series as .csv, or move those away")
    folders = {file.parent.name for file in files if file.parent != folder}
    if len(folders) > 1 and {name.lower() for name in folders} <= HALVES:
        what = f"folders {listed(sorted(folders))}, which would be the classes of all series"
        raise bad_input(folder, what, "give that of train, and that of test as test file (test=…)")
    series, labels, groups, splits, first = [], [], [], [], None
    notes: Counter[str] = Counter()
    intervals = []
    for file in files:
        _check_file(file, known=True)
        with one_line_errors(file):
            raw = _read_text_table(file, replace(options, recordings=True))
        assert raw.roles is not None and raw.form is not None
        first = first or raw
        notes.update(raw.roles.notes)
        intervals += [raw.form.times.interval] if raw.form.times is not None else []
        if raw.roles.channel_names != first.roles.channel_names:  # type: ignore[union-attr]
            columns = first.roles.channel_names  # type: ignore[union-attr]
            what = f"columns {listed(raw.roles.channel_names)} where {files[0].name} has {listed(columns)}"
            raise bad_input(file, what, "give all files the same columns")
        if len(raw.X) > 1:
            raise bad_input(file, "more than one series", "leave out id_column, or put all series into one table")
        series.append(raw.X[0])
        labels.append(_label_of_file(raw, file, folder, options.window is not None))
        groups += raw.groups or []
        splits += raw.splits or []
    assert first is not None and first.roles is not None
    in_classes = files[0].parent != folder
    said = [f"{note} (in {count} of {len(files)} files)" for note, count in notes.most_common(3)]
    said += spacing_notes(intervals)
    if others:
        said.append(f"not read: {', '.join(others[:6])}" + (f" and {len(others) - 6} more" if len(others) > 6 else ""))
    by_folder = in_classes and first.roles.label is None
    roles = replace(first.roles, notes=tuple(said), classes_are_folders=by_folder)
    form = with_label_column(first.form) if by_folder and first.form is not None else first.form
    ids = [str(file.relative_to(folder).with_suffix("")) for file in files]
    if len(set(ids)) < len(ids):
        ids = [str(file.relative_to(folder)) for file in files]
    y = None if labels[0] is None and not in_classes else labels
    return Raw(series, y, ids, roles, form, groups=groups or None, splits=splits or None)


def _label_of_file(raw: Raw, file: Path, folder: Path, per_step: bool) -> Any:
    """One label for a file, or one for each of its steps where windows are cut from it."""
    if raw.y is None:
        return None if file.parent == folder else file.parent.name
    steps = raw.y[0]
    if per_step:
        return steps
    return _one_label(steps, file, "file")


def _one_label(steps: list[Any], file: Path | str, of: str = "series") -> Any:
    """The label of a series whose steps all have it."""
    if len(set(steps)) > 1:
        raise bad_input(file, f"labels {listed(sorted(set(steps), key=str))}", f"give one label per {of}")
    return steps[0]


# --- tables -----------------------------------------------------------------------------------------------------


def _read_text_table(path: Path, options: TableOptions) -> Raw:
    """Read .csv, .tsv or .txt; without a header, .tsv and .txt have the label first, as the archive's files do."""
    table, style, notes = read_text(path, options)
    label_first = is_label_first(table, style, path, options)
    raw = from_table(table, style, replace(options, label_column="0") if label_first else options, path)
    if label_first and raw.y is not None and all(isinstance(label, float) and label.is_integer() for label in raw.y):
        raw = raw._replace(y=[int(label) for label in raw.y])  # the archive writes 1 as 1.0000000e+00
    assert raw.roles is not None and raw.form is not None
    if options.per_step and (n_blank := blank_lines(path)):
        became = "are steps without a value" if table.num_columns < 2 else "are left out"
        notes += (f"{n_blank} blank lines {became}",)
    return raw._replace(
        roles=replace(raw.roles, notes=raw.roles.notes + notes), form=replace(raw.form, suffix=path.suffix.lower())
    )


def _read_table_file(path: Path, options: TableOptions) -> Raw:
    table, options = read_binary_table(path, options)
    raw = from_table(table, None, options, path)
    return raw._replace(form=None if raw.form is None else replace(raw.form, suffix=path.suffix.lower()))


# --- checks of files --------------------------------------------------------------------------------------------


def _check_file(path: Path, known: bool) -> None:
    if not path.exists():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        near = nearest_name(path.name, siblings)
        raise bad_input(path, "no such file", f"did you mean {near!r}?" if near else "check the path")
    if not known:
        raise bad_input(path, f"unknown file type {path.suffix!r}", f"use one of {', '.join(READERS)}")
    if path.stat().st_size == 0:
        raise bad_input(path, "the file is empty", "write series into it")


@contextmanager
def one_line_errors(path: object) -> Iterator[None]:
    """Turn what readers raise on damaged or foreign files into one line about the file."""
    try:
        yield
    except InputError:
        raise
    except UnicodeError as error:
        raise bad_input(path, "not UTF-8 text", "save it with encoding UTF-8") from error
    except PermissionError as error:
        raise bad_input(path, "no permission to read it", "change its mode or its owner") from error
    except (MemoryError, OverflowError) as error:
        raise bad_input(path, "too large for this machine's memory", "check its header or split the file") from error
    except Exception as error:  # the readers of five libraries: no list of what they raise on foreign bytes is complete
        reason = str(error)[:160] or type(error).__name__
        kind = path.suffix if isinstance(path, Path) else "a table"
        raise bad_input(path, f"cannot be read as {kind} ({reason})", "check that it is whole") from error


# --- arrays -----------------------------------------------------------------------------------------------------


def _read_npy(path: Path, options: TableOptions) -> Raw:
    _refuse_options(path, options)
    with path.open("rb") as file:
        if not file.read(8).startswith(np.lib.format.MAGIC_PREFIX):  # NumPy would take it for a pickle
            raise bad_input(path, "not an .npy file", "save it with numpy.save")
    # Mapping checks the header's size against the file before anything is allocated; "c" never writes to the file.
    return Raw(np.load(path, mmap_mode="c", allow_pickle=False), None)


UNREAD = {
    *("label", "labels", "class", "classes", "target", "targets", "y_train", "y_test", "x_test"),
    *("mask", "masks", "id", "ids", "length", "lengths", "lens", "n_steps"),
}
"""Names of arrays that stand beside X and would be lost; others are said."""


def _read_npz(path: Path, options: TableOptions) -> Raw:
    _refuse_options(path, options)
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        if "X" not in names:
            raise bad_input(path, f"no array X (it has {listed(names)})", "call the array of series X, labels y")
        unread = [name for name in names if name == "Y" or name.lower() in UNREAD]
        if unread:
            raise bad_input(path, f"arrays {listed(unread)} that are not read", "call labels y, and leave others out")
        X = _read_member(archive, "X.npy", path)
        others = [name for name in names if name not in ("X", "y")]
        notes = (f"not read: arrays {listed(others)}",) if others else ()
        return Raw(X, _read_member(archive, "y.npy", path) if "y" in names else None, notes=notes)


def _read_member(archive: zipfile.ZipFile, name: str, path: Path) -> np.ndarray:
    """Read one array, after its header was found to promise no more than the archive holds."""
    info = archive.getinfo(name)
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(file)
    if dtype.hasobject:
        raise bad_input(path, f"array {name[0]} has dtype object", "save numbers or strings; nothing is unpickled")
    # Python integers: the product of a hostile shape may not overflow.
    promised = dtype.itemsize
    for size in shape:
        promised *= int(size)
    nothing = dtype.itemsize == 0 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    if nothing or promised > info.file_size:
        raise bad_input(path, f"array {name[0]} is cut short or its header is wrong", "save it again with numpy")
    check_size(info.file_size, path, info.compress_size)
    with archive.open(info) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _refuse_options(path: Path, options: TableOptions) -> None:
    if options.given():
        raise bad_input(path, f"{options.given()[0]} means nothing in a {path.suffix} file", "leave it out")


def _read_ts(path: Path, options: TableOptions) -> Raw:
    _refuse_options(path, options)
    return read_ts(path)


Reader = Callable[[Path, TableOptions], Raw]
READERS: dict[str, Reader] = {
    ".csv": _read_text_table,
    ".tsv": _read_text_table,
    ".txt": _read_text_table,
    ".parquet": _read_table_file,
    ".feather": _read_table_file,
    ".npz": _read_npz,
    ".npy": _read_npy,
    ".ts": _read_ts,
    ".arff": read_arff,
}
