import pytest
import torch
from scipy.stats import wasserstein_distance
from torch import Tensor

from ncvqvae.tokenizer.patches import DIRECTIONS, LEAST_PATCHES, SPAN, _filters, patch_distance


def distance(x: Tensor, y: Tensor, observed: Tensor | None = None) -> float:
    torch.manual_seed(0)
    return float(patch_distance(x, y, observed))


def noisy(n: int = 4, channels: int = 2, length: int = 200, seed: int = 0) -> Tensor:
    return torch.randn(n, channels, length, generator=torch.Generator().manual_seed(seed)).cumsum(-1)


def test_it_is_the_wasserstein_distance_of_projected_patches() -> None:
    x, y = (noisy(2, 1, SPAN - 1 + 3 * LEAST_PATCHES, seed) for seed in (1, 2))  # three parts
    torch.manual_seed(0)
    expected = []
    for w in _filters(x)[:, 0]:
        r, q = ((series[:, 0].unfold(-1, SPAN, 1) @ w).numpy() for series in (x, y))
        parts = zip(r.reshape(6, -1), q.reshape(6, -1), strict=True)
        expected += [wasserstein_distance(a, b) / (r**2).mean() ** 0.5 for a, b in parts]
    assert distance(x, y) == pytest.approx(sum(expected) / len(expected), rel=1e-4)


def test_directions_read_the_differences_of_a_series() -> None:
    filters = _filters(torch.zeros(1))[:, 0]
    time = torch.arange(SPAN, dtype=torch.float32)
    for order in (1, 2, 3):  # the k-th difference of a polynomial of degree k - 1 is 0
        of_order = filters[(order - 1) * DIRECTIONS : order * DIRECTIONS]
        assert (of_order @ time ** (order - 1)).abs().max() < 1e-3 * time[-1] ** (order - 1)
        assert (of_order @ time**order).abs().max() > 0.1


def test_smoothing_counts_for_more_than_a_move_within_a_part() -> None:
    x = noisy(length=16 * LEAST_PATCHES + SPAN - 1)
    smooth = torch.nn.functional.avg_pool1d(x, 5, stride=1, padding=2, count_include_pad=False)
    assert distance(x, x) == 0
    assert distance(x, x.roll(3, -1)) < 0.1 < 0.5 < distance(x, smooth)


def test_detail_belongs_to_its_part() -> None:
    x = noisy(length=16 * LEAST_PATCHES + SPAN - 1)
    x[:, :, : 8 * LEAST_PATCHES] *= 0.1
    assert distance(x, x.flip(-1)) > 0.5


def test_series_are_not_mixed() -> None:
    x = noisy(2, 1)
    x[1] *= 5
    assert distance(x, x.flip(0)) > 0.5


def test_values_that_were_not_observed_do_not_count() -> None:
    x, y = noisy(seed=1), noisy(seed=2)
    observed = torch.ones_like(x, dtype=torch.bool)
    observed[:, :, 50:60] = False
    before = distance(x, y, observed)
    x[:, :, 50:60], y[:, :, 50:60] = 99.0, -99.0
    assert distance(x, y, observed) == pytest.approx(before)
    assert distance(x, y) != pytest.approx(before)


def test_short_series_have_no_patches() -> None:
    assert distance(noisy(length=SPAN - 1), noisy(length=SPAN - 1, seed=1)) == 0


def test_smooth_series_do_not_blow_it_up() -> None:
    ramps = torch.linspace(0, 1, 400).expand(3, 1, 400)
    wavering = ramps + 0.01 * noisy(3, 1, 400).diff(prepend=torch.zeros(3, 1, 1))
    assert 0 < distance(ramps, wavering) < 5
    wavering.requires_grad_()
    patch_distance(ramps, wavering).backward()
    assert wavering.grad is not None and wavering.grad.abs().max() < 1
