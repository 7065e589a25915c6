"""Evaluate a run's folder, or series that any model made: write metrics, pictures and a report."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ncvqvae.commands.fitted_data import read_fitted
from ncvqvae.commands.run_folder import DataSource, check_links, check_output, known_source, open_run, say_path
from ncvqvae.data import Splits, options_like, read_series
from ncvqvae.errors import InputError
from ncvqvae.evaluation.binding import run_digest
from ncvqvae.evaluation.metric_files import read_metrics, write_metrics
from ncvqvae.evaluation.sets import STANDARD, Extent
from ncvqvae.files import all_replaced, is_temporary, locked, remove_leftovers
from ncvqvae.hardware import resolve_device
from ncvqvae.labels import like_known
from ncvqvae.report.history import read_history

if TYPE_CHECKING:  # they take seconds to import, and not every function needs both
    from ncvqvae.model import NCVQVAE
    from ncvqvae.report.content import ReportContent
    from ncvqvae.report.verdict import Verdict


@dataclass
class Evaluated:
    """What ``evaluate`` leaves: metrics by name, the verdict's headline, their files, and rivals that were left out."""

    name: str
    metrics: dict[str, float]
    verdict: Verdict
    files: dict[str, Path]
    left_out: dict[str, str] = field(default_factory=dict)


def evaluate_run(
    folder: str | Path,
    *,
    fcn: str | Path | None = None,
    samples: str | Path | None = None,
    seed: int | None = None,
    device: str = "auto",
    data_dir: str | Path | None = None,
    source: DataSource | None = None,
    extent: Extent = STANDARD,
    progress: Callable[[str], None] = lambda step: None,
) -> Evaluated:
    """Score a finished run, and write ``metrics.json``, ``figures/`` and ``report.html`` into its folder.

    Args:
        fcn: published FCN weights for FID, IS and KID; by default an FCN is trained on the train split and cached.
        samples: score the series of this file instead; the files are then called ``metrics-<name>.json`` and so on.
        seed: seed of samples and classifiers; the run's own if not given.
        device: of the networks.
        data_dir: folder of the dataset, if it has moved.
        source: where the data are, if the run does not say it, or they have moved.
        extent: how much is computed.
        progress: hears of each step before it begins.
    """
    from ncvqvae.commands.score import score_model
    from ncvqvae.report.compose import report_content

    folder, named = Path(folder), source is not None
    model, source = _opened(folder, device, data_dir, source)
    seed = model.config_.seed if seed is None else seed
    with locked(folder):
        remove_leftovers(folder, folder / "figures")
        if not named:
            say_path(folder, source)
        splits = read_fitted(folder, source, model.config_.seed, model.facts_).in_memory()
        if samples is not None:
            return _evaluate_file(
                folder,
                samples,
                splits,
                f"-{Path(samples).stem}",
                fcn,
                seed,
                device,
                extent,
                progress,
                source.value_columns is not None,
                run_digest(folder),
            )
        _say_left_out(splits, 0, seed, extent)
        scores = score_model(model, splits, fcn=fcn, seed=seed, extent=extent, progress=progress)
        progress("report")
        content = report_content(model, splits, scores, read_history(folder))
        return replace(_write_evaluation(folder, content, of=run_digest(folder)), left_out=scores.left_out)


def evaluate_tokenizer(
    folder: str | Path, *, fcn: str | Path | None = None, device: str = "auto", data_dir: str | Path | None = None
) -> None:
    """Write ``metrics.json`` of stage 1 alone into a run's folder; there are no pictures and no report.

    Args:
        fcn, device, data_dir: as in :func:`evaluate_run`.
    """
    from ncvqvae.commands.score import score_tokenizer

    folder = Path(folder)
    model, source = _opened(folder, device, data_dir)
    with locked(folder):
        splits = read_fitted(folder, source, model.config_.seed, model.facts_).in_memory()
        metrics = score_tokenizer(model, splits, fcn=fcn, seed=model.config_.seed)
        write_metrics(folder / "metrics.json", metrics, run_digest(folder))


def _opened(
    folder: Path, device: str, data_dir: str | Path | None, source: DataSource | None = None
) -> tuple[NCVQVAE, DataSource]:
    """A run's model, and where its data are: ``source``, or what the run says, in ``data_dir`` if they have moved."""
    check_links(folder)
    model, found = open_run(folder, device)
    source = source or known_source(folder, found)
    if data_dir is not None:
        source.data_dir = str(data_dir)
    return model, source


