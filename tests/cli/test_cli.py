"""The command line: every verb on a tiny model, and one line with exit 2 for whatever is at fault."""

import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from rich.console import Console

from ncvqvae import NCVQVAE
from ncvqvae.cli import app, main
from ncvqvae.config import OF_WHOLE_SERIES, Config, load_config
from ncvqvae.data import read_series
from ncvqvae.files import locked
from ncvqvae.validation import help_text, names

TINY = {
    "tokenizer": {"hidden_channels": 4, "n_residual_blocks": 1, "codebook_size": 8},
    "stage1": {"max_steps": 2, "batch_size": 8, "projector_width": 16, "precision": "32-true"},
    "prior": {"width": 8, "head_width": 8, "n_layers": 1},
    "stage2": {"max_steps": 2, "batch_size": 8, "precision": "32-true"},
}


TABLES = {
    "empty": "",
    "latin": "label,t0,t1\nä,1,2\nb,3,4\n",
    "words": "t0,t1\nu,v\nw,x\n",
    "klass": "t0,t1,klass\n1,2,a\n3,4,b\n",
    "nothing": "t0,t1\n,\n,\n",
    "ids": "id,t0,t1\n1,2,3\n1,4,5\n",
    "times": "id,time,v\n7,0,1\n7,0,2\n8,0,1\n8,1,1\n",
}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, settings, and a fitted run in ``run``."""
    folder = tmp_path_factory.mktemp("cli")
    rng = np.random.default_rng(0)
    np.savez(folder / "data.npz", X=rng.normal(size=(24, 1, 32)), y=np.array(["a", "b", "c"] * 8))
    np.savez(folder / "longer.npz", X=rng.normal(size=(6, 1, 40)), y=np.array(["a", "b", "c"] * 2))
    np.savez(folder / "channels.npz", X=rng.normal(size=(6, 2, 32)), y=np.array(["a", "b", "c"] * 2))
    np.savez(folder / "unseen.npz", X=rng.normal(size=(6, 1, 32)), y=np.array(["a", "b", "z"] * 2))
    np.savez(folder / "constant.npz", X=np.ones((6, 1, 32)), y=np.array(["a", "b", "c"] * 2))
    np.savez(folder / "complex.npz", X=np.ones((6, 1, 32), complex))
    np.savez(folder / "infinite.npz", X=np.full((6, 32), np.inf))
    np.savez(folder / "objects.npz", X=np.array([[1, "a"], [2, "b"]], dtype=object))
    np.savez(folder / "alone.npz", X=rng.normal(size=(1, 32)))
    np.savez(folder / "step.npz", X=rng.normal(size=(6, 1)))
    np.savez(folder / "each.npz", X=rng.normal(size=(6, 32)), y=list("abcdef"))
    for name, text in TABLES.items():
        (folder / f"{name}.csv").write_bytes(text.encode("latin-1"))
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    (folder / "range.yaml").write_text("prior: {dropout: 1.5}")
    (folder / "not.yaml").write_text("stage1: [")
    (folder / "code.yaml").write_text("!!python/object/apply:os.system ['true']")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        main(["fit", "data.npz", "--config", "tiny.yaml", "--out", "run", "--logger", "none"])
    return folder


@pytest.fixture(autouse=True)
def inside(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(work)
    monkeypatch.setenv("NCVQVAE_CACHE_DIR", str(work / "cache"))


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content; locks say nothing."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def test_a_run_folder_holds_all_there_is(work: Path) -> None:
    names = {path.name for path in (work / "run").iterdir()} - {".lock"}
    assert {
        "config.yaml",
        "data.yaml",
        "tokenizer.safetensors",
        "prior.safetensors",
        "history.csv",
        "figures",
        "cases.csv",
    } == names
    pictures = "loss_curves reconstructions generated_against_real pca_of_series decoding_confidence decoding_entropy"
    assert {path.stem for path in (work / "run" / "figures").iterdir()} == set(pictures.split())


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".parquet", ".ts"])
def test_samples_can_be_read_again(suffix: str) -> None:
    main(["sample", "run", "-n", "5", "--label", "b", "--out", f"draw{suffix}"])
    made = read_series(f"draw{suffix}")
    assert made.X.shape == (5, 1, 32)
    assert made.y is not None and made.y.tolist() == ["b"] * 5


def test_sampling_settings_and_seed_act(work: Path) -> None:
    for name, options in {"one": [], "same": [], "seed": ["--seed", "5"], "steps": ["--sampling.n-steps", "1"]}.items():
        main(["sample", "run", "-n", "4", "--out", f"{name}.npz", *options])
    one, same, seed, steps = (read_series(f"{name}.npz").X for name in ("one", "same", "seed", "steps"))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, seed) and not np.array_equal(one, steps)


def test_evaluate_and_report_write_what_they_say(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree("run", "evaluated")
    main(["evaluate", "evaluated", "--cas"])
    metrics = json.loads(Path("evaluated/metrics.json").read_text())
    assert {"val_recon", "knn", "svm", "prior_loss", "fid", "is", "cas", "copied", "fid_real", "cas_real"} <= set(
        metrics
    )
    out = capsys.readouterr().out
    assert f"{metrics['cas']:.3f}" in out and "verdict: " in out
    assert Path("evaluated/report.html").read_text().rstrip().endswith("</html>")
    main(["evaluate", "evaluated"])
    assert set(metrics) - set(json.loads(Path("evaluated/metrics.json").read_text())) == {"cas", "cas_real"}
    main(["report", "evaluated", "evaluated", "--out", "both.html"])
    assert Path("both.html").is_file()
    pictures = {path.name for path in Path("both-figures").iterdir()}
    assert {
        "tsne_by_model.png",
        "figure-02-reconstruction-in-training.png",
        "figure-11-knn-against-fid.pdf",
    } <= pictures


def test_a_finished_run_is_resumed_to_itself_and_replaced_only_when_asked(work: Path) -> None:
    again = ["fit", "data.npz", "--config", "tiny.yaml", "--out", "again", "--logger", "none"]
    main(again)
    first = files(work / "again")
    main([*again, "--resume"])
    assert files(work / "again")["tokenizer.safetensors"] == first["tokenizer.safetensors"]
    (work / "again" / "note.txt").write_text("mine")
    main([*again, "--overwrite", "--seed", "1"])
    assert files(work / "again")["tokenizer.safetensors"] != first["tokenizer.safetensors"]
    assert (work / "again" / "note.txt").read_text() == "mine"


FIT = ["fit", "data.npz", "--config", "tiny.yaml", "--logger", "none", "--out", "new"]
BAD_INPUT = {
    "missing file": (["fit", "absent.csv", "--out", "new"], "absent.csv: no such file"),
    "folder for a file": (["fit", "run", "--out", "new"], "cases.csv: column 'split' holds no numbers"),
    "unknown dataset": (["fit", "GunPiont", "--out", "new"], "unknown dataset 'GunPiont'; did you mean 'GunPoint'?"),
    "empty file": (["fit", "empty.csv", *FIT[2:]], "empty.csv: the file is empty; write series into it"),
    "wrong encoding": (["fit", "latin.csv", *FIT[2:]], "latin.csv: not UTF-8 text; save it with encoding UTF-8"),
    "no numeric column": (["fit", "words.csv", *FIT[2:]], "words.csv: column 't0' holds no numbers, such as 'u'"),
    "label column absent": (
        ["fit", "klass.csv", "--label-column", "class", *FIT[2:]],
        "klass.csv: no column named 'class'; did you mean 'klass'?",
    ),
    "all missing": (["fit", "nothing.csv", *FIT[2:]], "nothing.csv: all values are missing; check the columns"),
    "infinite values": (["fit", "infinite.npz", *FIT[2:]], "infinite values, first in series 0; replace or drop them"),
    "objects": (["fit", "objects.npz", *FIT[2:]], "array X has dtype object; save numbers or strings"),
    "one series": (["fit", "alone.npz", *FIT[2:]], "alone.npz: 1 series only; give at least 2"),
    "one time step": (["fit", "step.npz", *FIT[2:]], "step.npz: 1 time step only; give series of at least 2 steps"),
    "a class for each case": (["fit", "each.npz", *FIT[2:]], "each: no class has two cases, so none can be kept aside"),
    "duplicate ids": (["fit", "ids.csv", "--id-column", "id", *FIT[2:]], "ids.csv: ids that occur twice: '1' (2 rows)"),
    "duplicate times": (
        ["fit", "times.csv", "--id-column", "id", "--time-column", "time", *FIT[2:]],
        "times.csv: series '7' has time '0' twice; keep one row per id and time",
    ),
    "folder that takes no files": (["fit", "data.npz", "--out", "/proc/new"], "cannot write to /proc/new"),
    "file in such a folder": (["sample", "run", "--out", "/proc/new.npz"], "/proc/new.npz: cannot be written"),
    "complex numbers": (["fit", "complex.npz", "--out", "new"], "complex.npz: values of dtype complex128"),
    "constant dataset": (["fit", "constant.npz", *FIT[2:]], "all values are 1"),
    "test of another length": (
        [*FIT, "--test", "longer.npz"],
        "longer.npz: test series have 40 time steps, train series 32",
    ),
    "test of other channels": (
        [*FIT, "--test", "channels.npz"],
        "channels.npz: test series have 2 channels, train series 1",
    ),
    "label only in test": ([*FIT, "--test", "unseen.npz"], "unseen.npz: test labels 'z' never occur in train"),
    "unknown preset": ([*FIT, "--preset", "papre"], "did you mean 'paper'"),
    "unknown option": ([*FIT, "--stage1.epoch", "3"], "Unknown option: --stage1.epoch. Did you mean --stage1.epochs?"),
    "unknown loss": ([*FIT, "--ssl", "barlow"], "ncvqvae: --ssl is 'barlow'; did you mean 'barlowtwins'?"),
    "unknown setting of a loss": (
        [*FIT, "--stage1.ssl-settings.scal", "1"],
        "unknown setting 'stage1.ssl_settings.scal'; did you mean 'stage1.ssl_settings.scale'?",
    ),
    "setting of a loss out of range": (
        [*FIT, "--stage1.ssl-settings.scale", "-0.5"],
        "ncvqvae: --stage1.ssl-settings.scale is -0.5; give a number from 0",
    ),
    "plug-in that is not there": ([*FIT, "--plugin", "absent.py"], "absent.py cannot be imported"),
    "wrong kind of value": ([*FIT, "--stage1.epochs", "many"], '--stage1.epochs: unable to convert "many" into int'),
    "more than memory holds": ([*FIT, "--tokenizer.hidden-channels", "1000000"], "not enough memory"),
    "odd window": ([*FIT, "--tokenizer.n-fft", "9"], "--tokenizer.n-fft is 9; give an even number from 2"),
    "value out of range": ([*FIT, "--stage1.epochs", "0"], "ncvqvae: --stage1.epochs is 0; give a whole number from 1"),
    "value below all sense": (
        [*FIT, "--prior.feedforward-factor", "-1"],
        "ncvqvae: --prior.feedforward-factor is -1.0; give a number from 0.001 to 100",
    ),
    "steps below zero": ([*FIT, "--stage1.max-steps", "-5"], "ncvqvae: --stage1.max-steps is -5; give a whole number"),
    "not a number": ([*FIT, "--stage2.learning-rate", "nan"], "ncvqvae: --stage2.learning-rate is nan; give a number"),
    "infinity": (
        [*FIT, "--stage2.token-temperature", "inf"],
        "ncvqvae: --stage2.token-temperature is inf; give a number",
    ),
    "options that do not fit": (
        [*FIT, "--tokenizer.hop-length", "8"],
        "ncvqvae: --tokenizer.hop-length is 8, more than",
    ),
    "value out of range in a file": (
        ["fit", "data.npz", "--config", "range.yaml", "--out", "new"],
        "ncvqvae: setting 'prior.dropout' is 1.5; give a number from 0 to 0.999",
    ),
    "sampling out of range": (
        ["sample", "run", "--sampling.n-steps", "0", "--out", "new.npz"],
        "ncvqvae: --sampling.n-steps is 0; give a whole number from 1",
    ),
    "seed out of range": (["sample", "run", "--seed", "-1", "--out", "new.npz"], "--seed"),
    "no workers": (["bench", "--suite", "smoke", "--workers", "0", "--out", "new"], "--workers"),
    "settings that are no YAML": (
        ["fit", "data.npz", "--config", "not.yaml", "--out", "new"],
        "not.yaml is not valid YAML",
    ),
    "settings with code": (["fit", "data.npz", "--config", "code.yaml", "--out", "new"], "code.yaml is not valid YAML"),
    "settings that are not there": (["fit", "data.npz", "--config", "no.yaml", "--out", "new"], "cannot read no.yaml"),
    "shorter than the window": ([*FIT, "--tokenizer.n-fft", "64"], "fewer than the STFT window of 64"),
    "run that is finished": (["fit", "data.npz", "--out", "run"], "run holds a finished run"),
    "resumed with other settings": (
        [*FIT[:-2], "--out", "run", "--resume", "--seed", "3"],
        "begun with another settings.seed",
    ),
    "folder of something else": (["fit", "data.npz", "--out", "."], "not a run's"),
    "no series wanted": (["sample", "run", "-n", "0", "--out", "new.npz"], 'Invalid value "0" for -n. Must be >= 1'),
    "fewer than none wanted": (
        ["sample", "run", "-n", "-3", "--out", "new.npz"],
        'Invalid value "-3" for -n. Must be >= 1',
    ),
    "unknown label": (["sample", "run", "-n", "2", "--label", "d", "--out", "new.npz"], "'a', 'b', 'c'"),
    "misspelled label": (["sample", "run", "--label", "A", "--out", "new.npz"], "did you mean 'a'? labels of this"),
    "length that cannot be": (["sample", "run", "--length", "9", "--out", "new.npz"], "all have length 32"),
    "label and unconditional": (
        ["sample", "run", "--label", "a", "--unconditional", "--out", "new.npz"],
        "labels were given for unconditional",
    ),
    "unknown format": (["sample", "run", "--out", "new.xlsx"], "cannot write file type '.xlsx'"),
    "unknown format of tokens": (["encode", "run", "data.npz", "--out", "new.xlsx"], "cannot write file type '.xlsx'"),
    "series to encode of another length": (["encode", "run", "longer.npz", "--out", "new.csv"], "40 time steps"),
    "half that is not there": (["encode", "run", "data.npz", "--split", "test", "--out", "new.csv"], "no TEST half"),
    "file that is there": (["sample", "run", "--out", "data.npz"], "data.npz exists; choose another --out"),
    "no run": (["sample", "nowhere", "--out", "new.npz"], "nowhere: no such folder; give a model's folder"),
    "evaluation of no run": (["evaluate", "nowhere"], "nowhere: no such folder; give a model's folder"),
    "weights that are not there": (["evaluate", "run", "--fcn", "no.safetensors"], "no.safetensors: no such file"),
    "weights that are none": (["evaluate", "run", "--fcn", "data.npz"], "data.npz: not a readable safetensors file"),
    "samples of another length": (
        ["evaluate", "run", "--samples", "longer.npz"],
        "the samples have 1 channel(s) and length 40",
    ),
    "what replaces files of no run": (["evaluate", "run", "--overwrite"], "--overwrite is for series without a run"),
    "comparison before evaluation": (["report", "run", "--out", "new.html"], "ncvqvae evaluate run"),
    "tables of no bench": (["tables", "nowhere"], "nowhere holds no evaluated run"),
    "seeds beyond all use": (
        ["bench", "--suite", "smoke", "--seeds", "999999999999", "--out", "new"],
        "--seeds. Must be <= 10000",
    ),
    "no FCNs of stage 1": (
        ["bench", "--suite", "smoke", "--stage", "1", "--no-cas", "--out", "new"],
        "--no-cas changes nothing; leave out one of them",
    ),
    "no seeds": (["bench", "--suite", "smoke", "--seeds", "0", "--out", "new"], "--seeds. Must be >= 1"),
    "unknown suite": (["bench", "--suite", "papper", "--out", "new"], "unknown suite 'papper'; did you mean 'paper'?"),
    "unknown command": (["fitt", "data.npz"], 'Unknown command "fitt". Did you mean "fit"?'),
    "nothing to fit": (["fit"], "no DATA; give a UCR/UEA name or a file"),
}


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input_gets_one_line_and_exit_2(name: str, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, words = BAD_INPUT[name]
    before = files(work)
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert stopped.value.code == 2
    assert said.startswith("ncvqvae: ") and words in said
    written = {name: content for name, content in files(work).items() if before.get(name) != content}
    assert {Path(name).name for name in written} <= {"data.yaml"}  # says what was asked, when the fault shows late
    shutil.rmtree(work / "new", ignore_errors=True)


@pytest.fixture
def damaged(work: Path) -> Iterator[Path]:
    shutil.copytree(work / "run", work / "damaged")
    yield work / "damaged"
    shutil.rmtree(work / "damaged")


def newer_format(run: Path) -> None:
    values = yaml.safe_load((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(yaml.safe_dump({**values, "format": 999}))


def truncated(name: str) -> Callable[[Path], None]:
    def cut(run: Path) -> None:
        content = (run / name).read_bytes()
        (run / name).write_bytes(content[: len(content) // 2])

    return cut


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (newer_format, "upgrade ncvqvae"),
        (truncated("prior.safetensors"), "prior.safetensors"),
        (truncated("tokenizer.safetensors"), "tokenizer.safetensors"),
        (lambda run: (run / "data.yaml").unlink(), "data.yaml"),
        (lambda run: (run / "config.yaml").write_bytes(b"\xff\xfe\x00"), "config.yaml"),
    ],
)
def test_damaged_runs_get_one_line(
    damaged: Path, damage: Callable[[Path], None], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(damaged)
    with pytest.raises(SystemExit) as stopped:
        main(["sample", "damaged", "-n", "2", "--out", "never.npz"])
    assert stopped.value.code == 2 and words in capsys.readouterr().err
    assert not Path("never.npz").exists()


def test_export_writes_four_files() -> None:
    pytest.importorskip("onnxscript")
    main(["export", "run", "--out", "onnx"])
    names = {"encoder.onnx", "decoder.onnx", "prior.onnx", "embedding.onnx"}
    assert {path.name for path in Path("onnx").iterdir()} == names


@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".csv", ".npz"])
def test_encode_writes_tokens_and_embeddings_in_order(suffix: str) -> None:
    main(["encode", "run", "data.npz", "--out", f"tokens{suffix}"])
    model, data = NCVQVAE.from_pretrained("run"), read_series("data.npz")
    if suffix == ".npz":
        found = np.load("tokens.npz")
        tokens, embeddings, y = found["tokens"], found["embeddings"], found["y"]
    else:
        read = {".parquet": pd.read_parquet, ".feather": pd.read_feather, ".csv": pd.read_csv}[suffix]
        table = read(f"tokens{suffix}")
        tokens, embeddings = table.filter(regex="^token_").to_numpy(), table.filter(regex="^z_").to_numpy()
        y = table["label"].to_numpy()
    assert np.array_equal(tokens, model.encode(data.X)) and y.tolist() == data.y.tolist()  # type: ignore[union-attr]
    np.testing.assert_allclose(embeddings, model.transform(data.X), rtol=1e-6)


def test_encode_gives_the_embedding_that_is_asked_for(work: Path) -> None:
    main(["encode", "run", "data.npz", "--embedding", "tokens", "--out", "tokens-alone.npz"])
    found, model = np.load("tokens-alone.npz"), NCVQVAE.from_pretrained("run")
    np.testing.assert_allclose(found["embeddings"], model.embed(found["tokens"]), rtol=1e-6)


def test_a_second_process_on_one_folder_is_refused(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with locked(work / "shared"), pytest.raises(SystemExit) as stopped:
        main(["fit", "data.npz", "--config", "tiny.yaml", "--out", "shared"])
    assert stopped.value.code == 2 and "another process is writing" in capsys.readouterr().err


def interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_interruption_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("ncvqvae.commands.fit.fit_run", interrupted)
    monkeypatch.setattr("ncvqvae.bench.driver.run_bench", interrupted)
    for arguments, mend in ((FIT, "--resume"), (["bench", "--suite", "smoke", "--out", "b"], "the same command")):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 130 and mend in capsys.readouterr().err


def test_what_there_is_too_little_of_is_said_once_before_training(work: Path, capsys: Any) -> None:
    np.savez(work / "few.npz", X=np.random.default_rng(0).normal(size=(7, 1, 32)), y=list("aaaaaab"))
    main(["fit", "few.npz", "--config", "tiny.yaml", "--preset", "quick", "--out", "few", "--logger", "none"])
    said = " ".join(capsys.readouterr().err.partition("stage 1")[0].split())
    for part in ("to train on, fewer than 20", "one series of 'b'", "fewer than 5 series of 'a', 'b' to evaluate on"):
        assert said.count(part) == 1, part


# ---------------------------------------------------------------- help


VERBS = ["fit", "sample", "encode", "export", "evaluate", "bench", "tables", "report", "doctor"]
VERBS += ["impute", "extend", "vary", "score"]


def shown_help(verb: str) -> list[str]:
    """The lines of a verb's help in a terminal of 80 columns."""
    out = io.StringIO()
    app.help_print([verb] if verb else [], console=Console(file=out, width=80, force_terminal=False))
    return out.getvalue().splitlines()


