"""The formats that series are written in, each able to take them chunk by chunk. See `writer` for their layout."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from ncvqvae.data.missing import series_lengths
from ncvqvae.data.write.table_form import Beside, TableForm, wide_form
from ncvqvae.errors import bad_input

# Values in one row group of a table, 4 MB.
GROUP_VALUES = 1 << 20


class Layout(NamedTuple):
    """What the first chunk fixes for a whole file."""

    n_channels: int
    n_timepoints: int
    label_kind: str | None  # NumPy's dtype kind; None for unlabelled series
    where: Path  # the file's final name, for error lines
    form: TableForm | None = None  # of tables; None for the form that is documented in `writer`
    dtype: str = "float32"  # of the values: float32 or float64
    beside: Beside | None = None  # ids and times of given series, in tables


def _usual_form(layout: Layout) -> TableForm:
    return wide_form(layout.n_channels, layout.n_timepoints, layout.label_kind is not None, layout.dtype)


class Format(Protocol):
    """One open file of one format."""

    def __init__(self, path: Path, layout: Layout, n_cases: int | None) -> None: ...

    def write(self, X: np.ndarray, labels: np.ndarray | None) -> None:
        """Append checked series float32 (n, n_channels, n_timepoints) and their labels (n,)."""

    def finish(self) -> None:
        """Write what is left and close."""

    def close(self) -> None:
        """Close, complete or not; a second call does nothing."""


class _ArrowFormat:
    """Tables through pyarrow; small chunks are joined, as every row group costs memory until the end."""

    def __init__(self, path: Path, layout: Layout, n_cases: int | None) -> None:
        import pyarrow as pa

        label_types = {"b": pa.bool_(), "i": pa.int64(), "f": pa.float64(), "U": pa.string(), None: None}
        self._form = layout.form or _usual_form(layout)
        self._schema = self._form.schema(label_types[layout.label_kind], layout.dtype)
        self._beside = layout.beside
        self._waiting: list[Any] = []
        self._n_written = 0
        self._file = self._open(path)

    def _open(self, path: Path) -> Any:
        raise NotImplementedError

    def write(self, X: np.ndarray, labels: np.ndarray | None) -> None:
        self._waiting.append(self._form.table(X, labels, self._n_written, self._schema, self._beside))
        self._n_written += len(X)
        if sum(table.num_rows for table in self._waiting) * len(self._schema) >= GROUP_VALUES:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        self._file.write_table(pa.concat_tables(self._waiting).combine_chunks())
        self._waiting.clear()

    def finish(self) -> None:
        if self._waiting:
            self._flush()
        self.close()

    def close(self) -> None:
        self._file.close()


class _ParquetFormat(_ArrowFormat):
    def _open(self, path: Path) -> Any:
        from pyarrow.parquet import ParquetWriter

        return ParquetWriter(path, self._schema)


class _FeatherFormat(_ArrowFormat):
    def _open(self, path: Path) -> Any:
        import pyarrow as pa

        return pa.ipc.new_file(str(path), self._schema)


class _CsvFormat(_ArrowFormat):
    def _open(self, path: Path) -> Any:
        from pyarrow.csv import CSVWriter, WriteOptions

        return CSVWriter(
            path,
            self._schema,
            write_options=WriteOptions(include_header=self._form.header, delimiter=self._form.separator),
        )


class _UcrFormat(_CsvFormat):
    """The archive's text tables: label first, no header, separated by tabs."""

    def __init__(self, path: Path, layout: Layout, n_cases: int | None) -> None:
        form = layout.form or _usual_form(layout)
        if layout.form is None:
            if layout.label_kind is None or layout.n_channels > 1:
                raise bad_input(
                    layout.where, "a .tsv file has one channel and a label first", "use .csv, .npz or .parquet"
                )
            form = replace(form, header=False, separator="\t")
        super().__init__(path, layout._replace(form=form), n_cases)


