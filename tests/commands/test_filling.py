"""Gaps filled, series extended, varied and scored on the command line: in the form, ids and times of the data."""

import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from ncvqvae.cli import main
from ncvqvae.commands.filling import told
from ncvqvae.commands.next_step import program
from ncvqvae.commands.run_folder import open_run
from ncvqvae.data import load_half, read_series
from ncvqvae.labels import count_classes

TINY = {
    "tokenizer": {"hidden_channels": 4, "n_residual_blocks": 1, "codebook_size": 8},
    "stage1": {"max_steps": 2, "batch_size": 8, "projector_width": 16, "precision": "32-true"},
    "prior": {"width": 8, "head_width": 8, "n_layers": 1},
    "stage2": {"max_steps": 2, "batch_size": 8, "precision": "32-true"},
    "sampling": {"chunk_size": 8, "n_steps": 2, "precision": "32-true", "residual_neighbours": 0, "redraws": 0},
}
LENGTH = 24
ID = ["--id-column", "patient"]
LONG = ["--id-column", "unit", "--time-column", "when", "--label-column", "state"]


def waves() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(20, 1, LENGTH)).cumsum(2).round(3), np.array(["on", "off"] * 10)


def with_gaps() -> np.ndarray:
    X = waves()[0]
    X[::2, :, 6:15] = np.nan
    return X


def wide(X: np.ndarray, y: np.ndarray) -> pd.DataFrame:
    frame = pd.DataFrame(X[:, 0], columns=[f"h{step}" for step in range(X.shape[2])])
    frame.insert(0, "patient", [f"p{7 * row}" for row in range(len(X))])
    frame["label"] = y
    return frame


def long(X: np.ndarray, y: np.ndarray) -> pd.DataFrame:
    """A row a time step; each series begins on a day of its own."""
    case, step = np.indices(X[:, 0].shape).reshape(2, -1)
    when = pd.Timestamp("2024-01-01") + pd.to_timedelta(24 * case + step, unit="h")
    columns = {"unit": case + 100, "when": when.astype(str), "volt": X[:, 0].ravel(), "state": y[case]}
    return pd.DataFrame(columns)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data in four forms, with and without gaps, and a run of each."""
    folder = tmp_path_factory.mktemp("filling")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    X, y = waves()
    wide(X, y).to_csv(folder / "wide.csv", index=False)
    long(X, y).to_csv(folder / "long.csv", index=False)
    np.savez(folder / "array.npz", X=X, y=y)
    wide(with_gaps(), y).to_csv(folder / "wide_gaps.csv", index=False)
    wide(with_gaps(), y).to_parquet(folder / "wide_gaps.parquet")
    long(with_gaps(), y).to_csv(folder / "long_gaps.csv", index=False)
    wide(X[:, :, :16], y).to_csv(folder / "wide_short.csv", index=False)
    long(X[:, :, :16], y).to_csv(folder / "long_short.csv", index=False)
    np.savez(folder / "gaps.npz", X=with_gaps(), y=y)
    np.savez(folder / "unknown.npz", X=with_gaps(), y=np.array(["on", "z"] * 10))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        common = ["--config", "tiny.yaml", "--logger", "none"]
        main(["fit", "wide.csv", *ID, *common, "--out", "wide"])
        main(["fit", "long.csv", *LONG, *common, "--out", "long"])
    return folder


@pytest.fixture(autouse=True)
def _inside(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


def paste(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Carry out the command that was printed last, and return its words."""
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith(f"next: {program()} ")
    words = shlex.split(line.removeprefix(f"next: {program()} "))
    main(words)
    return words


def test_a_wide_table_comes_back_filled(capsys: pytest.CaptureFixture[str]) -> None:
    main(["impute", "wide", "wide_gaps.csv", *ID, "--out", "filled.csv", "--draws", "3"])
    before, after = pd.read_csv("wide_gaps.csv"), pd.read_csv("filled.csv")
    assert after.columns.tolist() == before.columns.tolist()
    assert after[["patient", "label"]].equals(before[["patient", "label"]])
    filled = after.filter(regex=r"^h\d").to_numpy()
    values = before.filter(regex=r"^h\d").to_numpy()
    assert np.isfinite(filled).all()
    np.testing.assert_allclose(filled[~np.isnan(values)], values[~np.isnan(values)], atol=1e-6)
    # the command that is printed works when it is pasted
    assert paste(capsys)[:3] == ["encode", "wide", "filled.csv"]
    assert pd.read_parquet("filled.tokens.parquet")["patient"].tolist() == before["patient"].tolist()


