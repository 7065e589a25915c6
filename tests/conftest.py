"""What all tests share: networks behind FID and CAS learn for a few steps, unless a test asks for whole trainings."""

from collections.abc import Iterator

import pytest
from tests.faults.processes import FEW_STEPS

from ncvqvae.evaluation.fcn import FCNTraining

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


@pytest.fixture
def whole_fcns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The FCNs of this test learn as those of users do."""
    monkeypatch.setattr(FCNTraining, "n_steps", _whole)
