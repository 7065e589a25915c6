from pathlib import Path

import numpy as np

from ncvqvae.report.content import Sample
from ncvqvae.report.model_pictures import (
    pca_by_model,
    pca_of_generated_by_model,
    save_model_pictures,
    series_by_model,
    tsne_by_model,
)

from .contents import full_content, minimal_content, sines

EVERY_PICTURE = {"tsne_by_model", "pca_of_latents_by_model", "pca_of_generated_by_model", "series_by_model"}


def test_pictures_of_runs_are_written_by_dataset(tmp_path: Path) -> None:
    same = save_model_pictures([full_content(), full_content(seed=1)], tmp_path / "same")
    assert {path.stem for path in same} == EVERY_PICTURE
    mixed = save_model_pictures([full_content(), minimal_content()], tmp_path / "mixed")
    assert {path.stem for path in mixed} == {f"1-{name}" for name in EVERY_PICTURE} | {
        "2-pca_of_generated_by_model",
        "2-series_by_model",
    }


def test_each_model_has_its_latents_in_a_plane_of_its_own() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(12) % 2
    latents = {"small": (rng.normal(size=(12, 3)), y), "large": (100 * rng.normal(size=(12, 3)), y)}
    for figure in (tsne_by_model(latents), pca_by_model(latents)):
        assert [ax.get_title() for ax in figure.axes] == ["small", "large"]
        assert [sum(len(part.get_offsets()) for part in ax.collections) for ax in figure.axes] == [12, 12]
        assert figure.axes[0].get_xlim() != figure.axes[1].get_xlim()


def test_generated_series_share_the_plane_of_the_training_series() -> None:
    X, y = sines(20)
    figure = pca_of_generated_by_model(Sample(X, y), {"a": Sample(X[:6] * 3, y[:6]), "b": Sample(X[:4], None)})
    assert [ax.get_title() for ax in figure.axes] == ["train", "a", "b"]
    assert len({ax.get_xlim() for ax in figure.axes}) == 1


def test_a_row_a_class_and_a_column_a_model() -> None:
    X, y = sines(80)
    real, a, b = Sample(X, y), Sample(X[:10], y[:10]), Sample(X[:6], y[:6])
    figure = series_by_model(real, Sample(X[:20], y[:20]), {"a": a, "b": b}, {"b": X[:7]}, classes=[1])
    assert [len(ax.lines) for ax in figure.axes] == [40, 10, 5, 3, 50, 20, 0, 7]
    assert {tuple(line.get_ydata()) for line in figure.axes[2].lines} == {tuple(series[0]) for series in X[1:10:2]}
