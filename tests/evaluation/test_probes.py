import numpy as np
import pytest
from sklearn.svm import SVC

from ncvqvae.evaluation.probes import probe_accuracy, token_embeddings


def embeddings(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    # the second dimension only has a larger unit: without scaling it would drown the first
    return rng.normal(size=(n, 4)) * [1, 1000, 1, 1] + 1.5 * np.eye(4)[y] * [1, 0, 1, 1], y


def test_equals_a_transcription() -> None:
    (Z, y), (Z_test, y_test) = embeddings(60, 0), embeddings(45, 1)
    low, high = Z.min(0), Z.max(0)
    a, b = 2 * (Z - low) / (high - low) - 1, 2 * (Z_test - low) / (high - low) - 1
    votes = [np.bincount(y[np.argsort(((a - row) ** 2).sum(1))[:5]], minlength=3).argmax() for row in b]
    scores = probe_accuracy(Z, y, Z_test, y_test)
    assert scores.knn == pytest.approx(np.mean(votes == y_test))
    assert scores.svm == pytest.approx(SVC(kernel="linear").fit(a, y).score(b, y_test))
    assert scores.knn > 0.4


def test_nothing_is_fitted_on_the_test_split() -> None:
    (Z, y), (Z_test, y_test) = embeddings(60, 0), embeddings(45, 1)
    outlier, outlier_label = np.full((1, 4), 1e9), np.array([0])
    alone = probe_accuracy(Z, y, Z_test, y_test)
    beside = probe_accuracy(Z, y, np.concatenate([Z_test, outlier]), np.concatenate([y_test, outlier_label]))
    one = probe_accuracy(Z, y, outlier, outlier_label)
    assert beside.knn * 46 == pytest.approx(alone.knn * 45 + one.knn)
    assert beside.svm * 46 == pytest.approx(alone.svm * 45 + one.svm)


def test_labels_of_any_kind_and_tiny_splits() -> None:
    Z = np.array([[0.0], [0.1], [1.0]])
    y = np.array(["left", "left", 7], dtype=object)
    assert probe_accuracy(Z, y, Z, y).svm == 1
    only = np.array(["left"] * 3, dtype=object)
    assert probe_accuracy(Z, only, Z, y) == pytest.approx((2 / 3, 2 / 3))


def test_token_embeddings_equal_a_transcription() -> None:
    rng = np.random.default_rng(0)
    tokens, codebook = rng.integers(0, 6, size=(9, 8)), rng.normal(size=(6, 3))
    latents = codebook[tokens]
    found = token_embeddings(tokens, codebook)
    np.testing.assert_allclose(found[""], latents.mean(1))
    np.testing.assert_allclose(found["_meanmax"], np.concatenate([latents.mean(1), latents.max(1)], axis=1))
    np.testing.assert_allclose(found["_histogram"], [np.bincount(row, minlength=6) / 8 for row in tokens])
    masked = token_embeddings(np.append(tokens, np.full((9, 2), -1), axis=1), codebook)
    for name, embedding in found.items():
        np.testing.assert_allclose(masked[name], embedding)
