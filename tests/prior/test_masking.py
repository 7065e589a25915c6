"""Random masks: True means masked, and the share masked has the schedule's mean."""

import math

import pytest
import torch
from tests.references import masking as reference

from ncvqvae.prior.masking import SCHEDULES, masked_share, random_masks

MEANS = {"cosine": 2 / math.pi, "linear": 1 / 2, "square": 2 / 3, "cubic": 3 / 4}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("gives", ["masked", "kept"])
def test_mean_share_masked(schedule: str, gives: str) -> None:
    n, n_tokens = 20_000, 100
    share = random_masks(n, n_tokens, schedule, gives, seeded()).double().mean(1)
    expected = MEANS[schedule] if gives == "masked" else 1 - MEANS[schedule]
    standard_error = float(share.std()) / n**0.5
    # the number masked is rounded up, by half a token on average
    assert float(share.mean()) - 0.5 / n_tokens == pytest.approx(expected, abs=4 * standard_error + 0.1 / n_tokens)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_share_falls_from_all_to_nothing(schedule: str) -> None:
    share = masked_share(torch.linspace(0, 1, 50), schedule)
    assert float(share[0]) == 1 and float(share[-1]) == pytest.approx(0, abs=1e-6)
    assert (share.diff() < 0).all()


def test_cosine_equals_the_reference() -> None:
    for r in torch.linspace(0, 1, 20):
        assert float(masked_share(r)) == pytest.approx(reference.cosine_share_masked(float(r)), abs=1e-6)


@pytest.mark.parametrize("gives", ["masked", "kept"])
def test_at_least_one_token_is_masked_even_of_few(gives: str) -> None:
    for n_tokens in (1, 2, 5):
        count = random_masks(2000, n_tokens, "cosine", gives, seeded()).sum(1)
        assert set(count.tolist()) == set(range(1, n_tokens + 1))


def test_every_place_is_masked_equally_often() -> None:
    often = random_masks(20_000, 10, generator=seeded()).double().mean(0)
    assert (often - often.mean()).abs().max() < 4 * 0.5 / 20_000**0.5


def test_the_seed_decides() -> None:
    first = random_masks(8, 20, generator=seeded(1))
    assert torch.equal(first, random_masks(8, 20, generator=seeded(1)))
    assert not torch.equal(first, random_masks(8, 20, generator=seeded(2)))
