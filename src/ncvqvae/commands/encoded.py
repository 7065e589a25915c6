"""The sets of an evaluation with their tokens: each is encoded once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ncvqvae.data import Splits
from ncvqvae.generation.trained import TrainedModel


@dataclass(frozen=True)
class Encoded:
    """Series, and what a tokenizer makes of them: encoded once for everything that asks.

    Attributes:
        X: series (n, C, L) in their own units.
        tokens: tokens (n, N).
        reconstruction: what the tokens decode to (n, C, L), NaN behind the end of a shorter series.
        embedding: what ``transform`` gives of each series (n, d).
    """

    X: np.ndarray
    tokens: np.ndarray
    reconstruction: np.ndarray
    embedding: np.ndarray

    @classmethod
    def by(cls, model: TrainedModel, X: np.ndarray) -> Encoded:
        """Encode series (n, C, L) with a fitted model."""
        tokens = model.encode(X)
        embedding = np.asarray(model.transform(X))  # a table where scikit-learn's `set_output` asks for one
        return cls(X, tokens, model.reconstruct(X, tokens=tokens).reshape(X.shape), embedding)


class EncodedSets(NamedTuple):
    """The train split, the test split, and the generated series that metrics of one set judge."""

    train: Encoded
    test: Encoded
    made: Encoded

    @classmethod
    def by(cls, model: TrainedModel, splits: Splits, made: np.ndarray) -> EncodedSets:
        """Encode all three, the generated series of any shape (n, …)."""
        series = (splits.X_train, splits.X_test, made.reshape(-1, *splits.X_train.shape[1:]))
        return cls(*(Encoded.by(model, X) for X in series))
