"""Short-time Fourier transform with real and imaginary parts as channels, and its exact inverse."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from ncvqvae.tokenizer.transform import Transform


class Spectrogram(Transform):
    """STFT with a centred periodic Hann window, X[f, m] = sum_t x[t + m hop] w[t] exp(-2 pi i f t / n_fft).

    Args:
        n_fft: window length in time steps.
        hop_length: hop in time steps.
        n_timepoints: length T of every series; the inverse restores it exactly, odd or even.
    """

    def __init__(self, n_fft: int, hop_length: int, n_timepoints: int) -> None:
        super().__init__()
        self.n_fft, self.hop_length, self.n_timepoints = n_fft, hop_length, n_timepoints
        self.n_parts, self.n_rows, self.n_frames = 2, n_fft // 2 + 1, n_timepoints // hop_length + 1
        self.window: Tensor
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Series (B, C, T) to spectrogram (B, 2 C, rows, frames); channels are all real parts, then all imaginary."""
        flat = rearrange(x, "b c t -> (b c) t")
        u = torch.stft(flat, self.n_fft, self.hop_length, window=self.window, center=True, return_complex=True)
        return rearrange(torch.view_as_real(u), "(b c) f m part -> b (part c) f m", c=x.shape[1])

    def observed_share(self, observed: Tensor) -> Tensor:
        """Share of each frame's window energy that lies on observed steps (True in B C T): (B, 2 C, 1, frames).

        s[m] = sum_t w[t]^2 o[t + m hop] / sum_t w[t]^2, padded at the ends as the transform is.
        """
        energy = self.window.square() / self.window.square().sum()
        padded = F.pad(observed.to(energy), (self.n_fft // 2, self.n_fft // 2), mode="reflect")
        share = padded.unfold(-1, self.n_fft, self.hop_length) @ energy
        return torch.cat([share, share], dim=1)[:, :, None]

    def inverse(self, u: Tensor) -> Tensor:
        """Spectrogram (B, 2 C, rows, frames) to series (B, C, T)."""
        parts = rearrange(u.float(), "b (part c) f m -> (b c) f m part", part=2)
        x = torch.istft(
            torch.view_as_complex(parts.contiguous()),
            self.n_fft,
            self.hop_length,
            window=self.window,
            center=True,
            length=self.n_timepoints,
        )
        return rearrange(x, "(b c) t -> b c t", b=len(u))
