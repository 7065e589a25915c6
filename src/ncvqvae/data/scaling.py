"""Invertible scaling, fitted on the train split."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ncvqvae.data.flat import TOLERANCES, flattened
from ncvqvae.data.mapped import case_chunks
from ncvqvae.errors import bad_input

STANDARDISED = 1e-3  # archives round to a few digits
CONSTANT = 1e-6
FINE = 1e-4
"""Rounding errors of float32 above this share of a channel's standard deviation call for float64."""
LARGEST = float(np.finfo(np.float32).max)
"""Largest mean, and largest standard deviation: series with values beyond float32 are refused."""


class GlobalScaler:
    """Scale each channel by one mean and one standard deviation over all cases and time steps.

    z = (x − μ_c) / σ_c, with μ_c and σ_c (ddof 0) of channel c over what was observed (not NaN) in the whole train
    split. A channel that is constant is 0 when scaled, and the constant when scaled back. Statistics and arithmetic are
    float64. Scaled values are float32; values in the units of the data, too, unless these need float64.

    Many archives standardise every case: mean 0 and standard deviation 1 over its time steps. A generator keeps that
    only roughly, and smooth series come out too flat; with ``keep_standardised`` the inverse standardises them again.

    Networks keep a value only roughly, too: with a ``flat_tolerance_`` the inverse makes flat parts flat
    (:func:`ncvqvae.data.flat.flattened`).

    Args:
        keep_standardised: where every case of the train split is standardised, standardise what is scaled back.

    Attributes:
        mean_: float64 array (n_channels,), in the units of the data.
        scale_: float64 array (n_channels,), in the units of the data, never 0.
        constant_: bool array (n_channels,), channels that never change in the train split.
        case_ddof_: 0 or 1, the kind of standard deviation that is 1 in every case and channel of the train split; None
            where there is none, or without ``keep_standardised``.
        flat_tolerance_: scaled values that differ by no more are one value where a series is flat; 0 leaves all as is.

    Example:
        >>> X = np.array([[[0.0, 2.0]], [[4.0, 6.0]]], dtype=np.float32)
        >>> GlobalScaler().fit(X).mean_
        array([3.])
    """

    mean_: np.ndarray
    scale_: np.ndarray
    constant_: np.ndarray
    case_ddof_: int | None
    flat_tolerance_: float

    def __init__(self, keep_standardised: bool = False) -> None:
        self.keep_standardised = keep_standardised

    def fit(self, X: np.ndarray, y: object = None) -> GlobalScaler:
        """Take mean and standard deviation of every channel of X (n_cases, n_channels, n_timepoints).

        Raises:
            InputError: a channel has no value in any series.
        """
        per_channel = sum((~np.isnan(chunk)).sum(axis=(0, 2)) for chunk in case_chunks(X))
        if not np.all(per_channel):
            empty = int(np.argmin(per_channel))
            raise bad_input("X", f"channel {empty} has no value in any series", "leave it out")
        self.mean_ = sum(_channel_sum(chunk) for chunk in case_chunks(X)) / per_channel
        centre = self.mean_[:, None]
        squares = sum(_channel_sum((chunk - centre) ** 2) for chunk in case_chunks(X))
        self.constant_ = _channel_extreme(np.fmax, X) == _channel_extreme(np.fmin, X)
        self.scale_ = np.where(self.constant_, 1.0, np.sqrt(squares / per_channel))
        self.case_ddof_ = _standardised_ddof(X) if self.keep_standardised else None
        self.flat_tolerance_ = 0.0
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return (x − μ) / σ as float32, same shape as X."""
        self._check_channels(X)
        scaled = np.empty(X.shape, dtype=np.float32)
        np.divide(X - self.mean_[:, None], self.scale_[:, None], out=scaled, casting="same_kind")
        return scaled

    def inverse_transform(self, X: np.ndarray, *, standardise: bool = True) -> np.ndarray:
        """Return z · σ + μ: scaled values back in the units of the data, flat and standardised as these were.

        Args:
            X: scaled values (n, n_channels, n_timepoints).
            standardise: False for values that stand beside observed ones, whose scale they keep.
        """
        self._check_channels(X)
        if self.flat_tolerance_:
            X = flattened(X, self.flat_tolerance_)
        restored = X * self.spread_[:, None] + self.mean_[:, None]
        if standardise and self.case_ddof_ is not None:
            restored -= _case_mean(restored)
            deviation = _case_deviation(restored, self.case_ddof_)
            restored /= np.where(deviation > CONSTANT, deviation, 1.0)
        return restored.astype(self._dtype)

    @property
    def spread_(self) -> np.ndarray:
        """What scaled values are multiplied by on their way back (n_channels,): σ, or 0 where a channel is constant."""
        return np.where(self.constant_, 0.0, self.scale_)

    @property
    def _dtype(self) -> type:
        """float64 where float32 would round away a part of the spread."""
        coarse = np.abs(self.mean_) * 2.0**-24 > FINE * self.scale_
        return np.float64 if (coarse & ~self.constant_).any() else np.float32

    def fit_transform(self, X: np.ndarray, y: object = None) -> np.ndarray:
        """Fit on X and return it scaled."""
        return self.fit(X).transform(X)

    def get_state(self) -> dict[str, Any]:
        """Return what was fitted, as plain values that JSON and YAML keep exactly."""
        return {
            "mean": self.mean_.tolist(),
            "scale": self.scale_.tolist(),
            "constant": self.constant_.tolist(),
            "case_ddof": self.case_ddof_,
            "flat_tolerance": self.flat_tolerance_,
        }

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
            # models from before these three had no such thing
            scaler.constant_ = np.array(state.get("constant", [False] * len(scaler.mean_)), dtype=bool)
            scaler.case_ddof_ = state.get("case_ddof")
            scaler.flat_tolerance_ = float(state.get("flat_tolerance", 0.0))
        except (KeyError, TypeError, ValueError) as error:
            raise bad_input("scaler state", f"unreadable ({error!r})", "use what GlobalScaler.get_state gave") from None
        scaler.keep_standardised = scaler.case_ddof_ is not None
        usable = (
            scaler.case_ddof_ in (None, 0, 1)
            and scaler.mean_.shape == scaler.scale_.shape == scaler.constant_.shape
            and (np.abs(scaler.mean_) <= LARGEST).all()
            and 0 <= scaler.flat_tolerance_ <= max(TOLERANCES)
        )
        if not usable or not ((scaler.scale_ > 0) & (scaler.scale_ <= LARGEST)).all():
            raise bad_input("scaler state", "a number is out of range", "use what GlobalScaler.get_state gave")
        return scaler

    def _check_channels(self, X: np.ndarray) -> None:
        if not hasattr(self, "mean_"):
            raise bad_input("GlobalScaler", "not fitted yet", "call fit on the train split first")
        if X.ndim != 3 or X.shape[1] != len(self.mean_):
            what = f"array of shape {X.shape} for a scaler of {len(self.mean_)} channels"
            raise bad_input("GlobalScaler", what, "give (n_cases, n_channels, n_timepoints)")


def _channel_sum(chunk: np.ndarray) -> np.ndarray:
    return np.asarray(np.nansum(chunk, axis=(0, 2), dtype=np.float64))


def _channel_extreme(pick: np.ufunc, X: np.ndarray) -> np.ndarray:
    """Largest (fmax) or smallest (fmin) value of every channel, NaN aside."""
    return np.asarray(pick.reduce([pick.reduce(pick.reduce(c, axis=2), axis=0) for c in case_chunks(X)], axis=0))


def _case_mean(values: np.ndarray) -> np.ndarray:
    """Mean over what was observed of each case and channel, (n, n_channels, 1); 0 where that is nothing."""
    total: np.ndarray = np.nansum(values, axis=2, keepdims=True)
    return total / _n_observed(values).clip(1)


def _case_deviation(values: np.ndarray, ddof: int) -> np.ndarray:
    """Standard deviation of the same; 0 where fewer than two values were observed."""
    squares = np.nansum((values - _case_mean(values)) ** 2, axis=2, keepdims=True)
    return np.asarray(np.sqrt(squares / (_n_observed(values) - ddof).clip(1)))


def _n_observed(values: np.ndarray) -> np.ndarray:
    return (~np.isnan(values)).sum(axis=2, keepdims=True)


def _standardised_ddof(X: np.ndarray) -> int | None:
    """The ddof with which every case has standard deviation 1 around mean 0; constant cases are passed over."""
    possible = {0, 1}
    varied = False
    for chunk in case_chunks(X):
        values = chunk.astype(np.float64)
        deviations = {ddof: _case_deviation(values, ddof) for ddof in possible}
        constant = _case_deviation(values, 0) < CONSTANT
        varied |= bool((~constant).any())
        if np.abs(_case_mean(values)).max() > STANDARDISED:
            return None
        possible = {d for d in possible if (constant | (np.abs(deviations[d] - 1) <= STANDARDISED)).all()}
    return max(possible) if possible and varied else None


def _vector(values: ArrayLike) -> np.ndarray:
    return np.asarray(values, dtype=np.float64).reshape(-1)
