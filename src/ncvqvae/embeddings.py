"""A fitted model as a transformer, from series to embeddings: methods of :class:`ncvqvae.model.NCVQVAE`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ncvqvae.codec import Codec
from ncvqvae.config import Config, EmbeddingConfig, EmbeddingKind, from_dict, to_dict
from ncvqvae.errors import InputError
from ncvqvae.tokenizer.tokenizer import Tokenizer


class _Embeddings(TransformerMixin, ABC):
    """Embeddings of the kind that the settings say, which scikit-learn names and puts into what ``set_output`` asks."""

    config_: Config
    tokenizer_: Tokenizer

    @property
    @abstractmethod
    def _codec(self) -> Codec: ...

    def transform(self, X: Any) -> np.ndarray:
        """Embeddings (n_cases, d) of series."""
        scaled = self._codec.scaled(X)
        if self._embedding() == "tokens":
            return self._codec.embed(self._codec.encode(scaled))
        return self._codec.embeddings(scaled)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of what :meth:`transform` gives: ``z_0``, ``z_1`` and so on.

        Args:
            input_features: not used; scikit-learn's pipelines give it.
        """
        check_is_fitted(self)
        reduction = self.tokenizer_.reduction
        if self._embedding() == "tokens" or reduction is None:
            size = self._codec.token_embedding_size
        else:
            size = reduction.axes.shape[1]
        return np.array([f"z_{i}" for i in range(size)], dtype=object)

    def _embedding(self, kind: EmbeddingKind | None = None) -> EmbeddingKind:
        """The kind of embedding that was asked for, or else that of the settings."""
        changed = {} if kind is None else {"kind": kind}
        asked = from_dict(EmbeddingConfig, {**to_dict(self.config_.embedding), **changed}, "embedding.").kind
        if asked == "encoder" and self.tokenizer_.reduction is None:
            raise InputError("this model is older than embeddings by the encoder; fit it again, or ask for tokens")
        return asked


class EmbeddingMethods(_Embeddings, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Embed series. Scikit-learn wraps what the class above gives; names would be those of the setting's kind here."""

    def transform(self, X: Any, *, embedding: EmbeddingKind | None = None) -> np.ndarray:
        """Embeddings (n_cases, d), float32, of series in their own units; what was not observed does not count.

        Args:
            X: series in their own units.
            embedding: ``encoder`` for statistics of every level of the encoder, reduced to what varies most in the
                train split; ``tokens`` for the mean of the code vectors, as in the thesis's probes; by default what the
                setting ``embedding.kind`` says.

        Raises:
            InputError: if the series do not fit the model, or it was saved before it had embeddings by the encoder.
        """
        check_is_fitted(self)
        asked = copy(self)  # a model of the other kind, so that names are of that kind
        asked.config_ = replace(
            self.config_, embedding=replace(self.config_.embedding, kind=self._embedding(embedding))
        )
        return super(EmbeddingMethods, asked).transform(X)
