import os
from pathlib import Path

import numpy as np
import pytest
import yaml

from ncvqvae.bench import job
from ncvqvae.bench.suites import load_suite, suite_names
from ncvqvae.commands.run_folder import DataSource
from ncvqvae.config import load_config
from ncvqvae.errors import InputError
from ncvqvae.registry import PLUGINS, augmentations


def suite_file(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", suite_names())
def test_every_suite_that_comes_along_makes_models(name: str, tmp_path: Path) -> None:
    runs = load_suite(name).runs(tmp_path)
    assert len({run.key for run in runs}) == len(runs) > 0


def test_paper_is_the_whole_matrix(tmp_path: Path) -> None:
    runs = load_suite("paper").runs(tmp_path)
    assert len(runs) == 13 * 7 * 4
    assert [run.seed for run in runs] == sorted(run.seed for run in runs)
    naive = next(run for run in runs if run.model == "none").config()
    assert (naive.prior.input_mode, naive.stage2.schedule_gives) == ("token", "kept")


def test_ablation_shares_the_runs_of_paper_and_trains_only_what_changes(tmp_path: Path) -> None:
    ablation, paper = load_suite("ablation"), load_suite("paper")
    for name in ("none", "vibcreg-gauss"):
        assert ablation.models[name].config() == paper.models[name].config()
    reused = {run.model: run.reused_stages for run in ablation.runs(tmp_path)}
    assert reused["vibcreg-gauss+T-1"] == ["stage1", "stage2"]
    assert reused["vibcreg-gauss+dropout-0.1"] == ["stage1"]
    assert reused["vibcreg-gauss+weight-0"] == []


def test_a_variant_has_the_settings_of_the_one_that_it_reuses(tmp_path: Path) -> None:
    text = """
    datasets: [GunPoint]
    models:
      a: {preset: quick, ssl: none, prior: {dropout: 0.3}}
      b: {reuse: a, stage2.loss_on: all}
      c: {reuse: b, sampling: {n_steps: 3}}
    """
    suite = load_suite(suite_file(tmp_path, text))
    config = suite.models["c"].config()
    assert (config.ssl, config.prior.dropout, config.stage2.loss_on, config.sampling.n_steps) == ("none", 0.3, "all", 3)
    assert config.stage2.max_steps == load_config("quick").stage2.max_steps
    assert [run.model for run in suite.select(models=["c"], seeds=1).runs(tmp_path)] == ["a", "b", "c"]


def test_files_beside_the_suite_are_found(tmp_path: Path) -> None:
    (tmp_path / "series.csv").touch()
    text = "datasets: [{data: series.csv, label_column: kind}]\nmodels: {a: {}}\nseeds: [3, 5]"
    runs = load_suite(suite_file(tmp_path, text)).runs(tmp_path / "out", data_dir=tmp_path, fcn_dir=tmp_path / "fcn")
    assert [run.key for run in runs] == ["series/a/3", "series/a/5"]
    assert runs[0].source == {
        "data": str(tmp_path / "series.csv"),
        "label_column": "kind",
        "data_dir": str(tmp_path),
    }
    assert runs[0].fcn == str(tmp_path / "fcn" / "series.safetensors")


def test_a_train_split_is_cut_to_few_series_of_each_class(tmp_path: Path) -> None:
    suite = load_suite("smoke").select(["GunPoint"], seeds=1, per_class=[5, 10])
    assert list(suite.datasets) == ["GunPoint-5-a-class", "GunPoint-10-a-class"]
    runs = suite.runs(tmp_path, fcn_dir=tmp_path)
    assert {Path(str(run.fcn)).name for run in runs} == {"GunPoint.safetensors"}
    found = [DataSource(**run.source).load(run.seed) for run in (runs[0], runs[-1])]
    whole = DataSource("GunPoint").load()
    for splits, n in zip(found, (5, 10), strict=True):
        assert splits.y_train is not None and sorted(splits.y_train.tolist()) == sorted([1, 2] * n)
        assert np.array_equal(splits.X_test, whole.X_test) and f"{n} series of each class" in splits.note
    fewer, more = ({series.tobytes() for series in splits.X_train} for splits in found)
    assert fewer < more < {series.tobytes() for series in whole.X_train}
    other = DataSource("GunPoint", per_class=5).load(seed=1)
    assert {series.tobytes() for series in other.X_train} != fewer


@pytest.mark.parametrize("number", [0, "five", True, 2.5])
def test_a_wrong_number_of_series_of_each_class_is_said(number: object, tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    entry = {"data": "GunPoint", "per_class": number}
    path.write_text(yaml.safe_dump({"datasets": [entry], "models": {"a": None}}))
    with pytest.raises(InputError, match="has per_class"):
        load_suite(path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("datasets: [A]\nmodel: {a: {}}", "unknown key 'model'; did you mean 'models'"),
        ("models: {a: {}}", "needs datasets"),
        ("datasets: [A]\nmodels: [a]", "needs models"),
        ("datasets: [A]\nmodels: {a: {sll: none}}", "model a: unknown setting 'sll'; did you mean 'ssl'"),
        ("datasets: [A]\nmodels: {a: {reuse: b}, bb: {}}", "no model 'b'; did you mean 'bb'"),
        ("datasets: [A]\nmodels: {a: {reuse: b}, b: {reuse: a}}", "in a circle"),
        ("datasets: [A]\nmodels: {a: {}, b: {reuse: a, ssl: none}}", "nothing of a can be reused"),
        ("datasets: [A]\nmodels: {../a: {}}", "cannot name a folder"),
        ("datasets: [A]\nmodels: {a: {}}\nseeds: many", "seeds 'many'"),
        ("datasets: [{data: A, labels: x}]\nmodels: {a: {}}", "unknown key 'labels'"),
        ("datasets: [A]\nmodels: {a: {ssl: vibreg}}", "model a: setting 'ssl' is 'vibreg'; did you mean 'vibcreg'?"),
        ("datasets: [A]\nmodels: {a: {prior.dropout: 2}}", "model a: setting 'prior.dropout' is 2; give a number from"),
        ("datasets: [A]\nmodels: {a: {}}\nplugins: mine.py", "has plugins 'mine.py'; give a list"),
        ("datasets: [A]\nmodels: {a: {}}\nplugins: [absent.py]", "absent.py cannot be imported"),
    ],
)
def test_a_wrong_suite_is_said_in_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=r".") as error:
        load_suite(suite_file(tmp_path, text))
    assert complaint in str(error.value) and "\n" not in str(error.value)


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'paper'"):
        load_suite("papr")
    with pytest.raises(InputError, match="did you mean 'vibcreg-gauss'"):
        load_suite("paper").select(models=["vibcreg-gaus"])