def test_the_file_holds_the_median_that_python_gives() -> None:
    main(["impute", "wide", "gaps.npz", "--out", "median.npz", "--draws", "3", "--seed", "4"])
    y = waves()[1]
    expected = open_run("wide")[0].impute(with_gaps(), y, n_draws=3, seed=4)
    np.testing.assert_array_equal(read_series("median.npz").X, expected.median())
    main(["impute", "wide", "gaps.npz", "--out", "none.npz", "--draws", "3", "--seed", "4", "--unconditional"])
    without = open_run("wide")[0].impute(with_gaps(), n_draws=3, seed=4)
    np.testing.assert_array_equal(read_series("none.npz").X, without.median())


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".parquet", ".feather", ".ts"])
def test_every_format_can_be_read_again(suffix: str) -> None:
    out = f"again{suffix}"
    main(["impute", "wide", "wide_gaps.parquet", *ID, "--out", out, "--draws", "2"])
    y = waves()[1]
    if suffix in (".npz", ".ts"):
        made = read_series(out)
        assert made.X.shape == (20, 1, LENGTH) and made.y is not None and made.y.tolist() == y.tolist()
        assert np.isfinite(made.X).all()
    else:
        read = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".feather": pd.read_feather}[suffix]
        assert read(out)["patient"].tolist() == [f"p{7 * row}" for row in range(20)]


def test_quantiles_and_single_draws_have_files_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    ask = ["impute", "wide", "gaps.npz", "--draws", "3", "--quantiles", "0.1", "0.9", "--each-draw"]
    main([*ask, "--out", "many.npz"])
    assert "20 series in many.npz and 5 more beside it" in capsys.readouterr().err
    low, middle, high = (read_series(f"many{name}.npz").X for name in ("-q0.1", "", "-q0.9"))
    assert (low <= middle).all() and (middle <= high).all() and (low < high).any()
    draws = [read_series(f"many-draw{number}.npz").X for number in (1, 2, 3)]
    np.testing.assert_array_equal(np.median(draws, axis=0), middle)
    Path("many.npz").unlink()
    said = refused([*ask, "--out", "many.npz"], capsys)
    assert said.startswith("ncvqvae: many-q0.1.npz exists; choose another --out")
    said = refused(["impute", "wide", "gaps.npz", "--quantiles", "3", "--out", "no.npz"], capsys)
    assert said == 'ncvqvae: Invalid value "[3.0]" for --quantiles. Must be <= 1.'


def test_a_long_table_keeps_its_ids_and_times(capsys: pytest.CaptureFixture[str]) -> None:
    main(["impute", "long", "long_gaps.csv", *LONG, "--out", "long_filled.csv", "--draws", "2"])
    before, after = pd.read_csv("long_gaps.csv"), pd.read_csv("long_filled.csv")
    assert after.columns.tolist() == before.columns.tolist() and after["volt"].notna().all()
    assert after[["unit", "when", "state"]].equals(before[["unit", "when", "state"]])
    paste(capsys)


def test_extended_series_go_on_in_their_own_columns_and_times(capsys: pytest.CaptureFixture[str]) -> None:
    main(["extend", "long", "long_short.csv", *LONG, "--steps", "5", "--out", "long_longer.csv", "--draws", "2"])
    after = pd.read_csv("long_longer.csv")
    whole = long(*waves())
    step = whole.groupby("unit").cumcount()
    assert after["when"].tolist() == whole["when"][step < 21].tolist()
    assert after["volt"].notna().all() and after["unit"].tolist() == whole["unit"][step < 21].tolist()
    paste(capsys)
    assert Path("long_longer-2-q0.9.csv").exists()
    fast = ["--sampling.n-steps", "1"]
    main(["extend", "wide", "wide_short.csv", *ID, "--steps", "5", "--out", "wide_longer.csv", *fast])
    after, before = pd.read_csv("wide_longer.csv"), pd.read_csv("wide_short.csv")
    steps = [f"h{step}" for step in range(21)]
    assert after.columns.tolist() == ["patient", *steps, "label"] and after.notna().all().all()
    np.testing.assert_allclose(after[steps[:16]], before[steps[:16]], atol=1e-6)
    assert after["patient"].tolist() == before["patient"].tolist()
    said = refused(["extend", "wide", "wide_short.csv", *ID, "--steps", "9", "--out", "no.csv"], capsys)
    assert "series of 16 time steps and 9 more make 25; those of this model have at most 24" in said


