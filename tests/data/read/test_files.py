"""Readers and writers: what is written is read back, in every format; files of users in their usual forms."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from ncvqvae.data import SeriesWriter, TableOptions, load_half, read_series, write_series
from ncvqvae.errors import InputError
from ncvqvae.labels import parse_labels

SUFFIXES = (".npz", ".csv", ".parquet", ".ts")
SHAPES = array_shapes(min_dims=3, max_dims=3, min_side=2, max_side=4)
SERIES = arrays(np.float32, SHAPES, elements=st.floats(width=32, allow_nan=False, allow_infinity=False))
LABELS = {
    "strings": ["walk", "NA", "walk", "läuft, schnell"],
    "integers": [-1, 1, 1, 7],
    "booleans": [True, False, False, True],
    "none": None,
}


def random_series(n_cases: int = 4, n_channels: int = 1, n_timepoints: int = 6) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n_cases, n_channels, n_timepoints)).astype(np.float32)


def write_chunks(path: Path, chunks: Iterable[np.ndarray], n_cases: int | None = None) -> None:
    with SeriesWriter(path, n_cases=n_cases) as writer:
        for X in chunks:
            writer.write(X)


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(X=SERIES)
def test_values_come_back_bit_for_bit(suffix: str, X: np.ndarray, tmp_path: Path) -> None:
    write_series(tmp_path / f"x{suffix}", X)
    again = read_series(tmp_path / f"x{suffix}")
    np.testing.assert_array_equal(again.X, X)
    assert again.X.dtype == np.float32 and again.y is None


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_unequal_lengths_and_gaps_come_back(suffix: str, n_channels: int, tmp_path: Path) -> None:
    X = random_series(n_channels=n_channels)
    X[0, :, 4:], X[2, 0, 1] = np.nan, np.nan
    write_series(tmp_path / f"x{suffix}", X, list("abab"))
    np.testing.assert_array_equal(read_series(tmp_path / f"x{suffix}").X, X)


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_labels_come_back_with_their_kind(suffix: str, n_channels: int, labels: str, tmp_path: Path) -> None:
    X, y = random_series(n_channels=n_channels), LABELS[labels]
    if suffix == ".ts" and labels == "strings":
        y = ["walk", "NA", "walk", "läuft"]
    write_series(tmp_path / f"x{suffix}", X, y)
    again = read_series(tmp_path / f"x{suffix}")
    np.testing.assert_array_equal(again.X, X)
    if y is None:
        assert again.y is None
    else:
        assert again.y is not None and again.y.tolist() == y and again.y.dtype == np.array(y).dtype


@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize(
    "labels", [["walk", "stand still", "walk", "läuft"], [-1, 1, 1, 7], [True, False, False, True]]
)
def test_arff_comes_back_as_it_was_written(labels: list[object], n_channels: int, tmp_path: Path) -> None:
    X = random_series(n_channels=n_channels)
    X[0, :, 4:], X[2, 0, 1] = np.nan, np.nan
    write_series(tmp_path / "x.arff", X, labels)
    again = read_series(tmp_path / "x.arff")
    np.testing.assert_array_equal(again.X, X)
    assert again.y.tolist() == labels
    assert [p.name for p in tmp_path.iterdir()] == ["x.arff"]


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_binary_formats_keep_digits_that_are_strings(suffix: str, tmp_path: Path) -> None:
    write_series(tmp_path / f"x{suffix}", random_series(), ["1", "2", "1", " 2"])
    assert read_series(tmp_path / f"x{suffix}").y.tolist() == ["1", "2", "1", " 2"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_chunks_make_the_same_series_as_one_write(suffix: str, tmp_path: Path) -> None:
    X, y = random_series(n_cases=10, n_channels=2), np.array(["a", "bbb"] * 5)
    with SeriesWriter(tmp_path / f"x{suffix}", n_cases=10) as writer:
        for start in range(0, 10, 3):
            writer.write(X[start : start + 3], y[start : start + 3])
    again = read_series(tmp_path / f"x{suffix}")
    np.testing.assert_array_equal(again.X, X)
    assert again.y.tolist() == y.tolist()
    assert [p.name for p in tmp_path.iterdir()] == [f"x{suffix}"]


def test_wide_tables_have_the_documented_columns(tmp_path: Path) -> None:
    write_series(tmp_path / "one.csv", random_series(n_timepoints=2), list("abab"))
    write_series(tmp_path / "two.parquet", random_series(n_channels=2, n_timepoints=2), list("abab"))
    assert pd.read_csv(tmp_path / "one.csv").columns.tolist() == ["label", "t0", "t1"]
    assert pd.read_parquet(tmp_path / "two.parquet").columns.tolist() == ["label", "c0_t0", "c0_t1", "c1_t0", "c1_t1"]


def test_numpy_reads_the_npz_without_us(tmp_path: Path) -> None:
    X = random_series(n_channels=2)
    write_series(tmp_path / "x.npz", X, list("abab"))
    with np.load(tmp_path / "x.npz", allow_pickle=False) as arrays_:
        np.testing.assert_array_equal(arrays_["X"], X)
        assert arrays_["y"].tolist() == list("abab")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_aborted_write_leaves_the_old_file_and_nothing_else(suffix: str, tmp_path: Path) -> None:
    path, X = tmp_path / f"x{suffix}", random_series()
    write_series(path, X, list("abab"))
    before = path.read_bytes()

    def chunks() -> Iterator[np.ndarray]:
        yield X
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_chunks(path, chunks(), n_cases=8)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("announced", [3, 5])
def test_another_number_of_series_than_announced_writes_nothing(suffix: str, announced: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="announced"):
        write_chunks(tmp_path / f"x{suffix}", [random_series()], n_cases=announced)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\); free space"):
        write_series(tmp_path / "x.parquet", random_series())
    assert not list(tmp_path.iterdir())


BAD_WRITES = {
    "unknown type": ("x.xlsx", random_series(), None, "cannot write file type '.xlsx'; use one of .npz, .npy, .csv"),
    "no folder": ("none/x.csv", random_series(), None, "no such folder; create it first"),
    "mixed labels": ("x.csv", random_series(2), [1, "a"], "labels of mixed or foreign kinds; use strings"),
    "tuple labels": ("x.npz", random_series(2), [(1, 2), (3, 4)], "labels of mixed or foreign kinds"),
    "colon in .ts": ("x.ts", random_series(2), ["a:b", "c"], "this format cannot hold the label 'a:b'; use .npz"),
    "space in .ts": ("x.ts", random_series(2), ["a b", "c"], "this format cannot hold the label 'a b'"),
    "comma in .arff": ("x.arff", random_series(2), ["a,b", "c"], "this format cannot hold the label 'a,b'"),
    "no label in .arff": ("x.arff", random_series(2), None, "an .arff file has a label last; use .ts, .npz"),
    "empty label": ("x.csv", random_series(2), ["", "c"], "labels that are empty or have spaces around them: ''"),
    "no series": ("x.csv", random_series()[:0], None, "no values"),
    "no value": ("x.csv", np.array([[np.nan, np.nan], [1, 2]]), None, "series 0 has no value at all"),
    "too few labels": ("x.csv", random_series(2), ["a"], "1 labels for 2 series"),
}


@pytest.mark.parametrize("name", BAD_WRITES)
def test_what_cannot_be_written_gets_one_line_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    file_name, X, y, message = BAD_WRITES[name]
    with pytest.raises(InputError) as caught:
        write_series(tmp_path / file_name, X, y)
    assert f": {message}" in str(caught.value) and "\n" not in str(caught.value) and ".tmp:" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_chunks_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"series of shape \(2, 6\) after \(1, 6\)"):
        write_chunks(tmp_path / "x.csv", [random_series(), random_series(n_channels=2)])
    with SeriesWriter(tmp_path / "x.csv") as writer:
        writer.write(random_series(2), ["a", "b"])
        with pytest.raises(InputError, match="labels of mixed kinds"):
            writer.write(random_series(2), [1, 2])
    with pytest.raises(ValueError, match="needs n_cases"):
        SeriesWriter(tmp_path / "x.npz")


NAN = np.nan
# file name, content, options, expected X, expected y
FORMS = {
    "ucr tsv": ("x.tsv", "-1\t1\t2\n1\t3\t4\n", None, [[[1, 2]], [[3, 4]]], [-1, 1]),
    "ucr txt, old style": ("x.txt", "  1.0e+00  1.0  2.0\n  2.0e+00  3.0  4.0\n", None, [[[1, 2]], [[3, 4]]], [1, 2]),
    "ucr txt, commas": ("x.txt", "a,1,2\nb,3,4\n", None, [[[1, 2]], [[3, 4]]], ["a", "b"]),
    "ucr tsv that counts": ("x.tsv", "1\t2\t3\n2\t3\t4\n", None, [[[2, 3]], [[3, 4]]], [1, 2]),
    "label by name": ("x.csv", "k,t0,t1\na,1,2\nb,3,4\n", TableOptions("k"), [[[1, 2]], [[3, 4]]], ["a", "b"]),
    "label found": ("x.csv", "t0,t1,Class\n1,2,1\n3,4,2\n", None, [[[1, 2]], [[3, 4]]], [1, 2]),
    "byte order mark": ("x.csv", "\ufefflabel,t0,t1\na,1,2\nb,3,4\n", None, [[[1, 2]], [[3, 4]]], ["a", "b"]),
    "windows line ends": ("x.csv", "label,t0,t1\r\na,1,2\r\nb,3,4\r\n", None, [[[1, 2]], [[3, 4]]], ["a", "b"]),
    "semicolons": ("x.csv", "label;t0;t1\na;1;2\nb;3;4\n", None, [[[1, 2]], [[3, 4]]], ["a", "b"]),
    "quoted header": ("x.csv", '"label","a, 0","a, 1"\na,1,2\nb,3,4\n', None, [[[1, 2]], [[3, 4]]], ["a", "b"]),
    "pandas' row numbers": ("x.csv", ",t0,t1\n0,1,2\n1,3,4\n", None, [[[1, 2]], [[3, 4]]], None),
    "column numbers": ("x.csv", "0,1\n1,2\n3,4\n", TableOptions(header=True), [[[1, 2]], [[3, 4]]], None),
    "no header": ("x.csv", "1.5,2\n3,4\n", None, [[[1.5, 2]], [[3, 4]]], None),
    "no header, label first": ("x.csv", "a,1,2\nb,3,4\n", None, [[[1, 2]], [[3, 4]]], ["a", "b"]),
    "labels that look missing": (
        "x.csv",
        "label,t0,t1\nNA,1,2\nnull,3,4\n",
        None,
        [[[1, 2]], [[3, 4]]],
        ["NA", "null"],
    ),
    "ids left out": ("x.csv", "id,t0,t1\nu,1,2\nv,3,4\n", TableOptions(id_column="id"), [[[1, 2]], [[3, 4]]], None),
    "chosen values": (
        "x.csv",
        "age,t0,t1\n9,1,2\n9,3,4\n",
        TableOptions(value_columns=["t1", "t0"]),
        [[[2, 1]], [[4, 3]]],
        None,
    ),
    "channels, steps out of order": (
        "x.csv",
        "v_t1,v_t0,w_t0,w_t1\n2,1,5,6\n4,3,7,8\n",
        None,
        [[[1, 2], [5, 6]], [[3, 4], [7, 8]]],
        None,
    ),
    "long": (
        "x.csv",
        "id,time,v,w,label\n9,1,2,6,z\n9,0,1,5,z\n3,0,3,7,a\n3,1,4,8,a\n",
        TableOptions(id_column="id", time_column="time"),
        [[[1, 2], [5, 6]], [[3, 4], [7, 8]]],
        ["z", "a"],
    ),
    "long, dates, one value": (
        "x.csv",
        "id,time,v,w\n9,2020-01-02,2,6\n9,2020-01-01,1,5\n3,2020-01-02,4,8\n3,2020-01-01,3,7\n",
        TableOptions(id_column="id", time_column="time", value_columns=["w"]),
        [[[5, 6]], [[7, 8]]],
        None,
    ),
    "short rows without a header": ("x.csv", "a,1,2\nb,1,,3\n", None, [[[1, 2, NAN]], [[1, NAN, 3]]], ["a", "b"]),
    "ucr tsv, unequal": (
        "x.tsv",
        "1\t1\t2\t3\n2\t1\tNaN\n2\t4\t5\n",
        None,
        [[[1, 2, 3]], [[1, NAN, NAN]], [[4, 5, NAN]]],
        [1, 2, 2],
    ),
    "long, unequal": (
        "x.csv",
        "id,time,v\n7,0,1\n8,5,9\n7,1,2\n7,2,\n7,3,4\n",
        TableOptions(id_column="id", time_column="time"),
        [[[1, 2, NAN, 4]], [[9, NAN, NAN, NAN]]],
        None,
    ),
    "ts, unequal, with gaps": (
        "x.ts",
        "@missing true\n@equalLength false\n@classLabel true a b\n@data\n1,?,3:a\n1,2:b\n",
        None,
        [[[1, NAN, 3]], [[1, 2, NAN]]],
        ["a", "b"],
    ),
    "ts keeps capitals": (
        "x.ts",
        "@classLabel true Up down\n@data\n1,2:Up\n3,4:down\n",
        None,
        [[[1, 2]], [[3, 4]]],
        ["Up", "down"],
    ),
    "ts without labels": ("x.ts", "@classLabel false\n@data\n1,2\n3,4\n", None, [[[1, 2]], [[3, 4]]], None),
    "ts, regression": ("x.ts", "@targetlabel true\n@data\n1,2:0.5\n3,4:1.5\n", None, [[[1, 2]], [[3, 4]]], [0.5, 1.5]),
    "arff": (
        "x.arff",
        "@relation x\n@attribute t0 numeric\n@attribute t1 real\n@attribute kind {a, b}\n@data\n1,2,a\n3,4,b\n",
        None,
        [[[1, 2]], [[3, 4]]],
        ["a", "b"],
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_usual_forms_are_understood(name: str, tmp_path: Path) -> None:
    file_name, content, options, X, y = FORMS[name]
    (tmp_path / file_name).write_bytes(content.encode())
    series = read_series(tmp_path / file_name, options)
    np.testing.assert_array_equal(series.X, np.array(X, dtype=np.float32))
    assert (None if series.y is None else series.y.tolist()) == y


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
def test_long_binary_tables_equal_the_array_they_came_from(suffix: str, tmp_path: Path) -> None:
    X = random_series(n_cases=5, n_channels=3, n_timepoints=4)
    case, step = np.indices((5, 4)).reshape(2, -1)
    frame = pd.DataFrame({"case": case, "step": step, "kind": case % 2 == 0})
    for channel in range(3):
        frame[f"sensor{channel}"] = X[case, channel, step]
    shuffled = frame.sample(frac=1, random_state=0).sort_values("case", kind="stable").reset_index(drop=True)
    path = tmp_path / f"x{suffix}"
    shuffled.to_parquet(path) if suffix == ".parquet" else shuffled.to_feather(path)
    series = read_series(path, TableOptions("kind", "case", "step"))
    np.testing.assert_array_equal(series.X, X)
    assert series.y is not None and series.y.tolist() == [True, False, True, False, True]


@pytest.mark.parametrize("shape", [(4, 6), (4, 2, 6)])
def test_lone_arrays_are_read(shape: tuple[int, ...], tmp_path: Path) -> None:
    X = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    np.save(tmp_path / "x.npy", X)
    series = read_series(tmp_path / "x.npy")
    np.testing.assert_array_equal(series.X, X.reshape(4, -1, 6))
    assert series.y is None


def test_what_is_done_to_a_mapped_array_never_reaches_its_file(tmp_path: Path) -> None:
    X = random_series()
    np.save(tmp_path / "x.npy", X)
    read_series(tmp_path / "x.npy").X[:] = 0
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), X)


@pytest.mark.parametrize(
    ("texts", "labels"),
    [
        (["1", "-1", "+3"], [1, -1, 3]),
        (["1.0", "2.0000000e+00"], [1.0, 2.0]),
        (["1E2", "100"], ["1E2", "100"]),
        (["1", "1.0"], ["1", "1.0"]),
        (["True", "true"], ["True", "true"]),
        (["1.5", "2"], ["1.5", "2"]),
        (["007", "8"], ["007", "8"]),
        (["1", "b"], ["1", "b"]),
        (["1_0", "2"], ["1_0", "2"]),
        (["inf", "1"], ["inf", "1"]),
        (["99999999999999999999", "1"], ["99999999999999999999", "1"]),
        (["True", "false"], [True, False]),
        (["true", "1"], ["true", "1"]),
        (["a ", ""], ["a", None]),
    ],
)
def test_labels_read_as_text_get_the_kind_they_look_like(texts: list[str], labels: list[object]) -> None:
    assert parse_labels(texts) == labels
    assert [type(label) for label in parse_labels(texts)] == [type(label) for label in labels]


def test_a_remark_of_several_lines_is_one_cell(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('t0,t1,remark\n1,2,"loose lead,\nmended, see page 3"\n3,4,none\n')
    assert load_half(path, ignore_columns=["remark"]).X.tolist() == [[[1, 2]], [[3, 4]]]
