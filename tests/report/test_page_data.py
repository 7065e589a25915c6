import base64
import json
from typing import Any

import numpy as np
import pytest

from ncvqvae.report.comparison_data import comparison_payload
from ncvqvae.report.content import Sample
from ncvqvae.report.page_data import (
    MAX_CODES,
    MAX_VALUES,
    POINTS_PER_SOURCE,
    SeriesPool,
    downsample,
    report_payload,
)

from .contents import full_content, minimal_content, sines


def decoded(pool: dict[str, Any]) -> np.ndarray:
    """Series of a page's pool (n, C, points), from its 16-bit integers."""
    steps = np.frombuffer(base64.b64decode(pool["data"]), "<u2").reshape(-1, pool["channels"], pool["points"])
    low, span = np.array(pool["low"])[:, None], np.array(pool["span"])[:, None]
    return low + span * steps / 65535


def test_pool_gives_back_its_series() -> None:
    X, y = sines(12, channels=2)
    X[:, 1] *= 1000
    pool = SeriesPool({"train": Sample(X, y), "test": Sample(X * 0.5, None)}, [0, 1])
    ids = pool.ids("train", [3, 5]) + pool.ids("test", [3]) + pool.ids("train", [5])
    assert ids == [0, 1, 2, 1]
    raw = pool.to_json()
    np.testing.assert_allclose(decoded(raw)[:, 0], np.stack([X[3], X[5], X[3] / 2])[:, 0], atol=1e-4)
    np.testing.assert_allclose(decoded(raw)[:, 1], np.stack([X[3], X[5], X[3] / 2])[:, 1], atol=0.1)
    assert raw["case"] == [3, 5, 3] and raw["label"] == [1, 1, -1]
    assert [raw["sources"][i] for i in raw["source"]] == ["train", "train", "test"]


@pytest.mark.parametrize("length", [1, 16, 255, 256, 257, 300, 1000, 1025])
def test_shortened_series_keep_their_peaks(length: int) -> None:
    X = np.random.default_rng(length).normal(size=(3, 2, length))
    short = downsample(X, 256)
    assert short.shape[:2] == (3, 2) and min(length, 128) <= short.shape[2] <= 256
    np.testing.assert_array_equal(short.max(-1), X.max(-1))
    np.testing.assert_array_equal(short.min(-1), X.min(-1))


def test_shortened_series_keep_the_order_of_peak_and_trough() -> None:
    X = np.zeros((2, 1, 512))
    X[0, 0, [100, 101]] = 1, -1
    X[1, 0, [100, 101]] = -1, 1
    up_down, down_up = downsample(X, 256)[:, 0]
    assert up_down.argmax() < up_down.argmin() and down_up.argmin() < down_up.argmax()


def test_payload_is_strict_json_and_refers_to_series_that_are_there() -> None:
    payload = report_payload(full_content(channels=2))
    json.loads(json.dumps(payload, allow_nan=False))
    n = len(payload["pool"]["source"])
    rows = [place for row in payload["grid"]["rows"] for cell in row["cells"] for place in cell]
    points = [place for plane in payload["planes"] for place, _, _ in plane["points"]]
    neighbours = [place for found in payload["neighbours"].values() for place in found["ids"]]
    pairs = [place for pair in payload["reconstructions"] for place in pair]
    assert {min(part) >= 0 and max(part) < n for part in (rows, points, neighbours, pairs)} == {True}
    titles = [plane["title"] for plane in payload["planes"] if not plane["title"].startswith("UMAP")]  # an extra
    assert titles == ["t-SNE of latents", "PCA of latents", "PCA of series"]
    assert payload["pool"]["points"] * payload["pool"]["channels"] <= MAX_VALUES


def test_grid_holds_each_class_under_its_source() -> None:
    content = full_content(n_test=30)
    payload = report_payload(content)
    pool, grid = payload["pool"], payload["grid"]
    assert grid["columns"] == ["train", "test", "generated"]
    sources = {"train": content.y_train, "test": content.y_test, "generated": content.y_labelled}
    for row in grid["rows"][:-1]:
        for name, cell in zip(grid["columns"], row["cells"], strict=True):
            y = sources[name]
            assert y is not None
            expected = [i for i, label in enumerate(y) if label == content.classes[row["label"]]]
            assert [pool["case"][place] for place in cell] == expected
            assert {pool["sources"][pool["source"][place]] for place in cell} == {name}
    last = grid["rows"][-1]["cells"][2]
    assert grid["unconditional"] and {pool["sources"][pool["source"][place]] for place in last} == {"unconditional"}


def test_neighbours_are_the_nearest_training_series() -> None:
    content = full_content(channels=2)
    payload = report_payload(content)
    pool = payload["pool"]
    assert content.X_labelled is not None and content.X_test_reconstructed is not None
    train = content.X_train.reshape(len(content.X_train), -1).astype(float)
    smooth = content.X_test_reconstructed.reshape(len(content.X_test), -1)
    heldout = np.array([np.linalg.norm(train - x, axis=1).min() for x in smooth])
    for place, found in payload["neighbours"].items():
        x = content.X_labelled[pool["case"][int(place)]].ravel()
        distances = np.linalg.norm(train - x, axis=1)
        nearest = np.argsort(distances)[:3]
        assert [pool["case"][other] for other in found["ids"]] == nearest.tolist()
        np.testing.assert_allclose(found["distances"], distances[nearest], rtol=1e-3)
        assert found["nearer"] == pytest.approx((heldout > distances.min()).mean(), abs=1e-3)


