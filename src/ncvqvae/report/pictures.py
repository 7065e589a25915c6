"""The pictures of a run: each function draws arrays as a matplotlib Figure, and `save_pictures` writes all of them."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ncvqvae.files import replaced
from ncvqvae.labels import sorted_classes
from ncvqvae.report.content import ReportContent, Sample, label_text, loss_terms
from ncvqvae.report.plots import MAX_POINTS, SERIES_PER_PANEL, draw_losses, scatter
from ncvqvae.report.projections import MAX_TSNE_POINTS, choose, choose_per_class, pca_planes, tsne_planes
from ncvqvae.report.style import (
    DASHES,
    LIGHT,
    MAX_CHANNELS,
    as_written,
    class_styles,
    new_figure,
    overlay,
    panel_title,
    value_limits,
)
from ncvqvae.report.token_pictures import (
    code_matrices,
    codebook_plane,
    confidence_per_step,
    entropy_per_step,
    token_histogram,
)

MAX_CLASSES = 8


def loss_curves(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Total loss and its terms by training step, one panel per stage; the axis is logarithmic if all are positive.

    Args:
        history: rows with `stage`, `step`, `loss` and the terms.
    """
    stages = loss_terms(history)
    figure = new_figure(5.5 * len(stages), 3.8, "Loss terms during training")
    for column, stage in enumerate(stages):
        draw_losses(figure.add_subplot(1, len(stages), column + 1), history, stage)
    return figure


