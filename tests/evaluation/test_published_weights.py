"""Metrics that are known for the published FCN weights; skipped where data or weights are not at hand."""

import os
from pathlib import Path

import numpy as np
import pytest

from ncvqvae.evaluation.diversity import copied_share
from ncvqvae.evaluation.fcn import Features, extract, load_fcn
from ncvqvae.evaluation.fidelity import frechet_distance, inception_score

from .conftest import UCR, load_ucr

KNOWN = {  # name: (FID of train against test, test accuracy)
    "SonyAIBORobotSurface1": (4.762, 0.950),
    "Symbols": (3.337, 0.973),
    "ECG5000": (0.258, 0.941),
    "Mallat": (0.464, 0.967),
}


def features_of(data: UCR) -> tuple[Features, Features]:
    fcn = load_fcn(data.fcn_path, n_channels=1, n_classes=len(np.unique(data.train.y)))
    return extract(fcn, data.train.X), extract(fcn, data.test.X)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in ("ECG5000", "Mallat") else ()) for name in KNOWN]
)
def test_fid_and_accuracy_of_the_published_weights(name: str) -> None:
    data = load_ucr(name)
    train, test = features_of(data)
    fid, accuracy = KNOWN[name]
    classes = np.unique(data.train.y)
    assert frechet_distance(test.features, train.features) == pytest.approx(fid, abs=6e-4)
    assert (classes[test.probabilities.argmax(axis=1)] == data.test.y).mean() == pytest.approx(accuracy, abs=6e-4)
    if name == "Mallat":
        assert inception_score(test.probabilities) == pytest.approx(5.68, abs=0.03)


@pytest.mark.slow
def test_metrics_of_the_reference_samples() -> None:
    path = os.environ.get("NCVQVAE_REFERENCE_DIR")
    if not path:
        pytest.skip("NCVQVAE_REFERENCE_DIR is not set")
    data = load_ucr("Mallat")
    fcn = load_fcn(data.fcn_path)
    test = extract(fcn, data.test.X)
    with np.load(Path(path) / "Mallat_vibcreg_gauss.npz") as samples:
        known = {"X_unconditional": (1.447, 3.73, 0.26), "X_conditional": (0.680, 5.79, 0.62)}
        for key, (fid, score, copied_raw) in known.items():
            made = extract(fcn, samples[key])
            assert frechet_distance(test.features, made.features) == pytest.approx(fid, abs=1e-3)
            # over shuffles the score of the smaller set spreads by 0.03
            assert inception_score(made.probabilities) == pytest.approx(score, abs=0.06)
            share = copied_share(samples[key], data.train.X, data.test.X).share
            assert share == pytest.approx(copied_raw, abs=5e-3)
