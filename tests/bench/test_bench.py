import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from tests.bench import tasks

from ncvqvae.bench import job
from ncvqvae.bench.driver import check_outcome, run_bench
from ncvqvae.bench.job import Outcome, is_finished
from ncvqvae.bench.local import LocalBackend
from ncvqvae.bench.schedule import Estimate, Schedule
from ncvqvae.bench.suites import ModelEntry, Suite
from ncvqvae.errors import InputError
from ncvqvae.files import held
from ncvqvae.study.rows import collect_rows

ROOT = Path(__file__).parents[2]
PATHS = os.pathsep.join([str(ROOT), str(ROOT / "src")])  # tasks of the tests, and the source beside them


def suite_of(*models: str, seeds: int = 1, **entries: ModelEntry) -> Suite:
    plain = {name: ModelEntry(name, "quick", {}) for name in models}
    return Suite({"A": {"data": "A"}}, plain | entries, list(range(seeds)))


@pytest.fixture
def workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., LocalBackend]:
    monkeypatch.setenv("PYTHONPATH", PATHS)

    def make(n: int = 2, task: str = "traces") -> LocalBackend:
        return LocalBackend(tmp_path / "bench.log", workers=n, task=f"tests.bench.tasks:{task}")

    return make


def test_failed_runs_say_why_and_stop_nobody(tmp_path: Path, workers: Callable[..., LocalBackend]) -> None:
    after = ModelEntry("after", "quick", {"sampling.n_steps": 3}, reuse="raises")
    runs = suite_of("raises", "dies", "works", seeds=2, after=after).runs(tmp_path)
    schedule = run_bench(runs, workers())
    assert {run.model for run in schedule.in_state("done")} == {"works"}
    assert schedule.count("failed") == 6
    raised = (tmp_path / "A/raises/0/failed.txt").read_text()
    assert raised.startswith("RuntimeError: no luck\n") and "Traceback" in raised
    assert "signal 9" in (tmp_path / "A/dies/1/failed.txt").read_text()
    assert schedule.reasons["A/after/0"] == "A/raises/0, which it reuses, failed"
    with pytest.raises(InputError, match="6 of 8 runs failed, first A/"):
        check_outcome(schedule)

    (tmp_path / "mended").touch()
    log_before = (tmp_path / "log.txt").read_text().splitlines()
    schedule = run_bench(runs, workers())
    check_outcome(schedule)
    assert schedule.count("done") == 8 and not list(tmp_path.glob("*/*/*/failed.txt"))
    again = (tmp_path / "log.txt").read_text().splitlines()[len(log_before) :]
    assert sorted(again) == sorted(run.key for run in runs if run.model != "works")


