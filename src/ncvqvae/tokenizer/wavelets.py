"""Wavelet packets of a series, and their exact inverse: an alternative to the spectrogram of Fourier windows."""

from __future__ import annotations

import pywt
import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from ncvqvae.tokenizer.transform import Transform


class WaveletPackets(Transform):
    """All bands of equal width of a wavelet packet tree, the lowest frequencies first.

    Each level splits each row into a low and a high half of its frequencies by an orthogonal pair of filters, and takes
    every second value: row b of level j + 1 is sum_n h[n] x[2 m + n], with h the low or the high filter. After J levels
    there are 2^J rows, and frame m stands for 2^J steps of time. Unlike Fourier windows it holds no more numbers than
    the series has steps, but for the frames at both ends that the filters reach beyond it.

    Before and behind the series its first and last value go on as far as these filters reach; the inverse cuts that
    off. The frames are all those that read a step of the series, in the order of time.

    Reference: Coifman and Wickerhauser, "Entropy-based algorithms for best basis selection" (1992); filters are those
    of PyWavelets.

    Args:
        wavelet: name of an orthogonal wavelet in PyWavelets, such as ``"sym4"``.
        levels: number J of splits.
        n_timepoints: length T of every series; the inverse restores it exactly.
    """

    def __init__(self, wavelet: str, levels: int, n_timepoints: int) -> None:
        super().__init__()
        low, high = (torch.tensor(taps, dtype=torch.float32) for taps in pywt.Wavelet(wavelet).filter_bank[2:])
        self.levels, self.n_timepoints, self.hop = levels, n_timepoints, 2**levels
        reach = (len(low) - 1) * (self.hop - 1)  # steps behind its first one that a frame reads
        self._padded_before = reach + 1 - self.hop  # so that the first frame is the first to read the series
        self.n_parts, self.n_rows = 1, self.hop
        self.n_frames = -(-(self._padded_before + n_timepoints) // self.hop)
        self._padded_behind = (self.n_frames - 1) * self.hop + reach + 1 - self._padded_before - n_timepoints
        # what frame m stands for lies in the middle of what it reads
        self.n_before = -(-self._padded_before // 2)
        self.n_behind = self.n_frames * self.hop - self.n_before - n_timepoints
        self.filters: Tensor
        self.energy: Tensor
        self.order: Tensor
        self.register_buffer("filters", torch.stack([low, high])[:, None], persistent=False)
        # halving turns the frequencies of a high half round, which makes the order of the rows a Gray code
        rows = torch.arange(self.hop)
        self.register_buffer("order", rows ^ (rows >> 1), persistent=False)
        smooth = low
        for level in range(1, levels):
            longer = torch.zeros(len(smooth) + (len(low) - 1) * 2**level)
            for place, tap in enumerate(low):  # a convolution with taps 2^level apart, most of which would be zeros
                longer[place * 2**level :][: len(smooth)] += tap * smooth
            smooth = longer
        self.register_buffer("energy", smooth.square() / smooth.square().sum(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Series (B, C, T) to packets (B, C, rows, frames)."""
        rows = rearrange(self._extended(x), "b c t -> (b c) 1 t")
        for _ in range(self.levels):
            halves = F.conv1d(rearrange(rows, "n r t -> (n r) 1 t"), self.filters.to(x.dtype), stride=2)
            rows = rearrange(halves, "(n r) half t -> n (r half) t", r=rows.shape[1])
        return rearrange(rows[:, self.order], "(b c) r t -> b c r t", c=x.shape[1])

    def _extended(self, x: Tensor) -> Tensor:
        return F.pad(x, (self._padded_before, self._padded_behind), mode="replicate")

    def observed_share(self, observed: Tensor) -> Tensor:
        """How far each frame rests on observed steps (True in B C T): (B, C, 1, frames).

        s[m] = sum_t g[t]^2 o[t + 2^J m], where g is the filter of the lowest row, whose squares sum to 1.
        """
        extended = self._extended(observed.to(self.energy))
        return (extended.unfold(-1, len(self.energy), self.hop) @ self.energy)[:, :, None]

    def inverse(self, u: Tensor) -> Tensor:
        """Packets (B, C, rows, frames) to series (B, C, T)."""
        rows = rearrange(u.float(), "b c r t -> (b c) r t")[:, self.order.argsort()]
        for _ in range(self.levels):
            halves = rearrange(rows, "n (r half) t -> (n r) half t", half=2)
            joined = F.conv_transpose1d(halves, self.filters.to(halves.dtype), stride=2)
            rows = rearrange(joined, "(n r) 1 t -> n r t", r=rows.shape[1] // 2)
        x = rearrange(rows, "(b c) 1 t -> b c t", c=u.shape[1])
        return x[..., self._padded_before : self._padded_before + self.n_timepoints]
