"""Parallel decoding: equal to the reference given the same noise; known tokens stay, none stays masked."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.references import masking as reference
from torch import Tensor

from ncvqvae.config import SamplingConfig
from ncvqvae.prior import decoding
from ncvqvae.prior.decoding import parallel_decode

B, N, K = 5, 24, 6
MASK = K
CONFIG = SamplingConfig()


def logits_of(tokens: Tensor) -> Tensor:
    """A network whose opinion on each place depends on all known tokens."""
    table = torch.randn(K + 1, N, N, K, generator=torch.Generator().manual_seed(3))
    places = torch.arange(N).expand_as(tokens)
    return table[tokens, places].mean(1) * N**0.5


def logits_of_unknown(tokens: Tensor) -> Tensor:
    return logits_of(tokens)[tokens == MASK]


def start(known: float = 0.3) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, K, (B, N), generator=generator)
    return tokens.masked_fill(torch.rand(B, N, generator=generator) > known, MASK)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("n_steps", [1, 2, 5, 10])
@pytest.mark.parametrize("choice_temperature", [0.0, 4.0])
def test_equals_the_reference_given_the_same_noise(
    n_steps: int, choice_temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(n_steps)
    token_noise, choice_noise = rng.gumbel(size=(n_steps, B, N, K)), rng.gumbel(size=(n_steps, B, N))
    of_tokens, of_choice = iter(token_noise), iter(choice_noise)

    asked = []

    def watched(tokens: Tensor) -> Tensor:
        asked.append(tokens)
        return logits_of_unknown(tokens)

    def draw(weights: Tensor, generator: object) -> Tensor:  # of the unknown places alone
        return (weights.log() + torch.from_numpy(next(of_tokens))[asked[-1] == MASK]).argmax(-1)

    monkeypatch.setattr(decoding, "draw", draw)
    monkeypatch.setattr(decoding, "gumbel", lambda shape, generator: torch.from_numpy(next(of_choice)).reshape(shape))
    config = replace(CONFIG, n_steps=n_steps, choice_temperature=choice_temperature)
    decoded = parallel_decode(watched, start(), MASK, config)

    for row, tokens in enumerate(start().numpy()):

        def logits_of_row(tokens: np.ndarray, mask: np.ndarray) -> np.ndarray:
            known = torch.from_numpy(np.where(mask, MASK, tokens))
            return logits_of(known[None])[0].double().numpy()

        expected = reference.parallel_decode(
            logits_of_row, tokens, tokens == MASK, token_noise[:, row], choice_noise[:, row], choice_temperature
        )
        np.testing.assert_array_equal(decoded.tokens[row], expected.tokens)
        # which tokens each step fixed
        masks = np.concatenate([(tokens == MASK)[None], expected.masks])
        np.testing.assert_array_equal(~decoded.probabilities[:, row].isnan(), masks[:-1] & ~masks[1:])


@pytest.mark.parametrize("n_steps", [1, 2, 3, 10, 40])
@pytest.mark.parametrize("schedule", ["cosine", "linear", "square", "cubic"])
def test_known_tokens_stay_and_none_stays_masked(n_steps: int, schedule: str) -> None:
    seen = []

    def watched(tokens: Tensor) -> Tensor:
        seen.append(tokens.clone())
        return logits_of_unknown(tokens)

    given = start()
    config = replace(CONFIG, n_steps=n_steps, schedule=schedule)
    result = parallel_decode(watched, given, MASK, config, seeded()).tokens
    assert len(seen) == n_steps
    for before, after in zip(seen, [*seen[1:], result], strict=True):
        assert torch.equal(after[before != MASK], before[before != MASK])
    assert torch.equal(seen[0], given)
    assert int(result.min()) >= 0 and int(result.max()) < K


def test_one_step_from_nothing_draws_from_the_softmax() -> None:
    logits = torch.tensor([1.0, 0.0, -1.0])
    config = replace(CONFIG, n_steps=1, temperature=0.5)
    empty = torch.full((200, 100), 3)
    tokens = parallel_decode(
        lambda tokens: logits.expand(int((tokens == 3).sum()), 3), empty, 3, config, seeded()
    ).tokens
    share = tokens.flatten().bincount(minlength=3) / tokens.numel()
    expected = (logits / 0.5).softmax(0)
    assert ((share - expected).abs() < 4 * (expected * (1 - expected) / tokens.numel()).sqrt()).all()


def test_probabilities_and_entropies_are_those_of_the_network() -> None:
    logits = torch.tensor([1.0, 0.0, -1.0])
    p = logits.softmax(0)
    decoded = parallel_decode(
        lambda tokens: logits.expand(int((tokens == 3).sum()), 3), torch.full((4, 9), 3), 3, CONFIG, seeded()
    )
    assert decoded.probabilities.shape == (CONFIG.n_steps, 4, 9)
    # each token is fixed once, with the probability it was drawn with
    assert torch.equal((~decoded.probabilities.isnan()).sum(0), torch.ones(4, 9, dtype=torch.int64))
    torch.testing.assert_close(decoded.probabilities.nansum(0), p[decoded.tokens])
    torch.testing.assert_close(decoded.entropies[0], -(p * p.log()).sum())


def test_complete_grid_is_returned_as_it_is() -> None:
    complete = start(known=1.0)
    assert torch.equal(parallel_decode(logits_of_unknown, complete, MASK, CONFIG, seeded()).tokens, complete)


def test_the_seed_decides() -> None:
    first = parallel_decode(logits_of_unknown, start(), MASK, CONFIG, seeded(1)).tokens
    assert torch.equal(first, parallel_decode(logits_of_unknown, start(), MASK, CONFIG, seeded(1)).tokens)
    assert not torch.equal(first, parallel_decode(logits_of_unknown, start(), MASK, CONFIG, seeded(2)).tokens)


def test_draws_follow_the_weights_and_never_take_what_has_none() -> None:
    weights = torch.tensor([0.0, 3.0, 0.0, 1.0, 6.0, 0.0])
    drawn = decoding.draw(weights.expand(100_000, -1), seeded())
    shares = torch.bincount(drawn, minlength=6) / len(drawn)
    torch.testing.assert_close(shares, weights / 10, atol=0.006, rtol=0)  # 4 standard errors
    assert shares[weights == 0].eq(0).all()
    assert decoding.draw(torch.eye(4)).tolist() == [0, 1, 2, 3]


def test_draws_do_not_depend_on_the_size_of_the_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.randn(1000, 7, generator=seeded())
    whole = decoding.draw_tokens(logits, 0.5, seeded())
    monkeypatch.setattr(decoding, "PIECE", 30)
    for part, of_whole in zip(decoding.draw_tokens(logits, 0.5, seeded()), whole, strict=True):
        torch.testing.assert_close(part, of_whole)
