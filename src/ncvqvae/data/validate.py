"""What counts as series and labels, and the one line a user reads when something does not."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from ncvqvae.data.mapped import MappedRows, case_chunks
from ncvqvae.data.read.frame import as_arrow, is_table
from ncvqvae.data.read.limits import check_padded
from ncvqvae.data.read.numbers import check_exact
from ncvqvae.data.read.roles import TableOptions
from ncvqvae.data.read.table import from_table
from ncvqvae.data.scaling import FINE
from ncvqvae.errors import InputError, bad_input, listed
from ncvqvae.labels import label_array, nearest_label


def check_series(X: Any, *, where: object = "X", min_cases: int = 2, min_timepoints: int = 2) -> np.ndarray:
    """Return X as series in one array, or say in one line why that cannot be.

    What was not observed is NaN: gaps within a series, the steps behind the end of a shorter one, masked values.

    Args:
        X: array, list of arrays or table, (n_cases, n_timepoints) or (n_cases, n_channels, n_timepoints)
            A 2-D input has one channel; arrays in a list may differ in length. A float32 3-D array is returned without
            a copy, and a memory-mapped array (or rows of one) of any dtype as it is. Columns of a table (pandas,
            polars, Arrow) have the roles that `roles.decide` gives them.
        where: what the error line names as the place, e.g. a file.
        min_cases, min_timepoints: fewest series and time steps that make sense to the caller.

    Returns:
        array (n_cases, n_channels, n_timepoints), every value finite or NaN, in the units of X: float32, or float64
        where float32 would lose what differs between the values (101325.01 and 101325.02).

    Raises:
        InputError: other shapes or dtypes, infinite values, a series without a value, too few cases or time steps.
    """
    array = _as_numeric(X, where)
    if array.ndim not in (2, 3):
        raise bad_input(
            where, f"{array.ndim}-dimensional array", "give (cases, time steps) or (cases, channels, time steps)"
        )
    series = array[:, None, :] if array.ndim == 2 else array
    _check_size(series.shape, where, min_cases, min_timepoints)
    _check_values(series, where)
    if isinstance(series, (np.memmap, MappedRows)):
        return series
    return series.astype(np.float64 if needs_float64(series) else np.float32, copy=False)


def needs_float64(series: np.ndarray) -> bool:
    """Whether float32 would round away what differs between the values of a series, in one of its channels.

    Args:
        series: (n_cases, n_channels, n_timepoints), NaN where nothing was observed.
    """
    if series.dtype.kind == "f" and series.dtype.itemsize <= 4:
        return False
    for chunk in case_chunks(series):
        values = chunk.astype(np.float64)
        low, high = (pick.reduce(values, axis=2) for pick in (np.fmin, np.fmax))
        with np.errstate(invalid="ignore"):
            rounding = np.fmax(np.abs(low), np.abs(high)) * 2.0**-24
            if ((rounding > FINE * (high - low)) & (high > low)).any():
                return True
    return False


def check_labels(y: Any, n_cases: int, *, where: object = "y") -> np.ndarray | None:
    """Return labels as a 1-d array, one hashable label a case; None (unlabelled data) stays None.

    Strings, integers and booleans keep their kind; labels of mixed kinds come back with dtype object.

    Raises:
        InputError: another number of labels than cases, more than one column, missing or unhashable labels.
    """
    if y is None:
        return None
    labels = _as_label_list(y, where)
    if len(labels) != n_cases:
        raise bad_input(where, f"{len(labels)} labels for {n_cases} series", "give one label per series")
    for position, label in enumerate(labels):
        if not isinstance(label, Hashable):
            raise bad_input(where, f"label {position} is a {type(label).__name__}", "use strings, integers or booleans")
        if is_missing(label):
            raise bad_input(where, f"the label of series {position} is missing", "fill it in or drop that series")
    _check_distinct(labels, where)
    try:
        return label_array(labels)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def check_pair(X_train: np.ndarray, X_test: np.ndarray, *, where: object = "test") -> None:
    """Refuse a test split whose series differ from the train split's in channels or (padded) length."""
    for axis, noun in ((1, "channels"), (2, "time steps")):
        if X_train.shape[axis] != X_test.shape[axis]:
            raise bad_input(
                where,
                f"test series have {X_test.shape[axis]} {noun}, train series {X_train.shape[axis]}",
                "give both splits the same shape",
            )


def check_label_pair(y_train: np.ndarray | None, y_test: np.ndarray | None, *, where: object = "test") -> None:
    """Refuse test labels that the train split never shows, and splits of which one alone is labelled."""
    if (y_train is None) != (y_test is None):
        bare = "train" if y_train is None else "test"
        raise bad_input(where, f"the {bare} split alone has no labels", "label both splits or neither")
    if y_train is None or y_test is None:
        return
    unseen = sorted(set(y_test.tolist()) - set(y_train.tolist()), key=str)
    if unseen:
        near = nearest_label(unseen[0], dict.fromkeys(y_train.tolist()))
        meant = "" if near is None else f"did you mean {near!r}? Else "
        raise bad_input(
            where,
            f"test labels {listed(unseen)} never occur in train",
            f"{meant}add such series to train or drop them from test",
        )


def is_missing(label: object) -> bool:
    """Tell whether a label is None, NaN, NaT or pandas' NA."""
    if label is None or type(label).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(label, (float, np.floating)) and bool(np.isnan(label))


def unmasked(X: Any) -> Any:
    """A masked array with NaN where it is masked; all else as it is."""
    if not isinstance(X, np.ma.MaskedArray):
        return X
    return np.ma.filled(X.astype(np.result_type(X.dtype, np.float32)), np.nan)


