"""What a verb writes: never outside of a run, through a link, over a run's own files, or over what it did not write."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from tests.storage.test_weights import TINY

from ncvqvae import NCVQVAE, load_splits
from ncvqvae.cli import main
from ncvqvae.commands.evaluate import evaluate_run, evaluate_series
from ncvqvae.commands.run_folder import DataSource, check_links
from ncvqvae.evaluation.fcn import FCN, save_fcn
from ncvqvae.evaluation.sets import Extent
from ncvqvae.study.rows import published_rows


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without an evaluation, its data, rows of a study, and samples."""
    work = tmp_path_factory.mktemp("work")
    rng = np.random.default_rng(0)
    np.savez(work / "data.npz", X=rng.normal(size=(20, 1, 32)), y=np.array(["a", "b"] * 10))
    splits = load_splits(work / "data.npz")
    model = NCVQVAE(settings=TINY).fit(splits.X_train, splits.y_train)
    model.save_pretrained(work / "run")
    (work / "run/data.yaml").write_text(yaml.safe_dump({"data": str(work / "data.npz")}))
    pd.DataFrame(model.history_).to_csv(work / "run/history.csv", index=False)
    (work / "run/metrics.json").write_text(json.dumps({"fid": 1.0, "evaluation_seed": 0.0}))
    rows = published_rows().iloc[:6].assign(preset="paper", settings=None)
    rows.to_csv(work / "rows.csv", index=False)
    np.savez(work / "samples.npz", X=model.sample(6).X, y=model.sample(6).y)
    save_fcn(FCN(1, 2), work / "fcn.safetensors")
    return work


