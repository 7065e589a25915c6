"""Series as the metrics take them: scaled, with gaps filled in, real and generated ones alike."""

from __future__ import annotations

import numpy as np

from ncvqvae.data import GlobalScaler, are_unequal, beyond, fill, has_missing, series_lengths


class MaskedScale:
    """Series as the metrics take them: scaled, gaps filled in, NaN behind the end of a shorter series.

    Filling in smooths. So that real and generated series are smoothed alike, each generated one first gets the gaps of
    a real one, drawn from the train split.

    Args:
        scaler: fitted on the train split.
        X_train: the real train split; its channels and length are those of all series.
        seed: draws whose gaps a generated series gets.
    """

    def __init__(self, scaler: GlobalScaler, X_train: np.ndarray, seed: int) -> None:
        self.scaler, self.X_train, self.seed = scaler, X_train, seed
        self.unequal, self.missing = are_unequal(X_train), has_missing(X_train)

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Scale series (n, C, L) and fill their own gaps."""
        X = self._with_channels(X)
        return self._scale(X, X)

    def generated(self, X: np.ndarray) -> np.ndarray:
        """Scale generated series (n, C, L) after giving them the gaps of real ones and filling these."""
        X = self._with_channels(X)
        if not self.missing:
            return self._scale(X, X)
        real = self.X_train[np.random.default_rng(self.seed).integers(len(self.X_train), size=len(X))]
        gaps = np.isnan(real)
        if self.unequal:
            gaps &= ~beyond(series_lengths(real), X.shape[-1])
        hidden = np.where(gaps, np.float32(np.nan), X)
        nothing = np.isnan(hidden).all(axis=(1, 2), keepdims=True)  # a short series in a long gap
        return self._scale(np.where(nothing, X, hidden), X)

    def _scale(self, X: np.ndarray, whole: np.ndarray) -> np.ndarray:
        values = fill(self.scaler.transform(X)).values
        return (
            np.where(beyond(series_lengths(whole), X.shape[-1]), np.float32(np.nan), values) if self.unequal else values
        )

    def _with_channels(self, X: np.ndarray) -> np.ndarray:
        return X.reshape(len(X), *self.X_train.shape[1:])
