import numpy as np
import pytest

from ncvqvae.errors import InputError
from ncvqvae.report.content import label_text, loss_terms
from ncvqvae.report.projections import MAX_TSNE_POINTS, choose, choose_per_class, pca_planes, tsne_planes

from .contents import full_content, minimal_content


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X_test_reconstructed", np.zeros((9, 1, 40))),
        ("X_unconditional", np.zeros((9, 1, 41))),
        ("y_train", np.zeros(9)),
        ("Z_test", np.zeros((9, 3))),
        ("y_labelled", np.zeros(9)),
    ],
)
def test_arrays_that_do_not_fit_are_named(name: str, value: np.ndarray) -> None:
    with pytest.raises(InputError, match=name):
        minimal_content(**{name: value})


def test_label_first_samples_are_judged_where_there_are_any() -> None:
    full, minimal = full_content(), minimal_content()
    assert full.generated is not None and full.generated.X is full.X_labelled
    assert minimal.generated is not None and minimal.generated.X is minimal.X_unconditional
    assert minimal_content(X_unconditional=None).generated is None


def test_classes_are_sorted_and_read_as_people_write_them() -> None:
    content = minimal_content(y_train=np.repeat([2.0, 1.0], 5), y_test=np.repeat([1.0, 10.0], 5))
    assert [label_text(label) for label in content.classes] == ["1", "2", "10"]
    assert minimal_content().classes == []


def test_loss_terms_leave_out_what_a_row_lacks() -> None:
    terms = loss_terms(
        [
            {"stage": "stage1", "step": 1, "recon": 1.0, "loss": 2.0},
            {"stage": "stage1", "step": 2, "recon": float("nan"), "loss": 1.0},
            {"stage": "stage2", "step": 1, "loss": 5.0, "recon": float("nan")},
        ]
    )
    assert list(terms["stage1"]) == ["loss", "recon"]
    assert terms["stage1"]["recon"].steps.tolist() == [1] and terms["stage1"]["loss"].values.tolist() == [2, 1]
    assert list(terms["stage2"]) == ["loss"]


def test_pca_planes_agree_with_the_singular_value_decomposition() -> None:
    X, other = np.random.default_rng(0).normal(size=(2, 12, 6))
    planes = pca_planes(X, other)
    _, _, axes = np.linalg.svd(X - X.mean(0), full_matrices=False)
    for plane, points in zip(planes, (X, other), strict=True):
        expected = (points - X.mean(0)) @ axes[:2].T
        np.testing.assert_allclose(np.abs(plane), np.abs(expected), atol=1e-9)


def test_planes_of_hardly_any_points() -> None:
    assert pca_planes(np.zeros((1, 3)))[0].shape == (1, 2)
    assert [part.shape for part in tsne_planes(np.zeros((2, 1)), np.ones((1, 1)))] == [(2, 2), (1, 2)]
    assert tsne_planes(np.zeros((6, 2)))[0].shape == (6, 2)


def test_tsne_keeps_apart_what_is_far_apart_and_takes_no_more_points_than_it_says() -> None:
    rng = np.random.default_rng(0)
    a, b = tsne_planes(rng.normal(size=(30, 4)), rng.normal(size=(30, 4)) + 20)
    between = np.linalg.norm(a.mean(0) - b.mean(0))
    assert between > 2 * max(a.std(), b.std())
    with pytest.raises(ValueError, match="at most"):
        tsne_planes(np.zeros((MAX_TSNE_POINTS + 1, 2)))


def test_choices_are_seeded_sorted_and_of_the_class() -> None:
    assert choose(3, 5).tolist() == [0, 1, 2]
    assert choose(100, 5).tolist() == choose(100, 5).tolist() == sorted(set(choose(100, 5).tolist()))
    y = np.array(["a", "b"] * 10, dtype=object)
    assert set(y[choose_per_class(y, "b", 4)]) == {"b"} and len(choose_per_class(y, "b", 4)) == 4
