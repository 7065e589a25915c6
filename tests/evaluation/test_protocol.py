from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ncvqvae.errors import InputError
from ncvqvae.evaluation import protocol, rival_sets
from ncvqvae.evaluation.fcn import FCN, FCNTraining, extract, train_fcn
from ncvqvae.evaluation.fidelity import frechet_distance, inception_score
from ncvqvae.evaluation.protocol import evaluate_rivals, evaluate_samples
from ncvqvae.evaluation.sets import Extent, GeneratedData, RealData, cas_labels, n_unconditional
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
PRIVACY = {
    f"{key}{end}"
    for key in ("nearer_rocket", "nearer_dtw", "membership_auc", "membership_tpr")
    for end in ("", "_low", "_high", "_real", "_shift")
} - {"membership_tpr_low", "membership_tpr_high"}
FLOORS = {f"{key}_floor{end}" for key in ("fid", "kid") for end in ("", "_low", "_high")}
COUNTS = {"n_train", "n_heldout", "n_generated"}
COMMON = COVERAGE | PRIVACY | FLOORS | COUNTS
STRUCTURE = with_real(*(f"{name}_difference" for name in ("acf", "marginal", "spectrum", "mean")))
GAIN = {f"utility{end}" for end in ("_real", "_generated", "_both")}
GAIN |= {f"rarest_{name}{end}" for name in ("recall", "f1") for end in ("_real", "_both")}
UTILITY = with_real("cas", "cas_rocket") | {"cas_rocket_both", "utility_n_added", "rarest_n_heldout"}
UTILITY |= GAIN | {f"{key}_sd" for key in GAIN}
ALONE = Extent(cas=True, rivals=False)


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
    metrics = evaluate_samples(real, generated, fcn, seed=4, extent=ALONE, training=SHORT)
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
    assert metrics.keys() == FIDELITY | COMMON | STRUCTURE | UTILITY
    assert {name: metrics[name] for name in expected} == pytest.approx(expected)
    utility = {"cas", "cas_real", "cas_rocket", "cas_rocket_real", "cas_rocket_both"}
    assert min(metrics[name] for name in utility) > 0.9
    assert all(type(value) is float for value in metrics.values())


def test_what_the_tokenizer_makes_of_the_test_split_is_judged_like_generated_series(
    real: RealData, generated: GeneratedData, fcn: FCN, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "classifier_metrics", lambda *_: {})
    as_it_is = evaluate_samples(real, replace(generated, reconstructed=real.X_test), fcn, seed=4, extent=ALONE)
    assert as_it_is["fid_reconstructed"] == pytest.approx(0.0, abs=1e-3)
    assert as_it_is["is_reconstructed"] == as_it_is["is_real"]
    blurred = evaluate_samples(real, replace(generated, reconstructed=generated.labelled), fcn, seed=4, extent=ALONE)
    assert blurred["fid_reconstructed"] == pytest.approx(blurred["fid_labelled"], rel=1e-3)
    unlabelled = replace(real, y_train=None, y_test=None), replace(generated, reconstructed=real.X_test)
    assert "is_reconstructed" not in evaluate_samples(*unlabelled, fcn, seed=4, extent=ALONE)