class _NpzFormat:
    """An .npz whose X is streamed behind a header that announces its size; labels alone wait in memory."""

    def __init__(self, path: Path, layout: Layout, n_cases: int | None) -> None:
        assert n_cases is not None, "SeriesWriter asks for it"
        self._labels: list[np.ndarray] = []
        self._dtype = np.dtype(layout.dtype)
        self._left = n_cases
        self._archive = zipfile.ZipFile(path, "w")
        self._member = self._archive.open("X.npy", "w", force_zip64=True)
        shape = (n_cases, layout.n_channels, layout.n_timepoints)
        header = {"descr": self._dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._member, header)

    def write(self, X: np.ndarray, labels: np.ndarray | None) -> None:
        self._left -= len(X)
        if self._left < 0:
            raise ValueError("more series written than announced")
        self._member.write(np.ascontiguousarray(X, dtype=self._dtype).tobytes())
        if labels is not None:
            self._labels.append(labels)

    def finish(self) -> None:
        self._member.close()
        if self._labels:
            with self._archive.open("y.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.concatenate(self._labels), allow_pickle=False)
        self.close()

    def close(self) -> None:
        try:
            self._member.close()
        finally:  # on a full disk the first fails, and what is left open would fail again when it is collected
            self._archive.close()


class _NpyFormat:
    """A lone array, streamed behind a header that announces its size; it has no room for labels."""

    def __init__(self, path: Path, layout: Layout, n_cases: int | None) -> None:
        assert n_cases is not None, "SeriesWriter asks for it"
        if layout.label_kind is not None:
            raise bad_input(layout.where, "a .npy file cannot hold labels", "use .npz, or series without labels")
        self._dtype = np.dtype(layout.dtype)
        self._file = path.open("wb")
        shape = (n_cases, layout.n_channels, layout.n_timepoints)
        header = {"descr": self._dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)

    def write(self, X: np.ndarray, labels: np.ndarray | None) -> None:
        self._file.write(np.ascontiguousarray(X, dtype=self._dtype).tobytes())

    def finish(self) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()


class _ClassesFirst:
    """Text whose header lists the classes, so the series wait in a second file until all are known."""

    def __init__(self, path: Path, layout: Layout, n_cases: int | None) -> None:
        self._path = path
        # a file without a name is gone with its process, however that ends
        self._body = tempfile.TemporaryFile("w+", encoding="utf-8", dir=path.parent)  # noqa: SIM115
        self._layout = layout
        self._classes: dict[str, None] = {}
        self._missing, self._lengths = False, {layout.n_timepoints}

    def write(self, X: np.ndarray, labels: np.ndarray | None) -> None:
        names = [None] * len(X) if labels is None else [self._name(label) for label in labels.tolist()]
        self._classes.update((name, None) for name in names if name is not None)
        for series, length, name in zip(X, series_lengths(X).tolist(), names, strict=True):
            self._lengths.add(length)
            self._missing |= bool(np.isnan(series[:, :length]).any())
            self._body.write(self._line(series, length, name) + "\n")

    def finish(self) -> None:
        self._body.seek(0)
        with self._path.open("w", encoding="utf-8") as file:
            file.write("\n".join(self._header()) + "\n")
            shutil.copyfileobj(self._body, file)
        self.close()

    def close(self) -> None:
        self._body.close()

    def _name(self, label: object) -> str:
        """The label as it is written."""
        raise NotImplementedError

    def _line(self, series: np.ndarray, length: int, name: str | None) -> str:
        raise NotImplementedError

    def _header(self) -> list[str]:
        raise NotImplementedError


class _TsFormat(_ClassesFirst):
    """A .ts file: channels are set apart by colons, and a shorter series has fewer values."""

    def _name(self, label: object) -> str:
        return _plain_label(label, self._layout.where, ": ")

    def _line(self, series: np.ndarray, length: int, name: str | None) -> str:
        return ":".join([*_texts(series[:, :length]), *([] if name is None else [name])])

    def _header(self) -> list[str]:
        univariate = str(self._layout.n_channels == 1).lower()
        classes = " ".join(["true", *self._classes]) if self._layout.label_kind is not None else "false"
        missing = str(self._missing).lower()
        lines = ["@problemName series", "@timeStamps false", f"@missing {missing}", f"@univariate {univariate}"]
        if self._layout.n_channels > 1:
            lines.append(f"@dimensions {self._layout.n_channels}")
        equal = len(self._lengths) == 1
        size = ["@equalLength true", f"@seriesLength {self._layout.n_timepoints}"] if equal else ["@equalLength false"]
        return [*lines, *size, f"@classLabel {classes}", "@data"]


class _ArffFormat(_ClassesFirst):
    """WEKA's .arff in the archive's manner: the label last, several channels as one relational attribute."""

    def __init__(self, path: Path, layout: Layout, n_cases: int | None) -> None:
        if layout.label_kind is None:
            raise bad_input(layout.where, "an .arff file has a label last", "use .ts, .npz or .parquet")
        super().__init__(path, layout, n_cases)

    def _name(self, label: object) -> str:
        text = _plain_label(label, self._layout.where, "'\",?@{}%\\")
        return f"'{text}'" if " " in text else text

    def _line(self, series: np.ndarray, length: int, name: str | None) -> str:
        values = "\\n".join(_texts(series))
        return f"{values},{name}" if len(series) == 1 else f"'{values}',{name}"

    def _header(self) -> list[str]:
        steps = [f"@attribute t{step} numeric" for step in range(self._layout.n_timepoints)]
        if self._layout.n_channels > 1:
            steps = ["@attribute series relational", *(f"  {step}" for step in steps), "@end series"]
        return ["@relation series", *steps, f"@attribute label {{{','.join(self._classes)}}}", "@data"]


FORMATS: dict[str, type[Format]] = {
    ".npz": _NpzFormat,
    ".npy": _NpyFormat,
    ".csv": _CsvFormat,
    ".tsv": _UcrFormat,
    ".parquet": _ParquetFormat,
    ".feather": _FeatherFormat,
    ".ts": _TsFormat,
    ".arff": _ArffFormat,
}
TEXT_SUFFIXES = (".csv", ".tsv", ".ts", ".arff")
SIZED = (".npz", ".npy")
"""Formats whose header says the number of series."""


def _texts(series: np.ndarray) -> list[str]:
    """Each channel of a series (n_channels, length) as text, ``?`` for what is missing."""
    # NumPy writes the shortest decimal that reads back as the same float32.
    return [",".join(channel).replace("nan", "?") for channel in series.astype(str)]


def _plain_label(label: object, where: Path, forbidden: str) -> str:
    """The label as text, refused where it has a sign that means something in the format."""
    text = str(label)
    if any(c in forbidden or (c.isspace() and c != " ") for c in text):
        raise bad_input(where, f"this format cannot hold the label {text!r}", "use .npz or .parquet")
    return text
