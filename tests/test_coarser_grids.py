"""Coarser grids of tokens above the finest: they are drawn first, and all that works for one grid works for several."""

from typing import Any

import numpy as np
import pytest
import torch

from ncvqvae import InputError
from ncvqvae.config import PriorConfig, SamplingConfig, Stage2Config, TokenizerConfig
from ncvqvae.prior.objective import PriorObjective, masked_token_loss, token_log_likelihoods
from ncvqvae.prior.prior import Prior
from ncvqvae.tokenizer.tokenizer import Tokenizer
from ncvqvae.training.build import build_prior, build_tokenizer

K = 8
GRIDS, N_CLASSES = [(1, 2), (1, 4), (1, 7)], 3
SIZES = [rows * columns for rows, columns in GRIDS]


def tokenizer(length: int = 64, channels: int = 1, coarser: int = 1) -> Tokenizer:
    torch.manual_seed(0)
    config = TokenizerConfig(hidden_channels=8, n_residual_blocks=1, codebook_size=K, coarser_grids=coarser)
    network = build_tokenizer(config, channels, length)
    for _ in range(3):  # norms and codebooks that have seen something
        network.quantize(network.latents(network.transform(torch.randn(16, channels, length))))
    return network.eval()


def prior(**settings: Any) -> Prior:
    torch.manual_seed(0)
    config = PriorConfig(width=16, n_layers=1, head_width=8, input_mode="token", **{"linear_rank": 0, **settings})
    network = build_prior(config, torch.randn(K * len(SIZES), 4), GRIDS, N_CLASSES)
    with torch.no_grad():
        network.output_bias.normal_()
    return network.eval()


def some_tokens(n: int = 5) -> torch.Tensor:
    """Tokens of each grid among the codes of that grid."""
    torch.manual_seed(1)
    return torch.cat([K * level + torch.randint(K, (n, size)) for level, size in enumerate(SIZES)], dim=1)


@torch.no_grad()
@pytest.mark.parametrize("coarser", [1, 2])
@pytest.mark.parametrize("length", [16, 17, 31, 64, 99, 141, 500])
def test_every_length_survives_and_each_grid_has_codes_of_its_own(length: int, coarser: int) -> None:
    network = tokenizer(length, 2, coarser)
    x = torch.randn(3, 2, length)
    tokens = network.encode(x)
    assert tokens.shape == (3, network.n_tokens) and len(network.codebook) == K * (1 + coarser)
    assert network.level_sizes == sorted(network.level_sizes) and network.level_sizes[-1] == np.prod(network.grids[-1])
    for level, part in enumerate(tokens.split(network.level_sizes, dim=1)):
        assert K * level <= int(part.min()) <= int(part.max()) < K * (level + 1)
    quantized = network.quantize(network.latents(network.transform(x)))
    assert torch.equal(quantized.tokens, tokens)
    torch.testing.assert_close(network.code_latents(tokens), quantized.latents)
    assert torch.isfinite(network.decode(tokens)).all() and network.decode(tokens).shape == x.shape
    assert torch.equal(network.encode(x[1:2]), tokens[1:2])
    assert network.pooled(x).shape[1] == len(network.of_parts)


