"""What a trained run makes of given series, in files of the data's own form: gaps filled, series extended or varied."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ncvqvae.commands.rows import write_rows
from ncvqvae.commands.run_folder import check_output
from ncvqvae.data import Half, SeriesWriter, TableForm
from ncvqvae.generation.draws import Draws
from ncvqvae.generation.samples import Samples
from ncvqvae.labels import like_known
from ncvqvae.model import NCVQVAE

Done = Callable[[int], None]
"""Hears how many series were added."""


@dataclass(frozen=True)
class Wanted:
    """Which files of several draws are asked for: one per quantile beside the median, and one per draw."""

    out: Path
    n_draws: int = 20
    quantiles: tuple[float, ...] = ()
    each_draw: bool = False

    def files(self) -> dict[Path, Callable[[Draws], Any]]:
        """Each file, and what of the draws it holds."""
        found: dict[Path, Callable[[Draws], Any]] = {self.out: Draws.median}
        for share in self.quantiles:
            found[self._beside(f"q{share:g}")] = partial(Draws.quantile, share=share)
        for draw in range(self.n_draws if self.each_draw else 0):
            found[self._beside(f"draw{draw + 1}")] = itemgetter(draw)
        return found

    def _beside(self, name: str) -> Path:
        return self.out.with_name(f"{self.out.stem}-{name}{self.out.suffix}")

    def check(self, overwrite: bool) -> None:
        """Say before any work what cannot be written.

        Raises:
            InputError: a file that is there already and is not to be replaced.
        """
        for path in self.files():
            check_output(path, overwrite)


class Given(NamedTuple):
    """The trained model, and series with the labels that the model is told, None where it is told none."""

    model: NCVQVAE
    half: Half
    y: np.ndarray | None


def told(model: NCVQVAE, half: Half, unconditional: bool) -> Given:
    """The labels, as the model knows them, count where it has classes and they are not to be left out."""
    if unconditional or half.y is None or not len(model.classes_):
        return Given(model, half, None)
    words = None if half.form is None else half.form.words()
    return Given(model, half, like_known(half.y, model.classes_, words))


def write_imputed(given: Given, wanted: Wanted, done: Done, **options: Any) -> list[Path]:
    """Write the series with their gaps filled; see :meth:`NCVQVAE.impute` for ``options``."""
    parts = given.model.iter_impute(given.half.X, given.y, n_draws=wanted.n_draws, **options)
    return _write_draws(parts, given.half, wanted, given.half.form, done)


def write_extended(
    given: Given, n_steps: int, wanted: Wanted, form: TableForm | None, done: Done, /, **options: Any
) -> list[Path]:
    """Write the series, each with ``n_steps`` more; ``form`` of the run's table names the columns of the new steps."""
    parts = given.model.iter_extend(given.half.X, n_steps, given.y, n_draws=wanted.n_draws, **options)
    own = given.half.form
    longer = None if own is None else _longer(own, form, _n_steps(own) + n_steps)
    return _write_draws(parts, given.half, wanted, longer, done)


def write_varied(given: Given, n: int, out: Path, done: Done, **options: Any) -> None:
    """Write ``n`` new series near each given one; see :meth:`NCVQVAE.vary` for ``options``."""
    parts = given.model.iter_vary(given.half.X, given.y, n=n, **options)
    with SeriesWriter(out, n_cases=n * len(given.half.X), form=given.half.form) as writer:
        for X, labels in _with_own_labels(parts, given.half, n):
            writer.write(X, labels)
            done(len(X))


def write_scores(given: Given, out: Path, n_masks: int, seed: int | None) -> np.ndarray:
    """Write the log-likelihood of each series beside its id and label, and return them all."""
    scores = given.model.score_samples(given.half.X, given.y, n_masks=n_masks, seed=seed)
    write_rows(out, given.half, {"score": scores}, {})
    return scores


def _write_draws(parts: Iterable[Draws], half: Half, wanted: Wanted, form: TableForm | None, done: Done) -> list[Path]:
    files = wanted.files()
    with ExitStack() as stack:
        n, beside = len(half.X), half.beside
        writers = [
            (stack.enter_context(SeriesWriter(path, n_cases=n, form=form, beside=beside)), of_draws)
            for path, of_draws in files.items()
        ]
        at = 0
        for part in parts:
            m = part.values.shape[1]
            labels = None if half.y is None else half.y[at : at + m]
            for writer, of_draws in writers:
                X = of_draws(replace(part, lengths=None))
                writer.write(X if form is None else _as_wide_as(X, form), labels)
            at += m
            done(m)
    return list(files)


def _with_own_labels(parts: Iterable[Samples], half: Half, n: int) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    at = 0
    for part in parts:
        labels = None if half.y is None else np.repeat(half.y, n)[at : at + len(part.X)]
        at += len(part.X)
        yield part.X, labels


def _as_wide_as(X: np.ndarray, form: TableForm) -> np.ndarray:
    """Series with NaN behind the end up to the last step that a table with a row a series has a column for."""
    missing = 0 if form.long else _n_steps(form) - X.shape[-1]
    return np.pad(X, [*[(0, 0)] * (X.ndim - 1), (0, max(missing, 0))], constant_values=np.nan)


def _n_steps(form: TableForm) -> int:
    return 1 + max(step for _, step in form.places.values())


def _longer(form: TableForm, of_run: TableForm | None, n_timepoints: int) -> TableForm | None:
    """The form with columns for further steps, as the run's table calls them; None if that has none."""
    if form.long:
        return form
    if of_run is None or of_run.long or not form.places.keys() <= of_run.places.keys():
        return None
    places = {name: place for name, place in of_run.places.items() if place[1] < n_timepoints}
    columns: dict[str, str] = {}
    for name, kind in form.columns.items():
        if name not in form.places:
            columns[name] = kind
        elif not columns.keys() & places.keys():
            columns |= {step: of_run.columns[step] for step in places}
    return replace(form, columns=columns, places=places)
