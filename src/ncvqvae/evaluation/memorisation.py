"""Does a generator copy its training series? Every metric of copies and variety, with its value for real data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ncvqvae.evaluation.diversity import (
    ClassSpread,
    CopiedShare,
    authentic_share,
    copied_share,
    intra_class_spread,
    near_duplicate_share,
)
from ncvqvae.evaluation.neighbours import nearest_distances

MIN_OF_CLASS = 5
"""Least number of training series of a class that counts for `copied_worst_class`; few series are always imitated."""


class RawSeries(NamedTuple):
    """Generated, training and held-out series (n, C, L) that have not gone through a tokenizer."""

    made: np.ndarray
    train: np.ndarray
    heldout: np.ndarray


@dataclass(frozen=True)
class Memorisation:
    """What `memorisation` measures.

    Attributes:
        metrics: `copied`, `copied_worst_class`, `copied_unconditional`, `authpct`, `spread`, `near_duplicates`; the
            values for real data have the suffix `_real`. `copied_raw` is there if raw series were given.
        copied: copies over all classes and per class, with the distances behind them.
        spread: label → spread within the class, generated against held-out (without labels, one class named None).
        spread_real: the same for the train split against held-out.
    """

    metrics: dict[str, float]
    copied: CopiedShare
    spread: dict[Hashable, ClassSpread]
    spread_real: dict[Hashable, ClassSpread]


def memorisation(
    made: np.ndarray,
    train: np.ndarray,
    heldout: np.ndarray,
    *,
    unconditional: np.ndarray | None = None,
    raw: RawSeries | None = None,
    y_made: np.ndarray | None = None,
    y_train: np.ndarray | None = None,
    y_heldout: np.ndarray | None = None,
    seed: int = 0,
) -> Memorisation:
    """Copies of training series, authenticity, spread and near-duplicates, beside the same metrics for real data.

    Args:
        made: generated series (n, C, L).
        train: training series, through the generator's tokenizer where it has one (see `copied_share`).
        heldout: real series that the generator has not seen, through the tokenizer as well.
        unconditional: series generated without a class, for `copied_unconditional`.
        raw: the same series without the tokenizer, for `copied_raw`.
        y_made, y_train, y_heldout: labels, for the metrics per class.
        seed: seed of random parts.
    """
    copied = copied_share(made, train, heldout, y_generated=y_made, y_heldout=y_heldout)
    spread, spread_real = (
        _spread(X, y, heldout, y_heldout if y_made is not None else None) for X, y in ((made, y_made), (train, y_train))
    )
    metrics = {
        "copied": copied.share,
        "copied_real": float((copied.heldout_distances <= copied.threshold).mean()),
        **_worst_class(copied, y_train),
        "authpct": authentic_share(made, train),
        "authpct_real": authentic_share(heldout, train),
        "spread": _mean_ratio(spread),
        "spread_real": _mean_ratio(spread_real),
        "near_duplicates": near_duplicate_share(made, heldout, seed=seed),
        "near_duplicates_real": near_duplicate_share(heldout, heldout, seed=seed),
    }
    if unconditional is not None:
        metrics["copied_unconditional"] = float((nearest_distances(unconditional, train) <= copied.threshold).mean())
    if raw is not None:
        metrics |= _copied_raw(raw, heldout)
    return Memorisation(metrics, copied, spread, spread_real)


def _copied_raw(raw: RawSeries, decoded_heldout: np.ndarray) -> dict[str, float]:
    """Share of copies among raw series; the value for real data is that of held-out series after the tokenizer."""
    copied = copied_share(raw.made, raw.train, raw.heldout)
    real = float((nearest_distances(decoded_heldout, raw.train) <= copied.threshold).mean())
    return {"copied_raw": copied.share, "copied_raw_real": real}


def _worst_class(copied: CopiedShare, y_train: np.ndarray | None) -> dict[str, float]:
    """Greatest share of copies in one class, generated and real; empty if no class is large enough."""
    counts = Counter([] if y_train is None else y_train.tolist())
    parts = {"copied_worst_class": copied.per_class, "copied_worst_class_real": copied.heldout_per_class}
    of_large = {
        name: [share for label, share in part.items() if counts[label] >= MIN_OF_CLASS] for name, part in parts.items()
    }
    return {name: max(shares) for name, shares in of_large.items() if shares}


def _spread(
    X: np.ndarray, y: np.ndarray | None, heldout: np.ndarray, y_heldout: np.ndarray | None
) -> dict[Hashable, ClassSpread]:
    if y is None or y_heldout is None:
        y, y_heldout = (np.full(len(part), None, dtype=object) for part in (X, heldout))
    return intra_class_spread(X, y, heldout, y_heldout)


def _mean_ratio(spread: dict[Hashable, ClassSpread]) -> float:
    return float(np.mean([of_class.ratio for of_class in spread.values()])) if spread else float("nan")
