"""Set evaluated runs side by side: one page, and a folder of pictures beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ncvqvae.commands.fitted_data import read_fitted
from ncvqvae.commands.run_folder import as_label, check_output, known_source, open_run, run_form, say_path
from ncvqvae.errors import InputError
from ncvqvae.evaluation.binding import read_run_metrics, run_digest
from ncvqvae.evaluation.sets import MAX_COMPARED, n_unconditional
from ncvqvae.files import check_no_link
from ncvqvae.report.compose import report_content
from ncvqvae.report.content import Sample
from ncvqvae.report.history import read_history

if TYPE_CHECKING:
    from ncvqvae.model import NCVQVAE
    from ncvqvae.report.model_pictures import Plates


def compare_runs(
    folders: Sequence[str | Path],
    out: str | Path,
    *,
    overwrite: bool = False,
    classes: Sequence[str] | None = None,
    per_class: int | None = None,
) -> None:
    """Write one page that shows evaluated runs side by side, and a folder of pictures beside it.

    Pictures over models count runs of one SSL loss and augmentation as seeds of one model, so the presets must agree.

    Args:
        folders: of the runs.
        out: the page.
        overwrite: replace a page, and pictures, that are there already.
        classes: those that the picture of series by class shows, as text; by default the first eight.
        per_class: number of series of each class that it shows, real ones and those of each model.

    Raises:
        InputError: if the page or its pictures exist, or a run has not been evaluated since its model was fitted, or
            its data have changed; for more than eight classes, or one that a run does not have; for a number of
            series of each class where no run has labels.
    """
    import pandas as pd

    from ncvqvae.commands.score import Scores, compared
    from ncvqvae.report.model_pictures import NO_PLATES, save_model_pictures
    from ncvqvae.report.page import write_comparison
    from ncvqvae.report.pictures import MAX_CLASSES
    from ncvqvae.study.pictures import run_curves, save_pictures
    from ncvqvae.study.rows import chapter_model

    pictures = Path(out).with_name(f"{Path(out).stem}-figures")
    for path in (Path(out), pictures):
        check_output(path, overwrite)
    check_no_link(pictures)
    chosen = None if classes is None else list(dict.fromkeys(classes))
    if chosen is not None and not 1 <= len(chosen) <= MAX_CLASSES:
        raise InputError(f"classes: a picture shows 1 to {MAX_CLASSES} of them, not {len(chosen)}; give as many")
    plates = NO_PLATES._replace(per_class=per_class or NO_PLATES.per_class, generated={})
    opened = [(folder, *open_run(folder)) for folder in map(Path, folders)]
    wanted = [_wanted(model, folder, chosen) for folder, model, _ in opened]
    if per_class and not any(len(model.classes_) for _, model, _ in opened):
        raise InputError("a number of series of each class was given, but no run has labels; leave it out")
    contents, rows, curves = [], [], []
    for (folder, model, found), own in zip(opened, wanted, strict=True):
        metrics, source = read_run_metrics(folder), known_source(folder, found)
        say_path(folder, source)
        splits = read_fitted(folder, source, model.config_.seed, model.facts_).in_memory()
        seed = int(metrics.get("evaluation_seed", model.config_.seed))  # of the series that the metrics are of
        part = compared(splits, seed, int(metrics.get("n_heldout", MAX_COMPARED)))
        n = n_unconditional(len(part.X_test))
        labelled = None if splits.y_train is None else model.sample(n, seed=seed + 1)
        scores = Scores(metrics, model.sample(n, unconditional=True, seed=seed).X, labelled, splits=part)
        config = model.config_
        content = replace(
            report_content(model, splits, scores, read_history(folder)),
            folder=str(folder.resolve()),
            digest=run_digest(folder),
            settings={"preset": model.preset} | flat_settings(asdict(config)),
        )
        contents.append(content)
        if own is not None or (labelled is not None and per_class):
            plates = _with_plate(plates, model, content.folder, own, seed + 1)
        name = chapter_model(config.ssl, config.augmentation)
        identity = {"dataset": content.name, "ssl": config.ssl, "augmentation": config.augmentation, "model": name}
        rows.append({**identity, "seed": config.seed, "preset": model.preset, **content.metrics})
        if content.history:
            curves.append(run_curves(pd.DataFrame(content.history), config, content.name, name))
    write_comparison(contents, out)
    save_model_pictures(contents, pictures, plates)
    if len({row["preset"] for row in rows}) == 1:
        joined = pd.concat(curves, ignore_index=True) if curves else pd.DataFrame()
        save_pictures(pd.DataFrame(rows), joined, pictures)


def _wanted(model: NCVQVAE, folder: Path, chosen: Sequence[str] | None) -> np.ndarray | None:
    """The run's own labels (k,) that the chosen texts mean; None where none are chosen."""
    if chosen is None:
        return None
    form = run_form(folder)
    labels = [as_label(text, model.classes_, form) for text in chosen]
    return model.classes_[model.facts_.wanted_classes(labels, len(labels))]


def _with_plate(plates: Plates, model: NCVQVAE, folder: str, known: np.ndarray | None, seed: int) -> Plates:
    """Add the series of a run that are drawn for the picture of series by class."""
    from ncvqvae.report.pictures import MAX_CLASSES

    known = model.classes_[:MAX_CLASSES] if known is None else known
    made = model.sample(plates.per_class * len(known), np.repeat(known, plates.per_class), seed=seed)
    return plates._replace(classes=known.tolist(), generated={**plates.generated, folder: Sample(made.X, made.y)})


def flat_settings(settings: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Settings by dotted name, as text: `{"stage1": {"epochs": 5}}` becomes `{"stage1.epochs": "5"}`."""
    flat: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= flat_settings(value, f"{before}{name}.")
        else:
            flat[f"{before}{name}"] = str(value)
    return flat
