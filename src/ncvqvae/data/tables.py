"""Read series from the files users have.

| suffix | form |
|---|---|
| .tsv, .txt | UCR: label first, no header; with a header read like .csv |
| .csv, .parquet, .feather | wide (a row a series) or long (a row a time step) |
| .npz, .npy | arrays `X` and optional `y`; a lone array |
| .ts, .arff | the archive's own formats |

Wide tables of several channels name their columns `<channel>_t<step>`. Nothing is ever unpickled.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ncvqvae.data.checks import bad_input, check_labels, check_series, nearest_name, shorten
from ncvqvae.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

# Names under which a label column is found without being named (case ignored).
LABEL_NAMES = ("label", "class", "target", "y")


class Series(NamedTuple):
    """Series float32 (n_cases, n_channels, n_timepoints) and their labels (n_cases,), None where there are none."""

    X: np.ndarray
    y: np.ndarray | None


@dataclass(frozen=True)
class TableOptions:
    """Which columns of a table are what.

    label_column : the class of each series; default: a column called label, class, target or y.
    id_column : names the series; needed in long form, left out in wide form.
    time_column : orders the time steps; giving it means long form.
    value_columns : the values (wide: a column a time step, long: a column a channel); default: all other columns.
    """

    label_column: str | None = None
    id_column: str | None = None
    time_column: str | None = None
    value_columns: Sequence[str] | None = None

    def named(self) -> list[str]:
        """List the options that were given."""
        return [name for name, value in vars(self).items() if value is not None]


def read_series(path: str | Path, options: TableOptions | None = None, *, min_cases: int = 2) -> Series:
    """Read one file of series; its suffix decides how.

    Args:
        path: a file with one of the suffixes above.
        options: columns of .csv, .parquet and .feather tables (and of .tsv and .txt with a header).
        min_cases: fewest series accepted.

    Raises:
        InputError: anything that keeps the file from being series of one length; the line names the file.
    """
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    _check_file(path, known=reader is not None)
    assert reader is not None
    with _one_line_errors(path):
        X, y = reader(path, options or TableOptions())
    series = check_series(X, where=path, min_cases=min_cases)
    return Series(series, check_labels(y, len(series), where=path))


def parse_labels(texts: Sequence[str]) -> list[Any]:
    """Give labels read as text their kind: all integer-valued → int, all true/false → bool, else string.

    >>> parse_labels(["1", "2.0000000e+00"]), parse_labels(["01", "2"]), parse_labels(["True", "false"])
    ([1, 2], ['01', '2'], [True, False])
    """
    stripped = [text.strip() for text in texts]
    if all(text.lower() in ("true", "false") for text in stripped):
        return [text.lower() == "true" for text in stripped]
    if all(INTEGER_VALUED.fullmatch(text) for text in stripped):
        numbers = [float(text) for text in stripped]
        if all(number.is_integer() and abs(number) < 2**53 for number in numbers):
            return [int(number) for number in numbers]
    return [text if text else None for text in stripped]


# An integer or a float in plain or scientific notation; a leading zero marks a name such as "007", not a number.
INTEGER_VALUED = re.compile(r"[+-]?(0|[1-9]\d*)(\.\d*)?([eE][+-]?\d{1,2})?")


def _check_file(path: Path, known: bool) -> None:
    if path.is_dir():
        raise bad_input(path, "a directory, not a file", "name one file in it, or give a UCR name and data_dir")
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
    import pyarrow as pa
    from pandas.errors import EmptyDataError, ParserError

    try:
        yield
    except InputError:
        raise
    except UnicodeError:
        raise bad_input(path, "not UTF-8 text", "save it with encoding UTF-8") from None
    except EmptyDataError:
        raise bad_input(path, "no rows", "write series into it") from None
    except PermissionError:
        raise bad_input(path, "no permission to read it", "change its mode or its owner") from None
    except (MemoryError, OverflowError):
        raise bad_input(path, "too large for this machine's memory", "check its header or split the file") from None
    except (ParserError, ValueError, LookupError, EOFError, zipfile.BadZipFile, pa.ArrowException, OSError) as error:
        reason = str(error)[:160] or type(error).__name__
        raise bad_input(path, f"cannot be read as {path.suffix} ({reason})", "check that the file is whole") from None


# --- delimited text and column tables ---------------------------------------------------------------------------


def _read_text_table(path: Path, options: TableOptions) -> tuple[Any, Any]:
    """Read .csv, .tsv or .txt, with or without a header line."""
    import pandas as pd

    with path.open(encoding="utf-8-sig") as file:
        first = next((line for line in file if line.strip()), "")
    if not first:
        raise bad_input(path, "the file is empty", "write series into it")
    separator = _separator(first, path.suffix.lower())
    cells = [cell.strip().strip('"') for cell in re.split(separator, first.strip(" \r\n"))]
    header = None if _is_data(cells) else 0
    label_first = header is None and (path.suffix.lower() != ".csv" or not _is_number(cells[0]))
    if label_first and options.label_column is None:
        options = replace(options, label_column="0")
    names = [str(i) for i in range(len(cells))] if header is None else cells
    as_text = [c for c in (_label_column(names, options, path), options.id_column) if c is not None]
    frame = pd.read_csv(
        path,
        sep=separator,
        header=header,
        names=names if header is None else None,
        encoding="utf-8-sig",
        converters={_column(c, names, path): str for c in as_text},
        index_col=False,
        skipinitialspace=True,
    )
    return _from_frame(_drop_row_numbers(frame), options, path, labels_are_text=True)


def _separator(line: str, suffix: str) -> str:
    """Find the separator of a line as a regular expression pandas' C parser knows."""
    if suffix == ".tsv" or ("\t" in line and "," not in line):
        return "\t"
    counts = {mark: line.count(mark) for mark in (",", ";")}
    if not any(counts.values()):
        return r"\s+" if suffix == ".txt" else ","
    return max(counts, key=lambda mark: counts[mark])


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_data(cells: list[str]) -> bool:
    """Tell a first line of data from a header; 0, 1, 2 … and 1, 2, 3 … are column numbers, so a header."""
    numbers = [float(c) for c in cells if _is_number(c)]
    counting = [number - start for start, number in enumerate(numbers)]
    is_column_numbers = len(set(counting)) == 1 and counting[0] in (0.0, 1.0)
    return 2 * len(numbers) > len(cells) and not is_column_numbers


