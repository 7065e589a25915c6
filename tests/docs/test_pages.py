"""What the pages say: each command is executed as it stands, and numbers are those of the rows.

Trainings and the networks behind metrics are made tiny, and benches write finished runs at once. Tutorials run while
the site is built (``make docs``); docs/extending.md has tests of its own.
"""

import doctest
import importlib
import inspect
import json
import os
import re
import shlex
import shutil
import statistics
import subprocess
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from tests.bench.folders import finish
from tests.docs import first_hour
from tests.docs.snippets import PAGES, README, ROOT, commands, python, snippets, write_tables

from ncvqvae import NCVQVAE, config, load_dataset, load_splits
from ncvqvae.bench import driver
from ncvqvae.bench.job import Run
from ncvqvae.cli import app, main
from ncvqvae.validation import names

DOCS = ROOT / "docs"
TINY = {
    "tokenizer": {"hidden_channels": 4, "n_residual_blocks": 1, "codebook_size": 8},
    "stage1": {"max_steps": 2, "projector_width": 16, "precision": "32-true"},
    "prior": {"width": 8, "head_width": 8, "n_layers": 1},
    "stage2": {"max_steps": 2, "precision": "32-true"},
}


COMMANDED = [page for page in PAGES if page.name != "extending.md" and commands(page)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that commands name, in which nothing takes long."""
    write_tables(tmp_path)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/bin/bash")
    monkeypatch.setenv("NCVQVAE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("ncvqvae.evaluation.fcn.FCNTraining.n_steps", lambda *_: 1)
    monkeypatch.setattr("ncvqvae.report.pictures.save_pictures", lambda *_: None)
    monkeypatch.setattr("ncvqvae.report.model_pictures.save_model_pictures", lambda *_: None)
    monkeypatch.setattr("ncvqvae.study.pictures.save_pictures", lambda *_: [])
    make_backend = driver.make_backend

    def backend_here(name: str, *args: Any, slurm: Sequence[str] = (), **kwargs: Any) -> Any:
        """The backend, but for a cluster: options of SLURM are checked, and Ray is not there."""
        local = ("cluster=local",) if name == "slurm" else ()
        return None if name == "ray" else make_backend(name, *args, slurm=(*slurm, *local), **kwargs)

    def done_at_once(runs: Sequence[Run], *_: Any, **__: Any) -> Any:
        wanted = [run for run in runs if run.dataset == runs[0].dataset and run.seed < 2]
        finish([run for run in wanted if not run.folder.exists()], lambda run: {"fid": 1.0, "val_recon": 0.1})
        return type("Finished", (), {"reasons": {}})

    monkeypatch.setattr(driver, "make_backend", backend_here)
    monkeypatch.setattr(driver, "run_bench", done_at_once)
    return tmp_path


def carry_out(line: str, folder: Path) -> None:
    words = shlex.split(line.replace("/shared/", f"{folder}/shared/"))
    verb = words[1]
    if verb == "fit" and "--resume" not in words:
        words += ["--config", "tiny.yaml"]
    if verb in ("evaluate", "sample", "report", "encode", "export", "impute", "score") and words[2] == "runs/gunpoint":
        _be_there(folder)
    main(words[1:])


def _be_there(folder: Path) -> None:
    """Pages may use the run that another page made."""
    if not (folder / "runs/gunpoint/config.yaml").is_file():
        main(shlex.split("fit GunPoint --out runs/gunpoint --preset quick --config tiny.yaml --logger none"))


@pytest.mark.parametrize("page", COMMANDED, ids=lambda page: page.name)
def test_each_command_of_a_page_works_as_it_stands(page: Path, folder: Path, capsys: Any) -> None:
    for line in commands(page):
        program, *rest = shlex.split(line)
        if program == "ncvqvae":
            capsys.readouterr()
            carry_out(line, folder)
            said = capsys.readouterr().err.strip().splitlines()
            if rest[0] != "--install-completion":
                assert said[-1].startswith("next: "), line
        else:
            check_other(line)


def check_other(line: str) -> None:
    """A command of another program: what it names of this project must be there."""
    program, *rest = shlex.split(line)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    if program == "pip":
        extras = re.findall(r"\[([\w,-]+)\]", line)
        assert {name for found in extras for name in found.split(",")} <= set(project["optional-dependencies"])
        assert all((ROOT / word).is_file() for word in rest if word.endswith(".txt"))
    elif program == "make":
        targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        assert rest[0] in targets or rest[0] in ("test-oldest", "test-newest")
    elif program == "docker":
        assert (ROOT / "Dockerfile").is_file() and rest[0] in ("build", "run")
    else:
        assert line in ("python -m venv .venv", ". .venv/bin/activate", "ray start --head"), line


@pytest.mark.parametrize("name", ["privacy.md", "howto.md"])
def test_the_pages_that_keep_training_series_out_set_all_that_keeps_them(name: str) -> None:
    (line,) = [line for line in commands(DOCS / name) if "kept-share" in line]
    assert all(f"--sampling.{setting.replace('_', '-')} 0 " in line for setting in config.KEEPS_SERIES)


def test_the_numbers_on_how_few_series_are_those_of_the_rows() -> None:
    rows = pd.read_csv(ROOT / "results/default.csv")
    table = re.findall(r"^\| (\d+) \| (\w+) \| (\d+) \| (.*) \|$", (DOCS / "limits.md").read_text(), re.MULTILINE)
    assert {name for _, name, _, _ in table} == set(rows["dataset"])
    assert [int(n) for n, *_ in table] == sorted(int(n) for n, *_ in table)
    for _, name, _, numbers in table:
        of = rows[rows["dataset"] == name]
        shown = [statistics.fmean(of[key]) for key in ("cas", "cas_real", "fid_labelled", "fid_real", "copied")]
        assert numbers == " | ".join(f"{value:.{2 + (i == 4)}f}" for i, value in enumerate(shown))


def test_the_glossary_and_the_site_have_every_page() -> None:
    """A page that no list of contents names would be lost; Sphinx refuses it, and so does this without Sphinx."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in DOCS.rglob("*.md"))
    listed = set(re.findall(r"^([\w/-]+)$", "\n".join(re.findall(r"```{toctree}(.*?)```", text, re.DOTALL)), re.M))
    assert listed == {str(page.relative_to(DOCS).with_suffix("")) for page in DOCS.rglob("*.md")} - {"index"}


MODULES = sorted(
    str(path.relative_to(ROOT / "src").with_suffix("")).replace("/", ".")
    for path in (ROOT / "src/ncvqvae").rglob("*.py")
    if ">>>" in path.read_text(encoding="utf-8")
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MODULES)
def test_examples_of_docstrings_give_what_they_show(name: str) -> None:
    assert not doctest.testmod(importlib.import_module(name)).failed


def test_settings_of_tutorials_are_short_only_where_the_site_is_not_built_in_full() -> None:
    for page in (DOCS / "tutorials").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        if "settings=SHORT" in text:
            assert 'SHORT = {} if os.environ.get("NCVQVAE_DOCS") == "full" else {' in text
    workflow = json.dumps((ROOT / "Makefile").read_text())
    assert "docs-full: export NCVQVAE_DOCS := full" in workflow


def python_of(page: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names that the one block of Python on a page leaves, after a tiny training."""
    (code,) = python(page)
    whole = config.load_config

    def tiny(*given: Any, settings: Any = None, **more: Any) -> Any:
        return whole(*given, settings={**TINY, **(settings or {})}, **more)

    monkeypatch.setattr("ncvqvae.model.load_config", tiny)
    names: dict[str, Any] = {}
    exec(code, names)
    return names


def test_the_python_of_the_readme_runs_as_it_stands(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = python_of(README, monkeypatch)
    assert names["X_new"].shape == (500, *names["X"].shape[1:]) and len(names["Z"]) == len(names["X"])
    assert np.array_equal(names["model"].transform(names["X"]), names["Z"])


def test_the_python_of_the_howto_page_runs_as_it_stands(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = python_of(DOCS / "howto.md", monkeypatch)
    assert names["metrics"]["fid"] > 0 and names["metrics"]["n_heldout"] == len(names["data"].X_test)
    assert names["ax"].lines and len(names["table"]) == 20
    assert (folder / "runs/from-python/config.yaml").is_file()


def test_the_readme_fits_one_screen() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) < 120


OWN_TESTS = {
    "README.md": "docs/test_pages.py",
    "howto.md": "docs/test_pages.py",
    "analysis.md": "docs/test_analysis_page.py",
    "embeddings.md": "docs/test_embeddings_page.py",
    "filling.md": "docs/test_filling_page.py",
    "extending.md": "test_extending.py",
}
"""Pages with Python, or with files, and the module that runs them as written."""
DIRECTIVES = {"{toctree}", "{image}", "{csv-table}", "{raw}", "{eval-rst}"}
"""Blocks that Sphinx reads and a reader does not copy."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_snippet_is_left_untested(page: Path) -> None:
    """Each block is a command, Python or a file that a test carries out, a notebook's cell, or said to be output."""
    text = page.read_text(encoding="utf-8")
    for snippet in snippets(page):
        where = f"{page.name}:{snippet.line}"
        if snippet.language == "console":
            assert all(line.startswith("$ ") for line in snippet.text.splitlines()), where
            assert page in COMMANDED or page.name == "extending.md", where
        elif snippet.language == "{code-cell}":
            assert text.startswith("---\nfile_format: mystnb\n"), f"{where} is shown, but not run"
        elif snippet.language in ("python", "yaml", "toml") or snippet.title:
            module = ROOT / "tests" / OWN_TESTS[page.name]
            assert f'"{page.name}"' in module.read_text(encoding="utf-8"), where
        else:
            assert snippet.language in DIRECTIVES | {"text"}, f"{where} says neither what it is nor what runs it"


def test_what_is_shown_of_reading_a_table_is_what_is_said(tmp_path: Path) -> None:
    texts = [snippet.text.strip() for snippet in snippets(DOCS / "reading-data.md") if snippet.language == "text"]
    of_columns, of_patients = texts
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(24, 32))).rename(columns=lambda at: f"X{at + 1}")
    table.assign(label=list("ab") * 12, patient=range(24)).to_csv(tmp_path / "table.csv", index=False)
    _, _, roles = load_dataset(tmp_path / "table.csv", id_column="patient", return_roles=True)
    assert roles.describe(24, 32) == of_columns
    patients = pd.DataFrame(np.random.default_rng(0).normal(size=(100, 32))).add_prefix("t")
    patients = patients.assign(label=list("ab") * 50, patient=np.repeat(range(20), 5))
    assert load_splits(patients, group_column="patient").note == of_patients


