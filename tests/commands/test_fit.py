"""``fit`` and its folder: data are read first, an old run stays until the new one is whole, failures leave nothing."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import ncvqvae.commands.fit
from ncvqvae import NCVQVAE, InputError
from ncvqvae.cli import main
from ncvqvae.commands.fit import fit_run
from ncvqvae.commands.narration import Settled
from ncvqvae.commands.run_folder import NEW, OWN_FILES, DataSource, as_label, check_output, open_run
from ncvqvae.config import kept, load_config
from ncvqvae.data import TableForm
from ncvqvae.labels import parse_labels
from ncvqvae.training.loop import train

TINY = {
    "tokenizer": {"hidden_channels": 4, "n_residual_blocks": 1, "codebook_size": 8},
    "stage1": {"max_steps": 3, "batch_size": 8, "projector_width": 16, "precision": "32-true"},
    "prior": {"width": 8, "head_width": 8, "n_layers": 1},
    "stage2": {"max_steps": 3, "batch_size": 8, "precision": "32-true"},
    "sampling": {"n_steps": 2, "residual_neighbours": 0, "redraws": 0, "precision": "32-true"},
}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, and an evaluated-looking run in ``run``."""
    folder = tmp_path_factory.mktemp("fit")
    rng = np.random.default_rng(0)
    np.savez(folder / "data.npz", X=rng.normal(size=(24, 1, 32)), y=np.array(["a", "b", "c"] * 8))
    (folder / "data.csv").write_text("t0,t1,t2,t3,klass\n" + "1,2,3,4,a\n2,3,4,6,b\n" * 6)
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    fit_run(source(folder), model(), folder / "run", logger="none")
    return folder


class Killed(Exception):
    """Stands for the end of the process."""


def source(folder: Path) -> DataSource:
    return DataSource(str(folder / "data.npz"))


def model(seed: int = 0, **settings: Any) -> NCVQVAE:
    return NCVQVAE(seed=seed, settings={**TINY, **settings})


