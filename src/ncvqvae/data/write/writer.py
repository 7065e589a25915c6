"""Write series to files, a chunk at a time, so that their number is not limited by memory.

| suffix | form |
|---|---|
| .npz | arrays `X` (n_cases, n_channels, n_timepoints) float32 and `y` |
| .npy | `X` alone |
| .csv, .parquet, .feather | a given `TableForm`; else wide: `label`, then `t0, t1 …`, or `c0_t0 … c1_t0 …` |
| .tsv | label first, no header, one channel |
| .ts, .arff | the archive's text formats; .arff needs a label |

`read_series` reads all of them back with the same values. The text formats (.csv, .ts, .arff) know no label dtype: on
the way back labels "1", "2" are integers and "true" is a boolean. Files are written under a temporary name in the same
folder and renamed when complete; under its final name a file is whole or not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from ncvqvae.data.validate import check_labels, check_series
from ncvqvae.data.write.formats import FORMATS, SIZED, TEXT_SUFFIXES, Format, Layout
from ncvqvae.data.write.table_form import Beside, TableForm
from ncvqvae.errors import InputError, bad_input, listed
from ncvqvae.files import check_target, remove_leftovers_of, take_names, temporary_path


class SeriesWriter:
    """Write series chunk by chunk; the file appears when the `with` block ends without an error.

    Example:
        >>> with SeriesWriter("new.parquet") as writer:  # doctest: +SKIP
        ...     for X, y in chunks:
        ...         writer.write(X, y)

    Args:
        path: .npz, .npy, .csv, .tsv, .parquet, .feather, .ts or .arff; an existing file is replaced.
        n_cases: total number of series; .npz and .npy need it (the header says it), others check it at the end.
        form: how tables are laid out; a form without a header serves only for files of its own type.
        beside: ids and times for tables of this form, where the series are given ones; else they are made up.

    Raises:
        InputError: a folder that is not there or not writable, an unknown suffix, series or labels the format cannot
            keep, a full disk.
        ValueError: another number of series than `n_cases` was written.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        n_cases: int | None = None,
        form: TableForm | None = None,
        beside: Beside | None = None,
    ) -> None:
        self.path = Path(path).expanduser()
        self._form = None if form is None else form.in_file(self.path.suffix.lower())
        self._beside = beside if self._form is not None else None
        self._n_expected = n_cases
        self._n_written = 0
        self._layout: Layout | None = None
        self._file: Format | None = None
        _check_target(self.path)
        if self.path.suffix.lower() in SIZED and n_cases is None:
            raise ValueError(f"SeriesWriter needs n_cases for {self.path.suffix}")
        remove_leftovers_of(self.path)
        self._temporary = temporary_path(self.path)

    def __enter__(self) -> Self:
        return self

    def write(self, X: np.ndarray, y: Any = None) -> None:
        """Append series (n, n_channels, n_timepoints) or (n, n_timepoints) and their labels (n,) or None."""
        X = check_series(X, where=self.path, min_cases=1, min_timepoints=1)
        X = X if self._layout is None else X.astype(self._layout.dtype, copy=False)
        labels = check_labels(y, len(X), where=self.path)
        kind = None if labels is None else labels.dtype.kind
        layout = Layout(X.shape[1], X.shape[2], kind, self.path, self._form, X.dtype.name, self._beside)
        self._check_chunk(layout, labels)
        with _disk_errors(self.path):
            if self._file is None:
                self._layout = layout
                self._file = FORMATS[self.path.suffix.lower()](self._temporary, layout, self._n_expected)
            self._file.write(X, labels)
        self._n_written += len(X)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            if self._file is not None:
                with suppress(Exception):  # after a failure the temporary file goes anyway
                    self._file.close()
            self._temporary.unlink(missing_ok=True)

    def _finish(self) -> None:
        if self._file is None:
            raise bad_input(self.path, "no series to write", "write at least one")
        if self._n_expected not in (None, self._n_written):
            raise ValueError(f"{self.path}: {self._n_written} series written, {self._n_expected} announced")
        with _disk_errors(self.path):
            self._file.finish()
            take_names([self._temporary], [self.path])

    def _check_chunk(self, layout: Layout, labels: np.ndarray | None) -> None:
        if self._layout is not None and layout[:2] != self._layout[:2]:
            raise bad_input(self.path, f"series of shape {layout[:2]} after {self._layout[:2]}", "give one shape")
        if self._layout is not None and layout != self._layout:
            raise bad_input(self.path, "labels of mixed kinds", "label all series, with one kind of label")
        if labels is None:
            return
        if labels.dtype.kind not in "bifU":
            raise bad_input(self.path, "labels of mixed or foreign kinds", "use strings, integers or booleans")
        if self.path.suffix.lower() in TEXT_SUFFIXES and labels.dtype.kind == "U":
            lost = [label for label in labels.tolist() if not label or label != label.strip()]
            if lost:
                what = f"labels that are empty or have spaces around them: {listed(lost)}"
                raise bad_input(self.path, what, "use .npz or .parquet")


def write_series(path: str | Path, X: np.ndarray, y: Any = None) -> None:
    """Write series (n_cases, n_channels, n_timepoints) and their labels to one file; its suffix decides how.

    Raises:
        InputError: as in `SeriesWriter`.
    """
    step = 8192  # rows at once: bounds the copies that a table format makes
    y = check_labels(y, len(X), where=path)
    with SeriesWriter(path, n_cases=len(X)) as writer:
        for start in range(0, max(1, len(X)), step):
            chunk = slice(start, start + step)
            writer.write(X[chunk], None if y is None else y[chunk])


def _check_target(path: Path) -> None:
    if path.suffix.lower() not in FORMATS:
        raise bad_input(path, f"cannot write file type {path.suffix!r}", f"use one of {', '.join(FORMATS)}")
    check_target(path)


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Turn a full disk and its like into one line about the file."""
    try:
        yield
    except InputError:
        raise
    except OSError as error:
        raise bad_input(
            path, f"cannot be written ({error.strerror or error})", "free space or choose another folder"
        ) from error
