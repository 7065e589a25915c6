"""A law for every reader of tables: what any of them wrote is read back equal, or refused; never otherwise."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import csv as arrow_csv

from ncvqvae.data import SeriesWriter, TableForm, load_half
from ncvqvae.errors import InputError

LAW = settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
SCHEMES = {
    "t0": lambda step: f"t{step}",
    "X1": lambda step: f"X{step + 1}",
    "V1": lambda step: f"V{step + 1}",
    "0": str,
    "1": lambda step: str(step + 1),
    "t_0": lambda step: f"t_{step}",
    "x[0]": lambda step: f"x[{step}]",
    "2024": lambda step: str(2001 + step),
    "dates": lambda step: str(pd.Timestamp("2024-01-30") + pd.Timedelta(days=step))[:10],
    "times": lambda step: str(pd.Timestamp("2024-01-30 23:30") + pd.Timedelta(minutes=step)),
    "0.5": lambda step: f"{0.5 * step + 0.5}",
}
CHANNELS = (("",), ("acc_", "gyro_"), ("acc_x_t", "acc_y_t", "acc_z_t"), ("temperature ", "vibration "))
LABELS = (None, ["idle", "run"], [3, 7], ["1E2", "100"], [True, False], [0.5, 1.5], ["a,b", 'say "x"'], ["läuft", "NA"])
IDS = (None, "text", "numbers", "blanks")
STRANGERS = (None, "patient", "age", "subject_id", "y", "fold_1", "visit date", "comment")


@dataclass
class Table:
    """A random table, what it holds, and the options that name its columns."""

    frame: pd.DataFrame
    X: np.ndarray
    y: list[Any] | None
    ids: list[Any] | None
    options: dict[str, Any]


@st.composite
def wide_tables(draw: st.DrawFn, stranger: bool = False) -> Table:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_cases, n_steps = draw(st.integers(4, 7)), draw(st.integers(4, 14))
    prefixes = draw(st.sampled_from(CHANNELS))
    scheme = SCHEMES[draw(st.sampled_from(sorted(SCHEMES)))] if prefixes == ("",) else str
    X = np.round(rng.normal(size=(n_cases, len(prefixes), n_steps)), draw(st.integers(1, 6))) + 0.5**12
    columns = {f"{p}{scheme(s)}": X[:, c, s] for c, p in enumerate(prefixes) for s in range(n_steps)}
    labels, kind, options = draw(st.sampled_from(LABELS)), draw(st.sampled_from(IDS)), {}
    y = None if labels is None else [labels[i % 2] for i in range(n_cases)]
    if y is not None:
        name = draw(st.sampled_from(["label", "Class", "activity"]))
        columns[name] = y
        if name == "activity":
            options["label_column"] = name
    ids = None
    if kind is not None:
        ids = [i * 3 + 100 for i in range(n_cases)] if kind == "numbers" else [f"m{i}" for i in range(n_cases)]
        columns["unit"] = [f" {name} " for name in ids] if kind == "blanks" else ids
        options["id_column"] = "unit"
    if stranger:
        name = draw(st.sampled_from(STRANGERS[1:]))
        columns[name] = rng.integers(20, 90, n_cases) if name != "comment" else ["ok"] * n_cases
    order = draw(st.permutations(list(columns)))
    met = [
        next(i for i, name in enumerate(order) if name.startswith(prefix) and prefix) for prefix in prefixes if prefix
    ]
    return Table(pd.DataFrame(columns)[order], X[:, np.argsort(met)] if met else X, y, ids, options)


@st.composite
def long_tables(draw: st.DrawFn) -> Table:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_cases, n_steps, n_channels = draw(st.integers(2, 5)), draw(st.integers(3, 9)), draw(st.integers(1, 3))
    X = np.round(rng.normal(size=(n_cases, n_channels, n_steps)), 4) + 0.5**12
    start = pd.Timestamp("2024-02-27 22:00")
    times = draw(
        st.sampled_from(
            [
                np.arange(n_steps),
                np.arange(n_steps) * 0.25,
                pd.date_range(start, periods=n_steps, freq="D"),
                pd.date_range(start, periods=n_steps, freq="MS"),
                pd.date_range(start, periods=n_steps, freq="h", tz="Europe/Berlin"),
                pd.date_range(start, periods=n_steps, freq="D").strftime("%Y%m%d").astype(int),
                pd.date_range(start, periods=n_steps, freq="D").strftime("%d.%m.%Y"),
                pd.to_timedelta(np.arange(n_steps), unit="min"),
            ]
        )
    )
    case, step = np.indices((n_cases, n_steps)).reshape(2, -1)
    frame = pd.DataFrame({"unit": [f"m{i}" for i in case], "time": pd.Index(times)[step]})
    for channel in range(n_channels):
        frame[f"sensor{channel}"] = X[case, channel, step]
    y = [f"class {i % 2}" for i in range(n_cases)]
    frame["state"] = [y[i] for i in case]
    rows = np.array(draw(st.permutations(range(len(frame)))))
    first = list(dict.fromkeys(case[rows].tolist()))
    options = {"id_column": "unit", "time_column": "time", "label_column": "state"}
    return Table(
        frame.iloc[rows].reset_index(drop=True), X[first], [y[i] for i in first], [f"m{i}" for i in first], options
    )


def as_r(frame: pd.DataFrame, separator: str, decimal: str) -> str:
    """What R's write.table makes of it: texts and names in quotes, row names without a name above them."""
    frame = frame.map(lambda cell: str(cell).upper() if isinstance(cell, (bool, np.bool_)) else cell)
    frame.index = [str(i + 1) for i in range(len(frame))]
    text = frame.to_csv(sep=separator, decimal=decimal, quoting=2, header=False)
    return separator.join(f'"{str(name).replace(chr(34), chr(34) * 2)}"' for name in frame.columns) + "\n" + text


