"""Stage 2's objective: the cross-entropy on the tokens that count, and the class that is sometimes withheld."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ncvqvae.config import PriorConfig, Stage2Config
from ncvqvae.prior import objective as objective_module
from ncvqvae.prior.masking import random_masks
from ncvqvae.prior.objective import PriorObjective, masked_token_loss, token_loss
from ncvqvae.training.build import build_prior

B, N, K = 6, 10, 8


def objective(**changes: Any) -> PriorObjective:
    torch.manual_seed(0)
    prior = build_prior(PriorConfig(width=16, n_layers=1, head_width=8), torch.randn(K, 4), [(1, N)], 3)
    return PriorObjective(prior, Stage2Config(**changes)).train()


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, K, (B, N), generator=generator), torch.arange(B) % 3


def loss(module: PriorObjective, tokens: Tensor, classes: Tensor, seed: int = 0) -> float:
    torch.manual_seed(seed)
    return module(tokens, classes)["prior"].item()


def cross_entropy_by_hand(logits: Tensor, tokens: Tensor, counted: Tensor) -> float:
    """-log p(token), averaged over the places that count, one by one."""
    values = []
    for row, place in zip(*np.nonzero(counted.numpy()), strict=True):
        x = logits[row, place].detach().double().numpy()
        values.append(np.log(np.exp(x).sum()) - x[tokens[row, place]])
    return float(np.mean(values))


def test_loss_on_masked_or_on_all_tokens_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens, classes = batch()
    masks = random_masks(B, N, generator=torch.Generator().manual_seed(2))
    monkeypatch.setattr(objective_module, "random_masks", lambda *_: masks)
    values = {}
    for loss_on, counted in (("masked", masks), ("all", torch.ones_like(masks))):
        module = objective(loss_on=loss_on, class_drop=0.0)
        logits = module.prior(tokens.masked_fill(masks, K), classes)
        values[loss_on] = loss(module, tokens, classes)
        assert values[loss_on] == pytest.approx(cross_entropy_by_hand(logits, tokens, counted), rel=1e-5)
    assert values["masked"] != pytest.approx(values["all"], rel=1e-3)


def test_label_smoothing_by_hand() -> None:
    tokens, logits = batch()[0].flatten(), torch.randn(B * N, K)
    log_p = logits.log_softmax(-1)
    expected = -0.9 * log_p.gather(-1, tokens[:, None]).mean() - 0.1 * log_p.mean()
    torch.testing.assert_close(token_loss(logits, tokens, 0.1), expected)


def test_no_masked_token_is_no_division_by_zero() -> None:
    module = objective()
    tokens = torch.full((B, N), module.prior.mask_token)  # nothing was observed
    assert np.isnan(masked_token_loss(module.prior.eval(), tokens, torch.zeros(B, dtype=torch.int64)))
    terms = module.train()(tokens, torch.zeros(B, dtype=torch.int64))
    assert terms["prior"].item() == 0.0


def test_no_token_that_counts_is_no_loss() -> None:
    logits = torch.randn(0, K, requires_grad=True)
    value = token_loss(logits, torch.zeros(0, dtype=torch.int64))
    value.backward()
    assert value.item() == 0


def test_masked_tokens_are_hidden_from_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens, classes = batch()
    masks = torch.zeros(B, N, dtype=torch.bool)
    masks[:, ::2] = True
    monkeypatch.setattr(objective_module, "random_masks", lambda *_: masks)
    module = objective(class_drop=0.0)
    seen = []
    module.prior.register_forward_pre_hook(lambda _, given: seen.append(given))
    module(tokens, classes)
    assert torch.equal(seen[0][0][masks], torch.full((B * N // 2,), K))
    assert torch.equal(seen[0][0][~masks], tokens[~masks])
    assert torch.equal(seen[0][1], classes)


@pytest.mark.parametrize(("class_drop", "blind"), [(1.0, True), (0.0, False)])
def test_a_class_that_is_always_dropped_has_no_effect(class_drop: float, blind: bool) -> None:
    module, (tokens, classes) = objective(class_drop=class_drop), batch()
    assert (loss(module, tokens, classes) == loss(module, tokens, (classes + 1) % 3)) == blind
    module(tokens, classes)["prior"].backward()
    assert module.prior.classes.weight.grad is not None
    assert bool((module.prior.classes.weight.grad[:3] == 0).all()) == blind


def test_the_class_is_dropped_with_its_probability() -> None:
    module, seen = objective(class_drop=0.2), []
    module.prior.register_forward_pre_hook(lambda _, given: seen.append(given[1]))
    tokens = torch.zeros(5000, N, dtype=torch.int64)
    with torch.no_grad():
        module(tokens, torch.zeros(5000, dtype=torch.int64))
    assert float((seen[0] == 3).double().mean()) == pytest.approx(0.2, abs=4 * (0.2 * 0.8 / 5000) ** 0.5)


@pytest.mark.parametrize(("gives", "share"), [("masked", 2 / np.pi), ("kept", 1 - 2 / np.pi)])
def test_schedule_settings_reach_the_masks(gives: str, share: float) -> None:
    module, seen = objective(schedule_gives=gives), []
    module.prior.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        module(torch.zeros(5000, N, dtype=torch.int64), torch.zeros(5000, dtype=torch.int64))
    assert float((seen[0] == K).double().mean()) == pytest.approx(share + 0.5 / N, abs=0.03)


def test_prior_loss_of_a_test_split_by_hand() -> None:
    prior, (tokens, classes) = objective().prior.eval(), batch()
    masks = random_masks(B, N, generator=torch.Generator().manual_seed(0))
    expected = cross_entropy_by_hand(prior(tokens.masked_fill(masks, K), classes), tokens, masks)
    assert masked_token_loss(prior, tokens, classes) == pytest.approx(expected, rel=1e-5)
    assert masked_token_loss(prior, tokens, classes, batch_size=4) == pytest.approx(expected, rel=1e-5)
