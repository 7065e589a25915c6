"""Generated series come back in the form of the input's table: columns, dtypes, labels, ids and times."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ncvqvae.data import SeriesWriter, TableForm, TableOptions, load_half, options_like, read_series

RNG = np.random.default_rng(0)
CASE, STEP = np.indices((4, 6)).reshape(2, -1)


def wide() -> pd.DataFrame:
    values = {f"t{i}": RNG.normal(size=4) for i in range(6)}
    return pd.DataFrame({"patient": ["p", "q", "r", "s"], **values, "kind": ["a", "b", "a", "b"]})


def two_channels() -> pd.DataFrame:
    columns = {f"{name}_t{i}": RNG.normal(size=4).astype(np.float32) for i in range(6) for name in ("volt", "amp")}
    return pd.DataFrame({**columns, "label": [True, False, True, False]})


def counts() -> pd.DataFrame:
    values = RNG.integers(0, 200, size=(4, 6)).astype(np.uint8)
    return pd.DataFrame({"label": np.array([1, 2, 1, 2], np.int8), **{f"t{i}": values[:, i] for i in range(6)}})


def long(times: object) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "when": np.asarray(times)[STEP],
            "volt": RNG.normal(size=24),
            "machine": CASE + 10,
            "amp": RNG.normal(size=24).astype(np.float32),
            "label": np.where(CASE % 2, "on", "off"),
        }
    )


DATES = pd.date_range("2024-02-28", periods=6, freq="D")
HOURS = pd.date_range("2024-02-28 22:00", periods=6, freq="h")
LONG = TableOptions(id_column="machine", time_column="when")
TABLES = {
    "wide": (wide(), TableOptions(label_column="kind", id_column="patient")),
    "two channels": (two_channels(), TableOptions()),
    "counts": (counts(), TableOptions()),
    "long": (long(np.arange(6)), LONG),
    "long, fractions": (long(np.arange(6) * 0.25 + 3), LONG),
    "long, dates": (long(DATES), LONG),
    "long, dates as text": (long(DATES.strftime("%Y-%m-%d")), LONG),
    "long, times as text": (long(HOURS.strftime("%Y-%m-%dT%H:%M:%S")), LONG),
}


def write(frame: pd.DataFrame, path: Path) -> None:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_feather(path)


def read(path: Path) -> pd.DataFrame:
    return {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".feather": pd.read_feather}[path.suffix](path)


def form_of(path: Path, options: TableOptions) -> TableForm:
    form = load_half(path, **{name: getattr(options, name) for name in options.given()}).form
    assert form is not None
    return TableForm.from_dict(form.to_dict())


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather"])
@pytest.mark.parametrize("name", TABLES)
def test_what_was_read_is_written_in_the_same_form(name: str, suffix: str, tmp_path: Path) -> None:
    frame, options = TABLES[name]
    write(frame, tmp_path / f"in{suffix}")
    data, out = read_series(tmp_path / f"in{suffix}", options), tmp_path / f"out{suffix}"
    with SeriesWriter(out, n_cases=4, form=form_of(tmp_path / f"in{suffix}", options)) as writer:
        for rows in (slice(0, 3), slice(3, 4)):
            writer.write(data.X[rows], data.y[rows])
    before, after = read(tmp_path / f"in{suffix}"), read(out)
    assert after.columns.tolist() == before.columns.tolist()
    assert [str(d) for d in after.dtypes] == [str(d) for d in before.dtypes]
    again = read_series(out, options)
    np.testing.assert_array_equal(again.X, data.X)
    assert again.y.tolist() == data.y.tolist()
    if options.time_column:
        assert after["when"].tolist() == before["when"].tolist()
        assert after["machine"].tolist() == (before["machine"] - 10).tolist()  # ids are generated
    if options.id_column == "patient":
        assert after["patient"].tolist() == [f"generated-{i}" for i in range(4)]


def test_whole_numbers_are_rounded_into_their_range(tmp_path: Path) -> None:
    counts().to_parquet(tmp_path / "in.parquet")
    X = np.array([[[-3.0, 0.4, 0.6, 300, np.nan, 7]]], np.float32)
    with SeriesWriter(tmp_path / "out.parquet", form=form_of(tmp_path / "in.parquet", TableOptions())) as writer:
        writer.write(X, [1])
    written = pd.read_parquet(tmp_path / "out.parquet", dtype_backend="numpy_nullable").iloc[0]
    assert written[["t0", "t1", "t2", "t3", "t5"]].tolist() == [0, 0, 1, 255, 7] and written.isna()["t4"]


def test_shorter_series_have_fewer_rows_and_unlabelled_ones_no_label(tmp_path: Path) -> None:
    long(np.arange(6)).to_parquet(tmp_path / "in.parquet")
    X = np.ones((3, 2, 6), np.float32)
    X[1, :, 2:] = np.nan
    with SeriesWriter(tmp_path / "out.parquet", form=form_of(tmp_path / "in.parquet", LONG)) as writer:
        writer.write(X)
    written = pd.read_parquet(tmp_path / "out.parquet")
    assert written.columns.tolist() == ["when", "volt", "machine", "amp"]
    assert written["machine"].value_counts().to_dict() == {0: 6, 1: 2, 2: 6}


def test_the_archives_text_keeps_its_form(tmp_path: Path) -> None:
    (tmp_path / "in.tsv").write_text("1\t0.5\t2\t3\n-1\t3\t4\n")
    data = read_series(tmp_path / "in.tsv")
    form = form_of(tmp_path / "in.tsv", TableOptions())
    for name in ("out.tsv", "out.csv"):
        with SeriesWriter(tmp_path / name, form=form) as writer:
            writer.write(data.X, data.y)
        np.testing.assert_array_equal(read_series(tmp_path / name).X, data.X)
    assert (tmp_path / "out.tsv").read_text() == "1\t0.5\t2\t3\n-1\t3\t4\t\n"
    assert (tmp_path / "out.csv").read_text().startswith('"label","t0"')


def test_truths_stay_truths(tmp_path: Path) -> None:
    rows = ["a,0,True,1", "a,1,False,0", "b,0,,1", "b,1,True,1"]
    (tmp_path / "in.csv").write_text("\n".join(["id,time,door,count", *rows, ""]))
    options = TableOptions(id_column="id", time_column="time")
    data, form = read_series(tmp_path / "in.csv", options), form_of(tmp_path / "in.csv", options)
    X = np.where(data.X == 1, np.float32(0.8), data.X)
    with SeriesWriter(tmp_path / "out.csv", form=form) as writer:
        writer.write(X)
    written = pd.read_csv(tmp_path / "out.csv", dtype=str)
    assert written["door"].fillna("").tolist() == ["true", "false", "", "true"]
    assert written["count"].tolist() == ["1", "0", "1", "1"]
    np.testing.assert_array_equal(read_series(tmp_path / "out.csv", options).X, data.X)


TEXTS = {
    "commas": ("in.csv", "kind,t0,t1\na,1.5,2.25\nb,-3,0.5\n"),
    "semicolons": ("in.csv", "kind;t0;t1\na;1.5;2.25\nb;-3;0.5\n"),
    "decimal commas": ("in.csv", "kind;t0;t1\na;1,5;2,25\nb;-3;0,5\n"),
    "tabs in .csv": ("in.csv", "kind\tt0\tt1\na\t1.5\t2.25\nb\t-3\t0.5\n"),
    "tabs": ("in.tsv", "kind\tt0\tt1\na\t1.5\t2.25\nb\t-3\t0.5\n"),
    "decimal commas between tabs": ("in.tsv", "kind\tt0\tt1\na\t1,5\t2,25\nb\t-3\t0,5\n"),
    "blanks": ("in.txt", "kind t0 t1\na 1.5 2.25\nb -3 0.5\n"),
}


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".feather"])
@pytest.mark.parametrize("name", TEXTS)
def test_a_file_of_another_type_has_the_separator_of_its_own(name: str, suffix: str, tmp_path: Path) -> None:
    source, content = TEXTS[name]
    (tmp_path / source).write_text(content)
    options = TableOptions(label_column="kind")
    data, form = read_series(tmp_path / source, options), form_of(tmp_path / source, options)
    with SeriesWriter(tmp_path / f"out{suffix}", form=form) as writer:
        writer.write(data.X, data.y)
    again = read_series(tmp_path / f"out{suffix}", options)
    np.testing.assert_array_equal(again.X, data.X)
    assert again.y.tolist() == ["a", "b"]
    if suffix in (".csv", ".tsv"):
        first = (tmp_path / f"out{suffix}").read_text().splitlines()[0]
        kept = form.separator if suffix == form.suffix else "\t" if suffix == ".tsv" else ",;"[form.decimal == ","]
        assert first == kept.join(['"kind"', '"t0"', '"t1"'])


def test_semicolons_stay(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("label;x0;x1\n1;2;3\n2;3;4\n")
    assert form_of(tmp_path / "in.csv", TableOptions()).separator == ";"


def test_windows_and_folders_are_written_long_with_an_id(tmp_path: Path) -> None:
    frame = pd.DataFrame({"volt": np.arange(40.0), "state": ["a"] * 40})
    (tmp_path / "folder" / "up").mkdir(parents=True)
    frame.to_csv(tmp_path / "in.csv", index=False)
    for name in ("0.csv", "1.csv"):
        frame[["volt"]].to_csv(tmp_path / "folder" / "up" / name, index=False)
    sources = {
        "state": (tmp_path / "in.csv", {"window": 10, "label_column": "state"}),
        "label": (tmp_path / "folder", {}),
    }
    for label, (source, options) in sources.items():
        with SeriesWriter(tmp_path / "out.parquet", form=load_half(source, **options).form) as writer:
            writer.write(np.zeros((2, 1, 10), np.float32), ["a", "b"])
        written = pd.read_parquet(tmp_path / "out.parquet")
        assert written.columns.tolist() == ["series", "volt", label]
        assert written["series"].tolist() == [0] * 10 + [1] * 10 and set(written[label]) == {"a", "b"}
        again = read_series(tmp_path / "out.parquet", options_like(tmp_path / "out.parquet", writer._form))
        assert again.X.shape == (2, 1, 10) and again.y is not None and again.y.tolist() == ["a", "b"]


def test_arrays_have_no_form(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((3, 4)))
    assert load_half(tmp_path / "x.npy").form is None