def test_two_files_of_one_name_are_two_datasets_or_refused(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "data.csv").write_text("t0,t1\n1,2\n")
    text = "datasets: [{}]\nmodels: {{a: {{}}}}"
    with pytest.raises(InputError, match=r"two datasets would be data.*one/data.csv and .*two/data.csv; rename"):
        load_suite(suite_file(tmp_path, text.format("one/data.csv, two/data.csv")))
    with pytest.raises(InputError, match="two datasets would be data"):
        load_suite(suite_file(tmp_path, text.format("{data: one/data.csv, window: 3}, one/data.csv")))
    same = load_suite(suite_file(tmp_path, text.format("one/data.csv, one/data.csv")))
    (run,) = same.runs(tmp_path / "bench")
    run.folder.mkdir(parents=True)
    (run.folder / "data.yaml").write_text(f"data: {tmp_path / 'two/data.csv'}\n")
    with pytest.raises(InputError, match=r"holds a run on .*two/data.csv, not on .*one/data.csv"):
        job._check_data(run)
    (tmp_path / "two/data.csv").unlink()  # it was moved: the run is of the same series, which `evaluate` checks
    job._check_data(run)


def test_a_suite_brings_its_plug_ins_and_tells_the_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augmentations, "_registered", {})
    monkeypatch.setenv(PLUGINS, "")
    (tmp_path / "views.py").write_text(
        "from ncvqvae.registry import augmentations\n"
        "@augmentations.register('same')\n"
        "def same(x, observed, generator, often: int = 1): return x, observed\n"
    )
    text = (
        "plugins: [views.py]\ndatasets: [A]\nmodels: {a: {augmentation: same, stage1.augmentation_settings.often: 2}}"
    )
    (run,) = load_suite(suite_file(tmp_path, text)).runs(tmp_path)
    assert run.config().augmentation == "same" and run.config().stage1.augmentation_settings == {"often": 2}
    assert os.environ[PLUGINS] == str(tmp_path / "views.py")
