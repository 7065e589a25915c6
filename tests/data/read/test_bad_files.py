"""Every bad file gets one line: where, what is wrong, how to mend it."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ncvqvae.data import TableOptions, read_series, write_series
from ncvqvae.errors import InputError

LONG = TableOptions(id_column="id", time_column="time")
TS = "@problemName x\n@classLabel true a b\n"

# file name, content, options, start of the message after the file's name
BAD_TEXT = {
    "empty": ("x.csv", "", None, "the file is empty; write series into it"),
    "blank lines": ("x.csv", "\n\n", None, "the file is empty"),
    "header only": ("x.csv", "t0,t1\n", None, "a header and no rows; write series into it"),
    "unknown type": ("x.xlsx", "1,2\n", None, "unknown file type '.xlsx'; use one of .csv, .tsv"),
    "no type": ("x", "1,2\n", None, "unknown file type ''; use one of"),
    "no numeric column": ("x.csv", "a,b\nu,v\nw,x\n", None, "columns 'a', 'b' have no common numbering such as t0"),
    "text among values": (
        "x.csv",
        "t0,t1\n1,2\n3,oops\n",
        None,
        "column 't1' holds 'oops' in row 2, which is no number; mend it",
    ),
    "decimal comma and point": (
        "x.csv",
        "t0;t1\n1,5;2.5\n3;4\n",
        None,
        "decimal points in column 't1' and decimal commas in column 't0'; write all",
    ),
    "thousands": (
        "x.csv",
        't0,t1\n"1,500",2\n3,4\n',
        None,
        "column 't0' has commas in its numbers, such as '1,500'; write",
    ),
    "label absent": (
        "x.csv",
        "t0,t1,klass\n1,2,a\n3,4,b\n",
        TableOptions(label_column="class"),
        "no column named 'class'; did you mean 'klass'?",
    ),
    "label absent, nothing near": (
        "x.csv",
        "t0,t1\n1,2\n3,4\n",
        TableOptions(label_column="diagnosis"),
        "no column named 'diagnosis'; its columns are 't0', 't1'",
    ),
    "two label columns": (
        "x.csv",
        "label,class,t0,t1\na,b,1,2\nb,a,3,4\n",
        None,
        "more than one column may be the label: 'label', 'class'; name it with label_column",
    ),
    "label missing": ("x.csv", "label,t0,t1\na,1,2\n,3,4\n", None, "the label of series 1 is missing"),
    "id taken for a step": (
        "x.csv",
        "id,t0,t1,t2\n1,2,3,4\n3,4,5,6\n",
        None,
        "column 'id' among the time steps t0 … t2; say what it is with label_column, id_column, group_column, ",
    ),
    "duplicate ids": (
        "x.csv",
        "id,t0,t1\n1,2,3\n1,4,5\n",
        TableOptions(id_column="id"),
        "ids that occur twice: '1' (2 rows); give every series its own id; if several series are of one, name it",
    ),
    "duplicate columns": ("x.csv", "t0,t1,t0\n1,2,3\n1,4,5\n", None, "columns that occur twice: 't0'; give every"),
    "row too long": (
        "x.csv",
        "t0,t1\n1,2\n3,4,5\n",
        None,
        "row 2 has 3 cells where the first line has 2 (3,4,5); give every row",
    ),
    "all rows too long": (
        "x.csv",
        "t0,t1\n1,2,3\n3,4,5\n",
        None,
        "row 1 has 3 cells where the first line has 2 (1,2,3)",
    ),
    "empty series": ("x.csv", "t0,t1\n1,2\n,\n3,4\n", None, "series 1 has no value at all; drop it"),
    "all missing": ("x.csv", "t0,t1\n,\n,\n", None, "all values are missing"),
    "infinite": ("x.csv", "t0,t1\n1,inf\n3,4\n", None, "infinite values, first in series 0; replace or drop them"),
    "one series": ("x.csv", "t0,t1\n1,2\n", None, "1 series only; give at least 2"),
    "one step": ("x.csv", "label,t0\na,1\nb,2\n", None, "1 time step only; give series of at least 2 steps"),
    "channels of unequal length": (
        "x.csv",
        "a_t0,a_t1,b_t0\n1,2,3\n4,5,6\n",
        None,
        "channel 'b' has 1 steps and channel 'a' 2; give all channels one length",
    ),
    "long: duplicate time": (
        "x.csv",
        "id,time,v\n7,0,1\n7,0,2\n8,0,1\n8,1,1\n",
        LONG,
        "series '7' has time '0' twice; keep one row per id and time",
    ),
    "long: label changes": (
        "x.csv",
        "id,time,v,label\n7,0,1,a\n7,1,2,b\n8,0,1,a\n8,1,1,a\n",
        LONG,
        "the label of series '7' changes within it, in row 2; give one label per series",
    ),
    "long: time missing": (
        "x.csv",
        "id,time,v\n7,0,1\n7,,2\n8,0,1\n8,1,1\n",
        LONG,
        "column 'time' has no time in row 2; fill it in, or drop those rows",
    ),
    "long: time is words": (
        "x.csv",
        "id,time,v\n7,soon,1\n7,later,2\n",
        LONG,
        "column 'time' holds neither numbers nor dates, such as 'soon'; give times as numbers or ISO dates",
    ),
    "long: no id": (
        "x.csv",
        "time,v\n0,1\n1,2\n",
        TableOptions(time_column="time"),
        "a time column and no id column; name the column of series ids with id_column",
    ),
    "long: value column absent": (
        "x.csv",
        "id,time,value\n7,0,1\n7,1,2\n",
        TableOptions(id_column="id", time_column="time", value_columns=["valve"]),
        "no column named 'valve'; did you mean 'value'?",
    ),
    "ucr: no steps": ("x.tsv", "1\t1\n2\t1\n", None, "1 time step only"),
    "ts: nothing": ("x.ts", "nothing", None, "no @data section with series; check that the file is whole"),
    "ts: time stamps": (
        "x.ts",
        "@timestamps true\n@data\n(0,1),(1,2):a\n",
        None,
        "a .ts file with time stamps; write it",
    ),
    "ts: words": ("x.ts", TS + "@data\n1,two:a\n", None, "cannot be read as .ts (could not convert string to float"),
    "ts: option": ("x.ts", TS + "@data\n1,2:a\n", TableOptions("y"), "label_column means nothing in a .ts file; leave"),
    "arff: nothing": ("x.arff", "@relation x\n", None, "no @data section with series"),
    "not utf-8": (
        "x.csv",
        "label,t0,t1\nä,1,2\nb,3,4\n".encode("latin-1"),
        None,
        "not UTF-8 text; save it with encoding",
    ),
    "utf-16": ("x.csv", "t0,t1\n1,2\n3,4\n".encode("utf-16"), None, "not UTF-8 text"),
    **{
        f"foreign bytes in {suffix}": (f"x{suffix}", b"foreign bytes", None, f"cannot be read as {suffix} (")
        for suffix in (".parquet", ".feather", ".npz")
    },
    "foreign bytes in .npy": ("x.npy", b"foreign bytes", None, "not an .npy file; save it with numpy.save"),
}


def message_for(path: Path, options: TableOptions | None = None) -> str:
    """Read a bad file; return its error line without the file's name."""
    with pytest.raises(InputError) as caught:
        read_series(path, options)
    line = str(caught.value)
    assert "\n" not in line and line.startswith(f"{path}: ")
    assert "; " in line, "no mend"
    return line.removeprefix(f"{path}: ")


