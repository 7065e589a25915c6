"""Recordings cut into windows, folders of one file per series, tables and arrays as a source."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ncvqvae.data import TableOptions, load_dataset, load_splits, read_series
from ncvqvae.errors import InputError

N_STEPS = 1000


def recording(labels: bool = True) -> pd.DataFrame:
    """Two channels that count, so that a window says where it was cut from."""
    step = np.arange(N_STEPS)
    frame = pd.DataFrame({"when": step, "a": step * 1.0, "b": -step * 1.0})
    return frame.assign(state=np.where(step // 50 % 2, "walk", "rest")) if labels else frame


def test_train_and_held_out_part_are_apart_before_they_are_cut() -> None:
    splits = load_splits(recording(), window=32, stride=8, label_column="state", time_column="when", holdout=0.3)
    assert splits.X_train.shape[1:] == splits.X_test.shape[1:] == (2, 32)
    assert len(splits.X_train) == (700 - 32) // 8 + 1 and len(splits.X_test) == (300 - 32) // 8 + 1
    assert splits.X_train[:, 0].max() < 700 and splits.X_test[:, 0].min() == 700
    np.testing.assert_array_equal(splits.X_train[3, 1], -np.arange(24, 56))
    assert "the last 30% of each recording" in splits.note


def test_a_windows_label_is_that_of_most_of_its_steps() -> None:
    data = load_dataset(recording(), window=20, label_column="state", time_column="when")
    starts = data.X[:, 0, 0].astype(int)
    expected = ["walk" if np.mean(np.arange(at, at + 20) // 50 % 2) > 0.5 else "rest" for at in starts if at % 50 != 40]
    assert [label for at, label in zip(starts, data.y, strict=True) if at % 50 != 40] == expected


def test_no_window_spans_two_recordings() -> None:
    frame = recording().assign(person=np.repeat(["x", "y"], [603, 397])).sample(frac=1, random_state=0)
    data = load_dataset(frame, window=10, id_column="person", time_column="when", label_column="state")
    assert (np.diff(data.X[:, 0]) == 1).all() and len(data.X) == 60 + 39
    assert not any(602 in window and 603 in window for window in data.X[:, 0])


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npy"])
def test_recordings_come_from_files(suffix: str, tmp_path: Path) -> None:
    path, frame = tmp_path / f"x{suffix}", recording(labels=False)[["a"]]
    if suffix == ".npy":
        np.save(path, frame["a"].to_numpy())
    else:
        frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    splits = load_splits(path, window=25)
    assert splits.X_train.shape == (28, 1, 25) and splits.X_test.shape == (12, 1, 25)
    np.testing.assert_array_equal(splits.X_train.ravel(), np.arange(700))


def test_windows_of_a_mapped_recording_are_views_of_it(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(1000, dtype=np.float32))
    X = load_splits(tmp_path / "x.npy", window=300, stride=1, holdout=0.4).X_train
    assert X.shape == (301, 1, 300) and X.strides[0] == 4


def test_windows_without_a_value_are_left_out() -> None:
    values = np.arange(100.0)
    values[20:45] = np.nan
    X = load_dataset(values, window=10).X
    assert X[:, 0, 0].tolist()[:2] == [0, 10] and len(X) == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 800}, "no window of 800 time steps in a part of 700; give a shorter window"),
        ({"window": 1}, "window: 1 time steps; give at least 2"),
        ({"window": 10, "stride": 0}, "stride: 0 time steps; give at least 1"),
        ({"window": 10, "label_column": "stat"}, "no column named 'stat'; did you mean 'state'?"),
    ],
)
def test_windows_that_cannot_be_cut_get_one_line(options: dict[str, int | str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        load_splits(recording(), **{"label_column": "state", **options})
    assert message in str(caught.value)


def write_folder(folder: Path, classes: bool) -> None:
    for i in range(6):
        place = folder / ("up" if i % 2 else "down") if classes else folder
        place.mkdir(parents=True, exist_ok=True)
        frame = pd.DataFrame({"a": np.arange(5 + i, dtype=float), "b": np.full(5 + i, i)})
        frame.to_csv(place / f"{i}.csv", index=False)


@pytest.mark.parametrize("classes", [True, False])
def test_a_folder_has_a_series_in_each_file(classes: bool, tmp_path: Path) -> None:
    write_folder(tmp_path, classes)
    data = load_dataset(tmp_path)
    assert data.X.shape == (6, 2, 10)
    order = [0, 2, 4, 1, 3, 5] if classes else list(range(6))
    assert np.nanmax(data.X[:, 1], axis=1).tolist() == order
    assert np.isnan(data.X[:, 0]).sum(axis=1).tolist() == [5 - i for i in order]
    assert (None if data.y is None else data.y.tolist()) == (["down"] * 3 + ["up"] * 3 if classes else None)


def test_a_folders_files_may_hold_their_label(tmp_path: Path) -> None:
    for i in range(3):
        pd.DataFrame({"v": range(4), "label": i % 2}).to_csv(tmp_path / f"{i}.csv", index=False)
    assert read_series(tmp_path).y.tolist() == [0, 1, 0]
    pd.DataFrame({"v": range(4), "label": [0, 0, 1, 1]}).to_csv(tmp_path / "1.csv", index=False)
    with pytest.raises(InputError, match=r"1.csv: labels '0', '1'; give one label per file"):
        read_series(tmp_path)
    assert load_dataset(tmp_path, window=2).y.tolist() == [0, 0, 0, 1, 0, 0]


def test_files_of_a_folder_have_the_same_columns(tmp_path: Path) -> None:
    write_folder(tmp_path, classes=False)
    pd.DataFrame({"a": [1.0, 2], "c": [1.0, 2]}).to_csv(tmp_path / "9.csv", index=False)
    with pytest.raises(InputError, match=r"9.csv: columns 'a', 'c' where 0.csv has 'a', 'b'"):
        read_series(tmp_path)


def test_a_table_and_an_array_are_sources() -> None:
    frame = pd.DataFrame({"kind": [True, False, True], "t0": [1, 2, 3], "t1": [4, 5, 6]})
    data = load_dataset(frame, label_column="kind")
    np.testing.assert_array_equal(data.X[:, 0], frame[["t0", "t1"]])
    assert data.y.tolist() == [True, False, True]
    np.testing.assert_array_equal(load_dataset(frame[["t0", "t1"]].to_numpy()).X, data.X)
    assert TableOptions("kind").given() == ["label_column"]


@pytest.mark.parametrize("n_channels", [1, 32])
def test_any_number_of_channels_in_long_form(n_channels: int) -> None:
    X = np.random.default_rng(0).normal(size=(3, n_channels, 4)).astype(np.float32)
    case, step = np.indices((3, 4)).reshape(2, -1)
    values = {f"s{c}": X[case, c, step] for c in range(n_channels)}
    data = load_dataset(pd.DataFrame({"id": case, "t": step, **values}), id_column="id", time_column="t")
    np.testing.assert_array_equal(data.X, X)
