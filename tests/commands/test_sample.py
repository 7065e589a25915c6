"""Generated series in a file: any number in parts, and an interrupted command is taken up again."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from ncvqvae import InputError
from ncvqvae.cli import main
from ncvqvae.codec import Codec
from ncvqvae.commands.run_folder import open_run, run_form
from ncvqvae.data import TableForm, TableOptions, options_like, read_series
from ncvqvae.files import locked

TINY = {
    "tokenizer": {"hidden_channels": 4, "n_residual_blocks": 1, "codebook_size": 8},
    "stage1": {"max_steps": 2, "batch_size": 8, "projector_width": 16, "precision": "32-true"},
    "prior": {"width": 8, "head_width": 8, "n_layers": 1},
    "stage2": {"max_steps": 2, "batch_size": 8, "precision": "32-true"},
    "sampling": {"chunk_size": 2, "n_steps": 2, "precision": "32-true"},
}
N = 70  # 3 parts of 32 series


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sampling")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    rng = np.random.default_rng(0)
    case, step = np.indices((12, 20)).reshape(2, -1)
    frame = pd.DataFrame({"who": case, "hour": step * 0.5, "volt": rng.normal(size=240), "kind": case % 2 == 0})
    frame[(case % 2 == 0) | (step < 12)].to_csv(folder / "data.csv", index=False)
    columns = ["--id-column", "who", "--time-column", "hour", "--label-column", "kind"]
    out = folder / "run"
    main(["fit", str(folder / "data.csv"), *columns, "--config", str(folder / "tiny.yaml"), "--out", str(out)])
    return out


def test_samples_have_the_inputs_columns_units_and_lengths(run: Path) -> None:
    main(["sample", str(run), "-n", "9", "--out", str(run / "new.csv")])
    frame = pd.read_csv(run / "new.csv")
    assert frame.columns.tolist() == ["who", "hour", "volt", "kind"]
    assert frame.groupby("who").size().tolist() == [20 if kind else 12 for kind in frame.groupby("who")["kind"].first()]
    assert frame["hour"].tolist()[:12] == (np.arange(12) * 0.5).tolist() and frame["kind"].dtype == bool
    main(["sample", str(run), "-n", "3", "--length", "5", "--out", str(run / "short.csv")])
    assert len(pd.read_csv(run / "short.csv")) == 15


@pytest.mark.parametrize("stopped_in", [1, 20, 33])
def test_an_interrupted_command_goes_on_to_the_same_file(
    stopped_in: int, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = ["sample", str(run), "-n", str(N), "--overwrite", "--out"]
    whole, broken = run / "whole.npz", run / "broken.npz"
    broken.unlink(missing_ok=True)
    main([*ask, str(whole)])
    finish, calls = Codec.in_units, []

    def interrupted(self: Codec, *arguments: object) -> np.ndarray:
        calls.append(1)
        if len(calls) == stopped_in:
            raise KeyboardInterrupt
        return finish(self, *arguments)

    monkeypatch.setattr(Codec, "in_units", interrupted)
    with pytest.raises(SystemExit) as stopped:
        main([*ask, str(broken)])
    assert stopped.value.code == 130 and "start the same command again" in capsys.readouterr().err
    assert not broken.exists()
    main([*ask, str(broken)])
    assert len(calls) - stopped_in == 35 - 16 * ((stopped_in - 1) // 16)  # chunks of finished parts are not made again
    np.testing.assert_array_equal(read_series(broken).X, read_series(whole).X)
    assert not [path for path in run.iterdir() if path.name.startswith(".broken")]


def test_parts_of_another_request_are_left_out(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    ask = ["sample", str(run), "-n", str(N), "--overwrite"]
    main([*ask, "--seed", "5", "--out", str(run / "whole.npz")])
    with monkeypatch.context() as patch:
        patch.setattr("ncvqvae.commands.sample.read_series", stopped)  # after the first part
        with pytest.raises(SystemExit):
            main([*ask, "--seed", "4", "--out", str(run / "other.npz")])
    main([*ask, "--seed", "5", "--out", str(run / "other.npz")])
    np.testing.assert_array_equal(read_series(run / "other.npz").X, read_series(run / "whole.npz").X)


def test_parts_are_the_series_of_one_draw(run: Path) -> None:
    model, _ = open_run(run)
    main(["sample", str(run), "-n", str(N), "--label", "False", "--out", str(run / "all.parquet")])
    made = model.sample(N, False).X
    frame = pd.read_parquet(run / "all.parquet")
    np.testing.assert_array_equal(frame["volt"], made[~np.isnan(made)])


def test_a_second_process_on_one_file_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with locked(run / ".twice.npz.parts"), pytest.raises(SystemExit):
        main(["sample", str(run), "-n", str(N), "--out", str(run / "twice.npz")])
    assert "another process is writing" in capsys.readouterr().err
    with pytest.raises(InputError):
        open_run(run / "nowhere")


# ---------------------------------------------------------------- samples are read again by `evaluate --samples`


def made_of(kind: str) -> pd.DataFrame:
    """A table in columns that only options explain."""
    rng = np.random.default_rng(0)
    case, step = np.indices((24, 20)).reshape(2, -1)
    values = rng.normal(size=(24, 20)).cumsum(1).round(4)
    if kind == "long":
        return pd.DataFrame({"who": case, "hour": step, "volt": values.ravel(), "kind": np.array(["a", "b"])[case % 2]})
    names = [f"t{i}" for i in range(20)] if kind != "named" else [*"abcdefghijklmnopqrst"]
    table = pd.DataFrame(values, columns=names).assign(kind=np.array(["a", "b"])[np.arange(24) % 2])
    return table if kind != "ids" else table.assign(who=[f"p{i * i}" for i in range(24)])


AGAIN = {
    "wide": ["--label-column", "kind"],
    "ids": ["--label-column", "kind", "--id-column", "who"],
    "named": ["--label-column", "kind", "--value-columns", "a:t"],
    "headless": ["--label-column", "20", "--no-header"],
    "long": ["--label-column", "kind", "--id-column", "who", "--time-column", "hour"],
}


@pytest.mark.parametrize("kind", AGAIN)
def test_evaluate_reads_what_sample_wrote(kind: str, run: Path, tmp_path: Path) -> None:
    data, out = tmp_path / "data.csv", tmp_path / "run"
    made_of(kind).to_csv(data, index=False, header=kind != "headless")
    tiny = ["--config", str(run.parent / "tiny.yaml"), "--logger", "none"]
    main(["fit", str(data), *AGAIN[kind], *tiny, "--out", str(out)])
    for suffix in (".csv", ".parquet", ".npz"):
        made = tmp_path / f"new{suffix}"
        main(["sample", str(out), "-n", "12", "--out", str(made)])
        _, source = open_run(out)
        assert source is not None
        found = read_series(made, options_like(made, run_form(out), source.value_columns is not None))
        assert found.X.shape == (12, 1, 20) and found.y is not None and set(found.y.tolist()) == {"a", "b"}
    judged = ["--no-rivals", "--samples", str(tmp_path / "new.csv")]
    if kind == "wide":
        main(["evaluate", str(out), *judged])
        assert (out / "metrics-new.json").is_file()
    if kind == "long":
        main(["evaluate", "--data", str(data), *AGAIN[kind], *judged, "--out", str(tmp_path / "judged")])
        assert (tmp_path / "judged/metrics.json").is_file()


def test_samples_of_another_form_are_read_as_they_are(tmp_path: Path) -> None:
    table = made_of("wide").drop(columns="kind")
    table.to_csv(tmp_path / "data.csv", index=False)
    form = TableForm(dict.fromkeys("xyz", "double"), {"x": [0, 0], "y": [0, 1]}, label="z", header=False)
    assert options_like(tmp_path / "data.csv", form, True) == TableOptions()
    assert options_like(tmp_path / "data.csv", None) == TableOptions()