@pytest.mark.parametrize("name", BAD_TEXT)
def test_bad_files_get_one_line(name: str, tmp_path: Path) -> None:
    file_name, content, options, message = BAD_TEXT[name]
    path = tmp_path / file_name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert message_for(path, options).startswith(message)


def test_missing_files_and_directories_get_one_line(tmp_path: Path) -> None:
    (tmp_path / "series.csv").write_text("t0,t1\n1,2\n3,4\n")
    assert message_for(tmp_path / "serie.csv") == "no such file; did you mean 'series.csv'?"
    assert message_for(tmp_path / "else" / "a.csv") == "no such file; check the path"
    (tmp_path / "empty").mkdir()
    assert message_for(tmp_path / "empty").startswith("a folder without .csv files; name a file in it")


def test_line_breaks_in_names_stay_out_of_the_line(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('"two\nlines",t1\nword,2\nword,4\n')
    assert message_for(path)  # checks that there is one line


@pytest.mark.parametrize("dtype", [complex, "U3", "datetime64[s]"])
def test_arrays_of_foreign_dtypes_get_one_line(dtype: str, tmp_path: Path) -> None:
    X = np.zeros((3, 4)).astype("int64").astype(dtype)
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "x.npz", X=X)
    for name in ("x.npy", "x.npz"):
        assert message_for(tmp_path / name).startswith(f"values of dtype {X.dtype}; give real numbers")


