"""Large sets: what is computed is bounded, by a rule that is said. Work is counted, never timed."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from tests.bench.tasks import TINY
from tests.commands.test_score import quickly, waves

from ncvqvae import NCVQVAE
from ncvqvae.commands import evaluate, score
from ncvqvae.commands.run_folder import DataSource
from ncvqvae.config import TokenizerConfig
from ncvqvae.data import Splits
from ncvqvae.data.facts import TrainFacts
from ncvqvae.data.few import few_series
from ncvqvae.evaluation import representation, ridge, rocket, utility
from ncvqvae.evaluation.membership import halves
from ncvqvae.evaluation.nearer import class_matched
from ncvqvae.evaluation.probes import MAX_SVM_CLASSES, probe_accuracy, token_embeddings
from ncvqvae.evaluation.rivals import rival_series
from ncvqvae.evaluation.rocket import n_kernels_for
from ncvqvae.evaluation.sets import Extent
from ncvqvae.labels import is_class, rows_by_class
from ncvqvae.report.content import ReportContent
from ncvqvae.report.pictures import scatter
from ncvqvae.report.style import class_style
from ncvqvae.report.variety import class_rows
from ncvqvae.tokenizer.tokenizer import Tokenizer
from ncvqvae.training.auto import MAX_CODES, codebook_size

__all__ = ["quickly"]
FEW = Extent(heldout=20)


@pytest.fixture
def splits(monkeypatch: pytest.MonkeyPatch) -> Splits:
    """More series in each half than are compared."""
    monkeypatch.setattr(score, "MAX_COMPARED", 24)
    return Splits("waves", *waves(44, 0), *waves(30, 1), "")


def test_of_large_sets_a_part_is_compared_which_the_seed_draws(splits: Splits) -> None:
    part, again, other = (score.compared(splits, seed, 20) for seed in (0, 0, 1))
    assert part.X_train.shape == (24, 1, 32) and part.X_test.shape == (20, 1, 32)
    np.testing.assert_array_equal(part.X_train, again.X_train)
    assert not np.array_equal(part.X_train, other.X_train)
    for X, y, whole, labels in (
        (part.X_train, part.y_train, splits.X_train, splits.y_train),
        (part.X_test, part.y_test, splits.X_test, splits.y_test),
    ):
        assert y is not None and labels is not None
        places = [int(np.flatnonzero((whole == series).all(axis=(1, 2)))[0]) for series in X]
        assert len(set(places)) == len(X) and labels[places].tolist() == y.tolist()
    small = splits._replace(X_train=splits.X_train[:20], y_train=None, X_test=splits.X_test[:5], y_test=None)
    assert score.compared(small, 0, 20).X_train is small.X_train
    assert score.left_out(small, 20, 0, 20) == "" and "20 of 21 generated" in score.left_out(small, 21, 0, 20)
    assert len(score.compared(splits, 0, 40).X_test) == 30


def test_a_file_of_many_series_is_scored_by_a_part_and_says_so(
    splits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "rival.npz", X=waves(100, 2)[0], y=waves(100, 2)[1])
    monkeypatch.setattr(DataSource, "load", lambda *_: splits)
    compared_with: list[Any] = []
    original = score.memorisation
    monkeypatch.setattr(
        score, "memorisation", lambda *given, **how: compared_with.append(given) or original(*given, **how)
    )
    found = evaluate.evaluate_series(DataSource("waves"), tmp_path / "rival.npz", tmp_path / "out", extent=FEW)
    rule = "24 of 44 train series, 20 of 30 test series, 20 of 100 generated series, drawn by seed 0"
    assert f"compared: {rule}" in capsys.readouterr().err
    assert rule in found.files["report"].read_text() and "44 train, 30 test" in found.files["report"].read_text()
    assert compared_with  # the samples, and each rival
    for made, train, heldout in compared_with:
        assert (len(made), len(train), len(heldout)) == (20, 44, 20)  # a copy may be of any training series


def test_a_model_of_many_series_makes_no_more_than_are_compared(splits: Splits, tmp_path: Path) -> None:
    model = NCVQVAE("quick", settings=TINY).fit(splits.X_train, splits.y_train)
    scores = score.score_model(model, splits, extent=FEW)
    assert scores.splits is not None and len(scores.splits.X_test) == 20
    assert scores.encoded is not None and len(scores.encoded.train.tokens) == 24
    assert "copied" in scores.metrics and "fid" in scores.metrics


# ---------------------------------------------------------------- thousands of classes


def test_a_plane_of_many_classes_has_a_call_per_style() -> None:
    y, points = np.arange(500), np.random.default_rng(0).normal(size=(500, 2))
    ax = Figure().add_subplot()
    scatter(ax, points, y, list(range(500)))
    drawn = [np.asarray(part.get_offsets()) for part in ax.collections]
    assert len(drawn) <= 64 and sorted(map(tuple, np.concatenate(drawn).tolist())) == sorted(
        map(tuple, points.tolist())
    )
    of_first = next(part for part in drawn if points[0] in part)
    same = [place for place in range(500) if class_style(place) == class_style(0)]
    np.testing.assert_array_equal(of_first, points[same])


@pytest.mark.filterwarnings("ignore:The number of unique classes")
def test_pairs_of_very_many_classes_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    y = np.arange(MAX_SVM_CLASSES + 1)
    Z = y[:, None] + np.zeros((len(y), 3))
    assert probe_accuracy(Z[:-1], y[:-1], Z[:-1], y[:-1]).svm >= 0
    monkeypatch.setattr("sklearn.svm.SVC.fit", lambda *_: pytest.fail("an SVM of every pair of classes"))
    found = probe_accuracy(Z, y, Z, y)
    assert found.knn >= 0 and found.svm != found.svm


def test_a_metric_without_a_value_is_left_out(splits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    from ncvqvae.commands.encoded import EncodedSets
    from ncvqvae.evaluation import probes

    model = NCVQVAE("quick", settings=TINY).fit(splits.X_train, splits.y_train)
    monkeypatch.setattr(probes, "MAX_SVM_CLASSES", 1)
    encoded = EncodedSets.by(model, splits, splits.X_test)
    metrics = score.tokenizer_metrics(model, splits, encoded.train, encoded.test)
    metrics |= score.prior_metrics(model, splits, encoded.test)
    assert "knn" in metrics and not [name for name in metrics if name.startswith("svm")]


def test_classes_ask_for_no_more_codes_than_were_tried() -> None:
    y = np.arange(300)
    X = np.random.default_rng(0).normal(size=(300, 1, 32))
    choice = codebook_size(TokenizerConfig(codes_per_class=4), TrainFacts.of(X, y, X))
    assert choice.value == MAX_CODES < 1200 and f"at most {MAX_CODES}" in choice.reason


def test_rows_of_each_class_are_those_of_the_slow_way() -> None:
    y = np.array(["b", "a", ("a", 1), "b", 3], dtype=object)
    rows = rows_by_class(y)
    assert list(rows) == ["b", "a", ("a", 1), 3]
    assert all(rows[label].tolist() == np.flatnonzero(is_class(y, label)).tolist() for label in rows)


class Counted(np.ndarray):
    """Labels that count how often all of them are read."""

    reads = 0

    def tolist(self) -> list[Any]:
        type(self).reads += 1
        return super().tolist()


def test_no_loop_over_classes_reads_all_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    y, rng = np.arange(300).repeat(2).view(Counted), np.random.default_rng(0)
    X = rng.normal(size=(600, 1, 8)).astype(np.float32)
    monkeypatch.setattr(Counted, "reads", 0)
    few_series(y, 600, y, 600)
    first, second = halves(y, rng)
    assert len(first) + len(second) == 600
    pairs = class_matched(y, y[::-1], rng)
    assert len(pairs.a) == 600 and (y[pairs.a] == y[::-1][pairs.b]).all()
    assert set(map(tuple, rival_series("train", X, y, y, 0)[:, 0])) <= set(map(tuple, X[:, 0]))
    content = ReportContent("x", X, X, y, y, X_labelled=X, y_labelled=y)
    assert len(class_rows(content)) == 300
    assert Counted.reads < 60


def test_linear_classifiers_of_many_classes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(30).repeat(4)
    Z = rng.normal(size=(30, 40))[y] + 0.3 * rng.normal(size=(120, 40))
    exact = representation.linear_accuracy((Z[::2], Z[1::2]), y[::2], y[1::2])
    calls: list[int] = []
    monkeypatch.setattr(ridge, "MAX_CLASSES", 8)
    monkeypatch.setattr("sklearn.linear_model.RidgeClassifierCV.fit", lambda *_: pytest.fail("leave-one-out by class"))
    original = representation.linear_accuracy
    assert original((Z[::2], Z[1::2]), y[::2], y[1::2]) == pytest.approx(exact, abs=0.05) and exact > 0.8
    monkeypatch.setattr(representation, "linear_accuracy", lambda *given: calls.append(1) or original(*given))
    assert len(set(representation.few_shot((Z, Z), y, y, 0).values())) == 1
    assert len(calls) == 1  # no class has more than 5 series, so that each draw would be the same


def test_minirocket_has_fewer_features_for_many_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    from aeon.transformations.collection.convolution_based import MiniRocket

    assert [n_kernels_for(n) for n in (0, 2, 100, 2000, 10**6)] == [10_000, 10_000, 10_000, 500, 84]
    monkeypatch.setattr(rocket, "MAX_COEFFICIENTS", 3000)
    shapes: list[int] = []
    transform = MiniRocket.transform
    monkeypatch.setattr(
        MiniRocket, "transform", lambda *given: (found := transform(*given), shapes.append(found.shape[1]))[0]
    )
    X, y = np.random.default_rng(0).normal(size=(60, 1, 32)).astype(np.float32), np.arange(30).repeat(2)
    utility.rocket_predictions({"": utility.Labelled(X, y)}, [("",)], X, 0)
    representation.features_without_model(X, X, 0, 30)["minirocket"]()
    assert set(shapes) == {84}


# ---------------------------------------------------------------- memory


def test_embeddings_from_many_codes_take_little_memory() -> None:
    rng = np.random.default_rng(0)
    tokens, codebook = rng.integers(0, 512, (1000, 8)), rng.normal(size=(512, 64)).astype(np.float32)
    tracemalloc.start()
    found = token_embeddings(tokens, codebook)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6, "an array of cases × codes × dimensions"
    np.testing.assert_array_equal(found["_meanmax"][:, 64:], codebook[tokens].max(axis=1))


def test_an_estimate_embeds_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = waves(200, 0)
    embedded: list[int] = []
    embed = Tokenizer.embed
    monkeypatch.setattr(Tokenizer, "embed", lambda own, x, *rest: embedded.append(len(x)) or embed(own, x, *rest))
    model = NCVQVAE("quick", settings={**TINY, "stage2.batch_size": 16})
    seconds = model.estimate_seconds(X, y)
    assert sum(embedded) <= 16 and seconds["stage2"] > 0
