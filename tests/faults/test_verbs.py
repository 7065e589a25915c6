"""Every verb on a disk that is full, killed between two names, refused with --overwrite, and beside every other verb.

The verbs run in this process, or in a fork of it that is killed: that takes a tenth of the time of new processes. What
an evaluation computes is left out, for its files do not depend on it; `kill.py` kills whole ones in real processes.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.faults.processes import TINY, check_intact
from tests.full_disk import files_end_at

from ncvqvae import NCVQVAE
from ncvqvae.bench.job import Outcome, Run, carry_out
from ncvqvae.cli import main
from ncvqvae.commands import score
from ncvqvae.evaluation.binding import read_run_metrics
from ncvqvae.files import is_temporary
from ncvqvae.generation.samples import Samples
from ncvqvae.report import pictures

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="needs fork and RLIMIT_FSIZE"),
    pytest.mark.filterwarnings("ignore"),
]


@dataclass
class Verb:
    """A command, and the file or folder that it makes."""

    arguments: list[str]
    makes: str
    limit: int = 100
    """Bytes of a file that are too few for what it writes."""


SHORT = ["--stage1.max-steps", "2", "--stage2.max-steps", "2", "--logger", "none", "--config", "tiny.yaml"]
VERBS = {
    "fit": Verb(["fit", "data.npz", *SHORT, "--out", "new"], "new"),
    "fit --overwrite": Verb(["fit", "data.npz", *SHORT, "--out", "run", "--overwrite", "--seed", "1"], "run"),
    "sample": Verb(["sample", "run", "-n", "20", "--out", "new.npz", "--overwrite"], "new.npz"),
    "sample in parts": Verb(
        ["sample", "run", "-n", "40", "--sampling.chunk-size", "1", "--out", "parts.npz", "--overwrite"], "parts.npz"
    ),
    "sample as text": Verb(["sample", "run", "-n", "20", "--out", "new.ts", "--overwrite"], "new.ts"),
    "encode": Verb(["encode", "run", "data.npz", "--out", "tokens.parquet", "--overwrite"], "tokens.parquet"),
    "impute": Verb(["impute", "run", "data.npz", "--out", "whole.npz", "--overwrite"], "whole.npz"),
    "vary": Verb(["vary", "run", "data.npz", "--out", "like.csv", "--overwrite"], "like.csv"),
    "extend": Verb(
        ["extend", "run", "short.npz", "--steps", "8", "--draws", "2", "--out", "long.npz", "--overwrite"], "long.npz"
    ),
    "export": Verb(["export", "run", "--out", "onnx", "--overwrite"], "onnx/prior.onnx"),
    "score": Verb(["score", "run", "data.npz", "--masks", "2", "--out", "score.csv", "--overwrite"], "score.csv"),
    "evaluate": Verb(["evaluate", "run"], "run/metrics.json", 40),
    "evaluate --samples": Verb(["evaluate", "run", "--samples", "rival.npz"], "run/metrics-rival.json", 40),
    "evaluate without a run": Verb(
        ["evaluate", "--samples", "rival.npz", "--data", "data.npz", "--out", "rival"], "rival/metrics.json", 40
    ),
    "report": Verb(["report", "run", "--out", "page.html"], "page.html"),
    "tables": Verb(["tables", "bench", "--out", "tables"], "tables"),
}
READERS = ["sample", "sample in parts", "sample as text", "encode", "impute", "vary", "extend", "export", "score"]
BENCH = ["bench", "--suite", "suite.yaml", "--seeds", "1", "--no-cas", "--out", "mine"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and an evaluated run."""
    import yaml

    folder = tmp_path_factory.mktemp("verbs")
    rng = np.random.default_rng(0)
    np.savez(folder / "data.npz", X=rng.normal(size=(40, 1, 32)), y=np.array(["a", "b"] * 20))
    np.savez(folder / "rival.npz", X=rng.normal(size=(12, 1, 32)), y=np.array(["a", "b"] * 6))
    np.savez(folder / "short.npz", X=rng.normal(size=(3, 1, 24)), y=np.array(["a", "b", "a"]))
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    steps = {"stage1.max_steps": 2, "stage2.max_steps": 2, "sampling.residual_neighbours": 0, "sampling.redraws": 0}
    suite = {"datasets": ["data.npz"], "models": {"one": {"ssl": "none", **TINY, **steps}}, "seeds": 1}
    (folder / "suite.yaml").write_text(yaml.safe_dump(suite))
    with pytest.MonkeyPatch.context() as patched:
        _without_computing(patched)
        patched.chdir(folder)
        assert run(["fit", "data.npz", *SHORT, "--out", "run"]) == 0
        assert run(["evaluate", "run"]) == 0
    shutil.copytree(folder / "run", folder / "bench/data/mine/0")
    return folder


