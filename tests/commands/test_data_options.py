"""Options for data on the command line: through real runs, from a file to samples, tokens and messages."""

import csv
import shutil
import warnings
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ncvqvae.cli import main
from ncvqvae.cli.parameters import ColumnOptions
from ncvqvae.commands.fitted_data import read_fitted
from ncvqvae.commands.run_folder import DataSource, open_run
from ncvqvae.commands.streams import warnings_in_one_line
from ncvqvae.data import TableOptions

CASES = Path(__file__).parents[1] / "data" / "read" / "cases"
TINY = ["--preset", "quick", "--stage1.max-steps", "2", "--stage2.max-steps", "2", "--logger", "none"]
LONG = ["--id-column", "unit", "--time-column", "time", "--label-column", "state"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def run(home: Path, request: pytest.FixtureRequest) -> Path:
    """A run that was fitted through a path with ~, which no shell has expanded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.chdir(home)
        shutil.copy(CASES / "ids_shuffled.csv", home / "series.csv")
        capture = request.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            main(["fit", "~/series.csv", *LONG, *TINY, "--out=~/runs/mine"])
    return home / "runs" / "mine"


def test_a_path_with_a_tilde_is_the_home_folder(run: Path, home: Path) -> None:
    assert (run / "config.yaml").is_file() and not (home / "~").exists()


def test_what_was_decided_is_said_before_training(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["fit", str(CASES / "header_0_1_2.csv"), *TINY, "--out", "numbers"])
    said = capsys.readouterr().err
    line = "24 series of 32 steps from columns 0 … 31; label from 'label'; ignored: none"
    assert line in said and said.index(line) < said.index("expected training time")


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather", ".npz"])
def test_ids_stand_beside_tokens_and_embeddings(suffix: str, run: Path, home: Path) -> None:
    out = home / f"tokens{suffix}"
    main(["encode", str(run), "series.csv", *LONG, f"--out=~/{out.name}"])
    with (home / "series.csv").open(newline="") as file:
        ids = list(dict.fromkeys(row["unit"] for row in csv.DictReader(file)))
    if suffix == ".npz":
        assert np.load(out)["ids"].tolist() == ids
    else:
        read = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".feather": pd.read_feather}[suffix]
        table = read(out)
        assert table["unit"].tolist() == ids and table.columns[:3].tolist() == ["unit", "label", "token_0"]


def test_windows_say_where_in_which_recording_they_start(run: Path, home: Path) -> None:
    main(["encode", str(run), "series.csv", *LONG, "--window", "32", "--stride", "16", "--out", "windows.csv"])
    table = pd.read_csv(home / "windows.csv")
    assert table["start"].tolist() == [0] * 24 and table["unit"].nunique() == 24


def test_an_interrupted_run_goes_on_with_the_data_and_settings_it_began_with(
    run: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    begin = ["fit", "series.csv", *LONG, *TINY, "--out", "broken"]
    with monkeypatch.context() as patch:
        patch.setattr("ncvqvae.model.prior_stage", interrupted)
        with pytest.raises(SystemExit):
            main(begin)
    assert not (home / "broken" / "config.yaml").exists()
    main(["fit", "--resume", "--out", "broken"])
    main(["fit", "series.csv", *LONG, *TINY, "--out", "whole"])
    for name in ("tokenizer.safetensors", "prior.safetensors"):
        assert (home / "broken" / name).read_bytes() == (home / "whole" / name).read_bytes()
    assert "--resume with the --out" in refused(["fit", "--resume"], capsys)
    assert "holds no interrupted run" in refused(["fit", "--resume", "--out", "nothing"], capsys)


def test_options_of_several_columns_take_them_in_a_row(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = [f"X{i}" for i in range(1, 17)]
    main(["fit", str(CASES / "patient_label_X1.csv"), "--value-columns", *values, *TINY, "--out", "several"])
    assert "24 series of 16 steps from columns X1 … X16" in capsys.readouterr().err
    main(["sample", "several", "-n", "3", "--out", "several.csv"])
    with (home / "several.csv").open(newline="") as file:
        assert next(csv.reader(file)) == ["label", *values]


def test_messages_name_options_as_they_are_typed(capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(["fit", str(CASES / "patient_label_X1.csv"), *TINY, "--out", "new"], capsys)
    assert "column 'patient' among the time steps" in said and "leave it out with --ignore-columns" in said
    said = refused(["fit", str(CASES / "lexical_t.csv"), "--stride", "3", *TINY, "--out", "new"], capsys)
    assert said == "ncvqvae: --stride: it says how far apart windows are, and there are none; give --window, too"


def test_labels_come_back_as_the_file_writes_them_and_can_be_asked_for(home: Path) -> None:
    rng = np.random.default_rng(0)
    for name, labels in {"flags": ["True", "False"], "floats": ["1.0", "2.5"], "signs": ["-x", "+x"]}.items():
        frame = pd.DataFrame(rng.normal(size=(12, 16)).round(3)).add_prefix("t")
        frame.insert(0, "label", labels * 6)
        frame.to_csv(f"{name}.csv", index=False)
        main(["fit", f"{name}.csv", *TINY, "--out", name])
        for label in labels:
            main(["sample", name, "-n", "2", "--label", label, "--out", "one.csv", "--overwrite"])
            made = pd.read_csv("one.csv", dtype=str)
            assert made["label"].tolist() == [label] * 2
            assert made.drop(columns="label").map(lambda cell: len(cell.partition(".")[2]) <= 3).all().all()


def write_patients(path: Path) -> None:
    """Series of ten patients, three of each, whose values say of whom they are."""
    patient = np.repeat(np.arange(10), 3)
    values = patient[:, None] + np.random.default_rng(0).uniform(0.1, 0.9, (30, 16)).round(3)
    frame = pd.DataFrame(values).add_prefix("t")
    frame.assign(label=np.where(patient % 2, "a", "b"), patient=patient).to_csv(path, index=False)


def test_series_of_a_patient_are_held_out_together_and_stay_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_patients(home / "patients.csv")
    main(["fit", "patients.csv", "--group-column", "patient", *TINY, "--out", "grouped"])
    said = capsys.readouterr().err
    line = "9 of 30 cases kept aside for evaluation (seed 0, stratified by class), all series of 3 of the 10 values"
    assert line in said and said.index(line) < said.index("expected training time")
    model, source = open_run("grouped")
    assert source is not None and source.group_column == "patient"
    splits = read_fitted(home / "grouped", source, model.config_.seed, model.facts_)
    train, held_out = (set(np.floor(X).ravel().tolist()) for X in (splits.X_train, splits.X_test))
    assert not train & held_out and (len(train), len(held_out)) == (7, 3)
    before = (home / "grouped/cases.csv").read_bytes()
    main(["fit", "--resume", "--out", "grouped"])
    assert (home / "grouped/cases.csv").read_bytes() == before
    assert refused(["fit", "patients.csv", *TINY, "--group-column", "label", "--out", "grouped", "--resume"], capsys)
    main(["encode", "grouped", "patients.csv", "--group-column", "patient", "--out", "of_patients.csv"])
    assert len(pd.read_csv("of_patients.csv")) == 30
    main(["sample", "grouped", "-n", "3", "--out", "of_grouped.csv"])
    assert pd.read_csv("of_grouped.csv").columns.tolist() == [*(f"t{i}" for i in range(16)), "label"]


def test_what_a_column_holds_out_stays_held_out(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_patients(home / "patients.csv")
    frame = pd.read_csv("patients.csv").assign(set=["train"] * 24 + ["test"] * 6)
    frame.to_csv("sets.csv", index=False)
    options = ["--split-column", "set", "--ignore-columns", "patient"]
    main(["fit", "sets.csv", *options, *TINY, "--out", "sets"])
    assert "6 of 30 cases kept aside for evaluation, as 'set' says" in capsys.readouterr().err
    _, source = open_run("sets")
    assert source is not None and set(np.floor(read_fitted(home / "sets", source, 5).X_test).ravel()) == {8, 9}
    main(["encode", "sets", "sets.csv", *options, "--split", "test", "--out", "held_out.csv"])
    assert len(pd.read_csv("held_out.csv")) == 6
    said = refused(["fit", "sets.csv", "--split-column", "label", *TINY, "--out", "new"], capsys)
    assert "name the label with --label-column, or another --split-column" in said


def test_patients_that_are_left_out_are_said_with_the_option_as_it_is_typed(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_patients(home / "patients.csv")
    with pytest.warns(UserWarning, match="several series have the same value of 'patient', which is left out") as said:
        main(["fit", "patients.csv", "--ignore-columns", "patient", *TINY, "--out", "ungrouped"])
    with warnings_in_one_line():
        shown = warnings.formatwarning(said[0].message, UserWarning, said[0].filename, 1)
    assert shown.startswith("ncvqvae: warning: patients: ") and shown.endswith("together with --group-column\n")
    said = refused(["fit", "patients.csv", "--group-column", "patent", *TINY, "--out", "new"], capsys)
    assert said.endswith("patients.csv: no column named 'patent'; did you mean 'patient'?")
    said = refused(["fit", "patients.csv", *TINY, "--out", "new"], capsys)
    assert "--id-column, --group-column, --split-column or --time-column" in said and not (home / "new").exists()


def test_every_way_to_name_columns_has_the_same_options() -> None:
    of_tables = {field.name for field in fields(TableOptions)} - {"recordings"}
    assert {field.name for field in fields(ColumnOptions)} == of_tables | {"data_dir"}
    cut_by_bench = {"per_class"}
    assert {field.name for field in fields(DataSource)} == of_tables | cut_by_bench | {"data", "data_dir", "test"}


def test_a_table_is_parsed_once_and_its_values_are_checked_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow.csv

    from ncvqvae.data import validate
    from ncvqvae.training import loop

    parsed, checked = [], []
    read_csv, check = pyarrow.csv.read_csv, validate._check_values
    monkeypatch.setattr("pyarrow.csv.read_csv", lambda *args, **kw: parsed.append(args) or read_csv(*args, **kw))
    monkeypatch.setattr(validate, "_check_values", lambda X, where: checked.append(X.shape) or check(X, where))
    before_training, train = [], loop.train
    monkeypatch.setattr(loop, "train", lambda *args, **kw: before_training.append([*checked]) or train(*args, **kw))
    main(["fit", str(CASES / "header_0_1_2.csv"), *TINY, "--out", "once"])
    assert len(parsed) == 1
    assert before_training == [[(24, 1, 32)]] * 2  # the file, before both stages; pictures come after them
