"""Invertible scaling, fitted on the train split."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ncvqvae.data.checks import bad_input, case_chunks


class GlobalScaler:
    """Scale each channel by one mean and one standard deviation over all cases and time steps.

    z = (x − μ_c) / σ_c, with μ_c and σ_c (ddof 0) of channel c over the whole train split; σ_c = 1 where the channel
    is constant. Statistics and arithmetic are float64, results float32.

    Attributes:
        mean_: float64 array (n_channels,), in the units of the data.
        scale_: float64 array (n_channels,), in the units of the data, never 0.

    Example:
        >>> X = np.array([[[0.0, 2.0]], [[4.0, 6.0]]], dtype=np.float32)
        >>> GlobalScaler().fit(X).mean_
        array([3.])
    """

    mean_: np.ndarray
    scale_: np.ndarray

    def fit(self, X: np.ndarray, y: object = None) -> GlobalScaler:
        """Take mean and standard deviation of every channel of X (n_cases, n_channels, n_timepoints)."""
        per_channel = X.shape[0] * X.shape[2]
        self.mean_ = sum(_channel_sum(chunk) for chunk in case_chunks(X)) / per_channel
        centre = self.mean_[:, None]
        squares = sum(_channel_sum((chunk - centre) ** 2) for chunk in case_chunks(X))
        constant = X.max(axis=(0, 2)) == X.min(axis=(0, 2))
        self.scale_ = np.where(constant, 1.0, np.sqrt(squares / per_channel))
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return (x − μ) / σ as float32, same shape as X."""
        self._check_channels(X)
        scaled = np.empty(X.shape, dtype=np.float32)
        np.divide(X - self.mean_[:, None], self.scale_[:, None], out=scaled, casting="same_kind")
        return scaled

    def inverse_transform(self, X: np.ndarray) -> np.ndarray:
        """Return z · σ + μ as float32: scaled values back in the units of the data."""
        self._check_channels(X)
        restored = np.empty(X.shape, dtype=np.float32)
        np.add(X * self.scale_[:, None], self.mean_[:, None], out=restored, casting="same_kind")
        return restored

    def fit_transform(self, X: np.ndarray, y: object = None) -> np.ndarray:
        """Fit on X and return it scaled."""
        return self.fit(X).transform(X)

    def get_state(self) -> dict[str, list[float]]:
        """Return what was fitted, as plain lists that JSON and YAML keep exactly."""
        return {"mean": self.mean_.tolist(), "scale": self.scale_.tolist()}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> GlobalScaler:
        """Rebuild a fitted scaler from the result of `get_state`.

        Raises:
            InputError: the state lacks a key, or its numbers make no scaler.
        """
        scaler = cls()
        try:
            scaler.mean_ = _vector(state["mean"])
            scaler.scale_ = _vector(state["scale"])
        except (KeyError, TypeError, ValueError) as error:
            raise bad_input("scaler state", f"unreadable ({error!r})", "use what GlobalScaler.get_state gave") from None
        usable = scaler.mean_.shape == scaler.scale_.shape and np.isfinite(scaler.mean_).all()
        if not usable or not (np.isfinite(scaler.scale_) & (scaler.scale_ > 0)).all():
            raise bad_input("scaler state", "mean or scale out of range", "use what GlobalScaler.get_state gave")
        return scaler

    def _check_channels(self, X: np.ndarray) -> None:
        if not hasattr(self, "mean_"):
            raise bad_input("GlobalScaler", "not fitted yet", "call fit on the train split first")
        if X.ndim != 3 or X.shape[1] != len(self.mean_):
            what = f"array of shape {X.shape} for a scaler of {len(self.mean_)} channels"
            raise bad_input("GlobalScaler", what, "give (n_cases, n_channels, n_timepoints)")


def _channel_sum(chunk: np.ndarray) -> np.ndarray:
    return chunk.sum(axis=(0, 2), dtype=np.float64)


def _vector(values: ArrayLike) -> np.ndarray:
    return np.asarray(values, dtype=np.float64).reshape(-1)
