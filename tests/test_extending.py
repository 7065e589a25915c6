"""docs/extending.md does what it says: its files are written, its commands run, in processes of their own."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from tests.faults.processes import PROGRAM

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.slow


def blocks() -> list[tuple[str, str, str]]:
    return BLOCK.findall(PAGE.read_text(encoding="utf-8"))


def run(folder: Path, *command: str) -> str:
    # the folder is what a script beside the plug-in could import from; the cache keeps test runs apart
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(folder)]))
    environment = {**os.environ, "NCVQVAE_CACHE_DIR": str(folder / "cache"), "PYTHONPATH": path}
    environment.pop("NCVQVAE_PLUGINS", None)
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which everything on the page was done, from top to bottom."""
    folder = tmp_path_factory.mktemp("extending")
    for language, title, text in blocks():
        if title:
            with (folder / title).open("a", encoding="utf-8") as file:
                file.write(text + "\n\n")
        if language == "console":
            for line in text.splitlines():
                program, *arguments = line.removeprefix("$ ").split()
                assert program == "ncvqvae"
                run(folder, sys.executable, "-c", PROGRAM, *arguments)
    return folder


def test_the_run_has_the_parts_and_their_settings(folder: Path) -> None:
    model = yaml.safe_load((folder / "runs/mine/config.yaml").read_text())["model"]
    assert (model["ssl"], model["augmentation"], model["tokenizer"]["quantizer"]) == ("cosine", "flip", "gradient")
    assert model["stage1"]["ssl_settings"] == {"floor": 0.5}
    history = pd.read_csv(folder / "runs/mine/history.csv")
    assert history["ssl"].notna().any() and len(pd.read_csv(folder / "new.csv")) == 10


def test_python_opens_the_run_with_its_quantizer(folder: Path) -> None:
    assert run(folder, sys.executable, "use.py").split() == ["GradientQuantizer", "(5,", "1,", "24)"]


def test_the_bench_has_rows_tables_and_pictures_of_new_models_alone(folder: Path) -> None:
    tables = folder / "runs/bench/tables"
    rows = pd.read_csv(tables / "rows.csv")
    assert rows[["model", "ssl", "augmentation"]].to_numpy().tolist() == [["mine", "cosine", "flip"]]
    assert json.loads(rows["settings"][0])["stage1.ssl_settings"] == {"floor": 0.5}
    assert rows[["val_recon", "knn", "fid"]].notna().all(axis=None)
    text = (tables / "tables.md").read_text()
    assert "| runs | mine |" in text
    pictures = {path.name for path in tables.glob("*.png")}
    assert {"figure-01-reconstruction.png", "figure-06-ssl-loss.png", "figure-11-knn-against-fid.png"} <= pictures


def test_without_the_plug_in_the_run_is_refused_in_one_line(folder: Path) -> None:
    command = [sys.executable, "-m", "ncvqvae", "sample", "runs/mine", "-n", "2", "--out", "never.npz"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 2 and "ncvqvae.quantizers has no 'gradient'" in done.stderr.splitlines()[-1]
    assert "--plugin" in done.stderr


def test_the_entry_points_on_the_page_are_parts_of_its_file() -> None:
    text = "".join(text for _, title, text in blocks() if title == "mine.py")
    (toml,) = (text for language, _, text in blocks() if language == "toml")
    assert len(found := re.findall(r'= "mine:(\w+)"', toml)) == 3
    assert all(re.search(rf"^(class|def) {name}\b", text, re.MULTILINE) for name in found)
