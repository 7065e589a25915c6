"""What those who measure and draw a trained model ask of it; :class:`ncvqvae.model.NCVQVAE` has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from ncvqvae.config import Config
from ncvqvae.data import GlobalScaler
from ncvqvae.data.facts import TrainFacts
from ncvqvae.generation.samples import DecodingSteps, Samples
from ncvqvae.prior.prior import Prior
from ncvqvae.tokenizer.tokenizer import Tokenizer


class TrainedModel(Protocol):
    """A fitted model, as far as metrics, pictures and pages need it."""

    preset: str
    config_: Config
    facts_: TrainFacts
    scaler_: GlobalScaler
    tokenizer_: Tokenizer
    prior_: Prior
    classes_: np.ndarray
    seconds_: dict[str, float]
    history_: list[dict[str, float | str]]

    def encode(self, X: Any) -> np.ndarray:
        """Tokens of series."""

    def transform(self, X: Any) -> np.ndarray:
        """Embeddings of series."""

    def reconstruct(
        self, X: Any, *, residual_neighbours: int = 0, seed: int | None = None, tokens: Any = None
    ) -> np.ndarray:
        """Series through the tokenizer."""

    def iter_samples(
        self,
        n: int,
        labels: Any = None,
        *,
        unconditional: bool = False,
        length: int | None = None,
        seed: int | None = None,
        first: int = 0,
        **sampling: Any,
    ) -> Iterator[Samples]:
        """New series, in chunks."""

    def decoding_steps(self, n: int, seed: int | None = None) -> DecodingSteps:
        """How sure the prior is, step by step."""

    def reconstruction_loss(self, X: Any, *, tokens: Any = None) -> float:
        """Loss of stage 1 on series."""

    def prior_loss(self, X: Any, y: Any = None, *, tokens: Any = None) -> float:
        """Loss of stage 2 on series."""
