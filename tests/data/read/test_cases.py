"""Files after public reports of trouble: each gives the values that stand in it, or is refused with the right mend."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ncvqvae.data import SeriesWriter, load_dataset, load_half, load_splits
from ncvqvae.errors import InputError

CASES = Path(__file__).parent / "cases"
LONG = {"id_column": "unit", "time_column": "time", "label_column": "state"}


def cells(name: str) -> list[dict[str, str]]:
    """The rows of a case as the csv module reads them: a reader of its own."""
    with (CASES / name).open(newline="") as file:
        return list(csv.DictReader(file))


def values(rows: list[dict[str, str]], columns: list[str]) -> np.ndarray:
    return np.array([[float(row[column]) for column in columns] for row in rows], np.float32)


def refusal(name: str, **options: object) -> str:
    with pytest.raises(InputError) as caught:
        load_dataset(CASES / name, **options)
    return str(caught.value)


def test_a_header_of_numbers_beside_a_label_is_a_header() -> None:
    X, y, roles = load_dataset(CASES / "header_0_1_2.csv", return_roles=True)
    rows = cells("header_0_1_2.csv")
    np.testing.assert_array_equal(X[:, 0], values(rows, [str(i) for i in range(32)]))
    assert y.tolist() == [row["label"] for row in rows] and set(y) == {"idle", "run"}
    assert roles.describe(*X[:, 0].shape) == (
        "24 series of 32 steps from columns 0 … 31; label from 'label'; ignored: none"
    )


def test_a_patients_number_is_no_time_step() -> None:
    assert "column 'patient' among the time steps X1 … X32" in refusal("patient_label_X1.csv")
    rows = cells("patient_label_X1.csv")
    for options in ({"id_column": "patient"}, {"ignore_columns": ["patient"]}):
        half = load_half(CASES / "patient_label_X1.csv", **options)
        np.testing.assert_array_equal(half.X[:, 0], values(rows, [f"X{i}" for i in range(1, 33)]))
        assert half.y.tolist() == [row["label"] for row in rows]
    assert half.ids is None
    ids = load_half(CASES / "patient_label_X1.csv", id_column="patient").ids
    assert ids == [int(row["patient"]) for row in rows]


def test_columns_are_sorted_by_number_and_it_is_said() -> None:
    X, _, roles = load_dataset(CASES / "lexical_t.csv", return_roles=True)
    np.testing.assert_array_equal(X[:, 0], values(cells("lexical_t.csv"), [f"t{i}" for i in range(12)]))
    assert "columns sorted by number" in roles.describe(8, 12)


@pytest.mark.parametrize(
    "options", [{"time_column": "time"}, {"time_column": "time", "window": 8}], ids=["long", "windows"]
)
def test_blank_ids_are_refused_with_the_row(options: dict[str, object]) -> None:
    assert "column 'unit' has no id in row 2 and 743 more" in refusal(
        "merged_id_cells.csv", id_column="unit", **options
    )


def test_a_blank_time_is_refused_in_a_recording_as_in_a_long_table() -> None:
    options = {"time_column": "time", "label_column": "state"}
    assert "column 'time' has no time in row 6" in refusal("recording_blank_time.csv", window=8, **options)


def rewritten(name: str, tmp_path: Path) -> pd.DataFrame:
    """The series of a case, read and written again as samples are."""
    half, path = load_half(CASES / name, **LONG), tmp_path / f"out{Path(name).suffix}"
    with SeriesWriter(path, form=half.form) as writer:
        writer.write(half.X, half.y)
    return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)


def test_months_go_on_month_by_month(tmp_path: Path) -> None:
    rows = cells("months.csv")
    X, y = load_dataset(CASES / "months.csv", **LONG)
    np.testing.assert_array_equal(X.ravel(), values(rows, ["acc"]).ravel())
    assert y.tolist() == [row["state"] for row in rows[::32]]
    assert rewritten("months.csv", tmp_path)["time"].tolist() == [row["time"] for row in rows]


def test_a_time_zone_stays_with_its_wall_times(tmp_path: Path) -> None:
    before, after = pd.read_parquet(CASES / "timezone.parquet"), rewritten("timezone.parquet", tmp_path)
    assert after["time"].dtype == before["time"].dtype
    n = int((before["unit"] == before["unit"].iloc[0]).sum())
    assert after["time"].tolist()[:n] == before["time"].tolist()[:n]
    np.testing.assert_allclose(after["acc"], before["acc"], atol=1e-6)


def test_times_whose_offset_changes_are_ordered_by_instant() -> None:
    rows = cells("dst_offsets.csv")
    X, _ = load_dataset(CASES / "dst_offsets.csv", **LONG)
    expected = values(rows, ["acc", "gyro"]).reshape(6, 10, 2).transpose(0, 2, 1)
    np.testing.assert_array_equal(X, expected)


def test_ids_stand_beside_the_series_in_the_order_of_the_file() -> None:
    rows = cells("ids_shuffled.csv")
    half = load_half(CASES / "ids_shuffled.csv", **LONG)
    assert half.ids == list(dict.fromkeys(row["unit"] for row in rows))
    for name, series in zip(half.ids, half.X[:, 0], strict=True):
        own = sorted((int(row["time"]), float(row["acc"])) for row in rows if row["unit"] == name)
        np.testing.assert_array_equal(series, np.array([value for _, value in own], np.float32))


def test_upper_and_lower_case_suffixes_are_one() -> None:
    X, y = load_dataset(CASES / "mixed_case_folder")
    assert X.shape == (24, 1, 32) and sorted(y) == ["idle"] * 12 + ["run"] * 12
    first = np.loadtxt(CASES / "mixed_case_folder" / "run" / "01.CSV", skiprows=1, dtype=np.float32)
    np.testing.assert_array_equal(X[y.tolist().index("run"), 0], first)


ARFF = np.array(
    [
        [0.126, -0.132, 0.64, 0.105, -0.536, 0.362],
        [1.304, 0.947, -0.704, -1.265, -0.623, 0.041],
        [-2.325, -0.219, -1.246, -0.732, -0.544, -0.316],
        [0.412, 1.043, -0.129, 1.366, -0.665, 0.352],
        [0.903, 0.094, -0.743, -0.922, -0.458, 0.22],
        [-1.01, -0.209, -0.159, 0.541, 0.215, 0.355],
    ],
    np.float32,
)


def test_arff_comments_labels_and_their_absence() -> None:
    X, y = load_dataset(CASES / "comment_in_data.arff")
    np.testing.assert_array_equal(X[:, 0], ARFF)
    assert y.tolist() == [1, 2] * 3
    X, y = load_dataset(CASES / "no_class.arff")
    np.testing.assert_array_equal(X[:, 0], ARFF)
    assert y is None
    assert "the label of series 0 is missing" in refusal("label_missing.arff")


def test_every_case_says_in_one_line_what_it_was_taken_for() -> None:
    splits = load_splits(CASES / "months.csv", **LONG)
    assert splits.described == (
        "24 series of 32 steps, a row per step; values from 'acc'; label from 'state'; ids from 'unit'; "
        "times from 'time'; ignored: none"
    )