def _as_numeric(X: Any, where: object) -> np.ndarray:
    """Turn X into an array with a real numeric dtype."""
    if is_table(X):
        X = _of_table(X, where)
    X = unmasked(X)
    if isinstance(X, (list, tuple)):
        X = _stacked(X, where)
    try:
        array: Any = X if isinstance(X, MappedRows) else np.asanyarray(X)
    except ValueError as error:
        raise bad_input(where, f"not an array of series ({error})", "give series of one shape") from None
    if array.dtype.kind not in "iufb":
        raise bad_input(where, f"values of dtype {array.dtype}", "give real numbers (float or integer dtype)")
    if not isinstance(array, (np.memmap, MappedRows)):
        check_exact(array, "the array", where)
    return array  # rows of a mapped array pass for one


def _stacked(cases: Sequence[Any], where: object) -> Any:
    """Stack a list of series; shorter ones end in NaN."""
    shapes = {np.shape(case) for case in cases}
    if len(shapes) <= 1:
        return cases
    if any(not 1 <= len(shape) <= 2 for shape in shapes):
        raise bad_input(where, "a list of arrays that are no series", "give (time steps) or (channels, time steps)")
    counts = sorted({shape[0] if len(shape) == 2 else 1 for shape in shapes})
    if len(counts) > 1:
        what = f"series of different numbers of channels ({counts[0]} to {counts[-1]})"
        raise bad_input(where, what, "give all series the same channels")
    size = (len(cases), counts[0], max(shape[-1] for shape in shapes))
    check_padded(size, sum(np.size(case) for case in cases), where)
    stacked = np.full(size, np.nan)
    for row, case in zip(stacked, cases, strict=True):
        values = _as_numeric(np.asarray(case), where)
        row[:, : values.shape[-1]] = values
    return stacked


def _of_table(X: Any, where: object) -> Any:
    """Series of a table without labels; where it has some, they belong into y."""
    try:
        table, options = as_arrow(X, TableOptions(), where)
        raw = from_table(table, None, options, where)
    except InputError as error:  # its mends are options, which no array method takes
        raise InputError(f"{error}; options are those of X, y = load_dataset(table, label_column=…)") from None
    assert raw.roles is not None
    if raw.roles.label is not None:
        name = raw.roles.label
        mend = f"leave it out of X and pass it as y, as X, y = load_dataset(table, label_column={name!r}) does"
        raise bad_input(where, f"column {name!r} holds labels", mend)
    return raw.X


def _check_size(shape: tuple[int, ...], where: object, min_cases: int, min_timepoints: int) -> None:
    n_cases, n_channels, n_timepoints = shape
    if n_cases == 0 or n_channels == 0 or n_timepoints == 0:
        raise bad_input(where, f"no values (shape {shape})", "give at least two series")
    if n_cases < min_cases:
        raise bad_input(where, f"{n_cases} series only", f"give at least {min_cases}")
    if n_timepoints < min_timepoints:
        raise bad_input(where, f"{n_timepoints} time step only", f"give series of at least {min_timepoints} steps")


def _check_values(series: np.ndarray, where: object) -> None:
    """Refuse infinite values, whole numbers beyond 2**53, and series without a value, naming the first."""
    first = 0
    for chunk in case_chunks(series):
        check_exact(chunk, "the array", where)
        with np.errstate(over="ignore"):
            values = chunk.astype(np.float32, copy=False)  # what is beyond float32 becomes infinite
        missing = np.isnan(values)
        bad = (np.isinf(values) | missing.all(axis=(1, 2), keepdims=True)).any(axis=(1, 2))
        if bad.any():
            raise _explain_bad_values(series, first + int(np.argmax(bad)), where)
        first += len(chunk)


def _explain_bad_values(series: np.ndarray, case: int, where: object) -> InputError:
    """Word the error for values that cannot be used; the cause decides the mend."""
    if np.isinf(series[case]).any():
        return bad_input(where, f"infinite values, first in series {case}", "replace or drop them")
    if not np.isnan(series[case]).all():
        return bad_input(where, f"values beyond float32, first in series {case}", "rescale the series")
    if all(np.isnan(chunk).all() for chunk in case_chunks(series)):
        return bad_input(where, "all values are missing", "check the columns, the separator and the decimal sign")
    return bad_input(where, f"series {case} has no value at all", "drop it")


def _as_label_list(y: Any, where: object) -> list[Any]:
    """List labels one by one, as Python values."""
    if isinstance(y, (str, bytes)) or not hasattr(y, "__len__"):
        raise bad_input(where, "not a sequence of labels", "give one label per series")
    if isinstance(y, (list, tuple)):
        return [label.item() if isinstance(label, np.generic) else label for label in y]
    array = y.to_numpy() if hasattr(y, "to_numpy") else np.asarray(y)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise bad_input(where, f"labels of shape {array.shape}", "give one label per series")
    try:
        return array.tolist()
    except (SystemError, ValueError):  # NumPy reads any 32 bits of a file as a character
        raise bad_input(where, "labels that are no text", "write them as valid characters") from None


def _check_distinct(labels: list[Any], where: object) -> None:
    """Refuse labels such as True and 1, two classes that every comparison would make one."""
    kinds: dict[Any, Any] = {}
    for label in labels:
        known = kinds.setdefault(label, label)
        if type(known) is not type(label):
            what = f"labels {known!r} and {label!r} are equal, but of different kinds"
            raise bad_input(where, what, "write them as strings, or as one kind")
