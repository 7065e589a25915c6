from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ncvqvae.errors import InputError
from ncvqvae.evaluation import protocol
from ncvqvae.evaluation.fcn import FCN, FCNTraining, extract, train_fcn
from ncvqvae.evaluation.fidelity import frechet_distance, inception_score
from ncvqvae.evaluation.protocol import Extent, GeneratedData, RealData, cas_labels, evaluate_samples, n_unconditional
from ncvqvae.evaluation.utility import classification_accuracy_score
from ncvqvae.labels import class_index

from .conftest import two_tone_series

SHORT = FCNTraining(max_steps=40, batch_size=8)
NAMES = np.array(["low", "high"], dtype=object)


def with_real(*names: str) -> set[str]:
    return {f"{name}{suffix}" for name in names for suffix in ("", "_real")}


FIDELITY = {
    f"{name}{suffix}"
    for name in (
        "is",
        *(f"{distance}{space}" for distance in ("fid", "kid") for space in ("", "_minirocket", "_catch22")),
    )
    for suffix in ("", "_labelled", "_real")
}
COVERAGE = with_real("precision", "recall", "density", "coverage", "c2st") | {"c2st_p"}
STRUCTURE = with_real(*(f"{name}_difference" for name in ("acf", "marginal", "spectrum", "mean")))
UTILITY = with_real("cas", "cas_rocket") | {"cas_rocket_both"}


@pytest.fixture(scope="module")
def real() -> RealData:
    train, test = two_tone_series(40, seed=0), two_tone_series(60, seed=1)
    return RealData(train.X, NAMES[train.y], test.X, NAMES[test.y])


@pytest.fixture(scope="module")
def generated() -> GeneratedData:
    free, labelled, for_cas = (two_tone_series(n, seed=n) for n in (64, 48, 40))
    return GeneratedData(free.X, labelled.X, NAMES[labelled.y], for_cas.X, NAMES[for_cas.y])


@pytest.fixture(scope="module")
def fcn(real: RealData) -> FCN:
    return train_fcn(real.X_train, class_index(real.y_train, ["high", "low"]), 2, seed=0, training=SHORT)


def test_every_metric_is_there_and_compares_the_right_series(
    real: RealData, generated: GeneratedData, fcn: FCN
) -> None:
    metrics = evaluate_samples(real, generated, fcn, seed=4, training=SHORT)
    train, test, free, labelled = (
        extract(fcn, X) for X in (real.X_train, real.X_test, generated.unconditional, generated.labelled)
    )
    expected = {
        "fid": frechet_distance(test.features, free.features),
        "is": inception_score(free.probabilities, seed=4),
        "fid_labelled": frechet_distance(test.features, labelled.features),
        "is_labelled": inception_score(labelled.probabilities, seed=4),
        "fid_real": frechet_distance(test.features, train.features),
        "is_real": inception_score(test.probabilities, seed=4),
    }
    assert metrics.keys() == FIDELITY | COVERAGE | STRUCTURE | UTILITY
    assert {name: metrics[name] for name in expected} == pytest.approx(expected)
    utility = {"cas", "cas_real", "cas_rocket", "cas_rocket_real", "cas_rocket_both"}
    assert min(metrics[name] for name in utility) > 0.9
    assert all(type(value) is float for value in metrics.values())


def test_what_the_tokenizer_makes_of_the_test_split_is_judged_like_generated_series(
    real: RealData, generated: GeneratedData, fcn: FCN, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "_utility_metrics", lambda *_: {})
    as_it_is = evaluate_samples(real, replace(generated, reconstructed=real.X_test), fcn, seed=4)
    assert as_it_is["fid_reconstructed"] == pytest.approx(0.0, abs=1e-3)
    assert as_it_is["is_reconstructed"] == as_it_is["is_real"]
    blurred = evaluate_samples(real, replace(generated, reconstructed=generated.labelled), fcn, seed=4)
    assert blurred["fid_reconstructed"] == pytest.approx(blurred["fid_labelled"], rel=1e-3)
    unlabelled = replace(real, y_train=None, y_test=None), replace(generated, reconstructed=real.X_test)
    assert "is_reconstructed" not in evaluate_samples(*unlabelled, fcn, seed=4)