def forms(table: Table, folder: Path) -> dict[str, Any]:
    """The same table in every form that is read."""
    frame = table.frame
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    made: dict[str, Any] = {
        name: folder / f"{name}.csv" for name in ("pandas", "indexed", "arrow", "polars", "r", "r2")
    }
    made |= {"tsv": folder / "tabs.tsv", "parquet": folder / "x.parquet", "feather": folder / "x.feather"}
    frame.to_csv(made["pandas"], index=False)
    frame.to_csv(made["indexed"])
    if "time" in frame and frame["time"].dtype.kind == "m":  # neither has a text for durations
        del made["arrow"], made["polars"]
    else:
        arrow_csv.write_csv(arrow, made["arrow"])
        polars.from_arrow(arrow).write_csv(made["polars"])
    made["r"].write_text(as_r(frame, ",", "."), encoding="utf-8")
    made["r2"].write_text(as_r(frame, ";", ","), encoding="utf-8")
    frame.to_csv(made["tsv"], sep="\t", index=False)
    frame.to_parquet(made["parquet"])
    frame.to_feather(made["feather"])
    return {**made, "DataFrame": frame, "polars frame": polars.from_arrow(arrow), "Arrow table": arrow}


def read(source: Any, options: dict[str, Any]) -> tuple[Any, ...] | str:
    try:
        half = load_half(source, **options)
    except InputError as error:
        return str(error).split(": ", 1)[1]
    return half.X, half.y, half.ids


def read_with_header(source: Any, options: dict[str, Any]) -> tuple[Any, ...] | str:
    """Read; where few numbers in the first line leave it open, say that they are names."""
    found = read(source, options)
    if isinstance(found, str) and "say which with header=True" in found:
        return read(source, {**options, "header": True})
    return found


def check_equal(name: str, table: Table, found: tuple[Any, ...] | str) -> None:
    assert not isinstance(found, str), f"{name}: {found}"
    X, y, ids = found
    np.testing.assert_allclose(X, table.X, rtol=1e-6, atol=1e-7, err_msg=name)
    assert (None if y is None else y.tolist()) == table.y, name
    assert (None if y is None else [type(label) for label in y.tolist()]) == (
        None if table.y is None else [type(label) for label in table.y]
    ), name
    if table.ids is not None:
        assert ids == table.ids, name


@LAW
@given(table=wide_tables())
def test_wide_tables_come_back_equal_from_every_form(table: Table, tmp_path: Path) -> None:
    for name, source in forms(table, tmp_path).items():
        check_equal(name, table, read_with_header(source, table.options))


@LAW
@given(table=long_tables())
def test_long_tables_come_back_equal_from_every_form(table: Table, tmp_path: Path) -> None:
    for name, source in forms(table, tmp_path).items():
        check_equal(name, table, read_with_header(source, table.options))


@LAW
@given(table=wide_tables(stranger=True))
def test_a_column_that_is_no_time_step_is_refused_in_every_form(table: Table, tmp_path: Path) -> None:
    stranger = next(name for name in STRANGERS[1:] if name in table.frame)
    for name, source in forms(table, tmp_path).items():
        message = read_with_header(source, table.options)
        assert isinstance(message, str) and repr(stranger) in message and "ignore_columns" in message, name
        check_equal(name, table, read(source, {**table.options, "ignore_columns": [stranger]}))


@LAW
@given(table=wide_tables(), data=st.data())
def test_a_blank_id_is_refused_in_every_form(table: Table, data: st.DataObject, tmp_path: Path) -> None:
    row = data.draw(st.integers(0, len(table.frame) - 1))
    frame = table.frame.assign(unit=[None if i == row else f"m{i}" for i in range(len(table.frame))])
    spoiled = Table(frame, table.X, table.y, None, {**table.options, "id_column": "unit"})
    for name, source in forms(spoiled, tmp_path).items():
        message = read_with_header(source, spoiled.options)
        assert isinstance(message, str) and f"column 'unit' has no id in row {row + 1}" in message, name


