"""What all tests share: networks and classifiers that judge samples are small, unless a test asks for whole ones."""

from collections.abc import Iterator

import pytest
from tests.faults.processes import FEW_KERNELS, FEW_STEPS

from ncvqvae.evaluation import representation, utility
from ncvqvae.evaluation.fcn import FCNTraining
from ncvqvae.evaluation.rocket import n_kernels_for

_whole = FCNTraining.n_steps


def _few(training: FCNTraining, n_cases: int, n_timepoints: int) -> int:
    """Steps of a training that nobody gave settings to; with settings of its own, those that they say."""
    wanted = _whole(training, n_cases, n_timepoints)
    return min(wanted, FEW_STEPS) if training == FCNTraining() else wanted


@pytest.fixture(scope="session", autouse=True)
def _short_trainings_of_fcns() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FCNTraining, "n_steps", _few)
        yield


@pytest.fixture(scope="session", autouse=True)
def _few_kernels_of_classifiers() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (representation, utility):
            patch.setattr(module, "n_kernels_for", lambda *given: min(n_kernels_for(*given), FEW_KERNELS))
        yield


@pytest.fixture
def whole_rockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """MiniRocket's classifiers in this test have as many features as those of users."""
    for module in (representation, utility):
        monkeypatch.setattr(module, "n_kernels_for", n_kernels_for)


@pytest.fixture
def whole_fcns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The FCNs of this test learn as those of users do."""
    monkeypatch.setattr(FCNTraining, "n_steps", _whole)