def evaluate_series(
    source: DataSource,
    samples: str | Path,
    out: str | Path,
    *,
    fcn: str | Path | None = None,
    seed: int = 0,
    device: str = "auto",
    overwrite: bool = False,
    extent: Extent = STANDARD,
    progress: Callable[[str], None] = lambda step: None,
) -> Evaluated:
    """Score series that any model made of ``source``'s train split; the files are those of :func:`evaluate_run`.

    Args:
        samples: file with series in the units of the data, labelled if they have a class.
        out: folder for ``metrics.json``, ``figures/`` and ``report.html``; an earlier evaluation in it is replaced.
        overwrite: replace what has these names and is no earlier evaluation, too.
        seed: seed of classifiers and random parts, and of the cases kept aside where ``source`` has no TEST half.
        device: of the FCNs.
    """
    out = Path(out)
    if (out / "config.yaml").is_file():
        raise InputError(f"{out} holds a run; choose another --out, or: ncvqvae evaluate {out} --samples {samples}")
    check_links(out)
    if not (overwrite or _is_evaluation(out)):
        for name in ("metrics.json", "report.html"):
            check_output(out / name)
        if not _is_unfinished(out / "figures"):
            check_output(out / "figures")
    resolve_device(device)  # one that is not there is said before any data is read
    splits = source.load(seed)
    with locked(out):
        remove_leftovers(out, out / "figures")
        return _evaluate_file(
            out, samples, splits, "", fcn, seed, device, extent, progress, source.value_columns is not None
        )


def _is_evaluation(out: Path) -> bool:
    """Whether the folder holds an earlier evaluation: metrics that name the seed of one."""
    with suppress(InputError):
        return "evaluation_seed" in read_metrics(out / "metrics.json")
    return False


def _is_unfinished(pictures: Path) -> bool:
    """Whether a folder holds nothing but what an evaluation of ours that failed or was killed left in it."""
    return pictures.is_dir() and not pictures.is_symlink() and all(is_temporary(path) for path in pictures.iterdir())


def _evaluate_file(
    folder: Path,
    samples: str | Path,
    splits: Splits,
    suffix: str,
    fcn: str | Path | None,
    seed: int,
    device: str,
    extent: Extent,
    progress: Callable[[str], None],
    listed_values: bool,
    of: str | None = None,
) -> Evaluated:
    """Score a file of series; where it is a table, columns that the data have, too, are what they are there."""
    from ncvqvae.commands.score import score_series
    from ncvqvae.report.compose import series_content

    given = read_series(samples, options_like(samples, splits.form, listed_values))
    labels = None if given.y is None or splits.y_train is None else like_known(given.y, splits.y_train)
    _say_left_out(splits, len(given.X), seed, extent)
    scores = score_series(
        splits, given.X, labels, fcn=fcn, seed=seed, device=resolve_device(device), extent=extent, progress=progress
    )
    progress("report")
    facts = {"samples": f"{len(given.X)} of {Path(samples).name}"}
    content = series_content(splits, scores, facts, len(given.X))
    return replace(_write_evaluation(folder, content, suffix, of), left_out=scores.left_out)


def _say_left_out(splits: Splits, n_samples: int, seed: int, extent: Extent) -> None:
    """Say on the console which sets are compared in part."""
    from ncvqvae.commands.score import left_out
    from ncvqvae.commands.terminal import console

    if line := left_out(splits, n_samples, seed, extent.heldout):
        console().print(line, markup=False, highlight=False, soft_wrap=True)


def _write_evaluation(folder: Path, content: ReportContent, suffix: str = "", of: str | None = None) -> Evaluated:
    """Write metrics, pictures and page, which take their names together.

    At no moment is a picture or a page beside metrics of another evaluation; a kill between the names leaves fewer.

    Args:
        of: digest of the run whose series or data these are; metrics and page carry it.
    """
    from ncvqvae.report.page import write_report
    from ncvqvae.report.pictures import drawn_pictures, picture_names
    from ncvqvae.report.verdict import judge

    files = {
        "metrics": folder / f"metrics{suffix}.json",
        "pictures": folder / f"figures{suffix}",
        "report": folder / f"report{suffix}.html",
    }
    content = replace(content, digest=of or "")
    drawn = drawn_pictures(content)
    pictures = {files["pictures"] / f"{name}.png": png for name, png in drawn.items()}
    files["pictures"].mkdir(parents=True, exist_ok=True)
    with all_replaced(files["metrics"], *pictures, files["report"]) as (metrics, *places, report):
        write_report(content, report)
        for place, png in zip(places, pictures.values(), strict=True):
            place.write_bytes(png)
        write_metrics(metrics, dict(content.metrics), of)
        for old in (files["report"], *(files["pictures"] / f"{name}.png" for name in picture_names(content))):
            old.unlink(missing_ok=True)
    return Evaluated(content.name, dict(content.metrics), judge(content), files)
