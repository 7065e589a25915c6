"""The formats that series are written in, each able to take them chunk by chunk. See `writers` for their layout."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from einops import rearrange

from ncvqvae.data.checks import bad_input
from ncvqvae.data.masks import series_lengths

# Values in one row group of a table, 4 MB.
GROUP_VALUES = 1 << 20


class Layout(NamedTuple):
    """What the first chunk fixes for a whole file."""

    n_channels: int
    n_timepoints: int
    label_kind: str | None  # NumPy's dtype kind; None for unlabelled series


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
    """Wide tables through pyarrow; small chunks are joined, as every row group costs memory until the end."""

    def __init__(self, path: Path, layout: Layout, n_cases: int | None) -> None:
        import pyarrow as pa

        label_types = {"b": pa.bool_(), "i": pa.int64(), "f": pa.float64(), "U": pa.string()}
        fields = [pa.field(name, pa.float32()) for name in step_names(layout)]
        if layout.label_kind is not None:
            fields.insert(0, pa.field("label", label_types[layout.label_kind]))
        self._schema = pa.schema(fields)
        self._waiting: list[Any] = []
        self._file = self._open(path)

    def _open(self, path: Path) -> Any:
        raise NotImplementedError

    def write(self, X: np.ndarray, labels: np.ndarray | None) -> None:
        import pyarrow as pa

        # Arrow wants every column contiguous.
        columns: list[Any] = list(np.ascontiguousarray(rearrange(X, "n c t -> (c t) n")))
        if labels is not None:
            columns.insert(0, labels.tolist())
        # a NaN in the series is a missing value, which pandas' convention makes of it
        arrays = [
            pa.array(column, type=field.type, from_pandas=True)
            for column, field in zip(columns, self._schema, strict=True)
        ]
        self._waiting.append(pa.Table.from_arrays(arrays, schema=self._schema))
        if sum(table.num_rows for table in self._waiting) * X[0].size >= GROUP_VALUES:
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


class _CsvFormat(_ArrowFormat):
    def _open(self, path: Path) -> Any:
        from pyarrow.csv import CSVWriter

        return CSVWriter(path, self._schema)


class _NpzFormat:
    """An .npz whose X is streamed behind a header that announces its size; labels alone wait in memory."""

    def __init__(self, path: Path, layout: Layout, n_cases: int | None) -> None:
        assert n_cases is not None, "SeriesWriter asks for it"
        self._labels: list[np.ndarray] = []
        self._left = n_cases
        self._archive = zipfile.ZipFile(path, "w")
        self._member = self._archive.open("X.npy", "w", force_zip64=True)
        shape = (n_cases, layout.n_channels, layout.n_timepoints)
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._member, header)

    def write(self, X: np.ndarray, labels: np.ndarray | None) -> None:
        self._left -= len(X)
        if self._left < 0:
            raise ValueError("more series written than announced")
        self._member.write(np.ascontiguousarray(X, dtype="<f4").tobytes())
        if labels is not None:
            self._labels.append(labels)

    def finish(self) -> None:
        self._member.close()
        if self._labels:
            with self._archive.open("y.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.concatenate(self._labels), allow_pickle=False)
        self.close()

    def close(self) -> None:
        self._member.close()
        self._archive.close()


class _TsFormat:
    """A .ts file: its header lists the classes, so the series wait in a second file until all are known."""

    def __init__(self, path: Path, layout: Layout, n_cases: int | None) -> None:
        self._path = path
        self._body_path = path.with_name(path.name + ".body")
        self._body = self._body_path.open("w+", encoding="utf-8")
        self._layout = layout
        self._classes: dict[str, None] = {}
        self._missing, self._lengths = False, {layout.n_timepoints}

    def write(self, X: np.ndarray, labels: np.ndarray | None) -> None:
        names = None if labels is None else [_ts_label(label, self._path) for label in labels.tolist()]
        for case, (series, length) in enumerate(zip(X, series_lengths(X).tolist(), strict=True)):
            self._lengths.add(length)
            self._missing |= bool(np.isnan(series[:, :length]).any())
            # NumPy writes the shortest decimal that reads back as the same float32.
            parts = [",".join(channel).replace("nan", "?") for channel in series[:, :length].astype(str)]
            if names is not None:
                parts.append(names[case])
                self._classes.setdefault(names[case])
            self._body.write(":".join(parts) + "\n")

    def finish(self) -> None:
        self._body.seek(0)
        with self._path.open("w", encoding="utf-8") as file:
            file.write("\n".join(self._header()) + "\n")
            shutil.copyfileobj(self._body, file)
        self.close()

    def close(self) -> None:
        self._body.close()
        self._body_path.unlink(missing_ok=True)

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


FORMATS: dict[str, type[Format]] = {
    ".npz": _NpzFormat,
    ".csv": _CsvFormat,
    ".parquet": _ParquetFormat,
    ".ts": _TsFormat,
}
TEXT_SUFFIXES = (".csv", ".ts")


def step_names(layout: Layout) -> list[str]:
    """Name the value columns of a wide table: `t0 …`, or `c0_t0 … c1_t0 …` for several channels."""
    steps = [f"t{step}" for step in range(layout.n_timepoints)]
    if layout.n_channels == 1:
        return steps
    return [f"c{channel}_{step}" for channel in range(layout.n_channels) for step in steps]


def _ts_label(label: object, path: Path) -> str:
    text = str(label)
    if ":" in text or any(c.isspace() for c in text):
        raise bad_input(path, f"a .ts file cannot hold the label {text!r}", "use .npz or .parquet")
    return text
