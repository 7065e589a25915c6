"""What is read as it stands, and may not be meant so, is said before training; of ordinary tables nothing is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.tables import LONG, NOISE, WIDE, lines, long, with_labels

from ncvqvae.data import load_half, load_splits
from ncvqvae.errors import InputError


def summed_up(of: Any) -> str:
    rows = [*WIDE, ",".join(map(str, of))]
    return lines("label," + ",".join(f"t{i}" for i in range(8)), *(f"a,{row}" for row in rows))


def wide(header: str, row: str = "1,2,3,1") -> str:
    return lines(header, *(row.replace("1", f"1.{i}") for i in range(4)))


WHOLE = [",".join(map(str, row)) for row in np.random.default_rng(0).integers(-500, 500, (30, 8))]
V_NAMES = ",".join(f"V{i}" for i in range(1, 10))
RECORDING = lines("no,v", *(f"{i},{i * i % 7}" for i in range(12)))
# file name, content, options, part of what is said before training
SAID = {
    "a row of means": ("x.csv", summed_up(NOISE.mean(axis=0)), {}, "row 7 is the mean of those above it"),
    "a row of rounded means": ("x.csv", summed_up(NOISE.mean(axis=0).round(3)), {}, "row 7 is the mean of those"),
    "a row of sums": ("x.csv", summed_up(NOISE.sum(axis=0)), {}, "row 7 is the sum of those above it"),
    "a number for nothing": ("x.csv", wide("t0,t1,t2,t3", "1,2,-999,1"), {}, "-999 stands"),
    "a fraction for nothing": ("x.tsv", "a\t1\t-999.9\nb\t2\t-999.9\na\t3\t4\n" * 3, {}, "-999.9 stands"),
    "classes in two writings": (
        "x.csv",
        lines("label,t0,t1", *(f"{name},{i},2" for i, name in enumerate(["Run", "run", "sit", "sit"] * 3))),
        {},
        "classes that may be one: 'Run', 'run'",
    ),
    "ids in two writings": (
        "x.csv",
        long(["0", "1"], ids="aAb"),
        LONG,
        "ids that may be one: 'a', 'A'",
    ),
    "series that begin late": (
        "x.csv",
        lines("id,time,x", *(f"{name},{time},{time}" for name in "abc" for time in range(name == "b", 4))),
        LONG,
        "series begin at different times",
    ),
    "a label before whole numbers": (
        "x.csv",
        lines(*(f"{i % 2},{row}" for i, row in enumerate(WHOLE))),
        {},
        "'0' holds few",
    ),
    "a label behind whole numbers": (
        "x.csv",
        lines(*(f"{row},{i % 2}" for i, row in enumerate(WHOLE))),
        {},
        "'8' holds few",
    ),
    "row numbers before whole numbers": (
        "x.csv",
        lines(V_NAMES, *(f"{i + 1},{row}" for i, row in enumerate(WHOLE))),
        {},
        "column 'V1' counts the rows, so it may be no time step",
    ),
    "dates with a gap": (
        "x.csv",
        wide("2024-01-01,2024-01-02,2024-01-03,2024-01-07"),
        {},
        "a gap between the columns 2024-01-03 and 2024-01-07",
    ),
    "fractions with a gap": ("x.csv", "label," + wide("0.1,0.2,0.3,0.5", "a,1,2,3,1"), {}, "the columns 0.3 and 0.5"),
    "a row number among channels": ("x.csv", RECORDING, {"window": 3}, "channel 'no' grows evenly"),
    "a lost step": ("x.csv", "v\n1\n2\n\n4\n5\n7\n8\n9\n", {"window": 2}, "1 blank lines are steps without a value"),
    "lost lines": (
        "x.csv",
        lines("v,w", "1,2", "", "", *["3,4", "4,3"] * 5),
        {"window": 2},
        "2 blank lines are left out",
    ),
}


RANDOM = np.random.default_rng(0)
EVENTS = np.vstack([RANDOM.random((600, 9)) < 0.006, np.zeros((1, 9))]).astype(int)
# tables of ordinary series, a row each
ORDINARY = {
    "rare events": EVENTS,
    "pressures": (101325 + RANDOM.normal(0, 0.03, (30, 9))).round(3),
    "large counts": 10**9 + RANDOM.integers(0, 200, (30, 9)),
    "sums of steps": np.cumsum(RANDOM.choice([-1, 0, 1], (250, 100)), axis=1),
    "counts of each hour": RANDOM.poisson([1, 1, 2, 5, 20, 60, 80, 60, 20, 5, 2, 1], (200, 12)),
}


@pytest.mark.parametrize("name", ORDINARY)
def test_of_ordinary_series_nothing_is_said(name: str, tmp_path: Path) -> None:
    values = ORDINARY[name]
    names = ",".join(f"t{step}" for step in range(values.shape[1]))
    (tmp_path / "x.csv").write_text(lines(names, *(",".join(map(str, row)) for row in values)))
    assert load_half(tmp_path / "x.csv").described.endswith("ignored: none")


@pytest.mark.parametrize("name", SAID)
def test_what_may_have_been_meant_otherwise_is_said(name: str, tmp_path: Path) -> None:
    file_name, content, options, message = SAID[name]
    (tmp_path / file_name).write_text(content)
    splits = load_splits(tmp_path / file_name, **options)
    assert message in f"{splits.described}; {splits.note}"


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (with_labels("label," + ",".join(f"t{i}" for i in range(8))), {}),
        (wide("2024-01,2024-02,2024-03,2024-04"), {}),
        (wide("t0,t1,t2,t3", "1,999,998,997"), {}),
        (lines(V_NAMES.removeprefix("V1,"), *WHOLE), {}),
        (lines("t0,t1,t2,t3", "1,0,0,0", "1,1,0,0", "0,0,0,2", "1,0,2,0", "1,1,1,0", "0,1,0,0"), {}),
        (long(["0", "1", "2"], ids="abc"), LONG),
        (lines("id,time,x", *(f"{n},{t}.00{n % 3},{t}" for n in range(5) for t in range(4))), LONG),  # a clock's jitter
        (lines("id,time,x", *(f"{2**60 + n},{t},{t}" for n in range(5) for t in range(4))), LONG),
        (
            lines("user,system", *(f"{i * i % 5}.5,{i * i % 7}" for i in range(12))),
            {"window": 3},
        ),  # loads of a processor
        (RECORDING, {"window": 3, "time_column": "no"}),
    ],
)
def test_of_ordinary_tables_nothing_more_is_said(content: str, options: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(content)
    splits = load_splits(tmp_path / "x.csv", **options)
    assert splits.described.endswith("ignored: none") and ";" not in splits.note


def test_of_arrays_what_is_unusual_is_said(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(6, 40, 3))
    np.savez(tmp_path / "x.npz", X=X, t=np.arange(40))
    splits = load_splits(tmp_path / "x.npz")
    assert "not read: arrays 't'" in splits.described and "40 channels of 3 steps" in splits.note
    np.save(tmp_path / "x.npy", np.where(X > 0, -9999, X)[:, :2])
    assert "-9999 stands" in load_splits(tmp_path / "x.npy").note
    lengths = 3 + np.arange(6)[:, None] * 5
    np.save(tmp_path / "z.npy", np.where(np.arange(40) < lengths, X[:, :, 0], 0))
    assert "series end in zeros" in load_splits(tmp_path / "z.npy").note
    labelled = np.column_stack([np.arange(40) % 2, np.random.default_rng(0).normal(size=(40, 12))])
    np.save(tmp_path / "y.npy", labelled)
    for source in (tmp_path / "y.npy", labelled):
        assert "column 0 holds few whole numbers" in load_splits(source).note
    assert "column" not in load_splits(labelled[:, 1:]).note
    gaps = np.random.default_rng(0).integers(0, 50, (100, 40)).astype(float)
    gaps[::7, 1:-1] = np.nan
    assert "column" not in load_splits(gaps).note


def test_more_channels_than_steps_are_ordinary_where_the_file_names_channels(tmp_path: Path) -> None:
    channels = ":".join(["1,2,3", "3,1,2"] * 4)
    (tmp_path / "x.ts").write_text(
        "@problemName x\n@univariate false\n@classLabel true a\n@data\n" + f"{channels}:a\n" * 6
    )
    assert "channels of" not in load_splits(tmp_path / "x.ts").note


def test_what_holds_of_the_test_half_alone_is_said(tmp_path: Path) -> None:
    (tmp_path / "x_TRAIN.csv").write_text(long(["0", "1", "2", "3"], ids="abc"))
    (tmp_path / "x_TEST.csv").write_text(long(["0", "10", "20", "90"], ids="de"))
    note = load_splits(tmp_path / "x_TRAIN.csv", **LONG).note
    assert note.startswith("of the test part: gaps in the times of 2 of 2") and "times are spaced differently" in note
    (tmp_path / "x_TEST.csv").write_text(long(["5", "6", "7", "8"], ids="de"))
    assert load_splits(tmp_path / "x_TRAIN.csv", **LONG).note == ""


def test_of_files_in_a_folder_all_is_said(tmp_path: Path) -> None:
    for i, times in enumerate(["0 1 2 3", "0 1 2 90", "0 10 20 30"]):
        (tmp_path / f"{i}.csv").write_text(lines("time,v", *(f"{time},{i}" for i, time in enumerate(times.split()))))
    said = load_half(tmp_path, time_column="time").described
    assert "gaps in the times, whose steps are taken as even (in 1 of 3 files)" in said
    assert "times are spaced differently from series to series" in said


def pair(folder: Path, train: str, test: str) -> Path:
    for name, rows in ((train, WIDE), (test, WIDE[:2])):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(lines("t0,t1,t2,t3,t4,t5,t6,t7", *rows))
    return folder / train


@pytest.mark.parametrize(("train", "test"), [("train.csv", "test.csv"), ("XTrain.csv", "XTest.csv")])
def test_a_test_file_that_is_not_read_is_said(train: str, test: str, tmp_path: Path) -> None:
    path = pair(tmp_path, train, test)
    assert f"{test} beside it is not read" in load_splits(path).note
    assert load_splits(path, test=tmp_path / test).note == ""


def test_folders_called_train_and_test_are_halves_and_no_classes(tmp_path: Path) -> None:
    rows = lines("v", *map(str, NOISE[0]))
    for half, n in (("TRAIN", 3), ("TEST", 2)):
        for parent in (f"x_{half}", f"both/{half.lower()}"):
            for i in range(n):
                (tmp_path / parent).mkdir(parents=True, exist_ok=True)
                (tmp_path / parent / f"{i}.csv").write_text(rows)
    splits = load_splits(tmp_path / "x_TRAIN")
    assert len(splits.X_train) == 3 and len(splits.X_test) == 2
    with pytest.raises(InputError, match="folders 'test', 'train', which would be the classes of all series"):
        load_half(tmp_path / "both")
    assert len(load_splits(tmp_path / "both/train", test=tmp_path / "both/test").X_test) == 2
