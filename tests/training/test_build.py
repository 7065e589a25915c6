"""Networks put together from parts: those of the settings, and others in their place."""

import pytest
import torch
from torch import Tensor, nn

from ncvqvae.config import PriorConfig, SamplingConfig, Stage1Config, Stage2Config, TokenizerConfig
from ncvqvae.prior.objective import PriorObjective
from ncvqvae.prior.prior import Prior
from ncvqvae.tokenizer.band import Band
from ncvqvae.tokenizer.objective import TokenizerObjective
from ncvqvae.tokenizer.quantizer import EMAQuantizer
from ncvqvae.tokenizer.spectrogram import Spectrogram
from ncvqvae.tokenizer.tokenizer import Tokenizer
from ncvqvae.training.build import build_prior, build_tokenizer

C, T, D, K = 2, 32, 6, 8


class FrameEncoder(nn.Sequential):
    """A latent for each frame and row: no residual blocks, time is kept."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(2 * C, D, 1), nn.Tanh())


def own_tokenizer() -> Tokenizer:
    torch.manual_seed(0)
    spectrogram = Spectrogram(8, 4, T)
    grid = (spectrogram.n_rows, spectrogram.n_frames)
    encoder, decoder = FrameEncoder(), nn.Conv2d(D, 2 * C, 1)
    band = Band(slice(spectrogram.n_rows), encoder, EMAQuantizer(D, K, 0.9, 1.0), decoder, grid)
    return Tokenizer(spectrogram, [band])


class Mixer(nn.Module):
    """A network without attention: (B, 1 + N, width) to the same."""

    def __init__(self, n_tokens: int, width: int) -> None:
        super().__init__()
        self.across, self.within = nn.Linear(1 + n_tokens, 1 + n_tokens), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.relu(self.within(self.across(x.transpose(1, 2)).transpose(1, 2)))


def falls(objective: nn.Module, *batch: Tensor) -> bool:
    """Whether the loss of a batch falls within 30 steps."""
    optimizer = torch.optim.AdamW(objective.parameters(), lr=0.01)
    losses = []
    for _ in range(30):
        torch.manual_seed(0)
        optimizer.zero_grad()
        loss = torch.stack(list(objective(*batch).values())).sum()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses[-1] < 0.9 * losses[0]


def test_a_tokenizer_of_other_parts_trains_encodes_and_decodes() -> None:
    tokenizer, x = own_tokenizer(), torch.randn(6, C, T)
    assert falls(TokenizerObjective(tokenizer, Stage1Config(projector_width=8), "vibcreg").train(), x, x + 0.1)
    tokens = tokenizer.eval().encode(x)
    assert tokens.shape == (6, tokenizer.n_tokens) == (6, 5 * 9) and int(tokens.max()) < K
    with torch.no_grad():
        assert tokenizer.decode(tokens).shape == x.shape


def test_a_prior_over_another_network_trains_and_samples() -> None:
    torch.manual_seed(0)
    tokenizer = own_tokenizer().eval()
    prior = Prior(lambda: Mixer(tokenizer.n_tokens, 16), 16, tokenizer.codebook, tokenizer.grids, 3)
    tokens, classes = tokenizer.encode(torch.randn(6, C, T)), torch.arange(6) % 3
    assert falls(PriorObjective(prior, Stage2Config()).train(), tokens, classes)
    drawn = prior.eval().sample(classes, SamplingConfig(n_steps=2))
    assert drawn.tokens.shape == tokens.shape and int(drawn.tokens.max()) < K


@pytest.mark.parametrize(("linear_rank", "linear_span"), [(0, 0), (2, 0), (2, 3)])
def test_a_seed_draws_the_same_networks_again(linear_rank: int, linear_span: int) -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        tokenizer = build_tokenizer(TokenizerConfig(hidden_channels=D, n_residual_blocks=1, codebook_size=K), C, T)
        config = PriorConfig(width=8, head_width=4, n_layers=1, linear_rank=linear_rank, linear_span=linear_span)
        prior = build_prior(config, tokenizer.codebook, tokenizer.grids, 2)
        states.append({**tokenizer.state_dict(), **prior.state_dict()})
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