def _without_computing(patched: pytest.MonkeyPatch) -> None:
    """An evaluation of one metric, a picture that is drawn at once, a bench and its runs in one process.

    A network is exported to ONNX once; what was exported of it is written each time.
    """
    patched.setattr(score, "score_model", _scores)
    patched.setattr(score, "score_series", _scores_of_series)
    patched.setattr(pictures, "_drawings", lambda _: {"pca_of_series": lambda: None})
    patched.setattr(pictures, "_png", lambda _: b"\x89PNG" + bytes(500) + b"IEND" + bytes(4))
    patched.setattr("ncvqvae.report.model_pictures.save_model_pictures", lambda *_: [])
    patched.setattr("ncvqvae.study.pictures.save_pictures", lambda *_: [])
    patched.setattr("ncvqvae.bench.driver.make_backend", lambda *_, **__: Here())
    patched.setattr("torch.onnx.export", _exported)


class Here:
    """A backend that carries out a run where it is started."""

    slots = 1

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def start(self, run: Run) -> None:
        self.outcomes.append(carry_out(run))

    def finished(self, timeout: float) -> list[Outcome]:
        ended, self.outcomes = self.outcomes, []
        return ended

    def close(self) -> None:
        pass


def _exported(network: torch.nn.Module, **how: Any) -> Any:
    name = type(network).__name__
    if name not in PROGRAMS:
        PROGRAMS[name] = EXPORT(network, **how)
    return PROGRAMS[name]


EXPORT, PROGRAMS = torch.onnx.export, dict[str, Any]()


def _scores(model: NCVQVAE, splits: Any, **_: Any) -> score.Scores:
    made = model.sample(8, unconditional=True).X
    return score.Scores({"fid": float(np.abs(made).mean()), "is": 1.0}, made, model.sample(8))


def _scores_of_series(_: Any, X: np.ndarray, y: np.ndarray, **__: Any) -> score.Scores:
    return score.Scores({"fid": float(np.abs(X).mean()), "is": 1.0}, None, Samples(X, y))


