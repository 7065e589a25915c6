"""Files of a run belong together: model, data, metrics and page; what changed since the fit is said, never used."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from tests.bench.tasks import TINY

from ncvqvae import NCVQVAE, InputError, load_splits
from ncvqvae.commands import evaluate
from ncvqvae.commands.compare import compare_runs
from ncvqvae.commands.evaluate import evaluate_run
from ncvqvae.commands.fit import fit_run
from ncvqvae.commands.fitted_data import Cases, read_fitted
from ncvqvae.commands.run_folder import DataSource, open_run
from ncvqvae.data.cases import case_digests
from ncvqvae.evaluation.binding import read_run_metrics, run_digest
from ncvqvae.report.content import ReportContent
from ncvqvae.study.rows import collect_rows


def table(n: int, seed: int = 0) -> pd.DataFrame:
    values = np.random.default_rng(seed).normal(size=(n, 32)).round(4)
    return pd.DataFrame(values, columns=[f"t{i}" for i in range(32)]).assign(label=["a", "b"] * (n // 2))


def model(**settings: Any) -> NCVQVAE:
    return NCVQVAE(settings={**TINY, **settings})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fitted")
    table(20).to_csv(folder / "data.csv", index=False)
    fit_run(DataSource(str(folder / "data.csv")), model(), folder / "bench/data/naive/0", logger="none")
    return folder


@pytest.fixture
def work(whole: Path, tmp_path: Path) -> Path:
    """A copy of ``data.csv`` and of the run, which names the copy."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    path = run_of(tmp_path) / "data.yaml"
    path.write_text(path.read_text().replace(str(whole), str(tmp_path)))
    return tmp_path


def run_of(work: Path) -> Path:
    return work / "bench/data/naive/0"


def fitted(work: Path) -> Any:
    found, source = open_run(run_of(work))
    return read_fitted(run_of(work), source, 0, found.facts_)


# ---------------------------------------------------------------- data that changed

GROWN = {
    "rows behind": lambda: pd.concat([table(20), table(6, 1)]),
    "rows before": lambda: pd.concat([table(6, 1), table(20)]),
    "rows of a new class": lambda: pd.concat([table(20), table(6, 1).assign(label="c")]),
}


@pytest.mark.parametrize("kind", GROWN)
def test_series_that_were_added_move_none_from_train_to_held_out(kind: str, work: Path) -> None:
    before = fitted(work)
    GROWN[kind]().to_csv(work / "data.csv", index=False)
    with pytest.warns(UserWarning, match=r"has 6 series more than at the fit; they are left out.*fit again"):
        after = fitted(work)
    assert np.array_equal(after.X_train, before.X_train) and np.array_equal(after.X_test, before.X_test)
    assert after.y_train.tolist() == before.y_train.tolist() and after.y_test.tolist() == before.y_test.tolist()


@pytest.mark.filterwarnings("error")
def test_rows_in_another_order_are_the_same_data(work: Path) -> None:
    before = fitted(work)
    table(20).sample(frac=1, random_state=0).to_csv(work / "data.csv", index=False)
    assert np.array_equal(fitted(work).X_test, before.X_test)


def changed_value() -> pd.DataFrame:
    changed = table(20)
    changed.loc[3, "t5"] += 0.01
    return changed


CHANGED = {
    "a value": (changed_value, "1 of 20 series changed or are gone, 1 are new"),
    "a label": (lambda: table(20).assign(label=["b", *["a", "b"] * 9, "b"]), "of 20 series changed or are gone"),
    "rows taken out": (lambda: table(20).iloc[:14], "6 of 20 series changed or are gone, 0 are new"),
    "other data": (lambda: table(20, 1), "20 of 20 series changed or are gone, 20 are new"),
}


@pytest.mark.parametrize("kind", CHANGED)
@pytest.mark.parametrize("verb", ["evaluate", "report", "fit --resume"])
def test_series_that_changed_are_refused(kind: str, verb: str, work: Path) -> None:
    change, said = CHANGED[kind]
    run, source = run_of(work), DataSource(str(work / "data.csv"))
    (run / "metrics.json").write_text(json.dumps({"fid": 1.0, "run": run_digest(run)}))
    change().to_csv(work / "data.csv", index=False)
    verbs = {
        "evaluate": lambda: evaluate_run(run),
        "report": lambda: compare_runs([run], work / "comparison.html"),
        "fit --resume": lambda: fit_run(source, model(), run, resume=True, logger="none"),
    }
    with pytest.raises(InputError, match=said):
        verbs[verb]()


def test_a_finished_run_is_not_passed_off_as_one_of_more_data(work: Path) -> None:
    source = DataSource(str(work / "data.csv"))
    assert fit_run(source, model(), run_of(work), resume=True, logger="none").n_cases_
    GROWN["rows behind"]().to_csv(work / "data.csv", index=False)
    with pytest.raises(InputError, match=r"is finished, and .*data.csv has 6 series more than at the fit.*--overwrite"):
        fit_run(source, model(), run_of(work), resume=True, logger="none")


