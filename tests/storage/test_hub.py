"""The Hub, with local folders in its place; and what a notebook shows."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import numpy as np
import pytest

import ncvqvae.model
from ncvqvae import NCVQVAE, InputError
from ncvqvae.config import KEEPS_SERIES
from ncvqvae.generation.residuals import keeping_line
from ncvqvae.storage.hub import MODEL_FILES

TINY = {
    "tokenizer": {"hidden_channels": 4, "n_residual_blocks": 1, "codebook_size": 8},
    "stage1": {"max_steps": 2, "batch_size": 8, "projector_width": 16, "precision": "32-true"},
    "prior": {"width": 8, "head_width": 8, "n_layers": 1},
    "stage2": {"max_steps": 2, "batch_size": 8, "precision": "32-true"},
}
X = np.random.default_rng(0).normal(size=(12, 1, 32)).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> NCVQVAE:
    return NCVQVAE(settings={**TINY, **{f"sampling.{name}": 0 for name in KEEPS_SERIES}}).fit(X, ["a", "b"] * 6)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that takes the Hub's place for uploads."""
    there = tmp_path / "hub"

    def create_repo(_: object, repo_id: str, **__: object) -> SimpleNamespace:
        (there / repo_id).mkdir(parents=True, exist_ok=True)
        return SimpleNamespace(repo_id=repo_id)

    def upload_folder(_: object, *, repo_id: str, folder_path: str, **__: object) -> str:
        shutil.copytree(folder_path, there / repo_id, dirs_exist_ok=True)
        return f"https://example.org/{repo_id}"

    fakes: dict[str, Callable[..., Any]] = {
        "create_repo": create_repo,
        "upload_folder": upload_folder,
        "file_exists": lambda _, repo_id, name: (there / repo_id / name).is_file(),
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(huggingface_hub.HfApi, name, fake)
    return there


def test_a_pushed_model_comes_back_the_same(model: NCVQVAE, hub: Path) -> None:
    assert model.push_to_hub("somebody/waves").endswith("somebody/waves")
    pushed = hub / "somebody/waves"
    assert {path.name for path in pushed.iterdir()} == {*MODEL_FILES, "README.md"}
    card = (pushed / "README.md").read_text()
    assert "library_name: ncvqvae" in card and 'from_pretrained("hub:somebody/waves")' in card and "2 classes" in card
    assert np.array_equal(NCVQVAE.from_pretrained(pushed).sample(5).X, model.sample(5).X)


def test_who_pushes_training_series_along_is_warned(hub: Path) -> None:
    keeping = NCVQVAE(settings={**TINY, "sampling.residual_neighbours": 2}).fit(X)
    with pytest.warns(UserWarning, match="keeps 12 of its training series") as warned:
        keeping.push_to_hub("me/keeping")
    assert all(f"sampling.{name} 0" in str(warned[0].message) for name in KEEPS_SERIES)


@pytest.mark.parametrize("only", [None, *KEEPS_SERIES])
def test_each_setting_that_keeps_training_series_is_among_those_that_are_named(only: str | None) -> None:
    settings: dict[str, float] = {f"sampling.{name}": int(name == only) for name in KEEPS_SERIES}
    settings |= {"sampling.n_steps": 2, "sampling.choice_temperature": 1, "sampling.residual_scale": 1}
    line = keeping_line(NCVQVAE(settings={**TINY, **settings}).fit(X).tokenizer_)
    assert (line is None) == (only is None)


def test_a_card_that_somebody_wrote_stays(model: NCVQVAE, hub: Path) -> None:
    model.push_to_hub("somebody/waves")
    (hub / "somebody/waves/README.md").write_text("mine")
    model.push_to_hub("somebody/waves")
    assert (hub / "somebody/waves/README.md").read_text() == "mine"


def test_a_repository_is_read_from_the_cache(model: NCVQVAE, tmp_path: Path) -> None:
    commit = "0" * 40
    repository = tmp_path / "models--somebody--waves"
    model.save_pretrained(repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text(commit)
    loaded = NCVQVAE.from_pretrained("hub:somebody/waves", cache_dir=tmp_path, local_files_only=True)
    assert np.array_equal(loaded.encode(X), model.encode(X))


def test_a_name_of_nothing_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the Hub gave no somebody/nothing") as error:
        NCVQVAE.from_pretrained("hub:somebody/nothing", cache_dir=tmp_path, local_files_only=True)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("source", ["runs/gunpoint", "gunpoint", "./runs/x", "~/runs/x"])
def test_a_folder_that_is_missing_is_not_looked_up_on_the_hub(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object, **__: object) -> None:
        raise AssertionError("the Hub was asked")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", asked)
    with pytest.raises(InputError, match="no such folder"):
        NCVQVAE.from_pretrained(source)
    with pytest.raises(InputError, match="names no repository"):
        NCVQVAE.from_pretrained("hub:a/b/c")


# ---------------------------------------------------------------- notebooks


def test_a_notebook_shows_a_bar_per_stage(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    kernel = SimpleNamespace(get_ipython=lambda: SimpleNamespace(config={"IPKernelApp": {}}))
    with monkeypatch.context() as patch:
        patch.setitem(ncvqvae.training.notebook.sys.modules, "IPython", kernel)
        NCVQVAE(settings=TINY).fit(X)
    said = capsys.readouterr().err
    assert "stage1: 100%" in said and "stage2: 100%" in said and "2/2" in said, said


def test_elsewhere_fit_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    NCVQVAE(settings=TINY).fit(X)
    assert capsys.readouterr().err == ""


def test_the_html_of_an_estimator_names_its_settings_and_escapes_them() -> None:
    html = NCVQVAE(ssl="barlowtwins", settings={"<script>": 1})._repr_mimebundle_()["text/html"]
    assert "NCVQVAE" in html and "barlowtwins" in html
    assert "<script>&#x27;" not in html and "{&#x27;&lt;script&gt;" in html.replace("'", "&#x27;")