@pytest.fixture
def work(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of that folder to work in."""
    shutil.copytree(whole, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("NCVQVAE_CACHE_DIR", str(tmp_path / "cache"))
    _without_computing(monkeypatch)
    return tmp_path / "work"


def run(arguments: list[str]) -> int:
    """Run the command line here; returns its exit code."""
    try:
        main(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def contents(path: Path) -> dict[str, bytes]:
    """Every file at or below a path, by name; locks aside."""
    paths = [path] if path.is_file() else sorted(path.rglob("*"))
    return {str(each): each.read_bytes() for each in paths if each.is_file() and each.name != ".lock"}


def check(folder: Path) -> None:
    """Every file is whole, the run opens, and its metrics, if any, are of its model."""
    check_intact(folder)
    NCVQVAE.from_pretrained("run")
    if Path("run/metrics.json").exists():
        assert read_run_metrics(Path("run")).keys() >= {"fid"}


@pytest.mark.parametrize("name", VERBS)
def test_a_full_disk_is_one_line_and_leaves_what_was_there(
    name: str, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verb = VERBS[name]
    before = contents(work)
    capsys.readouterr()
    with files_end_at(verb.limit):
        assert run(verb.arguments) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].startswith("ncvqvae: ") and "File too large" in said[-1], said
    assert not any("Traceback" in line for line in said)
    assert contents(work) == before
    assert run(verb.arguments) == 0 and Path(verb.makes).exists()
    check(work)


class Moment:
    """Counts the calls of an ``os`` function, and does something at one of them."""

    def __init__(self, patched: pytest.MonkeyPatch, name: str, at: int, action: Callable[[], None]) -> None:
        self.original, self.at, self.action, self.count = getattr(os, name), at, action, 0
        patched.setattr(os, name, self)

    def __call__(self, *given: Any, **options: Any) -> Any:
        self.count += 1
        if self.count == self.at:
            self.action()
        return self.original(*given, **options)


def killed_at(arguments: list[str], call: str, at: int) -> bool:
    """Run a command in a fork that is killed at a call; tells whether it got there."""
    child = os.fork()
    if child == 0:
        try:
            with pytest.MonkeyPatch.context() as patched:
                Moment(patched, call, at, lambda: os.kill(os.getpid(), signal.SIGKILL))
                run(arguments)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.parametrize("name", VERBS)
def test_killed_before_or_between_the_names_the_next_call_clears_up(name: str, work: Path) -> None:
    verb, had_run = VERBS[name], contents(work / "run")
    assert killed_at(verb.arguments, "fsync", 1)
    check_intact(work)
    if name in READERS:
        assert [path for path in work.rglob(".*.tmp") if is_temporary(path)] and contents(work / "run") == had_run
    if killed_at(verb.arguments, "replace", 2):
        check_intact(work)
    again = {
        "fit": ["--resume"],
        "report": ["--overwrite"],
    }  # a page that has its name is whole, and never replaced unasked
    assert run([*verb.arguments, *again.get(name, [])]) == 0
    assert not list(work.rglob("*.tmp")) and not list(work.rglob("*.body"))
    check(work)


@pytest.mark.parametrize("at", [1, 2, 4, 6, 8])
def test_a_bench_that_is_killed_goes_on_where_it_was(at: int, work: Path) -> None:
    had_run = contents(work / "run")
    assert killed_at(BENCH, "replace", at)
    check_intact(work)
    assert run(BENCH) == 0
    one = work / "mine/data/one/0"
    assert read_run_metrics(one).keys() >= {"fid"} and NCVQVAE.from_pretrained(one).n_cases_ > 0
    assert contents(work / "run") == had_run
    assert not list(work.rglob("*.tmp")) and not (one / "checkpoints").exists() and not (one / "failed.txt").exists()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("ncvqvae.commands.fit.fit_run", lambda *_, **__: pytest.fail("trained again"))
        assert run(BENCH) == 0


REFUSED = {
    "no such label": ["sample", "run", "--label", "z", "--out", "old.csv", "--overwrite"],
    "a length that no series has": ["sample", "run", "--length", "7", "--out", "old.npz", "--overwrite"],
    "a setting out of range": ["sample", "run", "--sampling.n-steps", "0", "--out", "old.npz", "--overwrite"],
    "no run": ["sample", "nowhere", "--out", "old.npz", "--overwrite"],
    "another form": ["sample", "run", "--out", "old.xlsx", "--overwrite"],
    "a format that takes no labels": ["sample", "run", "--out", "old.npy", "--overwrite"],
    "no data to encode": ["encode", "run", "nowhere.npz", "--out", "old.parquet", "--overwrite"],
    "data of another shape": ["encode", "run", "other.npz", "--out", "old.npz", "--overwrite"],
    "other data to vary": ["vary", "run", "other.npz", "--out", "old.csv", "--overwrite"],
    "other data to score": ["score", "run", "other.npz", "--out", "old.csv", "--overwrite"],
    "other data to extend": ["extend", "run", "other.npz", "--steps", "2", "--out", "old.npz", "--overwrite"],
    "more steps than the model has": ["extend", "run", "short.npz", "--steps", "9", "--out", "old.npz", "--overwrite"],
    "a number of masks out of range": ["score", "run", "data.npz", "--masks", "0", "--out", "old.csv", "--overwrite"],
    "a share out of range": ["vary", "run", "data.npz", "--share", "1.5", "--out", "old.csv", "--overwrite"],
    "no evaluated run to report": ["report", "nowhere", "--out", "old.html", "--overwrite"],
    "nothing to tabulate": ["tables", "nowhere", "--out", "old", "--overwrite"],
    "other samples": ["evaluate", "--samples", "other.npz", "--data", "data.npz", "--out", "old", "--overwrite"],
    "no run to export": ["export", "nowhere", "--out", "old", "--overwrite"],
    "other data to fill": ["impute", "run", "other.npz", "--out", "old.npz", "--overwrite"],
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_leaves_what_was_to_be_overwritten(name: str, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The refusals of fit are in tests/commands/test_fit.py."""
    np.savez("other.npz", X=np.zeros((4, 3, 20)))
    Path(REFUSED[name][REFUSED[name].index("--out") + 1]).write_text("what was there")
    before = contents(work)
    capsys.readouterr()
    assert run(REFUSED[name]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].startswith("ncvqvae: ") and not any("Traceback" in line for line in said)
    assert contents(work) == before


WRITERS = ["fit --overwrite", "evaluate", "evaluate --samples"]
ON_A_RUN = [*WRITERS, "report", "sample", "encode", "impute", "vary", "extend", "export", "score"]
"""Verbs that take a run. Those that only read it write elsewhere: three of them stand for all beside each other."""
AT_ONCE = [
    (first, second)
    for first in ON_A_RUN
    for second in ON_A_RUN
    if {first, second} & {*WRITERS} or {first, second} <= {"report", "sample", "encode"}
]


@pytest.mark.parametrize(("first", "second"), AT_ONCE)
def test_two_verbs_at_once_on_one_run(
    first: str, second: str, work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second runs while the first is about to give its files their names."""
    codes: list[int] = []
    with monkeypatch.context() as patched:
        Moment(patched, "fsync", 1, lambda: codes.append(run(VERBS[second].arguments)))
        codes.append(run(VERBS[first].arguments))
    said = capsys.readouterr().err
    assert len(codes) == 2 and codes[1] == 0 and "Traceback" not in said
    if {first, second} <= {*WRITERS}:
        assert codes[0] == 2 and "another process is writing to run" in said
    else:
        assert codes[0] == 0
    check(work)
    if (metrics := Path("run/metrics.json")).exists():
        assert json.loads(metrics.read_text())["run"] in Path("run/report.html").read_text()