def test_padding_order_and_kind_of_label_make_no_other_case() -> None:
    X = np.arange(12.0).reshape(2, 1, 6)
    padded = np.concatenate([X, np.full((2, 1, 3), np.nan)], axis=2)
    assert case_digests(X, np.array([1, 2])) == case_digests(padded.astype(np.float32), np.array(["1", "2"]))
    assert len({*case_digests(X, None), *case_digests(X, np.array([1, 1])), *case_digests(-X, None)}) == 6


# ---------------------------------------------------------------- a stranger's data.yaml, and runs from before


def test_a_file_that_is_not_the_fitted_data_is_said_and_refused(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret = work / "salaries.csv"
    table(20, 2).to_csv(secret, index=False)
    path = run_of(work) / "data.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "data": str(secret)}))
    for cases in ("kept", "forged", "removed"):
        if cases == "forged":
            (run_of(work) / "cases.csv").write_text(Cases.of(load_splits(secret)).to_csv())
        elif cases == "removed":
            (run_of(work) / "cases.csv").unlink()
        with pytest.raises(InputError, match="not the data of the fit" if cases == "kept" else "was not fitted on"):
            evaluate_run(run_of(work))
        assert f"reading {secret}, which" in capsys.readouterr().err.replace("\n", "")
    assert not list(run_of(work).glob("report*"))


def test_a_run_without_digests_opens_with_a_note_if_its_numbers_fit(work: Path) -> None:
    path = run_of(work) / "config.yaml"
    config = yaml.safe_load(path.read_text())
    del config["data"]["digest"]
    path.write_text(yaml.safe_dump(config))
    (run_of(work) / "cases.csv").unlink()
    with pytest.warns(UserWarning, match="keeps no digests of its series"):
        assert len(fitted(work).X_train) == config["data"]["n_cases"]
    GROWN["rows behind"]().to_csv(work / "data.csv", index=False)
    with pytest.raises(InputError, match="was not fitted on the series of"):
        fitted(work)


@pytest.mark.parametrize("text", ["", "split,digest\ntrain,xyz\n", "split,digest\nother,0123456789abcdef\n", "\0"])
def test_damaged_digests_are_one_line(text: str, work: Path) -> None:
    (run_of(work) / "cases.csv").write_text(text)
    with pytest.raises(InputError, match=r"cases.csv is damaged; fit the run again"):
        fitted(work)


# ---------------------------------------------------------------- metrics and page of the model that is there


def content(folder: Path) -> ReportContent:
    splits = load_splits(folder / "data.csv")
    return ReportContent("data", splits.X_train, splits.X_test, metrics={"fid": 1.0})


def test_metrics_of_an_older_model_are_refused_by_every_verb_that_reads_them(work: Path) -> None:
    run = run_of(work)
    evaluate._write_evaluation(run, content(work), of=run_digest(run))
    assert read_run_metrics(run) == {"fid": 1.0} and len(collect_rows(work / "bench")) == 1
    found, splits = NCVQVAE.from_pretrained(run), load_splits(work / "data.csv")
    again = model(seed=5).fit(splits.X_train, splits.y_train)
    assert found.facts_.digest == again.facts_.digest
    again.save_pretrained(run)
    for read in (lambda: compare_runs([run], work / "c.html"), lambda: collect_rows(work / "bench")):
        with pytest.raises(InputError, match=r"metrics.json is of another model.*run again: ncvqvae evaluate"):
            read()


def test_a_model_of_other_data_saved_over_a_run_is_not_evaluated_on_its_data(work: Path) -> None:
    rng = np.random.default_rng(1)
    n = open_run(run_of(work))[0].n_cases_
    model().fit(rng.normal(size=(n, 1, 32)), ["a", "b"] * (n // 2)).save_pretrained(run_of(work))
    with pytest.raises(InputError, match=r"the model in .* was not fitted on the series of"):
        evaluate_run(run_of(work))


@pytest.mark.parametrize("stopped", ["write_metrics", "ncvqvae.report.page.write_report"])
def test_an_evaluation_that_stops_leaves_page_and_metrics_of_one_kind(
    stopped: str, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(work)
    evaluate._write_evaluation(run, content(work), of=run_digest(run))
    before = {name: (run / name).read_bytes() for name in ("metrics.json", "report.html")}

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stopped if "." in stopped else f"ncvqvae.commands.evaluate.{stopped}", stop)
    with pytest.raises(KeyboardInterrupt):
        evaluate._write_evaluation(run, content(work), of="other")
    assert {name: (run / name).read_bytes() for name in before} == before
