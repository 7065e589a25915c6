"""The prior: its three input modes, guidance, dropout, and what it may know of masked tokens."""

from typing import Any

import pytest
import torch
from torch import Tensor

from ncvqvae.config import PriorConfig, SamplingConfig
from ncvqvae.prior.prior import TIED_CODES, Prior

K, D, N, N_CLASSES = 8, 6, 10, 3
MODES = ["token", "codebook", "codebook-finetuned"]


def codebook() -> Tensor:
    return torch.randn(K, D, generator=torch.Generator().manual_seed(5))


def prior(mode: str = "token", n_classes: int = N_CLASSES, **changes: Any) -> Prior:
    torch.manual_seed(0)
    config = PriorConfig(width=16, n_layers=1, head_width=8, input_mode=mode, **changes)  # type: ignore[arg-type]
    return Prior(config, codebook(), N, n_classes)


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


@pytest.mark.parametrize("n_codes", [TIED_CODES, TIED_CODES + 1])
def test_auto_ties_the_output_to_few_codes(n_codes: int) -> None:
    config = PriorConfig(width=16, n_layers=1, head_width=8, input_mode="auto")
    network = Prior(config, torch.randn(n_codes, D), N, N_CLASSES)
    assert (network.output.weight is network.codes) == (n_codes == TIED_CODES) and network.codes.requires_grad


@pytest.mark.parametrize(("mode", "moves"), [("token", True), ("codebook", False), ("codebook-finetuned", True)])
def test_only_a_frozen_codebook_stays(mode: str, moves: bool) -> None:
    network = trained(prior(mode))
    assert (network.codes.grad is not None) == moves
    assert torch.equal(network.codes, codebook()) != moves
    assert network.mask_vector.grad is not None and network.mask_vector.grad.abs().sum() > 0


def test_training_the_prior_leaves_the_tokenizers_codebook() -> None:
    codes = codebook()
    trained(Prior(PriorConfig(width=16, n_layers=1, head_width=8, input_mode="codebook-finetuned"), codes, N, 2))
    assert torch.equal(codes, codebook())


@pytest.mark.parametrize(("mode", "tied"), [("token", True), ("codebook", False), ("codebook-finetuned", False)])
def test_only_the_token_table_is_tied_to_the_output(mode: str, tied: bool) -> None:
    network = trained(prior(mode))
    assert torch.equal(network.output.weight, network.codes) == tied
    again = prior(mode)
    again.load_state_dict(network.state_dict())
    assert (again.output.weight is again.codes) == tied
    assert torch.equal(again.eval()(*batch()), network.eval()(*batch()))


def test_logits_depend_on_known_tokens_everywhere_and_on_the_class() -> None:
    network, (tokens, classes) = prior().eval(), batch()
    base = network(tokens, classes)
    changed = tokens.clone()
    changed[:, -1] = (changed[:, -1] + 1) % K
    assert (network(changed, classes)[:, 0] != base[:, 0]).any()  # attention looks both ways
    assert not torch.allclose(network(tokens, (classes + 1) % N_CLASSES), base)
    assert not torch.allclose(network(tokens, torch.full_like(classes, network.no_class)), base)


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
    for change in ({"n_heads": 4}, {"feedforward_factor": 2.0}):
        assert sum(p.numel() for p in prior(**change).parameters()) > n_parameters
