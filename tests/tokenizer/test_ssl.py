"""The self-supervised losses: zeros, invariances, and the Gram forms against the D x D forms and the references."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from tests.references import ssl as reference
from torch import Tensor

from ncvqvae.tokenizer.ssl import BarlowTwins, Projector, SSLLoss, VIbCReg, pool
from ncvqvae.tokenizer.ssl.barlow_twins import barlow_twins
from ncvqvae.tokenizer.ssl.projector import IterNorm
from ncvqvae.tokenizer.ssl.vibcreg import covariance, variance, vibcreg_terms

SHAPES = [(6, 40), (40, 6), (16, 16)]  # B < D, B > D


def views(batch: int, dim: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    z1 = torch.randn(batch, dim, generator=generator) @ (torch.eye(dim) + 0.2)
    return z1, z1 + 0.5 * torch.randn(batch, dim, generator=generator)


def decorrelated(batch: int, dim: int) -> Tensor:
    """Columns that are centred, orthogonal and of variance 1."""
    columns = torch.cat([torch.ones(batch, 1), torch.randn(batch, dim)], dim=1)
    return torch.linalg.qr(columns.double()).Q[:, 1:].float() * batch**0.5


def barlow_twins_dxd(z1: Tensor, z2: Tensor, weight: float = 0.005) -> Tensor:
    s1, s2 = ((z - z.mean(0)) / torch.sqrt(z.var(0, unbiased=False) + 1e-5) for z in (z1, z2))
    c = s1.T @ s2 / len(z1)
    on, off = torch.eye(len(c)).bool(), ~torch.eye(len(c)).bool()
    return ((1 - c[on]).square().sum() + weight * c[off].square().sum()) / len(c)


def covariance_dxd(z: Tensor) -> Tensor:
    centred = z - z.mean(0)
    unit = centred / centred.norm(dim=0)
    off = (unit.T @ unit)[~torch.eye(z.shape[1]).bool()]
    return off.square().sum() / z.shape[1] ** 2


def vibcreg_dxd(z1: Tensor, z2: Tensor) -> Tensor:
    invariance = (z1 - z2).square().mean()
    spread = sum(torch.relu(1 - torch.sqrt(z.var(0) + 1e-4)).mean() for z in (z1, z2))
    return 0.01 * (25 * invariance + 25 * spread + 100 * (covariance_dxd(z1) + covariance_dxd(z2)))


def value_and_gradients(loss: Callable[[Tensor, Tensor], Tensor], z1: Tensor, z2: Tensor) -> list[Tensor]:
    z1, z2 = z1.clone().requires_grad_(), z2.clone().requires_grad_()
    value = loss(z1, z2)
    return [value.detach(), *torch.autograd.grad(value, (z1, z2))]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("gram", "dxd"), [(BarlowTwins(), barlow_twins_dxd), (VIbCReg(), vibcreg_dxd)])
def test_gram_form_equals_the_dxd_form_in_value_and_gradient(
    gram: Callable[[Tensor, Tensor], Tensor], dxd: Callable[[Tensor, Tensor], Tensor], shape: tuple[int, int]
) -> None:
    for ours, expected in zip(
        value_and_gradients(gram, *views(*shape)), value_and_gradients(dxd, *views(*shape)), strict=True
    ):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_barlow_twins_equals_the_reference(shape: tuple[int, int]) -> None:
    z1, z2 = views(*shape)
    expected = reference.barlow_twins(z1.double().numpy(), z2.double().numpy(), eps=1e-5)
    assert float(barlow_twins(z1, z2)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_vibcreg_terms_equal_the_reference(shape: tuple[int, int]) -> None:
    z1, z2 = (0.6 * z for z in views(*shape))  # spreads on both sides of the hinge at 1
    n1, n2 = z1.double().numpy(), z2.double().numpy()
    terms = vibcreg_terms(z1, z2)
    assert float(terms.invariance) == pytest.approx(reference.invariance_term(n1, n2), rel=1e-4)
    for z, n in ((z1, n1), (z2, n2)):
        assert float(variance(z)) == pytest.approx(reference.variance_term(n), rel=1e-4)
        assert float(covariance(z)) == pytest.approx(reference.covariance_term(n), rel=1e-4)
    assert float(terms.variance) == pytest.approx(float(variance(z1) + variance(z2)))
    assert float(terms.covariance) == pytest.approx(float(covariance(z1) + covariance(z2)))
    assert float(VIbCReg()(z1, z2)) == pytest.approx(reference.vibcreg(n1, n2), rel=1e-4)


def test_barlow_twins_is_zero_on_identical_decorrelated_views() -> None:
    z = decorrelated(64, 12)
    assert abs(float(barlow_twins(z, z))) < 1e-6
    assert float(barlow_twins(z, -z)) == pytest.approx(4, rel=1e-3)


def test_barlow_twins_is_unchanged_by_a_map_of_each_dimension() -> None:
    z1, z2 = views(32, 10)
    scale, shift = 0.5 + 3 * torch.rand(10), 5 * torch.randn(10)
    torch.testing.assert_close(barlow_twins(scale * z1 + shift, z2), barlow_twins(z1, z2), rtol=1e-3, atol=0)
    torch.testing.assert_close(barlow_twins(z1, z2 / scale - shift), barlow_twins(z1, z2), rtol=1e-3, atol=0)


def test_vibcreg_keeps_the_variance_up_and_the_dimensions_apart() -> None:
    z = decorrelated(64, 12)
    assert float(VIbCReg()(2 * z, 2 * z)) == pytest.approx(0, abs=1e-6)
    collapsed = torch.zeros(64, 12)
    assert float(vibcreg_terms(collapsed, collapsed).variance) == pytest.approx(2 * 0.99)
    copies = z[:, :1].expand(64, 12)
    assert float(covariance(copies)) == pytest.approx(12 * 11 / 12**2, rel=1e-4)


# ---------------------------------------------------------------- projector


@pytest.mark.parametrize(("dim", "groups"), [(16, 4), (16, 1), (12, 12)])
def test_iterative_normalisation_equals_the_reference(dim: int, groups: int) -> None:
    z = views(50, dim)[0]
    expected = reference.iterative_normalisation(z.double().numpy(), n_groups=groups)
    np.testing.assert_allclose(IterNorm(dim, groups)(z).detach(), expected, rtol=1e-3, atol=1e-4)


def test_iterative_normalisation_whitens_and_applies_its_affine_map() -> None:
    layer, z = IterNorm(6, n_groups=2), decorrelated(200, 6) @ (torch.eye(6) + 0.2) + 4
    whitened = layer(z)
    for group in (whitened[:, :3], whitened[:, 3:]):
        torch.testing.assert_close(group.T @ group / 200, torch.eye(3), atol=0.05, rtol=0)
    with torch.no_grad():
        layer.weight.fill_(3.0), layer.bias.fill_(-1.0)
    torch.testing.assert_close(layer(z), 3 * whitened - 1)


@pytest.mark.parametrize(("dim", "groups"), [(4096, 64), (96, 48), (16, 16), (7, 7), (130, 26)])
def test_groups_are_the_largest_divisor_up_to_64(dim: int, groups: int) -> None:
    assert IterNorm(dim).n_groups == groups


@pytest.mark.parametrize(("loss", "whitens"), [(SSLLoss, False), (BarlowTwins, False), (VIbCReg, True)])
def test_projector_has_three_layers_and_whitens_for_vibcreg_only(loss: type[SSLLoss], whitens: bool) -> None:
    projector = loss().projector(10, 32)
    assert isinstance(projector, Projector)
    linear = [layer for layer in projector.layers if isinstance(layer, torch.nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(10, 32), (32, 32), (32, 32)]
    assert isinstance(projector.layers[-1], IterNorm) == whitens
    assert projector(torch.randn(2, 8, 10)).shape == (2, 8, 32)


@pytest.mark.parametrize("whiten", [False, True])
def test_projecting_two_views_at_once_is_projecting_each(whiten: bool) -> None:
    projector = Projector(10, 32, whiten)
    first, second = torch.randn(8, 10), 3 + 2 * torch.randn(8, 10)
    both = projector(torch.stack([first, second]))
    torch.testing.assert_close(both, torch.cat([projector(first[None]), projector(second[None])]))


def test_pool_is_mean_then_maximum_over_the_grid() -> None:
    z = torch.randn(3, 4, 5, 7)
    cells = z.flatten(2)
    torch.testing.assert_close(pool(z), torch.cat([cells.mean(2), cells.max(2).values], dim=1))
