"""Metrics of a trained model itself: its tokens, embeddings, losses and training time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ncvqvae.commands.encoded import Encoded, EncodedSets
from ncvqvae.data import Splits
from ncvqvae.evaluation.diversity import repeated_share
from ncvqvae.evaluation.probes import probe_accuracy, token_embeddings
from ncvqvae.evaluation.representation import asked, features_without_model, representation_metrics
from ncvqvae.evaluation.sets import RealData
from ncvqvae.evaluation.tokens import token_usage
from ncvqvae.generation.trained import TrainedModel
from ncvqvae.labels import sorted_classes


def token_metrics(model: TrainedModel, encoded: EncodedSets) -> dict[str, float]:
    """Perplexity of the codes in train, test and generated series, dead codes, and repeated token sequences.

    Repeats are looked for in the series as decoded from their tokens: what the tokenizer leaves out would stand
    between a copy and its original.
    """
    metrics = code_metrics(model, train=encoded.train, test=encoded.test, generated=encoded.made)
    train, test, made = (model.encode(part.reconstruction) for part in encoded)
    return metrics | {
        "repeated_tokens": repeated_share(made, train),
        "repeated_tokens_real": repeated_share(test, train),
    }


def code_metrics(model: TrainedModel, **parts: Encoded) -> dict[str, float]:
    """Perplexity of the codes in sets of these names, and how many codes are dead in ``train``."""
    n_codes = len(model.tokenizer_.codebook)
    usage = {name: token_usage(part.tokens, n_codes) for name, part in parts.items()}
    metrics = {f"perplexity_{name}": found.perplexity for name, found in usage.items()}
    return metrics | {"dead_codes": float(usage["train"].dead_codes)}


def embedding_metrics(of_train: Encoded, of_test: Encoded, real: RealData, seed: int) -> dict[str, float]:
    """What the embeddings that ``transform`` gives are good for, beside features that need no model."""
    assert real.y_train is not None and real.y_test is not None
    train, test = asked(len(real.X_train), seed), asked(len(real.X_test), seed)
    n_classes = len(sorted_classes(real.y_train))
    others = features_without_model(real.X_train[train], real.X_test[test], seed, n_classes)
    Z = of_train.embedding[train], of_test.embedding[test]
    return representation_metrics(Z, real.y_train[train], real.y_test[test], others, seed)


def _of_bands(tokens: Sequence[Tensor], codebook: np.ndarray) -> dict[str, np.ndarray]:
    """:func:`token_embeddings` of each band's tokens (n, N), side by side."""
    of_bands = [token_embeddings(own.numpy(), codebook) for own in tokens]
    return {suffix: np.concatenate([found[suffix] for found in of_bands], axis=1) for suffix in of_bands[0]}


def tokenizer_metrics(model: TrainedModel, splits: Splits, of_train: Encoded, of_test: Encoded) -> dict[str, float]:
    """Reconstruction and probes on the test split, and the seconds of training of stage 1."""
    metrics = {"val_recon": model.reconstruction_loss(splits.X_test, tokens=of_test.tokens)}
    if splits.y_train is not None and splits.y_test is not None and len(model.classes_) > 1:
        codebook = model.tokenizer_.codebook.cpu().numpy()
        train, test = (
            _of_bands(model.tokenizer_.coarsest(torch.from_numpy(part.tokens)), codebook)
            for part in (of_train, of_test)
        )
        for suffix, embedding in train.items():
            probes = probe_accuracy(embedding, splits.y_train, test[suffix], splits.y_test)
            metrics |= {f"{name}{suffix}": score for name, score in probes._asdict().items() if score == score}
    return metrics | {"stage1_seconds": model.seconds_["stage1"]}


def prior_metrics(model: TrainedModel, splits: Splits, of_test: Encoded) -> dict[str, float]:
    """Loss of the prior on the test split, and the seconds of training of stage 2."""
    loss = model.prior_loss(splits.X_test, splits.y_test, tokens=of_test.tokens)
    return {"prior_loss": loss, "stage2_seconds": model.seconds_["stage2"]}