def shown_texts(verb: str) -> list[str]:
    """What stands in the right-hand column of each panel of a verb's help, as one line a panel."""
    panels: list[list[str]] = []
    for line in shown_help(verb):
        if line.startswith("╭"):
            panels.append([])
        elif line.startswith("│"):
            panels[-1].append(line[2:-2].ljust(76))
    texts = []
    for lines in panels:
        # the right-hand column begins where a new option's text does, which is where every continuation does
        starts = [re.match(r"(?:\* {2})?\s*(?:\S+ )*?\S+ {2,}(?=\S)", line) for line in lines]
        column = max((match.end() for match in starts if match), default=0)
        texts.append(" ".join(" ".join(line[column:] for line in lines).split()))
    return texts


DEFAULT = re.compile(r"( \[choices: [^]]*\])? \[(required|default: [^]]+)\]")


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_of_every_verb_has_a_whole_sentence_and_its_default(verb: str) -> None:
    assert set(VERBS) == {name for name in app if not name.startswith("-")}
    shown = " ".join(shown_texts(verb))
    arguments = [argument for argument in app[verb].assemble_argument_collection(parse_docstring=True) if argument.show]
    for argument in arguments:
        text = " ".join((argument.parameter.help or "").split())
        assert re.fullmatch(r"[A-Z].* .*\.", text), argument.name
        assert text in shown, argument.name
        default = "(default: " in text or DEFAULT.match(shown, shown.index(text) + len(text))
        assert default, argument.name
    settings = {f"--{name}".replace("_", "-") for name in names(Config)}
    of_sampling = {option for option in settings if option.startswith("--sampling.")}
    of_a_part = of_sampling - {f"--sampling.{name}".replace("_", "-") for name in OF_WHOLE_SERIES}
    offered = {"fit": settings, "sample": of_sampling, **dict.fromkeys(("impute", "extend", "vary"), of_a_part)}
    own = {"--device", "--seed"}  # of a verb where they are no settings
    assert {of.name for of in arguments if of.name in settings - own} == offered.get(verb, set()) - own


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_fits_a_terminal_of_80_columns_and_offers_nothing_that_is_not_described(verb: str) -> None:
    lines = shown_help(verb)
    assert max(map(len, lines)) <= 80
    options = set(re.findall(r"--[a-z][a-z-]*[a-z]", " ".join(lines)))
    assert not {option for option in options if option.startswith("--empty-")}
    if not verb:
        summaries = " ".join(shown_texts(verb))
        assert all(" ".join((app[name].help or "").splitlines()[0].split()) in summaries for name in VERBS)


