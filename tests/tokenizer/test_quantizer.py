"""The quantizer: EMA codebook as in the reference, straight-through gradient, revival of dead codes."""

import numpy as np
import pytest
import torch
from einops import rearrange
from tests.references import codebook as reference
from torch import Tensor

from ncvqvae.tokenizer.quantizer import EMAQuantizer

K, D = 6, 4


def quantizer(**changes: float | bool) -> EMAQuantizer:
    torch.manual_seed(0)
    module = EMAQuantizer(D, K, 0.9, 1.0, **changes)  # type: ignore[arg-type]
    book = module.vq._codebook
    book.embed.normal_()  # the library's own start is a tenth as wide
    book.embed_avg.copy_(book.embed)
    return module.train()


def as_vectors(z: Tensor) -> np.ndarray:
    return rearrange(z, "b d h w -> (b h w) d").detach().double().numpy()


def latents(seed: int) -> Tensor:
    return torch.randn(3, D, 5, 2, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("n_steps", [1, 3])
def test_codebook_follows_the_moving_averages(n_steps: int) -> None:
    module = quantizer()
    codes = module.codebook.double().numpy()
    book = reference.Codebook(codes.copy(), np.zeros(K), codes.copy())
    for step in range(n_steps):
        vectors = as_vectors(latents(step))
        quantized = module(latents(step))
        # tokens, latents and commitment are those of the codebook before it moves
        np.testing.assert_array_equal(quantized.tokens.flatten(), reference.nearest(vectors, book.codes))
        np.testing.assert_allclose(
            as_vectors(quantized.latents), book.codes[reference.nearest(vectors, book.codes)], atol=1e-5
        )
        assert quantized.commitment.item() == pytest.approx(reference.commitment(vectors, book.codes), rel=1e-5)
        book = reference.ema_update(book, vectors)
    np.testing.assert_allclose(module.codebook, book.codes, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(module.vq._codebook.cluster_size[0], book.counts, rtol=1e-5)
    np.testing.assert_allclose(module.vq._codebook.embed_avg[0], book.sums, rtol=1e-4, atol=1e-6)


def test_gradient_is_straight_through_plus_commitment() -> None:
    module, z = quantizer(), latents(0).requires_grad_()
    weights = torch.randn(z.shape)
    quantized = module(z)
    ((quantized.latents * weights).sum() + quantized.commitment).backward()
    expected = weights + 2 * (z - quantized.latents).detach() / z.numel()
    torch.testing.assert_close(z.grad, expected)


def test_commitment_weight_scales_the_commitment() -> None:
    heavy = EMAQuantizer(D, K, 0.9, 2.5).train()
    light = EMAQuantizer(D, K, 0.9, 1.0).train()
    light.load_state_dict(heavy.state_dict())
    torch.testing.assert_close(heavy(latents(0)).commitment, 2.5 * light(latents(0)).commitment)


def test_rotation_trick_rotates_and_rescales_the_gradient() -> None:
    module, z = quantizer(rotation_trick=True), latents(0).requires_grad_()
    weights = torch.randn(z.shape)
    codes = module.codebook.clone()
    quantized = module(z)
    torch.testing.assert_close(
        rearrange(quantized.latents, "b d h w -> b h w d"), codes[quantized.tokens], atol=1e-5, rtol=1e-5
    )
    (quantized.latents * weights).sum().backward()
    assert z.grad is not None
    ratio = z.grad.norm(dim=1) / weights.norm(dim=1)
    torch.testing.assert_close(ratio, (quantized.latents.norm(dim=1) / z.norm(dim=1)).detach())


@pytest.mark.parametrize(("threshold", "revived"), [(0.0, False), (0.5, True)])
def test_dead_codes_are_revived_only_when_asked(threshold: float, revived: bool) -> None:
    module = quantizer(dead_code_threshold=threshold)
    module.vq._codebook.embed[0, 2] = 100.0
    module.vq._codebook.embed_avg[0, 2] = 100.0
    for step in range(10):  # the count falls below 0.5 after seven steps: 0.9^7 = 0.48
        module(latents(step))
    assert (module.codebook[2].abs().max() < 10) == revived


def test_k_means_start_puts_the_codes_where_the_data_is() -> None:
    z = 100 + latents(0)
    plain, started = quantizer(), quantizer(kmeans_init=True)
    plain(z), started(z)
    assert (started.codebook - 100).abs().max() < 5
    assert (plain.codebook - 100).abs().max() > 50


def test_evaluation_moves_nothing() -> None:
    module = quantizer(dead_code_threshold=2.0).eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    module(5 + latents(0))
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_squared_distances_equal_the_definition() -> None:
    module = quantizer()
    z = torch.randn(7, 3, D)
    expected = (z[:, :, None] - module.codebook).square().sum(-1)
    torch.testing.assert_close(module.squared_distances(z), expected, atol=1e-5, rtol=1e-5)
