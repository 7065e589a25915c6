"""Directions of the tokenizer's latents, and what moving along them does to a series.

A direction is a difference of latents: between the means of two classes, or between series and changed copies of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ncvqvae.codec import CHUNK, in_chunks
from ncvqvae.errors import InputError
from ncvqvae.labels import instead, is_class, sorted_classes

if TYPE_CHECKING:
    from ncvqvae.model import NCVQVAE


def latents(model: NCVQVAE, X: Any) -> np.ndarray:
    """Latents (n, P, d) of series in their own units, before quantization: a vector of width d for each place.

    The P places are those of the token grid, its rows one by one; those of the low band come first.

    Args:
        model: a fitted model.
        X: series (n, n_channels, n_timepoints), or what ``fit`` takes.

    Raises:
        InputError: if the series do not fit the model.
    """
    tokenizer = model.tokenizer_
    scaled = model._codec.scaled(X)
    device = tokenizer.codebook.device
    return in_chunks(lambda x, _: tokenizer.decoded_latents(x), scaled, device).numpy()


def decode_latents(model: NCVQVAE, Z: np.ndarray) -> np.ndarray:
    """Series in the units of the data that the decoder makes of latents (n, P, d), without quantization.

    Raises:
        InputError: if they are not of this model's shape.
    """
    tokenizer = model.tokenizer_
    device = tokenizer.codebook.device
    shape = _shape(model)
    given = _numbers(Z, "latents")
    if given.shape[1:] != shape:
        raise InputError(f"latents have shape {given.shape}; this model's are (n, {shape[0]}, {shape[1]})")
    with torch.no_grad():
        parts = torch.from_numpy(given).split(CHUNK)
        series = torch.cat([tokenizer.reconstruct_places(part.to(device)).series.cpu() for part in parts])
    return model._codec.in_units(series)


def _shape(model: NCVQVAE) -> tuple[int, int]:
    """(P, d) of a series' latents."""
    tokenizer = model.tokenizer_
    return sum(rows * columns for rows, columns in tokenizer.finest_grids), tokenizer.codebook.shape[1]


def _numbers(values: Any, name: str, kind: type | None = np.float32) -> np.ndarray:
    try:
        return np.asarray(values, kind)
    except (TypeError, ValueError):
        raise InputError(f"{name} {values!r:.40}: give an array of numbers") from None


def class_direction(model: NCVQVAE, X: Any, y: Any, start: Any, end: Any) -> np.ndarray:
    """From the mean of one class to that of another, (P, d).

    Args:
        model: a fitted model.
        X: series.
        y: their labels (n,).
        start: label of the class from which the direction leads.
        end: label of the class to which it leads.

    Raises:
        InputError: if no series has one of the labels, or there is not one label for each series.
    """
    Z, labels = latents(model, X), np.asarray(y)
    if labels.shape != (len(Z),):
        raise InputError(f"y has shape {labels.shape}; give a label for each of {len(Z)} series")
    for label in (start, end):
        if not is_class(labels, label).any():
            raise InputError(
                f"no series has the label {label!r}; {instead(label, sorted_classes(labels), 'labels in y')}"
            )
    return Z[is_class(labels, end)].mean(0) - Z[is_class(labels, start)].mean(0)


def pair_direction(model: NCVQVAE, X: Any, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The mean step from series to changed copies of them, (P, d).

    Args:
        model: a fitted model.
        X: series.
        change: from series (n, n_channels, n_timepoints), or what X is, to as many of the same shape; for example
            ``lambda X: 1.2 * X`` for the amplitude, ``lambda X: np.roll(X, 2, axis=-1)`` for a shift in time.

    Raises:
        InputError: if the series do not fit the model, or there are not as many changed ones.

    Example:
        >>> louder = pair_direction(model, X, lambda X: 1.2 * X)  # doctest: +SKIP
        >>> X_louder = move(model, X, louder, amount=2)  # doctest: +SKIP
    """
    X = _numbers(X, "X", None)
    before, after = latents(model, X), latents(model, change(X))
    if len(after) != len(before):
        raise InputError(f"change makes {len(after)} series of {len(before)}; give as many")
    return (after - before).mean(0)


def move(model: NCVQVAE, X: Any, direction: np.ndarray, amount: float = 1.0) -> np.ndarray:
    """What the decoder makes of the latents of series, moved along a direction, in the units of the data.

    Args:
        model: a fitted model. With ``tokenizer.keep_standardised`` and standardised data its series keep their
            amplitude whatever the direction.
        X: series.
        direction: (P, d), for example of :func:`class_direction` or :func:`pair_direction`.
        amount: how far; 1 is one step of the direction, 0 the plain reconstruction, below 0 the other way.

    Raises:
        InputError: if the series do not fit the model, or the direction does not.
    """
    step = _numbers(direction, "direction")
    if step.shape != _shape(model):
        raise InputError(f"direction has shape {step.shape}; this model's have {_shape(model)}")
    try:
        factor = float(amount)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"amount {amount!r:.40}: give a number") from None
    return decode_latents(model, latents(model, X) + factor * step)