@pytest.fixture
def run(work: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, with a file of the user's in it."""
    run = shutil.copytree(work / "run", tmp_path / "run")
    (run / "metrics.json").write_text("{}")
    (run / "note.txt").write_text("mine")
    return run


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


# ---------------------------------------------------------------- what is refused leaves the old run as it was

REFUSED = {
    "a typo in the name": (["GunPont"], "GunPoint"),
    "a file that is not there": (["absent.csv"], "absent.csv"),
    "a wrong label column": (["{work}/data.csv", "--label-column", "class"], "klass"),
    "a window too long": (["{work}/data.npz", "--tokenizer.n-fft", "34"], "STFT window of 34"),
    "recordings too short": (["{work}/data.csv", "--label-column", "klass", "--window", "99"], "99"),
    "an unknown setting": (["{work}/data.npz", "--config", "{work}/wrong.yaml"], "no_such"),
    "a loss that is not finite": (["{work}/data.npz", "--ssl", "infinite"], "not finite at step 0"),
}


INFINITE = """
import torch
from ncvqvae.registry import ssl_losses
from ncvqvae.tokenizer.ssl import SSLLoss

@ssl_losses.register("infinite")
class Infinite(SSLLoss):
    def forward(self, z1, z2):
        return (z1 - z2).square().sum() * torch.inf
"""


@pytest.fixture(autouse=True)
def _an_infinite_loss(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (work / "infinite.py").write_text(INFINITE)
    monkeypatch.setenv("NCVQVAE_PLUGINS", str(work / "infinite.py"))


def refuse(arguments: list[str], work: Path, out: Path) -> None:
    (work / "wrong.yaml").write_text("no_such: 1")
    filled = [part.replace("{work}", str(work)) for part in arguments]
    settings = [] if "--config" in filled else ["--config", str(work / "tiny.yaml")]
    with pytest.raises(SystemExit) as stopped:
        main(["fit", *filled, *settings, "--logger", "none", "--out", str(out), *(["--overwrite"] * out.exists())])
    assert stopped.value.code == 2


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_overwrite_leaves_the_old_run(
    name: str, work: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(run)
    arguments, words = REFUSED[name]
    refuse(arguments, work, run)
    assert words in capsys.readouterr().err
    assert files(run) == before and not (run / NEW).exists()


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_fit_leaves_no_folder(name: str, work: Path, tmp_path: Path) -> None:
    refuse(REFUSED[name][0], work, tmp_path / "runs" / "new")
    assert list(tmp_path.iterdir()) == []


def test_too_little_memory_leaves_the_old_run(work: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object, **__: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    before = files(run)
    monkeypatch.setattr("ncvqvae.model.tokenizer_stage", no_memory)
    with pytest.raises(RuntimeError):
        fit_run(source(work), model(1), run, overwrite=True, logger="none")
    assert files(run) == before


def test_a_folder_of_someone_else_is_left_alone(work: Path, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for path in (tmp_path / ".mine.tmp", tmp_path / "deep" / ".theirs.5.tmp"):
        path.write_text("kept")
    before = files(tmp_path)
    for options in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(InputError, match="not a run's"):
            fit_run(source(work), model(), tmp_path, logger="none", **options)  # type: ignore[arg-type]
    assert files(tmp_path) == before


# ---------------------------------------------------------------- the new run takes the old one's place when whole


def test_a_new_run_replaces_the_old_one_and_nothing_else(work: Path, run: Path) -> None:
    fitted = fit_run(source(work), model(1), run, overwrite=True, logger="none")
    assert {path.name for path in run.iterdir()} - {".lock"} == {
        "config.yaml",
        "cases.csv",
        "data.yaml",
        "history.csv",
        "note.txt",
        "prior.safetensors",
        "tokenizer.safetensors",
    }  # the metrics were the old model's
    loaded, _ = open_run(run)
    assert loaded.config_.seed == 1
    np.testing.assert_array_equal(loaded.sample(5).X, fitted.sample(5).X)


def test_an_interrupted_overwrite_leaves_the_old_run_and_goes_on(
    work: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(train.__kwdefaults__, "checkpoint_seconds", 0)  # type: ignore[arg-type]
    before = files(run)

    def stop(stage: str, step: int, *_: object) -> None:
        if (stage, step) == ("stage2", 2):
            raise Killed

    with pytest.raises(Killed):
        fit_run(source(work), model(1), run, overwrite=True, logger="none", report=stop)
    assert {name: content for name, content in files(run).items() if not name.startswith(NEW)} == before
    assert open_run(run)[0].config_.seed == 0
    with pytest.raises(InputError, match="finished run; choose another --out, or replace it with --overwrite"):
        fit_run(source(work), model(1), run, logger="none")
    with pytest.raises(InputError, match=r"begun with another settings\.seed; give --out and --resume alone"):
        fit_run(source(work), model(2), run, resume=True, logger="none")
    steps: list[tuple[str, int]] = []
    fit_run(source(work), model(1), run, resume=True, logger="none", report=lambda *said: steps.append(said[:2]))
    assert steps == [("stage2", 2), ("stage2", 3)]
    assert open_run(run)[0].config_.seed == 1 and not (run / NEW).exists()


@pytest.mark.parametrize("n_moves", range(9))
def test_a_kill_while_the_new_run_takes_its_place_is_made_up_for(
    n_moves: int, work: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, remove, done = Path.rename, ncvqvae.commands.fit._remove, []

    def count(act: Callable[..., object]) -> Callable[..., object]:
        def counted(*arguments: Any) -> object:
            if len(done) == 2 * n_moves:  # every second of removals and moves
                raise Killed
            done.append(1)
            return act(*arguments)

        return counted

    with monkeypatch.context() as patch:
        patch.setattr(ncvqvae.commands.fit, "_remove", count(remove))
        patch.setattr(Path, "rename", count(rename))
        with pytest.raises(Killed):
            fit_run(source(work), model(1), run, overwrite=True, logger="none")
    fit_run(source(work), model(1), run, resume=True, logger="none", report=lambda *_: pytest.fail("trained again"))
    assert open_run(run)[0].config_.seed == 1 and not (run / NEW).exists()
    assert (run / "note.txt").read_text() == "mine" and not (run / "metrics.json").exists()


def test_whatever_a_run_is_made_of_is_replaced() -> None:
    assert set(OWN_FILES) >= {"config.yaml", "data.yaml", "history.csv", "figures", "checkpoints", "tensorboard"}


def evaluate_given(work: Path, run: Path, name: str) -> list[str]:
    """Score given series with the real command; returns the names of what it wrote into the run."""
    before = {path.name for path in run.iterdir()}
    rng = np.random.default_rng(1)
    np.savez(work / f"{name}.npz", X=rng.normal(size=(12, 1, 32)), y=np.array(["a", "b", "c"] * 4))
    main(["evaluate", str(run), "--samples", str(work / f"{name}.npz"), "--no-rivals"])
    return sorted({path.name for path in run.iterdir()} - before - {".lock"})


@pytest.mark.parametrize("n_moves", [None, *range(9)])
def test_evaluations_of_given_series_go_with_the_model_that_they_were_of(
    n_moves: int | None, work: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if n_moves in (None, 0):
        monkeypatch.setenv("NCVQVAE_CACHE_DIR", str(work / "cache"))
        assert evaluate_given(work, run, "other") == ["figures-other", "metrics-other.json", "report-other.html"]
    else:  # files of the same names and proof: the real ones take seconds
        (run / "figures-other").mkdir()
        (run / "report-other.html").write_text("<html></html>")
        (run / "metrics-other.json").write_text('{"fid": 1.0, "evaluation_seed": 0}')
    (run / "metrics-mine.json").write_text('{"fid": 1.0}')
    (run / "report-mine.html").write_text("mine")
    remove, done = ncvqvae.commands.fit._remove, []

    def counted(path: Path) -> None:
        if len(done) == n_moves:
            raise Killed
        done.append(path)
        remove(path)

    with monkeypatch.context() as patch:
        patch.setattr(ncvqvae.commands.fit, "_remove", counted)
        if n_moves is not None:
            with pytest.raises(Killed):
                fit_run(source(work), model(1), run, overwrite=True, logger="none")
        else:
            with pytest.warns(UserWarning, match="still holds metrics-mine.json, note.txt, report-mine.html; delete"):
                fit_run(source(work), model(1), run, overwrite=True, logger="none")
    if n_moves is not None:
        fit_run(source(work), model(1), run, resume=True, logger="none", report=lambda *_: pytest.fail("trained again"))
    assert open_run(run)[0].config_.seed == 1
    assert not list(run.glob("*other*")) and (run / "report-mine.html").read_text() == "mine"


def test_an_evaluation_of_given_series_is_a_file_of_the_run(run: Path) -> None:
    (run / "metrics-other.json").write_text('{"fid": 1.0, "evaluation_seed": 0}')
    (run / "report-mine.html").write_text("mine")
    with pytest.raises(InputError, match="is a file of the run"):
        check_output(run / "report-other.html", overwrite=True)
    check_output(run / "report-mine.html", overwrite=True)


# ---------------------------------------------------------------- data are read once, pictures are drawn from them


def test_a_fit_reads_its_data_once_and_draws_from_them(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, loads = [], []
    locate, load = DataSource.locate, NCVQVAE.from_pretrained
    monkeypatch.setattr(DataSource, "locate", lambda self, seed=0: reads.append(1) or locate(self, seed))
    monkeypatch.setattr(NCVQVAE, "from_pretrained", lambda *given: loads.append(1) or load(*given))
    out = tmp_path / "run"
    main(["fit", str(work / "data.npz"), "--config", str(work / "tiny.yaml"), "--logger", "none", "--out", str(out)])
    assert (len(reads), len(loads)) == (1, 0)
    assert len(list((out / "figures").glob("*.png"))) >= 3


def test_pictures_that_cannot_be_drawn_cost_no_model(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("no such font")

    monkeypatch.setattr("ncvqvae.report.pictures.save_pictures", broken)
    with pytest.warns(UserWarning, match="no such font"):
        fit_run(source(work), model(), tmp_path / "run", logger="none", draw=True)
    assert len(open_run(tmp_path / "run")[0].sample(3).X) == 3


def test_what_the_data_settled_is_said_in_one_block(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--config", str(work / "tiny.yaml"), "--logger", "none", "--out", str(tmp_path / "run")]
    main(["fit", str(work / "data.npz"), *options])
    lines = [line.strip() for line in capsys.readouterr().err.splitlines()]
    at = lines.index("settled by the data:")
    assert lines[at + 1].startswith("augmentation: gauss (")
    assert {line.split(":")[0] for line in lines[at + 1 : at + 8]} == {
        "augmentation",
        "sampling.time_warp",
        "tokenizer.codebook_size",
        "stage1.warped_share",
        "prior.linear_rank",
        "prior.input_mode",
        "stage2.token_temperature",
    }
    afterwards = [line for line in lines if line.startswith("sampling: choice_temperature ")]
    assert len(afterwards) == 1 and lines.count("settled by the data:") == 1
    assert lines[lines.index(afterwards[0]) - 1] == "sampling: now chosen by what the trained networks draw"
    written = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert written["asked"] == kept(load_config("default", settings=TINY))
    assert (written["asked"]["augmentation"], written["model"]["augmentation"]) == ("auto", "gauss")
    assert (written["asked"]["stage1"]["warped_share"], written["model"]["stage1"]["warped_share"]) == ("auto", 0.0)


def test_a_terminal_shows_what_was_settled_in_whole_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    line = "stage2.time_warp: 0.0 (12 series, fewer than 32: the tokenizer learns from no warped ones)"
    for is_terminal in (True, False):
        monkeypatch.setenv("FORCE_COLOR" if is_terminal else "NO_COLOR", "1")
        settled = Settled()
        for lines in ([], [line], ["seed: 1"]):
            settled(lines)
        heading, *said = capsys.readouterr().err.splitlines()
        assert heading == "settled by the data:" and " ".join(" ".join(said).split()) == f"{line} seed: 1"
        assert len(said) == (3 if is_terminal else 2) and all(len(part) <= 80 for part in said) == is_terminal
        assert [part[:4].isspace() for part in said] == ([False, True, False] if is_terminal else [False, False])
        monkeypatch.delenv("FORCE_COLOR", raising=False)


# ---------------------------------------------------------------- labels of the command line


@pytest.mark.parametrize(
    ("text", "classes", "label"),
    [
        ("1", [1.0, 2.0], 1.0),
        ("1.0", [1, 2], 1),
        ("1", ["1", "2"], "1"),
        ("True", [True, False], True),
        ("true", [True, False], True),
        ("1", [True, False], "1"),
        ("up", [1.0, 2.0], "up"),
        ("0.50", [0.5], 0.5),
    ],
)
def test_a_label_is_the_models_own(text: str, classes: list[Any], label: Any) -> None:
    found = as_label(text, np.array(classes))
    assert (found, type(found)) == (label, type(label))


@pytest.mark.parametrize(
    ("text", "texts", "decimal", "label"),
    [
        ("1,5", ["1,5", "2,5"], ",", 1.5),
        ("1.50", ["1.50", "2.50"], ".", 1.5),
        ("FALSE", ["TRUE", "FALSE"], ".", False),
        ("2", ["1,5", "2,5"], ",", "2"),
    ],
)
def test_a_label_may_be_written_as_in_the_data(text: str, texts: list[str], decimal: str, label: Any) -> None:
    form = TableForm({"t0": "double"}, {"t0": [0, 0]}, decimal=decimal, label_texts=texts)
    assert as_label(text, np.array(parse_labels(texts, decimal)), form) == label