@pytest.mark.parametrize("n_steps", [2, 3, 5, 9])
@pytest.mark.parametrize("label", ["walk", "1", ""])
def test_rows_without_a_header_are_never_taken_for_one(n_steps: int, label: str, tmp_path: Path) -> None:
    """Series that count are all there, or what they are is asked; where it is said, they are read."""
    values = np.add.outer(np.arange(3), np.arange(n_steps))
    rows = [[label, *row] if label else row for row in values.tolist()]
    path = tmp_path / "x.csv"
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
    options = {"label_column": "0"} if label == "1" else {}
    said = read(path, {"header": False, **options})
    assert not isinstance(said, str), said
    np.testing.assert_array_equal(said[0][:, 0], values)
    found = read(path, options)
    if isinstance(found, str):
        assert "say which with header" in found
    else:
        np.testing.assert_array_equal(found[0][:, 0], values)


@pytest.mark.parametrize("header", [True, False])
def test_a_label_among_columns_without_names_is_refused(header: bool, tmp_path: Path) -> None:
    """A UCR array that pandas wrote: the first of the columns 0, 1, 2 … is the label."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(np.column_stack([np.arange(8) % 2 + 1, rng.normal(size=(8, 12))]))
    frame.to_csv(tmp_path / "x.csv", index=False, header=header)
    for source in (tmp_path / "x.csv", frame):
        message = read(source, {})
        assert isinstance(message, str) and "column '0' holds whole numbers and the others do not" in message
        X, y, _ = read(source, {"label_column": "0"})
        np.testing.assert_allclose(X[:, 0], frame.iloc[:, 1:], rtol=1e-6)
        assert y.tolist() == [1, 2] * 4


def as_texts(path: Path) -> pd.DataFrame:
    """A file as it stands there: texts as texts, other tables as they are."""
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix == ".feather":
        return pd.read_feather(path)
    text = path.read_text(encoding="utf-8")
    separator = max("\t;,", key=text.splitlines()[0].count)
    return pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False)


def written(source: Path, options: dict[str, Any]) -> pd.DataFrame:
    """The series of a file, written as samples are."""
    half, path = load_half(source, **options), source.with_name(f"out-{source.name}")
    with SeriesWriter(path, form=TableForm.from_dict(half.form.to_dict())) as writer:
        writer.write(half.X, half.y)
    check_equal(
        source.name,
        Table(pd.DataFrame(), half.X, None if half.y is None else half.y.tolist(), None, {}),
        (*read(path, options)[:2], None),
    )
    return as_texts(path)


@LAW
@given(table=wide_tables())
def test_what_was_read_from_a_wide_file_is_written_in_its_form(table: Table, tmp_path: Path) -> None:
    for source in forms(table, tmp_path).values():
        if not isinstance(source, Path) or isinstance(read(source, table.options), str):
            continue  # a first line that may be names or values: the option would be given for the samples, too
        before, after = as_texts(source), written(source, table.options)
        kept = [name for name in before.columns if name in table.frame.columns]
        assert [name for name in after.columns if name in kept] == kept
        assert [after[name].dtype for name in kept] == [before[name].dtype for name in kept]
        if table.y is not None:
            label = table.options.get("label_column") or next(name for name in ("label", "Class") if name in before)
            assert after[label].tolist() == before[label].tolist()


@LAW
@given(table=long_tables())
def test_what_was_read_from_a_long_file_is_written_in_its_form(table: Table, tmp_path: Path) -> None:
    n_steps = table.X.shape[2]
    for source in forms(table, tmp_path).values():
        if not isinstance(source, Path):
            continue
        before, after = as_texts(source), written(source, table.options)
        own = before[before["unit"].astype(str).str.strip() == before["unit"].iloc[0]]
        in_order = table.frame.loc[table.frame["unit"] == table.ids[0]].reset_index(drop=True)
        order = sorted(range(n_steps), key=lambda row: by_time(in_order["time"].iloc[row]))
        times, expected = after["time"].tolist()[:n_steps], [own["time"].iloc[row] for row in order]
        if in_order["time"].dtype.kind == "f":  # 0.0 is also written as 0
            times, expected = ([float(str(time).replace(",", ".")) for time in some] for some in (times, expected))
        assert times == expected, source.name
        assert after["time"].dtype == before["time"].dtype and after["state"].tolist()[0] == own["state"].iloc[0]


def by_time(value: Any) -> Any:
    return pd.to_datetime(value, format="%d.%m.%Y") if isinstance(value, str) else value