def test_without_cas_no_fcn_is_trained(
    real: RealData, generated: GeneratedData, fcn: FCN, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("trained an FCN")

    monkeypatch.setattr("ncvqvae.evaluation.utility.cached_fcn", refuse)
    monkeypatch.setattr(protocol, "BOOTSTRAP_DRAWS", 0)
    for full in (False, True):
        metrics = evaluate_samples(real, generated, fcn, seed=4, extent=Extent(full=full, cas=False, rivals=False))
        assert metrics.keys() >= {"fid", "cas_rocket", "cas_rocket_real", "cas_rocket_both"}
        assert not metrics.keys() & {"cas", "cas_real", "cas_both"}


def test_the_full_evaluation_adds_intervals_around_the_same_metrics(
    real: RealData, generated: GeneratedData, fcn: FCN, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "BOOTSTRAP_DRAWS", 6)
    monkeypatch.setattr(protocol, "PERMUTATIONS", {False: 5, True: 30})
    short = evaluate_samples(real, generated, fcn, seed=4, extent=ALONE, training=SHORT)
    extent = Extent(full=True, cas=True, rivals=False)
    full = evaluate_samples(real, generated, fcn, seed=4, extent=extent, training=SHORT)
    bounds = {f"{name}_{side}" for name in FIDELITY for side in ("low", "high")}
    assert full.keys() == short.keys() | bounds | {"cas_both", "utility_fcn_both"}
    by_seeds = {"c2st_p", *GAIN, "utility_generated", *(f"{key}_sd" for key in GAIN)}  # of more seeds
    assert {name: full[name] for name in short.keys() - by_seeds} == pytest.approx(
        {name: short[name] for name in short.keys() - by_seeds}
    )
    for name in FIDELITY:
        assert full[f"{name}_low"] <= full[f"{name}_high"]
    assert short["c2st_p"] >= 1 / 6 and full["c2st_p"] >= 1 / 31


def test_cas_falls_with_wrong_labels(real: RealData, generated: GeneratedData, fcn: FCN) -> None:
    swapped = replace(generated, y_for_cas=NAMES[(generated.y_for_cas == "low").astype(int)])
    assert evaluate_samples(real, swapped, fcn, 0, extent=ALONE, training=SHORT)["cas"] < 0.1


def test_cas_falls_back_on_the_labelled_series(real: RealData, generated: GeneratedData, fcn: FCN) -> None:
    only_labelled = GeneratedData(labelled=generated.labelled, y_labelled=generated.y_labelled)
    metrics = evaluate_samples(real, only_labelled, fcn, 0, extent=ALONE, training=SHORT)
    assert metrics["cas"] > 0.9
    assert "fid" not in metrics


def test_without_labels_the_label_metrics_are_absent(real: RealData, generated: GeneratedData, fcn: FCN) -> None:
    metrics = evaluate_samples(
        replace(real, y_train=None, y_test=None), GeneratedData(generated.unconditional), fcn, 0, extent=ALONE
    )
    of_classes = {name for name in FIDELITY if name.startswith("is")}
    of_labelled = {name for name in FIDELITY if name.endswith("_labelled")}
    assert metrics.keys() == (FIDELITY | COMMON | STRUCTURE) - of_classes - of_labelled


def test_with_one_class_there_is_nothing_for_a_classifier(real: RealData, generated: GeneratedData, fcn: FCN) -> None:
    one = np.full(64, "a", dtype=object)
    made = replace(generated, y_labelled=one[:48], y_for_cas=one[:40])
    single = replace(real, y_train=one[:40], y_test=one[:60])
    for extent in (ALONE, Extent(cas=True)):
        found = evaluate_samples(single, made, fcn, 0, extent=extent, training=SHORT)
        assert {"fid_labelled", "coverage"} <= found.keys()
        assert not [key for key in found if key.startswith(("cas", "utility", "rarest"))]
    wanted = rival_sets.wanted_labels(single, made)
    assert not [key for key in evaluate_rivals(single, wanted, fcn, 0) if key.startswith(("cas", "utility", "rarest"))]


def test_train_on_real_is_cached_and_synthetic_is_not(
    real: RealData, generated: GeneratedData, fcn: FCN, tmp_path: Path
) -> None:
    first = evaluate_samples(real, generated, fcn, 0, extent=ALONE, cache_dir=tmp_path, training=SHORT)
    assert len(list(tmp_path.iterdir())) == 1
    assert evaluate_samples(real, generated, fcn, 0, extent=ALONE, cache_dir=tmp_path, training=SHORT) == first


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
            evaluate_samples(real, fault, fcn, 0, extent=ALONE, training=SHORT)
        assert "\n" not in str(error.value)


def test_rivals_have_the_numbers_and_labels_of_the_generator(
    real: RealData, generated: GeneratedData, fcn: FCN, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, made = [], rival_sets.rival_series

    def noting(name: str, X: np.ndarray, y: np.ndarray, wanted: np.ndarray, seed: int) -> np.ndarray:
        asked.append((name, Counter(wanted.tolist())))
        return made(name, X, y, wanted, seed)

    monkeypatch.setattr(rival_sets, "rival_series", noting)
    monkeypatch.setattr(rival_sets, "RIVALS", {"train": None, "mixup": None})
    judged: list[int] = []

    def copies(X: np.ndarray, y: np.ndarray | None) -> dict[str, float]:
        judged.append(len(X))
        return {"authpct": 0.25, "authpct_real": 0.5}

    extent = Extent(cas=False)
    metrics = evaluate_samples(real, generated, fcn, 0, extent=extent, copies=copies, training=SHORT)
    labels = [Counter(y.tolist()) for y in (generated.y_labelled, generated.y_for_cas)]
    assert asked == [(name, of) for name in ("train", "mixup") for of in labels] and judged == [48, 48]
    per_set = ("fid_labelled", "kid_labelled", "is_labelled", "coverage", "c2st", "cas_rocket", "utility_both")
    for key in (*per_set, "rarest_recall_both", "nearer_rocket", "nearer_dtw", "membership_auc", "membership_tpr"):
        assert {f"{key}_of_train", f"{key}_of_mixup"} <= metrics.keys(), key
    assert not [key for key in metrics if "_real_of" in key or "copied_of" in key]
    assert metrics["authpct_of_mixup"] == 0.25
    assert metrics["nearer_rocket_of_train"] > 0.95 > metrics["nearer_rocket"]
    # a generator that gives the training series themselves is scored like that rival
    y = real.y_train
    copier = GeneratedData(None, real.X_train, y, real.X_train, y)
    own = evaluate_samples(real, copier, fcn, 0, extent=extent)
    for key in ("fid_labelled", "nearer_rocket", "cas_rocket"):
        assert own[key] == pytest.approx(own[f"{key}_of_train"], abs=0.02), key


def test_rivals_without_labels_are_judged_like_unconditional_series(
    real: RealData, generated: GeneratedData, fcn: FCN, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rival_sets, "RIVALS", {"jitter": None})
    unlabelled = replace(real, y_train=None, y_test=None)
    metrics = evaluate_samples(unlabelled, GeneratedData(generated.unconditional), fcn, 0)
    assert {"fid_of_jitter", "nearer_dtw_of_jitter"} <= metrics.keys()
    assert not [key for key in metrics if "labelled" in key or key.startswith(("cas", "utility", "is"))]


def test_sample_counts() -> None:
    assert [n_unconditional(n) for n in (20, 256, 2345)] == [256, 256, 2345]
    y = np.array(["a"] * 30 + ["b"] * 25)
    assert Counter(cas_labels(y).tolist()) == {"a": 570, "b": 475}
    assert len(cas_labels(np.zeros(1000))) == 1000
    assert len(cas_labels(np.zeros(1200))) == 1200
