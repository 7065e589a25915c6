"""What a fitted model does with series of which a part is known: methods of :class:`ncvqvae.model.NCVQVAE`."""

from __future__ import annotations

import operator
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from ncvqvae.codec import Codec
from ncvqvae.config import OF_WHOLE_SERIES, Config, SamplingConfig, from_dict, idle_in_draw, to_dict
from ncvqvae.data import ScaledSeries, check_series, cut_or_pad, series_lengths
from ncvqvae.errors import InputError
from ncvqvae.generation.draws import Draws, is_share, joined_draws
from ncvqvae.generation.filling import Filler, Known
from ncvqvae.generation.generator import SeriesGenerator
from ncvqvae.generation.samples import Samples, as_given, checked_seed, joined

MAX_COUNT = 10**6
"""Greatest number of draws, masks or steps that can be asked for."""


class FillingMethods(ABC):
    """Fill gaps, extend, vary and score series.

    The prior has learned to draw masked tokens from the others. All methods here use that, without any training.
    """

    config_: Config

    @property
    @abstractmethod
    def _codec(self) -> Codec: ...

    @property
    @abstractmethod
    def _generator(self) -> SeriesGenerator: ...

    @abstractmethod
    def _resolved(self, config: SamplingConfig) -> SamplingConfig: ...

    def impute(self, X: Any, y: Any = None, *, n_draws: int = 20, seed: int | None = None, **sampling: Any) -> Draws:
        """Fill gaps (NaN) with values that the prior draws from the rest of each series; what was observed stays.

        A token is drawn if more than a quarter of its time is missing. Decoded values are moved so that they meet the
        observed ones at the borders of a gap.

        Args:
            X: series in their own units, NaN in the gaps. In a list a series ends where its array does. In an array, a
                series of a model of unequal lengths ends at its last observed value, else at the last time step.
            y: their labels, or one for all; without them gaps are filled without a class.
            n_draws: number of draws. More draws make mean, median and quantiles steadier.
            seed: seed of the draws; the model's own if not given.
            sampling: settings of :class:`ncvqvae.config.SamplingConfig` for these draws, for example ``n_steps=20``,
                but for those of whole series: ``kept_share``, ``time_warp``, ``hidden_class`` and the redraws.

        Raises:
            InputError: if the series do not fit the model, a series has no value at all, a label or setting is
                unknown, or the seed is none.

        Example:
            >>> filled = model.impute(X)  # doctest: +SKIP
            >>> X_filled, low, high = filled.median(), filled.quantile(0.1), filled.quantile(0.9)  # doctest: +SKIP
        """
        return joined_draws(self.iter_impute(X, y, n_draws=n_draws, seed=seed, **sampling))

    def iter_impute(
        self, X: Any, y: Any = None, *, n_draws: int = 20, seed: int | None = None, **sampling: Any
    ) -> Iterator[Draws]:
        """:meth:`impute` in chunks of consecutive series, so that memory limits neither draws nor series."""
        yield from self._filler(seed, sampling).fill(self._known(X, y), _at_least_one(n_draws, "n_draws"))

    def extend(
        self, X: Any, n_steps: int, /, y: Any = None, *, n_draws: int = 20, seed: int | None = None, **sampling: Any
    ) -> Draws:
        """The series, each with ``n_steps`` more time steps behind its end, as the prior would go on.

        This is a forecast where series begin at the same moment (a beat, a day), or are windows of a recording. A
        series cannot become longer than those of the train split. Gaps within a series are filled, too.

        Args:
            X: series in their own units, shorter than those of the train split, also of unequal lengths. In a list a
                series ends where its array does, in an array at its last observed value.
            n_steps: time steps to add; as a keyword ``n_steps`` is the setting of sampling.
            y, n_draws, seed, sampling: as in :meth:`impute`.

        Raises:
            InputError: as in :meth:`impute`, or if a series would become too long.
        """
        return joined_draws(self.iter_extend(X, n_steps, y, n_draws=n_draws, seed=seed, **sampling))

    def iter_extend(
        self, X: Any, n_steps: int, /, y: Any = None, *, n_draws: int = 20, seed: int | None = None, **sampling: Any
    ) -> Iterator[Draws]:
        """:meth:`extend` in chunks of consecutive series; all chunks have the same number of time steps."""
        n_steps, known = _at_least_one(n_steps, "n_steps"), self._known(X, y, to_extend=True)
        longest, limit = int(known.lengths.max()), self._codec.facts.n_timepoints
        if longest + n_steps > limit:
            raise InputError(
                f"series of {longest} time steps and {n_steps} more make {longest + n_steps}; those of this model have "
                f"at most {limit}: give fewer steps, or shorter series"
            )
        extended = known._replace(lengths=known.lengths + n_steps)
        for part in self._filler(seed, sampling).fill(extended, _at_least_one(n_draws, "n_draws")):
            yield Draws(part.values[..., : longest + n_steps], part.given[..., : longest + n_steps], part.lengths)

    def vary(
        self, X: Any, y: Any = None, *, share: float = 0.6, n: int = 1, seed: int | None = None, **sampling: Any
    ) -> Samples:
        """New series near given ones: each keeps a random ``share`` of the tokens, and the prior draws the others.

        Args:
            X: series in their own units; gaps are filled.
            y: their labels, or one for all, which the new series get; without them they are drawn without a class.
            share: share of the tokens to keep, from 0 (a new series of the class) to 1 (a reconstruction).
            n: new series for each given one; those of the first come first.
            seed: seed of the draw; the model's own if not given.
            sampling: as in :meth:`impute`.

        Raises:
            InputError: as in :meth:`impute`, or if ``share`` is not between 0 and 1.
        """
        return as_given(joined(self.iter_vary(X, y, share=share, n=n, seed=seed, **sampling)), self._codec.facts)

    def iter_vary(
        self, X: Any, y: Any = None, *, share: float = 0.6, n: int = 1, seed: int | None = None, **sampling: Any
    ) -> Iterator[Samples]:
        """:meth:`vary` in chunks, ``n`` new series for each of some consecutive given ones."""
        if not is_share(share):
            raise InputError(f"share {share!r:.40} of the tokens; give a number from 0 to 1")
        yield from self._filler(seed, sampling).vary(self._known(X, y), share, _at_least_one(n, "n"))

    def score_samples(self, X: Any, y: Any = None, *, n_masks: int = 32, seed: int | None = None) -> np.ndarray:
        """Log-likelihood per token in nats of each series (n_cases,), a lower bound; low values are outliers.

        This is (1 / N) log p of the N tokens of a series under the prior, estimated from random masks, see
        :func:`ncvqvae.prior.objective.token_log_likelihoods`. It judges what the tokens say of a series: noise that the
        tokenizer leaves out does not count. Tokens of gaps do not count either.

        Args:
            X: series in their own units.
            y: their labels, or one for all: how likely is each series *in its class*? Without them no class is given.
            n_masks: random masks; the error of the estimate falls with their root.
            seed: seed of the masks, which are the same for all series; the model's own if not given.

        Raises:
            InputError: as in :meth:`impute`.
        """
        return self._filler(seed, {}).score(self._known(X, y), _at_least_one(n_masks, "n_masks"))

    def _filler(self, seed: int | None, sampling: dict[str, Any]) -> Filler:
        codec = self._codec
        settings = to_dict(self.config_.sampling)
        for name in OF_WHOLE_SERIES:
            if name in sampling:
                allowed = ", ".join(other for other in settings if other not in OF_WHOLE_SERIES)
                raise InputError(f"sampling.{name} is of series drawn as a whole; leave it out (allowed: {allowed})")
        for line in idle_in_draw(sampling, self.config_.sampling):
            warnings.warn(line, stacklevel=2)
        changed = {**settings, **sampling, "redraws": 0}
        config = self._resolved(from_dict(SamplingConfig, changed, "sampling."))
        return Filler(codec, self._generator, config, self.config_.seed if seed is None else checked_seed(seed))

    def _known(self, X: Any, y: Any, *, to_extend: bool = False) -> Known:
        codec = self._codec
        facts, series = codec.facts, check_series(X, min_cases=1)
        in_list = isinstance(X, (list, tuple)) and np.ndim(X[0]) > 0
        ends = np.array([np.shape(case)[-1] for case in X]) if in_list else series_lengths(series)
        if not facts.unequal and not to_extend:
            ends = np.full(len(series), facts.n_timepoints)
        if to_extend and series.shape[-1] < facts.n_timepoints:
            series = cut_or_pad(series, facts.n_timepoints)
        scaled: ScaledSeries = codec.scaled(series)
        classes = np.full(len(series), facts.n_classes) if y is None else facts.wanted_classes(y, len(series))
        return Known(scaled, ends, torch.from_numpy(classes))


def _at_least_one(value: Any, name: str) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise InputError(f"{name} {value!r}: give a whole number") from None
    if number < 1:
        raise InputError(f"{name} {number}: give a number of at least 1")
    if number > MAX_COUNT:
        raise InputError(f"{name} is too large; give a number up to {MAX_COUNT:,}")
    return number
