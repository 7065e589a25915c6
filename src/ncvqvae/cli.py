"""The command line: verbs only; every setting of :mod:`ncvqvae.config` is an option with its dotted name."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter

from ncvqvae.config import Config, SamplingConfig, partial
from ncvqvae.errors import InputError
from ncvqvae.threads import wait_passively

app = App(
    name="ncvqvae",
    help="Learn from and generate labelled time series with NC-VQVAE.",
    help_format="plaintext",
    result_action="return_value",
    suppress_keyboard_interrupt=False,  # main() says what is left and how to go on
)

Settings = Parameter(name="*", group="Settings (each overrides the preset)")
SettingsGroup = Parameter(group="Settings (each overrides the run's)")
Names = Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")]
ConfigOptions = partial(Config)
SamplingOptions = partial(SamplingConfig)


@Parameter(name="*", group="Data")
@dataclass(kw_only=True)
class ColumnOptions:
    """How to read a dataset."""

    data_dir: Path | None = None
    """Folder with <Name>/<Name>_TRAIN.tsv and so on (default: $NCVQVAE_DATA_DIR, what aeon ships, the archive)."""
    label_column: str | None = None
    """Column with the labels."""
    id_column: str | None = None
    """Column that names a row's series, for tables with a row per time step."""
    time_column: str | None = None
    """Column with the time, for tables with a row per time step."""
    value_columns: list[str] | None = None
    """Columns with the values, one a channel, for tables with a row per time step."""
    window: int | None = None
    """Cut recordings into windows of this many time steps; a table is then one recording, a row per time step."""
    stride: int | None = None
    """Time steps from one window to the next (default: the window, so that none overlap)."""


@Parameter(name="*", group="Data")
@dataclass(kw_only=True)
class DataOptions(ColumnOptions):
    """How to read the data to fit."""

    test: Path | None = None
    """File to evaluate on (default: the TEST half, or a part of the cases kept aside)."""


@app.command
def fit(
    data: str,
    /,
    *,
    out: Path | None = None,
    preset: str = "default",
    config: Path | None = None,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    resume: Annotated[bool, Parameter(negative="")] = False,
    logger: Literal["tensorboard", "wandb", "mlflow", "none"] = "tensorboard",
    source: DataOptions | None = None,
    settings: Annotated[ConfigOptions | None, Settings] = None,  # type: ignore[valid-type]
) -> None:
    """Train both stages on DATA, a UCR/UEA name, a file, or a folder of one file per series.

    Args:
        data: UCR/UEA name, a file (.tsv, .csv, .parquet, .feather, .npz, .npy, .ts, .arff) or a folder of .csv files.
        out: folder of the run (default: runs/DATA).
        preset: recipe to start from: default, paper or quick.
        config: YAML file whose values override the preset's.
        overwrite: replace a run that is in the folder already.
        resume: continue an interrupted run.
        logger: where loss curves go besides history.csv.
    """
    from dataclasses import asdict

    from ncvqvae.commands.evaluate import draw_pictures
    from ncvqvae.commands.fit import fit_run
    from ncvqvae.commands.run_folder import DataSource
    from ncvqvae.commands.terminal import TrainingProgress, announce, console
    from ncvqvae.model import NCVQVAE

    out = out or Path("runs") / Path(data).stem.lower()
    model = NCVQVAE(preset, config_file=config, settings=_given(settings))
    model._config()  # a wrong setting is said before any data is read
    with TrainingProgress() as progress:
        fit_run(
            DataSource(_absolute(data), **_as_text(asdict(source or DataOptions()))),
            model,
            out,
            overwrite=overwrite,
            resume=resume,
            report=progress,
            announce=announce,
            logger=logger,
        )
    pictures = draw_pictures(out)
    console().print(f"model in {out}, {len(pictures)} pictures in {out / 'figures'}", highlight=False)
    console().print(f"next: ncvqvae evaluate {out}", highlight=False)


