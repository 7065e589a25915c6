"""Verbs that draw: new series, and what is unknown of given ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from ncvqvae.cli.given import DrawOptions, GivenOptions, next_of_written, opened, reading, say_files
from ncvqvae.cli.parameters import (
    POSITIVE,
    ColumnOptions,
    Count,
    FillingOptions,
    Plugins,
    SamplingOptions,
    SamplingSettings,
    Seed,
    Switch,
    UserPath,
)
from ncvqvae.commands.next_step import free_name, next_line, say
from ncvqvae.commands.options import given, named_as_options
from ncvqvae.config import Device
from ncvqvae.registry import load_plugins


def sample(
    run: UserPath,
    /,
    *,
    out: UserPath,
    n: Annotated[int, Parameter(name=["-n", "--n"]), POSITIVE] = 500,
    label: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    unconditional: Switch = False,
    length: Count = None,
    seed: Seed = None,
    device: Device = "auto",
    overwrite: Switch = False,
    plugin: Plugins = None,
    sampling: Annotated[SamplingOptions | None, SamplingSettings] = None,  # type: ignore[valid-type]
) -> None:
    """Write new series from the trained model in RUN to a file.

    Args:
        run: Folder that fit wrote.
        out: File to write: .npz (X and y), .npy, or a table as in the run (.csv, .tsv, .parquet, .feather, .ts, .arff).
        n: Number of series.
        label: Class of all series (default: classes as frequent as in the train split).
        unconditional: Writes no labels; sampling.hidden_class says whether each series is drawn for a class.
        length: Number of time steps of all series (default: drawn from the lengths of the class, if they differ).
        seed: Seed of the draw (default: the run's own).
        device: Where the networks compute: auto, cpu, cuda or mps; auto is cuda or mps if there is one, else cpu.
        overwrite: Replaces the file if it exists.
    """
    from ncvqvae.commands.run_folder import as_label, check_output, open_run, run_form
    from ncvqvae.commands.sample import Request, write_samples
    from ncvqvae.commands.terminal import console, counting_progress

    load_plugins(plugin or ())
    check_output(out, overwrite)
    with named_as_options({"device": device}):
        model, _ = open_run(run, device)
    form = run_form(run)
    wanted = None if label is None else as_label(label, model.classes_, form)
    request = Request(n, wanted, unconditional, length, seed, given(sampling))
    with named_as_options({"sampling": request.sampling}), counting_progress("sampling", n) as done:
        write_samples(model, run, request, out, form, done)
    console().print(f"{n} series in {out}", highlight=False)
    judged = ["--samples", out] if (run / "metrics.json").is_file() else []
    say(next_line("evaluate", run, *judged, plugins=plugin))


def impute(
    run: UserPath,
    data: str,
    /,
    *,
    out: UserPath,
    options: GivenOptions | None = None,
    draw: DrawOptions | None = None,
    source: ColumnOptions | None = None,
    sampling: Annotated[FillingOptions | None, SamplingSettings] = None,  # type: ignore[valid-type]
) -> None:
    """Fill the gaps of the series in DATA, by the trained model in RUN, and write them to a file.

    What was observed stays. Ids, times, labels and columns are those of DATA.

    Args:
        run: Folder that fit wrote.
        data: UCR/UEA name, or a file.
        out: File to write: .npz (X and y), .npy, or a table as DATA is (.csv, .tsv, .parquet, .feather, .ts, .arff).
    """
    from ncvqvae.commands.filling import write_imputed

    options = options or GivenOptions()
    _write_draws("filling", write_imputed, run, data, out, options, draw, source, given(sampling))
    say(next_of_written("encode", run, out, ".tokens.parquet", source, options.plugin))


def extend(
    run: UserPath,
    data: str,
    /,
    *,
    out: UserPath,
    steps: Annotated[int, POSITIVE],
    options: GivenOptions | None = None,
    draw: DrawOptions | None = None,
    source: ColumnOptions | None = None,
    sampling: Annotated[FillingOptions | None, SamplingSettings] = None,  # type: ignore[valid-type]
) -> None:
    """Extend the series in DATA beyond their end, by the trained model in RUN, and write them to a file.

    No series becomes longer than those that the run was fitted on. Gaps are filled, too.

    Args:
        run: Folder that fit wrote.
        data: A file whose series are shorter than those that the run was fitted on.
        out: File to write: .npz (X and y), .npy, or a table as DATA is (.csv, .tsv, .parquet, .feather, .ts, .arff).
        steps: Number of time steps to add to each series.
    """
    from ncvqvae.commands.filling import write_extended
    from ncvqvae.commands.run_folder import run_form

    def write(of: Any, wanted: Any, done: Any, **chosen: Any) -> list[Path]:
        return write_extended(of, steps, wanted, run_form(run), done, **chosen)

    options = options or GivenOptions()
    _write_draws("extending", write, run, data, out, options, draw, source, given(sampling))
    words = ("--steps", steps, "--out", free_name(out), "--quantiles", 0.1, 0.9)
    say(next_line("extend", run, data, *words, *reading(source), plugins=options.plugin))


def vary(
    run: UserPath,
    data: str,
    /,
    *,
    out: UserPath,
    share: Annotated[float, Parameter(validator=Number(gte=0, lte=1))] = 0.6,
    n: Annotated[int, Parameter(name=["-n", "--n"]), POSITIVE] = 1,
    options: GivenOptions | None = None,
    source: ColumnOptions | None = None,
    sampling: Annotated[FillingOptions | None, SamplingSettings] = None,  # type: ignore[valid-type]
) -> None:
    """Write new series near those in DATA, by the trained model in RUN, to a file.

    Each new series keeps a random share of the tokens of a given one; the other tokens are drawn.

    Args:
        run: Folder that fit wrote.
        data: UCR/UEA name, or a file.
        out: File to write: .npz (X and y), .npy, or a table as DATA is (.csv, .tsv, .parquet, .feather, .ts, .arff).
        share: Share of the tokens to keep, from 0 (a new series) to 1 (a reconstruction).
        n: Number of new series for each given one.
    """
    from ncvqvae.commands.filling import write_varied
    from ncvqvae.commands.run_folder import check_output
    from ncvqvae.commands.terminal import counting_progress

    options, chosen = options or GivenOptions(), given(sampling)
    check_output(out, options.overwrite)
    of = opened(run, data, options, source)
    total = n * len(of.half.X)
    with named_as_options({"sampling": chosen}), counting_progress("varying", total) as done:
        write_varied(of, n, out, done, share=share, seed=options.seed, **chosen)
    say_files([out], total)
    say(next_of_written("score", run, out, ".scores.csv", source, options.plugin))


def _write_draws(
    doing: str,
    write: Callable[..., list[Path]],
    run: Path,
    data: str,
    out: Path,
    options: GivenOptions,
    draw: DrawOptions | None,
    source: ColumnOptions | None,
    chosen: dict[str, Any],
) -> None:
    """Write draws of what is unknown of each series in DATA, and say where they are: what impute and extend share."""
    from ncvqvae.commands.terminal import counting_progress

    wanted = (draw or DrawOptions()).wanted(out)
    wanted.check(options.overwrite)
    of = opened(run, data, options, source)
    n = len(of.half.X)
    with named_as_options({"sampling": chosen}), counting_progress(doing, n) as done:
        paths = write(of, wanted, done, seed=options.seed, **chosen)
    say_files(paths, n)
