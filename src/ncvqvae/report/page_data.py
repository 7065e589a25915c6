"""The data embedded in a page: a limited number of shortened series, in one compact block."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ncvqvae.data import fill
from ncvqvae.evaluation.tokens import code_pairs, code_similarity, decoding_confidence, token_usage
from ncvqvae.report.content import STAGES, Curve, ReportContent, Sample, label_text, loss_terms
from ncvqvae.report.projections import (
    choose,
    choose_per_class,
    flat,
    pca_planes,
    tsne_planes,
    umap_is_installed,
    umap_planes,
)
from ncvqvae.report.style import MAX_CHANNELS, value_limits

MAX_CODES = 64  # in a matrix of codes, which shows the most used
MAX_VALUES = 256  # in one series, over all its channels
MAX_CLASSES = 60
SERIES_PER_CELL = 50
SERIES_PER_SOURCE = 480
POINTS_PER_SOURCE = 160
NEIGHBOURS = 3
STEPS_PER_CURVE = 250
RECONSTRUCTIONS = 8


class SeriesPool:
    """The series embedded in a page: each is kept once, shortened, as 16-bit integers.

    Args:
        sources: name → series (n, C, L) and labels; a name and a case number identify a series.
        classes: all labels; each series is stored with the position of its label among them.
    """

    def __init__(self, sources: Mapping[str, Sample], classes: Sequence[Any]) -> None:
        self.sources = dict(sources)
        self.places = {label: place for place, label in enumerate(classes)}
        self.names = list(self.sources)
        self.entries: dict[tuple[str, int], int] = {}

    def ids(self, source: str, cases: Iterable[int]) -> list[int]:
        """Ids of a source's cases; a case that is not in the pool yet is added."""
        return [self.entries.setdefault((source, int(case)), len(self.entries)) for case in cases]

    def to_json(self) -> dict[str, Any]:
        """Values of all series, as base64 of little-endian uint16 over each channel's range, with source and class."""
        X = np.stack([self.sources[source].X[case, :MAX_CHANNELS] for source, case in self.entries])
        short = downsample(fill(X).values, MAX_VALUES // X.shape[1])
        low, high = short.min(axis=(0, 2)), short.max(axis=(0, 2))
        span = np.where(high > low, high - low, 1)
        steps = np.rint((short - low[:, None]) / span[:, None] * 65535).astype("<u2")
        return {
            "data": base64.b64encode(steps.tobytes()).decode("ascii"),
            "channels": X.shape[1],
            "points": short.shape[2],
            "length": X.shape[2],
            "low": low.tolist(),
            "span": span.tolist(),
            "sources": self.names,
            "source": [self.names.index(source) for source, _ in self.entries],
            "case": [case for _, case in self.entries],
            "label": [self._place(source, case) for source, case in self.entries],
        }

    def _place(self, source: str, case: int) -> int:
        y = self.sources[source].y
        return -1 if y is None else self.places.get(y.tolist()[case], -1)


def downsample(X: np.ndarray, n_points: int) -> np.ndarray:
    """Series (n, C, L) shortened to at most `n_points` values: each bin keeps its least and greatest, so peaks stay."""
    length = X.shape[-1]
    if length <= n_points:
        return X
    width = -(-2 * length // n_points)
    padded = np.pad(X, ((0, 0), (0, 0), (0, -length % width)), mode="edge")
    bins = padded.reshape(*X.shape[:2], -1, width)
    places = np.sort(np.stack([bins.argmin(-1), bins.argmax(-1)], axis=-1), axis=-1)
    return np.take_along_axis(bins, places, axis=-1).reshape(*X.shape[:2], -1)


def report_payload(content: ReportContent) -> dict[str, Any]:
    """All data that the page of one run draws."""
    classes = content.classes[:MAX_CLASSES]
    sources = _sources(content)
    pool = SeriesPool(sources, classes)
    columns = [name for name in ("train", "test", "generated") if name in sources]
    grid = series_grid(pool, classes, columns)
    planes, planar = _planes(content, pool, classes)
    payload = {
        "classes": [label_text(label) for label in classes],
        "channels": axis_names(content),
        "limits": value_ranges(content),
        "grid": grid,
        "planes": planes,
        "neighbours": _neighbours(content, pool, planar.get("generated", [])),
        "reconstructions": _reconstructions(content, pool),
        "losses": _losses(content),
        "usage": _usage(content),
        "confidence": _confidence(content),
        "attention": _attention(content),
        "codebook": _codebook(content),
        "matrices": _matrices(content),
    }
    return payload | {"pool": pool.to_json()}


def _sources(content: ReportContent) -> dict[str, Sample]:
    sources = {"train": Sample(content.X_train, content.y_train), "test": Sample(content.X_test, content.y_test)}
    if content.generated is not None:
        sources["generated"] = content.generated
    if content.X_labelled is not None and content.X_unconditional is not None:
        sources["unconditional"] = Sample(content.X_unconditional, None)
    if content.X_test_reconstructed is not None:
        sources["reconstructed"] = Sample(content.X_test_reconstructed, content.y_test)
    return sources


def series_grid(pool: SeriesPool, classes: Sequence[Any], names: Sequence[str]) -> dict[str, Any]:
    """Ids by class (rows) and source (columns); a last row has all classes, and unconditional series if any."""
    at_most = min(SERIES_PER_CELL, max(8, SERIES_PER_SOURCE // max(1, len(classes))))
    rows = []
    for place, label in enumerate(classes):
        cells = []
        for name in names:
            y = pool.sources[name].y
            cells.append([] if y is None else pool.ids(name, choose_per_class(y, label, at_most)))
        rows.append({"label": place, "cells": cells})
    unconditional = "unconditional" in pool.sources
    shown = ["unconditional" if name == "generated" and unconditional else name for name in names]
    cells = [pool.ids(name, choose(len(pool.sources[name].X), SERIES_PER_CELL)) for name in shown]
    return {"columns": list(names), "rows": [*rows, {"label": -1, "cells": cells}], "unconditional": unconditional}


def _planes(
    content: ReportContent, pool: SeriesPool, classes: Sequence[Any]
) -> tuple[list[dict[str, Any]], dict[str, list[int]]]:
    """Projections (t-SNE and PCA of latents, PCA of series) of the same chosen cases, and these cases by source."""
    Z = {"train": content.Z_train, "test": content.Z_test, "generated": content.Z_generated}
    cases = {name: choose(len(pool.sources[name].X), POINTS_PER_SOURCE, seed=1) for name in Z if name in pool.sources}
    ids = [place for name, chosen in cases.items() for place in pool.ids(name, chosen)]
    planes = []
    latents = {name: embeddings for name in cases if (embeddings := Z[name]) is not None}
    if len(latents) == len(cases):
        chosen_latents = [latents[name][chosen] for name, chosen in cases.items()]
        planes.append(("t-SNE of latents", tsne_planes(*chosen_latents)))
        if umap_is_installed():
            planes.append(("UMAP of latents", umap_planes(*chosen_latents)))
        planes.append(("PCA of latents", pca_planes(latents["train"], *chosen_latents)[1:]))
    series = [pool.sources[name].X[chosen] for name, chosen in cases.items()]
    planes.append(("PCA of series", pca_planes(content.X_train, *series)[1:]))
    drawn = [{"title": title, "points": plane_points(ids, np.concatenate(parts))} for title, parts in planes]
    return drawn, {name: chosen.tolist() for name, chosen in cases.items()}


def plane_points(ids: Sequence[int], plane: np.ndarray) -> list[list[float]]:
    """Ids with their coordinates in a plane (n, 2), shifted and scaled to lie between 0 and 1."""
    span = max(float(np.ptp(plane, axis=0).max()), 1e-12)
    shown = (plane - plane.min(axis=0)) / span
    return [[place, round(float(x), 4), round(float(y), 4)] for place, (x, y) in zip(ids, shown, strict=True)]


def _neighbours(content: ReportContent, pool: SeriesPool, cases: Sequence[int]) -> dict[str, Any]:
    """Nearest training series of generated ones, and the rank of each distance among those of held-out series."""
    from sklearn.neighbors import NearestNeighbors

    made, test = content.smooth
    if not len(cases) or content.generated is None or made is None:
        return {}
    search = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(content.X_train))).fit(flat(content.X_train))
    distances, nearest = search.kneighbors(flat(content.generated.X[list(cases)]))
    smooth, heldout = (
        search.kneighbors(flat(X), n_neighbors=1)[0][:, 0] for X in (made.X[list(cases)], test[choose(len(test), 300)])
    )
    return {
        str(place): {
            "ids": pool.ids("train", row),
            "distances": [float(f"{d:.4g}") for d in row_distances],
            "nearer": round(float((heldout > distance).mean()), 3),
        }
        for place, row, row_distances, distance in zip(
            pool.ids("generated", cases), nearest, distances, smooth, strict=True
        )
    }


def _reconstructions(content: ReportContent, pool: SeriesPool) -> list[list[int]]:
    if content.X_test_reconstructed is None:
        return []
    cases = choose(len(content.X_test), RECONSTRUCTIONS)
    return [list(pair) for pair in zip(pool.ids("test", cases), pool.ids("reconstructed", cases), strict=True)]


def _losses(content: ReportContent) -> list[dict[str, Any]]:
    return [
        {"title": STAGES[stage], "curves": [curve_of(name, curve) for name, curve in terms.items()]}
        for stage, terms in loss_terms(content.history).items()
    ]


def curve_of(name: str, curve: Curve) -> dict[str, Any]:
    """A named curve, thinned out to at most `STEPS_PER_CURVE` steps."""
    kept = np.unique(np.linspace(0, len(curve.steps) - 1, STEPS_PER_CURVE).astype(int))
    return {"name": name, "x": curve.steps[kept].tolist(), "y": rounded(curve.values[kept])}


def _usage(content: ReportContent) -> list[dict[str, Any]]:
    if content.codebook is None:
        return []
    rows = []
    for name, tokens in content.tokens.items():
        usage = token_usage(tokens, len(content.codebook))
        shares = (usage.histogram / usage.histogram.sum()).round(5).tolist()
        rows.append({"title": name, "shares": shares, "perplexity": usage.perplexity, "unused": usage.dead_codes})
    return rows


def _confidence(content: ReportContent) -> list[dict[str, Any]]:
    """Histogram of the drawn tokens' probability, share above 0.9 and entropy, for each decoding step."""
    if content.selected_probabilities is None:
        return []
    confidence = decoding_confidence(step[~np.isnan(step)] for step in content.selected_probabilities)
    nothing = np.full(len(confidence.mean), np.nan)
    entropies = nothing if content.decoding_entropies is None else content.decoding_entropies
    return [
        {"shares": rounded(row), "sure": rounded(sure), "entropy": rounded(entropy)}
        for row, sure, entropy in zip(confidence.histogram, confidence.share_sure, entropies, strict=True)
    ]


def _attention(content: ReportContent) -> list[dict[str, Any]]:
    """What each part of time gets of each head's attention, by class, and the mean of the series that were drawn."""
    found = []
    for label, shares, series in content.attention:
        layers, heads, columns = shares.shape
        mean = downsample(series[None, :1], MAX_VALUES)[0, 0]
        length = series.shape[-1]
        found.append(
            {
                "title": "all" if label is None else label_text(label),
                "heads": [f"{layer + 1}.{head + 1}" for layer in range(layers) for head in range(heads)],
                "times": rounded((np.arange(columns) + 0.5) * (length / columns)),
                "values": rounded(shares.reshape(layers * heads, columns)),
                "series": {"x": rounded(np.linspace(0, length - 1, len(mean))), "y": rounded(mean)},
            }
        )
    return found


def rounded(values: Any) -> Any:
    """Values for JSON: rounded to four digits, with None for nan."""
    if np.ndim(values):
        return [rounded(value) for value in values]
    return None if np.isnan(values) else float(f"{values:.4g}")


def _matrices(content: ReportContent) -> list[dict[str, Any]]:
    """Matrices of pairs of codes: the similarity of their vectors, and how often they occur together in a series."""
    if content.codebook is None:
        return []
    n_codes = len(content.codebook)
    tokens = {name: part for name, part in content.tokens.items() if part.shape[1] > 1 and name != "test"}
    used = sum(token_usage(part, n_codes).histogram for part in content.tokens.values())
    codes = (
        np.sort(np.argsort(-np.asarray(used), kind="stable")[:MAX_CODES]) if tokens else np.arange(n_codes)[:MAX_CODES]
    )
    similarity = code_similarity(content.codebook)
    named = {"Correlation of code vectors": similarity.correlation, "Cosine similarity": similarity.cosine}
    for name, part in tokens.items():
        pairs = code_pairs(part, n_codes)
        named |= {
            f"Co-occurrence, {name}": pairs.counts / pairs.counts.sum(),
            f"Pointwise mutual information, {name}": pairs.pmi,
        }
    return [
        {"title": title, "codes": codes.tolist(), "values": rounded(matrix[np.ix_(codes, codes)])}
        for title, matrix in named.items()
    ]


def _codebook(content: ReportContent) -> list[list[float]]:
    """Coordinates of the code vectors in a plane, and the share of each code among the training tokens."""
    if content.codebook is None:
        return []
    n_codes = len(content.codebook)
    shares = np.full(n_codes, 1 / n_codes)
    if "train" in content.tokens:
        histogram = token_usage(content.tokens["train"], n_codes).histogram
        shares = histogram / histogram.sum()
    points = plane_points(range(n_codes), pca_planes(content.codebook)[0])
    return [[x, y, round(float(share), 5)] for (_, x, y), share in zip(points, shares, strict=True)]


def axis_names(content: ReportContent) -> list[str]:
    """Name of the values' axis for each shown channel; a single channel without a name is "value"."""
    unnamed = not content.channels and content.X_train.shape[1] == 1
    return ["value"] if unnamed else content.channel_names[:MAX_CHANNELS]


def value_ranges(content: ReportContent) -> list[list[float]]:
    """Range of the real values of each shown channel."""
    shown = min(content.X_train.shape[1], MAX_CHANNELS)
    return [list(value_limits(content.X_train[:, c], content.X_test[:, c])) for c in range(shown)]
