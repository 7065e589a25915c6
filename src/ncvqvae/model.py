"""NCVQVAE: both stages behind one scikit-learn estimator."""

from __future__ import annotations

import copy
import hashlib
import operator
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted
from torch import Generator, Tensor, nn

from ncvqvae.augmentations import augment_observed, augment_share
from ncvqvae.config import Config, SamplingConfig, check_parts, from_dict, load_config, read_yaml, to_dict
from ncvqvae.data import (
    GlobalScaler,
    ScaledSeries,
    beyond,
    case_chunks,
    check_labels,
    check_series,
    cut_or_pad,
    length_counts,
    lengths_from_state,
    lengths_to_state,
    series_lengths,
)
from ncvqvae.errors import InputError
from ncvqvae.files import replaced
from ncvqvae.generation.generator import CHUNK, SeriesGenerator
from ncvqvae.generation.residuals import Residuals, n_kept
from ncvqvae.hardware import keep_freed_pages, resolve_precision
from ncvqvae.labels import check_storable, count_classes, labels_from_state
from ncvqvae.prior.decoding import draw_tokens
from ncvqvae.prior.objective import PriorObjective, masked_token_loss, token_temperature
from ncvqvae.prior.prior import Prior, linear_rank
from ncvqvae.storage.hub import local_folder, upload
from ncvqvae.storage.weights import check_weights, load_stage, load_weights, save_stage, write_weights
from ncvqvae.tokenizer.objective import TokenizerObjective, warped_share
from ncvqvae.tokenizer.tokenizer import Tokenizer, codebook_size, observed_error, reconstruction_error
from ncvqvae.training.auto import choose_augmentation
from ncvqvae.training.notebook import NotebookProgress, in_notebook

if TYPE_CHECKING:  # Lightning takes seconds to import, and only training needs it
    from ncvqvae.training.loop import Plan

FORMAT = 1
"""Version of the files that :meth:`NCVQVAE.save_pretrained` writes."""

Report = Callable[[str, int, int, dict[str, float]], None]


class DecodingSteps(NamedTuple):
    """Probability of each token when it was selected (T, n, N), nan where none was; entropy of the unknown ones (T,).

    The entropy is the mean over the places still masked before the step, in nats.
    """

    probabilities: np.ndarray
    entropies: np.ndarray


class Samples(NamedTuple):
    """Generated series in the units and shape of the training data, and their labels (None where unconditional)."""

    X: np.ndarray
    y: np.ndarray | None


def joined(parts: Iterable[Samples]) -> Samples:
    """What :meth:`NCVQVAE.iter_samples` gave, in one array."""
    parts = list(parts)
    y = None if parts[0].y is None else np.concatenate([part.y for part in parts if part.y is not None])
    return Samples(np.concatenate([part.X for part in parts]), y)


