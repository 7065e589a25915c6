"""The verdict and the page of a really fitted tiny model, through the command's own code."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from tests.bench.tasks import TINY

from ncvqvae import NCVQVAE, load_splits
from ncvqvae.commands.evaluate import Evaluated, evaluate_run
from ncvqvae.evaluation import protocol, sets
from ncvqvae.evaluation.binding import run_digest
from ncvqvae.evaluation.fcn import FCNTraining
from ncvqvae.evaluation.sets import Extent

from .contents import sines


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work") / "run"
    X, y = sines(200, length=32)
    np.savez(folder.parent / "data.npz", X=X, y=np.array(["slow", "_fast"])[y])
    splits = load_splits(folder.parent / "data.npz")
    model = NCVQVAE("quick", settings=TINY).fit(splits.X_train, splits.y_train)
    model.save_pretrained(folder)
    (folder / "data.yaml").write_text(yaml.safe_dump({"data": str(folder.parent / "data.npz")}))
    pd.DataFrame(model.history_).to_csv(folder / "history.csv", index=False)
    return folder


pytestmark = pytest.mark.filterwarnings("ignore:.*keeps no digests")


@pytest.fixture(scope="module")
def evaluated(run: Path) -> Evaluated:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NCVQVAE_CACHE_DIR", str(run.parent / "cache"))
        patch.setattr(FCNTraining, "n_steps", lambda *_: 1)
        patch.setattr(protocol, "PERMUTATIONS", {False: 19, True: 19})
        patch.setattr(sets, "MIN_FOR_CAS", 140)
        return evaluate_run(run, extent=Extent(cas=False))


def test_an_untrained_model_gets_no_green_tick(evaluated: Evaluated) -> None:
    verdict, metrics = evaluated.verdict, evaluated.metrics
    assert verdict.fine is False and len(verdict.findings) == 4
    assert f"{metrics['c2st']:.0%} of cases" in verdict.findings[1].text
    assert verdict.lines[0] == verdict.answer and "classifier" in verdict.answer
    assert verdict.lines[1] == f"verdict: {verdict.headline}"
    assert verdict.lines[-1].startswith("advice: For better series, fit again with --preset default, which trains")


def test_the_page_says_what_metrics_and_terminal_say(evaluated: Evaluated, run: Path) -> None:
    page = evaluated.files["report"].read_text(encoding="utf-8")
    metrics = json.loads(evaluated.files["metrics"].read_text())
    assert metrics["run"] == run_digest(run) and run_digest(run) in page
    for finding in evaluated.verdict.findings:
        assert finding.title in page
    assert evaluated.verdict.answer in page and evaluated.verdict.next_step in page
    assert "_fast" in page and "n = 256 generated, 60 held-out series" in page
