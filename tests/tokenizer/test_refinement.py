"""The part of the decoder that works in time."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.waves import SMALL

from ncvqvae import NCVQVAE
from ncvqvae.config import Stage1Config, TokenizerConfig
from ncvqvae.tokenizer.objective import TokenizerObjective
from ncvqvae.tokenizer.refinement import Refinement
from ncvqvae.training.build import build_tokenizer


@pytest.mark.parametrize(("channels", "length"), [(1, 16), (3, 33), (2, 501)])
def test_at_first_it_adds_nothing_and_then_both_inputs_count(channels: int, length: int) -> None:
    refine = Refinement(channels, [10], 4)
    x, z = torch.randn(2, channels, length), torch.randn(2, 2, 5, 7)
    assert torch.equal(refine(x, [z]), x)
    torch.nn.init.normal_(refine.last.weight)
    refine.eval()
    made = refine(x, [z])
    assert made.shape == x.shape and not torch.equal(made, x)
    assert not torch.equal(refine(x, [z + 1]), made) and not torch.equal(refine(x + 1, [z]), made + 1)


def test_steps_and_flat_parts_are_learned_sooner_with_it() -> None:
    rng = np.random.default_rng(0)
    places = rng.integers(4, 60, size=(64, 2))
    steps = ((np.arange(64) >= places.min(1, keepdims=True)) & (np.arange(64) < places.max(1, keepdims=True))) * 2.0 - 1
    x = torch.from_numpy(steps[:, None]).float()

    def error(n_refining: int) -> float:
        torch.manual_seed(0)
        config = TokenizerConfig(hidden_channels=8, n_residual_blocks=1, refinement_channels=n_refining)
        objective = TokenizerObjective(build_tokenizer(config, 1, 64), Stage1Config(), "none")
        optimizer = torch.optim.AdamW(objective.parameters(), lr=3e-3)
        errors = []
        for _ in range(150):
            terms = objective(x)
            optimizer.zero_grad()
            sum(terms.values(), torch.zeros(())).backward()
            optimizer.step()
            _, _, decoded = objective.reconstruction(x, None, None)
            errors.append(float((decoded - x).detach().square().mean()))
        return float(np.mean(errors[-20:]))

    assert error(8) < 0.8 * error(0)


def test_a_model_with_it_is_saved_whole(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(12, 2, 40)).astype(np.float32)
    model = NCVQVAE(settings={**SMALL, "tokenizer.refinement_channels": 4}).fit(X, [0, 1] * 6)
    refinement = model.tokenizer_.refinement
    assert refinement is not None and refinement.last.weight.abs().sum() > 0  # it has learned
    model.save_pretrained(tmp_path / "model")
    again = NCVQVAE.from_pretrained(tmp_path / "model")
    np.testing.assert_array_equal(again.reconstruct(X), model.reconstruct(X))