class Bomb:
    """Unpickling it would be noticed."""

    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("unpickled"),))


def test_no_pickle_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    X = np.array([[Bomb(), Bomb()]], dtype=object)
    np.save("x.npy", X, allow_pickle=True)
    np.savez("x.npz", X=X)
    np.savez("labels.npz", X=np.zeros((2, 3)), y=X)
    assert message_for(Path("x.npy")).startswith("cannot be read as .npy (")
    for name in ("x.npz", "labels.npz"):
        assert "has dtype object; save numbers or strings" in message_for(Path(name))
    assert not Path("unpickled").exists()


def test_an_npz_without_X_says_what_it_has(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", series=np.zeros((2, 3)))
    assert message_for(tmp_path / "x.npz") == "no array X (it has 'series'); call the array of series X, labels y"


def test_npz_labels_of_another_number_get_one_line(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", X=np.zeros((2, 3)), y=["a"])
    assert message_for(tmp_path / "x.npz").startswith("1 labels for 2 series")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_header_that_promises_too_much_is_refused_before_memory_is_taken(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x{suffix}"
    X = np.zeros((2, 1000))
    np.save(path, X) if suffix == ".npy" else np.savez(path, X=X)
    # the header pads its shape with spaces; a longer shape takes as many of them away
    honest, false = b"(2, 1000), }" + b" " * 9, b"(2000000000, 1000), }"
    content = path.read_bytes()
    assert honest in content
    path.write_bytes(content.replace(honest, false))
    expected = "cannot be read as .npy (mmap" if suffix == ".npy" else "array X is cut short or its header is wrong"
    assert message_for(path).startswith(expected)


def test_truncated_files_get_one_line(tmp_path: Path) -> None:
    X, y = np.random.default_rng(0).normal(size=(6, 2, 50)).astype(np.float32), np.arange(6) % 2
    for suffix in (".npz", ".parquet"):
        path = tmp_path / f"x{suffix}"
        write_series(path, X, y)
        path.write_bytes(path.read_bytes()[:-100])
        assert message_for(path).startswith(f"cannot be read as {suffix}")


def mutate(content: bytes, rng: np.random.Generator) -> bytes:
    """Change, cut or insert a few bytes."""
    inserts = [b"\n", b",", b"\t", b"9" * 12, b"nan", b"?", b":", b'"', b"e99", b"\xff", b"\0", b"@data\n"]
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(len(content)))
        how = rng.integers(3)
        if how == 0:
            content = content[:at] + inserts[rng.integers(len(inserts))] + content[at:]
        elif how == 1:
            content = content[:at] + content[at + int(rng.integers(1, 20)) :]
        else:
            content = content[: max(1, at)]
        content = content or b"x"
    return content


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".csv", ".tsv", ".txt", ".parquet", ".feather", ".ts", ".arff"])
def test_mutated_files_are_read_or_refused_in_one_line(suffix: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    content = sample_file(tmp_path / f"good{suffix}")
    assert read_series(tmp_path / f"good{suffix}").X.shape[0] == 4
    path = tmp_path / f"x{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(60):
            path.write_bytes(mutate(content, rng))
            try:
                X = read_series(path).X
            except InputError as error:
                lines = str(error).splitlines()
            else:
                lines = [] if np.isinf(X).any() or np.isnan(X).all(axis=(1, 2)).any() else ["read"]
            assert len(lines) == 1


def sample_file(path: Path) -> bytes:
    """Write four labelled series in any format that can be read."""
    X = np.random.default_rng(0).normal(size=(4, 1, 5)).astype(np.float32)
    rows = [["1", *row] for row in X[:, 0].astype(str)]
    if path.suffix in (".npz", ".csv", ".parquet", ".ts"):
        write_series(path, X, ["a", "b", "a", "b"])
    elif path.suffix == ".npy":
        np.save(path, X)
    elif path.suffix == ".feather":
        pd.DataFrame(X[:, 0]).set_axis([f"t{i}" for i in range(5)], axis=1).to_feather(path)
    elif path.suffix == ".arff":
        names = "".join(f"@attribute {name} numeric\n" for name in ("t0", "t1", "t2", "t3", "t4", "class"))
        path.write_text(f"@relation x\n{names}@data\n" + "\n".join(",".join(row[1:] + row[:1]) for row in rows))
    else:
        path.write_text("\n".join(("\t" if path.suffix == ".tsv" else " ").join(row) for row in rows))
    return path.read_bytes()