def test_two_benches_share_the_runs(tmp_path: Path, workers: Callable[..., LocalBackend]) -> None:
    runs = suite_of("a", "b", seeds=3).runs(tmp_path)
    schedules: list[Schedule] = []

    def bench() -> None:
        schedules.append(run_bench(runs, workers(1), pause=0.2))

    threads = [threading.Thread(target=bench) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [schedule.count("done") for schedule in schedules] == [6, 6]
    log = (tmp_path / "log.txt").read_text().splitlines()
    assert sorted(log) == sorted(run.key for run in runs)  # each once


def test_a_run_in_other_hands_is_looked_at_again(tmp_path: Path) -> None:
    runs = suite_of("a").runs(tmp_path)
    with held(runs[0].note(".lock")) as mine:
        assert mine
        assert tasks.traces(runs[0]) == Outcome("A/a/0", "busy")
    schedule = Schedule(runs, pause=0.0)
    assert schedule.next() == runs[0] and schedule.next() is None
    schedule.record(Outcome("A/a/0", "busy"))
    assert schedule.is_open() and schedule.next() == runs[0]


def test_a_folder_with_other_settings_is_refused(tmp_path: Path) -> None:
    runs = suite_of("a").runs(tmp_path)
    assert tasks.traces(runs[0]).state == "done"
    other = suite_of(a=ModelEntry("a", "quick", {"prior.dropout": 0.7})).runs(tmp_path)
    with pytest.raises(InputError, match=r"another prior\.dropout"):
        Schedule(other)


def test_estimate_from_what_was_measured(tmp_path: Path) -> None:
    variant = ModelEntry("v", "quick", {"sampling.n_steps": 3}, reuse="a")
    runs = Suite({"A": {"data": "A"}}, {"a": ModelEntry("a", "quick", {}), "v": variant}, [0, 1]).runs(tmp_path)
    assert Estimate(Schedule(runs)).seconds_left(1) is None
    tasks.traces(runs[0])  # stage 1 took 1 s, stage 2 took 2 s, evaluation 3 s
    schedule = Schedule(runs)
    estimate = Estimate(schedule)
    assert estimate.seconds_left(1) == 6 + 3 + 3  # the variants only evaluate


def test_cas_is_left_out_or_added_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NCVQVAE_CACHE_DIR", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "tiny.npz", X=rng.normal(size=(16, 1, 24)).astype("float32"), y=np.arange(16) % 2)
    source = {"tiny": {"data": str(tmp_path / "tiny.npz")}}
    suite = Suite(source, {"a": ModelEntry("a", "quick", tasks.TINY)}, [0])
    (without,), (with_cas,) = suite.runs(tmp_path / "out", cas=False), suite.runs(tmp_path / "out")

    assert tasks.tiny(without).state == "done" and is_finished(without) and not is_finished(with_cas)
    figures = json.loads((without.folder / "metrics.json").read_text())
    assert "cas_rocket" in figures and "cas" not in figures
    trained = (without.folder / "prior.safetensors").stat().st_mtime_ns

    assert tasks.tiny(with_cas).state == "done" and is_finished(with_cas) and is_finished(without)
    later = json.loads((without.folder / "metrics.json").read_text())
    assert later.keys() - figures.keys() == {"cas", "cas_real"}
    assert {name: later[name] for name in figures} == figures
    assert (without.folder / "prior.safetensors").stat().st_mtime_ns == trained


def test_missing_weights_are_said_before_the_training(tmp_path: Path) -> None:
    from ncvqvae.bench.suites import load_suite

    (tmp_path / "suite.yaml").write_text("datasets: [GunPoint]\nseeds: 1\nmodels: {a: {ssl: none}}\n")
    (run,) = load_suite(tmp_path / "suite.yaml").runs(tmp_path / "out", fcn_dir=tmp_path)
    outcome = tasks.traces(run)
    assert outcome.state == "failed" and "no FCN weights for GunPoint" in outcome.reason
    assert not (run.folder / "log.txt").exists() and not (Path(run.out) / "log.txt").exists()


def test_killed_and_started_again_ends_in_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: Callable[..., LocalBackend]
) -> None:
    monkeypatch.setenv("NCVQVAE_CACHE_DIR", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "tiny.npz", X=rng.normal(size=(16, 1, 24)).astype("float32"), y=np.arange(16) % 2)
    (tmp_path / "broken.csv").write_text("no series here\n")
    settings = "\n".join(f"    {name}: {value}" for name, value in tasks.TINY.items())
    suite = tmp_path / "suite.yaml"
    suite.write_text(
        "preset: quick\ndatasets: [tiny.npz, broken.csv]\nseeds: 2\n"
        f"models:\n  a:\n{settings}\n  a+T-1: {{reuse: a, sampling.n_steps: 1}}\n"
    )
    from ncvqvae.bench.suites import load_suite

    whole, broken = tmp_path / "whole", tmp_path / "broken"
    broken.mkdir()
    driver = (
        "from ncvqvae.bench.driver import run_bench; from ncvqvae.bench.local import LocalBackend;"
        "from ncvqvae.bench.suites import load_suite; from pathlib import Path; import sys;"
        "suite, out = sys.argv[1:];"
        "run_bench(load_suite(suite).runs(out), LocalBackend(Path(out, 'log'), workers=1,"
        " task='tests.bench.tasks:tiny_until_stage2'))"
    )
    environment = {**os.environ, "PYTHONPATH": PATHS}
    process = subprocess.Popen([sys.executable, "-c", driver, str(suite), str(broken)], env=environment)
    # meanwhile the same without interruption
    schedule = run_bench(load_suite(suite).runs(whole), workers(1, "tiny"))
    assert schedule.count("done") == 4
    assert "broken" in schedule.reasons["broken/a/0"] and "reuses" in schedule.reasons["broken/a+T-1/0"]

    wait_for((broken / "pid").is_file)
    worker = int((broken / "pid").read_text())
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: not is_alive(worker))
    left = broken / "tiny/a/1"
    assert (left / "checkpoints/stage1.safetensors").is_file() and not (left / "config.yaml").exists()

    finished = (broken / "tiny/a/0/metrics.json").stat().st_mtime_ns
    schedule = run_bench(load_suite(suite).runs(broken), workers(1, "tiny"))
    assert schedule.count("done") == 4 and schedule.count("failed") == 4
    assert (broken / "tiny/a/0/metrics.json").stat().st_mtime_ns == finished  # what was done stays
    seconds = ["stage1_seconds", "stage2_seconds"]
    a, b = (collect_rows(folder).drop(columns=seconds) for folder in (whole, broken))
    assert len(a) == 4
    pd.testing.assert_frame_equal(a, b, check_exact=True)

    variant, base = (a[(a["model"] == name) & (a["seed"] == 0)].iloc[0] for name in ("a+T-1", "a"))
    assert variant["prior_loss"] == base["prior_loss"] and variant["fid"] != base["fid"]