@app.command
def sample(
    run: Path,
    /,
    *,
    out: Path,
    n: Annotated[int, Parameter(name=["-n", "--n"])] = 500,
    label: str | None = None,
    unconditional: Annotated[bool, Parameter(negative="")] = False,
    length: int | None = None,
    seed: int | None = None,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    sampling: Annotated[SamplingOptions | None, SettingsGroup] = None,  # type: ignore[valid-type]
) -> None:
    """Write new series from the trained model in RUN to a file.

    Args:
        run: folder that fit wrote.
        out: file to write: .npz (X and y), .npy, .csv, .tsv, .parquet, .feather, .ts or .arff; a table has the
            columns of the run's own table.
        n: number of series.
        label: class of all series (default: labels drawn from the train split's distribution).
        unconditional: sample without a class.
        length: time steps of all series (default: drawn from the lengths of the class, where they differ).
        seed: seed of the draw (default: the run's own).
        overwrite: replace the file if it exists.
    """
    from ncvqvae.commands.run_folder import as_label, open_run, run_form
    from ncvqvae.commands.sample import Request, write_samples
    from ncvqvae.commands.terminal import console, counting_progress

    if out.exists() and not overwrite:
        raise InputError(f"{out} exists; choose another --out, or replace it with --overwrite")
    model, _ = open_run(run)
    wanted = None if label is None else as_label(label, model.classes_)
    request = Request(n, wanted, unconditional, length, seed, _given(sampling))
    with counting_progress("sampling", n) as progress:
        write_samples(model, run, request, out, run_form(run), lambda n: progress.advance(progress.task_ids[0], n))
    console().print(f"{n} series in {out}", highlight=False)


@app.command
def encode(
    run: Path,
    data: str,
    /,
    *,
    out: Path,
    split: Literal["train", "test"] = "train",
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    source: ColumnOptions | None = None,
) -> None:
    """Write tokens and embeddings of the series in DATA, by the trained model in RUN, to a file.

    Args:
        run: folder that fit wrote.
        data: UCR/UEA name, or a file.
        out: file to write: .parquet, .feather, .csv (label, token_0 …, z_0 …) or .npz (tokens, embeddings, y).
        split: half of the dataset; of a file that stands alone, train is the whole file.
        overwrite: replace the file if it exists.
    """
    from dataclasses import asdict

    from ncvqvae.commands.encode import encode_run
    from ncvqvae.commands.terminal import console
    from ncvqvae.data import load_dataset

    if out.exists() and not overwrite:
        raise InputError(f"{out} exists; choose another --out, or replace it with --overwrite")
    series = load_dataset(data, split, **asdict(source or ColumnOptions()))
    encode_run(run, series, out)
    console().print(f"tokens and embeddings of {len(series.X)} series in {out}", highlight=False)


@app.command
def export(run: Path, /, *, out: Path) -> None:
    """Write the trained model in RUN as encoder.onnx, decoder.onnx and prior.onnx.

    Args:
        run: folder that fit wrote.
        out: folder to write them to.
    """
    from ncvqvae.commands.export import export_onnx
    from ncvqvae.commands.terminal import console
    from ncvqvae.model import NCVQVAE

    for path in export_onnx(NCVQVAE.from_pretrained(run), out):
        console().print(f"written: {path}", highlight=False, soft_wrap=True)


@app.command
def evaluate(
    run: Path | None = None,
    /,
    *,
    samples: Path | None = None,
    data: str | None = None,
    out: Path | None = None,
    fcn: Path | None = None,
    seed: int | None = None,
    full: Annotated[bool, Parameter(negative="")] = False,
    cas: bool = True,
    source: DataOptions | None = None,
) -> None:
    """Compute every figure of the trained model in RUN, and draw its pictures and report.

    Without RUN: of the series that any other model made, given with --samples and --data.

    Args:
        run: folder that fit wrote.
        samples: series from any other model (.npz with X and, if labelled, y; .csv, .parquet, .ts) to score instead.
        data: UCR/UEA name or file whose train split the other model learned from; in place of RUN.
        out: folder of the figures and the report of --samples (default: runs/FILE); with RUN they are put there.
        fcn: weights (.safetensors) of the FCN behind FID and IS (default: one trained on the train split, and cached).
        seed: seed of the samples and of the classifiers (default: the run's own, else 0).
        full: also bootstrap intervals, the FCN trained on real and generated series, a finer p-value (some minutes).
        cas: also CAS, by FCNs that are trained for it: most of the time without a GPU (cas_rocket is always there).
    """
    from dataclasses import asdict

    from rich.console import Console

    from ncvqvae.commands.evaluate import evaluate_run, evaluate_series
    from ncvqvae.commands.run_folder import DataSource
    from ncvqvae.commands.terminal import console, metrics_table, steps_status
    from ncvqvae.evaluation.protocol import Extent

    given, extent = source or DataOptions(), Extent(full=full, cas=cas)
    _check_evaluate(run, samples, data, out, given)
    with steps_status("evaluating") as progress:
        if run is not None:
            evaluated = evaluate_run(
                run, fcn=fcn, samples=samples, seed=seed, data_dir=given.data_dir, extent=extent, progress=progress
            )
        else:
            assert samples is not None and data is not None
            evaluated = evaluate_series(
                DataSource(_absolute(data), **_as_text(asdict(given))),
                samples,
                out or Path("runs") / samples.stem,
                fcn=fcn,
                seed=seed or 0,
                extent=extent,
                progress=progress,
            )
    stdout = Console()
    stdout.print(metrics_table(evaluated.name, evaluated.metrics))
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
    others = [name for name, value in _given(source).items() if name != "data_dir"]
    if others:
        raise InputError(
            f"--{others[0].replace('_', '-')} is for --data; {run} knows how to read its data: leave it out"
        )


