"""The study's pictures that show models side by side (4, 5, 12 to 18): from arrays by model to a matplotlib Figure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from ncvqvae.labels import sorted_classes
from ncvqvae.report.comparison_data import by_data
from ncvqvae.report.comparison_table import run_titles
from ncvqvae.report.content import ReportContent, Sample, label_text
from ncvqvae.report.pictures import MAX_CLASSES, plane_figure, save_all
from ncvqvae.report.plots import SERIES_PER_PANEL
from ncvqvae.report.projections import MAX_TSNE_POINTS, choose, choose_per_class, pca_planes, tsne_planes
from ncvqvae.report.style import LIGHT, class_styles, new_figure, overlay, panel_title, value_limits

Latents = Mapping[str, tuple[np.ndarray, np.ndarray | None]]
"""Model → embeddings (n, d) and labels (n,); None for unlabelled data."""


def tsne_by_model(latents: Latents) -> Figure:
    """t-SNE of each model's latents by class (the study's pictures 4 and 5), of at most `MAX_TSNE_POINTS` of them."""
    panels = {}
    for title, (Z, y) in latents.items():
        chosen = choose(len(Z), MAX_TSNE_POINTS)
        panels[title] = (tsne_planes(Z[chosen])[0], None if y is None else y[chosen])
    return plane_figure("t-SNE of latents by model", panels, shared_axes=False)


def pca_by_model(latents: Latents) -> Figure:
    """PCA of each model's latents by class, fitted for each model alone (the study's picture 17)."""
    panels = {title: (pca_planes(Z)[0], y) for title, (Z, y) in latents.items()}
    return plane_figure("PCA of latents by model", panels, shared_axes=False)


def pca_of_generated_by_model(train: Sample, generated: Mapping[str, Sample]) -> Figure:
    """Each model's generated series in the PCA plane of the training series (the study's picture 18)."""
    named = {"train": train, **generated}
    planes = pca_planes(train.X, *(part.X for part in generated.values()))
    panels = {title: (plane, part.y) for (title, part), plane in zip(named.items(), planes, strict=True)}
    return plane_figure("PCA of generated series by model", panels)


def series_by_model(
    train: Sample,
    test: Sample,
    generated: Mapping[str, Sample],
    unconditional: Mapping[str, np.ndarray],
    classes: Sequence[Hashable] | None = None,
    per_panel: int = SERIES_PER_PANEL,
) -> Figure:
    """Train, test and each model's generated series (the study's pictures 12 to 16).

    Each class has a row; a last row shows all classes beside unconditional series.

    Args:
        train: training series (n, C, L) and labels; the first channel is drawn.
        test: held-out series and labels.
        generated: model → series generated for given labels; a model without labels has no panel in the rows by class.
        unconditional: model → series (n, C, L) generated without a class.
        classes: the classes shown, at most `MAX_CLASSES`; by default the first ones.
        per_panel: greatest number of series in a panel.
    """
    every = sorted_classes(*(part.y for part in (train, test) if part.y is not None))
    chosen = list(every if classes is None else classes)[:MAX_CLASSES]
    models = list(dict.fromkeys([*generated, *unconditional]))
    rows: list[Hashable | None] = [*chosen, *([None] if unconditional or not chosen else [])]
    figure = new_figure(2.6 * (2 + len(models)), 1.5 * len(rows) + 0.6, "Real series and those of each model")
    limits, styles = value_limits(train.X[:, 0], test.X[:, 0]), class_styles(every)
    for row, label in enumerate(rows):
        free = {title: Sample(X, None) for title, X in unconditional.items()}
        named = {"train": train, "test": test, **(free if label is None else generated)}
        for column, title in enumerate(("train", "test", *models)):
            part = named.get(title)
            ax = figure.add_subplot(len(rows), 2 + len(models), row * (2 + len(models)) + column + 1)
            X = train.X[:0] if part is None else part.X[_members(part, label, per_panel)]
            overlay(ax, X[:, 0], LIGHT[7] if label is None else styles[label].color)
            ax.set_ylim(*limits)
            panel_title(ax, f"{title}, {'all' if label is None else f'class {label_text(label)}'}, n = {len(X)}")
    return figure


class Plates(NamedTuple):
    """What the picture of series by class shows.

    classes : which classes; None for the first ones.
    per_class : greatest number of series of a class and model.
    generated : series that were drawn for it, by the folder of the run.
    """

    classes: Sequence[Hashable] | None
    per_class: int
    generated: Mapping[str, Sample]


NO_PLATES = Plates(None, SERIES_PER_PANEL, {})


def save_model_pictures(
    contents: Sequence[ReportContent], folder: str | Path, plates: Plates = NO_PLATES
) -> list[Path]:
    """Write the pictures that compare models, for each dataset of the runs, as PNG; returns their paths."""
    groups = by_data(contents)
    drawings: dict[str, Callable[[], Figure]] = {}
    for number, group in enumerate(groups, start=1):
        prefix = "" if len(groups) == 1 else f"{number}-"
        drawings |= {f"{prefix}{name}": draw for name, draw in _drawings(group, plates).items()}
    return save_all(drawings, folder)


def _drawings(contents: Sequence[ReportContent], plates: Plates) -> dict[str, Callable[[], Figure]]:
    runs = dict(zip(run_titles(contents), contents, strict=True))
    first = contents[0]
    train, test = Sample(first.X_train, first.y_train), Sample(first.X_test, first.y_test)
    latents = {title: (run.Z_test, run.y_test) for title, run in runs.items() if run.Z_test is not None}
    made = {title: run.generated for title, run in runs.items() if run.generated is not None}
    shown = {title: plates.generated.get(runs[title].folder, part) for title, part in made.items()}
    labelled = {title: part for title, part in shown.items() if part.y is not None}
    free = {title: run.X_unconditional for title, run in runs.items() if run.X_unconditional is not None}
    drawings: dict[str, Callable[[], Figure]] = {}
    if latents:
        drawings["tsne_by_model"] = lambda: tsne_by_model(latents)
        drawings["pca_of_latents_by_model"] = lambda: pca_by_model(latents)
    if made:
        drawings["pca_of_generated_by_model"] = lambda: pca_of_generated_by_model(train, made)
        drawings["series_by_model"] = lambda: series_by_model(
            train, test, labelled, free, plates.classes, plates.per_class
        )
    return drawings


def _members(part: Sample, label: Hashable | None, at_most: int) -> np.ndarray:
    if label is None or part.y is None:
        return choose(len(part.X), at_most)
    return choose_per_class(part.y, label, at_most)
