"""Series as a pandas table, in the columns of the table that they are like."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ncvqvae.data.read.frame import as_arrow, is_table
from ncvqvae.data.read.roles import TableOptions
from ncvqvae.data.read.table import from_table
from ncvqvae.data.validate import check_labels, check_series
from ncvqvae.data.write.table_form import TableForm, wide_form

if TYPE_CHECKING:
    import pandas as pd


def frame_form(X: Any, y: Any = None) -> TableForm | None:
    """The form of a table of series, with a column for labels that came beside it; None where X is no table.

    Args:
        X: series in any form that `check_series` takes.
        y: their labels; the name of a pandas Series becomes that of the column.
    """
    if not is_table(X):
        return None
    table, options = as_arrow(X, TableOptions(), "X")
    form = from_table(table, None, options, "X").form
    if form is None:
        return None
    form = replace(form, suffix="")  # types are those of the table, and no file's
    if y is None or form.label is not None:
        return form
    name = getattr(y, "name", None)
    name = name if isinstance(name, str) and name not in form.columns else "label"
    return replace(form, label=name, columns={**form.columns, name: "object"})


def series_frame(X: Any, y: Any = None, form: TableForm | None = None) -> pd.DataFrame:
    """Series and labels as a table.

    Args:
        X: series in any form that `check_series` takes.
        y: their labels (n_cases,), or None.
        form: columns, types, ids and times; without one the columns are ``label``, then ``t0 …``, or ``c0_t0 …`` for
            several channels.
    """
    import pyarrow as pa

    series = np.asarray(check_series(X, min_cases=1, min_timepoints=1))
    labels = check_labels(y, len(series))
    if form is None:
        form = wide_form(series.shape[1], series.shape[2], labels is not None, str(series.dtype))
    kinds = {"b": pa.bool_(), "i": pa.int64(), "f": pa.float64()}
    kind = None if labels is None else kinds.get(labels.dtype.kind, pa.string())
    if labels is not None and kind == pa.string():
        labels = np.array([str(label) for label in labels.tolist()], dtype=object)
    schema = form.schema(kind, str(series.dtype))
    return form.table(series, labels, 0, schema).to_pandas()
