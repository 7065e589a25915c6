"""Verbs that judge: a run, many runs, and the machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ncvqvae.cli.parameters import DataOptions, Names, PanelCount, Plugins, Seed, Switch, UserPath, absolute, as_text
from ncvqvae.commands.next_step import browse_line, free_name, next_line, say
from ncvqvae.commands.options import given, named_as_options
from ncvqvae.config import Device
from ncvqvae.errors import InputError
from ncvqvae.registry import load_plugins


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
    cas: bool | None = None,
    rivals: bool = True,
    overwrite: Switch = False,
    plugin: Plugins = None,
    source: DataOptions | None = None,
) -> None:
    """Compute every metric of the trained model in RUN, and draw its pictures and report.

    Without RUN it judges the series of any other model: give them as --samples, and its data as --data.

    Args:
        run: Folder that fit wrote (default: none, the series of --samples are judged).
        samples: Series from any other model: .npz (X and y), .csv, .parquet or .ts (default: those that RUN makes).
        data: UCR/UEA name or file, whose train split the model learned from (default: the one that RUN names).
        out: Folder of the metrics and the report of --samples (default: runs/FILE, or RUN).
        fcn: Weights (.safetensors) of the FCN behind FID and IS (default: one is trained on the train split, and kept).
        seed: Seed of the samples and of the classifiers (default: the run's own, or 0 without RUN).
        device: Where the networks compute: auto, cpu, cuda or mps; auto is cuda or mps if there is one, else cpu.
        full: Compares up to 5,000 held-out series, not 1,000; adds CAS by FCNs, intervals, a finer p-value (minutes).
        cas: Trains FCNs for CAS, which takes minutes without a GPU (default: with --full; cas_rocket needs none).
        rivals: Scores simple augmentations, such as jitter and time warp, with the same metrics.
        overwrite: Replaces files in --out that are no earlier evaluation.
    """
    from dataclasses import asdict

    from ncvqvae.commands.evaluate import evaluate_run, evaluate_series
    from ncvqvae.commands.run_folder import DataSource
    from ncvqvae.commands.terminal import console, metrics_table, rivals_table, steps_status
    from ncvqvae.evaluation.sets import Extent

    load_plugins(plugin or ())
    columns, extent = source or DataOptions(), Extent.asked(full, cas, rivals)
    _check_evaluate(run, samples, data, out, overwrite, columns)
    named = None if data is None else DataSource(absolute(data), **as_text(asdict(columns)))
    with named_as_options({"device": device}), steps_status("evaluating") as progress:
        if run is not None:
            evaluated = evaluate_run(
                run,
                fcn=fcn,
                samples=samples,
                seed=seed,
                device=device,
                data_dir=columns.data_dir,
                source=named,
                extent=extent,
                progress=progress,
            )
        else:
            assert samples is not None and named is not None
            evaluated = evaluate_series(
                named,
                samples,
                out or Path("runs") / samples.stem,
                fcn=fcn,
                seed=seed or 0,
                device=device,
                overwrite=overwrite,
                extent=extent,
                progress=progress,
            )
    stdout = console(sys.stdout)
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
    if run is not None and samples is None and evaluated.verdict.fine:
        say(next_line("sample", run, "-n", 500, "--out", free_name(run / "samples.npz"), plugins=plugin))
    else:
        say(browse_line(evaluated.files["report"]))


def _check_evaluate(
    run: Path | None, samples: Path | None, data: str | None, out: Path | None, overwrite: bool, source: Any
) -> None:
    """A RUN of fit says which data it has; for others --data does."""
    if run is None and (samples is None or data is None):
        raise InputError("nothing to evaluate; give the folder of a run, or --samples FILE with --data NAME")
    if run is None:
        return
    for option, is_given in (("out", out is not None), ("overwrite", overwrite)):
        if is_given:
            raise InputError(f"--{option} is for series without a run; leave out {run} or it")
    others = [name for name, value in given(source).items() if name != "data_dir"]
    if others and data is None:
        raise InputError(f"--{others[0].replace('_', '-')} is for --data; give it, or leave both out")


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
    say(browse_line(out / "tables.md"))


def report(
    run: UserPath,
    /,
    *more: UserPath,
    out: UserPath = Path("comparison.html"),
    classes: Names = None,
    per_class: PanelCount = None,
    overwrite: Switch = False,
) -> None:
    """Show evaluated runs side by side on one page.

    Args:
        run: Folder of an evaluated run.
        more: Folders of further runs (default: none).
        out: HTML file to write, beside a folder of pictures.
        classes: Classes that the picture of series by class shows, as in --classes 1 5 7 (default: the first eight).
        per_class: Series of each class in that picture, real ones and those of each run (default: 50).
        overwrite: Replaces the file and the pictures if they exist.
    """
    from ncvqvae.commands.compare import compare_runs
    from ncvqvae.commands.terminal import console
    from ncvqvae.files import check_target

    check_target(out)
    compare_runs([run, *more], out, overwrite=overwrite, classes=classes, per_class=per_class)
    console().print(f"comparison: {out}", highlight=False, soft_wrap=True)
    say(browse_line(out))


def doctor(*, out: UserPath = Path("runs"), compile: Switch = False) -> None:
    """Check this machine and installation, and exit with 1 if something needs fixing.

    Args:
        out: Folder that runs would be written to.
        compile: Compiles first what evaluations need (a minute or two, once; else the first evaluation does it).
    """
    from ncvqvae.commands.doctor import examine, lines

    if compile:
        from ncvqvae.commands.terminal import console
        from ncvqvae.evaluation.compiling import compile_ahead

        with console().status("compiling what evaluations need: a minute or two, once"):
            compile_ahead()
    findings = examine(out)
    print("\n".join(lines(findings)))
    if any(finding.problem for finding in findings):
        sys.exit(1)
    say(next_line("fit", "GunPoint", "--preset", "quick", "--out", free_name(out / "gunpoint")))