@app.command
def bench(
    *,
    suite: str = "paper",
    out: Path | None = None,
    datasets: Names = None,
    models: Names = None,
    seeds: int | None = None,
    backend: Literal["local", "ray"] = "local",
    workers: int | None = None,
    address: str | None = None,
    cpus: int = 1,
    gpus: float = 0.0,
    data_dir: Path | None = None,
    fcn_dir: Path | None = None,
    cas: bool = True,
) -> None:
    """Train and evaluate every model of a suite on every dataset with every seed; started again, it goes on.

    Args:
        suite: paper, ablation, augmented-weight, smoke, or a YAML file with datasets, models and seeds.
        out: folder of the bench; each run is in DATASET/MODEL/SEED inside it (default: runs/SUITE).
        datasets: only these datasets (or others than the suite's).
        models: only these models of the suite.
        seeds: number of seeds.
        backend: worker processes on this machine, or tasks of a Ray cluster.
        workers: runs at once on this machine (default: one per GPU, else one per core).
        address: address of the Ray cluster (default: one that is started here).
        cpus: cores for each run.
        gpus: GPUs for each run on Ray; a fraction lets several runs share one.
        data_dir: folder with <Name>/<Name>_TRAIN.tsv and so on.
        fcn_dir: folder with published FCN weights, <Name>.safetensors, for FID and IS (default: trained here).
        cas: also CAS, by FCNs that are trained for it: most of an evaluation's time without a GPU.
    """
    from ncvqvae.bench.driver import check_outcome, make_backend, prepare_folder, run_bench
    from ncvqvae.bench.suites import load_suite
    from ncvqvae.commands.terminal import console

    chosen = load_suite(suite).select(datasets, models, seeds)
    folder = prepare_folder(out or Path("runs") / Path(suite).stem)
    runs = chosen.runs(folder, data_dir=data_dir, fcn_dir=fcn_dir, cas=cas)
    made = make_backend(backend, folder, workers=workers, address=address, cpus=cpus, gpus=gpus)
    check_outcome(run_bench(runs, made))
    console().print(f"next: ncvqvae tables {folder}", highlight=False)


@app.command
def tables(folder: Path, /, *, out: Path | None = None) -> None:
    """Write the study's tables and figures over the runs in FOLDER, beside the published ones.

    Args:
        folder: folder that bench wrote, or a CSV of rows (rows.csv of an earlier call).
        out: where tables and figures go (default: FOLDER/tables; beside a CSV, the folder NAME-tables).
    """
    from ncvqvae.commands.terminal import console
    from ncvqvae.study.tables import write_all

    out = out or (folder.with_name(f"{folder.stem}-tables") if folder.is_file() else folder / "tables")
    written = write_all(folder, out)
    console().print(f"{len(written)} files in {out}; begin with tables.md", highlight=False)


@app.command
def report(run: Path, /, *more: Path, out: Path = Path("comparison.html")) -> None:
    """Show evaluated runs side by side on one page.

    Args:
        run: folder of an evaluated run.
        more: further runs.
        out: HTML file to write.
    """
    from ncvqvae.commands.compare import compare_runs
    from ncvqvae.commands.terminal import console

    compare_runs([run, *more], out)
    console().print(f"comparison: {out}", highlight=False, soft_wrap=True)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exit 2 with one line on stderr where usage or input is at fault."""
    wait_passively()
    try:
        with _termination_as_interrupt():
            app(arguments, exit_on_error=False, print_error=False)
    except (CycloptsError, InputError) as error:
        _fail(str(error))
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


def _given(options: Any) -> dict[str, Any]:
    """The options that were given, as nested settings."""
    from dataclasses import asdict

    def pruned(values: dict[str, Any]) -> dict[str, Any]:
        inner = {key: pruned(value) if isinstance(value, dict) else value for key, value in values.items()}
        return {key: value for key, value in inner.items() if value is not None and value != {}}

    return {} if options is None else pruned(asdict(options))


def _absolute(data: str) -> str:
    """A file's or folder's absolute path; a dataset's name as it is."""
    from ncvqvae.data.load import is_path

    return str(Path(data).resolve()) if Path(data).exists() and is_path(data) else data


def _as_text(values: dict[str, Any]) -> dict[str, Any]:
    """Paths made absolute and turned to text, for a YAML file that still holds from another folder."""
    return {key: str(value.resolve()) if isinstance(value, Path) else value for key, value in values.items()}