def test_the_help_shows_the_whole_docstring_and_the_presets_value_of_a_setting() -> None:
    shown = " ".join(shown_texts("fit"))
    for name in names(Config):
        path, _, leaf = name.rpartition(".")
        group = type(attrgetter(path)(Config())) if path else Config
        value = attrgetter(name)(load_config())
        text = help_text(group, leaf).replace("``", "")
        default = f"[default: {value:g}]" if isinstance(value, float) else f"[default: {value}]"
        end = "" if value == {} else r" (\[choices: [^]]*\] )?" + re.escape(default)
        assert re.search(re.escape(text) + end, shown), name


def test_help_needs_no_heavy_library() -> None:
    code = "import sys; from ncvqvae.cli import app; app(['fit', '--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert "--prior.width" in done.stdout and {"torch", "pandas", "sklearn"} & set(done.stdout.split()) == set()


def test_the_package_can_be_run_as_a_module() -> None:
    command = [sys.executable, "-m", "ncvqvae", "report", "absent"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2 and done.stderr.startswith("ncvqvae: ") and "absent" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is where not even root can write")
def test_a_folder_that_cannot_be_written_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["fit", "data.npz", "--config", "tiny.yaml", "--out", "/proc/run"])
    assert stopped.value.code == 2 and "choose another --out" in capsys.readouterr().err