@pytest.fixture
def work(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = shutil.copytree(made, tmp_path / "work")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NCVQVAE_CACHE_DIR", str(tmp_path / "cache"))
    return folder


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    said = capsys.readouterr().err.strip().splitlines()
    assert end.value.code == 2 and said[-1].startswith("ncvqvae: "), said
    return said[-1]


# ---------------------------------------------------------------- links in a stranger's run


def precious(work: Path) -> Path:
    elsewhere = work / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("mine")
    return elsewhere


LINKS = {
    "figures": lambda run, to: (run / "figures").symlink_to(to),
    "figures-samples": lambda run, to: (run / "figures-samples").symlink_to(to),
    ".lock": lambda run, to: (run / ".lock").symlink_to(to / "precious"),
    ".lock to nothing": lambda run, to: (run / ".lock").symlink_to(to / "new"),
    "checkpoints": lambda run, to: (run / "checkpoints").symlink_to(to),
    "tensorboard": lambda run, to: (run / "tensorboard").symlink_to(to),
    ".new": lambda run, to: (run / ".new").symlink_to(to),
    "deep": lambda run, to: [
        (run / "figures/a").mkdir(parents=True),
        (run / "figures/a/b").symlink_to(to / "precious"),
    ],
}


@pytest.mark.parametrize("name", LINKS)
def test_a_link_that_would_be_written_through_is_refused(
    name: str, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = precious(work)
    LINKS[name](work / "run", elsewhere)
    for arguments in (
        ("evaluate", "run"),
        ("evaluate", "run", "--samples", "samples.npz"),
        ("fit", "data.npz", "--out", "run", "--overwrite"),
        ("fit", "--out", "run", "--resume"),
        ("evaluate", "--samples", "samples.npz", "--data", "data.npz", "--out", "run"),
    ):
        if "--data" in arguments:
            (work / "run/config.yaml").unlink()  # the folder of another model's series
        assert "is a symbolic link" in refusal(capsys, *arguments)
    assert [path.name for path in elsewhere.iterdir()] == ["precious"]
    assert (elsewhere / "precious").read_text() == "mine"


def test_files_that_are_links_are_replaced_and_what_they_point_to_stays(work: Path) -> None:
    elsewhere = precious(work)
    for name in ("metrics.json", "report.html"):
        (work / "run" / name).unlink(missing_ok=True)
        (work / "run" / name).symlink_to(elsewhere / "precious")
    for name in (".x.tmp", ".metrics.json.host~1~0123abcd.tmp"):
        (work / "run" / name).mkdir()
    evaluate_run(work / "run", fcn=work / "fcn.safetensors", extent=Extent(cas=False))
    assert (elsewhere / "precious").read_text() == "mine"
    assert json.loads((work / "run/metrics.json").read_text())["evaluation_seed"] == 0
    assert not (work / "run/metrics.json").is_symlink() and not (work / "run/report.html").is_symlink()


def test_parts_of_samples_are_not_kept_through_a_link(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere = precious(work)
    (work / "run/.new.npz.parts").symlink_to(elsewhere)
    sample = ("sample", "run", "-n", "40", "--sampling.chunk-size", "2", "--out", "run/new.npz")
    assert "is a symbolic link" in refusal(capsys, *sample)
    assert [path.name for path in elsewhere.iterdir()] == ["precious"]


def test_a_run_without_links_is_written(work: Path) -> None:
    (work / "run/figures").mkdir()
    (work / "run/notes").symlink_to(work)  # nothing is written there
    check_links(work / "run")
    check_links(work / "nowhere")


# ---------------------------------------------------------------- files that are there


VERBS: dict[str, tuple[tuple[str, ...], str]] = {
    "sample": (("sample", "run", "-n", "4", "--out", "there.npz"), "there.npz"),
    "encode": (("encode", "run", "data.npz", "--out", "there.csv"), "there.csv"),
    "report": (("report", "run", "--out", "there.html"), "there.html"),
    "report's pictures": (("report", "run", "--out", "there.html"), "there-figures/x"),
    "report over text": (("report", "run", "--out", "notes.txt"), "notes.txt"),
    "export": (("export", "run", "--out", "there"), "there/decoder.onnx"),
    "tables": (("tables", "rows.csv", "--out", "there"), "there/models.csv"),
    "tables over a file": (("tables", "rows.csv", "--out", "there"), "there"),
    "tables beside": (("tables", "rows.csv"), "rows-tables/notes.md"),
    "evaluate": (
        ("evaluate", "--samples", "samples.npz", "--data", "data.npz", "--out", "there"),
        "there/metrics.json",
    ),
    "evaluate's page": (("evaluate", "--samples", "samples.npz", "--data", "data.npz", "--out", "o"), "o/report.html"),
    "fit": (("fit", "data.npz", "--out", "there"), "there/notes.txt"),
}


@pytest.mark.parametrize("name", VERBS)
def test_what_is_there_stays_unless_it_is_ours_or_given_up(
    name: str, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, place = VERBS[name]
    path = work / place
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    said = refusal(capsys, *arguments)
    assert ("exists" in said and "--overwrite" in said) or "choose an" in said or "name a folder" in said
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    "arguments",
    [
        ("report", "run", "--out", "run/config.yaml"),
        ("report", "run", "--out", "run/data.yaml"),
        ("report", "run", "--out", "run/report.html"),
        ("encode", "run", "data.npz", "--out", "run/cases.csv"),
        ("encode", "run", "data.npz", "--out", "run/history.csv"),
        ("sample", "run", "--out", "run/history.csv"),
    ],
)
def test_a_runs_own_files_are_never_written_over(
    arguments: tuple[str, ...], work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "is a file of the run in run" in refusal(capsys, *arguments, "--overwrite")


def test_tables_and_evaluations_of_our_own_are_written_anew(work: Path) -> None:
    for _ in range(2):
        main(["tables", "rows.csv", "--out", "tables"])
        evaluate_series(
            DataSource("data.npz"), "samples.npz", work / "other", fcn="fcn.safetensors", extent=Extent(cas=False)
        )
    assert (work / "tables/tables.md").is_file() and (work / "other/metrics.json").is_file()


def test_what_was_given_up_is_replaced(work: Path) -> None:
    for place in ("rows-tables/notes.md", "there.csv", "there.html"):
        (work / place).parent.mkdir(exist_ok=True)
        (work / place).write_text("mine")
    main(["tables", "rows.csv", "--overwrite"])
    main(["encode", "run", "data.npz", "--out", "there.csv", "--overwrite"])
    assert (work / "rows-tables/tables.md").is_file() and "token_0" in (work / "there.csv").read_text()
    assert (work / "rows-tables/notes.md").read_text() == "mine"


# ---------------------------------------------------------------- damaged side files


HISTORIES: dict[str, str] = {
    "empty": "",
    "foreign": "a,b\n1,2\n",
    "no stage": "step,loss\n1,2\n",
    "another stage": "stage,step,loss\nstage9,1,2\n",
    "words": "stage,step,loss\nstage1,one,two\n",
    "a word": "stage,step,loss\nstage1,1,0.5\nstage1,2,low\n",
    "binary": "\0\0\0\0",
    "no steps": "stage,step,loss\nstage1,-1,2\n",
    "half steps": "stage,step,loss\nstage1,1.5,2\n",
    "endless steps": "stage,step,loss\nstage1,inf,2\n",
    "uneven": "stage,step,loss\nstage1,1,2\nstage1,1,2,3,4,5\n",
    "digits": f"stage,step,loss\nstage1,1,{'9' * 5000}\n",
}


@pytest.mark.parametrize("name", HISTORIES)
def test_a_damaged_history_costs_the_loss_curves_alone(name: str, work: Path) -> None:
    from ncvqvae.report.history import read_history

    (work / "run/history.csv").write_text(HISTORIES[name])
    with pytest.warns(UserWarning, match=r"history.csv is damaged .*; loss curves are left out"):
        assert read_history(work / "run") == []


def test_a_run_without_its_history_is_evaluated(work: Path) -> None:
    (work / "run/history.csv").write_text("a,b\n1,2\n")
    with pytest.warns(UserWarning, match="loss curves are left out"):
        evaluate_run(work / "run", fcn=work / "fcn.safetensors", extent=Extent(cas=False))
    (work / "run/history.csv").unlink()
    evaluate_run(work / "run", fcn=work / "fcn.safetensors", extent=Extent(cas=False))


METRICS: dict[str, str] = {
    "empty": "",
    "list": "[]",
    "pairs": '[["fid", 1.0]]',
    "number": "3",
    "null": "null",
    "digits": f'{{"fid": {"9" * 400}}}',
    "many digits": f'{{"fid": {"9" * 5000}}}',
    "deep": "[" * 100_000,
    "deep value": '{"fid": ' + "[" * 100_000,
    "infinity": '{"fid": Infinity}',
    "nan": '{"x": NaN}',
    "huge": '{"fid": 1e300}',
    "words": '{"fid": "low"}',
    "truth": '{"fid": true}',
    "mapping": '{"fid": {"a": 1}}',
    "seed": '{"fid": 1.0, "evaluation_seed": -1}',
    "half a seed": '{"fid": 1.0, "evaluation_seed": 1.5}',
    "long": '{"x": "' + "x" * 2_000_000 + '"}',
}


@pytest.mark.parametrize("name", METRICS)
def test_damaged_metrics_are_one_line(name: str, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (work / "run/metrics.json").write_text(METRICS[name])
    said = refusal(capsys, "report", "run", "--out", "new.html")
    assert "metrics.json" in said and len(said) < 300 and not (work / "new.html").exists()


ROWS: dict[str, tuple[str, object]] = {
    "a word": ("fid", "low"),
    "infinity": ("fid", "inf"),
    "too large": ("knn", 1e300),
    "no model": ("model", None),
    "no dataset": ("dataset", None),
    "no preset": ("preset", None),
    "a long name": ("model", "x" * 60_000),
    "no seed": ("seed", None),
    "half a seed": ("seed", 1.5),
    "a seed in words": ("seed", "one"),
    "a list of settings": ("settings", "[1]"),
    "a number of settings": ("settings", "3"),
    "words of settings": ("settings", "dropout"),
    "nested settings": ("settings", '{"prior": {"dropout": {"x": 1}}}'),
    "deep settings": ("settings", '{"a": ' * 50_000),
    "unknown settings": ("settings", '{"prior.drop": 1}'),
}


@pytest.mark.parametrize("name", ROWS)
def test_damaged_rows_are_one_line(name: str, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    column, value = ROWS[name]
    rows = pd.read_csv(work / "rows.csv", keep_default_na=False).astype({column: object})
    rows.loc[0, column] = value
    rows.to_csv(work / "rows.csv", index=False)
    said = refusal(capsys, "tables", "rows.csv")
    assert len(said) < 400
    assert "row 1" in said or "setting" in said


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "\0", '"', "dataset,ssl\nx,y\n", "a,b\n1,2,3,4\n1\n"])
def test_foreign_rows_are_one_line(text: str, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (work / "rows.csv").write_text(text)
    assert "rows.csv" in refusal(capsys, "tables", "rows.csv")


def test_names_in_tables_are_text_in_latex_and_in_markdown(work: Path) -> None:
    hostile = r"\input{/etc/passwd}$x^2$ %&#_~^ {\bf x} | <script> `a` " + "\n" + r"\end{document}"
    rows = pd.read_csv(work / "rows.csv", keep_default_na=False)
    rows[["dataset", "model"]] = hostile
    rows.to_csv(work / "rows.csv", index=False)
    main(["tables", "rows.csv"])
    written = [path.read_text().replace(r"\$", "") for path in (work / "rows-tables").glob("*.tex")]
    assert written
    for text in written:
        for command in (r"\input", r"\end{document}", r"\bf", "$x"):
            assert command not in text
    for path in (work / "rows-tables").glob("*.md"):
        assert "<script>" not in path.read_text().replace(r"\<script>", "")
    assert {path.parent for path in (work / "rows-tables").rglob("*")} == {work / "rows-tables"}
