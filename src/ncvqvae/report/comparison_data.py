"""The data embedded in the page of several runs: their series, projections, losses and metrics side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ncvqvae.evaluation.metrics import generated_keys, metric_of, real_value
from ncvqvae.report.content import STAGES, ReportContent, Sample, label_text, loss_terms
from ncvqvae.report.page_data import (
    MAX_CLASSES,
    POINTS_PER_SOURCE,
    SeriesPool,
    axis_names,
    curve_of,
    plane_points,
    rounded,
    series_grid,
    value_ranges,
)
from ncvqvae.report.projections import choose, pca_planes, tsne_planes
from ncvqvae.report.rivals import own_metrics


def comparison_payload(contents: Sequence[ReportContent], titles: Sequence[str]) -> dict[str, Any]:
    """Runs on the same data side by side: the held-out series, then what each run generates.

    Args:
        contents: runs whose real series are the same.
        titles: name of each run, all different.
    """
    first = contents[0]
    classes = first.classes[:MAX_CLASSES]
    sources = {"test": Sample(first.X_test, first.y_test)}
    for title, content in zip(titles, contents, strict=True):
        if content.generated is not None:
            sources[title] = content.generated
    pool = SeriesPool(sources, classes)
    runs = list(zip(titles, contents, strict=True))
    return {
        "classes": [label_text(label) for label in classes],
        "channels": axis_names(first),
        "limits": value_ranges(first),
        "grid": series_grid(pool, classes, list(sources)),
        "planes": [_planes_by_run(kind, runs, pool) for kind in PLANES_BY_RUN],
        "bars": _bars([content.metrics for content in contents], titles),
        "losses": _losses_by_run(runs),
        "pool": pool.to_json(),
    }


PLANES_BY_RUN = ("t-SNE of held-out latents", "PCA of held-out latents", "PCA of generated series")


def _planes_by_run(kind: str, runs: Sequence[tuple[str, ReportContent]], pool: SeriesPool) -> dict[str, Any]:
    """One projection for each run; all generated series share that of the first run's training series."""
    parts = []
    for title, content in runs:
        series = kind == "PCA of generated series"
        source = content.generated.X if series and content.generated is not None else content.Z_test
        if source is None or (series and content.generated is None):
            continue
        cases = choose(len(source), POINTS_PER_SOURCE)
        if series:
            plane = pca_planes(runs[0][1].X_train, source[cases])[1]
        else:
            plane = tsne_planes(source[cases])[0] if kind.startswith("t-SNE") else pca_planes(source[cases])[0]
        parts.append((title, pool.ids(title if series else "test", cases), plane))
    if kind == "PCA of generated series" and parts:  # one scale, so that the runs' spread can be compared
        every = plane_points(
            [place for _, ids, _ in parts for place in ids], np.concatenate([plane for *_, plane in parts])
        )
        ends = np.cumsum([len(ids) for _, ids, _ in parts])[:-1].tolist()
        split = [every[a:b] for a, b in zip([0, *ends], [*ends, len(every)], strict=True)]
        return {
            "title": kind,
            "runs": [{"title": part[0], "points": points} for part, points in zip(parts, split, strict=True)],
        }
    return {
        "title": kind,
        "runs": [{"title": title, "points": plane_points(ids, plane)} for title, ids, plane in parts],
    }


def _bars(metrics: Sequence[Mapping[str, float]], titles: Sequence[str]) -> list[dict[str, Any]]:
    """The value of each metric for each run and for real data."""
    every = own_metrics({key: value for run in reversed(metrics) for key, value in run.items()})
    return [
        {
            "title": metric_of(key).title,
            "better": metric_of(key).better_text,
            "runs": [
                {
                    "title": title,
                    "value": rounded(run.get(key, np.nan)),
                    "sd": rounded(run.get(f"{key}_sd", np.nan)),
                }
                for title, run in zip(titles, metrics, strict=True)
            ],
            "real": real_value(key, every),
            "log": metric_of(key).logarithmic,
        }
        for key in generated_keys(every)
        if not key.endswith("_sd")
    ]


def _losses_by_run(runs: Sequence[tuple[str, ReportContent]]) -> list[dict[str, Any]]:
    """Curves of each stage and loss term by run; the self-supervised loss comes first, then the reconstruction."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for title, content in runs:
        for stage, terms in loss_terms(content.history).items():
            for name, curve in terms.items():
                found.setdefault((stage, name), []).append(curve_of(title, curve))
    wanted = [("stage1", "ssl"), ("stage1", "recon"), ("stage2", "prior")]
    order = [key for key in wanted if key in found] + [key for key in found if key not in wanted]
    return [{"title": f"{STAGES[stage]}, {name}", "curves": found[stage, name]} for stage, name in order]


def by_data(contents: Sequence[ReportContent]) -> list[list[ReportContent]]:
    """Runs grouped by their held-out series, in the order given."""
    groups: list[list[ReportContent]] = []
    for content in contents:
        for group in groups:
            same_labels = (group[0].y_test is None) == (content.y_test is None)
            if same_labels and np.array_equal(group[0].X_test, content.X_test):
                group.append(content)
                break
        else:
            groups.append([content])
    return groups
