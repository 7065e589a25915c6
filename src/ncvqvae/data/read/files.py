"""Read series from the files users have.

| suffix | form |
|---|---|
| .tsv, .txt | UCR: label first, no header; with a header read like .csv |
| .csv, .parquet, .feather | wide (a row a series) or long (a row a time step) |
| .npz, .npy | arrays `X` and optional `y`; a lone array |
| .ts, .arff | the archive's own formats |
| a folder | one .csv a series, a row a time step and a column a channel; in a folder a class, or with a label column |

Wide tables of several channels name their columns `<channel>_t<step>`. Nothing is ever unpickled.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ncvqvae.data.read.table import Raw, TableOptions, from_frame
from ncvqvae.data.read.text import parse_labels, read_text_table, text_frame
from ncvqvae.data.validate import check_labels, check_series
from ncvqvae.errors import InputError, bad_input, listed, nearest_name


class Series(NamedTuple):
    """Series float32 (n_cases, n_channels, n_timepoints) and their labels (n_cases,), None where there are none."""

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
    return checked(read_raw(path, options), path, min_cases)


def checked(raw: Raw, where: object, min_cases: int = 2) -> Series:
    """Series and labels that passed `check_series` and `check_labels`."""
    series = check_series(raw.X, where=where, min_cases=min_cases)
    return Series(series, check_labels(raw.y, len(series), where=where))


def read_raw(path: str | Path, options: TableOptions | None = None) -> Raw:
    """Read a file, or a folder of one file per series, without judging the values.

    Raises:
        InputError: the file cannot be read; the line names it.
    """
    path = Path(path)
    options = options or TableOptions()
    if path.is_dir():
        return _read_folder(path, options)
    reader = READERS.get(path.suffix.lower())
    _check_file(path, known=reader is not None)
    assert reader is not None
    with _one_line_errors(path):
        return reader(path, options)


def series_files(folder: Path) -> list[Path]:
    """The files of a folder that holds one series each: its .csv files, else those of its folders, one a class."""
    return sorted(folder.glob("*.csv")) or sorted(folder.glob("*/*.csv"))


def _read_folder(folder: Path, options: TableOptions) -> Raw:
    """Series of any length from one file each; the folder of a file is its class where there is no label column."""
    files = series_files(folder)
    if not files:
        raise bad_input(folder, "a folder without .csv files", "name a file in it, or give a UCR name and data_dir")
    series, labels, header = [], [], None
    for file in files:
        _check_file(file, known=True)
        with _one_line_errors(file):
            frame, found, *_ = text_frame(file, replace(options, recordings=True))
            header = header or list(frame.columns)
            if list(frame.columns) != header:
                what = f"columns {listed(list(frame.columns))} where {files[0].name} has {listed(header)}"
                raise bad_input(file, what, "give all files the same columns")
            raw = from_frame(frame, found, file)
        if len(raw.X) > 1:
            raise bad_input(file, "more than one series", "leave out id_column, or put all series into one table")
        series.append(raw.X[0])
        labels.append(_label_of_file(raw, file, folder, options.recordings))
    in_classes = files[0].parent != folder
    return Raw(series, None if labels[0] is None and not in_classes else labels)


def _label_of_file(raw: Raw, file: Path, folder: Path, per_step: bool) -> Any:
    """One label for a file, or one for each of its steps where windows are cut from it."""
    if raw.y is None:
        return None if file.parent == folder else file.parent.name
    steps = raw.y[0]
    if per_step:
        return steps
    if len(set(steps)) > 1:
        raise bad_input(file, f"labels {listed(sorted(set(steps), key=str))}", "give one label per file")
    return steps[0]


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
def _one_line_errors(path: Path) -> Iterator[None]:
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
        raise bad_input(path, f"cannot be read as {path.suffix} ({reason})", "check that the file is whole") from error


# --- arrays -----------------------------------------------------------------------------------------------------


def _read_columnar(path: Path, options: TableOptions) -> Raw:
    """Read .parquet or .feather; labels keep the dtype of their column."""
    import pandas as pd

    frame = pd.read_parquet(path) if path.suffix.lower() == ".parquet" else pd.read_feather(path)
    return from_frame(frame, options, path)


def _read_npy(path: Path, options: TableOptions) -> Raw:
    _refuse_options(path, options)
    with path.open("rb") as file:
        if not file.read(8).startswith(np.lib.format.MAGIC_PREFIX):  # NumPy would take it for a pickle
            raise bad_input(path, "not an .npy file", "save it with numpy.save")
    # Mapping checks the header's size against the file before anything is allocated; "c" never writes to the file.
    return Raw(np.load(path, mmap_mode="c", allow_pickle=False), None)


def _read_npz(path: Path, options: TableOptions) -> Raw:
    _refuse_options(path, options)
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        if "X" not in names:
            raise bad_input(path, f"no array X (it has {listed(names)})", "call the array of series X, labels y")
        X = _read_member(archive, "X.npy", path)
        return Raw(X, _read_member(archive, "y.npy", path) if "y" in names else None)


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
    if promised > info.file_size or info.file_size > 1100 * info.compress_size + 1024:
        raise bad_input(path, f"array {name[0]} is cut short or its header is wrong", "save it again")
    with archive.open(info) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


# --- the archive's formats --------------------------------------------------------------------------------------


def _read_ts(path: Path, options: TableOptions) -> Raw:
    from aeon.datasets import load_from_ts_file

    _refuse_options(path, options)
    header, labels = _scan_ts(path)
    if header.get("timestamps") == "true":
        raise bad_input(path, "a .ts file with time stamps", "write it without (@timeStamps false)")
    X, y = load_from_ts_file(str(path))
    if header.get("targetlabel") == "true":  # a regression target: y holds numbers
        return Raw(X, y)
    return Raw(X, parse_labels(labels) if len(y) and any(labels) else None)


class _TsText(NamedTuple):
    """The flags of a .ts header, lower case, and the labels as written."""

    header: dict[str, str]
    labels: list[str]


def _scan_ts(path: Path) -> _TsText:
    """Read what aeon's reader does not give back: header flags, and labels before it lower-cases them."""
    header: dict[str, str] = {}
    labels: list[str] = []
    with path.open(encoding="utf-8") as file:
        for line in file:
            text = line.strip()
            if "data" in header and not text:
                raise bad_input(path, "a blank line among the series", "remove it")
            if "data" in header:
                labels.append(text.rpartition(":")[2])
            elif text.startswith("@"):
                key, _, value = text[1:].partition(" ")
                header[key.lower()] = value.strip().lower()
    if not labels:
        raise bad_input(path, "no @data section with series", "check that the file is whole")
    return _TsText(header, labels)


def _read_arff(path: Path, options: TableOptions) -> Raw:
    from aeon.datasets import load_from_arff_file

    _refuse_options(path, options)
    X, y = load_from_arff_file(str(path))
    if not len(X):
        raise bad_input(path, "no @data section with series", "check that the file is whole")
    return Raw(X, parse_labels([str(label).strip("'\"") for label in y]))


def _refuse_options(path: Path, options: TableOptions) -> None:
    if options.named():
        raise bad_input(path, f"{options.named()[0]} means nothing in a {path.suffix} file", "leave it out")


Reader = Callable[[Path, TableOptions], Raw]
READERS: dict[str, Reader] = {
    ".csv": read_text_table,
    ".tsv": read_text_table,
    ".txt": read_text_table,
    ".parquet": _read_columnar,
    ".feather": _read_columnar,
    ".npz": _read_npz,
    ".npy": _read_npy,
    ".ts": _read_ts,
    ".arff": _read_arff,
}
