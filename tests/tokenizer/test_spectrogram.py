"""STFT and its inverse: an identity for every length, equal to the defining sums."""

import numpy as np
import pytest
import torch
from einops import rearrange
from tests.references import spectrogram as reference

from ncvqvae.tokenizer.spectrogram import Spectrogram

LENGTHS = [*range(16, 81), 99, 128, 140, 141, 255, 256, 257, 500, 501, 720, 999, 1000, 1024, 1099, 1100]


@pytest.mark.parametrize("length", LENGTHS)
def test_inverse_restores_every_length_exactly(length: int) -> None:
    stft = Spectrogram(8, 2, length)
    for channels in (1, 3):
        x = torch.randn(2, channels, length)
        u = stft(x)
        assert u.shape == (2, 2 * channels, stft.n_rows, stft.n_frames)
        torch.testing.assert_close(stft.inverse(u), x, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("n_fft", "hop"), [(4, 1), (4, 2), (16, 4), (2, 1)])
def test_other_windows_are_inverted_too(n_fft: int, hop: int) -> None:
    for length in (16, 17, 18, 19, 45):
        stft, x = Spectrogram(n_fft, hop, length), torch.randn(2, 1, length)
        torch.testing.assert_close(stft.inverse(stft(x)), x, atol=1e-5, rtol=0)


@pytest.mark.parametrize("length", [16, 17, 46])
def test_stft_equals_the_defining_sum(length: int) -> None:
    x = np.random.default_rng(length).normal(size=(2, 3, length))
    ours = Spectrogram(8, 2, length)(torch.from_numpy(x).float())
    for case, u in zip(x, ours, strict=True):
        expected = rearrange(reference.stft(case), "(c part) f m -> (part c) f m", part=2)
        np.testing.assert_allclose(u, expected, atol=1e-5)


@pytest.mark.parametrize("length", [16, 17, 46])
def test_inverse_of_any_spectrogram_equals_the_least_squares_sum(length: int) -> None:
    # what a decoder puts out is the STFT of no series: overlapping frames disagree
    stft = Spectrogram(8, 2, length)
    u = torch.randn(1, 6, stft.n_rows, stft.n_frames)
    expected = reference.istft(rearrange(u[0].double().numpy(), "(part c) f m -> (c part) f m", part=2), length)
    np.testing.assert_allclose(stft.inverse(u)[0], expected, atol=1e-5)


def test_the_window_is_not_saved() -> None:
    assert Spectrogram(8, 2, 16).state_dict() == {}
