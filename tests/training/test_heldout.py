"""A held-out part of the train split: neither network learns from it, and its losses stand beside those of training."""

import numpy as np
import pandas as pd
import pytest
import torch
from tests.waves import SMALL, two_classes

from ncvqvae import NCVQVAE, InputError
from ncvqvae.config import Config
from ncvqvae.prior.objective import masked_token_loss
from ncvqvae.study.pictures import reconstruction_curves, run_curves
from ncvqvae.training.stages import TrainSet, learned_and_heldout, tokenizer_stage

OWN = {"heldout_share": 0.25, "stage1.warped_share": 0.0, "stage1.max_steps": 30, "stage2.max_steps": 30}


@pytest.fixture(scope="module")
def model() -> NCVQVAE:
    X, y = two_classes()
    return NCVQVAE(settings=SMALL | OWN | {"stage1.epochs": 10**6, "stage2.epochs": 10**6}).fit(X, y)


def test_each_class_gives_its_share_and_none_is_in_a_batch() -> None:
    X, _ = two_classes()
    y = np.array(["many"] * 32 + ["few"] * 7 + ["one"])
    prepared = NCVQVAE(settings=SMALL | OWN).prepare(X, y)
    config = Config(heldout_share=0.25)
    learned, held = learned_and_heldout(config, prepared)
    assert sorted([*learned.tolist(), *held.tolist()]) == list(range(40))
    assert np.unique(y[held], return_counts=True)[1].tolist() == [1, 8]  # of 7 one, of 32 eight, of one none
    others = learned_and_heldout(Config(heldout_share=0.25, seed=1), prepared)
    assert held.tolist() != others[1].tolist()
    assert learned_and_heldout(Config(), prepared)[0].tolist() == list(range(40))

    with pytest.raises(InputError, match=r"heldout_share 0\.01 of no class is a whole series"):
        NCVQVAE(settings=SMALL | OWN | {"heldout_share": 0.01}).estimate_seconds(X, y)

    seen = NCVQVAE(settings=SMALL | OWN | {"ssl": "none", "stage1.batch_size": 4})
    train: TrainSet = seen.prepare(X, y)
    config = seen.asked_
    learned, held = learned_and_heldout(config, train)
    _, parts = tokenizer_stage(config, train)
    shown = torch.cat([parts.get_batch(parts.plan.batch(step))[0] for step in range(40)])
    assert {x.numpy().tobytes() for x in shown} == {x.tobytes() for x in train.series[learned.numpy()].values}


def test_the_last_losses_are_those_of_the_trained_networks(model: NCVQVAE) -> None:
    X, y = two_classes()
    train = NCVQVAE(settings=SMALL | OWN).prepare(X, y)
    _, held = learned_and_heldout(model.config_, train)
    history = pd.DataFrame(model.history_)
    assert history["heldout_recon"].notna().sum() == (history["stage"] == "stage1").sum() == 30
    assert history["heldout_prior"].notna().sum() == (history["stage"] == "stage2").sum() == 30
    last = history["heldout_recon"].dropna().iloc[-1]
    assert model.reconstruction_loss(X[held.numpy()]) == pytest.approx(last, rel=1e-4)
    tokens = torch.from_numpy(model.encode(X[held.numpy()]))
    expected = masked_token_loss(model.prior_, tokens, train.classes[held], "cosine", model.config_.seed)
    assert expected == pytest.approx(history["heldout_prior"].dropna().iloc[-1], rel=1e-4)


def test_watching_changes_nothing(model: NCVQVAE, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same training without a look at the held-out series gives the same weights."""
    X, y = two_classes()
    monkeypatch.setattr("ncvqvae.training.stages.StageParts.monitor", lambda self, progress: {})
    blind = NCVQVAE(settings=SMALL | OWN | {"stage1.epochs": 10**6, "stage2.epochs": 10**6}).fit(X, y)
    for own, other in ((model.tokenizer_, blind.tokenizer_), (model.prior_, blind.prior_)):
        assert all(torch.equal(value, other.state_dict()[name]) for name, value in own.state_dict().items())


def test_the_picture_of_reconstruction_is_of_the_held_out_part(model: NCVQVAE) -> None:
    curves = run_curves(pd.DataFrame(model.history_), model.config_, "waves", "vibcreg-gauss")
    figure = reconstruction_curves(curves)
    assert figure is not None and figure.axes[0].get_ylabel() == "reconstruction (held out)"
    plotted = figure.axes[0].lines[0].get_ydata()
    np.testing.assert_allclose(plotted, curves["heldout_recon"])
    without = reconstruction_curves(curves.drop(columns="heldout_recon"))
    assert without is not None and without.axes[0].get_ylabel() == "reconstruction (train)"
