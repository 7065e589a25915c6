"""Wavelet packets and their inverse: an identity for every length, equal to those of PyWavelets."""

import numpy as np
import pytest
import pywt
import torch
from torch.nn import functional as F

from ncvqvae.config import Stage1Config, TokenizerConfig, is_orthogonal
from ncvqvae.tokenizer.objective import TokenizerObjective
from ncvqvae.tokenizer.wavelets import WaveletPackets
from ncvqvae.training.build import build_tokenizer

LENGTHS = [1, 2, *range(16, 81), 99, 128, 141, 256, 501, 999, 1024, 1099, 1100]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize(("wavelet", "levels"), [("haar", 1), ("db2", 3), ("sym4", 2), ("coif5", 4)])
def test_inverse_restores_every_length_exactly(wavelet: str, levels: int, length: int) -> None:
    packets, x = WaveletPackets(wavelet, levels, length), torch.randn(2, 3, length)
    u = packets(x)
    assert u.shape == (2, 3, packets.n_rows, packets.n_frames) and packets.n_rows == 2**levels
    torch.testing.assert_close(packets.inverse(u), x, atol=1e-4, rtol=0)
    torch.testing.assert_close(packets.observed_share(torch.ones_like(x) > 0), torch.ones(2, 3, 1, packets.n_frames))


@pytest.mark.parametrize(("wavelet", "levels"), [("haar", 1), ("haar", 3), ("db2", 2), ("sym4", 2)])
def test_packets_are_those_of_pywavelets(wavelet: str, levels: int) -> None:
    packets, x = WaveletPackets(wavelet, levels, 100), torch.randn(1, 1, 100)
    # the other library's series are periodic, and its filters start elsewhere in them
    extended = np.pad(packets._extended(x)[0, 0].double().numpy(), (40, 128))
    extended = extended[: len(extended) // 8 * 8]

    def theirs(shift: int) -> np.ndarray:
        tree = pywt.WaveletPacket(np.roll(extended, shift), wavelet, mode="periodization", maxlevel=levels)
        rows = np.stack([node.data for node in tree.get_level(levels, "freq")])
        return np.lib.stride_tricks.sliding_window_view(rows, packets.n_frames, axis=1)

    found = packets(x)[0, 0].numpy()[:, None]
    assert min(np.abs(theirs(shift) - found).max(axis=(0, 2)).min() for shift in range(2**levels)) < 1e-4


@pytest.mark.parametrize("wavelet", [name for name in pywt.wavelist(kind="discrete") if is_orthogonal(name)])
def test_every_wavelet_that_can_be_asked_for_gives_a_series_back(wavelet: str) -> None:
    packets, x = WaveletPackets(wavelet, 2, 50), torch.randn(1, 1, 50)
    torch.testing.assert_close(packets.inverse(packets(x)), x, atol=1e-4, rtol=0)


@pytest.mark.parametrize("length", [8, 24, 48, 150])
@pytest.mark.parametrize(("wavelet", "levels"), [("haar", 2), ("db2", 3), ("sym4", 2), ("coif3", 3)])
def test_frames_lie_at_the_time_that_masks_take_them_for(wavelet: str, levels: int, length: int) -> None:
    packets, impulses = WaveletPackets(wavelet, levels, length), torch.eye(length)
    energy = (packets(impulses[:, None]) - packets(torch.zeros(1, 1, length))).square().sum((1, 2))[1:-1]
    over_time = F.adaptive_avg_pool1d(packets.time_of_frames(impulses), packets.n_frames)[1:-1]  # the ends go on
    frames = torch.arange(packets.n_frames)
    away = [(share * frames).sum(1) / share.sum(1) for share in (energy, over_time)]
    assert float((away[0] - away[1]).abs().max()) < 1


@pytest.mark.parametrize("bands", [1, 2])
def test_tokens_of_a_gap_are_those_that_the_gap_changes(bands: int) -> None:
    torch.manual_seed(0)
    config = TokenizerConfig(transform="wavelet", hidden_channels=4, n_residual_blocks=0, bands=bands)
    tokenizer = build_tokenizer(config, 1, 48).eval()
    x, observed = torch.randn(4, 1, 48), torch.ones(4, 1, 48, dtype=torch.bool)
    observed[:, :, 32:] = False
    present = tokenizer.on_grid(tokenizer.present(observed))
    changed = (tokenizer.embed(x) - tokenizer.embed(x.masked_fill(~observed, 5.0))).detach().abs().amax((0, 2))
    assert float(changed[~present[0]].min()) > float(changed[present[0]].median())


@pytest.mark.parametrize(("frequency", "row"), [(0.05, 0), (0.19, 1), (0.31, 2), (0.45, 3)])
def test_rows_stand_in_the_order_of_frequency_and_frames_in_that_of_time(frequency: float, row: int) -> None:
    packets, steps = WaveletPackets("sym4", 2, 256), torch.arange(256)
    burst = torch.sin(2 * torch.pi * frequency * steps) * torch.exp(-((steps - 160) ** 2) / 800)
    energy = packets(burst[None, None])[0, 0].square()
    assert int(energy.sum(1).argmax()) == row
    centre = (energy.sum(0) * torch.arange(packets.n_frames)).sum() / energy.sum()
    assert abs(float(centre) - (packets.n_before + 160) / 4) < 1


def test_frames_in_a_gap_count_for_nothing() -> None:
    packets, observed = WaveletPackets("db2", 2, 64), torch.ones(1, 1, 64, dtype=torch.bool)
    observed[..., 20:44] = False
    share = packets.observed_share(observed)[0, 0, 0]
    middle = (packets.n_before + 32) // 4
    assert float(share[middle - 1 : middle + 1].max()) < 1e-6 and float(share[:2].min()) > 0.999
    x = torch.randn(1, 1, 64)
    changed = (packets(x) - packets(x.masked_fill(~observed, 9.0))).abs().amax((0, 1, 2))
    assert float(changed[share > 1 - 1e-6].max()) < 1e-4  # what a frame rests on is what it reads


def test_the_longest_filters_have_their_energy() -> None:
    packets = WaveletPackets("db38", 10, 50)
    assert len(packets.energy) == 75 * 1023 + 1 and float(packets.energy.sum()) == pytest.approx(1)


@pytest.mark.parametrize("bands", [1, 2])
def test_a_tokenizer_of_wavelets_learns(bands: int) -> None:
    torch.manual_seed(0)
    config = TokenizerConfig(transform="wavelet", hidden_channels=8, n_residual_blocks=1, bands=bands)
    objective = TokenizerObjective(build_tokenizer(config, 1, 64), Stage1Config(projector_width=8), "vibcreg").train()
    optimizer = torch.optim.AdamW(objective.parameters(), lr=3e-3)
    x = torch.sin(torch.arange(64) / torch.linspace(2, 9, 32)[:, None])[:, None]
    errors = []
    for _ in range(60):
        terms = objective(x, x + 0.05 * torch.randn(x.shape))
        optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
        errors.append(float(terms["recon"].detach()))
    assert np.mean(errors[-5:]) < 0.6 * np.mean(errors[:5])
    assert all(parameter.grad is not None for parameter in objective.parameters())