def test_nearness_is_ranked_without_what_the_tokenizer_leaves_out() -> None:
    content = full_content()
    assert content.X_labelled is not None
    noise = 3.0 * np.random.default_rng(0).normal(size=content.X_labelled.shape)
    far = report_payload(full_content(X_labelled=content.X_labelled + noise))["neighbours"]
    ranked = report_payload(
        full_content(X_labelled=content.X_labelled + noise, X_generated_reconstructed=content.X_labelled)
    )["neighbours"]
    plain = report_payload(content)["neighbours"]
    assert [found["distances"] for found in ranked.values()] == [found["distances"] for found in far.values()]
    assert [found["nearer"] for found in ranked.values()] == [found["nearer"] for found in plain.values()]
    assert all(found["nearer"] == 0 for found in far.values())


def test_planes_and_pool_stay_small_however_many_series_there_are() -> None:
    X, y = sines(3000, length=700)
    content = full_content(
        X_train=X, y_train=y, X_test=X, y_test=y, X_labelled=X, y_labelled=y, X_unconditional=X,
        X_test_reconstructed=None, Z_train=None, Z_test=None, Z_generated=None,
    )  # fmt: skip
    payload = report_payload(content)
    assert len(payload["planes"][0]["points"]) == 3 * POINTS_PER_SOURCE
    assert len(json.dumps(payload)) < 1e6


def test_attention_has_a_row_for_each_head_and_the_middle_of_each_part_of_time() -> None:
    content = full_content()
    slow, _ = report_payload(content)["attention"]
    assert slow["title"] == "slow" and slow["heads"] == ["1.1", "1.2", "1.3", "2.1", "2.2", "2.3"]
    assert slow["times"] == [4, 12, 20, 28, 36]  # five columns over 40 time steps
    np.testing.assert_allclose(slow["values"][4], content.attention[0].shares[1, 1], rtol=1e-3)
    np.testing.assert_allclose(slow["series"]["y"], content.attention[0].series[0], rtol=1e-3)
    assert slow["series"]["x"][0] == 0 and slow["series"]["x"][-1] == 39


def test_unlabelled_data_has_one_row_and_no_class() -> None:
    payload = report_payload(minimal_content())
    assert payload["classes"] == [] and [row["label"] for row in payload["grid"]["rows"]] == [-1]
    assert [plane["title"] for plane in payload["planes"]] == ["PCA of series"]
    assert (
        payload["losses"]
        == payload["usage"]
        == payload["confidence"]
        == payload["attention"]
        == payload["codebook"]
        == payload["matrices"]
        == []
    )


def test_comparison_holds_the_samples_of_each_run() -> None:
    a, b = full_content(), full_content(seed=1)
    payload = comparison_payload([a, b], ["first", "second"])
    assert payload["grid"]["columns"] == ["test", "first", "second"]
    values = decoded(payload["pool"])
    for column, content in ((1, a), (2, b)):
        assert content.X_labelled is not None and content.y_labelled is not None
        ids = payload["grid"]["rows"][1]["cells"][column]
        np.testing.assert_allclose(values[ids], content.X_labelled[content.y_labelled == "slow"], atol=1e-3)
    assert [[run["title"] for run in plane["runs"]] for plane in payload["planes"]] == [["first", "second"]] * 3
    assert {len(run["points"]) for run in payload["planes"][2]["runs"]} == {60}


def test_comparison_has_each_metric_and_loss_by_run() -> None:
    a, b = full_content(), full_content(seed=1, metrics={"fid_labelled": 0.4})
    payload = comparison_payload([a, b], ["first", "second"])
    bars = {row["title"]: row for row in payload["bars"]}
    fid, cas = bars["FID, label-first"], bars["CAS"]
    assert [run["value"] for run in fid["runs"]] == [0.6, 0.4] and fid["real"] == 0.3 and fid["log"]
    assert [run["value"] for run in cas["runs"]] == [0.95, None] and not cas["log"]
    assert payload["losses"][0]["title"] == "Stage 1: tokenizer, ssl"
    assert [curve["name"] for curve in payload["losses"][0]["curves"]] == ["first", "second"]


def test_matrices_are_those_of_the_most_used_codes() -> None:
    content = full_content()
    assert content.codebook is not None
    matrices = {row["title"]: row for row in report_payload(content)["matrices"]}
    assert len(matrices) == 6 and matrices["Cosine similarity"]["codes"] == list(range(8))
    np.testing.assert_allclose(
        matrices["Correlation of code vectors"]["values"], np.corrcoef(content.codebook), rtol=1e-3
    )
    assert matrices["Co-occurrence, train"]["values"][7] == [0.0] * 8  # never used
    assert matrices["Pointwise mutual information, train"]["values"][7] == [None] * 8
    rng = np.random.default_rng(0)
    tokens = rng.choice([5, 70, 99], size=(20, 9))
    many = full_content(
        codebook=rng.normal(size=(100, 5)), tokens_train=tokens, tokens_test=None, tokens_generated=None
    )
    codes = report_payload(many)["matrices"][0]["codes"]
    assert len(codes) == MAX_CODES and {5, 70, 99} <= set(codes)
