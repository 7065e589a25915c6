"""Set evaluated runs side by side: one page, and a folder of pictures beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ncvqvae.commands.fitted_data import read_fitted
from ncvqvae.commands.run_folder import check_output, known_source, open_run, say_path
from ncvqvae.evaluation.binding import read_run_metrics, run_digest
from ncvqvae.evaluation.sets import n_unconditional
from ncvqvae.files import check_no_link
from ncvqvae.report.compose import report_content
from ncvqvae.report.history import read_history


def compare_runs(folders: Sequence[str | Path], out: str | Path, *, overwrite: bool = False) -> None:
    """Write one page that shows evaluated runs side by side, and a folder of pictures beside it.

    Pictures over models count runs of one SSL loss and augmentation as seeds of one model, so the presets must agree.

    Args:
        folders: of the runs.
        out: the page.
        overwrite: replace a page, and pictures, that are there already.

    Raises:
        InputError: if the page or its pictures exist, or a run has not been evaluated since its model was fitted, or
            its data have changed.
    """
    import pandas as pd

    from ncvqvae.commands.score import Scores, compared
    from ncvqvae.report.model_pictures import save_model_pictures
    from ncvqvae.report.page import write_comparison
    from ncvqvae.study.pictures import run_curves, save_pictures
    from ncvqvae.study.rows import chapter_model

    pictures = Path(out).with_name(f"{Path(out).stem}-figures")
    for path in (Path(out), pictures):
        check_output(path, overwrite)
    check_no_link(pictures)
    contents, rows, curves = [], [], []
    for folder in map(Path, folders):
        model, found = open_run(folder)
        metrics, source = read_run_metrics(folder), known_source(folder, found)
        say_path(folder, source)
        splits = read_fitted(folder, source, model.config_.seed, model.facts_).in_memory()
        seed = int(metrics.get("evaluation_seed", model.config_.seed))  # of the series that the metrics are of
        part = compared(splits, seed)
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
        name = chapter_model(config.ssl, config.augmentation)
        identity = {"dataset": content.name, "ssl": config.ssl, "augmentation": config.augmentation, "model": name}
        rows.append({**identity, "seed": config.seed, "preset": model.preset, **content.metrics})
        if content.history:
            curves.append(run_curves(pd.DataFrame(content.history), config, content.name, name))
    write_comparison(contents, out)
    save_model_pictures(contents, pictures)
    if len({row["preset"] for row in rows}) == 1:
        joined = pd.concat(curves, ignore_index=True) if curves else pd.DataFrame()
        save_pictures(pd.DataFrame(rows), joined, pictures)


def flat_settings(settings: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Settings by dotted name, as text: `{"stage1": {"epochs": 5}}` becomes `{"stage1.epochs": "5"}`."""
    flat: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= flat_settings(value, f"{before}{name}.")
        else:
            flat[f"{before}{name}"] = str(value)
    return flat