def reconstructions(
    X: np.ndarray,
    X_reconstructed: np.ndarray,
    y: np.ndarray | None = None,
    n: int = 8,
    channel_names: Sequence[str] | None = None,
) -> Figure:
    """Series and their reconstructions by the tokenizer, one row per channel.

    Args:
        X: series (n_cases, C, L).
        X_reconstructed: the same series through the tokenizer (n_cases, C, L).
        y: labels (n_cases,).
        n: number of cases shown.
        channel_names: a name for each channel.
    """
    channels = min(X.shape[1], MAX_CHANNELS)
    cases = choose(len(X), n if channels == 1 else 4)
    columns = min(4, len(cases))
    bands = -(-len(cases) // columns)
    figure = new_figure(3.0 * columns, 1.9 * bands * channels + 0.6, "Held-out series and their reconstructions")
    for place, case in enumerate(cases):
        band, column = divmod(place, columns)
        for channel in range(channels):
            ax = figure.add_subplot(bands * channels, columns, (band * channels + channel) * columns + column + 1)
            ax.plot(X[case, channel], color=LIGHT[0], linewidth=1.2, label="original")
            ax.plot(
                X_reconstructed[case, channel],
                color=LIGHT[1],
                linewidth=1.2,
                linestyle=DASHES[1],
                label="reconstruction",
            )
            panel_title(ax, f"case {case}" + _of_class(y, case) + _of_channel(channel, channels, channel_names))
    figure.axes[0].legend(fontsize=7)
    return figure


def generated_against_real(
    train: Sample,
    test: Sample,
    generated: Sample | None,
    unconditional: np.ndarray | None = None,
    classes: Sequence[Hashable] | None = None,
    channel_names: Sequence[str] | None = None,
) -> Figure:
    """Generated series beside train and test: one row per class (and channel), then all classes and unconditional.

    Args:
        train: training series and labels.
        test: held-out series and labels.
        generated: series generated for given labels; None leaves out the rows by class.
        unconditional: series (n, C, L) generated without a class.
        classes: the classes shown, at most `MAX_CLASSES`; by default the first ones.
        channel_names: a name for each channel.
    """
    every = sorted_classes(*(part.y for part in (train, test) if part.y is not None))
    channels = min(train.X.shape[1], MAX_CHANNELS)
    at_most = MAX_CLASSES if channels == 1 else MAX_CLASSES // 2
    shown = list(every if classes is None else classes)[:at_most] if generated and generated.y is not None else []
    rows: list[Hashable | None] = [*shown, *([None] if unconditional is not None or not shown else [])]
    figure = new_figure(10, 1.5 * len(rows) * channels + 0.6, "Real and generated series")
    styles = class_styles(every)
    limits = [value_limits(train.X[:, c], test.X[:, c]) for c in range(channels)]
    for row, label in enumerate(rows):
        made = generated if label is not None else None if unconditional is None else Sample(unconditional, None)
        for column, (title, part) in enumerate((("train", train), ("test", test), ("generated", made))):
            X = np.empty((0, *train.X.shape[1:])) if part is None else part.X[_chosen(part, label)]
            for channel in range(channels):
                ax = figure.add_subplot(len(rows) * channels, 3, (row * channels + channel) * 3 + column + 1)
                overlay(ax, X[:, channel], LIGHT[7] if label is None else styles[label].color)
                ax.set_ylim(*limits[channel])
                panel_title(
                    ax, _panel_title(title, label) + f", n = {len(X)}" + _of_channel(channel, channels, channel_names)
                )
    return figure


def tsne_of_latents(Z: np.ndarray, y: np.ndarray | None = None) -> Figure:
    """t-SNE of embeddings (n, d) by class (n,), of at most `MAX_TSNE_POINTS` of them."""
    chosen = choose(len(Z), MAX_TSNE_POINTS)
    plane = tsne_planes(Z[chosen])[0]
    return plane_figure("t-SNE of latents", {"": (plane, None if y is None else y[chosen])})


def pca_of_latents(parts: Mapping[str, tuple[np.ndarray, np.ndarray | None]]) -> Figure:
    """PCA of embeddings by class, fitted on the first part; one panel per part.

    Args:
        parts: title → embeddings (n, d) and labels (n,) or None.
    """
    planes = pca_planes(*(Z for Z, _ in parts.values()))
    panels = {title: (plane, y) for (title, (_, y)), plane in zip(parts.items(), planes, strict=True)}
    return plane_figure("PCA of latents", panels)


def pca_of_series(train: Sample, test: Sample, generated: Sample) -> Figure:
    """PCA of the series themselves, fitted on train; real and generated series share the plane, one panel each."""
    planes = pca_planes(train.X, test.X, generated.X)
    panels = zip(("train", "test", "generated"), planes, (train.y, test.y, generated.y), strict=True)
    return plane_figure("PCA of series", {title: (plane, y) for title, plane, y in panels})


def save_pictures(content: ReportContent, folder: str | Path) -> list[Path]:
    """Write every picture that the content has data for, as PNG, each whole or not at all; returns their paths."""
    return save_all(_drawings(content), folder)


def drawn_pictures(content: ReportContent) -> dict[str, bytes]:
    """Every picture that the content has data for: name → PNG; what keeps one from being drawn is a warning."""
    pictures: dict[str, bytes] = {}
    failed: list[str] = []
    for name, draw in _drawings(content).items():
        try:
            pictures[name] = _png(draw())
        except Exception as error:
            failed.append(" ".join(f"{name}: {type(error).__name__}: {error}".split())[:200])
    if failed:
        warnings.warn(f"{len(failed)} pictures were not drawn ({failed[0]}); metrics and page are whole", stacklevel=2)
    return pictures


def picture_names(content: ReportContent) -> list[str]:
    """Names of the pictures that the content has data for."""
    return list(_drawings(content))


def save_all(drawings: Mapping[str, Callable[[], Figure]], folder: str | Path) -> list[Path]:
    """Draw and write named pictures as PNG, each whole or not at all; returns their paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, draw in drawings.items():
        path = folder / f"{name}.png"
        with replaced(path) as temporary:
            temporary.write_bytes(_png(draw()))
        paths.append(path)
    return paths


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    as_written(figure).savefig(buffer, format="png")
    return buffer.getvalue()


def _drawings(content: ReportContent) -> dict[str, Callable[[], Figure]]:
    """File name → function that draws the picture; pictures without data are left out."""
    train, test = Sample(content.X_train, content.y_train), Sample(content.X_test, content.y_test)
    generated, labelled = content.generated, content.X_labelled
    made = None if labelled is None else Sample(labelled, content.y_labelled)
    drawings: dict[str, Callable[[], Figure]] = {}
    if content.history:
        drawings["loss_curves"] = lambda: loss_curves(content.history)
    if (decoded := content.X_test_reconstructed) is not None:
        drawings["reconstructions"] = lambda: reconstructions(
            content.X_test, decoded, content.y_test, channel_names=content.channel_names
        )
    if generated is not None:
        drawings["generated_against_real"] = lambda: generated_against_real(
            train, test, made, content.X_unconditional, channel_names=content.channel_names
        )
        drawings["pca_of_series"] = lambda: pca_of_series(train, test, generated)
    latents = _latents(content)
    if latents:
        drawings["tsne_of_latents"] = lambda: tsne_of_latents(*latents.get("test", next(iter(latents.values()))))
        drawings["pca_of_latents"] = lambda: pca_of_latents(latents)
    if (codebook := content.codebook) is not None:
        drawings["codebook"] = lambda: codebook_plane(codebook, content.tokens_train)
        if content.tokens:
            drawings["token_usage"] = lambda: token_histogram(content.tokens, len(codebook))
            drawings["code_matrices"] = lambda: code_matrices(codebook, content.tokens)
    if (selected := content.selected_probabilities) is not None:
        drawings["decoding_confidence"] = lambda: confidence_per_step(selected)
    if (entropies := content.decoding_entropies) is not None:
        drawings["decoding_entropy"] = lambda: entropy_per_step(entropies)
    return drawings


def _latents(content: ReportContent) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    y_generated = None if content.generated is None else content.generated.y
    named = {
        "train": (content.Z_train, content.y_train),
        "test": (content.Z_test, content.y_test),
        "generated": (content.Z_generated, y_generated),
    }
    return {name: (Z, y) for name, (Z, y) in named.items() if Z is not None}


def plane_figure(
    title: str, panels: Mapping[str, tuple[np.ndarray, np.ndarray | None]], shared_axes: bool = True
) -> Figure:
    """Scatter panels: title → points (n, 2) and labels; they share a legend and, if wanted, the axes."""
    classes = sorted_classes(*(y for _, y in panels.values() if y is not None))
    figure = new_figure(4.2 * len(panels) + 1, 4.2, title)
    shared: Axes | None = None
    for column, (name, (points, labels)) in enumerate(panels.items()):
        chosen = choose(len(points), MAX_POINTS)
        plane, y = points[chosen], None if labels is None else labels[chosen]
        ax = figure.add_subplot(1, len(panels), column + 1, sharex=shared, sharey=shared)
        shared = ax if shared_axes else None
        ax.set_title(name, fontsize=9)
        scatter(ax, plane, y, classes)
    if 0 < len(classes) <= 20:
        markers = next(ax.collections for ax in figure.axes if len(ax.collections) == len(classes))
        names = ["class"] * len(classes)
        legend = figure.legend(markers, names, loc="outside right upper", fontsize=8, title="class")
        for text, label in zip(legend.get_texts(), classes, strict=True):
            text.set_text(label_text(label))  # only now: matplotlib leaves out what is labelled "_…" from the start
    return figure


def _chosen(part: Sample, label: Hashable | None) -> np.ndarray:
    if label is None or part.y is None:
        return choose(len(part.X), SERIES_PER_PANEL)
    return choose_per_class(part.y, label, SERIES_PER_PANEL)


def _panel_title(source: str, label: Hashable | None) -> str:
    if label is not None:
        return f"{source}, class {label_text(label)}"
    return "generated, unconditional" if source == "generated" else f"{source}, all"


def _of_class(y: np.ndarray | None, case: int) -> str:
    return "" if y is None else f", class {label_text(y.tolist()[case])}"


def _of_channel(channel: int, channels: int, names: Sequence[str] | None) -> str:
    name = names[channel] if names else f"channel {channel + 1}"
    return f", {name}" if channels > 1 else ""