class NCVQVAE(TransformerMixin, BaseEstimator):
    """Tokenizer with a non-contrastive self-supervised loss, and a masked prior over its tokens.

    Args:
        preset: recipe to start from: ``default``, ``paper`` or ``quick``.
        ssl: ``none`` (naive VQVAE), ``barlowtwins``, ``vibcreg`` or a registered one; the preset's if not given.
        augmentation: ``none``, ``warp``, ``slice``, ``gauss``, ``auto`` or a registered one; the preset's if not given.
        seed: seed of everything drawn at random; the preset's if not given.
        settings: any other setting by its dotted name, for example ``{"prior.dropout": 0.1}``; the names are those of
            :class:`ncvqvae.config.Config`.
        config_file: a YAML file whose values override the preset's (and are overridden by the arguments).

    Attributes:
        classes_: distinct labels in sorted order; empty for unlabelled data.
        tokenizer_, prior_: the two networks.
        history_: loss terms during training, one dictionary a row.
        seconds_: training time of ``stage1`` and ``stage2``.
        residual_scale_: factor of the residuals that ``sampling.residual_scale: auto`` chose, else None.

    Example:
        >>> from ncvqvae import NCVQVAE, load_dataset
        >>> X, y = load_dataset("GunPoint", split="train")
        >>> model = NCVQVAE(preset="quick").fit(X, y)  # doctest: +SKIP
        >>> X_new, y_new = model.sample(500)  # doctest: +SKIP
    """

    residual_scale_: float | None
    _last_generator: SeriesGenerator | None = None

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
    ) -> NCVQVAE:
        """Train both stages.

        Args:
            X: series, (n_cases, n_channels, n_timepoints) or (n_cases, n_timepoints), or a list of arrays of unequal
                lengths; NaN where nothing was observed. A memory-mapped array is read batch by batch.
            y: labels (n_cases,), any hashable kind; None for unlabelled series.
            checkpoints: folder for resumable checkpoints; one left by an interrupted training is continued.
            logger: a Lightning logger.
            report: called with stage, step, number of steps and loss terms while training; in a notebook the default
                shows a bar for each stage.

        Raises:
            InputError: if the series cannot be used.
        """
        from ncvqvae.training.loop import train

        self._prepare(X, y)
        report = NotebookProgress() if report is None and in_notebook() else report
        folder = None if checkpoints is None else Path(checkpoints)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._check_identity(folder / "identity", check_series(X), y)
        common = {"checkpoints": folder, "logger": logger}
        self.history_: list[dict[str, float | str]] = []
        self.seconds_: dict[str, float] = {}
        scaled = ScaledSeries(check_series(X), self.scaler_)

        for stage, build in (("stage1", self._stage1), ("stage2", self._stage2)):
            plan, objective, network, get_batch = build(scaled, y)
            done = None if folder is None else folder / f"{stage}.safetensors"
            if done is not None and done.exists():
                trained = load_stage(done, network)
            else:
                relay = None if report is None else _relay(report, stage)
                monitor = getattr(objective, "monitor", None)
                trained = train(stage, objective, get_batch, plan, report=relay, monitor=monitor, **common)
                if done is not None:
                    save_stage(done, network, trained)
            network.eval().requires_grad_(False)
            self.history_ += trained.history
            self.seconds_[stage] = trained.seconds
        sampling = self.config_.sampling
        if sampling.residual_neighbours or sampling.redraws:
            self._keep_residuals(scaled)
        if sampling.residual_neighbours and sampling.residual_scale == "auto":
            self.residual_scale_ = self._choose_residual_scale()
        return self

    def estimate_seconds(self, X: Any, y: Any = None) -> dict[str, float]:
        """Expected seconds of ``stage1`` and ``stage2``, from three steps of each by networks that are then dropped."""
        trial = copy.copy(self)
        if self._config().augmentation == "auto":
            trial.augmentation = "warp"  # costs what the others do, and the choice is left to the training
        trial._prepare(X, y)
        scaled = ScaledSeries(check_series(X), trial.scaler_)
        seconds = {}
        keep_freed_pages()
        with torch.random.fork_rng():
            for stage, build in (("stage1", trial._stage1), ("stage2", trial._stage2)):
                plan, objective, _, get_batch = build(scaled, y)
                objective.train()
                batch = get_batch(plan.batch(0))
                bf16 = resolve_precision(plan.config.precision) == "bf16-mixed"
                times = []
                for _ in range(3):
                    start = time.perf_counter()
                    with torch.autocast("cpu", torch.bfloat16, bf16):
                        loss = torch.stack(list(objective(*batch).values())).sum()
                    loss.backward()
                    times.append(time.perf_counter() - start)
                seconds[stage] = min(times) * plan.n_steps
        return seconds

    def _prepare(self, X: Any, y: Any) -> None:
        """Everything that is known before training: settings, classes, scaling."""
        series = check_series(X)
        self.config_ = self._config()
        n_fft = self.config_.tokenizer.n_fft
        if series.shape[2] < n_fft:
            raise InputError(
                f"series have {series.shape[2]} time steps, fewer than the STFT window of {n_fft}; "
                "set a smaller tokenizer.n_fft"
            )
        lowest, highest = (  # NaN aside
            pick.reduce([pick.reduce(chunk, axis=None) for chunk in case_chunks(series)]) for pick in (np.fmin, np.fmax)
        )
        if lowest == highest:
            raise InputError(f"all values are {lowest:g}: there is nothing to learn; check which columns are read")
        self.listed_ = isinstance(X, (list, tuple)) and len({np.shape(case) for case in X}) > 1
        self.flat_ = np.ndim(X[0]) == 1 if self.listed_ else not isinstance(X, list) and np.ndim(X) == 2
        self.n_cases_, self.n_channels_, self.n_timepoints_ = series.shape
        self.classes_, self.class_counts_ = count_classes(check_labels(y, len(series)))
        check_storable(self.classes_)
        self.n_features_in_ = self.n_timepoints_ * self.n_channels_
        self.scaler_ = GlobalScaler(self.config_.tokenizer.keep_standardised).fit(series)
        self.residual_scale_ = None
        indices = self._class_indices(y, len(series)).numpy()
        if self.config_.augmentation == "auto" and self.config_.ssl != "none":  # a naive model has no views
            scaled = ScaledSeries(series, self.scaler_)
            self.config_.augmentation = choose_augmentation(scaled, indices, self.config_.seed)
        self.length_counts_ = length_counts(series, indices, len(self.classes_))

    def _check_identity(self, path: Path, series: np.ndarray, y: Any) -> None:
        """Checkpoints are continued only by the same settings on the same data."""
        digest = hashlib.sha256(repr((to_dict(self.config_), series.shape, None if y is None else list(y))).encode())
        for chunk in case_chunks(series):
            digest.update(np.ascontiguousarray(chunk).tobytes())
        if path.exists() and path.read_text() != digest.hexdigest():
            raise InputError(
                f"{path.parent} has checkpoints of other data or settings; use the same, or another folder"
            )
        with replaced(path) as temporary:
            temporary.write_text(digest.hexdigest())

    def _config(self) -> Config:
        given = {"ssl": self.ssl, "augmentation": self.augmentation, "seed": self.seed}
        return check_parts(load_config(self.preset, file=self.config_file, settings={**given, **(self.settings or {})}))

    def _build_tokenizer(self, n_residuals: int = 0) -> None:
        config = self.config_.tokenizer
        n_codes = codebook_size(config, self.n_cases_, self.n_timepoints_, len(self.classes_))
        grown = replace(config, codebook_size=n_codes)
        self.tokenizer_ = Tokenizer(grown, self.n_channels_, self.n_timepoints_, n_residuals)

    def _build_prior(self) -> None:
        tokenizer = self.tokenizer_
        sized = replace(self.config_.prior, linear_rank=linear_rank(self.config_.prior, self.n_cases_))
        self.prior_ = Prior(sized, tokenizer.codebook, tokenizer.n_tokens, len(self.classes_), self._unequal)

    @property
    def _unequal(self) -> bool:
        return self.length_counts_ is not None

    def _stage1(self, scaled: ScaledSeries, y: Any) -> _StageParts:
        from ncvqvae.training.loop import Plan

        config = self.config_
        with _seeded(config.seed, 1):
            self._build_tokenizer()
            objective = TokenizerObjective(self.tokenizer_, config.stage1, config.ssl)
        share = warped_share(config.stage1, len(scaled))

        def get_batch(rows: Tensor) -> Sequence[Tensor]:
            x, observed = _tensors(scaled, rows.numpy())
            if share:
                x, observed = augment_share(x, observed, "warp", share)
            if config.ssl == "none" and observed is None:
                return (x,)
            kind = "none" if config.ssl == "none" else config.augmentation
            own = config.stage1.augmentation_settings
            view, view_observed = augment_observed(x, observed, kind, settings=own)
            return [part for part in (x, view, observed, view_observed) if part is not None]

        return _StageParts(Plan(len(scaled), config.stage1, config.seed), objective, self.tokenizer_, get_batch)

    def _stage2(self, scaled: ScaledSeries, y: Any) -> _StageParts:
        from ncvqvae.training.loop import Plan

        config = self.config_
        with _seeded(config.seed, 2):
            self._build_prior()
            objective = PriorObjective(self.prior_, config.stage2)
        self.tokenizer_.eval()
        temperature = token_temperature(config.stage2, len(scaled))
        latents = self._in_chunks(lambda x, _: self.tokenizer_.embed(x), scaled)
        special = self._in_chunks(self._special_tokens, scaled)
        classes = self._class_indices(y, len(scaled))

        def get_batch(rows: Tensor) -> Sequence[Tensor]:
            logits = self.tokenizer_.token_logits(latents[rows])
            if config.stage2.stochastic_tokens:
                tokens = draw_tokens(logits.flatten(0, 1), temperature).tokens.view(logits.shape[:2])
            else:
                tokens = logits.argmax(-1)
            return torch.maximum(tokens, special[rows]), classes[rows]

        return _StageParts(Plan(len(scaled), config.stage2, config.seed), objective, self.prior_, get_batch)

    @torch.no_grad()
    def _keep_residuals(self, scaled: ScaledSeries) -> None:
        """Give the tokenizer the residuals of the training series, or of a part of them drawn by seed."""
        tokenizer = self.tokenizer_
        n = n_kept(len(scaled), self.n_channels_ * self.n_timepoints_)
        rows = np.sort(np.random.default_rng([self.config_.seed, 4]).choice(len(scaled), n, replace=False))
        chunks = [rows[at : at + CHUNK] for at in range(0, n, CHUNK)]
        found = [tokenizer.residual(*_tensors(scaled, chunk)) for chunk in chunks]
        kept = Residuals(n, tokenizer.n_tokens, self.n_channels_, self.n_timepoints_)
        kept.tokens.copy_(torch.cat([tokens for tokens, _ in found]))
        kept.values.copy_(torch.cat([values for _, values in found]))
        tokenizer.residuals = kept.to(tokenizer.codebook.device)

    def _choose_residual_scale(self) -> float:
        def as_given_out(scaled: np.ndarray) -> np.ndarray:
            return self.scaler_.transform(self.scaler_.inverse_transform(scaled))

        n_neighbours = self.config_.sampling.residual_neighbours
        return self._generator.choose_residual_scale(n_neighbours, self.config_.seed, as_given_out)

    # ------------------------------------------------------------------ use

    def transform(self, X: Any) -> np.ndarray:
        """Embeddings (n_cases, d): quantized latents averaged over the token grid, as the chapter's probes use them."""
        return self.embed(self.encode(X))

    def embed(self, tokens: Any) -> np.ndarray:
        """Embeddings (n_cases, d) of tokens (n_cases, N): their code vectors' mean; a token of -1 does not count."""
        given = self._checked_tokens(tokens)
        codebook = self.tokenizer_.codebook
        codes = torch.cat([codebook, codebook.new_zeros(1, codebook.shape[1])])
        absent = len(codebook)
        bags = given.masked_fill(given < 0, absent)
        return nn.functional.embedding_bag(bags, codes, mode="mean", padding_idx=absent).numpy()

    def encode(self, X: Any) -> np.ndarray:
        """Tokens (n_cases, N), int64, of series in their own units; -1 where nothing of a token's time was observed."""
        scaled = self._scaled(X)
        return self._in_chunks(self.tokenizer_.encode, scaled).numpy()

    def decode(self, tokens: Any) -> np.ndarray:
        """Series in their own units from tokens (n_cases, N).

        Raises:
            InputError: if the tokens do not fit the model.
        """
        given = self._checked_tokens(tokens)
        return self._in_units(self._generator.decode(given))

    def _checked_tokens(self, tokens: Any) -> Tensor:
        check_is_fitted(self)
        given = torch.as_tensor(np.asarray(tokens))
        n_tokens, n_codes = self.tokenizer_.n_tokens, len(self.tokenizer_.codebook)
        if given.ndim != 2 or given.shape[1] != n_tokens or given.dtype.is_floating_point:
            raise InputError(
                f"tokens have shape {tuple(given.shape)}; this model takes integers of shape (n, {n_tokens})"
            )
        if given.numel() and not -1 <= int(given.min()) <= int(given.max()) < n_codes:
            raise InputError(
                f"tokens reach from {int(given.min())} to {int(given.max())}; codes are 0 to {n_codes - 1}"
            )
        return given.long()

    def reconstruct(self, X: Any, *, residual_neighbours: int = 0, seed: int | None = None) -> np.ndarray:
        """``decode(encode(X))``, gaps filled; NaN behind the end of a shorter series.

        Args:
            X: series in their own units.
            residual_neighbours: add residuals as sampling does, see :class:`ncvqvae.config.SamplingConfig`.
            seed: seed of their draw; the model's own if not given.

        Raises:
            InputError: if the series do not fit the model, or it keeps no residuals.
        """
        tokens = torch.from_numpy(self.encode(X))
        generator = Generator().manual_seed(self.config_.seed if seed is None else seed)
        changed = {**to_dict(self.config_.sampling), "residual_neighbours": residual_neighbours, "redraws": 0}
        config = self._resolved(from_dict(SamplingConfig, changed, "sampling."))
        lengths = series_lengths(self._scaled(X).X) if self._unequal else None
        return self._in_units(self._generator.decode_fully(tokens, config, generator), lengths)

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

        A model that was fitted on a list of series of unequal lengths gives a list back, each without padding.
        """
        made = joined(self.iter_samples(n, labels, unconditional=unconditional, length=length, seed=seed, **sampling))
        if not self.listed_:
            return made
        lengths = series_lengths(made.X[:, None] if self.flat_ else made.X)
        return Samples(cast(Any, [x[..., :end] for x, end in zip(made.X, lengths, strict=True)]), made.y)

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
            labels: one label for all, or one per series; by default each is drawn from the train split's class
                distribution first (label-first sampling).
            unconditional: sample without any label.
            length: time steps of all series; by default each length is drawn from those of its class in the train
                split, where series differ in length. Behind the end of a shorter series stands NaN.
            seed: seed of the draw; the model's own if not given.
            first: leave out the series before this one, a multiple of ``sampling.chunk_size``.
            sampling: settings of :class:`ncvqvae.config.SamplingConfig` for this draw, for example ``n_steps=20``.

        Raises:
            InputError: if ``n`` is not positive, a label or setting is unknown, or ``length`` cannot be made.
        """
        check_is_fitted(self)
        self._check_length(length)
        try:
            n = operator.index(n)
        except TypeError:
            raise InputError(f"cannot generate {n!r} series; give a whole number") from None
        if n <= 0:
            raise InputError(f"cannot generate {n} series; give a number of at least 1")
        if unconditional and labels is not None:
            raise InputError("labels were given for unconditional sampling; leave out one of the two")
        changed = {**to_dict(self.config_.sampling), **sampling}
        config = self._resolved(from_dict(SamplingConfig, changed, "sampling."))
        size = config.chunk_size
        seed = self.config_.seed if seed is None else seed
        wanted = None if labels is None else self._wanted_classes(labels, n)
        for start in range(first, n, size):
            count, chunk = min(size, n - start), start // size
            generator = Generator().manual_seed(int(np.random.SeedSequence([seed, 3, chunk]).generate_state(1)[0]))
            if unconditional:
                indices = torch.full((count,), self.prior_.no_class)
            elif wanted is not None:
                indices = wanted[start : start + count]
            else:
                indices = self._draw_classes(count, generator)
            X = self._in_units(*self._generator.draw(indices, config, generator, length))
            yield Samples(X, None if unconditional or not len(self.classes_) else self.classes_[indices.numpy()])

    def _draw_classes(self, n: int, generator: Generator) -> Tensor:
        """Class indices (n,) from the train split's distribution of classes; "no class" where it is unlabelled."""
        if not len(self.classes_):
            return torch.full((n,), self.prior_.no_class)
        weights = torch.as_tensor(self.class_counts_, dtype=torch.float64)
        return torch.multinomial(weights, n, replacement=True, generator=generator)

    @property
    def _generator(self) -> SeriesGenerator:
        """That of the networks which the model has now; kept, since it learns which training series lie how near."""
        kept = self._last_generator
        if kept is None or kept.tokenizer is not self.tokenizer_ or kept.prior is not self.prior_:
            kept = self._last_generator = SeriesGenerator(self.tokenizer_, self.prior_, self.length_counts_)
        return kept

    def _resolved(self, config: SamplingConfig) -> SamplingConfig:
        """The settings with the factor that was chosen in place of ``residual_scale: auto``.

        Raises:
            InputError: if they need residuals, or a choice, that the model does not have.
        """
        for name in ("residual_neighbours", "redraws"):
            value = getattr(config, name)
            if value and self.tokenizer_.residuals is None:
                raise InputError(
                    f"sampling.{name} {value}: this model was fitted with 0 and keeps no residuals; fit it with this "
                    "setting, or leave it out"
                )
        if not config.residual_neighbours or config.residual_scale != "auto":
            return config
        if self.residual_scale_ is None:
            raise InputError(
                "sampling.residual_scale auto: this model was fitted with a number, or with residual_neighbours 0, and "
                "has chosen none; give a number"
            )
        return replace(config, residual_scale=self.residual_scale_)

    def _check_length(self, length: int | None) -> None:
        if length is None:
            return
        if not self._unequal and length != self.n_timepoints_:
            raise InputError(f"length {length}: this model's series all have length {self.n_timepoints_}; leave it out")
        if not 1 <= length <= self.n_timepoints_:
            raise InputError(f"length {length}: give a number from 1 to {self.n_timepoints_}, the longest in training")

    def decoding_steps(self, n: int, seed: int | None = None) -> DecodingSteps:
        """How sure the prior is, step by step, while it draws ``n`` token grids, label-first where there are labels.

        Mass near 1 from the first steps on shows a prior that recites its training tokens (results chapter, 0.2.5).
        """
        check_is_fitted(self)
        seed = self.config_.seed if seed is None else seed
        generator = Generator().manual_seed(seed)
        indices = self._draw_classes(n, generator)
        grids = self._generator.draw_grids(indices, self.config_.sampling, generator).grids
        return DecodingSteps(grids.probabilities.cpu().numpy(), grids.entropies.cpu().numpy())

    def reconstruction_loss(self, X: Any) -> float:
        """The chapter's validation reconstruction, MSE(x, x_hat) + MSE(u, u_hat) in scaled units, where observed."""
        scaled = self._scaled(X)
        tokenizer, total, weight = self.tokenizer_, 0.0, 0.0
        with torch.no_grad():
            for start in range(0, len(scaled), CHUNK):
                x, observed = _tensors(scaled, slice(start, start + CHUNK))
                decoded = tokenizer.reconstruct(tokenizer.code_latents(tokenizer.encode(x, observed)))
                if observed is None:
                    share, error = 1.0, reconstruction_error(tokenizer.spectrogram(x), x, decoded)
                else:
                    share = float(observed.float().mean())
                    error = observed_error(tokenizer.spectrogram, x, decoded, observed)
                total, weight = total + share * len(x) * float(error), weight + share * len(x)
        return total / weight

    def prior_loss(self, X: Any, y: Any = None) -> float:
        """The chapter's prior loss: cross-entropy in nats on randomly masked tokens of the series, class given."""
        tokens = torch.from_numpy(self.encode(X))
        tokens = torch.maximum(tokens, self._in_chunks(self._special_tokens, self._scaled(X)))
        return masked_token_loss(self.prior_, tokens, self._class_indices(y, len(tokens)))

    # ------------------------------------------------------------------ files

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``config.yaml``, ``tokenizer.safetensors`` and ``prior.safetensors``, all of them or none.

        Raises:
            InputError: if they cannot be written; an older model in the folder stays as it is.
        """
        check_is_fitted(self)
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with (
            replaced(folder / "config.yaml") as config,  # the last to take its name: it says that a run is finished
            replaced(folder / "prior.safetensors") as prior,
            replaced(folder / "tokenizer.safetensors") as tokenizer,
        ):
            config.write_text(self._as_yaml(), encoding="utf-8")
            write_weights(prior, self.prior_)
            write_weights(tokenizer, self.tokenizer_)

    def _as_yaml(self) -> str:
        """All but the weights, as ``config.yaml`` holds it."""
        import yaml

        data = {
            "n_cases": self.n_cases_,
            "n_channels": self.n_channels_,
            "n_timepoints": self.n_timepoints_,
            "flat": self.flat_,
            "listed": self.listed_,
            "classes": self.classes_.tolist(),
            "class_counts": self.class_counts_.tolist(),
            "scaler": self.scaler_.get_state(),
        }
        if self.tokenizer_.residuals is not None:
            data["n_residuals"] = len(self.tokenizer_.residuals.tokens)
            data["residual_scale"] = self.residual_scale_
        if self._unequal:
            data["lengths"] = lengths_to_state(self.length_counts_)
        values = {"format": FORMAT, "preset": self.preset, "model": to_dict(self.config_), "data": data}
        return yaml.safe_dump({**values, "seconds": self.seconds_}, sort_keys=False)

    def push_to_hub(self, repo_id: str, *, private: bool | None = None, token: str | None = None) -> str:
        """Upload the model to repository ``owner/name`` of the Hugging Face Hub; return the URL of the commit.

        Warns where the model keeps residuals, from which training series can be restored.

        Args:
            repo_id: the repository, made if it is not there.
            private: who may see a repository that is made; the owner's default if not given.
            token: access token; else the one of ``hf auth login``.
        """
        check_is_fitted(self)
        if self.tokenizer_.residuals is not None:
            warnings.warn(
                f"this model keeps {len(self.tokenizer_.residuals.tokens)} of its training series (residuals); fit it "
                "with sampling.residual_neighbours 0 and sampling.redraws 0 if they must not be shared",
                stacklevel=2,
            )
        classes = f"{len(self.classes_)} classes" if len(self.classes_) else "no classes"
        summary = f"{self.n_channels_} channel(s), {self.n_timepoints_} time steps, {classes}"
        return upload(self.save_pretrained, repo_id, summary, private=private, token=token)

    @classmethod
    def from_pretrained(cls, source: str | Path, **download: Any) -> NCVQVAE:
        """Load a model that :meth:`save_pretrained` or :meth:`push_to_hub` wrote.

        Args:
            source: its folder, or a repository ``owner/name`` of the Hugging Face Hub.
            download: arguments of ``huggingface_hub.snapshot_download``, for example ``revision`` or ``token``.

        Raises:
            InputError: if a file is missing, damaged, or of a newer format.
        """
        folder = local_folder(source, **download)
        path = folder / "config.yaml"
        if not path.is_file():
            raise InputError(f"{folder} holds no trained model (no config.yaml); give the folder that fit wrote")
        try:
            values = read_yaml(path)
            version = values["format"]
            if not isinstance(version, int) or version > FORMAT:
                raise InputError(f"{path} has format {version!r}; this version reads up to {FORMAT}: upgrade ncvqvae")
            model = cls._from_values(values)
            n_residuals = int(values["data"].get("n_residuals", 0))
            model._check_files(folder, n_residuals)
            model.length_counts_ = lengths_from_state(values["data"].get("lengths"), model.n_timepoints_)
        except InputError:
            raise
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise InputError(f"{path} is damaged ({reason}); fit the run again") from None
        model._build_tokenizer(n_residuals)
        load_weights(folder / "tokenizer.safetensors", model.tokenizer_)
        model._build_prior()
        load_weights(folder / "prior.safetensors", model.prior_)
        model.tokenizer_.eval().requires_grad_(False)
        model.prior_.eval().requires_grad_(False)
        return model

    def _check_files(self, folder: Path, n_residuals: int) -> None:
        """What ``config.yaml`` asks for must be what the weights' files hold, before memory is taken for it."""
        with torch.device("meta"):
            self._build_tokenizer(n_residuals)
            check_weights(folder / "tokenizer.safetensors", self.tokenizer_)
            self._build_prior()
            check_weights(folder / "prior.safetensors", self.prior_)

    @classmethod
    def _from_values(cls, values: Mapping[str, Any]) -> NCVQVAE:
        """A model without weights from what ``config.yaml`` says."""
        model = cls(values["preset"], settings=values["model"])
        model.config_ = from_dict(Config, values["model"])
        data = values["data"]
        model.n_cases_, model.n_channels_, model.n_timepoints_ = (
            int(data[name]) for name in ("n_cases", "n_channels", "n_timepoints")
        )
        model.flat_ = bool(data["flat"])
        model.listed_ = bool(data.get("listed", False))  # models from before it gave arrays
        model.n_features_in_ = model.n_timepoints_ * model.n_channels_
        model.classes_ = cast(np.ndarray, check_labels(labels_from_state(data["classes"]), len(data["classes"])))
        model.class_counts_ = np.array(data["class_counts"], dtype=int)
        model.scaler_ = GlobalScaler.from_state(data["scaler"])
        scale = data.get("residual_scale")
        model.residual_scale_ = None if scale is None else float(scale)
        model.length_counts_ = np.zeros((0, 0), int) if "lengths" in data else None  # their size is not yet checked
        model.seconds_ = dict(values["seconds"])
        model.history_ = []
        return model

    # ------------------------------------------------------------------ helpers

    def _scaled(self, X: Any) -> ScaledSeries:
        """Checked series as the networks take them."""
        check_is_fitted(self)
        series = check_series(X, min_cases=1)
        if self._unequal and series.shape[2] < self.n_timepoints_:
            series = cut_or_pad(series, self.n_timepoints_)
        if series.shape[1:] != (self.n_channels_, self.n_timepoints_):
            raise InputError(
                f"series have {series.shape[1]} channels and {series.shape[2]} time steps; "
                f"this model was fitted on {self.n_channels_} and {self.n_timepoints_}"
            )
        return ScaledSeries(series, self.scaler_)

    def _in_units(self, scaled: Tensor, lengths: Any = None) -> np.ndarray:
        """Series in their own units from scaled ones (n, C, T), NaN behind the ends if ``lengths`` (n,) are given."""
        values = scaled.numpy()
        if lengths is not None:
            values = np.where(beyond(lengths, self.n_timepoints_), np.float32(np.nan), values)
        X = self.scaler_.inverse_transform(values)
        return X[:, 0] if self.flat_ else X

    def _special_tokens(self, x: Tensor, observed: Tensor | None) -> Tensor:
        """What stands in a code's place (B, N): absent token behind a series' end, mask token in gaps, else -1."""
        tokens = torch.full((len(x), self.tokenizer_.n_tokens), -1)
        if observed is None:
            return tokens
        seen = self.tokenizer_.on_grid(self.tokenizer_.present(observed))
        tokens = tokens.masked_fill(~seen, self.prior_.mask_token)
        if not self._unequal:
            return tokens
        time = torch.arange(1, observed.shape[-1] + 1)
        lengths = (observed.any(1) * time).amax(-1)
        return tokens.masked_fill(~self.tokenizer_.within(lengths), self.prior_.absent_token)

    @torch.no_grad()
    def _in_chunks(self, function: Callable[[Tensor, Tensor | None], Tensor], series: ScaledSeries) -> Tensor:
        """``function`` of values and mask, over all series, a chunk at a time."""
        return torch.cat([function(*_tensors(series, slice(at, at + CHUNK))) for at in range(0, len(series), CHUNK)])

    def _class_indices(self, y: Any, n: int) -> Tensor:
        """Index of each label in ``classes_``; ``len(classes_)`` (no class) for unlabelled data and unknown labels."""
        if y is None or not len(self.classes_):
            return torch.full((n,), len(self.classes_))
        places = {label: place for place, label in enumerate(self.classes_.tolist())}
        labels = check_labels(y, n)
        assert labels is not None
        return torch.tensor([places.get(label, len(places)) for label in labels.tolist()])

    def _wanted_classes(self, labels: Any, n: int) -> Tensor:
        one_for_all = isinstance(labels, str) or np.ndim(labels) == 0 or _is_one_of(labels, self.classes_.tolist())
        given = [labels] if one_for_all else list(labels)
        if not one_for_all and len(given) != n:
            raise InputError(f"{len(given)} labels were given for {n} series; give one, or one per series")
        indices = self._class_indices(given, len(given))
        unknown = (indices == len(self.classes_)).nonzero()
        if len(unknown):
            known = ", ".join(map(repr, self.classes_.tolist()[:20])) or "none: the training data had no labels"
            known += f" and {len(self.classes_) - 20} more" if len(self.classes_) > 20 else ""
            raise InputError(f"unknown label {given[int(unknown[0])]!r}; labels of this model: {known}")
        return indices.expand(n) if one_for_all else indices


def _is_one_of(label: Any, classes: list[Any]) -> bool:
    """Whether a tuple is itself a label, rather than a sequence of labels."""
    return isinstance(label, tuple) and label in classes


class _StageParts(NamedTuple):
    plan: Plan
    objective: nn.Module
    network: nn.Module
    get_batch: Callable[[Tensor], Sequence[Tensor]]


def _tensors(series: ScaledSeries, rows: Any) -> tuple[Tensor, Tensor | None]:
    """Values and mask of some series."""
    values, mask = series[rows]
    return torch.from_numpy(values), None if mask is None else torch.from_numpy(mask)


@contextmanager
def _seeded(seed: int, purpose: int) -> Iterator[None]:
    """Context in which torch's generator starts from (seed, purpose); it is restored afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(int(np.random.SeedSequence([seed, purpose]).generate_state(1)[0]))
        yield


def _relay(report: Report, stage: str) -> Callable[[int, int, dict[str, float]], None]:
    return lambda step, n_steps, terms: report(stage, step, n_steps, terms)
