"""Generated series and their labels, chunk by chunk, as users ask for them."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import torch
from torch import Generator

from ncvqvae.codec import Codec
from ncvqvae.config import CHOSEN_FOR_SAMPLES, KEEPS_SERIES, SamplingConfig
from ncvqvae.data import TableForm, series_frame, series_lengths
from ncvqvae.data.facts import TrainFacts
from ncvqvae.errors import InputError
from ncvqvae.generation.generator import SeriesGenerator
from ncvqvae.generation.residuals import Residuals

if TYPE_CHECKING:
    import pandas as pd

MAX_SERIES = 10**9
"""Series of one draw; a hundred million take days."""


class _Pair(NamedTuple):
    X: np.ndarray
    y: np.ndarray | None


class Samples(_Pair):
    """Generated series ``X`` in the units and shape of the training data, and their labels ``y``.

    The labels are None where the series are unconditional.

    Attributes:
        form: columns of the table that the model was fitted on; None where it was no table.
    """

    form: TableForm | None = None

    def to_frame(self) -> pd.DataFrame:
        """The series as a pandas table, in the columns of the table that the model was fitted on.

        A table with a row for each series gives such rows back, one with a row for each time step gives those, with ids
        and times made up as the input had them. Labels stand in a column with the name that they had. Without such a
        table the columns are ``label``, then ``t0 …``, or ``c0_t0 …`` for several channels.

        Example:
            >>> Samples(np.zeros((2, 1, 3)), np.array(["up", "down"])).to_frame().columns.tolist()
            ['label', 't0', 't1', 't2']
        """
        return series_frame(self.X, self.y, self.form)


class DecodingSteps(NamedTuple):
    """Probability of each token when it was selected (T, n, N), nan where none was; entropy of the unknown ones (T,).

    The entropy is the mean over the places still masked before the step, in nats.
    """

    probabilities: np.ndarray
    entropies: np.ndarray


def joined(parts: Iterable[Samples]) -> Samples:
    """Join the chunks of :meth:`NCVQVAE.iter_samples` into one."""
    parts = list(parts)
    y = None if parts[0].y is None else np.concatenate([part.y for part in parts if part.y is not None])
    return Samples(np.concatenate([part.X for part in parts]), y)


def as_given(made: Samples, facts: TrainFacts) -> Samples:
    """The samples, with a list of series without padding in place of an array where the training series were a list."""
    if not facts.listed:
        return made
    lengths = series_lengths(made.X[:, None] if facts.flat else made.X)
    return Samples(cast(Any, [x[..., :end] for x, end in zip(made.X, lengths, strict=True)]), made.y)


def sample_chunks(
    generator: SeriesGenerator,
    codec: Codec,
    config: SamplingConfig,
    n: int,
    labels: Any,
    *,
    unconditional: bool,
    length: int | None,
    seed: int,
    first: int,
) -> Iterator[Samples]:
    """Series and labels, ``config.chunk_size`` at a time; see :meth:`NCVQVAE.iter_samples` for the arguments.

    What a chunk holds depends on the seed and on its place alone.
    """
    facts, size = codec.facts, config.chunk_size
    wanted = None if labels is None else torch.from_numpy(facts.wanted_classes(labels, n))
    for start in range(first, n, size):
        count, chunk = min(size, n - start), start // size
        source = Generator().manual_seed(int(np.random.SeedSequence([seed, 3, chunk]).generate_state(1)[0]))
        if unconditional and not config.hidden_class:
            indices = torch.full((count,), facts.n_classes)
        elif wanted is not None:
            indices = wanted[start : start + count]
        else:
            indices = generator.draw_classes(count, source)
        drawn = generator.draw(indices, config, source, length)
        X = codec.in_units(*drawn)
        yield Samples(X, None if unconditional or not facts.n_classes else facts.classes[indices.numpy()])


def checked_number(n: Any) -> int:
    """A number of series to generate.

    Raises:
        InputError: if it is not whole, not positive, or too large.
    """
    try:
        n = operator.index(n)
    except TypeError:
        raise InputError(f"cannot generate {n!r} series; give a whole number") from None
    if not 1 <= n <= MAX_SERIES:
        shown = n if abs(n) < 10**40 else "so many"
        raise InputError(f"cannot generate {shown} series; give a number from 1 to {MAX_SERIES:,}")
    return n


def checked_seed(seed: Any) -> int:
    """A seed of a draw.

    Raises:
        InputError: if it is no whole number from 0 to 2**63 - 1.
    """
    try:
        number = -1 if isinstance(seed, bool) else operator.index(seed)
    except TypeError:
        number = -1
    if not 0 <= number < 2**63:
        raise InputError(f"seed {seed!r:.40}: give a whole number from 0 to {2**63 - 1}")
    return number


def check_length(length: int | None, facts: TrainFacts) -> None:
    """Refuse a length that series of this train split cannot have.

    Raises:
        InputError: naming those that they can have.
    """
    if length is None:
        return
    try:
        length = operator.index(length)
    except TypeError:
        raise InputError(f"length {length!r:.40}: give a whole number of time steps") from None
    if not facts.unequal and length != facts.n_timepoints:
        raise InputError(f"length {length}: this model's series all have length {facts.n_timepoints}; leave it out")
    if not 1 <= length <= facts.n_timepoints:
        raise InputError(f"length {length}: give a number from 1 to {facts.n_timepoints}, the longest in training")


def resolved(config: SamplingConfig, residuals: Residuals | None, chosen: Mapping[str, Any]) -> SamplingConfig:
    """The settings with what the fit chose in place of "auto".

    Args:
        config: the settings of a draw.
        residuals: what the model keeps of training series.
        chosen: value of each setting that was chosen.

    Raises:
        InputError: if they need residuals, or a choice, that the model does not have.
    """
    needless = () if config.residual_neighbours else ("residual_scale",)
    open_ones = [name for name in CHOSEN_FOR_SAMPLES if getattr(config, name) == "auto" and name not in needless]
    for name in open_ones:
        if name not in chosen:
            raise InputError(
                f"sampling.{name} auto: this model was fitted with a number, and has chosen none; give a number"
            )
    config = replace(config, **{name: chosen[name] for name in open_ones})
    for name in KEEPS_SERIES:
        value = getattr(config, name)
        if value and residuals is None:
            raise InputError(
                f"sampling.{name} {value}: this model was fitted with 0 and keeps no training series; fit it with this "
                "setting, or leave it out"
            )
    if config.kept_share and residuals is not None and residuals.classes is None:
        raise InputError("sampling.kept_share: this model is older than this setting; fit it again, or leave it out")
    return config
