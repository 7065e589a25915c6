"""Classical structure of two sets of series: autocorrelation, values, power spectrum, class means.

Series are (n, C, L). A shorter series has NaN behind its end; NaN does not count.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ncvqvae.labels import rows_by_class


class StructureDifferences(NamedTuple):
    """What `structure_differences` measures; 0 where the two sets agree."""

    acf: float
    marginal: float
    spectrum: float
    mean: float


def structure_differences(
    real: np.ndarray, generated: np.ndarray, y_real: np.ndarray | None = None, y_generated: np.ndarray | None = None
) -> StructureDifferences:
    """All four differences between real series (n, C, L) and generated ones (m, C, L); labels (n,), (m,) if any."""
    return StructureDifferences(
        acf_difference(real, generated),
        marginal_difference(real, generated),
        spectrum_difference(real, generated),
        mean_difference(real, generated, y_real, y_generated),
    )


def acf_difference(real: np.ndarray, generated: np.ndarray) -> float:
    r"""Mean absolute difference of the mean autocorrelations over channels and lags 1 … L/2.

    .. math:: r_\tau = \sum_t (x_t - \bar x)(x_{t+\tau} - \bar x) / \sum_t (x_t - \bar x)^2

    Args:
        real: series (n, C, L).
        generated: series (m, C, L).
    """
    a, b = (autocorrelation(X).mean(axis=0) for X in (real, generated))
    return float(np.abs(a - b).mean())


def autocorrelation(X: np.ndarray) -> np.ndarray:
    """Autocorrelation of series (n, C, L) at lags 1 … L/2, normalised by lag 0: (n, C, L // 2); 0 where constant."""
    from scipy.fft import irfft, next_fast_len, rfft

    length, centred = X.shape[-1], _centred(X)
    size = next_fast_len(2 * length, real=True)
    products = irfft(np.abs(rfft(centred, size)) ** 2, size)
    power, lagged = products[..., :1], products[..., 1 : length // 2 + 1]
    return np.divide(lagged, power, out=np.zeros_like(lagged), where=power > 1e-12 * length)


def marginal_difference(real: np.ndarray, generated: np.ndarray) -> float:
    r"""Wasserstein-1 distance between the distributions of all values, mean over channels, in units of the series.

    .. math:: \int |F_{real}(x) - F_{generated}(x)| \, dx

    Args:
        real: series (n, C, L).
        generated: series (m, C, L).
    """
    from scipy.stats import wasserstein_distance

    channels = range(real.shape[1])
    values = [[X[:, c][~np.isnan(X[:, c])] for X in (real, generated)] for c in channels]
    return float(np.mean([wasserstein_distance(a, b) for a, b in values]))


def spectrum_difference(real: np.ndarray, generated: np.ndarray) -> float:
    r"""Total variation distance of the mean power spectra, each with sum 1, mean over channels: 0 … 1.

    .. math:: \tfrac12 \textstyle\sum_f |P_{real}(f) - P_{generated}(f)|

    Args:
        real: series (n, C, L).
        generated: series (m, C, L).
    """
    a, b = power_spectrum(real), power_spectrum(generated)
    return float(np.abs(a - b).sum(axis=-1).mean() / 2)


def power_spectrum(X: np.ndarray) -> np.ndarray:
    """Mean periodogram of series (n, C, L) without their means: (C, L // 2); each channel sums to 1."""
    from scipy.signal import periodogram

    power = periodogram(_centred(X), detrend=False)[1][..., 1:].mean(axis=0)
    return power / np.maximum(power.sum(axis=-1, keepdims=True), np.finfo(float).tiny)


def mean_difference(
    real: np.ndarray, generated: np.ndarray, y_real: np.ndarray | None = None, y_generated: np.ndarray | None = None
) -> float:
    """Root mean square difference of the class means, weighted by the real classes' shares.

    Without labels, the means of all series are compared. A class that was not generated is compared with the mean of
    all generated series.

    Args:
        real: series (n, C, L).
        generated: series (m, C, L).
        y_real: labels (n,).
        y_generated: labels (m,).
    """

    def difference(a: np.ndarray, b: np.ndarray) -> float:
        means = [np.ma.masked_invalid(X).mean(axis=0, dtype=np.float64) for X in (a, b)]
        return float(np.sqrt(((means[0] - means[1]) ** 2).mean()))

    if y_real is None or y_generated is None:
        return difference(real, generated)
    total, rows_generated = 0.0, rows_by_class(y_generated)
    for label, rows in rows_by_class(y_real).items():
        of_generated = generated[rows_generated[label]] if label in rows_generated else generated
        total += len(rows) * difference(real[rows], of_generated)
    return total / len(real)


def _centred(X: np.ndarray) -> np.ndarray:
    """Series minus their own mean, float64; missing values become 0."""
    X = np.asarray(X, np.float64)
    return np.nan_to_num(X - np.nanmean(X, axis=-1, keepdims=True))
