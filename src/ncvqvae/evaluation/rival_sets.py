"""The sets that rivals make: as many series as the generator's, with the same labels."""

from __future__ import annotations

import numpy as np

from ncvqvae.evaluation.rivals import RIVALS, left_out, rival_series
from ncvqvae.evaluation.sets import Extent, GeneratedData, RealData, Wanted


def rivals_left_out(real: RealData, generated: GeneratedData, extent: Extent) -> dict[str, str]:
    """Rivals that `evaluate_samples` does not score, and why; empty if it was to score none."""
    return _left_out(real, wanted_labels(real, generated), extent) if extent.rivals else {}


def _left_out(real: RealData, wanted: Wanted, extent: Extent) -> dict[str, str]:
    n = len(wanted.judged) + (0 if wanted.for_cas is None else len(wanted.for_cas))
    return left_out(real.X_train, n, full=extent.full)


def wanted_labels(real: RealData, generated: GeneratedData) -> Wanted:
    """The labels of generated series, without those that train lacks; None for each where they have none."""
    X, y = generated.judged
    if y is None or real.y_train is None:
        return Wanted(np.full(len(X), None, dtype=object), None)
    known = set(real.y_train.tolist())
    judged, for_cas = (
        labels[[label in known for label in labels.tolist()]]
        for labels in (y, y[:0] if generated.y_for_cas is None else generated.y_for_cas)
    )
    return Wanted(judged, None if generated.for_cas is None else for_cas)


def rival_sets(real: RealData, wanted: Wanted, extent: Extent, seed: int) -> dict[str, GeneratedData]:
    """Series of each rival, as many as are wanted and with their labels."""
    labelled = real.y_train is not None and None not in wanted.judged.tolist()
    X, y = real.X_train, real.y_train if labelled else np.full(len(real.X_train), None, dtype=object)
    assert y is not None
    skipped, made = _left_out(real, wanted, extent), {}
    for name in [name for name in RIVALS if name not in skipped]:
        series = rival_series(name, X, y, wanted.judged, seed)
        if not labelled:
            made[name] = GeneratedData(unconditional=series)
        elif wanted.for_cas is None:
            made[name] = GeneratedData(labelled=series, y_labelled=wanted.judged)
        else:
            more = rival_series(name, X, y, wanted.for_cas, seed + 1)
            made[name] = GeneratedData(None, series, wanted.judged, more, wanted.for_cas)
    return made