def test_variations_have_the_labels_of_what_they_come_from(capsys: pytest.CaptureFixture[str]) -> None:
    main(["vary", "wide", "wide_gaps.csv", *ID, "-n", "2", "--share", "0.5", "--out", "varied.csv"])
    after, y = pd.read_csv("varied.csv"), waves()[1]
    assert after["label"].tolist() == np.repeat(y, 2).tolist() and after["patient"].nunique() == 40
    assert after.filter(regex=r"^h\d").notna().all().all()
    paste(capsys)
    assert len(pd.read_csv("varied.scores.csv")) == 40


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".parquet", ".feather"])
def test_scores_stand_beside_ids_and_labels(suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = f"scores{suffix}"
    main(["score", "long", "long.csv", *LONG, "--out", out])
    scores = open_run("long")[0].score_samples(*waves())
    if suffix == ".npz":
        found = np.load(out)
        assert found["ids"].tolist() == list(range(100, 120)) and found["y"].tolist() == waves()[1].tolist()
        np.testing.assert_allclose(found["score"], scores)
    else:
        read = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".feather": pd.read_feather}[suffix]
        table = read(out)
        assert table.columns.tolist() == ["unit", "label", "score"]
        np.testing.assert_allclose(table["score"], scores, rtol=1e-6)
    assert f"lowest: {100 + int(scores.argmin())}, " in capsys.readouterr().err


def test_a_single_series_can_be_filled(home: Path) -> None:
    np.savez("one.npz", X=with_gaps()[:1])
    main(["impute", "wide", "one.npz", "--draws", "2", "--out", "one_filled.npz"])
    assert np.isfinite(np.load("one_filled.npz")["X"]).all()


@pytest.mark.parametrize(
    ("fitted_on", "given"),
    [
        (["01", "10"], ["10"]),
        (["3", "3b"], ["3"]),
        (["1.50", "none"], ["1.50"]),
        (["true", "maybe"], ["true"]),
        (["True", "maybe"], ["True"]),
        (["1", "2"], ["2"]),
        (["a", "b"], ["b", "a"]),
    ],
)
def test_a_part_of_the_labels_is_told_as_the_model_knows_them(
    fitted_on: list[str], given: list[str], tmp_path: Path
) -> None:
    halves = []
    for texts in (fitted_on, given):
        rows = [f"{text},{case}.5,{case}.25" for text in texts for case in (1, 2)]
        (tmp_path / "labels.csv").write_text("\n".join(["label,t0,t1", *rows, ""]))
        halves.append(load_half(tmp_path / "labels.csv"))
    assert halves[0].y is not None
    model: Any = SimpleNamespace(classes_=count_classes(halves[0].y)[0])
    y = told(model, halves[1], unconditional=False).y
    assert y is not None and set(y.tolist()) == set(halves[0].y[[2 * fitted_on.index(text) for text in given]].tolist())
    assert told(model, halves[1], unconditional=True).y is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["impute", "wide", "gaps.npz", "--out", "no/file.npz"], "no: no such folder; create it first"),
        (["impute", "wide", "gaps.npz", "--out", "file.xyz"], "cannot write file type '.xyz'"),
        (["impute", "wide", "unknown.npz", "--out", "new.npz"], "unknown label 'z'"),
        (["impute", "wide", "gaps.npz", "--out", "new.npz", "--sampling.redraws", "2"], "redraws"),
        (["impute", "wide", "missing.npz", "--out", "new.npz"], "missing.npz: no such file"),
        (["score", "wide", "gaps.npz", "--out", "new.ts"], "cannot write file type '.ts'"),
        (["score", "wide", "gaps.npz", "--out", "gaps.npz"], "gaps.npz exists; choose another --out"),
        (["vary", "wide", "gaps.npz", "--out", "new.npz", "--share", "2"], "--share"),
        (["extend", "wide", "gaps.npz", "--out", "new.npz"], "--steps"),
    ],
)
def test_one_line_says_what_is_wrong(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in refused(arguments, capsys)
    assert not list(Path().glob("*.tmp"))