def _drop_row_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Leave out the nameless first column that pandas writes as the index."""
    first = str(frame.columns[0])
    numbered = first.startswith("Unnamed: 0") and (frame.iloc[:, 0] == np.arange(len(frame))).all()
    return frame.iloc[:, 1:] if numbered else frame


def _read_columnar(path: Path, options: TableOptions) -> tuple[Any, Any]:
    import pandas as pd

    frame = pd.read_parquet(path) if path.suffix.lower() == ".parquet" else pd.read_feather(path)
    return _from_frame(frame, options, path, labels_are_text=False)


def _from_frame(
    frame: pd.DataFrame, options: TableOptions, where: object, *, labels_are_text: bool
) -> tuple[np.ndarray, list[Any] | None]:
    """Take series and labels out of a wide or a long table."""
    frame = frame.set_axis([str(c) for c in frame.columns], axis="columns")
    repeated = sorted(set(frame.columns[frame.columns.duplicated()]))
    if repeated:
        raise bad_input(where, f"columns that occur twice: {shorten(repeated)}", "give every column its own name")
    if not len(frame):
        raise bad_input(where, "a header and no rows", "write series into it")
    read = _from_wide if options.time_column is None else _from_long
    X, labels = read(frame, options, where)
    return X, parse_labels(labels) if labels is not None and labels_are_text else labels


def _from_wide(frame: pd.DataFrame, options: TableOptions, where: object) -> tuple[np.ndarray, list[Any] | None]:
    label = _label_column(list(frame.columns), options, where)
    if options.id_column is not None:
        ids = frame[_column(options.id_column, frame.columns, where)]
        if ids.duplicated().any():
            twice = shorten(ids[ids.duplicated()].unique().tolist())
            raise bad_input(where, f"ids that occur twice: {twice}", "give every series its own id")
    columns = _value_columns(frame, options, label, where)
    values = frame[columns].to_numpy(dtype=np.float32, na_value=np.nan)
    return _split_channels(values, columns, where), None if label is None else frame[label].tolist()


def _from_long(frame: pd.DataFrame, options: TableOptions, where: object) -> tuple[np.ndarray, list[Any] | None]:
    if options.id_column is None:
        raise bad_input(where, "a time column and no id column", "name the column of series ids (id_column)")
    identity = _column(options.id_column, frame.columns, where)
    time = _column(str(options.time_column), frame.columns, where)
    label = _label_column(list(frame.columns), options, where)
    frame = frame.assign(**{time: _as_times(frame[time], where)})
    for column in (identity, time):
        if frame[column].isna().any():
            raise bad_input(where, f"missing values in column {column!r}", "fill them in or drop those rows")
    _check_rows(frame, identity, time, where)
    columns = _value_columns(frame, options, label, where)
    first_rows = frame.drop_duplicates(identity)
    rank = {name: position for position, name in enumerate(first_rows[identity])}
    order = frame.assign(**{identity: frame[identity].map(rank)}).sort_values([identity, time], kind="stable").index
    values = frame.loc[order, columns].to_numpy(dtype=np.float32, na_value=np.nan)
    X = np.ascontiguousarray(values.reshape(len(first_rows), -1, len(columns)).transpose(0, 2, 1))
    return X, None if label is None else _labels_by_id(frame, identity, label, where)


def _as_times(column: pd.Series, where: object) -> pd.Series:
    """Make a time column sortable: numbers and timestamps as they are, text as dates."""
    import pandas as pd

    if column.dtype.kind in "iufmM":
        return column
    try:
        return pd.to_datetime(column)
    except (ValueError, TypeError):
        what = f"column {str(column.name)!r} holds neither numbers nor dates"
        raise bad_input(where, what, "give times as numbers or ISO dates") from None


def _check_rows(frame: pd.DataFrame, identity: str, time: str, where: object) -> None:
    """Every series of a long table needs the same number of rows, and no time twice."""
    again = frame.duplicated([identity, time])
    if again.any():
        row = frame[again].iloc[0]
        what = f"series {str(row[identity])!r} has time {str(row[time])!r} twice"
        raise bad_input(where, what, "keep one row per id and time")
    counts = frame[identity].value_counts()
    if counts.min() != counts.max():
        what = f"series of unequal lengths ({counts.min()} to {counts.max()} rows an id)"
        raise bad_input(where, what, "cut or resample them to one length")


def _labels_by_id(frame: pd.DataFrame, identity: str, label: str, where: object) -> list[Any]:
    kinds = frame.groupby(identity, sort=False)[label].nunique(dropna=False)
    if (kinds > 1).any():
        changing = str(kinds.index[kinds > 1][0])
        raise bad_input(where, f"the label of series {changing!r} changes within it", "give one label per series")
    return frame.drop_duplicates(identity)[label].tolist()


def _column(name: str, columns: Iterable[str], where: object) -> str:
    known = list(columns)
    if name in known:
        return name
    near = nearest_name(name, known)
    mend = f"did you mean {near!r}?" if near else f"its columns are {shorten(known)}"
    raise bad_input(where, f"no column named {name!r}", mend)


def _label_column(columns: Sequence[str], options: TableOptions, where: object) -> str | None:
    """Find the label column: the one named, else the only one with a usual name."""
    if options.label_column is not None:
        return _column(options.label_column, columns, where)
    taken = {options.id_column, options.time_column, *(options.value_columns or ())}
    usual = [c for c in columns if c.lower() in LABEL_NAMES and c not in taken]
    return usual[0] if len(usual) == 1 else None


def _value_columns(frame: pd.DataFrame, options: TableOptions, label: str | None, where: object) -> list[str]:
    """List the columns that hold values; all must be numeric."""
    if options.value_columns is not None:
        columns = [_column(c, frame.columns, where) for c in options.value_columns]
    else:
        columns = [c for c in frame.columns if c not in (label, options.id_column, options.time_column)]
    numeric = [c for c in columns if frame[c].dtype.kind in "iufb"]
    if not numeric:
        raise bad_input(where, "no numeric column", "check the separator and the decimal sign")
    other = [c for c in columns if c not in numeric]
    if other:
        what = f"columns that are not numeric: {shorten(other)}"
        raise bad_input(where, what, "drop them, or name them as label_column or id_column")
    return columns


def _split_channels(values: np.ndarray, columns: list[str], where: object) -> np.ndarray:
    """Bring (n_cases, columns) to (n_cases, n_channels, n_timepoints); `<channel>_t<step>` names several channels."""
    matches = [re.fullmatch(r"(.+)_t(\d+)", c) for c in columns]
    if not all(matches):
        return values[:, None, :]
    positions: dict[str, list[tuple[int, int]]] = {}
    for place, match in enumerate(matches):
        assert match is not None
        positions.setdefault(match[1], []).append((int(match[2]), place))
    lengths = {channel: len(steps) for channel, steps in positions.items()}
    if len(set(lengths.values())) != 1:
        raise bad_input(where, f"channels of unequal lengths: {shorten(list(lengths.items()))}", "give all one length")
    order = [[place for _, place in sorted(steps)] for steps in positions.values()]
    return values[:, np.array(order)]


# --- arrays -----------------------------------------------------------------------------------------------------


def _read_npy(path: Path, options: TableOptions) -> tuple[Any, Any]:
    _refuse_options(path, options)
    # Mapping checks the header's size against the file before anything is allocated; "c" never writes to the file.
    return np.load(path, mmap_mode="c", allow_pickle=False), None


def _read_npz(path: Path, options: TableOptions) -> tuple[Any, Any]:
    _refuse_options(path, options)
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        if "X" not in names:
            near = nearest_name("X", names)
            raise bad_input(path, f"no array X (it has {shorten(names)})", f"call {near or 'the series'!r} X")
        X = _read_member(archive, "X.npy", path)
        y = _read_member(archive, "y.npy", path) if "y" in names else None
    return X, y


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


def _read_ts(path: Path, options: TableOptions) -> tuple[Any, Any]:
    from aeon.datasets import load_from_ts_file

    _refuse_options(path, options)
    header, labels = _scan_ts(path)
    if header.get("timestamps") == "true":
        raise bad_input(path, "a .ts file with time stamps", "write it without (@timeStamps false)")
    X, y = load_from_ts_file(str(path))
    if header.get("targetlabel") == "true":
        return X, y
    return X, parse_labels(labels) if len(y) else None


def _scan_ts(path: Path) -> tuple[dict[str, str], list[str]]:
    """Read header flags and labels as written; aeon's reader lower-cases labels."""
    header: dict[str, str] = {}
    labels: list[str] = []
    in_data = False
    with path.open(encoding="utf-8") as file:
        for line in file:
            text = line.strip()
            if in_data:
                labels.append(text.rpartition(":")[2])
            elif text.startswith("@"):
                key, _, value = text[1:].partition(" ")
                header[key.lower()] = value.strip().lower()
                in_data = key.lower() == "data"
    if not in_data or not labels:
        raise bad_input(path, "no @data section with series", "check that the file is whole")
    return header, labels


def _read_arff(path: Path, options: TableOptions) -> tuple[Any, Any]:
    from aeon.datasets import load_from_arff_file

    _refuse_options(path, options)
    X, y = load_from_arff_file(str(path))
    return X, parse_labels([str(label).strip("'\"") for label in y])


def _refuse_options(path: Path, options: TableOptions) -> None:
    if options.named():
        raise bad_input(path, f"{options.named()[0]} means nothing in a {path.suffix} file", "leave it out")


Reader = Callable[[Path, TableOptions], tuple[Any, Any]]
READERS: dict[str, Reader] = {
    ".csv": _read_text_table,
    ".tsv": _read_text_table,
    ".txt": _read_text_table,
    ".parquet": _read_columnar,
    ".feather": _read_columnar,
    ".npz": _read_npz,
    ".npy": _read_npy,
    ".ts": _read_ts,
    ".arff": _read_arff,
}
