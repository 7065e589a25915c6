"""Short-time Fourier transform and its inverse, by the defining sums."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


def hann(n_fft: int = 8) -> Array:
    """Periodic Hann window, ``w[n] = (1 - cos(2 pi n / n_fft)) / 2``, shape ``(n_fft,)``."""
    return (1 - np.cos(2 * np.pi * np.arange(n_fft) / n_fft)) / 2


def stft(x: Array, n_fft: int = 8, hop: int = 2) -> Array:
    """STFT of one series, real and imaginary parts as channels.

    ``S[c, k, m] = sum_n w[n] p[c, m hop + n] exp(-2 pi i k n / n_fft)``, k = 0 … n_fft/2, m = 0 … L // hop, where ``p``
    is x with n_fft/2 samples of *reflect* padding on each side (the edge sample is not repeated). No scaling.

    x: ``(C, L)`` with L > n_fft/2. Returns ``(2 C, n_fft/2 + 1, L // hop + 1)``, channels in the order
    re(c=0), im(c=0), re(c=1), im(c=1), …
    """
    n_channels, length = x.shape
    half = n_fft // 2
    padded = np.pad(x, ((0, 0), (half, half)), mode="reflect")
    window = hann(n_fft)
    spectrogram = np.zeros((2 * n_channels, half + 1, length // hop + 1))
    for c in range(n_channels):
        for m in range(length // hop + 1):
            frame = window * padded[c, m * hop : m * hop + n_fft]
            for k in range(half + 1):
                value = sum(frame[n] * np.exp(-2j * np.pi * k * n / n_fft) for n in range(n_fft))
                spectrogram[2 * c, k, m] = value.real
                spectrogram[2 * c + 1, k, m] = value.imag
    return spectrogram


def istft(spectrogram: Array, length: int, n_fft: int = 8, hop: int = 2) -> Array:
    """Least-squares inverse of :func:`stft`: ``x[t] = sum_m w[t - m hop] f_m[t - m hop] / sum_m w[t - m hop]^2``.

    ``f_m`` is the inverse real DFT of column m. Imaginary parts of the rows k = 0 and n_fft/2 have no meaning and are
    ignored. spectrogram: ``(2 C, n_fft/2 + 1, M)``. Returns ``(C, length)``.
    """
    n_channels, half = spectrogram.shape[0] // 2, n_fft // 2
    window = hann(n_fft)
    x = np.zeros((n_channels, length))
    for c in range(n_channels):
        total, weight = np.zeros(length + 2 * n_fft), np.zeros(length + 2 * n_fft)
        for m in range(spectrogram.shape[2]):
            re, im = spectrogram[2 * c, :, m], spectrogram[2 * c + 1, :, m]
            for n in range(n_fft):
                frame = re[0] + re[half] * (-1) ** n
                for k in range(1, half):
                    angle = 2 * np.pi * k * n / n_fft
                    frame += 2 * (re[k] * np.cos(angle) - im[k] * np.sin(angle))
                total[m * hop + n] += window[n] * frame / n_fft
                weight[m * hop + n] += window[n] ** 2
        x[c] = total[half : half + length] / weight[half : half + length]
    return x
