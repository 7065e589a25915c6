"""Datasets by name and by file, and how a file without a TEST half is split."""

import os
import shutil
import time
import tracemalloc
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ncvqvae.data import load_dataset, load_splits, series_lengths, write_series
from ncvqvae.data.archive import find_dataset, shipped_folder
from ncvqvae.data.holdout import stratified_holdout
from ncvqvae.data.mapped import MappedRows
from ncvqvae.errors import InputError

ARCHIVE = os.environ.get("NCVQVAE_DATA_DIR")
needs_archive = pytest.mark.skipif(not ARCHIVE, reason="NCVQVAE_DATA_DIR names no folder of archive files")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the tests away from the user's folders and from the network."""
    monkeypatch.delenv("NCVQVAE_DATA_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def no_network(*args: object, **kwargs: object) -> None:
        raise OSError("network unreachable,\nas the tests want it")

    monkeypatch.setattr("socket.getaddrinfo", no_network)


def write_ucr(folder: Path, name: str, *, offset: int = 0) -> Path:
    """Write a tiny dataset in the archive's layout: 4 train and 6 test series of classes 1 and 2."""
    (folder / name).mkdir(parents=True)
    for half, n in (("TRAIN", 4), ("TEST", 6)):
        lines = [f"{1 + i % 2}\t{i + offset}\t2\t3" for i in range(n)]
        (folder / name / f"{name}_{half}.tsv").write_text("\n".join(lines))
    return folder


def test_gunpoint_needs_nothing_but_the_package() -> None:
    X, y = load_dataset("GunPoint", split="train")
    assert X.shape == (50, 1, 150) and X.dtype == np.float32
    assert y is not None and y.dtype == np.int64 and Counter(y.tolist()) == {1: 24, 2: 26}
    splits = load_splits("GunPoint")
    assert splits.name == "GunPoint" and splits.note == "" and splits.X_test.shape == (150, 1, 150)
    np.testing.assert_array_equal(splits.X_train, X)
    np.testing.assert_array_equal(load_dataset("GunPoint", "test").X, splits.X_test)


def test_channels_and_string_labels_come_as_they_are() -> None:
    splits = load_splits("BasicMotions")
    assert splits.X_train.shape == splits.X_test.shape == (40, 6, 100)
    assert set(splits.y_train.tolist()) == {"Standing", "Running", "Walking", "Badminton"}


def test_unequal_lengths_end_in_nan_and_train_alone_sets_the_length() -> None:
    splits = load_splits("JapaneseVowels")
    assert splits.X_train.shape == (270, 12, 26) and splits.X_test.shape == (370, 12, 26)
    assert series_lengths(splits.X_train).min() == 7 and series_lengths(splits.X_train).max() == 26
    assert "longer than the longest of train and cut to 26 steps" in splits.note


def test_the_archives_repair_is_used_where_the_raw_release_is_not_there(tmp_path: Path) -> None:
    for half in ("TRAIN", "TEST"):
        name = f"JapaneseVowels_eq_{half}.ts"
        (tmp_path / "JapaneseVowels").mkdir(exist_ok=True)
        shutil.copy(shipped_folder() / "JapaneseVowels" / name, tmp_path / "JapaneseVowels" / name)
    with pytest.warns(UserWarning, match="JapaneseVowels: unequal lengths"):
        assert not np.isnan(load_dataset("JapaneseVowels", data_dir=tmp_path).X).any()


def test_a_local_folder_comes_before_what_is_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ucr(tmp_path / "argument", "GunPoint")
    write_ucr(tmp_path / "variable", "GunPoint", offset=100)
    monkeypatch.setenv("NCVQVAE_DATA_DIR", str(tmp_path / "variable"))
    assert load_dataset("GunPoint").X.max() == 103
    assert load_dataset("GunPoint", data_dir=tmp_path / "argument").X.max() == 3
    assert load_dataset("ItalyPowerDemand").X.shape == (67, 1, 24)


@pytest.mark.parametrize("suffix", [".tsv", ".ts", ".arff", ".txt"])
def test_a_local_folder_may_hold_any_archive_format(suffix: str, tmp_path: Path) -> None:
    rows = {"TRAIN": [[1, 2, 3], [4, 5, 6]], "TEST": [[7, 8, 9]]}
    (tmp_path / "Mine").mkdir()
    for half, series in rows.items():
        path = tmp_path / "Mine" / f"Mine_{half}{suffix}"
        values = [",".join(map(str, row)) for row in series]
        if suffix == ".ts":
            path.write_text("@classLabel true u\n@data\n" + "\n".join(f"{v}:u" for v in values))
        elif suffix == ".arff":
            names = "".join(f"@attribute t{step} numeric\n" for step in range(3)) + "@attribute kind {u}\n"
            path.write_text(f"@relation x\n{names}@data\n" + "\n".join(f"{v},u" for v in values))
        else:
            mark = "\t" if suffix == ".tsv" else " "
            path.write_text("\n".join(f"u,{v}".replace(",", mark) for v in values))
    splits = load_splits("Mine", data_dir=tmp_path)
    np.testing.assert_array_equal(splits.X_train, [[[1, 2, 3]], [[4, 5, 6]]])
    np.testing.assert_array_equal(splits.X_test, [[[7, 8, 9]]])
    assert splits.y_test.tolist() == ["u"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Gunpont", "data: unknown dataset 'Gunpont'; did you mean 'GunPoint'?"),
        ("ecg5000", "data: unknown dataset 'ecg5000'; did you mean 'ECG5000'?"),
        ("MyOwnDate", "data: unknown dataset 'MyOwnDate'; did you mean 'MyOwnData'?"),
        ("qqqqqqqq", "data: unknown dataset 'qqqqqqqq'; give a UCR/UEA name or the path of a file"),
        ("", "data: an empty name; give a UCR/UEA name or a path"),
    ],
)
def test_unknown_names_get_the_nearest(name: str, message: str, tmp_path: Path) -> None:
    write_ucr(tmp_path / "own", "MyOwnData")
    with pytest.raises(InputError) as caught:
        load_splits(name, data_dir=tmp_path / "own")
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_without_network_a_download_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_dataset("ECG5000")
    line = str(caught.value)
    assert line.startswith("ECG5000: download from the archive failed (") and "\n" not in line
    assert line.endswith("into a folder and name it (NCVQVAE_DATA_DIR)")
    assert not list((tmp_path / "cache" / "ncvqvae" / "ucr").iterdir())


