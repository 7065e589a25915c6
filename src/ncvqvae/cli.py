"""The command line: verbs only. Every setting of :mod:`ncvqvae.config` is an option with its dotted name."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from operator import attrgetter
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Group, Parameter, Token
from cyclopts.validators import Number

from ncvqvae.commands.next_step import browse_line, free_name, next_line
from ncvqvae.commands.options import given, in_option_spelling, named_as_options, options
from ncvqvae.commands.streams import lossy_streams, warnings_in_one_line
from ncvqvae.config import Config, Device, EmbeddingKind, SamplingConfig, load_config
from ncvqvae.errors import InputError
from ncvqvae.registry import load_plugins
from ncvqvae.threads import wait_passively

app = App(
    name="ncvqvae",
    help="Learn from and generate labelled time series with NC-VQVAE.",
    help_format="plaintext",
    result_action="return_value",
    suppress_keyboard_interrupt=False,  # main() says what is left and how to go on
)

app.register_install_completion_command(help="Install completion of commands and options in your shell, then exit.")

Settings = Parameter(
    name="*",
    group=Group("Settings", help="Each overrides the preset. The defaults shown are those of the preset default."),
)
SamplingSettings = Parameter(
    group=Group("Settings", help="Each overrides, for this draw, what the run was fitted with.")
)


def _expanded(_: Any, tokens: Sequence[Token]) -> Path:
    """A path in which a leading ~ is the home folder, also where the shell left it alone, as in --out=~/run."""
    return Path(tokens[0].value).expanduser()


UserPath = Annotated[Path, Parameter(converter=_expanded)]
Names = Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")]
Plugins = Annotated[
    list[str] | None,
    Parameter(
        negative="",
        help="Module or .py file that registers parts of your own; give the option once for each (default: none).",
    ),
]
Switch = Annotated[bool, Parameter(negative="")]
Count = Annotated[int | None, Parameter(validator=Number(gte=1))]
Seed = Annotated[int | None, Parameter(validator=Number(gte=0, lte=2**32 - 1))]


@cache
def _preset() -> Config:
    """The preset that is the default; read only where its values are shown."""
    return load_config()


ConfigOptions = options(Config, lambda name: attrgetter(name)(_preset()))
SamplingOptions = options(SamplingConfig, lambda _: "the run's own")


@Parameter(name="*", group="Data")
@dataclass(kw_only=True)
class ColumnOptions:
    """How to read a dataset."""

    data_dir: UserPath | None = None
    """Folder with NAME/NAME_TRAIN.tsv and so on (default: $NCVQVAE_DATA_DIR, what aeon ships, the archive)."""
    label_column: str | None = None
    """Column with the labels (default: the one named label, class or target)."""
    id_column: str | None = None
    """Column that names a row's series, in tables with a row per time step (default: none, a row is a series)."""
    time_column: str | None = None
    """Column with the time, in tables with a row per time step (default: none, a row is a series)."""
    value_columns: Names = None
    """Columns with the values: time steps where a row is a series, else channels (default: all other columns)."""
    ignore_columns: Names = None
    """Columns to leave out (default: none)."""
    header: Annotated[bool | None, Parameter(negative="--no-header")] = None
    """Whether the first line of a text file holds the names of the columns (default: found out)."""
    window: Count = None
    """Time steps of the windows that recordings are cut into; a table is then one recording (default: none)."""
    stride: Count = None
    """Number of time steps from one window to the next (default: the window, so that none overlap)."""


@Parameter(name="*", group="Data")
@dataclass(kw_only=True)
class DataOptions(ColumnOptions):
    """How to read the data to fit."""

    test: UserPath | None = None
    """File to evaluate on (default: the TEST half, or a part of the cases that is kept aside)."""


