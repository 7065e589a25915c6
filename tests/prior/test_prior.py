"""The prior: its three input modes, guidance, dropout, and what it may know of masked tokens."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ncvqvae.config import PriorConfig, SamplingConfig
from ncvqvae.prior.prior import Prior
from ncvqvae.training.build import build_prior

K, D, N, N_CLASSES = 8, 6, 10, 3
MODES = ["token", "codebook", "codebook-finetuned"]


def codebook() -> Tensor:
    return torch.randn(K, D, generator=torch.Generator().manual_seed(5))


def prior(mode: str = "token", n_classes: int = N_CLASSES, **changes: Any) -> Prior:
    torch.manual_seed(0)
    config = PriorConfig(width=16, n_layers=1, head_width=8, input_mode=mode, **changes)  # type: ignore[arg-type]
    return build_prior(config, codebook(), [(1, N)], n_classes)


def batch(size: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(0, K + 1, (size, N), generator=generator)  # K is the mask token
    return tokens, torch.arange(size) % N_CLASSES


def trained(network: Prior) -> Prior:
    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=0.01, weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        network(*batch()).square().mean().backward()
        optimizer.step()
    return network


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_starts_from_the_code_vectors(mode: str) -> None:
    network = prior(mode)
    assert torch.equal(network.codes, codebook())
    assert network(*batch()).shape == (4, N, K)


@pytest.mark.parametrize(("mode", "moves"), [("token", True), ("codebook", False), ("codebook-finetuned", True)])
def test_only_a_frozen_codebook_stays(mode: str, moves: bool) -> None:
    network = trained(prior(mode))
    assert (network.codes.grad is not None) == moves
    assert torch.equal(network.codes, codebook()) != moves
    assert network.mask_vector.grad is not None and network.mask_vector.grad.abs().sum() > 0


def test_training_the_prior_leaves_the_tokenizers_codebook() -> None:
    codes = codebook()
    config = PriorConfig(width=16, n_layers=1, head_width=8, input_mode="codebook-finetuned")
    trained(build_prior(config, codes, [(1, N)], 2))
    assert torch.equal(codes, codebook())


@pytest.mark.parametrize(("mode", "tied"), [("token", True), ("codebook", False), ("codebook-finetuned", False)])
def test_only_the_token_table_is_tied_to_the_output(mode: str, tied: bool) -> None:
    network = trained(prior(mode))
    assert torch.equal(network.output.weight, network.codes) == tied
    again = prior(mode)
    again.load_state_dict(network.state_dict())
    assert (again.output.weight is again.codes) == tied
    assert torch.equal(again.eval()(*batch()), network.eval()(*batch()))


@pytest.mark.parametrize(("mode", "tied"), [("token", True), ("codebook", False), ("codebook-finetuned", False)])
def test_with_a_map_of_the_whole_grid_the_head_predicts_code_vectors(mode: str, tied: bool) -> None:
    network = prior(mode, linear_rank=2)
    assert torch.equal(network.output.weight, codebook()) and (network.output.weight is network.codes) == tied
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.copy_(codebook()[3])
    expected = codebook() @ codebook()[3] * network.output_scale
    torch.testing.assert_close(network(*batch()), expected.expand(4, N, K))


@pytest.mark.parametrize("mode", ["token", "codebook", "codebook-finetuned"])
def test_with_a_span_the_head_and_output_layer_are_those_without_a_map(mode: str) -> None:
    plain, near = prior(mode), prior(mode, linear_rank=2, linear_span=1)
    assert [type(layer) for layer in near.head] == [type(layer) for layer in plain.head]
    assert torch.equal(near.output.weight, codebook()) == torch.equal(plain.output.weight, codebook()) == near.tied


def test_the_linear_mix_reads_all_known_tokens_and_no_others() -> None:
    network, (tokens, _) = prior(linear_rank=4), batch()
    vectors = torch.randn(4, N, D)
    known = tokens < K
    mixed = network.mix(vectors, known)
    assert mixed.shape == (4, N, 16)
    changed = torch.where(known[..., None], vectors, 99.0)
    torch.testing.assert_close(network.mix(changed, known), mixed)
    for i in range(N):  # each known token reaches every position
        changed = vectors.clone()
        changed[:, i] += 1
        moved = (network.mix(changed, known) != mixed).any(-1)
        assert torch.equal(moved, known[:, i, None].expand(-1, N))
    assert not torch.equal(network.mix(0 * vectors, known), network.mix(0 * vectors, ~known))


def test_with_a_span_the_linear_map_reads_known_tokens_that_near_and_is_the_same_at_each_column() -> None:
    config = PriorConfig(width=16, n_layers=1, head_width=8, linear_rank=4, linear_span=2)
    rows, columns = 2, 9
    network = build_prior(config, codebook(), [(rows, columns)], N_CLASSES)
    vectors, known = torch.randn(4, rows * columns, D), torch.rand(4, rows * columns) < 0.6
    mixed = network.mix(vectors, known)
    assert mixed.shape == (4, rows * columns, 16)
    torch.testing.assert_close(network.mix(torch.where(known[..., None], vectors, 99.0), known), mixed)
    for row, column in np.ndindex(rows, columns):
        place = row * columns + column
        changed = vectors.clone()
        changed[:, place] += 1
        moved = (network.mix(changed, known) != mixed).any(-1).view(4, rows, columns)
        near = torch.tensor([abs(column - other) <= 2 for other in range(columns)])
        assert torch.equal(moved, known[:, place, None, None] & near.expand(4, rows, columns))
    later = network.mix(*(part.unflatten(1, (rows, columns)).roll(1, 2).flatten(1, 2) for part in (vectors, known)))
    inner = slice(3, columns - 2)  # away from the ends, before which there is nothing
    found, wanted = later.view(4, rows, columns, 16), mixed.view(4, rows, columns, 16).roll(1, 2)
    torch.testing.assert_close(found[:, :, inner], wanted[:, :, inner])


def test_the_linear_mix_learns_tokens_that_follow_from_their_neighbours() -> None:
    generator = torch.Generator().manual_seed(0)
    losses = []
    for changes in ({}, {"linear_rank": 16}, {"linear_rank": 16, "linear_span": N - 1}):
        network = prior(**changes)
        optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
        for _ in range(150):
            first = torch.randint(0, K, (64, N // 2), generator=generator)
            tokens = torch.cat([first, first.flip(1)], dim=1)
            hidden = torch.rand(64, N, generator=generator) < 0.3
            logits = network(tokens.masked_fill(hidden, K), torch.zeros(64, dtype=torch.int64))
            told = hidden & ~hidden.flip(1)
            loss = torch.nn.functional.cross_entropy(logits[told], tokens[told])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[1] < 0.7 * losses[0]
    # mirrored places are not equally far apart: a map that is the same everywhere is at a loss
    assert losses[2] > losses[1]


def test_logits_depend_on_known_tokens_everywhere_and_on_the_class() -> None:
    network, (tokens, classes) = prior().eval(), batch()
    base = network(tokens, classes)
    changed = tokens.clone()
    changed[:, -1] = (changed[:, -1] + 1) % K
    assert (network(changed, classes)[:, 0] != base[:, 0]).any()  # attention looks both ways
    assert not torch.allclose(network(tokens, (classes + 1) % N_CLASSES), base)
    assert not torch.allclose(network(tokens, torch.full_like(classes, network.no_class)), base)


@pytest.mark.parametrize(
    "changes", [{}, {"mode": "codebook"}, {"linear_rank": 4}, {"linear_rank": 4, "linear_span": 1}]
)
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_logits_of_some_places_are_those_of_all(changes: dict[str, Any], scale: float) -> None:
    network, (tokens, classes) = prior(**changes).eval(), batch()
    torch.nn.init.normal_(network.output_bias)
    at = torch.rand(tokens.shape) < 0.4
    torch.testing.assert_close(
        network.guided_logits(tokens, classes, scale, at), network.guided_logits(tokens, classes, scale)[at]
    )


def test_scaling_divides_the_logits_of_a_tied_output_by_the_root_of_the_codes_width() -> None:
    scaled, plain = (prior("token", scale_tied_logits=given).eval()(*batch()) for given in (True, False))
    torch.testing.assert_close(scaled * D**0.5, plain)
    untied = [prior("codebook", scale_tied_logits=given).eval()(*batch()) for given in (True, False)]
    torch.testing.assert_close(*untied)


def test_guidance_scale_one_is_the_conditional_distribution_in_one_pass() -> None:
    network, (tokens, classes) = prior().eval(), batch()
    calls = recorded_calls(network)
    guided = network.guided_logits(tokens, classes, 1.0)
    assert len(calls) == 1
    assert torch.equal(guided, network(tokens, classes))


def test_guidance_scales_between_and_beyond_the_two_distributions() -> None:
    network, (tokens, classes) = prior().eval(), batch()
    given, none = network(tokens, classes), network(tokens, torch.full_like(classes, network.no_class))
    torch.testing.assert_close(network.guided_logits(tokens, classes, 0.0), none)
    torch.testing.assert_close(network.guided_logits(tokens, classes, 3.0), none + 3 * (given - none))


def recorded_calls(network: Prior) -> list[None]:
    """A list that grows by one with each forward pass."""
    calls: list[None] = []
    network.register_forward_hook(lambda *_: calls.append(None))
    return calls


def test_sampling_makes_one_pass_a_step_and_two_under_guidance() -> None:
    for scale, passes in ((1.0, 10), (2.0, 20)):
        network = prior().eval()
        calls = recorded_calls(network)
        network.sample(torch.zeros(3, dtype=torch.int64), SamplingConfig(guidance_scale=scale))
        assert len(calls) == passes


def test_samples_are_complete_grids_that_follow_their_seed() -> None:
    network, classes = prior().eval(), torch.tensor([0, 1, 2, N_CLASSES])
    first, again = (network.sample(classes, SamplingConfig(), torch.Generator().manual_seed(0)) for _ in range(2))
    assert first.tokens.shape == (4, N)
    assert int(first.tokens.min()) >= 0 and int(first.tokens.max()) < K
    assert torch.equal(first.tokens, again.tokens)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_dropout_acts_in_training_only(dropout: float) -> None:
    network = prior(dropout=dropout)
    assert torch.equal(network.train()(*batch()), network(*batch())) == (dropout == 0)
    assert torch.equal(network.eval()(*batch()), network(*batch()))


def test_unlabelled_data_has_no_class_but_none() -> None:
    network = prior(n_classes=0)
    assert network.no_class == 0
    assert network(batch()[0], torch.zeros(4, dtype=torch.int64)).shape == (4, N, K)


def test_settings_reach_their_layers() -> None:
    n_parameters = sum(p.numel() for p in prior().parameters())
    for change in ({"n_heads": 4}, {"feedforward_factor": 2.0}, {"linear_rank": 2}):
        assert sum(p.numel() for p in prior(**change).parameters()) > n_parameters
