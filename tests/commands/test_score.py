"""Real evaluations of a tiny model: what they write, and how often they ask its tokenizer."""

import warnings
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from tests.bench.tasks import TINY

from ncvqvae import NCVQVAE
from ncvqvae.commands.score import Scores, score_model, score_series
from ncvqvae.data import Splits
from ncvqvae.evaluation import classifiers, protocol, sets
from ncvqvae.evaluation.fcn import FCNTraining
from ncvqvae.evaluation.metric import GROUPS
from ncvqvae.evaluation.metric_list import INTERVAL, METRICS, OF_CURVES, RIVALLED, SD
from ncvqvae.evaluation.metrics import metric_of, rival_of
from ncvqvae.evaluation.sets import Extent
from ncvqvae.report.compose import report_content
from ncvqvae.report.content import ReportContent
from ncvqvae.report.history import read_history
from ncvqvae.report.page import write_report
from ncvqvae.tokenizer.tokenizer import Tokenizer


def waves(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng, y = np.random.default_rng(seed), np.array(["a", "b"])[np.arange(n) % 2]
    t = np.linspace(0, 6, 32)
    X = np.sin(t * (1 + (y == "b")[:, None]) + rng.uniform(0, 2, (n, 1))) + 0.1 * rng.normal(size=(n, 32))
    return X[:, None].astype(np.float32), y


@pytest.fixture(scope="module")
def splits() -> Splits:
    return Splits("waves", *waves(24, 0), *waves(20, 1), "")


@pytest.fixture(scope="module")
def model(splits: Splits) -> NCVQVAE:
    return NCVQVAE("quick", settings=TINY).fit(splits.X_train, splits.y_train)


@pytest.fixture(scope="module", autouse=True)
def quickly(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Networks that learn for one step, few draws, fewer series for CAS."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NCVQVAE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(FCNTraining, "n_steps", lambda *_: 1)
        patch.setattr(protocol, "BOOTSTRAP_DRAWS", 2)
        patch.setattr(protocol, "PERMUTATIONS", {False: 2, True: 2})
        patch.setattr(sets, "MIN_FOR_CAS", 48)
        patch.setattr(classifiers, "N_SEEDS", {False: 2, True: 2})
        yield


class Evaluation(NamedTuple):
    scores: Scores
    content: ReportContent
    encoded: Counter[bytes]
    """How often the tokenizer was given each series."""
    filters: list[object]
    """Warning filters before and after."""


@pytest.fixture(scope="module")
def evaluation(model: NCVQVAE, splits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """Everything that is computed for one evaluation and its report."""
    folder, encoded, encode = tmp_path_factory.mktemp("run"), Counter[bytes](), Tokenizer.encode

    def counting(tokenizer: Tokenizer, x: torch.Tensor, observed: torch.Tensor | None = None) -> torch.Tensor:
        encoded.update(series.numpy().tobytes() for series in x)
        return encode(tokenizer, x, observed)

    pd.DataFrame(model.history_).to_csv(folder / "history.csv", index=False)
    for module in (
        "aeon.transformations.collection.convolution_based",
        "aeon.transformations.collection.feature_based",
        "torchmetrics.image",
        "sklearn.manifold",
    ):  # some set filters of their own when they are imported
        import_module(module)
    filters = [list(warnings.filters)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tokenizer, "encode", counting)
        scores = score_model(model, splits, seed=3, extent=Extent(full=True, cas=True, rivals=False))
        content = report_content(model, splits, scores, read_history(folder))
    write_report(content, folder / "report.html")
    return Evaluation(scores, content, encoded, [*filters, list(warnings.filters)])


def test_evaluations_write_what_the_registry_knows_and_nothing_else(evaluation: Evaluation, splits: Splits) -> None:
    of_others = score_series(splits, *waves(30, 2))
    written = evaluation.scores.metrics.keys() | of_others.metrics.keys()
    real = {metric.real for metric in METRICS.values() if metric.real is not None}
    intervals = {f"{key}{end}" for key in METRICS.keys() | real for end in INTERVAL}
    assert METRICS.keys() - written == set(OF_CURVES)
    assert real - written == set()
    others = written - METRICS.keys() - real - intervals
    assert all(key.endswith(SD) or rival_of(key) is not None for key in others)
    assert all(
        metric_of(key).meaning and metric_of(key).group in GROUPS for key in written if not key.endswith(INTERVAL)
    )
    assert written & intervals
    assert {key for key in RIVALLED if f"{key}_of_jitter" not in written} == {
        "fid",
        "cas",
        "copied",
    }


def test_each_series_is_encoded_once(evaluation: Evaluation, model: NCVQVAE, splits: Splits) -> None:
    scores, encoded = evaluation.scores, evaluation.encoded
    assert scores.labelled is not None and scores.unconditional is not None and scores.encoded is not None
    sets = (splits.X_train, splits.X_test, scores.labelled.X, scores.unconditional)
    decoded = [x.tobytes() for part in scores.encoded for x in model.scaler_.transform(part.reconstruction)]
    # nothing else is encoded, and no series again, unless it is there twice: coarse tokens decode to the same series
    assert encoded == Counter([x.tobytes() for X in sets for x in model.scaler_.transform(X)]) + Counter(decoded)


def test_the_report_hears_of_the_share_that_starts_from_training_series(
    evaluation: Evaluation, model: NCVQVAE, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert evaluation.content.kept_share == 0
    monkeypatch.setattr(model.config_.sampling, "kept_share", 0.5)
    assert report_content(model, splits, evaluation.scores).kept_share == 0.5


def test_the_filters_of_warnings_stay_as_they_were(evaluation: Evaluation) -> None:
    before, after = evaluation.filters
    assert before == after


def test_what_is_encoded_reaches_the_report(evaluation: Evaluation, model: NCVQVAE, splits: Splits) -> None:
    content = evaluation.content
    assert content.X_labelled is not None and content.X_test_reconstructed is not None
    for Z, tokens, X in (
        (content.Z_train, content.tokens_train, splits.X_train),
        (content.Z_test, content.tokens_test, splits.X_test),
        (content.Z_generated, content.tokens_generated, content.X_labelled),
    ):
        assert np.array_equal(Z, model.transform(X)) and np.array_equal(tokens, model.encode(X))
    assert np.array_equal(content.X_test_reconstructed, model.reconstruct(splits.X_test))
    metrics, y = evaluation.scores.metrics, splits.y_test
    assert metrics["evaluation_seed"] == 3.0
    assert metrics["val_recon"] == model.reconstruction_loss(splits.X_test)
    assert metrics["prior_loss"] == model.prior_loss(splits.X_test, y)