@app.command
def fit(
    data: str | None = None,
    /,
    *,
    out: UserPath | None = None,
    preset: str | None = None,
    config: UserPath | None = None,
    overwrite: Switch = False,
    resume: Switch = False,
    logger: Literal["tensorboard", "wandb", "mlflow", "none"] = "tensorboard",
    plugin: Plugins = None,
    source: DataOptions | None = None,
    settings: Annotated[ConfigOptions | None, Settings] = None,  # type: ignore[valid-type]
) -> None:
    """Train both stages on DATA: a UCR/UEA name, a file, or a folder of one file per series.

    Args:
        data: UCR/UEA name, file (.tsv, .csv, .parquet, .feather, .npz, .npy, .ts, .arff), folder (default: the run's).
        out: Folder of the run (default: runs/DATA).
        preset: Recipe to start from: default, paper or quick (default: default).
        config: YAML file whose values override those of the preset (default: none).
        overwrite: Replaces a run that is in the folder already.
        resume: Continues the interrupted run in --out; data and settings that are not given are those it began with.
        logger: Tracker that loss curves go to, besides history.csv.
    """
    if data is None and (out is None or not resume):
        raise InputError("no DATA; give a UCR/UEA name or a file, or --resume with the --out of an interrupted run")
    from ncvqvae.commands.fit import fit_run, print_settled
    from ncvqvae.commands.run_folder import Begun, DataSource
    from ncvqvae.commands.terminal import TrainingProgress, announce, console
    from ncvqvae.model import NCVQVAE

    load_plugins(plugin or ())
    out = out or Path("runs") / Path(str(data)).stem.lower()
    begun = Begun.read(out) if resume else Begun()
    if data is None and "data" not in begun.source:
        raise InputError(f"{out} holds no interrupted run; give DATA to begin one")
    chosen = given(settings)
    if begun.settings and preset is None and config is None and chosen.keys() <= {"device"}:
        model = NCVQVAE(begun.preset, settings={**begun.settings, **chosen})
    else:
        model = NCVQVAE(preset or begun.preset, config_file=config, settings=chosen)
    with named_as_options(chosen):
        model._config()  # a wrong setting is said before any data is read
    named = {} if data is None else {"data": _absolute(data)}
    with TrainingProgress() as progress:
        fit_run(
            DataSource(**{**begun.source, **_as_text(given(source)), **named}),
            model,
            out,
            overwrite=overwrite,
            resume=resume,
            report=progress,
            announce=announce,
            explain=print_settled,
            logger=logger,
            draw=True,
        )
    n_pictures = len(list((out / "figures").glob("*.png")))
    console().print(f"model in {out}, {n_pictures} pictures in {out / 'figures'}", highlight=False)
    _say(next_line("evaluate", out, plugins=plugin))