def test_a_download_is_kept_for_the_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def archive(name: str, extract_path: str) -> None:
        calls.append(name)
        shutil.copytree(shipped_folder() / "UnitTest", Path(extract_path) / name)
        for path in (Path(extract_path) / name).iterdir():
            path.rename(path.with_name(path.name.replace("UnitTest", name)))

    monkeypatch.setattr("aeon.datasets.load_classification", archive)
    for _ in range(2):
        assert load_splits("Chinatown").X_train.shape == (20, 1, 24)
    assert calls == ["Chinatown"]
    assert [path.name for path in (tmp_path / "cache" / "ncvqvae" / "ucr").iterdir()] == ["Chinatown"]


def test_a_data_folder_that_is_not_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"none: no such folder \(from data_dir\); name the folder that holds"):
        load_dataset("GunPoint", data_dir=tmp_path / "none")
    monkeypatch.setenv("NCVQVAE_DATA_DIR", str(tmp_path / "none"))
    with pytest.raises(InputError, match=r"none: no such folder \(from NCVQVAE_DATA_DIR\)"):
        load_dataset("GunPoint")


def test_names_never_become_paths(tmp_path: Path) -> None:
    write_ucr(tmp_path / "own", "Secret")
    (tmp_path / "data").mkdir()
    with pytest.raises(InputError, match="unknown dataset"):
        find_dataset("../own/Secret", tmp_path / "data")


def test_other_sources_and_splits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="data: a int is not a source; give a UCR/UEA name"):
        load_dataset(3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"split: unknown split 'valid'; use 'train' or 'test'"):
        load_dataset("GunPoint", "valid")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"label_column means nothing in a .ts file"):
        load_dataset("GunPoint", label_column="y")


def test_a_train_file_uses_the_test_file_beside_it(tmp_path: Path) -> None:
    train = write_ucr(tmp_path, "Mine") / "Mine" / "Mine_TRAIN.tsv"
    splits = load_splits(train)
    assert (splits.name, len(splits.X_train), len(splits.X_test), splits.note) == ("Mine", 4, 6, "")
    assert len(load_dataset(str(train), "test").X) == 6


def test_a_file_alone_keeps_cases_aside_and_says_so(tmp_path: Path) -> None:
    X, y = np.arange(60, dtype=np.float32).reshape(20, 1, 3), ["a"] * 10 + ["b"] * 9 + ["c"]
    write_series(tmp_path / "my series.csv", X, y)
    splits = load_splits(tmp_path / "my series.csv", seed=3)
    assert splits.name == "my_series"
    assert splits.note == "no TEST half: 6 of 20 cases kept aside for evaluation (seed 3, stratified by class)"
    assert Counter(splits.y_test.tolist()) == {"a": 3, "b": 3}
    assert Counter(splits.y_train.tolist()) == {"a": 7, "b": 6, "c": 1}
    both = np.concatenate([splits.X_train, splits.X_test])
    np.testing.assert_array_equal(both[np.argsort(both[:, 0, 0])], X)
    with pytest.raises(InputError, match="has no TEST half; use load_splits"):
        load_dataset(tmp_path / "my series.csv", "test")


def test_unlabelled_series_are_split_too(tmp_path: Path) -> None:
    write_series(tmp_path / "x.npz", np.arange(30, dtype=np.float32).reshape(10, 1, 3))
    splits = load_splits(tmp_path / "x.npz", holdout=0.2)
    assert splits.y_train is None and splits.y_test is None
    assert len(splits.X_test) == 2 and splits.note.endswith("(seed 0)")


