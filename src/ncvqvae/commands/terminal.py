"""What a person sees in the terminal: progress with the losses by name, estimates, and the final table."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import IO

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ncvqvae.data import Splits
from ncvqvae.data.few import few_series
from ncvqvae.evaluation.metric_list import RIVALLED, RIVALS, SHORT
from ncvqvae.evaluation.metrics import metric_of, number_text, of_rival, real_key, real_value
from ncvqvae.threads import busy_hint

STAGE_NAMES = {"stage1": "stage 1: tokenizer", "stage2": "stage 2: prior"}


def console(file: IO[str] | None = None) -> Console:
    """The console for everything that is not a result: stderr, so that output can be piped; or one for ``file``.

    A command that a notebook runs (``!ncvqvae ...``) is given a terminal, but each frame of a bar is kept as a line.
    The kernel's variable tells, and nothing moves there.
    """
    return Console(file=file or sys.stderr, force_terminal=False if "JPY_PARENT_PID" in os.environ else None)


def duration(seconds: float) -> str:
    """Seconds as people say them: 45 s, 12 min, 3.4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def announce(splits: Splits, seconds: Mapping[str, float]) -> None:
    """Say what is trained on, and how long it will take."""
    n, channels, length = splits.X_train.shape
    classes = "no labels" if splits.y_train is None else f"{len(set(splits.y_train.tolist()))} classes"
    out = console()
    out.print(
        f"[bold]{splits.name}[/bold]: {n} series to train on, {len(splits.X_test)} to evaluate on; "
        f"length {length}, {channels} channel{'s' * (channels > 1)}, {classes}",
        highlight=False,
    )
    few = few_series(splits.y_train, n, splits.y_test, len(splits.X_test))
    for line in filter(None, (splits.described, splits.note, *few, busy_hint())):
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    print_expected(seconds)


def print_expected(seconds: Mapping[str, float]) -> None:
    """Say how long the stages will take together, and each of them."""
    parts = " + ".join(duration(value) for value in seconds.values())
    line = f"expected training time: about {duration(sum(seconds.values()))} ({parts})"
    console().print(line, highlight=False)


def compile_hint() -> str | None:
    """A line for the first evaluation on this machine, which takes longer than all others."""
    from ncvqvae.evaluation.compiling import not_compiled

    missing = ", ".join(not_compiled())
    return f"this evaluation first compiles {missing}: a minute or two, once" if missing else None


class TrainingProgress(Progress):
    """A bar for each stage and its losses below; an instance is the ``report`` callback of ``fit``."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description:18}"),
            BarColumn(bar_width=20),
            TextColumn("{task.percentage:3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self.losses = ""
        self.bars: dict[str, TaskID] = {}
        super().__init__(*columns, console=console())

    def get_renderables(self) -> Iterator[RenderableType]:
        """The bars, then one line of losses by name while a stage is running."""
        yield self.make_tasks_table(self.tasks)
        if self.losses:
            yield Text(self.losses, style="dim")

    def __call__(self, stage: str, step: int, n_steps: int, terms: dict[str, float]) -> None:
        """Move the stage's bar and show its losses."""
        if stage not in self.bars:
            self.bars[stage] = self.add_task(STAGE_NAMES[stage], total=n_steps)
        losses = (f"{name} {value:.3f}" for name, value in terms.items() if name != "loss")
        self.losses = "" if step == n_steps else f"losses: {'  '.join(losses)}"
        self.update(self.bars[stage], completed=step)


@contextmanager
def counting_progress(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """One bar that counts to ``total``; call what is yielded with the number that was added."""
    columns = (TextColumn(description), BarColumn(), TextColumn("{task.completed}/{task.total}"), TimeRemainingColumn())
    with Progress(*columns, console=console()) as progress:
        yield partial(progress.advance, progress.add_task(description, total=total))


@contextmanager
def steps_status(description: str) -> Iterator[Callable[[str], None]]:
    """A spinner that says which step is running and for how long; call what is yielded with a step's name."""
    for hint in filter(None, (busy_hint(), compile_hint())):
        console().print(hint, highlight=False, soft_wrap=True)
    columns = (SpinnerColumn(), TextColumn(f"{description}: {{task.description}}"), TimeElapsedColumn())
    with Progress(*columns, console=console(), transient=True) as progress:
        task = progress.add_task("reading", total=None)
        yield lambda step: progress.update(task, description=step)


def metrics_table(name: str, metrics: Mapping[str, float]) -> Table:
    """The metrics of a run beside the same metrics for real data."""
    table = Table(title=name, title_justify="left", show_edge=False)
    table.add_column("metric")
    table.add_column("generated", justify="right")
    table.add_column("real data", justify="right")
    table.add_column("better", style="dim")
    for key in [key for key in SHORT if key in metrics]:
        metric, real = metric_of(key), real_value(key, metrics)
        value = duration(metrics[key]) if metric.unit == "s" else f"{metrics[key]:.3f}"
        table.add_row(metric.title, value, "" if real is None else f"{real:.3f}", metric.better_text)
    return table


def rivals_table(metrics: Mapping[str, float]) -> Table | None:
    """The generator beside its rivals, the cheapest first; None where no rival was scored."""
    scored = {of: title for of, title in RIVALS.items() if any(of_rival(key, of) in metrics for key in RIVALLED)}
    if not scored:
        return None
    table = Table(title="beside cheap rivals", title_justify="left", show_edge=False)
    table.add_column("series")
    columns = [key for key in RIVALLED if key in metrics and any(of_rival(key, of) in metrics for of in scored)][:6]
    for key in columns:
        metric = metric_of(key)
        table.add_column(f"{metric.title} {metric.arrow}".strip(), justify="right")
    rows = {"generated": columns, **{title: [of_rival(key, of) for key in columns] for of, title in scored.items()}}
    rows["real data"] = [real_key(key, metrics) or "" for key in columns]
    for title, keys in rows.items():
        table.add_row(title, *(number_text(metrics.get(key)) for key in keys))
    return table
