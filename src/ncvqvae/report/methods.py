"""How good a fitted model is, and what it looks like: methods of :class:`ncvqvae.model.NCVQVAE`."""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
from sklearn import config_context
from sklearn.utils.validation import check_is_fitted

from ncvqvae.config import Config
from ncvqvae.data import Splits, check_labels, check_pair, check_series, cut_note, cut_or_pad
from ncvqvae.data.cases import case_digests, joint_digest
from ncvqvae.data.facts import TrainFacts
from ncvqvae.data.validate import check_label_pair
from ncvqvae.errors import InputError, suggestion
from ncvqvae.files import check_target
from ncvqvae.tokenizer.tokenizer import Tokenizer

if TYPE_CHECKING:  # they take seconds to import, and only those who ask for metrics or plots need them
    from matplotlib.axes import Axes

    from ncvqvae.commands.score import Scores

Plot = Literal["generated", "reconstructions", "embeddings", "tokens", "losses"]


class TrainSeries(NamedTuple):
    """The series (n, C, L) and labels (n,) that a model was fitted on."""

    X: np.ndarray
    y: np.ndarray | None


class ShowingMethods(ABC):
    """Evaluate, report and plot."""

    config_: Config
    facts_: TrainFacts
    tokenizer_: Tokenizer
    history_: list[dict[str, float | str]]
    _fitted_on: TrainSeries | None = None

    @abstractmethod
    def encode(self, X: Any) -> np.ndarray:
        """Tokens of series."""

    @abstractmethod
    def transform(self, X: Any) -> np.ndarray:
        """Embeddings of series."""

    @abstractmethod
    def reconstruct(self, X: Any) -> np.ndarray:
        """Series through the tokenizer."""

    @abstractmethod
    def iter_samples(self, n: int, labels: Any = None, *, unconditional: bool = False, seed: int | None = None) -> Any:
        """New series, in chunks."""

    def evaluate(
        self,
        X: Any,
        y: Any = None,
        *,
        train: tuple[Any, Any] | None = None,
        fcn: str | Path | None = None,
        seed: int | None = None,
        full: bool = False,
        cas: bool | None = None,
        rivals: bool = True,
        progress: Callable[[str], None] = lambda step: None,
    ) -> dict[str, float]:
        """Every metric of the model on held-out series, by the names of ``metrics.json``.

        Args:
            X: held-out series in their own units, which the model has not learned from. Where series differ in length,
                those longer than the longest of the fit are cut to it, with a warning.
            y: their labels; None for a model of unlabelled series.
            train: series and labels that the model was fitted on. After :meth:`fit` they are known; a model that was
                loaded needs them.
            fcn: published FCN weights for FID, IS and KID; by default an FCN is trained on the train split, and kept.
            seed: seed of the samples and of the classifiers; the model's own if not given.
            full: compares up to 5,000 held-out series instead of 1,000, and adds CAS by FCNs, bootstrap intervals and
                a finer p-value; it takes minutes more.
            cas: whether to train FCNs for CAS, the study's measure, which takes minutes without a GPU; by default only
                with ``full``.
            rivals: whether to score simple augmentations of the training series, such as jitter, with the same metrics.
            progress: called with the name of each step before it begins.

        Raises:
            InputError: if the series do not fit the model, or ``train`` is not what it was fitted on.

        Example:
            >>> metrics = model.evaluate(X_test, y_test)  # doctest: +SKIP
            >>> metrics["fid"], metrics["fid_real"]  # doctest: +SKIP
        """
        splits = self._splits(X, y, train, "series")
        return _finite(self._scores(splits, fcn, seed, progress, full, cas, rivals).metrics)

    def report(
        self,
        path: str | Path,
        X: Any,
        y: Any = None,
        *,
        name: str = "series",
        overwrite: bool = False,
        train: tuple[Any, Any] | None = None,
        fcn: str | Path | None = None,
        seed: int | None = None,
        full: bool = False,
        cas: bool | None = None,
        rivals: bool = True,
        progress: Callable[[str], None] = lambda step: None,
    ) -> dict[str, float]:
        """Evaluate as :meth:`evaluate` does, and write the page about it, one HTML file that needs no network.

        Args:
            path: the file to write.
            X, y, train, fcn, seed, full, cas, rivals, progress: as in :meth:`evaluate`.
            name: of the data, for the page's title.
            overwrite: replace the file if it exists.

        Returns:
            the metrics, as :meth:`evaluate` returns them.

        Raises:
            InputError: as :meth:`evaluate`, and if the file exists or cannot be written.

        Example:
            >>> metrics = model.report("gunpoint.html", X_test, y_test, name="GunPoint")  # doctest: +SKIP
        """
        from ncvqvae.report.compose import report_content
        from ncvqvae.report.page import write_report

        path = Path(path).expanduser()
        check_target(path)
        if path.exists() and not overwrite:
            raise InputError(f"{path} exists; choose another file, or replace it with overwrite=True")
        splits = self._splits(X, y, train, name)
        scores = self._scores(splits, fcn, seed, progress, full, cas, rivals)
        model: Any = self
        write_report(report_content(model, splits, scores, self.history_), path)
        return _finite(scores.metrics)

    def plot(
        self,
        kind: Plot,
        X: Any = None,
        y: Any = None,
        *,
        ax: Axes | None = None,
        label: Any = None,
        channel: int = 0,
        case: int = 0,
        n: int = 50,
        stage: Literal["stage1", "stage2"] = "stage1",
        seed: int | None = None,
    ) -> Axes:
        """Draw one plot on matplotlib Axes, and return them.

        Args:
            kind: ``generated`` (new series over the given ones), ``reconstructions`` (a given series and what the
                tokenizer makes of it), ``embeddings`` (given series on two principal components, by label), ``tokens``
                (how often each code is used in them) or ``losses`` (the terms of a stage's loss by training step).
            X: series in their own units, for all kinds but ``losses``.
            y: their labels.
            ax: where to draw; by default Axes of a new pyplot figure.
            label: of ``generated``: only series of this class.
            channel: of ``generated`` and ``reconstructions``: which channel is drawn.
            case: of ``reconstructions``: which of the series is drawn.
            n: of ``generated``: number of new series.
            stage: of ``losses``: ``stage1`` (tokenizer) or ``stage2`` (prior).
            seed: of ``generated``: seed of the draw; the model's own if not given.

        Raises:
            InputError: for an unknown kind, or if the series are missing or do not fit the model.

        Example:
            >>> ax = model.plot("generated", X, y, label="1")  # doctest: +SKIP
            >>> ax.figure.savefig("generated.png")  # doctest: +SKIP
        """
        check_is_fitted(self)
        if kind not in get_args(Plot):
            raise InputError(f"unknown plot {kind!r}; {suggestion(str(kind), list(get_args(Plot)))}")
        if kind != "losses" and X is None:
            raise InputError(f"plot {kind!r} is of given series; give X")
        if kind == "losses" and not any(row["stage"] == stage for row in self.history_):
            raise InputError(
                f"this model has no losses of {stage}; a loaded one has them only in its run's history.csv"
            )
        series = None if X is None else self._checked(X)
        if series is not None and not (0 <= channel < series.shape[1] and 0 <= case < len(series)):
            raise InputError(f"case {case}, channel {channel}: there are {len(series)} series of {series.shape[1]}")
        labels = None if series is None else check_labels(y, len(series))
        if ax is None:
            from matplotlib import pyplot

            ax = pyplot.subplots(layout="constrained")[1]
        self._draw(kind, ax, series, labels, label, channel, case, n, stage, seed)
        return ax

    @config_context(transform_output="default")
    def _draw(
        self,
        kind: Plot,
        ax: Axes,
        X: np.ndarray | None,
        y: np.ndarray | None,
        label: Any,
        channel: int,
        case: int,
        n: int,
        stage: str,
        seed: int | None,
    ) -> None:
        from ncvqvae.generation.samples import joined
        from ncvqvae.report import plots

        if X is None:
            plots.draw_losses(ax, self.history_, stage)
        elif kind == "generated":
            if label is not None and y is None:
                raise InputError("a label was given, and no labels of X; give y")
            real = X if label is None or y is None else X[[each == label for each in y.tolist()]]
            unconditional = label is None and y is None
            made = joined(self.iter_samples(n, label, unconditional=unconditional, seed=seed)).X
            if not len(real):
                raise InputError(f"no series of label {label!r} in X; give one of its labels")
            plots.draw_series(ax, real[:, channel], made.reshape(n, *X.shape[1:])[:, channel])
        elif kind == "reconstructions":
            given = X[case : case + 1]
            plots.draw_reconstruction(ax, given[0, channel], self.reconstruct(given).reshape(given.shape)[0, channel])
        elif kind == "embeddings":
            plots.draw_embeddings(ax, np.asarray(self.transform(X)), y)  # a table where `set_output` asks for one
        else:
            plots.draw_token_usage(ax, self.encode(X), len(self.tokenizer_.codebook))

    def _checked(self, X: Any, stacklevel: int = 3) -> np.ndarray:
        """Series in one array of the model's channels and length; a warning says how many are cut for that."""
        facts, series = self.facts_, np.asarray(check_series(X, min_cases=1))
        if facts.unequal:
            if note := cut_note(series, facts.n_timepoints):
                warnings.warn(note, stacklevel=stacklevel)
            series = cut_or_pad(series, facts.n_timepoints)
        if series.shape[1:] != (facts.n_channels, facts.n_timepoints):
            raise InputError(
                f"series have {series.shape[1]} channel(s) and {series.shape[2]} time steps, those of the model "
                f"{facts.n_channels} and {facts.n_timepoints}; give series of that shape"
            )
        return series

    @config_context(transform_output="default")
    def _scores(
        self,
        splits: Splits,
        fcn: str | Path | None,
        seed: int | None,
        progress: Callable[[str], None],
        full: bool,
        cas: bool | None,
        rivals: bool,
    ) -> Scores:
        from ncvqvae.commands.score import score_model
        from ncvqvae.evaluation.sets import Extent
        from ncvqvae.generation.samples import checked_seed

        model: Any = self
        seed = self.config_.seed if seed is None else checked_seed(seed)
        return score_model(model, splits, fcn=fcn, seed=seed, extent=Extent.asked(full, cas, rivals), progress=progress)

    def _splits(self, X: Any, y: Any, train: tuple[Any, Any] | None, name: str) -> Splits:
        """Both splits, after a check that the model was fitted on the first."""
        check_is_fitted(self)
        if train is None and self._fitted_on is None:
            raise InputError("a model that was loaded does not hold its train split; give train=(X, y) of the fit")
        if train is None:
            assert self._fitted_on is not None
            X_train, y_train = self._fitted_on
        else:
            X_train = self._checked(train[0], stacklevel=4)
            y_train = check_labels(train[1], len(X_train), where="train")
        facts = self.facts_
        known = joint_digest(case_digests(X_train, y_train)) == facts.digest if facts.digest else True
        if len(X_train) != facts.n_cases or not known:
            raise InputError("train is not what the model was fitted on; give the series and labels of the fit")
        X_test = self._checked(X, stacklevel=4)
        y_test = check_labels(y, len(X_test))
        check_pair(X_train, X_test, where="X")
        check_label_pair(y_train, y_test, where="y")
        return Splits(name, np.asarray(X_train), y_train, X_test, y_test, "")


def _finite(metrics: dict[str, float]) -> dict[str, float]:
    """Metrics that have a value, as ``metrics.json`` keeps them."""
    return {name: value for name, value in metrics.items() if value is not None and math.isfinite(value)}
