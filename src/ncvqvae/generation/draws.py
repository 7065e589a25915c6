"""Several draws of the same series, of which a part was given: one by one, or as mean, median and quantiles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from ncvqvae.errors import InputError


@dataclass(frozen=True, eq=False)
class Draws:
    """Draws of the same n series, in the units and the shape of the training data; NaN behind the end of a shorter one.

    Each draw is a whole dataset: ``draws[0]``, ``for X in draws``. Values that were given are the same in all of them,
    and in mean, median and quantiles.

    Attributes:
        values: all draws (n_draws, n_cases, n_channels, n_timepoints), without the channels where the training data had
            no axis for them.
        given: where a value was given, of the shape of one draw.
        lengths: time steps (n_cases,), where series go out as a list, each without padding; else None.

    Example:
        >>> draws = Draws(np.array([[[0.0, 1.0]], [[0.0, 3.0]]]), np.array([[True, False]]))
        >>> draws.mean()
        array([[0., 2.]])
        >>> draws.quantile(0.25)
        array([[0. , 1.5]])
    """

    values: np.ndarray
    given: np.ndarray
    lengths: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, draw: int) -> Any:
        """One draw: an array (n_cases, …), or a list of arrays."""
        return self._as_given(self.values[draw])

    def __iter__(self) -> Iterator[Any]:
        return (self[draw] for draw in range(len(self)))

    def mean(self) -> Any:
        """The mean over the draws, step by step."""
        # a mean of equal numbers can be another number in floating point
        return self._as_given(np.where(self.given, self.values[0], self.values.mean(axis=0)))

    def median(self) -> Any:
        """The median over the draws, step by step; the guess with the least expected absolute error."""
        return self.quantile(0.5)

    def quantile(self, share: float) -> Any:
        """The value below which ``share`` of the draws lie, step by step.

        Raises:
            InputError: if it is no share between 0 and 1.
        """
        if not is_share(share):
            raise InputError(f"quantile {share!r:.40}: give a share between 0 and 1, for example 0.9")
        found = np.quantile(self.values, share, axis=0, method="linear").astype(self.values.dtype)
        return self._as_given(np.where(self.given, self.values[0], found))

    def _as_given(self, X: np.ndarray) -> Any:
        if self.lengths is None:
            return X
        return [series[..., :length] for series, length in zip(X, self.lengths, strict=True)]


def is_share(value: Any) -> bool:
    """Whether a value is a number from 0 to 1."""
    return not isinstance(value, bool) and isinstance(value, Real) and 0 <= float(value) <= 1


def joined_draws(parts: Iterable[Draws]) -> Draws:
    """Join the draws of consecutive series into one."""
    parts = list(parts)
    lengths = [part.lengths for part in parts if part.lengths is not None]
    return Draws(
        np.concatenate([part.values for part in parts], axis=1),
        np.concatenate([part.given for part in parts]),
        np.concatenate(lengths) if lengths else None,
    )
