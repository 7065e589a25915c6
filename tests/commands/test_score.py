"""One real evaluation of a tiny model, with all there is to compute."""

from collections.abc import Iterator

import numpy as np
import pytest
from tests.bench.tasks import TINY

from ncvqvae import NCVQVAE
from ncvqvae.commands.score import Scores, score_model, score_series
from ncvqvae.data import Splits
from ncvqvae.evaluation import protocol
from ncvqvae.evaluation.fcn import FCNTraining
from ncvqvae.evaluation.metrics import INTERVAL, METRICS
from ncvqvae.evaluation.protocol import Extent


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
        patch.setattr(protocol, "MIN_FOR_CAS", 48)
        yield


@pytest.fixture(scope="module")
def scores(model: NCVQVAE, splits: Splits) -> Scores:
    return score_model(model, splits, extent=Extent(full=True))


def test_evaluations_write_what_the_registry_knows_and_nothing_else(scores: Scores, splits: Splits) -> None:
    of_others = score_series(splits, *waves(30, 2))
    written = scores.metrics.keys() | of_others.metrics.keys()
    real = {metric.real for metric in METRICS.values() if metric.real is not None}
    intervals = {f"{key}{end}" for key in METRICS.keys() | real for end in INTERVAL}
    assert METRICS.keys() - written == set()
    assert real - written == set()
    assert written - METRICS.keys() - real - intervals == set()
    assert written & intervals