@app.command
def sample(
    run: UserPath,
    /,
    *,
    out: UserPath,
    n: Annotated[int, Parameter(name=["-n", "--n"])] = 500,
    label: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    unconditional: Switch = False,
    length: int | None = None,
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
        label: Class of all series (default: classes are drawn from those of the train split).
        unconditional: Samples without a class.
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
    wanted = None if label is None else as_label(label, model.classes_)
    request = Request(n, wanted, unconditional, length, seed, given(sampling))
    with named_as_options({"sampling": request.sampling}), counting_progress("sampling", n) as progress:
        write_samples(model, run, request, out, run_form(run), lambda n: progress.advance(progress.task_ids[0], n))
    console().print(f"{n} series in {out}", highlight=False)
    judged = ["--samples", out] if (run / "metrics.json").is_file() else []
    _say(next_line("evaluate", run, *judged, plugins=plugin))


@app.command
def encode(
    run: UserPath,
    data: str,
    /,
    *,
    out: UserPath,
    split: Literal["train", "test"] = "train",
    embedding: EmbeddingKind | None = None,
    device: Device = "auto",
    overwrite: Switch = False,
    plugin: Plugins = None,
    source: ColumnOptions | None = None,
) -> None:
    """Write tokens and embeddings of the series in DATA, by the trained model in RUN, to a file.

    Args:
        run: Folder that fit wrote.
        data: UCR/UEA name, or a file.
        out: File to write: .parquet, .feather, .csv (label, token_0 …, z_0 …) or .npz (tokens, embeddings, y).
        split: Half of the dataset. Of a file that stands alone, train is the whole file.
        embedding: What z_0 … are made of: every level of the encoder (encoder) or the mean of the code vectors
            (tokens); the run's own if not given.
        device: Where the network computes: auto, cpu, cuda or mps; auto is cuda or mps if there is one, else cpu.
        overwrite: Replaces the file if it exists.
    """
    from dataclasses import asdict

    from ncvqvae.commands.encode import encode_run
    from ncvqvae.commands.rows import check_rows_target
    from ncvqvae.commands.run_folder import check_output
    from ncvqvae.commands.terminal import console
    from ncvqvae.data import load_half
    from ncvqvae.hardware import resolve_device

    load_plugins(plugin or ())
    check_output(out, overwrite)
    check_rows_target(out)
    with named_as_options({"device": device}):
        resolve_device(device)  # one that is not there is said before any data is read
    half = load_half(data, split, **asdict(source or ColumnOptions()))
    if half.described:
        console().print(half.described, markup=False, highlight=False, soft_wrap=True)
    encode_run(run, half, out, device, embedding)
    console().print(f"tokens and embeddings of {len(half.X)} series in {out}", highlight=False)
    _say(next_line("evaluate", run, plugins=plugin))


@Parameter(name="*")
@dataclass(kw_only=True)
class GivenOptions:
    """How given series are taken, for the verbs that draw a part of them."""

    split: Literal["train", "test"] = "train"
    """Half of the dataset. Of a file that stands alone, train is the whole file."""
    unconditional: Switch = False
    """Leaves the labels of DATA out of account."""
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

    draws: Annotated[int, Parameter(validator=Number(gte=1))] = 20
    """Number of draws. FILE holds their median, step by step."""
    quantiles: Annotated[list[float] | None, Parameter(consume_multiple=True, negative="")] = None
    """Shares such as 0.1 0.9, whose quantiles of the draws go to files beside FILE, as in FILE-q0.1 (default: none)."""
    each_draw: Switch = False
    """Writes every single draw, too, to files beside FILE, as in FILE-draw1."""

    def wanted(self, out: Path) -> Any:
        """The files that are asked for."""
        from ncvqvae.commands.filling import Wanted

        return Wanted(out, self.draws, tuple(self.quantiles or ()), self.each_draw)


def _given(run: Path, data: str, options: GivenOptions, source: ColumnOptions | None) -> Any:
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


def _say_files(paths: Sequence[Path], n: int) -> None:
    from ncvqvae.commands.terminal import console

    more = f" and {len(paths) - 1} more beside it" if len(paths) > 1 else ""
    console().print(f"{n} series in {paths[0]}{more}", highlight=False, soft_wrap=True)


def _reading(source: ColumnOptions | None, written: Path | None = None) -> list[str]:
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


def _next_of_written(verb: str, run: Path, out: Path, into: str, source: ColumnOptions | None, plugin: Any) -> str:
    """The next command on a file that was written here; windows are numbered in it in columns that no option names."""
    if source is not None and source.window is not None:
        return next_line("evaluate", run, plugins=plugin)
    target = free_name(out.with_suffix(into))
    return next_line(verb, run, out, "--out", target, *_reading(source, out), plugins=plugin)


@app.command
def impute(
    run: UserPath,
    data: str,
    /,
    *,
    out: UserPath,
    options: GivenOptions | None = None,
    draw: DrawOptions | None = None,
    source: ColumnOptions | None = None,
    sampling: Annotated[SamplingOptions | None, SamplingSettings] = None,  # type: ignore[valid-type]
) -> None:
    """Fill the gaps of the series in DATA, by the trained model in RUN, and write them to a file.

    What was observed stays. Ids, times, labels and columns are those of DATA.

    Args:
        run: Folder that fit wrote.
        data: UCR/UEA name, or a file.
        out: File to write: .npz (X and y), .npy, or a table as DATA is (.csv, .tsv, .parquet, .feather, .ts, .arff).
    """
    from ncvqvae.commands.filling import write_imputed
    from ncvqvae.commands.terminal import counting_progress

    options, chosen = options or GivenOptions(), given(sampling)
    wanted = (draw or DrawOptions()).wanted(out)
    wanted.check(options.overwrite)
    of = _given(run, data, options, source)
    n = len(of.half.X)
    with named_as_options({"sampling": chosen}), counting_progress("filling", n) as progress:
        done = partial(progress.advance, progress.task_ids[0])
        paths = write_imputed(of, wanted, done, seed=options.seed, **chosen)
    _say_files(paths, n)
    _say(_next_of_written("encode", run, out, ".tokens.parquet", source, options.plugin))


@app.command
def extend(
    run: UserPath,
    data: str,
    /,
    *,
    out: UserPath,
    steps: Annotated[int, Parameter(validator=Number(gte=1))],
    options: GivenOptions | None = None,
    draw: DrawOptions | None = None,
    source: ColumnOptions | None = None,
    sampling: Annotated[SamplingOptions | None, SamplingSettings] = None,  # type: ignore[valid-type]
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
    from ncvqvae.commands.terminal import counting_progress

    options, chosen = options or GivenOptions(), given(sampling)
    wanted = (draw or DrawOptions()).wanted(out)
    wanted.check(options.overwrite)
    of = _given(run, data, options, source)
    n = len(of.half.X)
    with named_as_options({"sampling": chosen}), counting_progress("extending", n) as progress:
        done = partial(progress.advance, progress.task_ids[0])
        paths = write_extended(of, steps, wanted, run_form(run), done, seed=options.seed, **chosen)
    _say_files(paths, n)
    words = ("--steps", steps, "--out", free_name(out), "--quantiles", 0.1, 0.9)
    _say(next_line("extend", run, data, *words, *_reading(source), plugins=options.plugin))


@app.command
def vary(
    run: UserPath,
    data: str,
    /,
    *,
    out: UserPath,
    share: Annotated[float, Parameter(validator=Number(gte=0, lte=1))] = 0.6,
    n: Annotated[int, Parameter(name=["-n", "--n"], validator=Number(gte=1))] = 1,
    options: GivenOptions | None = None,
    source: ColumnOptions | None = None,
    sampling: Annotated[SamplingOptions | None, SamplingSettings] = None,  # type: ignore[valid-type]
) -> None:
    """Write new series near those in DATA, by the trained model in RUN, to a file.

    Each keeps a random share of the tokens of a given series; the others are drawn.

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
    of = _given(run, data, options, source)
    total = n * len(of.half.X)
    with named_as_options({"sampling": chosen}), counting_progress("varying", total) as progress:
        done = partial(progress.advance, progress.task_ids[0])
        write_varied(of, n, out, done, share=share, seed=options.seed, **chosen)
    _say_files([out], total)
    _say(_next_of_written("score", run, out, ".scores.csv", source, options.plugin))


@app.command
def score(
    run: UserPath,
    data: str,
    /,
    *,
    out: UserPath,
    masks: Annotated[int, Parameter(validator=Number(gte=1))] = 32,
    options: GivenOptions | None = None,
    source: ColumnOptions | None = None,
) -> None:
    """Write how likely each series in DATA is to the trained model in RUN; low scores are outliers.

    A score is a lower bound on the log-likelihood per token, in nats.

    Args:
        run: Folder that fit wrote.
        data: UCR/UEA name, or a file.
        out: File to write: .csv, .parquet, .feather (ids, label, score) or .npz (score, y, ids).
        masks: Number of random masks that a score is estimated from.
    """
    from ncvqvae.commands.filling import write_scores
    from ncvqvae.commands.rows import check_rows_target
    from ncvqvae.commands.run_folder import check_output
    from ncvqvae.commands.terminal import console

    options = options or GivenOptions()
    check_output(out, options.overwrite)
    check_rows_target(out)
    of = _given(run, data, options, source)
    scores = write_scores(of, out, masks, options.seed)
    console().print(f"scores of {len(scores)} series in {out}", highlight=False, soft_wrap=True)
    lowest = scores.argsort()[:5]
    named = lowest if of.half.ids is None else [of.half.ids[at] for at in lowest]
    console().print(f"lowest: {', '.join(map(str, named))}", markup=False, highlight=False, soft_wrap=True)
    target = free_name(out.with_suffix(".tokens.parquet"))
    _say(next_line("encode", run, data, "--out", target, *_reading(source), plugins=options.plugin))


@app.command
def export(run: UserPath, /, *, out: UserPath, overwrite: Switch = False, plugin: Plugins = None) -> None:
    """Write the trained model in RUN as encoder.onnx, decoder.onnx, prior.onnx and embedding.onnx.

    Args:
        run: Folder that fit wrote.
        out: Folder to write them to.
        overwrite: Replaces files of these names.
    """
    from ncvqvae.commands.export import export_onnx
    from ncvqvae.commands.terminal import console
    from ncvqvae.model import NCVQVAE

    load_plugins(plugin or ())
    for path in export_onnx(NCVQVAE.from_pretrained(run), out, overwrite=overwrite):
        console().print(f"written: {path}", highlight=False, soft_wrap=True)
    _say(next_line("sample", run, "-n", 500, "--out", free_name(out / "samples.npz"), plugins=plugin))


@app.command
def evaluate(
    run: UserPath | None = None,
    /,
    *,
    samples: UserPath | None = None,
    data: str | None = None,
    out: UserPath | None = None,
    fcn: UserPath | None = None,
    seed: Seed = None,
    device: Device = "auto",
    full: Switch = False,
    cas: bool = True,
    rivals: bool = True,
    overwrite: Switch = False,
    plugin: Plugins = None,
    source: DataOptions | None = None,
) -> None:
    """Compute every metric of the trained model in RUN, and draw its pictures and report.

    Without RUN, these are the metrics of series from any other model, which --samples and --data name.

    Args:
        run: Folder that fit wrote (default: none, --samples and --data are scored).
        samples: Series from any other model: .npz (X and y), .csv, .parquet or .ts (default: those that RUN makes).
        data: UCR/UEA name or file, whose train split the other model learned from (default: that of RUN).
        out: Folder of the metrics and the report of --samples (default: runs/FILE, or RUN).
        fcn: Weights (.safetensors) of the FCN behind FID and IS (default: one is trained on the train split, and kept).
        seed: Seed of the samples and of the classifiers (default: the run's own, or 0 without RUN).
        device: Where the networks compute: auto, cpu, cuda or mps; auto is cuda or mps if there is one, else cpu.
        full: Adds bootstrap intervals, FCNs trained on real and generated series, and a finer p-value (minutes).
        cas: Trains FCNs for CAS, which takes most of the time without a GPU (cas_rocket needs none).
        rivals: Scores cheap ways to more series, such as jitter and time warp, with the same metrics.
        overwrite: Replaces files in --out that are no earlier evaluation.
    """
    from dataclasses import asdict

    from rich.console import Console

    from ncvqvae.commands.evaluate import evaluate_run, evaluate_series
    from ncvqvae.commands.run_folder import DataSource
    from ncvqvae.commands.terminal import console, metrics_table, rivals_table, steps_status
    from ncvqvae.evaluation.protocol import Extent

    load_plugins(plugin or ())
    columns, extent = source or DataOptions(), Extent(full=full, cas=cas, rivals=rivals)
    _check_evaluate(run, samples, data, out, columns)
    with named_as_options({"device": device}), steps_status("evaluating") as progress:
        if run is not None:
            evaluated = evaluate_run(
                run,
                fcn=fcn,
                samples=samples,
                seed=seed,
                device=device,
                data_dir=columns.data_dir,
                extent=extent,
                progress=progress,
            )
        else:
            assert samples is not None and data is not None
            evaluated = evaluate_series(
                DataSource(_absolute(data), **_as_text(asdict(columns))),
                samples,
                out or Path("runs") / samples.stem,
                fcn=fcn,
                seed=seed or 0,
                device=device,
                overwrite=overwrite,
                extent=extent,
                progress=progress,
            )
    stdout = Console()
    stdout.print(metrics_table(evaluated.name, evaluated.metrics))
    if (table := rivals_table(evaluated.metrics)) is not None:
        stdout.print("", table)
    for name, reason in evaluated.left_out.items():
        console().print(f"rival {name} left out: {reason}", highlight=False, markup=False, soft_wrap=True)
    stdout.print("")
    for line in evaluated.verdict.lines:
        stdout.print(line, highlight=False, markup=False, soft_wrap=True)
    for kind, path in evaluated.files.items():
        console().print(f"{kind}: {path}", highlight=False, soft_wrap=True)
    if run is not None and samples is None:
        _say(next_line("sample", run, "-n", 500, "--out", free_name(run / "samples.npz"), plugins=plugin))
    else:
        _say(browse_line(evaluated.files["report"]))


def _check_evaluate(run: Path | None, samples: Path | None, data: str | None, out: Path | None, source: Any) -> None:
    """RUN says which data it has; without it, --samples and --data do."""
    if run is None and (samples is None or data is None):
        raise InputError("nothing to evaluate; give the folder of a run, or --samples FILE with --data NAME")
    if run is None:
        return
    if data is not None or out is not None:
        raise InputError(
            f"--{'data' if data is not None else 'out'} is for series without a run; leave out {run} or it"
        )
    others = [name for name, value in given(source).items() if name != "data_dir"]
    if others:
        raise InputError(
            f"--{others[0].replace('_', '-')} is for --data; {run} knows how to read its data: leave it out"
        )


@app.command
def bench(
    *,
    suite: str = "paper",
    out: UserPath | None = None,
    datasets: Names = None,
    models: Names = None,
    seeds: int | None = None,
    per_class: Annotated[list[int] | None, Parameter(consume_multiple=True, validator=Number(gte=1))] = None,
    device: Device = "auto",
    backend: Literal["local", "ray", "slurm"] = "local",
    workers: Count = None,
    address: str | None = None,
    slurm: Names = None,
    cpus: Annotated[int, Parameter(validator=Number(gte=1))] = 1,
    gpus: Annotated[float, Parameter(validator=Number(gte=0, lte=1024))] = 0.0,
    data_dir: UserPath | None = None,
    fcn_dir: UserPath | None = None,
    cas: bool = True,
    plugin: Plugins = None,
) -> None:
    """Train and evaluate every model of a suite on every dataset with every seed.

    Started again, it goes on where it was.

    Args:
        suite: Name of a suite (paper, ablation, augmented-weight or smoke), or a YAML file of one.
        out: Folder of the bench, with each run in DATASET/MODEL/SEED inside it (default: runs/SUITE).
        datasets: Datasets to take, also others than the suite's (default: all of the suite).
        models: Models of the suite to take (default: all).
        seeds: Number of seeds (default: those of the suite).
        per_class: Cuts each train split to so many series of each class, as in --per-class 5 10 20, and names the cut
            dataset NAME-5-a-class (default: the whole train split).
        device: Device of every run: auto, cpu, cuda or mps. The choice auto is that of the suite's settings.
        backend: Where runs are carried out: processes on this machine, tasks of a Ray cluster, or SLURM jobs.
        workers: Number of runs at once, or of SLURM jobs (default: one per GPU, else one per core; 100 jobs).
        address: Address of the Ray cluster (default: one is started here).
        slurm: Options of sbatch as NAME=VALUE, such as partition=gpu and time=240, in minutes (default: none).
        cpus: Number of cores for each run.
        gpus: Number of GPUs for each run on a cluster; a fraction lets several runs on Ray share one.
        data_dir: Folder with NAME/NAME_TRAIN.tsv and so on (default: as in fit).
        fcn_dir: Folder with published FCN weights, NAME.safetensors, for FID and IS (default: FCNs are trained here).
        cas: Trains FCNs for CAS, which takes most of an evaluation without a GPU.
    """
    from ncvqvae.bench.driver import check_outcome, make_backend, prepare_folder, run_bench
    from ncvqvae.bench.suites import load_suite

    load_plugins(plugin or ())
    chosen = load_suite(suite).select(datasets, models, seeds, per_class or ())
    folder = prepare_folder(out or Path("runs") / Path(suite).stem)
    runs = chosen.runs(folder, data_dir=data_dir, fcn_dir=fcn_dir, cas=cas, device=device)
    with named_as_options({"device": device}):
        made = make_backend(
            backend,
            folder,
            device=device,
            workers=workers,
            address=address,
            cpus=cpus,
            gpus=gpus,
            slurm=slurm or (),
        )
    check_outcome(run_bench(runs, made, pause=60.0 if backend == "slurm" else 5.0))  # each try is a job in the queue
    _say(next_line("tables", folder))


@app.command
def tables(folder: UserPath, /, *, out: UserPath | None = None, overwrite: Switch = False) -> None:
    """Write the study's tables and pictures over the runs in FOLDER, beside the published numbers.

    Args:
        folder: Folder that bench wrote, or a CSV of rows (rows.csv of an earlier call).
        out: Folder of tables and pictures (default: FOLDER/tables, or NAME-tables beside the file NAME.csv).
        overwrite: Writes into a folder that holds something else than earlier tables.
    """
    from ncvqvae.commands.terminal import console
    from ncvqvae.study.tables import write_all

    out = out or (folder.with_name(f"{folder.stem}-tables") if folder.is_file() else folder / "tables")
    written = write_all(folder, out, overwrite=overwrite)
    console().print(f"{len(written)} files in {out}; begin with tables.md", highlight=False)
    _say(browse_line(out / "tables.md"))


@app.command
def report(
    run: UserPath, /, *more: UserPath, out: UserPath = Path("comparison.html"), overwrite: Switch = False
) -> None:
    """Show evaluated runs side by side on one page.

    Args:
        run: Folder of an evaluated run.
        more: Folders of further runs (default: none).
        out: HTML file to write, beside a folder of pictures.
        overwrite: Replaces the file and the pictures if they exist.
    """
    from ncvqvae.commands.compare import compare_runs
    from ncvqvae.commands.terminal import console
    from ncvqvae.files import check_target

    check_target(out)
    compare_runs([run, *more], out, overwrite=overwrite)
    console().print(f"comparison: {out}", highlight=False, soft_wrap=True)
    _say(browse_line(out))


@app.command
def doctor(*, out: UserPath = Path("runs")) -> None:
    """Say what of this machine and installation matters, and exit with 1 if something has to be mended.

    Args:
        out: Folder that runs would be written to.
    """
    from ncvqvae.commands.doctor import examine, lines

    findings = examine(out)
    print("\n".join(lines(findings)))
    if any(finding.problem for finding in findings):
        sys.exit(1)
    _say(next_line("fit", "GunPoint", "--preset", "quick", "--out", free_name(out / "gunpoint")))


ENDING = {signal.SIGTERM: "terminated"} | ({signal.SIGHUP: "hung up"} if hasattr(signal, "SIGHUP") else {})
"""Signals besides Ctrl-C that end a command, and what it says then."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exit 2 with one line on stderr where usage or input is at fault."""
    wait_passively()
    with lossy_streams(), warnings_in_one_line():
        _carry_out(arguments)


def _carry_out(arguments: list[str] | None) -> None:
    try:
        with _signals_as_interrupt():
            app(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        _fail(str(error))
    except InputError as error:
        _fail(in_option_spelling(str(error)))
    except OSError as error:
        _fail(
            f"{error.filename or 'file system'}: {error.strerror or error}; free space, or check path and permissions"
        )
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "allocate" not in str(error):  # PyTorch's is a RuntimeError
            raise
        _fail(f"not enough memory ({str(error)[:200]}); choose smaller settings, for example batch_size or chunk_size")
    except KeyboardInterrupt as interrupt:
        number = interrupt.args[0] if interrupt.args and interrupt.args[0] in ENDING else signal.SIGINT
        how, code = ENDING.get(number, "interrupted"), 128 + number
        command = (sys.argv[1:] if arguments is None else arguments)[:1]
        mend = "continue with --resume" if command == ["fit"] else "start the same command again"
        print(f"{how}; what had been written is intact, {mend}", file=sys.stderr)
        sys.exit(code)


@contextmanager
def _signals_as_interrupt() -> Iterator[None]:
    """Let signals that end a program unwind it as Ctrl-C does, so that temporary files go and workers end."""

    def interrupt(number: int, _: FrameType | None) -> None:
        raise KeyboardInterrupt(number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        ignored = [number for number in ENDING if signal.getsignal(number) is signal.SIG_IGN]  # nohup asks for it
        before = {number: signal.signal(number, interrupt) for number in ENDING if number not in ignored}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(line: str) -> None:
    """Print a line to stderr as it is: markup and wrapping would spoil what is to be pasted."""
    print(line, file=sys.stderr)


def _fail(message: str) -> None:
    print("ncvqvae: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(2)


def _absolute(data: str) -> str:
    """A file's or folder's absolute path; a dataset's name as it is."""
    from ncvqvae.data.load import is_path

    path = Path(data).expanduser()
    return str(path.resolve()) if path.exists() and is_path(data) else data


def _as_text(values: dict[str, Any]) -> dict[str, Any]:
    """Paths made absolute and turned to text, for a YAML file that still holds from another folder."""
    return {key: str(value.resolve()) if isinstance(value, Path) else value for key, value in values.items()}
