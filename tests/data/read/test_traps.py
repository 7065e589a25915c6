"""Tables that a tester broke the readers with: each is read rightly, refused, or what was left out is said."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars
import pytest
from tests.tables import LONG, NOISE, WIDE, lines, long, read, with_labels

from ncvqvae.data import SeriesWriter, load_half, load_splits
from ncvqvae.errors import InputError

TS = "@problemName x\n@classLabel true a b\n@data\n"
RELATION = "@attribute s relational\n@attribute t0 real\n@attribute t1 real\n@end s\n@attribute c {a,'b,1'}\n@data\n"
EIGHT = [f"{name}{i}" for name in ("V",) for i in range(1, 10)]
# file name, content, options, part of the refusal
REFUSED = {
    "R's default names": ("x.csv", with_labels(",".join(EIGHT)), {}, "column 'V1' holds whole numbers"),
    "the label last": ("x.csv", with_labels(",".join(EIGHT), last=True), {}, "column 'V9' holds whole numbers"),
    "German thousands": (
        "x.csv",
        "t0;t1\n1.234;12,5\n12,5;1\n",
        {},
        "decimal points in column 't0' and decimal commas",
    ),
    "thousands beside small numbers": (
        "x.csv",
        "t0;t1\n1,234;1\n999;2\n",
        {},
        "commas in its numbers, such as '1,234'",
    ),
    "points between thousands": (
        "x.csv",
        "label;t0;t1\na;12.412;13.323\nb;686;28.370\n",
        {},
        "column 't0' has points in its numbers, such as '12.412', that may be marks for thousands, beside '686'; write "
        "thousands without marks, or 686 as 686.000",
    ),
    "points between thousands in one column": ("x.csv", "t0;t1\n686;28.370\n0;13.323\n", {}, "'t1' has points"),
    "points between thousands, tabs": ("x.tsv", "a\t12.412\t-13.323\nb\t-6\t28.370\n", {}, "marks for thousands"),
    "points between thousands in a long table": (
        "x.csv",
        "id;time;x\na;0;12.412\na;1;13.323\nb;0;686\nb;1;28.370\n",
        LONG,
        "column 'x' has points in its numbers",
    ),
    "a date far off": ("x.csv", long(["2024-01-01", "9999-12-31"]), LONG, "dates before 1678 or after 2262"),
    "a header of few numbers": ("x.csv", "0,1\n1.5,2\n3,4\n", {}, "say which with header=True"),
    "a header that ascends": (
        "x.csv",
        lines("400.1,402.3,404.9,407,410,411,415,416", *WIDE),
        {},
        "say which with header=True",
    ),
    "clock times over midnight": ("x.csv", long(["23:58", "23:59", "00:00"]), LONG, "falls back to '00:00' in row 3"),
    "clock times of twelve hours": ("x.csv", long(["11:30", "12:15", "1:00"]), LONG, "falls back to '1:00' in row 3"),
    "points between thousands in times": (
        "x.csv",
        long(["998", "999", "1.000"]).replace(",", ";"),
        LONG,
        "column 'time' has points in its numbers, such as '1.000', that may be marks for thousands, beside '998'",
    ),
    "commas between thousands in times": (
        "x.csv",
        long(["999", '"1,000"']),
        LONG,
        "column 'time' has commas in its numbers, such as '1,000'",
    ),
    "a label missing among numbers": ("x.csv", "label,t0,t1\n1,1,2\nNA,3,4\n", {}, "the label of series 1 is missing"),
    "a bad cell in the first column": (
        "x.csv",
        lines(*WIDE, "-,1,2,3,4,5,6,7"),
        {},
        "holds '-' in row 7 among numbers",
    ),
    "an offset at some times": ("x.csv", long(["2024-01-01T00:00", "2024-01-01T01:00Z"]), LONG, "with and without"),
    "a subject with windows": ("x.csv", lines("subject,v", *("1,2" for _ in range(9))), {"window": 4}, "'subject'"),
    "clock times as columns": ("x.csv", lines("00:00,00:01,01:00,01:01", "1,2,3,4", "5,6,7,8"), {}, "'00:00'"),
    "steps before channels": ("x.csv", lines("t0_c0,t0_c1,t1_c0,t1_c1", "1,2,3,4", "5,6,7,8"), {}, "'t0_c0'"),
    "a melted table": ("x.csv", "id,time,kind,x\n1,0,a,1\n1,0,b,2\n", {**LONG, "ignore_columns": ["kind"]}, "channel"),
    "dates either way after many rows": (
        "x.csv",
        lines(
            "id,time,x", *(f"{i},0{1 + m}/0{1 + d}/2023,{d}" for d in range(3) for m in range(2) for i in range(600))
        ),
        LONG,
        "either way round",
    ),
    "a ts without @classLabel": ("x.ts", "@problemName x\n@data\n1,2:3,4\n5,6:7,8\n", {}, "without @classLabel"),
    "a class that is not listed": (
        "x.arff",
        "@attribute t0 numeric\n@attribute t1 numeric\n@attribute c{a,b}\n@data\n1,2,a\n3,4,b % why\n",
        {},
        "row 2 of the data has 'b % why'",
    ),
    "a class that a ts does not list": ("x.ts", f"{TS}1,2:a\n3,4:b # why\n", {}, "row 2 of the data has 'b # why'"),
    "an underscore in a ts": ("x.ts", f"{TS}1,2:a\n1_0,4:b\n", {}, "row 2 of the data has an underscore in a number"),
    "a class that a relation does not list": ("x.arff", f"{RELATION}'1,2\\n3,4',z\n", {}, "row 1 of the data has 'z'"),
    "channels of unequal length in a relation": ("x.arff", f"{RELATION}'1,2\\n3',a\n", {}, "channels of 1 to 2 steps"),
    "two attributes behind a relation": (
        "x.arff",
        RELATION.replace("@data", "@attribute d {u}\n@data") + "'1,2\\n3,4',a,u\n",
        {},
        "attributes 's', 'c', 'd'; give the relational one first",
    ),
    **{
        f"whole numbers beyond float64, {name}": (name, content.format(2**53 + 1), {}, "whole numbers beyond 2**53")
        for name, content in {
            "x.csv": "t0,t1\n1,{}\n3,4\n",
            "x.tsv": "1\t{}\t2\n2\t3\t4\n",
            "x.ts": TS + "{},2:a\n3,4:b\n",
            "x.arff": RELATION.replace("{", "{{").replace("}", "}}") + "'-{},2\\n3,4',a\n",
        }.items()
    },
    "a quote that is not closed": (
        "x.csv",
        'label,t0,t1\nx,1,2\n"a,1,2\nb,3,4\n"c,5,6\n',
        {},
        "a cell that goes on over lines and cells",
    ),
    "a user's number with windows": (
        "x.csv",
        lines("user,v", *["3,2.5"] * 9),
        {"window": 4},
        "'user' among the channels",
    ),
    "tables that were joined": ("x.csv", "label,0,1\na,1,2\nlabel,0,1\nb,3,4\n", {}, "stand again in row 2"),
    "lags": ("x.csv", "lag_1,lag_2,lag_3\n1,2,3\n4,5,6\n", {}, "'lag_1', whose numbers may count backwards in time"),
    "steps before now": ("x.csv", "x(t-2),x(t-1)\n1,2\n4,5\n", {}, "'x(t-2)', whose numbers may count backwards"),
    "a wide table for a recording": (
        "x.csv",
        with_labels("label," + ",".join(f"t{i}" for i in range(8))),
        {"window": 2},
        "columns t0 … t7 have the names of time steps, but here a row is a time step",
    ),
    "a time with its unit": (
        "x.csv",
        lines("Time (s),v", *["1,2"] * 9),
        {"window": 4},
        "'Time (s)' among the channels",
    ),
    "an index of times": (
        "x.csv",
        lines(",a,b", *(f"2024-01-0{i},1,{i}" for i in range(1, 9))),
        {},
        "the first column has no name and holds times",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_unclear_is_refused(name: str, tmp_path: Path) -> None:
    file_name, content, options, message = REFUSED[name]
    (tmp_path / file_name).write_text(content)
    with pytest.raises(InputError) as caught:
        load_half(tmp_path / file_name, **options)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_described_series_may_be_a_channel_where_it_is_listed(tmp_path: Path) -> None:
    text = lines("id,time,x,age", "a,0,1,30", "a,1,2,30", "b,0,3,40", "b,1,4,40")
    assert read(tmp_path, text, value_columns=["x", "age"], **LONG).X[:, 1].tolist() == [[30, 30], [40, 40]]


def test_a_blank_label_of_a_binary_table_is_missing(tmp_path: Path) -> None:
    frame = pd.DataFrame({"t0": [1.0, 2.0], "t1": [2.0, 1.0], "label": ["a", " "]})
    frame.to_parquet(tmp_path / "x.parquet")
    for source in (frame, tmp_path / "x.parquet"):
        with pytest.raises(InputError, match="the label of series 1 is missing"):
            load_half(source)


THREE_DIGITS = {
    "zeros dropped": "t0;t1\n12.412;13.3\n686;28.37\n",
    "three decimals throughout": "t0;t1\n12.412;13.323\n686.000;28.370\n",
    "three decimals after commas": "t0;t1\n12,412;13,323\n686,000;28,370\n",
    "zeros dropped after commas": "t0;t1\n12,412;13,3\n686;28,37\n",
    "a value below one": "t0;t1\n12.412;0.323\n686;28.370\n",
    "whole thousands without marks": "t0;t1\n12.412;1323\n686;28.370\n",
    "commas between cells": "t0,t1\n12.412,13.323\n686,28.370\n",
    "a channel of counts": "a_t0;a_t1;b_t0;b_t1\n12.412;13.323;1;2\n686.000;28.370;3;4\n",
}


@pytest.mark.parametrize("name", THREE_DIGITS)
def test_numbers_with_three_decimals_are_read(name: str, tmp_path: Path) -> None:
    X = read(tmp_path, THREE_DIGITS[name]).X
    assert X[:, 0, 0].tolist() == pytest.approx([12.412, 686]) and X[1, 0, 1] == pytest.approx(28.37)


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
@pytest.mark.parametrize("option", [{"label_column": "0"}, {"id_column": "0"}, {"ignore_columns": ["0"]}])
def test_an_option_for_a_position_makes_no_header(suffix: str, option: dict[str, Any], tmp_path: Path) -> None:
    rows = [f"{i if 'id_column' in option else i % 2},{row}" for i, row in enumerate(WIDE)]
    text = lines(*rows).replace(",", "\t" if suffix == ".tsv" else ",")
    np.testing.assert_array_equal(read(tmp_path, text, suffix, **option).X[:, 0], NOISE.astype(np.float32))


def test_a_separator_at_the_end_of_rows_moves_no_column(tmp_path: Path) -> None:
    half = read(tmp_path, lines("id,X1,X2,X3", "s0,0.5,0.25,0.5,", "s1,1.5,1.25,1.5,"), id_column="id")
    assert half.ids == ["s0", "s1"] and half.X.tolist() == [[[0.5, 0.25, 0.5]], [[1.5, 1.25, 1.5]]]


@pytest.mark.parametrize("shape", [(20,), (2, 10)])
def test_a_mask_holds_in_windows(shape: tuple[int, ...]) -> None:
    X = np.ma.masked_greater(np.arange(20.0).reshape(shape), 9.5)
    half = load_half(X, window=4, stride=2)
    assert np.nanmax(half.X) == 9 and "windows without a value" in half.described


def test_levels_far_apart_keep_what_differs_within_each() -> None:
    X = np.array([[level + 0.05 * step for step in range(32)] for level in (1e3, 2.5e5, 12345678)])
    np.testing.assert_array_equal(load_half(X).X[:, 0], X)


def test_recordings_that_give_no_window_are_named(tmp_path: Path) -> None:
    rows = [f"{name},{step},run" for name, n in (("a", 20), ("b", 3), ("c", 18)) for step in range(n)]
    text = lines("id,x,state", *rows)
    options = {"id_column": "id", "label_column": "state", "window": 4}
    assert "1 of 3 recordings are shorter than a window and left out: 'b'" in read(tmp_path, text, **options).described
    assert "shorter than a window" in load_splits(tmp_path / "x.csv", **options).described


def test_relational_arff_labels_and_names_with_a_hash(tmp_path: Path) -> None:
    head = "@relation x\n@attribute s relational\n@attribute t0 numeric\n@attribute t1 numeric\n@end s\n"
    text = head + "@attribute c {a,b}\n@data\n'1,2\\n3,4',a\n'5,6\\n7,8',?\n"
    with pytest.raises(InputError, match="the label of series 1 is missing"):
        read(tmp_path, text, ".arff")
    plain = "@attribute t0 numeric\n@attribute t1 numeric\n@attribute c {#a,b}\n@data\n1,2,#a\n3,4,b\n"
    assert read(tmp_path, plain, ".arff").y.tolist() == ["#a", "b"]


def test_a_relation_may_be_short_and_a_label_may_hold_a_comma(tmp_path: Path) -> None:
    half = read(tmp_path, RELATION + "'1,2\\n3,?',a\n\"5\\n7\",'b,1'\n", ".arff")
    np.testing.assert_array_equal(half.X, [[[1, 2], [3, np.nan]], [[5, np.nan], [7, np.nan]]])
    assert half.y.tolist() == ["a", "b,1"]
    bare = read(tmp_path, RELATION.partition("@attribute c")[0] + "@data\n'1,2'\n'3,4'\n", ".arff")
    assert bare.X.tolist() == [[[1, 2]], [[3, 4]]] and bare.y is None


def test_each_row_of_an_arff_has_quotes_of_its_own_kind(tmp_path: Path) -> None:
    head = "@attribute t0 real\n@attribute t1 real\n@attribute c {'a,1',\"it's\"}\n@data\n"
    assert read(tmp_path, head + "1,2,'a,1'\n3,4,\"it's\"\n", ".arff").y.tolist() == ["a,1", "it's"]


@pytest.mark.parametrize("name", ["mask", "labels", "Y", "ids", "lengths", "X_test"])
def test_arrays_beside_X_are_not_dropped(name: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", X=NOISE, **{name: np.arange(6)})
    with pytest.raises(InputError, match=f"arrays '{name}' that are not read"):
        load_half(tmp_path / "x.npz")


@pytest.mark.parametrize("kind", [polars.Categorical, polars.Enum(["a", "b"])])
def test_categories_of_polars_are_texts(kind: Any, tmp_path: Path) -> None:
    frame = polars.DataFrame({"label": ["a", "b"] * 3, **{f"t{i}": NOISE[:, i] for i in range(8)}})
    frame = frame.with_columns(polars.col("label").cast(kind))
    frame.write_ipc(tmp_path / "x.feather")
    for source in (frame, tmp_path / "x.feather"):
        assert load_half(source).y.tolist() == ["a", "b"] * 3


SOURCES = {
    "an index called as a column": (
        pd.DataFrame({"id": [1, 2], "t0": [1, 2]}).set_index("t0", drop=False) + 1,
        "differ",
    ),
    "columns that occur twice": (pd.DataFrame(NOISE, columns=list("aabbccdd")), "occur twice"),
    "a series": (pd.Series([1.0, 2.0]), "Series.*; give a .*DataFrame"),
    "a table that is not read": (polars.DataFrame({"t0": [1, 2]}).lazy(), "call collect"),
    "numbers beyond float64": (pd.DataFrame({"t0": [2**60, 2**60 + 1], "t1": [1, 2]}), "beyond 2[*][*]53"),
    "an array of such": (np.array([[2**60, 2**60 + 1]] * 2), "beyond 2[*][*]53"),
    "such beside nothing": (pd.DataFrame({"t0": pd.array([2**60, None], "Int64"), "t1": [1, 2]}), "beyond 2[*][*]53"),
    "decimals beyond float64": (pd.DataFrame({"t0": [Decimal(2**60), Decimal(1)], "t1": [1, 2]}), "beyond 2[*][*]53"),
}


def test_whole_numbers_beyond_float64_are_refused_in_a_mapped_array_too(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[2**60, 2**60 + 1]] * 2))
    with pytest.raises(InputError, match=r"beyond 2\*\*53"):
        load_half(tmp_path / "x.npy")


@pytest.mark.parametrize("name", SOURCES)
def test_sources_in_memory_are_refused_in_one_line(name: str) -> None:
    source, message = SOURCES[name]
    with pytest.raises(InputError, match=message):
        load_half(source)


def test_thermometers_may_be_called_as_time_steps_are(tmp_path: Path) -> None:
    rows = [f"{i},{row}" for i, row in enumerate(WIDE)]
    few = read(tmp_path, lines("T1,T2,T3", *(",".join(row.split(",")[:3]) for row in WIDE)), window=3)
    many = read(tmp_path, lines("time," + ",".join(f"T{i}" for i in range(8)), *rows), window=3, time_column="time")
    assert few.X.shape == (2, 3, 3) and many.X.shape == (2, 8, 3)


def test_infinite_times_are_refused() -> None:
    with pytest.raises(InputError, match="column 'time' has infinite times"):
        load_half(pd.DataFrame({"id": [1, 1, 2, 2], "time": [0, np.inf] * 2, "v": [1, 2, 3, 4]}), **LONG)


@pytest.mark.parametrize("suffix", ["", ".csv", ".parquet"])
def test_rows_of_a_recording_that_were_shuffled_are_refused(suffix: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"v": np.arange(12) % 5, "unit": list("ab") * 6})
    shuffled, joined = frame.sample(frac=1, random_state=0), pd.concat([frame[::2], frame[1::2].set_axis(range(6))])

    def source(table: pd.DataFrame) -> Any:
        path = tmp_path / f"x{suffix}"
        table.to_csv(path) if suffix == ".csv" else table.to_parquet(path) if suffix else None
        return path if suffix else table

    for table in (shuffled, joined):
        with pytest.raises(InputError, match="the row numbers fall to"):
            load_half(source(table), window=3, ignore_columns=["unit"])
    assert len(load_half(source(joined), window=3, id_column="unit").X) == 4
    assert load_half(source(shuffled.reset_index(drop=True)), window=3, ignore_columns=["unit"]).X.shape == (4, 1, 3)


def test_gaps_in_times_are_said(tmp_path: Path) -> None:
    half = read(tmp_path, long(["0", "1", "2", "5", "6"], ids="ab"), **LONG)
    assert "gaps in the times of 2 of 2, whose steps are taken as even" in half.described


def test_samples_are_spaced_as_a_series_that_shows_a_spacing(tmp_path: Path) -> None:
    text = lines("id,time,x", "a,2024-01-01,1", *(f"b,2024-01-{1 + 7 * i:02d},{i}" for i in range(4)))
    half = read(tmp_path, text, **LONG)
    with SeriesWriter(tmp_path / "out.csv", form=half.form) as writer:
        writer.write(np.zeros((1, 1, 3), np.float32))
    assert pd.read_csv(tmp_path / "out.csv")["time"].tolist() == ["2024-01-01", "2024-01-08", "2024-01-15"]


@pytest.mark.parametrize(
    ("times", "after"),
    [
        (["202310", "202311", "202312"], "202401"),
        (["20240227", "20240228", "20240229"], "20240301"),
        (["202312312340", "202312312350", "202401010000"], "202401010010"),
        (["20231231235940", "20231231235950", "20240101000000"], "20240101000010"),
    ],
)
def test_dates_in_digits_go_on_by_the_calendar(times: list[str], after: str, tmp_path: Path) -> None:
    half = read(tmp_path, long(times, ids="ab"), **LONG)
    assert "gaps" not in half.described
    with SeriesWriter(tmp_path / "out.csv", form=half.form) as writer:
        writer.write(np.zeros((1, 1, 4), np.float32))
    assert pd.read_csv(tmp_path / "out.csv", dtype=str)["time"].tolist() == [*times, after]


def test_a_step_that_holds_whole_numbers_stays_a_fraction_in_samples(tmp_path: Path) -> None:
    half = read(tmp_path, "t0,t1\n1,0.5\n2,0.25\n")
    with SeriesWriter(tmp_path / "out.csv", form=half.form) as writer:
        writer.write(np.full((1, 1, 2), 0.37, np.float32))
    assert pd.read_csv(tmp_path / "out.csv").iloc[0].tolist() == [0.37, 0.37]


def test_a_series_that_stands_too_deep_is_refused(tmp_path: Path) -> None:
    for name in ("a/1.csv", "b/s/1.csv"):
        (tmp_path / "d" / name).parent.mkdir(parents=True)
        (tmp_path / "d" / name).write_text("v\n1\n2\n3\n")
    with pytest.raises(InputError, match="series in the folder b"):
        load_half(tmp_path / "d")


def test_a_test_half_with_other_time_steps_is_refused(tmp_path: Path) -> None:
    for half, first in (("TRAIN", 1), ("TEST", 2)):
        names = ",".join(f"X{first + i}" for i in range(8))
        (tmp_path / f"x_{half}.csv").write_text(lines(names, *WIDE))
    with pytest.raises(InputError, match="time steps from 'X2' on where train has 'X1'"):
        load_splits(tmp_path / "x_TRAIN.csv")


def test_a_blank_before_a_quote_far_down_adds_no_quotes(tmp_path: Path) -> None:
    rows = [f"{i},{i + 0.5},a" for i in range(300)]
    half = read(tmp_path, lines("t0,t1,label", *rows, '1,2, "b"'))
    assert half.y.tolist() == ["a"] * 300 + ["b"]
