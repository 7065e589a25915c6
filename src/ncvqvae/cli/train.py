"""Verbs that train: fit and bench."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from ncvqvae.cli.parameters import (
    ConfigOptions,
    Count,
    Counts,
    DataOptions,
    Names,
    Plugins,
    Settings,
    Switch,
    UserPath,
    absolute,
    as_text,
    whole_from,
)
from ncvqvae.commands.next_step import next_line, say
from ncvqvae.commands.options import given, named_as_options, settings_as_options
from ncvqvae.config import Device
from ncvqvae.errors import InputError
from ncvqvae.registry import load_plugins


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
        data: UCR/UEA name, file (.csv, .tsv, .parquet, .feather, .npz, .npy, .ts, .arff), folder (default: the run's).
        out: Folder of the run (default: runs/DATA).
        preset: Recipe to start from: default, paper or quick (default: default).
        config: YAML file whose values override those of the preset (default: none).
        overwrite: Replaces a run that is in the folder already.
        resume: Continues the interrupted run in --out; data and settings that are not given are those it began with.
        logger: Tracker that loss curves go to, besides history.csv.
    """
    if data is None and (out is None or not resume):
        raise InputError("no DATA; give a UCR/UEA name or a file, or --resume with the --out of an interrupted run")
    from ncvqvae.commands.fit import fit_run
    from ncvqvae.commands.narration import Settled
    from ncvqvae.commands.run_folder import Begun, DataSource
    from ncvqvae.commands.terminal import TrainingProgress, announce, console
    from ncvqvae.generation.residuals import keeping_line
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
    named = {} if data is None else {"data": absolute(data)}
    with TrainingProgress() as progress:
        fitted = fit_run(
            DataSource(**{**begun.source, **as_text(given(source)), **named}),
            model,
            out,
            overwrite=overwrite,
            resume=resume,
            report=progress,
            announce=announce,
            explain=Settled(),
            logger=logger,
            draw=True,
        )
    n_pictures = len(list((out / "figures").glob("*.png")))
    console().print(f"model in {out}, {n_pictures} pictures in {out / 'figures'}", highlight=False)
    if line := keeping_line(fitted.tokenizer_):
        console().print(settings_as_options(line, "sampling"), markup=False, highlight=False, soft_wrap=True)
    say(next_line("evaluate", out, plugins=plugin))


def bench(
    *,
    suite: str = "paper",
    out: UserPath | None = None,
    datasets: Names = None,
    models: Names = None,
    seeds: Annotated[int | None, whole_from(1, 10_000)] = None,
    per_class: Counts = None,
    device: Device = "auto",
    backend: Literal["local", "ray", "slurm"] = "local",
    workers: Count = None,
    address: str | None = None,
    slurm: Names = None,
    cpus: Annotated[int, whole_from(1, 1024)] = 1,
    gpus: Annotated[float, Parameter(validator=Number(gte=0, lte=1024))] = 0.0,
    data_dir: UserPath | None = None,
    fcn_dir: UserPath | None = None,
    cas: bool = True,
    stage: Literal[1, 2] = 2,
    plugin: Plugins = None,
) -> None:
    """Train and evaluate every model of a suite on every dataset with every seed.

    Started again, it goes on where it was.

    Args:
        suite: Name of a suite (paper, ablation, augmented-weight, bands or smoke), or a YAML file of one.
        out: Folder of the bench, with each run in DATASET/MODEL/SEED inside it (default: runs/SUITE, with
            --stage 1 runs/SUITE-stage-1).
        datasets: Datasets to run, also ones that the suite does not name (default: all of the suite).
        models: Models of the suite to run (default: all).
        seeds: Number of seeds (default: those of the suite).
        per_class: Draws so many series of each class from each train split, as in --per-class 5 10 20, and names this
            dataset NAME-5-a-class (default: the whole train split).
        device: Device of every run: auto, cpu, cuda or mps. The choice auto is that of the suite's settings.
        backend: Where runs are carried out: processes on this machine, tasks of a Ray cluster, or SLURM jobs.
        workers: Number of runs at once, or of SLURM jobs; Ray decides itself (default: one per GPU, else one per core;
            100 jobs).
        address: Address of the Ray cluster (default: one is started here).
        slurm: Options of sbatch as NAME=VALUE, such as partition=gpu and time=240, in minutes (default: none).
        cpus: Number of cores for each run.
        gpus: Number of GPUs for each run on a cluster; a fraction lets several runs on Ray share one.
        data_dir: Folder with NAME/NAME_TRAIN.tsv and so on (default: as in fit).
        fcn_dir: Folder with published FCN weights, NAME.safetensors, for FID and IS (default: FCNs are trained here).
        cas: Trains FCNs for CAS, which takes most of an evaluation without a GPU.
        stage: Last stage to train and evaluate. With 1 tokenizers are trained alone; their rows have reconstruction,
            codes, probes and embeddings.
    """
    from ncvqvae.bench.driver import check_outcome, make_backend, prepare_folder, run_bench
    from ncvqvae.bench.suites import load_suite

    if stage == 1 and not cas:
        raise InputError("--stage 1 trains no FCN for CAS, so --no-cas changes nothing; leave out one of them")
    load_plugins(plugin or ())
    chosen = load_suite(suite).select(datasets, models, seeds, per_class or ())
    alone = "-stage-1" if stage == 1 else ""  # the same run cannot be both
    folder = prepare_folder(out or Path("runs") / f"{Path(suite).stem}{alone}")
    runs = chosen.runs(folder, data_dir=data_dir, fcn_dir=fcn_dir, cas=cas, device=device, stage=stage)
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
    say(next_line("tables", folder))