def test_a_mapped_array_is_split_without_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ncvqvae.data.mapped.CHUNK_VALUES", 10_000)
    X = np.random.default_rng(0).normal(size=(4000, 1, 500)).astype(np.float32)
    np.save(tmp_path / "x.npy", X)
    expected = load_splits(X)
    tracemalloc.start()
    splits = load_splits(tmp_path / "x.npy")
    assert tracemalloc.get_traced_memory()[1] < X.nbytes / 4
    tracemalloc.stop()
    assert isinstance(splits.X_train, MappedRows) and isinstance(splits.X_test, MappedRows)
    for part, whole in zip(splits.in_memory(), expected, strict=True):
        if isinstance(whole, np.ndarray):
            np.testing.assert_array_equal(part, whole)
    assert splits.X_train.shape == expected.X_train.shape and len(splits.X_test) == len(expected.X_test)


def test_constant_series_are_noted(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(10, 2, 6)).astype(np.float32)
    X[:, 1] = 3
    assert "constant" not in load_splits(X).note
    X[:8] = 3
    X[0, 0, 2] = np.nan
    kept = stratified_holdout(None, 10, holdout=0.3, seed=0).kept
    assert load_splits(X).note.endswith(f"; constant training series: {(kept < 8).sum()} of 7")


def test_the_holdout_is_drawn_by_seed_alone() -> None:
    y = np.array(["a", "b"] * 20)
    first, again, other = (stratified_holdout(y, 40, holdout=0.3, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.aside, again.aside)
    assert first.aside.tolist() != other.aside.tolist()
    assert sorted([*first.kept, *first.aside]) == list(range(40))


@pytest.mark.parametrize(
    ("X", "y", "holdout", "message"),
    [
        (np.zeros((4, 3)), list("abcd"), 0.3, "x: no class has two cases, so none can be kept aside; give a test file"),
        (np.zeros((2, 3)), list("aa"), 0.3, "x: 1 series left to train on; give more series or a test file"),
        (np.zeros((9, 3)), None, 1.5, "holdout: share 1.5 of the cases; give a share between 0 and 1"),
    ],
)
def test_impossible_holdouts_are_one_line(
    X: np.ndarray, y: list[str] | None, holdout: float, message: str, tmp_path: Path
) -> None:
    write_series(tmp_path / "x.npz", X, y)
    with pytest.raises(InputError) as caught:
        load_splits(tmp_path / "x.npz", holdout=holdout)
    assert str(caught.value).startswith(message)


def test_a_test_file_can_be_named_and_must_fit(tmp_path: Path) -> None:
    X = np.ones((3, 2, 5), dtype=np.float32)
    write_series(tmp_path / "a.npz", X, ["u", "v", "u"])
    write_series(tmp_path / "b.parquet", X[:1], ["v"])
    assert load_splits(tmp_path / "a.npz", test=tmp_path / "b.parquet").X_test.shape == (1, 2, 5)
    for name, series, labels, message in [
        ("short", X[..., :4], ["u"] * 3, "test series have 4 time steps, train series 5"),
        ("flat", X[:, :1], ["u"] * 3, "test series have 1 channels, train series 2"),
        ("new", X, ["u", "w", "u"], "test labels 'w' never occur in train"),
        ("bare", X, None, "the test split alone has no labels"),
    ]:
        write_series(tmp_path / f"{name}.npz", series, labels)
        with pytest.raises(InputError, match=f"{name}.npz: {message}"):
            load_splits(tmp_path / "a.npz", test=tmp_path / f"{name}.npz")


def test_labels_that_look_like_numbers_in_one_half_only_stay_strings(tmp_path: Path) -> None:
    (tmp_path / "m_TRAIN.tsv").write_text("1\t1\t2\nx\t3\t4\n")
    (tmp_path / "m_TEST.tsv").write_text("1\t1\t2\n")
    splits = load_splits(tmp_path / "m_TRAIN.tsv")
    assert splits.y_train.tolist() == ["1", "x"] and splits.y_test.tolist() == ["1"]


@needs_archive
@pytest.mark.parametrize(
    ("name", "train", "test", "length", "labels"),
    [("ECG5000", 500, 4500, 140, [1, 2, 3, 4, 5]), ("FordA", 3601, 1320, 500, [-1, 1])],
)
def test_archive_files_have_their_published_sizes(
    name: str, train: int, test: int, length: int, labels: list[int]
) -> None:
    splits = load_splits(name, data_dir=ARCHIVE)
    assert splits.X_train.shape == (train, 1, length) and splits.X_test.shape == (test, 1, length)
    assert np.unique(splits.y_train).tolist() == labels


def test_two_processes_download_a_dataset_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def slowly(name: str, extract_path: str) -> None:
        calls.append(name)
        time.sleep(0.3)
        write_ucr(Path(extract_path), name)

    monkeypatch.setattr("aeon.datasets.load_classification", slowly)
    monkeypatch.setenv("NCVQVAE_CACHE_DIR", str(tmp_path))
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: find_dataset("Wafer"), range(3)))
    assert calls == ["Wafer"] and len({files.train for files in found}) == 1
