"""Both networks from the settings and the train split's sizes."""

from __future__ import annotations

from dataclasses import replace

from ncvqvae.config import PriorConfig, TokenizerConfig
from ncvqvae.data.facts import TrainFacts
from ncvqvae.prior.prior import Prior
from ncvqvae.tokenizer.tokenizer import Tokenizer
from ncvqvae.training.auto import codebook_size, input_mode, linear_rank


def build_tokenizer(config: TokenizerConfig, facts: TrainFacts) -> Tokenizer:
    """An untrained tokenizer for series such as those of the train split."""
    n_codes = codebook_size(config, facts.n_cases, facts.n_timepoints, facts.n_classes)
    return Tokenizer(replace(config, codebook_size=n_codes), facts.n_channels, facts.n_timepoints)


def build_prior(config: PriorConfig, tokenizer: Tokenizer, facts: TrainFacts) -> Prior:
    """An untrained prior over the tokens of ``tokenizer``; it starts from the codebook."""
    rank, mode = linear_rank(config, facts.n_cases), input_mode(config, len(tokenizer.codebook))
    plain = replace(config, linear_rank=rank, input_mode=mode)
    return Prior(plain, tokenizer.codebook, tokenizer.n_tokens, facts.n_classes, facts.unequal)