def test_without_cas_no_fcn_is_trained(
    real: RealData, generated: GeneratedData, fcn: FCN, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("trained an FCN")

    monkeypatch.setattr("ncvqvae.evaluation.utility.cached_fcn", refuse)
    monkeypatch.setattr(protocol, "BOOTSTRAP_DRAWS", 0)
    for full in (False, True):
        metrics = evaluate_samples(real, generated, fcn, seed=4, extent=Extent(full=full, cas=False))
        assert metrics.keys() >= {"fid", "cas_rocket", "cas_rocket_real", "cas_rocket_both"}
        assert not metrics.keys() & {"cas", "cas_real", "cas_both"}


def test_the_full_evaluation_adds_intervals_around_the_same_metrics(
    real: RealData, generated: GeneratedData, fcn: FCN, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "BOOTSTRAP_DRAWS", 6)
    monkeypatch.setattr(protocol, "PERMUTATIONS", {False: 5, True: 30})
    short = evaluate_samples(real, generated, fcn, seed=4, training=SHORT)
    full = evaluate_samples(real, generated, fcn, seed=4, extent=Extent(full=True), training=SHORT)
    bounds = {f"{name}_{side}" for name in FIDELITY for side in ("low", "high")}
    assert full.keys() == short.keys() | bounds | {"cas_both"}
    assert {name: full[name] for name in short.keys() - {"c2st_p"}} == pytest.approx(
        {name: short[name] for name in short.keys() - {"c2st_p"}}
    )
    for name in FIDELITY:
        assert full[f"{name}_low"] <= full[f"{name}_high"]
    assert short["c2st_p"] >= 1 / 6 and full["c2st_p"] >= 1 / 31


def test_cas_falls_with_wrong_labels(real: RealData, generated: GeneratedData, fcn: FCN) -> None:
    swapped = replace(generated, y_for_cas=NAMES[(generated.y_for_cas == "low").astype(int)])
    assert evaluate_samples(real, swapped, fcn, 0, training=SHORT)["cas"] < 0.1


def test_cas_falls_back_on_the_labelled_series(real: RealData, generated: GeneratedData, fcn: FCN) -> None:
    only_labelled = GeneratedData(labelled=generated.labelled, y_labelled=generated.y_labelled)
    metrics = evaluate_samples(real, only_labelled, fcn, 0, training=SHORT)
    assert metrics["cas"] > 0.9
    assert "fid" not in metrics


def test_without_labels_the_label_metrics_are_absent(real: RealData, generated: GeneratedData, fcn: FCN) -> None:
    metrics = evaluate_samples(
        replace(real, y_train=None, y_test=None), GeneratedData(generated.unconditional), fcn, 0, training=SHORT
    )
    of_classes = {name for name in FIDELITY if name.startswith("is")}
    of_labelled = {name for name in FIDELITY if name.endswith("_labelled")}
    assert metrics.keys() == (FIDELITY | COVERAGE | STRUCTURE) - of_classes - of_labelled


def test_train_on_real_is_cached_and_synthetic_is_not(
    real: RealData, generated: GeneratedData, fcn: FCN, tmp_path: Path
) -> None:
    first = evaluate_samples(real, generated, fcn, 0, cache_dir=tmp_path, training=SHORT)
    assert len(list(tmp_path.iterdir())) == 1
    assert evaluate_samples(real, generated, fcn, 0, cache_dir=tmp_path, training=SHORT) == first


def test_a_class_that_only_the_test_split_has_counts_as_missed() -> None:
    X, y = two_tone_series(30, seed=0)
    X_test, y_test = two_tone_series(30, seed=1, n_classes=3)
    score = classification_accuracy_score(X, y, X_test, y_test, 3, seed=0, training=SHORT)
    assert score == pytest.approx(2 / 3, abs=0.05)


def test_misfits_are_refused_in_one_line(real: RealData, generated: GeneratedData, fcn: FCN) -> None:
    for fault in (
        replace(generated, unconditional=generated.unconditional[..., :-1]),
        replace(generated, labelled=np.repeat(generated.labelled, 2, axis=1)),
        replace(generated, y_for_cas=generated.y_for_cas[:-1]),
        replace(generated, y_for_cas=np.full(len(generated.y_for_cas), "unheard of", dtype=object)),
    ):
        with pytest.raises(InputError) as error:
            evaluate_samples(real, fault, fcn, 0, training=SHORT)
        assert "\n" not in str(error.value)


def test_sample_counts() -> None:
    assert [n_unconditional(n) for n in (20, 256, 2345)] == [256, 256, 2345]
    y = np.array(["a"] * 30 + ["b"] * 25)
    assert Counter(cas_labels(y).tolist()) == {"a": 570, "b": 475}
    assert len(cas_labels(np.zeros(1000))) == 1000
    assert len(cas_labels(np.zeros(1200))) == 1200
