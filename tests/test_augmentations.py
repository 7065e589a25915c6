"""Each augmentation keeps shape and type, follows its seed, and equals the one-at-a-time reference draw by draw."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from tests.references import augmentations as reference
from torch import Generator, Tensor

from ncvqvae.augmentations import (
    amplitude_resize,
    augment,
    augment_observed,
    augment_share,
    cubic,
    gaussian_noise,
    lanczos,
    linear,
    shuffle_at,
    slice_and_shuffle,
    warp_at,
    warped_times,
    window_warp,
)
from ncvqvae.errors import InputError

KINDS = ["none", "warp", "slice", "gauss"]


def seeded(seed: int) -> Generator:
    return Generator().manual_seed(seed)


def series(batch: int, channels: int, length: int) -> Tensor:
    return torch.randn(batch, channels, length, generator=seeded(length))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 1, 16), (5, 3, 17), (4, 2, 140)])
def test_shape_and_dtype_are_kept_and_the_input_is_untouched(kind: str, shape: tuple[int, int, int]) -> None:
    x = series(*shape)
    before = x.clone()
    view = augment(x, kind, seeded(0))
    assert view.shape == x.shape and view.dtype == x.dtype
    assert torch.isfinite(view).all()
    assert torch.equal(x, before)


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides(kind: str) -> None:
    x = series(4, 2, 30)
    assert torch.equal(augment(x, kind, seeded(1)), augment(x, kind, seeded(1)))
    assert torch.equal(augment(x, kind, seeded(1)), augment(x, kind, seeded(2))) == (kind == "none")


@pytest.mark.parametrize("kind", KINDS[1:])
def test_each_series_of_a_batch_has_its_own_draw(kind: str) -> None:
    views = augment(series(1, 1, 50).expand(6, 1, 50), kind, seeded(0))
    assert len({tuple(view.flatten().tolist()) for view in views}) > 1


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match="no 'jitter'; known: none, auto, warp, slice, gauss"):
        augment(series(1, 1, 16), "jitter")


# ---------------------------------------------------------------- against the references, draw by draw


@pytest.mark.parametrize("length", [16, 17, 50, 141])
def test_warp_equals_the_reference(length: int) -> None:
    rng = np.random.default_rng(length)
    x, window = series(12, 3, length), round(0.4 * length)
    start = rng.integers(0, length - window + 1, 12)
    start[:2] = 0, length - window
    factor = rng.uniform(0.9, 2.0, 12).astype(np.float32)
    warped = warp_at(x, torch.from_numpy(start).float(), torch.from_numpy(factor), window)
    expected = [
        reference.window_warp(case.double().numpy(), s, float(f)) for case, s, f in zip(x, start, factor, strict=True)
    ]
    np.testing.assert_allclose(warped, np.stack(expected), atol=2e-4)


def test_every_warped_series_is_a_warp_by_some_allowed_draw() -> None:
    x, window = series(1, 2, 20), 8
    allowed = np.stack(
        [
            reference.window_warp(x[0].double().numpy(), start, points / window)
            for start, points in itertools.product(range(20 - window + 1), range(7, 17))
        ]
    )
    warped = window_warp(x.expand(300, 2, 20), generator=seeded(0)).double().numpy()
    errors = np.abs(warped[:, None] - allowed[None]).max((2, 3))
    assert errors.min(1).max() < 1e-4
    starts = set(errors.argmin(1) // 10)
    assert starts == set(range(13))  # every place of the window occurs


def test_slice_equals_the_reference() -> None:
    rng = np.random.default_rng(0)
    x = series(20, 3, 25)
    cuts = np.stack([np.sort(rng.choice(np.arange(1, 25), 3, replace=False)) for _ in x])
    order = np.stack([rng.permutation(4) for _ in x])
    shuffled = shuffle_at(x, torch.from_numpy(cuts), torch.from_numpy(order))
    expected = [
        reference.slice_and_shuffle(case.numpy(), list(c), list(o)) for case, c, o in zip(x, cuts, order, strict=True)
    ]
    np.testing.assert_array_equal(shuffled, np.stack(expected))


def test_every_sliced_series_is_a_shuffle_by_some_allowed_draw() -> None:
    x = torch.arange(6.0).reshape(1, 1, 6)
    allowed = {
        tuple(reference.slice_and_shuffle(x[0].numpy(), list(cuts), list(order))[0])
        for cuts in itertools.combinations(range(1, 6), 3)
        for order in itertools.permutations(range(4))
    }
    shuffled = {tuple(view[0].tolist()) for view in slice_and_shuffle(x.expand(4000, 1, 6), generator=seeded(0))}
    assert shuffled == allowed


def test_warped_times_are_the_integral_of_their_speed() -> None:
    sizes = torch.randn(6, 3, generator=seeded(3)).double().numpy()
    t, waves = np.linspace(0, 1, 40), np.arange(1, 4)
    for times, size in zip(warped_times(6, 40, 0.3, generator=seeded(3)), sizes, strict=True):
        speed = np.exp(np.cos(np.pi * t[:, None] * waves) @ (0.3 * size / waves))
        passed = np.concatenate([[0], np.cumsum((speed[1:] + speed[:-1]) / 2)])
        np.testing.assert_allclose(times, passed / passed[-1] * 39, atol=1e-4)


def test_a_windowed_sinc_keeps_noise_and_known_values() -> None:
    noise, between = torch.randn(200, 1, 60, generator=seeded(0)), torch.arange(10.0, 50) + 0.5
    cubic_noise, kept = (at(noise, between.expand(200, -1)).std() for at in (cubic, lanczos))
    assert 0.9 < kept < 1.05 and cubic_noise < 0.85
    x, steps = torch.randn(3, 2, 30, generator=seeded(1)), torch.arange(30.0)
    torch.testing.assert_close(lanczos(x, steps.expand(3, 30)), x, atol=1e-5, rtol=1e-5)
    wave, times = torch.sin(torch.arange(60.0) / 3)[None, None], torch.linspace(5.2, 50.7, 40)[None]
    torch.testing.assert_close(lanczos(wave, times)[:, 0], torch.sin(times / 3), atol=0.01, rtol=0)
    torch.testing.assert_close(lanczos(torch.full((1, 1, 30), 7.0), times / 2), torch.full((1, 1, 40), 7.0))


def test_cubic_interpolation_is_exact_for_quadratics_and_smooths_noise_less_than_linear() -> None:
    steps = torch.arange(30.0)
    times = 1 + 27 * torch.rand(4, 50, generator=seeded(0)).sort(1).values
    quadratic = (0.3 * steps**2 - 4 * steps + 1).expand(4, 1, 30)
    torch.testing.assert_close(cubic(quadratic, times)[:, 0], 0.3 * times**2 - 4 * times + 1, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(cubic(quadratic, steps.expand(4, 30)), quadratic)
    noise = torch.randn(200, 1, 60, generator=seeded(1))
    between = torch.arange(2, 57.0) + 0.5
    kept = [at(noise, between.expand(200, -1)).std() for at in (linear, cubic)]
    assert kept[0] < 0.75 < kept[1] < 0.85


def test_warped_times_keep_ends_and_what_stands_behind_them() -> None:
    x, lengths = series(5, 1, 30), torch.tensor([30, 20, 7, 2, 1])
    warped = cubic(x, warped_times(5, 30, 0.5, lengths, seeded(0)))
    for before, after, n in zip(x[:, 0], warped[:, 0], lengths.tolist(), strict=True):
        torch.testing.assert_close(after[[0, n - 1]], before[[0, n - 1]])
        assert torch.equal(after[n:], before[n:])
        assert n < 7 or not torch.equal(after[:n], before[:n])
    assert torch.allclose(warped_times(5, 30, 0.0, lengths), torch.arange(30.0), atol=1e-4)


@pytest.mark.parametrize("length", [2, 3, 4, 16, 301])
def test_slice_keeps_the_multiset_and_moves_channels_together(length: int) -> None:
    time = torch.arange(float(length))
    x = torch.stack([time, 1000 + time]).expand(8, 2, length)
    shuffled = slice_and_shuffle(x, generator=seeded(0))
    assert torch.equal(shuffled.sort(2).values, x)
    assert torch.equal(shuffled[:, 1], 1000 + shuffled[:, 0])


def test_amplitude_has_one_factor_per_series() -> None:
    x = 1 + series(20_000, 2, 3).abs()
    factor = amplitude_resize(x, generator=seeded(0)) / x
    torch.testing.assert_close(factor, factor[:, :1, :1].expand_as(factor))
    noise = factor[:, 0, 0] - 1
    assert abs(noise.mean()) < 4 * 0.2 / 20_000**0.5
    assert abs(noise.std() - 0.2) < 4 * 0.2 / 40_000**0.5
    expected = reference.amplitude_resize(x[0].numpy(), float(noise[0]))
    np.testing.assert_allclose(x[0] * factor[0], expected, rtol=1e-5)


def test_warp_is_window_warp_then_amplitude() -> None:
    constant = torch.ones(50, 2, 30)  # a constant is blind to the window warp
    view = augment(constant, "warp", seeded(0))
    torch.testing.assert_close(view, view[:, :1, :1].expand_as(view))
    assert view[:, 0, 0].std() > 0.1


def test_gauss_is_independent_noise_of_its_size() -> None:
    noise = gaussian_noise(torch.full((200, 2, 50), 3.0), generator=seeded(0)) - 3
    n = noise.numel()
    assert abs(noise.mean()) < 4 * 0.05 / n**0.5
    assert abs(noise.std() - 0.05) < 4 * 0.05 / (2 * n) ** 0.5
    assert noise.unique().numel() > 0.9 * n  # fresh for every channel and time step; float32 rounding makes a few equal


def test_a_share_of_the_series_is_augmented_with_what_was_observed_of_it() -> None:
    x = torch.randn(400, 2, 30)
    observed = torch.rand(400, 2, 30) < 0.8
    some, part = augment_share(x, observed, "warp", 0.25, Generator().manual_seed(0))
    view, view_part = augment_observed(x, observed, "warp", Generator().manual_seed(0))
    assert part is not None and view_part is not None
    kept = (some == x).all(dim=(1, 2))
    assert 70 <= int((~kept).sum()) <= 130
    assert torch.equal(some[~kept], view[~kept]) and torch.equal(part[~kept], view_part[~kept])
    assert torch.equal(part[kept], observed[kept])
    assert torch.equal(augment_share(x, None, "warp", 0.0)[0], x) and augment_share(x, None, "warp", 0.5)[1] is None


@pytest.mark.parametrize(
    ("kind", "settings", "same"),
    [
        ("warp", {"window_ratio": 0.4, "scales": [0.9, 2.0], "sigma": 0.2}, True),
        ("warp", {"scales": [2.0, 0.9]}, True),  # a range has no direction
        ("warp", {"window_ratio": 0.2}, False),
        ("warp", {"scales": [1.0, 1.1]}, False),
        ("warp", {"sigma": 0.5}, False),
        ("slice", {"n_cuts": 3}, True),
        ("slice", {"n_cuts": 1}, False),
        ("gauss", {"sigma": 0.05}, True),
        ("gauss", {"sigma": 0.1}, False),
    ],
)
def test_settings_of_a_set_act_and_their_defaults_are_the_chapters(
    kind: str, settings: dict[str, Any], same: bool
) -> None:
    x = series(4, 2, 40)
    assert torch.equal(augment(x, kind, seeded(0), settings), augment(x, kind, seeded(0))) == same


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_observed_moves_with_the_values(kind: str) -> None:
    x = series(40, 2, 30)
    observed = torch.rand(40, 2, 30, generator=seeded(1)) < 0.8
    hidden = x.masked_fill(~observed, 1e6)
    view, seen = augment_observed(hidden, observed, kind, seeded(0))
    assert seen is not None and 0.4 < seen.float().mean() < 0.9
    assert view[seen].abs().max() < 100  # nothing of what was not observed
