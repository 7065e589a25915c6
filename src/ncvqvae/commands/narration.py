"""What a training says of itself: the expected time, what became of the settings, and bars with the losses."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from textwrap import fill
from typing import NamedTuple, Protocol

from ncvqvae.commands.terminal import TrainingProgress, console, print_expected
from ncvqvae.threads import busy_hint
from ncvqvae.training.notebook import NotebookProgress, in_notebook
from ncvqvae.training.stages import Report, TrainSet


class Estimating(Protocol):
    """An estimator that tells how long a training takes."""

    def estimate_prepared(self, train: TrainSet) -> dict[str, float]:
        """Expected seconds of each stage."""


class Heard(NamedTuple):
    """Who hears of the progress, and of what became of the settings."""

    report: Report | None
    explain: Callable[[list[str]], None] | None


@contextmanager
def narrated(
    model: Estimating,
    train: TrainSet,
    verbose: bool | None,
    report: Report | None,
    explain: Callable[[list[str]], None] | None,
) -> Iterator[Heard]:
    """Print what a training says of itself while the block runs; callbacks that are given take the place of ours.

    Args:
        model: the estimator.
        train: its train split.
        verbose: whether to print; None where standard error is a terminal, and a bar for each stage in a notebook.
        report, explain: see :meth:`ncvqvae.model.NCVQVAE.fit`.
    """
    if verbose is None and in_notebook():
        yield Heard(report or NotebookProgress(), explain)
        return
    if verbose is None:
        verbose = report is None and sys.stderr is not None and sys.stderr.isatty()
    if not verbose:
        yield Heard(report, explain)
        return
    if hint := busy_hint():
        console().print(hint, markup=False, highlight=False, soft_wrap=True)
    print_expected(model.estimate_prepared(train))
    if report is not None:
        yield Heard(report, explain or Settled())
        return
    with TrainingProgress() as progress:
        yield Heard(progress, explain or Settled())


class Settled:
    """Prints what became of the settings that were left to the data, and why: a block under one heading.

    Some are settled before the training and some after it. On a terminal, lines that are too long go on indented.
    """

    def __init__(self) -> None:
        self.begun = False

    def __call__(self, lines: list[str]) -> None:
        """Print further lines of the block."""
        out = console()
        width = out.width if out.is_terminal else sys.maxsize
        shown = [fill(line, width, initial_indent="  ", subsequent_indent="    ") for line in lines]
        if shown and not self.begun:
            shown.insert(0, "settled by the data:")
            self.begun = True
        for line in shown:
            out.print(line, markup=False, highlight=False, soft_wrap=True)