@torch.no_grad()
def test_a_gap_is_a_gap_in_every_grid() -> None:
    network = tokenizer(128, coarser=2)
    x, observed = torch.randn(2, 1, 128), torch.ones(2, 1, 128, dtype=torch.bool)
    observed[0, :, 64:] = False
    tokens = network.encode(x, observed)
    coarsest, *_, finest = (part.unflatten(1, (5, -1)) for part in tokens.split(network.level_sizes, dim=1))
    for part in (coarsest, finest):
        assert (part[0, :, : part.shape[2] // 2] >= 0).all() and (part[0, :, -1] == -1).all()
    assert (tokens[1] >= 0).all()
    present = network.present(observed)
    quantized = network.quantize(network.latents(network.transform(x), present), present)
    assert torch.equal(quantized.tokens, tokens)
    torch.testing.assert_close(network.code_latents(tokens), quantized.latents)
    # what stands in a gap does not matter where its time is not read
    assert torch.equal(network.encode(x.masked_fill(~observed, 0.0), observed)[:, :1], tokens[:, :1])


def test_all_parts_learn_and_a_coarser_grid_is_decoded_by_itself() -> None:
    network = tokenizer(64).train()
    quantized = network.quantize(network.latents(network.transform(torch.randn(400, 1, 64))))
    reconstruction = network.reconstruct(quantized.latents).series
    (reconstruction.square().mean() + quantized.commitment).backward()
    parts = dict(network.named_parameters())
    assert all(part.grad is not None and part.grad.abs().sum() > 0 for name, part in parts.items() if "coarser" in name)
    guess = network.bands[0].coarser[0].up(quantized.bands[0].coarsest)
    alone = (quantized.latents[0] - guess).detach().abs().amax((1, 2, 3)) < 1e-4
    assert 0.1 < float(alone.float().mean()) < 0.3


def test_a_grid_of_one_column_cannot_be_halved() -> None:
    config = TokenizerConfig(hidden_channels=8, n_residual_blocks=1, latent_width=1, coarser_grids=2)
    with pytest.raises(InputError, match=r"tokenizer\.coarser_grids: a grid one token wide cannot be halved"):
        build_tokenizer(config, 1, 16)


def test_every_grid_is_asked_for_and_none_sees_a_finer_one() -> None:
    network, tokens, classes = prior(), some_tokens(), torch.zeros(5, dtype=torch.int64)
    objective, asked = PriorObjective(network, Stage2Config()), set()
    for _ in range(20):
        network.zero_grad()
        objective(tokens, classes)["prior"].backward()
        of_level = network.output_bias.grad.abs().sum(1).split(SIZES)  # type: ignore[union-attr]
        (level,) = (level for level, part in enumerate(of_level) if part.sum() > 0)
        asked.add(level)
        seen = network.positions.grad.abs().sum(1).split(SIZES)  # type: ignore[union-attr]
        assert [bool(part.sum() > 0) for part in seen] == [other <= level for other in range(3)]
    assert asked == {0, 1, 2}


@torch.no_grad()
def test_the_linear_map_of_a_grid_reads_coarser_ones_at_the_same_time() -> None:
    network = prior(linear_rank=4, linear_span=1)
    assert network.mix is not None
    vectors, known = torch.randn(1, 13, 4), torch.ones(1, 13, dtype=torch.bool)
    whole = network.mix(vectors, known)
    assert whole.shape == (1, 13, 16)
    for end in network.ends:  # a grid does not depend on finer ones
        torch.testing.assert_close(network.mix(vectors[:, :end], known[:, :end]), whole[:, :end])
    changed = vectors.clone()
    changed[:, 0] += 1  # the first half of the time
    moved = (network.mix(changed, known) != whole).any(-1)[0]
    assert [part.tolist() for part in moved.split(SIZES)] == [
        [True] * 2,
        [True] * 3 + [False],
        [True] * 5 + [False] * 2,
    ]


@torch.no_grad()
@pytest.mark.parametrize(("linear_rank", "linear_span"), [(0, 0), (4, 0), (4, 2)])
def test_logits_at_some_places_are_those_of_all(linear_rank: int, linear_span: int) -> None:
    network = prior(linear_rank=linear_rank, linear_span=linear_span)
    tokens, classes = some_tokens(), torch.tensor([0, 1, 2, 3, 0])
    for level, end in enumerate(network.ends):
        upto = tokens[:, :end].clone()
        at = torch.zeros_like(upto, dtype=torch.bool)
        at[:, -SIZES[level] :] = torch.rand(5, SIZES[level]) < 0.5
        upto[at] = network.mask_token
        of_all = network(upto, classes)
        assert of_all.shape == (5, SIZES[level], K)
        torch.testing.assert_close(network(upto, classes, at), of_all[at[:, -SIZES[level] :]])


@torch.no_grad()
def test_the_likelihood_is_the_product_over_grids() -> None:
    """Against the definition: grid by grid, tokens one by one in many random orders, each given those before it."""
    network, tokens, classes = prior(), some_tokens(2), torch.tensor([0, 1])
    rng, totals = np.random.default_rng(0), []
    for _ in range(60):
        total = torch.zeros(2)
        for level, (end, size) in enumerate(zip(network.ends, SIZES, strict=True)):
            shown = tokens[:, :end].clone()
            shown[:, -size:] = network.mask_token
            for place in rng.permutation(size):
                code = tokens[:, end - size + place] - K * level
                total += network(shown, classes)[:, place].log_softmax(-1).gather(1, code[:, None])[:, 0]
                shown[:, end - size + place] = tokens[:, end - size + place]
        totals.append(total / sum(SIZES))
    expected = torch.stack(totals).mean(0)
    torch.testing.assert_close(token_log_likelihoods(network, tokens, classes, 1000), expected, atol=0.05, rtol=0)
    assert masked_token_loss(network, tokens.repeat(100, 1), classes.repeat(100)) == pytest.approx(
        -float(expected.mean()), abs=0.3
    )


def test_what_is_known_stays_and_the_rest_is_drawn_among_the_codes_of_its_grid() -> None:
    network, tokens = prior(), some_tokens(200)
    known = torch.rand(tokens.shape) < 0.3
    config = SamplingConfig(n_steps=3, choice_temperature=1.0, kept_share=0.0, residual_scale=0.0)
    drawn = network.fill(tokens.masked_fill(~known, network.mask_token), torch.zeros(200, dtype=torch.int64), config)
    assert torch.equal(drawn.tokens[known], tokens[known])
    assert drawn.probabilities.shape == (3, *tokens.shape) and drawn.entropies.shape == (3,)
    assert torch.equal(drawn.probabilities.isnan().all(0), known)
    for level, part in enumerate(drawn.tokens.split(SIZES, dim=1)):
        assert set(part.unique().tolist()) == set(range(K * level, K * (level + 1)))
