"""Series to tokens and back: shapes, the grid, the range of the tokens, and what evaluation must not touch."""

import numpy as np
import pytest
import torch
from tests.references import codebook as reference

from ncvqvae.config import TokenizerConfig
from ncvqvae.tokenizer.tokenizer import Reconstruction, Tokenizer, reconstruction_error
from ncvqvae.training.build import build_tokenizer

SMALL = TokenizerConfig(hidden_channels=8, n_residual_blocks=1, codebook_size=8)
LENGTHS = [*range(16, 81), 99, 140, 141, 257, 500, 501, 999, 1024, 1099, 1100]


def tokenizer(channels: int, length: int) -> Tokenizer:
    torch.manual_seed(0)
    return build_tokenizer(SMALL, channels, length).eval()


@torch.no_grad()
def check_round_trip(channels: int, length: int) -> None:
    network = tokenizer(channels, length)
    n_tokens = network.n_tokens  # asked before the first forward pass
    x = torch.randn(2, channels, length)
    tokens = network.encode(x)
    assert tokens.shape == (2, n_tokens) and tokens.dtype == torch.int64
    assert 0 <= int(tokens.min()) <= int(tokens.max()) < SMALL.codebook_size
    assert network.latents(network.transform(x))[0].shape[2:] == network.grids[0]
    decoded = network.decode(tokens)
    assert decoded.shape == x.shape and torch.isfinite(decoded).all()


@pytest.mark.parametrize("length", LENGTHS)
def test_every_length_survives(length: int) -> None:
    for channels in (1, 3):
        check_round_trip(channels, length)


def test_many_channels_survive() -> None:
    check_round_trip(32, 101)


@pytest.mark.parametrize(("length", "n_tokens"), [(140, 40), (500, 75)])
def test_the_chapters_numbers_of_tokens(length: int, n_tokens: int) -> None:
    assert build_tokenizer(SMALL, 1, length).n_tokens == n_tokens


def test_only_time_is_compressed_to_about_the_aimed_width() -> None:
    # halving gives widths up to twice the aimed 8
    grids = [build_tokenizer(SMALL, 1, length).grids[0] for length in range(16, 1101, 31)]
    assert {rows for rows, _ in grids} == {5}
    assert all(7 <= width <= 16 for _, width in grids)


@torch.no_grad()
def test_tokens_are_the_nearest_codes_and_logits_the_distances() -> None:
    network = tokenizer(2, 40)
    x = torch.randn(3, 2, 40)
    vectors = network.embed(x).double().numpy().reshape(-1, 8)
    codes = network.codebook.double().numpy()
    np.testing.assert_array_equal(network.encode(x).flatten(), reference.nearest(vectors, codes))
    probabilities = network.token_logits(network.embed(x)).softmax(-1).reshape(-1, 8)
    np.testing.assert_allclose(probabilities, reference.stochastic_probabilities(vectors, codes), rtol=1e-4)


@torch.no_grad()
def test_encoding_agrees_with_the_quantizer_and_decoding_with_its_latents() -> None:
    network = tokenizer(1, 64)
    x = torch.randn(3, 1, 64)
    quantized = network.quantize(network.latents(network.transform(x)))
    tokens = network.encode(x)
    assert torch.equal(quantized.tokens.flatten(1), tokens)
    torch.testing.assert_close(network.code_latents(tokens), quantized.latents)
    torch.testing.assert_close(network.decode(tokens), network.reconstruct(quantized.latents).series)


@torch.no_grad()
def test_use_in_eval_mode_changes_no_value_of_the_network() -> None:
    network = tokenizer(1, 50)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    x = 3 + 2 * torch.randn(20, 1, 50)
    network.decode(network.encode(x))
    network.token_logits(network.embed(x))
    network.quantize(network.latents(network.transform(x)))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@torch.no_grad()
def test_a_series_is_encoded_alike_alone_and_in_a_batch() -> None:
    network = tokenizer(1, 50)
    x = torch.randn(9, 1, 50)
    assert torch.equal(network.encode(x)[4:5], network.encode(x[4:5]))


def test_reconstruction_error_is_the_sum_of_two_means() -> None:
    x, u = torch.zeros(2, 1, 4), torch.zeros(2, 2, 5, 3)
    decoded = Reconstruction(spectrogram=u + 3, series=x + 2)
    assert float(reconstruction_error(u, x, decoded)) == 2**2 + 3**2
