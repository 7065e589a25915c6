import numpy as np
import pytest

from ncvqvae.report.verdict import copy_limit, judge

from .contents import METRICS, full_content, minimal_content, sines


def collapsed_content(noise: float = 0.01):  # type: ignore[no-untyped-def]
    content = full_content()
    assert content.X_labelled is not None
    X, rng = content.X_labelled.copy(), np.random.default_rng(0)
    members = content.y_labelled == "slow"
    X[members] = X[members][:1] + noise * rng.normal(size=X[members].shape)
    return full_content(X_labelled=X)


def test_good_samples_are_fine() -> None:
    verdict = judge(full_content())
    assert verdict.headline == "Fine" and verdict.fine is True
    assert [finding.state for finding in verdict.findings] == ["good"] * 3


def test_copies_are_told_by_their_share() -> None:
    verdict = judge(full_content(metrics=METRICS | {"copied": 0.5}))
    assert verdict.headline == "Copies" and verdict.fine is False
    assert "50%" in verdict.findings[0].text and "5%" in verdict.findings[0].text


def test_copy_limit_grows_as_the_series_get_fewer() -> None:
    X, y = sines(4000)
    many = full_content(X_labelled=X, y_labelled=y, Z_generated=None, metrics={"copied": 0.1, "copied_real": 0.05})
    few = full_content(metrics=many.metrics)
    limits = copy_limit(many), copy_limit(few)
    assert limits[0] is not None and limits[1] is not None and 0.1 < limits[0] < limits[1]
    # 2 p + 3 sqrt(p (1 - p) (1 / 60 + 1 / 30))
    assert limits[1] == pytest.approx(0.1 + 3 * np.sqrt(0.05 * 0.95 * 0.05))


def test_a_collapsed_class_is_named() -> None:
    verdict = judge(collapsed_content())
    assert verdict.headline == "Collapsed class slow" and verdict.fine is False
    assert [row.state for row in verdict.classes] == ["fine", "collapsed"]
    assert verdict.classes[1].spread is not None and verdict.classes[1].spread < 0.1


def test_variety_is_the_ratio_of_mean_distances() -> None:
    content = full_content()
    row = judge(content).classes[1]

    def spread(X: np.ndarray, y: np.ndarray) -> float:
        members = X[y == "slow"].reshape(sum(y == "slow"), -1).astype(float)
        pairs = [np.linalg.norm(a - b) for i, a in enumerate(members) for b in members[:i]]
        return float(np.mean(pairs))

    made = spread(content.X_labelled, content.y_labelled)  # type: ignore[arg-type]
    assert row.spread == pytest.approx(made / spread(content.X_test_reconstructed, content.y_test))  # type: ignore[arg-type]
    assert row.spread_real == pytest.approx(
        spread(content.X_train, content.y_train) / spread(content.X_test, content.y_test)  # type: ignore[arg-type]
    )


def test_smooth_samples_of_noisy_data_are_not_called_collapsed() -> None:
    rng = np.random.default_rng(0)
    content = full_content()
    noisy = content.X_test + 1.0 * rng.normal(size=content.X_test.shape)
    rough = content.X_train + 1.0 * rng.normal(size=content.X_train.shape)
    with_tokenizer = judge(full_content(X_train=rough, X_test=noisy, X_test_reconstructed=content.X_test))
    raw = judge(full_content(X_train=rough, X_test=noisy, X_test_reconstructed=None))
    assert with_tokenizer.headline == raw.headline == "Fine"
    # and yet a collapse is seen there
    still = judge(
        full_content(X_train=rough, X_test=noisy, X_test_reconstructed=None, X_labelled=collapsed_content().X_labelled)
    )
    assert still.headline == "Collapsed class slow"


def test_a_class_that_is_never_generated_is_missing() -> None:
    content = full_content()
    assert content.X_labelled is not None and content.y_labelled is not None
    kept = content.y_labelled == "slow"
    verdict = judge(
        full_content(X_labelled=content.X_labelled[kept], y_labelled=content.y_labelled[kept], Z_generated=None)
    )
    assert verdict.headline.startswith("Missing class <img") and verdict.classes[0].n_generated == 0


@pytest.mark.parametrize("change", [{"cas": 0.5}, {"fid_labelled": 9.0}])
def test_samples_far_from_the_real_data_are_not_fine(change: dict[str, float]) -> None:
    assert judge(full_content(metrics=METRICS | change)).headline == "Unlike the real data"


def test_all_that_is_wrong_stands_in_the_headline() -> None:
    content = collapsed_content()
    content.metrics = METRICS | {"copied": 0.5, "cas": 0.1}
    assert judge(content).headline == "Copies · Collapsed class slow · Unlike the real data"


def test_what_was_not_measured_is_not_called_fine() -> None:
    verdict = judge(full_content(metrics={"copied_raw": 0.6, "copied_raw_real": 0.05}))
    assert verdict.fine is None and verdict.headline == "Not fully judged · No class collapsed"
    nothing = judge(minimal_content(X_unconditional=None))
    assert nothing.fine is None and nothing.headline == "Not fully judged"


def test_unlabelled_series_count_as_one_class() -> None:
    (row,) = judge(minimal_content()).classes
    assert row.label == "all series" and row.state == "fine" and row.n_generated == 20
    flat = np.zeros((20, 1, 40), np.float32)
    assert judge(minimal_content(X_unconditional=flat)).headline == "Collapsed class all series"
