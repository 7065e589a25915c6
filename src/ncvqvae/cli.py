"""The command line: verbs only. Every setting of :mod:`ncvqvae.config` is an option with its dotted name."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Group, Parameter, Token
from cyclopts.validators import Number

from ncvqvae.commands.options import given, in_option_spelling, named_as_options, options
from ncvqvae.config import Config, Device, SamplingConfig, load_config
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
    console().print(f"next: ncvqvae evaluate {out}", highlight=False)


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
    from ncvqvae.commands.run_folder import as_label, open_run, run_form
    from ncvqvae.commands.sample import Request, write_samples
    from ncvqvae.commands.terminal import console, counting_progress

    load_plugins(plugin or ())
    if out.exists() and not overwrite:
        raise InputError(f"{out} exists; choose another --out, or replace it with --overwrite")
    with named_as_options({"device": device}):
        model, _ = open_run(run, device)
    wanted = None if label is None else as_label(label, model.classes_)
    request = Request(n, wanted, unconditional, length, seed, given(sampling))
    with named_as_options({"sampling": request.sampling}), counting_progress("sampling", n) as progress:
        write_samples(model, run, request, out, run_form(run), lambda n: progress.advance(progress.task_ids[0], n))
    console().print(f"{n} series in {out}", highlight=False)


@app.command
def encode(
    run: UserPath,
    data: str,
    /,
    *,
    out: UserPath,
    split: Literal["train", "test"] = "train",
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
        device: Where the network computes: auto, cpu, cuda or mps; auto is cuda or mps if there is one, else cpu.
        overwrite: Replaces the file if it exists.
    """
    from dataclasses import asdict

    from ncvqvae.commands.encode import check_encode_target, encode_run
    from ncvqvae.commands.terminal import console
    from ncvqvae.data import load_half
    from ncvqvae.hardware import resolve_device

    load_plugins(plugin or ())
    if out.exists() and not overwrite:
        raise InputError(f"{out} exists; choose another --out, or replace it with --overwrite")
    check_encode_target(out)
    with named_as_options({"device": device}):
        resolve_device(device)  # one that is not there is said before any data is read
    half = load_half(data, split, **asdict(source or ColumnOptions()))
    if half.described:
        console().print(half.described, markup=False, highlight=False, soft_wrap=True)
    encode_run(run, half, out, device)
    console().print(f"tokens and embeddings of {len(half.X)} series in {out}", highlight=False)


@app.command
def export(run: UserPath, /, *, out: UserPath, plugin: Plugins = None) -> None:
    """Write the trained model in RUN as encoder.onnx, decoder.onnx and prior.onnx.

    Args:
        run: Folder that fit wrote.
        out: Folder to write them to.
    """
    from ncvqvae.commands.export import export_onnx
    from ncvqvae.commands.terminal import console
    from ncvqvae.model import NCVQVAE

    load_plugins(plugin or ())
    for path in export_onnx(NCVQVAE.from_pretrained(run), out):
        console().print(f"written: {path}", highlight=False, soft_wrap=True)


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
                extent=extent,
                progress=progress,
            )
    stdout = Console()
    stdout.print(metrics_table(evaluated.name, evaluated.metrics))
    if (table := rivals_table(evaluated.metrics)) is not None:
        stdout.print("", table)
    for name, reason in evaluated.left_out.items():
        console().print(f"rival {name} left out: {reason}", highlight=False, markup=False, soft_wrap=True)
    stdout.print(f"\nverdict: {evaluated.verdict}", style="bold", highlight=False, markup=False)
    for kind, path in evaluated.files.items():
        console().print(f"{kind}: {path}", highlight=False, soft_wrap=True)


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
    device: Device = "auto",
    backend: Literal["local", "ray"] = "local",
    workers: Count = None,
    address: str | None = None,
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
        device: Device of every run: auto, cpu, cuda or mps. The choice auto is that of the suite's settings.
        backend: Where runs are carried out: worker processes on this machine, or tasks of a Ray cluster.
        workers: Number of runs at once on this machine; no more than one per GPU (default: that, or one per core).
        address: Address of the Ray cluster (default: one is started here).
        cpus: Number of cores for each run.
        gpus: Number of GPUs for each run on Ray; a fraction lets several runs share one.
        data_dir: Folder with NAME/NAME_TRAIN.tsv and so on (default: as in fit).
        fcn_dir: Folder with published FCN weights, NAME.safetensors, for FID and IS (default: FCNs are trained here).
        cas: Trains FCNs for CAS, which takes most of an evaluation without a GPU.
    """
    from ncvqvae.bench.driver import check_outcome, make_backend, prepare_folder, run_bench
    from ncvqvae.bench.suites import load_suite
    from ncvqvae.commands.terminal import console

    load_plugins(plugin or ())
    chosen = load_suite(suite).select(datasets, models, seeds)
    folder = prepare_folder(out or Path("runs") / Path(suite).stem)
    runs = chosen.runs(folder, data_dir=data_dir, fcn_dir=fcn_dir, cas=cas, device=device)
    with named_as_options({"device": device}):
        made = make_backend(backend, folder, device=device, workers=workers, address=address, cpus=cpus, gpus=gpus)
    check_outcome(run_bench(runs, made))
    console().print(f"next: ncvqvae tables {folder}", highlight=False)


@app.command
def tables(folder: UserPath, /, *, out: UserPath | None = None) -> None:
    """Write the study's tables and pictures over the runs in FOLDER, beside the published numbers.

    Args:
        folder: Folder that bench wrote, or a CSV of rows (rows.csv of an earlier call).
        out: Folder of tables and pictures (default: FOLDER/tables, or NAME-tables beside the file NAME.csv).
    """
    from ncvqvae.commands.terminal import console
    from ncvqvae.study.tables import write_all

    out = out or (folder.with_name(f"{folder.stem}-tables") if folder.is_file() else folder / "tables")
    written = write_all(folder, out)
    console().print(f"{len(written)} files in {out}; begin with tables.md", highlight=False)


@app.command
def report(run: UserPath, /, *more: UserPath, out: UserPath = Path("comparison.html")) -> None:
    """Show evaluated runs side by side on one page.

    Args:
        run: Folder of an evaluated run.
        more: Folders of further runs (default: none).
        out: HTML file to write.
    """
    from ncvqvae.commands.compare import compare_runs
    from ncvqvae.commands.terminal import console
    from ncvqvae.files import check_target

    check_target(out)
    compare_runs([run, *more], out)
    console().print(f"comparison: {out}", highlight=False, soft_wrap=True)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exit 2 with one line on stderr where usage or input is at fault."""
    wait_passively()
    try:
        with _termination_as_interrupt():
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
        how, code = ("terminated", 143) if interrupt.args == (signal.SIGTERM,) else ("interrupted", 130)
        command = (sys.argv[1:] if arguments is None else arguments)[:1]
        mend = "continue with --resume" if command == ["fit"] else "start the same command again"
        print(f"{how}; what had been written is intact, {mend}", file=sys.stderr)
        sys.exit(code)


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """Let SIGTERM unwind the program as Ctrl-C does, so that temporary files go and workers end."""

    def interrupt(number: int, _: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.SIGTERM)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


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
