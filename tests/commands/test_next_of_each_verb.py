"""Every verb ends in a command that works when it is pasted."""

import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tests.bench.folders import finish

from ncvqvae import NCVQVAE, Samples
from ncvqvae.bench import driver
from ncvqvae.cli import app, main
from ncvqvae.commands import score
from ncvqvae.commands.next_step import program
from ncvqvae.report import verdict

TINY = {
    "tokenizer": {"hidden_channels": 4, "n_residual_blocks": 1, "codebook_size": 8},
    "stage1": {"max_steps": 2, "batch_size": 8, "projector_width": 16, "precision": "32-true"},
    "prior": {"width": 8, "head_width": 8, "n_layers": 1},
    "stage2": {"max_steps": 2, "batch_size": 8, "precision": "32-true"},
}
VERBS = {
    "fit": "fit series.npz --config tiny.yaml --preset quick --logger none --out another",
    "sample": "sample run -n 4 --out new.csv",
    "encode": "encode run series.npz --out tokens.csv",
    "impute": "impute run gaps.npz --draws 2 --out filled.csv",
    "extend": "extend run short.npz --steps 8 --draws 2 --out longer.npz",
    "vary": "vary run series.npz --out varied.csv",
    "score": "score run series.npz --masks 2 --out scores.csv",
    "export": "export run --out onnx",
    "evaluate": "evaluate run",
    "report": "report run --out page.html",
    "bench": "bench --suite smoke --datasets ItalyPowerDemand --models none --seeds 2 --out bench",
    "tables": "tables bench --out tables",
    "doctor": "doctor",
}
SAYS = {"fit": "model in another", "evaluate": "report.html", "export": "embedding.onnx"}
"""What some verbs say that they made; each of the others names its last word, the path after --out."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with series and a run of them."""
    folder = tmp_path_factory.mktemp("next")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 1, 32)), np.array(["a", "b"] * 20)
    np.savez(folder / "series.npz", X=X, y=y)
    np.savez(folder / "short.npz", X=X[:3, :, :24], y=y[:3])
    X[:, :, 8:14] = np.nan
    np.savez(folder / "gaps.npz", X=X[:3], y=y[:3])
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        _without_computing(patch)
        main(shlex.split("fit series.npz --out run --config tiny.yaml --preset quick --logger none"))
        main(shlex.split("evaluate run"))
    return folder


def _without_computing(patch: pytest.MonkeyPatch) -> None:
    """Evaluations of one metric, and no pictures: what is said does not depend on them."""

    def of_model(model: NCVQVAE, *_: Any, **__: Any) -> score.Scores:
        made = model.sample(8)
        return score.Scores({"fid": 1.0, "is": 1.0}, made.X, made)

    def of_series(_: Any, X: np.ndarray, y: np.ndarray, **__: Any) -> score.Scores:
        return score.Scores({"fid": 1.0, "is": 1.0}, X, Samples(X, y))

    patch.setattr(score, "score_model", of_model)
    patch.setattr(score, "score_series", of_series)
    for pictures in ("pictures.save_pictures", "model_pictures.save_model_pictures"):
        patch.setattr(f"ncvqvae.report.{pictures}", lambda *_: None)
    patch.setattr("ncvqvae.study.pictures.save_pictures", lambda *_: [])

    def exported(_: Any, out: Path, **__: Any) -> list[Path]:
        out.mkdir()
        return [out / "embedding.onnx"]

    patch.setattr("ncvqvae.commands.export.export_onnx", exported)


@pytest.fixture(autouse=True)
def _inside(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("NCVQVAE_CACHE_DIR", str(home / "cache"))
    _without_computing(monkeypatch)

    def done_at_once(runs: Any, *_: Any, **__: Any) -> Any:
        finish([run for run in runs if not run.folder.exists()], lambda run: {"fid": 1.0, "val_recon": 0.1})
        return type("Finished", (), {"reasons": {}})

    monkeypatch.setattr(driver, "run_bench", done_at_once)


def said_by(line: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    main(shlex.split(line))
    out = capsys.readouterr()
    return [*out.out.strip().splitlines(), *out.err.strip().splitlines()]


def pasted(line: str, carry_out: Callable[[str], Any]) -> None:
    """Carry out the command in a line that a verb ended in; of a browser the page must be there."""
    command = line.removeprefix("next: ")
    if " -m webbrowser " in command:
        assert Path(shlex.split(command)[-1]).is_file()
        return
    assert command.startswith(f"{program()} ")
    carry_out(command.removeprefix(f"{program()} "))


def test_each_verb_is_walked() -> None:
    assert set(VERBS) == {name for name in app if not name.startswith("-")}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_says_what_it_made_and_a_next_command_that_works(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    if verb == "tables":
        said_by(VERBS["bench"], capsys)
    lines = said_by(VERBS[verb], capsys)
    nexts = [line for line in lines if line.startswith("next: ")]
    assert len(nexts) == 1 and lines[-1] == nexts[0], lines
    if verb not in ("bench", "doctor"):
        made = SAYS.get(verb) or shlex.split(VERBS[verb])[-1]
        assert any(made in line for line in lines[:-1]), lines

    def carry_out(command: str) -> None:
        short = " --config tiny.yaml --logger none" if command.startswith("fit ") else ""
        main(shlex.split(command + short))

    pasted(nexts[0], carry_out)


@pytest.mark.parametrize("fine", [True, False, None])
def test_evaluate_ends_in_a_command_that_agrees_with_its_verdict(
    fine: bool | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = verdict.judge
    monkeypatch.setattr(verdict, "judge", lambda content: replace(judge(content), fine=fine))
    lines = said_by("evaluate run", capsys)
    (last,) = [line for line in lines if line.startswith("next: ")]
    assert last == lines[-1] and (" sample run " in last) == (fine is True)
    assert sum(line.startswith("advice: ") for line in lines) == (fine is not True)
    pasted(last, lambda command: main(shlex.split(command)))