def test_a_strangers_first_hour_leaves_out_nothing_without_a_reason(tmp_path: Path) -> None:
    """`make first-hour` takes an hour; that it types what the pages say is seen from what it is about to type."""
    clone = tmp_path / "ncvqvae"
    clone.mkdir()
    typed = "\n".join(first_hour.session(PAGES, clone))
    assert subprocess.run(["bash", "-n"], input=typed, text=True, check=False).returncode == 0
    for line in (line for page in PAGES for line in commands(page)):
        reason = first_hour.reason_to_skip(line)
        assert (f"[left out: {reason}]" in typed) if reason else re.search(f"^(\\( .*)?{re.escape(line)}", typed, re.M)
    for page in PAGES:
        assert not python(page) or f"{page.stem}_blocks.py" in typed


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_a_strangers_transcript_counts_what_fails(tmp_path: Path, capfd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    monkeypatch.setattr(first_hour, "ROOT", tmp_path)
    for line, status in (("echo works", 0), ("no-such-program", 1)):
        page.write_text(f"```console\n$ {line}\n```\n")
        assert first_hour.carry_out([page], tmp_path, tmp_path, dict(os.environ)) == status
        assert f"$ {line}\n" in capfd.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_and_setting_that_a_page_names_is_there(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", text)
    options = {option for verb in VERBS for option in options_of(verb)} | OTHERS
    named = {word for span in spans for word in re.findall(r"(?<![\w-])--[a-z][\w.-]*", span)}
    assert {option for option in named if option not in options} == set()
    groups = {name.partition(".")[0] for name in names(config.Config) if "." in name}
    settings = {span for span in spans if re.fullmatch(rf"({'|'.join(groups)})\.(?!safetensors|onnx)\w+", span)}
    assert settings <= set(names(config.Config))


def test_every_public_method_of_the_model_is_on_the_page_that_says_what_stays() -> None:
    page = (DOCS / "api.md").read_text(encoding="utf-8")
    members = re.search(r"autoclass:: ncvqvae\.NCVQVAE\n +:members: (.*)", page)
    assert members is not None
    own = {
        name
        for name, found in inspect.getmembers(NCVQVAE, callable)
        if not name.startswith("_") and found.__module__.startswith("ncvqvae.")
    }
    of_scikit_learn, of_commands = {"get_feature_names_out"}, {"prepare", "estimate_prepared", "fit_prepared"}
    assert set(members[1].split(", ")) == own - of_scikit_learn - of_commands
    assert all(f"`{name}`" in page for name in of_scikit_learn | of_commands)


VERBS = [name for name in app if not name.startswith("-")]
OTHERS = {"--gpus", "--address", "--install-completion", "--head"}
"""Options of other programs, and of the program itself."""


def options_of(verb: str) -> set[str]:
    """Every option of a verb, as it is typed."""
    arguments = app[verb].assemble_argument_collection(parse_docstring=True)
    return {name for argument in arguments for name in (*argument.names, *argument.negatives)}


@pytest.mark.parametrize("page", [README, *DOCS.rglob("*.md")], ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
