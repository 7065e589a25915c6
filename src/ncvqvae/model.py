"""NCVQVAE: both stages behind one scikit-learn estimator."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import Generator

from ncvqvae.codec import Codec
from ncvqvae.commands.narration import narrated
from ncvqvae.config import (
    CHOSEN_FOR_SAMPLES,
    Config,
    SamplingConfig,
    check_parts,
    different,
    from_dict,
    idle_in_draw,
    idle_settings,
    keeps_series,
    load_config,
    preset_names,
    to_dict,
)
from ncvqvae.data import TableForm, check_labels, frame_form, series_lengths
from ncvqvae.data.facts import TrainFacts
from ncvqvae.data.few import few_to_learn
from ncvqvae.embeddings import EmbeddingMethods
from ncvqvae.errors import InputError, shortened
from ncvqvae.fitting import checkpoint_folder, estimate, settled, settled_sampling, train_set, train_stage
from ncvqvae.generation.generator import SeriesGenerator
from ncvqvae.generation.methods import FillingMethods
from ncvqvae.generation.residuals import keep_residuals, kept_residuals
from ncvqvae.generation.samples import (
    DecodingSteps,
    Samples,
    as_given,
    check_length,
    checked_number,
    checked_seed,
    joined,
    resolved,
    sample_chunks,
)
from ncvqvae.hardware import resolve_device
from ncvqvae.prior.objective import masked_token_loss
from ncvqvae.prior.prior import Prior
from ncvqvae.report.methods import ShowingMethods, TrainSeries
from ncvqvae.storage.methods import SavingMethods
from ncvqvae.storage.model_files import ModelState
from ncvqvae.tokenizer.tokenizer import Tokenizer
from ncvqvae.training.auto import choose_flat_tolerance, choose_residual_scale
from ncvqvae.training.stages import Report, StageParts, TrainSet, prior_stage, tokenizer_stage


class NCVQVAE(EmbeddingMethods, FillingMethods, SavingMethods, ShowingMethods, BaseEstimator):
    """A model of labelled time series: it draws new ones (``sample``) and embeds given ones (``transform``).

    It has two networks. The tokenizer, trained with a non-contrastive self-supervised loss, turns a series into a grid
    of tokens and back. The prior draws such grids. A fitted model also fills gaps, extends, varies and scores series.

    Args:
        preset: recipe to start from: ``default`` for your data, ``paper`` or ``quick`` (a first look).
        ssl: ``none`` (naive VQVAE), ``barlowtwins``, ``vibcreg`` or a registered one; the preset's if not given.
        augmentation: ``none``, ``warp``, ``slice``, ``gauss``, ``auto`` or a registered one; the preset's if not given.
        seed: seed of everything drawn at random; the preset's if not given.
        settings: any other setting by its dotted name, for example ``{"prior.dropout": 0.1}``; the names are those of
            :class:`ncvqvae.config.Config`. Where they name one of the arguments above, the argument counts.
        config_file: a YAML file whose values override the preset's (and are overridden by the arguments).

    Attributes:
        classes_: distinct labels in sorted order; empty for unlabelled data.
        tokenizer_, prior_: the two networks, on the device that the setting ``device`` says.
        history_: loss terms during training, one dictionary a row.
        seconds_: training time of ``stage1`` and ``stage2``.
        asked_: settings as they were asked for.
        config_: what they became on the train split: plain numbers.

    Example:
        >>> from ncvqvae import NCVQVAE, load_dataset
        >>> X, y = load_dataset("GunPoint", split="train")
        >>> short = {"stage1.max_steps": 2, "stage2.max_steps": 2}  # leave it out to train until the end
        >>> model = NCVQVAE(preset="quick", settings=short).fit(X, y)
        >>> X_new, y_new = model.sample(5)
        >>> X_new.shape
        (5, 1, 150)
    """

    config_: Config
    tokenizer_: Tokenizer
    prior_: Prior
    form_: TableForm | None = None
    _last_generator: SeriesGenerator | None = None
    _in_training = False

    def __init__(
        self,
        preset: str = "default",
        *,
        ssl: str | None = None,
        augmentation: str | None = None,
        seed: int | None = None,
        settings: Mapping[str, Any] | None = None,
        config_file: str | Path | None = None,
    ) -> None:
        self.preset = preset
        self.ssl = ssl
        self.augmentation = augmentation
        self.seed = seed
        self.settings = settings
        self.config_file = config_file

    # ------------------------------------------------------------------ training

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        checkpoints: str | Path | None = None,
        logger: Any = None,
        report: Report | None = None,
        explain: Callable[[list[str]], None] | None = None,
        verbose: bool | None = None,
    ) -> NCVQVAE:
        """Train both stages.

        Args:
            X: series, (n_cases, n_channels, n_timepoints) or (n_cases, n_timepoints), a list of arrays of unequal
                lengths, or a table of values without labels; NaN where nothing was observed. A memory-mapped array is
                read batch by batch.
            y: labels (n_cases,) of any hashable kind; None for unlabelled series.
            checkpoints: folder for resumable checkpoints; one left by an interrupted training is continued.
            logger: a Lightning logger.
            report: called with stage, step, number of steps and loss terms while training; in a notebook the default
                shows a bar for each stage.
            explain: called before and after training with a line for each setting that was left to the data: what it
                became, and why.
            verbose: whether to print the expected time, what became of the settings, and the progress of both stages;
                by default where standard error is a terminal.

        Raises:
            InputError: if the series cannot be used.
        """
        prepared = self.prepare(X, y)
        facts = prepared.facts
        for line in (*self._idle(), *few_to_learn(facts.classes, facts.class_counts, facts.n_cases)):
            warnings.warn(line, stacklevel=2)
        with narrated(self, prepared, verbose, report, explain) as (report, explain):
            return self.fit_prepared(prepared, checkpoints=checkpoints, logger=logger, report=report, explain=explain)

    def prepare(self, X: Any, y: Any = None, *, checked: bool = False) -> TrainSet:
        """Everything that is known of the train split before training; for `fit_prepared` and `estimate_prepared`.

        A model that was fitted before is no longer fitted then, unless the series are refused.

        Args:
            X, y: as in :meth:`fit`.
            checked: the values have been checked, as those of ``load_splits`` are.

        Raises:
            InputError: if the series cannot be used.
        """
        asked = self._config()
        train = train_set(X, y, asked, checked=checked)
        form, fitted_on = frame_form(X, y), TrainSeries(train.series.X, check_labels(y, train.facts.n_cases))
        self._forget_networks()
        self.asked_ = asked
        self._take_facts(train.facts)
        self.scaler_, self.form_, self._fitted_on = train.series.scaler, form, fitted_on
        return train

    @config_context(transform_output="default")  # transformers within are asked for arrays, not tables
    def fit_prepared(
        self,
        train: TrainSet,
        *,
        checkpoints: str | Path | None = None,
        logger: Any = None,
        report: Report | None = None,
        explain: Callable[[list[str]], None] | None = None,
    ) -> NCVQVAE:
        """Train both stages on what `prepare` gave; arguments as in :meth:`fit`."""
        self._forget_networks()  # also those of a training that was interrupted
        self.config_, lines = settled(self.asked_, train)
        if explain is not None:
            explain(lines)
        folder = None if checkpoints is None else checkpoint_folder(checkpoints, self.asked_, train)
        self.history_: list[dict[str, float | str]] = []
        self.seconds_: dict[str, float] = {}
        config = self.config_
        self.tokenizer_, parts = tokenizer_stage(config, train)
        self._train("stage1", self.tokenizer_, parts, folder, logger, report)
        codec = self._codec_of_now()
        self.prior_, parts = prior_stage(config, train, codec)
        self._train("stage2", self.prior_, parts, folder, logger, report)
        explain = explain or (lambda lines: None)
        if config.tokenizer.keep_flat:
            tolerance = choose_flat_tolerance(codec, self._generator, train.series, config.seed)
            self.scaler_.flat_tolerance_ = tolerance.value
            if tolerance.value:
                within = f"values within {tolerance.value:g} standard deviations become one where a series is flat"
                explain([f"tokenizer.keep_flat: {within} ({tolerance.reason})"])
        embedding = config.embedding
        embedding.parts_weight = codec.keep_reduction(train.series, train.classes, embedding, config.seed)
        sampling = config.sampling
        if keeps_series(sampling):
            keep_residuals(self.tokenizer_, train.series, train.classes, config.seed)
        if sampling.residual_neighbours and sampling.residual_scale == "auto":
            sampling.residual_scale = self._choose_residual_scale()
        config.sampling = settled_sampling(codec, self._generator, sampling, train, config.seed, explain)
        self._in_training = False
        return self

    def _forget_networks(self) -> None:
        """From here until a training has ended the model is not fitted, so that no networks meet facts of others."""
        self._in_training = True
        for name in {"tokenizer_", "prior_", "config_", "history_", "seconds_", "_last_generator"} & vars(self).keys():
            delattr(self, name)

    def __sklearn_is_fitted__(self) -> bool:
        """Whether a training has ended, or the model was loaded."""
        return hasattr(self, "prior_") and not self._in_training

    def _train(
        self,
        stage: str,
        network: Tokenizer | Prior,
        parts: StageParts,
        checkpoints: Path | None,
        logger: Any,
        report: Report | None,
    ) -> None:
        device = resolve_device(self.config_.device)
        trained = train_stage(stage, network, parts, device, checkpoints, logger, report)
        self.history_ += trained.history
        self.seconds_[stage] = trained.seconds

    def estimate_seconds(self, X: Any, y: Any = None) -> dict[str, float]:
        """Expected seconds of ``stage1`` and ``stage2``, from three steps of each by networks that are then dropped.

        Where settings of sampling are chosen after training, ``sampling`` is the time of that.
        """
        config = self._config()
        return estimate(config, train_set(X, y, config))

    def estimate_prepared(self, train: TrainSet) -> dict[str, float]:
        """:meth:`estimate_seconds` of what `prepare` gave."""
        return estimate(self._config(), train)

    def __repr__(self, N_CHAR_MAX: int = 100) -> str:
        """What was asked for and what it was fitted on, in one short line."""
        asked = {"preset": self.preset, "ssl": self.ssl, "augmentation": self.augmentation, "seed": self.seed}
        parts = [f"{name}={value!r}" for name, value in asked.items() if value is not None]
        parts += [f"{name}=…" for name in ("settings", "config_file") if getattr(self, name)]
        fitted = ""
        if self.__sklearn_is_fitted__():
            facts = self.facts_
            fitted = f" fitted on {facts.n_cases} series of {facts.n_channels} x {facts.n_timepoints}"
        return shortened(f"NCVQVAE({', '.join(parts)}){fitted}", N_CHAR_MAX)

    def __getstate__(self) -> dict[str, Any]:
        """What is copied and pickled: all but the train split."""
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_fitted_on"}

    def _take_facts(self, facts: TrainFacts) -> None:
        self.facts_ = facts
        self.n_cases_, self.n_channels_, self.n_timepoints_ = facts.n_cases, facts.n_channels, facts.n_timepoints
        self.n_features_in_ = facts.n_timepoints * facts.n_channels
        self.classes_, self.class_counts_ = facts.classes, facts.class_counts

    @property
    def _given(self) -> dict[str, Any]:
        """Settings and arguments in one; the arguments count."""
        arguments = {"ssl": self.ssl, "augmentation": self.augmentation, "seed": self.seed}
        return {**(self.settings or {}), **{name: value for name, value in arguments.items() if value is not None}}

    def _idle(self) -> list[str]:
        """A line for each setting that was given and changes nothing beside the others."""
        return idle_settings(self.preset, file=self.config_file, settings=self._given)

    def _config(self) -> Config:
        config = load_config(self.preset, file=self.config_file, settings=self._given)
        resolve_device(config.device)  # a missing device is reported before any work
        return check_parts(config)

    def _choose_residual_scale(self) -> float:
        def as_given_out(scaled: np.ndarray) -> np.ndarray:
            return self.scaler_.transform(self.scaler_.inverse_transform(scaled))

        n_neighbours = self.config_.sampling.residual_neighbours
        return choose_residual_scale(self._generator, n_neighbours, self.config_.seed, as_given_out)

    @property
    def _codec(self) -> Codec:
        check_is_fitted(self)
        return self._codec_of_now()

    def _codec_of_now(self) -> Codec:
        """The codec also while the prior is not trained yet."""
        return Codec(self.facts_, self.scaler_, self.tokenizer_)

    @property
    def _generator(self) -> SeriesGenerator:
        """Generator of the current networks. It is kept because its copy check caches results."""
        kept = self._last_generator
        if kept is None or kept.tokenizer is not self.tokenizer_ or kept.prior is not self.prior_:
            kept = self._last_generator = SeriesGenerator(self.tokenizer_, self.prior_, self.facts_)
        return kept

    # ------------------------------------------------------------------ use

    def embed(self, tokens: Any) -> np.ndarray:
        """Embeddings (n_cases, d) of tokens (n_cases, N): their code vectors' mean; a token of -1 does not count."""
        return self._codec.embed(self._codec.checked_tokens(tokens))

    def encode(self, X: Any) -> np.ndarray:
        """Tokens (n_cases, N), int64, of series in their own units; -1 where nothing of a token's time was observed."""
        return self._codec.encode(self._codec.scaled(X)).numpy()

    def decode(self, tokens: Any) -> np.ndarray:
        """Series in their own units from tokens (n_cases, N).

        Raises:
            InputError: if the tokens do not fit the model.
        """
        given = self._codec.checked_tokens(tokens)
        return self._codec.in_units(self._generator.decode(given))

    def reconstruct(
        self, X: Any, *, residual_neighbours: int = 0, seed: int | None = None, tokens: Any = None
    ) -> np.ndarray:
        """``decode(encode(X))``, gaps filled; NaN behind the end of a shorter series.

        Args:
            X: series in their own units.
            residual_neighbours: add residuals as sampling does, see :class:`ncvqvae.config.SamplingConfig`.
            seed: seed of their draw; the model's own if not given.
            tokens: those of X where they are known, which saves encoding it again.

        Raises:
            InputError: if the series do not fit the model, or it keeps no residuals.
        """
        scaled = self._codec.scaled(X)
        known = self._codec.encode(scaled) if tokens is None else self._codec.checked_tokens(tokens)
        generator = Generator().manual_seed(self.config_.seed if seed is None else checked_seed(seed))
        changed = {**to_dict(self.config_.sampling), "residual_neighbours": residual_neighbours, "redraws": 0}
        config = self._resolved(from_dict(SamplingConfig, changed, "sampling."))
        lengths = series_lengths(scaled.X) if self.facts_.unequal else None
        return self._codec.in_units(self._generator.decode_fully(known, config, generator), lengths)

    def sample(
        self,
        n: int,
        labels: Any = None,
        *,
        unconditional: bool = False,
        length: int | None = None,
        seed: int | None = None,
        **sampling: Any,
    ) -> Samples:
        """Generate ``n`` new series; see :meth:`iter_samples` for the arguments.

        A seed gives the same series each time, and without one the seed is that of the fit: for other series, give
        another seed. A model that was fitted on a list of series of unequal lengths gives a list back, each without
        padding.
        """
        check_is_fitted(self)
        for line in idle_in_draw(sampling, self.config_.sampling, unconditional=unconditional):
            warnings.warn(line, stacklevel=2)
        made = joined(self.iter_samples(n, labels, unconditional=unconditional, length=length, seed=seed, **sampling))
        made = as_given(made, self.facts_)
        made.form = self.form_
        return made

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
        """Generate ``n`` new series in chunks, so that memory does not limit their number.

        Args:
            n: number of series.
            labels: one label for all, or one per series; by default a label is drawn for each, by the shares of the
                classes in the train split (label-first sampling).
            unconditional: return no labels; the setting ``sampling.hidden_class`` says whether each series is drawn for
                a class all the same.
            length: time steps of all series; by default each length is drawn from those of its class in the train
                split, where series differ in length. NaN stands after the end of a shorter series.
            seed: seed of the draw; the model's own if not given.
            first: leave out the series before this one, a multiple of ``sampling.chunk_size``.
            sampling: settings of :class:`ncvqvae.config.SamplingConfig` for this draw, for example ``n_steps=20``.

        Raises:
            InputError: if ``n`` is not positive, a label or setting is unknown, or ``length`` cannot be made.
        """
        check_is_fitted(self)
        check_length(length, self.facts_)
        n = checked_number(n)
        if unconditional and labels is not None:
            raise InputError("labels were given for unconditional sampling; leave out one of the two")
        changed = {**to_dict(self.config_.sampling), **sampling}
        asked = from_dict(SamplingConfig, changed, "sampling.")
        yield from sample_chunks(
            self._generator,
            self._codec,
            self._resolved(asked),
            n,
            labels,
            unconditional=unconditional,
            length=length,
            seed=self.config_.seed if seed is None else checked_seed(seed),
            first=first,
        )

    def _resolved(self, config: SamplingConfig) -> SamplingConfig:
        chosen = {
            name: getattr(self.config_.sampling, name)
            for name in CHOSEN_FOR_SAMPLES
            if getattr(self.asked_.sampling, name) == "auto" != getattr(self.config_.sampling, name)
        }
        return resolved(config, kept_residuals(self.tokenizer_), chosen)

    def decoding_steps(self, n: int, seed: int | None = None) -> DecodingSteps:
        """How sure the prior is, step by step, while it draws ``n`` token grids, label-first where there are labels.

        Mass near 1 from the first steps on shows a prior that recites its training tokens (thesis, results, 0.2.5).

        Raises:
            InputError: if ``n`` is not positive, or the seed is none.
        """
        check_is_fitted(self)
        n = checked_number(n)
        generator = Generator().manual_seed(self.config_.seed if seed is None else checked_seed(seed))
        indices = self._generator.draw_classes(n, generator)
        config = replace(self.config_.sampling, kept_share=0.0)  # tokens of a training series say nothing of the prior
        grids = self._generator.draw_grids(indices, config, generator).grids
        return DecodingSteps(grids.probabilities.cpu().numpy(), grids.entropies.cpu().numpy())

    def reconstruction_loss(self, X: Any, *, tokens: Any = None) -> float:
        """Reconstruction loss of the thesis, MSE(x, x_hat) + MSE(u, u_hat), in scaled units over observed values.

        Args:
            X: series in their own units.
            tokens: those of X where they are known, which saves encoding it again.
        """
        known = None if tokens is None else self._codec.checked_tokens(tokens)
        return self._codec.reconstruction_loss(self._codec.scaled(X), known)

    def prior_loss(self, X: Any, y: Any = None, *, tokens: Any = None) -> float:
        """Prior loss of the thesis: cross-entropy in nats on randomly masked tokens of the series, class given.

        Args:
            X: series in their own units.
            y: their labels.
            tokens: those of X where they are known, which saves encoding it again.
        """
        scaled = self._codec.scaled(X)
        special = self._codec.special_tokens(scaled, self.prior_.mask_token, self.prior_.absent_token)
        known = self._codec.encode(scaled) if tokens is None else self._codec.checked_tokens(tokens)
        classes = torch.from_numpy(self.facts_.class_indices(y, len(known)))
        return masked_token_loss(self.prior_, torch.maximum(known, special), classes)

    # ------------------------------------------------------------------ files

    @property
    def _state(self) -> ModelState:
        check_is_fitted(self)
        return ModelState(
            self.preset,
            self.asked_,
            self.config_,
            self.facts_,
            self.scaler_,
            self.seconds_,
            self.tokenizer_,
            self.prior_,
        )

    @classmethod
    def _of_state(cls, state: ModelState) -> Self:
        model = cls(state.preset, **_arguments(state.preset, state.asked))
        model.asked_, model.config_ = state.asked, state.config
        model._take_facts(state.facts)
        model.scaler_ = state.scaler
        model.tokenizer_, model.prior_ = state.tokenizer, state.prior
        model.seconds_, model.history_ = state.seconds, []
        return model


def _arguments(preset: str, asked: Config) -> dict[str, Any]:
    """Arguments of an estimator of the preset that asks for these settings: no more than differs from the preset.

    So whoever changes one of them, or the preset, changes what is fitted.
    """
    if preset not in preset_names():  # of another version; the model can be used all the same
        return {"settings": to_dict(asked)}
    base = load_config(preset, settings={"ssl": asked.ssl})  # a preset may have other settings without an SSL loss
    settings = different(to_dict(asked), to_dict(base))
    arguments = {name: settings.pop(name, None) for name in ("augmentation", "seed")}
    ssl = None if asked.ssl == load_config(preset).ssl else asked.ssl
    return {"ssl": ssl, **arguments, "settings": settings or None}
