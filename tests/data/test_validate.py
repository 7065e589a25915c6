"""What passes as series and labels, and the line for each array that does not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ncvqvae.data import check_labels, check_pair, check_series
from ncvqvae.data.validate import check_label_pair
from ncvqvae.errors import InputError

NAN, INF = np.nan, np.inf

BAD_SERIES = {
    "one dimension": (np.zeros(4), "1-dimensional array; give (cases, time steps)"),
    "four dimensions": (np.zeros((2, 1, 3, 1)), "4-dimensional array"),
    "no cases": (np.zeros((0, 5)), "no values (shape (0, 1, 5))"),
    "no steps": (np.zeros((5, 0)), "no values (shape (5, 1, 0))"),
    "one series": (np.zeros((1, 5)), "1 series only; give at least 2"),
    "one step": (np.zeros((5, 1)), "1 time step only; give series of at least 2 steps"),
    "complex": (np.zeros((2, 3), complex), "values of dtype complex128; give real numbers"),
    "object": (np.array([[1, "a"], [2, 3]], dtype=object), "values of dtype object"),
    "strings": (np.array([["1", "2"], ["3", "4"]]), "values of dtype <U1"),
    "dates": (np.zeros((2, 3), "datetime64[s]"), "values of dtype datetime64[s]"),
    "empty series": (np.array([[1, 2], [NAN, NAN]]), "series 1 has no value at all; drop it"),
    "all missing": (np.full((3, 4), NAN), "all values are missing; check the columns"),
    "infinite": (np.array([[1, 2, 3], [1, -INF, 3]]), "infinite values, first in series 1; replace or drop them"),
    "infinite and missing": (np.array([[NAN, INF], [1, 2]]), "infinite values, first in series 0"),
    "too large": (np.array([[1, 2], [1, 1e39]]), "values beyond float32, first in series 1; rescale the series"),
    "ragged channels": ([np.zeros((2, 3)), np.zeros((1, 3))], "series of different numbers of channels (1 to 2)"),
    "text column": (pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), "columns 'a', 'b' have no common numbering"),
    "a number": (3.0, "0-dimensional array"),
}

BAD_LABELS = {
    "equal, of two kinds": ((1, True, 0), "labels 1 and True are equal, but of different kinds; write them as strings"),
    "too few": (["a"], "1 labels for 3 series; give one label per series"),
    "missing": (["a", None, "b"], "the label of series 1 is missing; fill it in or drop that series"),
    "nan": ([1.0, 2.0, NAN], "the label of series 2 is missing"),
    "pandas NA": (pd.Series([1, 2, None], dtype="Int64"), "the label of series 2 is missing"),
    "unhashable": ([["a"], ["b"], ["c"]], "label 0 is a list; use strings, integers or booleans"),
    "two columns": (np.zeros((3, 2)), "labels of shape (3, 2); give one label per series"),
    "one string": ("abc", "not a sequence of labels"),
    "a number": (5, "not a sequence of labels"),
}


@pytest.mark.parametrize("name", BAD_SERIES)
def test_bad_series_get_one_line(name: str) -> None:
    X, message = BAD_SERIES[name]
    with pytest.raises(InputError) as caught:
        check_series(X, where="here")
    assert str(caught.value).startswith("here: " + message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", BAD_LABELS)
def test_bad_labels_get_one_line(name: str) -> None:
    y, message = BAD_LABELS[name]
    with pytest.raises(InputError) as caught:
        check_labels(y, 3, where="here")
    assert str(caught.value).startswith("here: " + message)


@pytest.mark.parametrize(
    "X",
    [
        np.arange(6).reshape(2, 3),
        np.arange(6.0).reshape(2, 1, 3),
        np.arange(6, dtype=np.float16).reshape(2, 3).tolist(),
        pd.DataFrame(np.arange(6).reshape(2, 3)),
        pd.DataFrame(np.arange(6).reshape(2, 3)).astype("Int64"),
        [np.array([[0, 1, 2]]), np.array([[3, 4, 5]])],
    ],
)
def test_every_form_of_series_becomes_float32_cases_channels_time(X: object) -> None:
    checked = check_series(X)
    assert checked.dtype == np.float32
    np.testing.assert_array_equal(checked, [[[0, 1, 2]], [[3, 4, 5]]])


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        ([[1, NAN, 3], [1, 2, 3]], [[[1, NAN, 3]], [[1, 2, 3]]]),
        ([np.arange(3), np.arange(2)], [[[0, 1, 2]], [[0, 1, NAN]]]),
        ([np.ones((2, 1)), np.ones((2, 2))], [[[1, NAN], [1, NAN]], [[1, 1], [1, 1]]]),
    ],
)
def test_what_was_not_observed_is_nan(X: object, expected: list[list[list[float]]]) -> None:
    np.testing.assert_array_equal(check_series(X), np.array(expected, np.float32))


def test_a_mapped_array_stays_on_disk(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((4, 6)))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    checked = check_series(mapped)
    assert isinstance(checked, np.memmap) and np.shares_memory(checked, mapped)


def test_float32_series_are_not_copied() -> None:
    X = np.zeros((2, 1, 3), dtype=np.float32)
    assert check_series(X) is X


def test_fewest_cases_is_the_callers_choice_and_constant_series_are_fine() -> None:
    assert check_series(np.ones((1, 5)), min_cases=1).shape == (1, 1, 5)


@pytest.mark.parametrize(
    ("y", "kind"),
    [
        (["a", "b"], "U"),
        ([1, 2], "i"),
        (np.array([1, 2], dtype=np.uint8), "i"),
        ([True, False], "b"),
        ([0.5, 1.0], "f"),
        (pd.Series(["a", "b"]), "U"),
        (pd.Series(["a", "b"], dtype="category"), "U"),
        (np.array([["a"], ["b"]]), "U"),
        ([("a", 1), ("b", 2)], "O"),
        ([1, "1"], "O"),
        ([10**30, 1], "O"),
    ],
)
def test_labels_keep_their_kind(y: object, kind: str) -> None:
    labels = check_labels(y, 2)
    assert labels is not None and labels.dtype.kind == kind and labels.shape == (2,)
    if not isinstance(y, np.ndarray):
        assert labels.tolist() == list(y)  # type: ignore[call-overload]


def test_unlabelled_stays_none() -> None:
    assert check_labels(None, 3) is None


def test_splits_of_different_shape_or_labels_are_refused() -> None:
    X = np.zeros((2, 2, 5), dtype=np.float32)
    with pytest.raises(InputError, match=r"^test: test series have 1 channels, train series 2; give both"):
        check_pair(X, X[:, :1])
    with pytest.raises(InputError, match=r"^test: test series have 4 time steps, train series 5; give both"):
        check_pair(X, X[..., :4])
    with pytest.raises(InputError, match=r"^test: test labels 'c', 'd' never occur in train; add such series"):
        check_label_pair(np.array(["a", "b"]), np.array(["d", "a", "c"]))
    with pytest.raises(InputError, match=r"train; did you mean 'Slow'\? Else add such series"):
        check_label_pair(np.array(["Slow", "Fast"]), np.array(["slow", "Fast"]))
    with pytest.raises(InputError, match=r"test labels '100' never occur in train; add such series"):
        check_label_pair(np.array([10, 20]), np.array([100, 20]))
    with pytest.raises(InputError, match="the train split alone has no labels; label both"):
        check_label_pair(None, np.array(["a"]))
    check_label_pair(np.array([1, 2]), np.array([2]))


def test_characters_that_do_not_exist_are_no_labels() -> None:
    y = np.array([2**31 - 1, 2**22], np.uint32).view("<U1")
    with pytest.raises(InputError, match="labels that are no text"):
        check_labels(y, 2)
