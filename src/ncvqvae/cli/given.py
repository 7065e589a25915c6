"""What the verbs have in common that take the series in DATA to a trained model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from ncvqvae.cli.parameters import ColumnOptions, Plugins, Seed, Switch, whole_from
from ncvqvae.commands.next_step import free_name, next_line
from ncvqvae.commands.options import given, named_as_options
from ncvqvae.config import Device
from ncvqvae.registry import load_plugins


@Parameter(name="*")
@dataclass(kw_only=True)
class GivenOptions:
    """How given series are taken, for the verbs that draw a part of them."""

    split: Literal["train", "test"] = "train"
    """Which half of the dataset. If a file has no other half, train is the whole file."""
    unconditional: Switch = False
    """Ignores the labels of DATA."""
    seed: Seed = None
    """Seed of the draw (default: the run's own)."""
    device: Device = "auto"
    """Where the networks compute: auto, cpu, cuda or mps; auto is cuda or mps if there is one, else cpu."""
    overwrite: Switch = False
    """Replaces the file if it exists."""
    plugin: Plugins = None


@Parameter(name="*")
@dataclass(kw_only=True)
class DrawOptions:
    """How many draws are made of each series, and which files are written of them."""

    draws: Annotated[int, whole_from(1, 10**6)] = 20
    """Number of draws. FILE holds their median, step by step."""
    quantiles: Annotated[
        list[float] | None, Parameter(consume_multiple=True, negative="", validator=Number(gte=0, lte=1))
    ] = None
    """Quantiles of the draws to write to files beside FILE: 0.1 0.9 gives FILE-q0.1 and FILE-q0.9 (default: none)."""
    each_draw: Switch = False
    """Also writes each draw to a file beside FILE, as in FILE-draw1."""

    def wanted(self, out: Path) -> Any:
        """The files that are asked for."""
        from ncvqvae.commands.filling import Wanted

        return Wanted(out, self.draws, tuple(self.quantiles or ()), self.each_draw)


def opened(run: Path, data: str, options: GivenOptions, source: ColumnOptions | None) -> Any:
    """The model of a run, and the series of DATA with the labels that it is told."""
    from dataclasses import asdict

    from ncvqvae.commands.filling import told
    from ncvqvae.commands.run_folder import open_run
    from ncvqvae.commands.terminal import console
    from ncvqvae.data import load_half

    load_plugins(options.plugin or ())
    with named_as_options({"device": options.device}):
        model, _ = open_run(run, options.device)
    half = load_half(data, options.split, min_cases=1, **asdict(source or ColumnOptions()))
    if half.described:
        console().print(half.described, markup=False, highlight=False, soft_wrap=True)
    return told(model, half, options.unconditional)


def say_files(paths: Sequence[Path], n: int) -> None:
    """Print where n series were written."""
    from ncvqvae.commands.terminal import console

    more = f" and {len(paths) - 1} more beside it" if len(paths) > 1 else ""
    console().print(f"{n} series in {paths[0]}{more}", highlight=False, soft_wrap=True)


def reading(source: ColumnOptions | None, written: Path | None = None) -> list[str]:
    """The options that read the data, or a file that was written in their form: that has only the columns read."""
    options = given(source)
    if written is not None:
        is_table = written.suffix.lower() in (".csv", ".tsv", ".parquet", ".feather")
        kept = ("label_column", "id_column", "time_column", "value_columns", "header") if is_table else ()
        options = {name: value for name, value in options.items() if name in kept}
    words: list[str] = []
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if name == "header":
            words.append(option if value else "--no-header")
        else:
            words += [option, *map(str, value if isinstance(value, list) else [value])]
    return words


def next_of_written(verb: str, run: Path, out: Path, into: str, source: ColumnOptions | None, plugin: Any) -> str:
    """The next command on a file that was written here; windows are numbered in it in columns that no option names."""
    if source is not None and source.window is not None:
        return next_line("evaluate", run, plugins=plugin)
    target = free_name(out.with_suffix(into))
    return next_line(verb, run, out, "--out", target, *reading(source, out), plugins=plugin)
