"""What a file may ask for: declared sizes are checked before memory is taken, and honest large files are read."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from ncvqvae import InputError
from ncvqvae.data import TableOptions, read_series
from ncvqvae.data.read import limits

ROWS = 12_000_000


def zeros() -> pa.Table:
    return pa.table({"t0": pa.array(np.zeros(ROWS, np.float32)), "t1": pa.nulls(ROWS, pa.float32())})


def long_texts() -> pa.Table:
    """2 GB of labels, in a few kB."""
    return pa.table({"label": one_text(40_000), "t0": np.arange(40_000.0), "t1": np.arange(40_000.0)})


def one_text(n: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(np.zeros(n, np.int32), ["x" * 50_000])


def views() -> pa.Table:
    one = pa.array(["x" * 50_000], pa.string_view())
    labels = pa.concat_arrays([one] * 4000)
    return pa.table({"label": labels, "t0": np.arange(4000.0), "t1": np.arange(4000.0)})


def npz(path: Path, headers: dict[str, tuple[str, tuple[int, ...]]], kind: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, (dtype, shape) in headers.items():
            head = io.BytesIO()
            np.lib.format.write_array_header_1_0(head, {"descr": dtype, "fortran_order": False, "shape": shape})
            archive.writestr(
                f"{name}.npy", head.getvalue() + bytes(min(10**8, np.dtype(dtype).itemsize * shape[0] * 8))
            )


def npy(path: Path, shape: tuple[int, ...]) -> None:
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})


def text(path: Path, *lines: str) -> None:
    path.write_text("\n".join(lines) + "\n")


def kilobytes(field: str) -> int:
    """Memory of this process now (VmRSS) or at its peak (VmHWM)."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(f"{field}:"))


BOMBS: dict[str, Callable[[Path], object]] = {
    "zeros.parquet": lambda path: parquet.write_table(zeros(), path),
    "pages.parquet": lambda path: parquet.write_table(zeros(), path, use_dictionary=False, compression="zstd"),
    "lists.parquet": lambda path: parquet.write_table(pa.table({"t0": [[0.0] * 10_000_000], "t1": [1.0]}), path),
    "texts.parquet": lambda path: parquet.write_table(long_texts(), path),
    "zeros.feather": lambda path: feather.write_feather(zeros(), path, compression="zstd"),
    "lz4.feather": lambda path: feather.write_feather(zeros(), path, compression="lz4"),
    "nulls.feather": lambda path: feather.write_feather(pa.table(dict.fromkeys(("t0", "t1"), pa.nulls(10**8))), path),
    "texts.feather": lambda path: feather.write_feather(long_texts(), path),
    "views.feather": lambda path: feather.write_feather(views(), path, compression="zstd"),
    "old.feather": lambda path: path.write_bytes(b"FEA1" + bytes(100) + b"FEA1"),
    "nothing.npz": lambda path: npz(path, {"X": ("<f8", (4, 8)), "y": ("<U0", (10**8,))}),
    "declared.npz": lambda path: npz(path, {"X": ("<f8", (10**12,))}),
    "inflated.npz": lambda path: npz(path, {"X": ("<f8", (1_500_000, 8))}, zipfile.ZIP_DEFLATED),
    "lzma.npz": lambda path: npz(path, {"X": ("<f8", (100, 8))}, zipfile.ZIP_LZMA),
    "declared.npy": lambda path: npy(path, (10**12, 100)),
    "overflow.npy": lambda path: npy(path, (2**31, 2**31)),
    "one row.csv": lambda path: text(path, ",".join("1" * 60_000), *["1,2"] * 60_000),
    "one row.tsv": lambda path: text(path, "\t".join("1" * 60_000), *["1\t2"] * 60_000),
    "labels.csv": lambda path: text(path, "label,t0,t1", *["x" * 50_000 + ",1,2"] * 50, *["y,2,3"] * 5000),
}  # fmt: skip


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of memory is read as Linux gives it")
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_one_line_and_takes_little(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    BOMBS[name](path)
    before = kilobytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew, so that earlier tests do not hide this one
    with pytest.raises(InputError) as error:
        read_series(path)
    assert kilobytes("VmHWM") - before < 200_000
    said = str(error.value)
    assert name in said and "\n" not in said and len(said) < 400


def test_one_long_series_among_short_ones_is_not_padded(tmp_path: Path) -> None:
    rows = [(0, time, 1.0) for time in range(30_000)]
    rows += [(case, time, 2.0) for case in range(1, 30_000) for time in (0, 1)]
    pd.DataFrame(rows, columns=["id", "time", "value"]).to_csv(tmp_path / "long.csv", index=False)
    with pytest.raises(InputError, match="30000 steps in one series and far fewer in others"):
        read_series(tmp_path / "long.csv", TableOptions(id_column="id", time_column="time"))
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, n_steps in (("a", 2_000_000), *((f"b{i}", 2) for i in range(250))):
        np.savetxt(folder / f"{name}.csv", np.arange(n_steps, dtype=float) / 7, "%.3f", header="value", comments="")
    with pytest.raises(InputError, match="steps in one series and far fewer"):
        read_series(folder)


X = np.random.default_rng(0).normal(size=(2000, 400)).astype(np.float32)
HONEST: dict[str, Callable[[Path], object]] = {
    "random.npz": lambda path: np.savez_compressed(path, X=X, y=np.arange(len(X)) % 3),
    "zeros.npz": lambda path: np.savez_compressed(path, X=np.vstack([X[:200], np.ones_like(X)])),
    "random.parquet": lambda path: table().to_parquet(path),
    "lz4.feather": lambda path: table().to_feather(path),
    "zstd.feather": lambda path: table().to_feather(path, compression="zstd"),
    "plain.feather": lambda path: table().to_feather(path, compression="uncompressed"),
    "sparse.parquet": lambda path: pd.DataFrame((X > 3).astype(int)).add_prefix("t").to_parquet(path),
    "large.npy": lambda path: np.save(path, np.broadcast_to(X, (20, *X.shape)).reshape(-1, 400)),
    "long names.csv": lambda path: np.savetxt(path, X[:3].repeat(19, 1), "%.17f", ","),
}  # fmt: skip


def table() -> pd.DataFrame:
    kinds = pd.Series(["normal", "abnormal"] * (len(X) // 2))
    return pd.DataFrame(X).add_prefix("t").assign(label=kinds.astype("category"))


@pytest.mark.parametrize("name", HONEST)
def test_honest_files_are_read(name: str, tmp_path: Path) -> None:
    HONEST[name](tmp_path / name)
    assert len(read_series(tmp_path / name).X) >= 3


def test_a_file_for_a_larger_machine_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "memory", lambda: 4_000_000)
    for name in ("random.npz", "random.parquet", "lz4.feather"):
        HONEST[name](tmp_path / name)
        with pytest.raises(InputError, match=r"more than half of this machine's memory \(4 MB\)"):
            read_series(tmp_path / name)
    HONEST["large.npy"](tmp_path / "large.npy")  # stays on the disk
    assert read_series(tmp_path / "large.npy").X.shape == (40_000, 1, 400)


def test_what_feather_declares_is_what_arrow_takes(tmp_path: Path) -> None:
    path = tmp_path / "x.feather"
    for kind in ("lz4", "zstd"):
        table().drop(columns="label").to_feather(path, compression=kind)
        buffers = feather.read_table(path).nbytes
        assert limits.declared_by_feather(path) == pytest.approx(buffers + 8 * X.size, rel=0.01)
