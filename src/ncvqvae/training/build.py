"""Both networks from the settings and the train split's sizes."""

from __future__ import annotations

from ncvqvae.config import PriorConfig, TokenizerConfig
from ncvqvae.data.facts import TrainFacts
from ncvqvae.prior.prior import Prior
from ncvqvae.tokenizer.tokenizer import Tokenizer


def build_tokenizer(config: TokenizerConfig, facts: TrainFacts) -> Tokenizer:
    """An untrained tokenizer for series such as those of the train split."""
    return Tokenizer(config, facts.n_channels, facts.n_timepoints)


def build_prior(config: PriorConfig, tokenizer: Tokenizer, facts: TrainFacts) -> Prior:
    """An untrained prior over the tokens of ``tokenizer``; it starts from the codebook."""
    return Prior(config, tokenizer.codebook, tokenizer.n_tokens, facts.n_classes, facts.unequal)