def test_a_trained_run_of_the_default_preset_is_known_by_what_was_asked(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "tiny.npz", X=rng.normal(size=(60, 1, 24)).astype("float32"), y=np.arange(60) % 2)
    quick = {
        "sampling.n_steps": 10,
        "sampling.choice_temperature": 16.0,
        "sampling.kept_share": 0.0,
        "sampling.time_warp": 0.0,
    }
    entry = ModelEntry("a", "default", {"stage1.max_steps": 2, "stage2.max_steps": 2, **quick})
    (run,) = Suite({"tiny": {"data": str(tmp_path / "tiny.npz")}}, {"a": entry}, [0]).runs(tmp_path / "out")
    run.note(".json").parent.mkdir(parents=True)  # as whoever holds the run's lock has made it
    job._train(run, job.Pulse(run))
    became = yaml.safe_load((run.folder / "config.yaml").read_text())["model"]
    assert became["augmentation"] in ("warp", "slice") and run.config().augmentation == "auto"
    assert not is_finished(run)  # trained, not evaluated; and no other run
    job._train(run, job.Pulse(run))


@pytest.mark.slow
def test_a_bench_of_the_default_preset_is_killed_and_started_again(tmp_path: Path) -> None:
    # what auto became differs from what was asked: a run is known by what was asked
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "tiny.npz", X=rng.normal(size=(40, 1, 24)).astype("float32"), y=np.arange(40) % 2)
    small = {name: value for name, value in tasks.TINY.items() if not name.startswith("sampling.")}
    suite = {"preset": "default", "datasets": ["tiny.npz"], "seeds": 2, "models": {"a": small}}
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(suite))
    program = (
        "import sys; from ncvqvae.bench.local import LocalBackend; from ncvqvae.cli import main;"
        "LocalBackend.__init__.__kwdefaults__['task'] = 'tests.bench.tasks:tiny'; main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", program, "bench", "--suite", "suite.yaml", "--out", "out", "--workers", "1"]
    environment = {**os.environ, "PYTHONPATH": PATHS, "NCVQVAE_CACHE_DIR": str(tmp_path / "cache")}
    places: dict[str, Any] = {"cwd": tmp_path, "env": environment}
    process = subprocess.Popen([*command, "--no-cas"], **places)
    runs = tmp_path / "out" / "tiny" / "a"
    try:
        wait_for((runs / "1").is_dir, 300)
    finally:
        process.kill()
        process.wait()
    first = (runs / "0" / "metrics.json").stat().st_mtime_ns
    for _ in range(2):  # the second time nothing is left to do
        subprocess.run([*command, "--no-cas"], **places, check=True, timeout=600)
        assert (runs / "1" / "metrics.json").is_file() and not list(runs.glob("*/failed.txt"))
        assert (runs / "0" / "metrics.json").stat().st_mtime_ns == first


def test_a_run_of_the_first_format_is_known_again(tmp_path: Path) -> None:
    (run,) = suite_of(a=ModelEntry("a", "default", {})).runs(tmp_path)
    assert tasks.traces(run).state == "done"
    path = run.folder / "config.yaml"
    values = yaml.safe_load(path.read_text())
    assert "asked" not in values
    values["model"]["augmentation"] = "slice"  # what auto had become
    path.write_text(yaml.safe_dump(values))
    assert is_finished(run)
    (other,) = suite_of(a=ModelEntry("a", "default", {"augmentation": "warp"})).runs(tmp_path)
    with pytest.raises(InputError, match="another augmentation"):
        is_finished(other)


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_stage_1_alone_has_rows_of_the_tokenizer(tmp_path: Path) -> None:
    from tests.waves import SMALL

    from ncvqvae.study.tables import write_all

    entries = {
        "none": ModelEntry("none", "quick", SMALL | {"ssl": "none"}),
        "vibcreg-gauss": ModelEntry("vibcreg-gauss", "quick", SMALL),
        "vibcreg-gauss+T-5": ModelEntry("vibcreg-gauss+T-5", "quick", SMALL | {"sampling.n_steps": 5}, "vibcreg-gauss"),
    }
    suite = Suite({"GunPoint": {"data": "GunPoint"}}, entries, [0])
    runs = suite.runs(tmp_path, stage=1)
    assert [run.model for run in runs] == ["none", "vibcreg-gauss"]  # the third has the tokenizer of the second
    for run in runs:
        assert job.carry_out(run).state == "done" and is_finished(run)
    rows = collect_rows(tmp_path)
    told = ["val_recon", "fid_reconstructed", "is_reconstructed", "knn", "svm", "embedding_linear", "linear_catch22"]
    assert rows[[*told, "perplexity_train", "dead_codes", "stage1_seconds"]].notna().all(axis=None)
    assert not {"fid", "prior_loss", "stage2_seconds", "copied"} & set(rows.columns)
    assert not list(tmp_path.glob("*/*/*/report.html"))
    write_all(tmp_path, tmp_path / "tables")
    assert "KNN" in (tmp_path / "tables/tables.md").read_text()
    with pytest.raises(InputError, match=r"another .*; choose another --out"):
        is_finished(suite.runs(tmp_path)[0])
