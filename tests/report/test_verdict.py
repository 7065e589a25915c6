import os
from pathlib import Path

import numpy as np
import pytest

from ncvqvae.data import load_splits
from ncvqvae.evaluation.diversity import copied_share
from ncvqvae.report.content import ReportContent
from ncvqvae.report.findings import FEW_TRAIN, FOR_SHARES, Finding, close_share, copy_limit
from ncvqvae.report.verdict import answer, judge

from .contents import METRICS, RIVALS, full_content, minimal_content, sines


def finding(content: ReportContent, check: str) -> Finding:
    """The finding of one check of a labelled content."""
    return dict(zip(("worth", "likeness", "variety", "copies"), judge(content).findings, strict=True))[check]


def with_metrics(**metrics: float) -> ReportContent:
    return full_content(metrics=METRICS | metrics)


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
    assert [found.state for found in verdict.findings] == ["good"] * 4


def test_copies_are_told_by_their_share() -> None:
    verdict = judge(full_content(metrics=METRICS | {"copied": 0.5}))
    assert verdict.headline == "Copies" and verdict.fine is False
    assert "50%" in verdict.findings[3].text and "5%" in verdict.findings[3].text


def test_the_classes_that_are_copied_most_are_named() -> None:
    content = full_content(metrics=METRICS | {"copied": 0.5}, copied_per_class={"slow": 0.9, "fast": 0.1})
    assert finding(content, "copies").text.endswith("Most in class slow (90%).")


def test_nothing_is_said_of_copies_where_real_series_look_like_copies_too() -> None:
    verdict = judge(full_content(metrics=METRICS | {"copied": 0.83, "copied_real": 0.71}))
    assert verdict.fine is None and verdict.headline == "Not fully judged · Copies cannot be told"
    assert "83%" in verdict.findings[3].text and "71%" in verdict.findings[3].text
    assert judge(full_content(metrics=METRICS | {"copied": 0.83, "copied_real": 0.2})).headline == "Copies"


def test_copy_limit_grows_as_the_series_get_fewer() -> None:
    # 2 p + 3 sqrt(p (1 - p) (1 / 60 + 1 / 30))
    assert copy_limit(0.05, 60, 30) == pytest.approx(0.1 + 3 * np.sqrt(0.05 * 0.95 * 0.05))
    assert 0.1 < copy_limit(0.05, 4000, 4000) < copy_limit(0.05, 60, 30)


def raw_content(X_generated: np.ndarray, noise: float = 0.5) -> ReportContent:
    """Noisy real series without a tokenizer, and other series as generated ones."""
    rng = np.random.default_rng(0)
    X_train, y_train = sines(60, seed=1, noise=noise)
    X_test, y_test = sines(200, seed=2, noise=noise)
    y = rng.integers(0, 2, len(X_generated))
    metrics = {"fid_labelled": 1.0, "fid_real": 0.9}
    return ReportContent("raw", X_train, X_test, y_train, y_test, metrics=metrics, X_labelled=X_generated, y_labelled=y)


def test_smoothness_alone_is_no_copying_where_there_is_no_tokenizer() -> None:
    smooth, _ = sines(200, seed=3, noise=0.0)
    content = raw_content(smooth)
    naive = copied_share(content.X_labelled, content.X_train, content.X_test)  # type: ignore[arg-type]
    assert naive.share > 0.9  # what a nearest-neighbour test that ignores smoothness says
    assert close_share(content) == 0 and finding(content, "copies").title == "No copier"


@pytest.mark.parametrize(("share", "title"), [(0.0, "No copier"), (0.5, "Copies"), (1.0, "Copies")])
def test_copied_training_series_are_found_without_a_tokenizer(share: float, title: str) -> None:
    X, _ = sines(200, seed=3, noise=0.0)
    copies, rng = raw_content(X).X_train, np.random.default_rng(0)
    n = int(share * len(X))
    X[:n] = copies[rng.integers(len(copies), size=n)] + 0.05 * rng.normal(size=(n, *X.shape[1:]))
    content = raw_content(X)
    assert close_share(content) == pytest.approx(share) and finding(content, "copies").title == title


REFERENCE = Path(os.environ.get("NCVQVAE_REFERENCE_DIR", "none")) / "Mallat_vibcreg_gauss.npz"


@pytest.mark.skipif(
    not (REFERENCE.is_file() and "NCVQVAE_DATA_DIR" in os.environ),
    reason="set NCVQVAE_REFERENCE_DIR and NCVQVAE_DATA_DIR",
)
def test_smooth_samples_of_the_published_model_are_no_copies_and_its_copies_are() -> None:
    real = load_splits("Mallat")
    with np.load(REFERENCE) as samples:
        free, labelled, y = (samples[key] for key in ("X_unconditional", "X_conditional", "y_conditional"))
    mean, deviation = real.X_train.mean(), real.X_train.std()
    X_train, X_test = ((X - mean) / deviation for X in (real.X_train, real.X_test))
    # through the tokenizer 4 % of them are copies, and 22 % of the label-first ones; raw it seems 26 % and 62 %
    findings = judge(ReportContent("Mallat", X_train, X_test, X_unconditional=free)).findings
    assert [found.title for found in findings[1:]] == ["No class collapsed", "No copier"]
    copier = judge(ReportContent("Mallat", X_train, X_test, X_labelled=labelled, y_labelled=y))
    assert copier.findings[2].title == "Copies"


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


def test_noise_does_not_hide_a_collapse_from_a_tokenizer() -> None:
    rng = np.random.default_rng(0)
    content = collapsed_content()
    assert content.X_labelled is not None
    noisy = content.X_labelled + 1.0 * rng.normal(size=content.X_labelled.shape)
    assert judge(full_content(X_labelled=noisy)).headline == "Fine"
    verdict = judge(full_content(X_labelled=noisy, X_generated_reconstructed=content.X_labelled))
    assert verdict.headline == "Collapsed class slow"


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
    assert judge(content).headline == "Unlike the real data · Collapsed class slow · Copies"


def test_what_was_not_measured_is_not_called_fine() -> None:
    verdict = judge(full_content(metrics={"copied": 0.05}))
    assert verdict.fine is None
    assert verdict.headline == "Not fully judged · Worth not measured · Likeness not measured"
    nothing = judge(minimal_content(X_unconditional=None))
    assert nothing.fine is None and nothing.headline.startswith("Not fully judged")


def test_unlabelled_series_count_as_one_class() -> None:
    rng = np.random.default_rng(0)
    X, _ = sines(160)
    metrics = {"c2st": 0.55, "c2st_p": 0.3, "copied": 0.05}
    content = ReportContent("minimal", X[:60], X[60:100], X_unconditional=X[100:], metrics=metrics)
    (row,) = judge(content).classes
    assert row.label == "all series" and row.state == "fine" and row.n_generated == 60
    assert judge(content).headline == "Fine" and len(judge(content).findings) == 3  # no labels, so no classifier
    content.X_unconditional = X[100:101] + 0.01 * rng.normal(size=(60, 1, 40)).astype(np.float32)
    assert judge(content).headline == "Collapsed class all series"


def test_series_without_a_class_are_judged_together_where_the_data_have_classes() -> None:
    (row,) = judge(full_content(X_labelled=None, y_labelled=None, Z_generated=None)).classes
    assert row.label == "all series" and row.state == "fine"


UTILITY = {"utility_real": 0.889, "utility_real_sd": 0.005, "utility_both": 0.942, "utility_both_sd": 0.01}


def test_the_first_line_answers_whether_it_is_worth_using() -> None:
    told = answer(
        UTILITY | {"utility_n_added": 500.0, "utility_both_of_jitter": 0.87, "utility_both_of_timewarp": 0.882}
    )
    assert told == (
        "Adding 500 generated series moved a classifier from 0.889 to 0.942 ± 0.010; "
        "time warp, the best cheap rival, to 0.882."
    )
    assert answer({"utility_real": 0.9, "utility_both": 0.91}) == (
        "Adding generated series moved a classifier from 0.900 to 0.910."
    )
    alone = {"cas_rocket": 0.9, "cas_rocket_real": 0.95, "cas_rocket_of_train": 0.95, "cas_rocket_of_mixup": 0.93}
    assert answer(alone) == (
        "A classifier trained on generated series alone reaches 0.900, on real ones 0.950; "
        "mixup within a class, the best cheap rival, reaches 0.930."
    )
    assert answer({"c2st": 0.84}).startswith("A classifier tells generated from held-out series in 84% of cases")
    assert answer({"fid": 1.25, "fid_real": 0.5}) == "FID is 1.25, between real series 0.500."
    assert answer({}).startswith("Nothing was measured")


@pytest.mark.parametrize(
    ("change", "state", "title"),
    [
        ({}, "good", "Worth adding"),
        ({"utility_both": 0.86}, "even", "No gain from adding them"),
        ({"utility_both": 0.7}, "bad", "Adding them harms a classifier"),
        ({"utility_both_sd": 0.08}, "even", "No gain from adding them"),
        ({"utility_both_of_smote": 0.94}, "even", "No better than SMOTE"),
        ({"utility_both_of_smote": 0.94, "utility_both_of_jitter": 0.945}, "even", "No better than jitter"),
        ({"utility_both_of_smote": 1.05}, "bad", "Beaten by SMOTE"),
        ({"utility_both_of_train": 1.05}, "good", "Worth adding"),
        ({"rarest_recall_real": 0.8, "rarest_recall_both": 0.5}, "bad", "The rarest class suffers"),
        ({"rarest_recall_real": 0.5, "rarest_recall_both": 0.8}, "good", "Worth adding"),
    ],
)
def test_worth_is_a_gain_beyond_chance_that_no_rival_has(change: dict[str, float], state: str, title: str) -> None:
    found = finding(with_metrics(**change), "worth")
    assert (found.state, found.title) == (state, title)


@pytest.mark.parametrize("missing", [("real", "both"), ("real",), ("both",)], ids=" and ".join)
def test_nothing_is_said_of_a_rarest_class_without_held_out_series(missing: tuple[str, ...]) -> None:
    recalls = {"rarest_recall_real": 0.8, "rarest_recall_both": 0.3}
    recalls |= {f"rarest_recall_{name}": float("nan") for name in missing}
    assert finding(with_metrics(**recalls), "worth") == finding(with_metrics(), "worth")


@pytest.mark.parametrize("label", ["a", 0, ("tuple",)], ids=str)
def test_a_single_class_is_no_classification(label: object) -> None:
    content, one = full_content(), np.empty(200, dtype=object)
    one.fill(label)
    labels = {key: one[: len(getattr(content, key))] for key in ("y_train", "y_test", "y_labelled")}
    measured = {key: value for key, value in METRICS.items() if not key.startswith(("utility", "cas"))}
    verdict = judge(full_content(**labels, metrics=measured, attention=[]))
    assert len(verdict.findings) == 3 and "classifier" not in " ".join(verdict.lines)


def test_a_rival_that_does_as_well_leaves_no_green_tick() -> None:
    verdict = judge(with_metrics(**RIVALS, utility_both_of_dba=0.95))
    assert verdict.fine is None and verdict.headline == "Sound · No better than weighted DBA"
    assert verdict.next_step == "To train a classifier, add weighted DBA instead, which needs no model."
    short = with_metrics(**RIVALS, utility_both_of_dba=0.95)
    short.facts = {"preset": "quick"}
    assert judge(short).next_step.startswith(f"{verdict.next_step} For better series, fit again with --preset default")
    assert judge(with_metrics(**RIVALS)).headline == "Fine"


@pytest.mark.parametrize(
    ("change", "state", "title"),
    [
        ({"c2st": 0.84, "c2st_p": 0.01, "c2st_real": 0.6}, "bad", "Told apart from real series"),
        ({"c2st": 0.84, "c2st_p": 0.2, "c2st_real": 0.6}, "good", "Like the real data"),
        ({"c2st": 0.6, "c2st_p": 0.01}, "good", "Like the real data"),
        ({"c2st": 0.84, "c2st_p": 0.01, "c2st_real": 0.8}, "unknown", "Told apart, but so are the real splits"),
        ({"fid_labelled": 9.0, "fid_floor": 1.0}, "good", "Like the real data"),
    ],
)
def test_likeness_agrees_with_the_two_sample_test(change: dict[str, float], state: str, title: str) -> None:
    found = finding(with_metrics(**change), "likeness")
    assert (found.state, found.title) == (state, title)
    assert judge(with_metrics(**change)).fine is {"bad": False, "unknown": None, "good": True}[state]


@pytest.mark.parametrize(
    ("check", "change", "title"),
    [
        ("variety", {"coverage": 0.5, "coverage_real": 0.9}, "Parts of the real data are missing"),
        ("variety", {"near_duplicates": 0.6, "near_duplicates_real": 0.02}, "Repeats itself"),
        ("copies", {"nearer_rocket": 0.79, "nearer_rocket_low": 0.7}, "Too close to training series"),
        ("copies", {"nearer_dtw": 0.79}, "Too close to training series"),
        ("copies", {"membership_auc": 0.8, "membership_auc_low": 0.7}, "Training series are recognised"),
        ("copies", {"copied_worst_class": 0.9, "copied_worst_class_real": 0.1}, "Copies in one class"),
    ],
)
def test_what_stands_below_counts_in_the_verdict(check: str, change: dict[str, float], title: str) -> None:
    found = finding(with_metrics(**change), check)
    assert (found.state, found.title) == ("bad", title) and judge(with_metrics(**change)).headline == title


@pytest.mark.parametrize(
    ("check", "change"),
    [
        ("variety", {"coverage": 0.85, "coverage_real": 0.9}),
        ("variety", {"near_duplicates": 0.03, "near_duplicates_real": 0.02}),
        ("copies", {"nearer_rocket": 0.79, "nearer_rocket_low": 0.45}),
        ("copies", {"nearer_rocket": 0.55}),
        ("copies", {"nearer_rocket": 0.79, "nearer_rocket_low": 0.74, "nearer_rocket_shift": 0.75}),
        ("copies", {"membership_auc": 0.79, "membership_auc_low": 0.74, "membership_auc_shift": 0.75}),
        ("copies", {"membership_auc": 0.55}),
        ("copies", {"copied_worst_class": 0.25, "copied_worst_class_real": 0.1}),
        ("copies", {"nearer_rocket_no_redraws": 0.9, "nearer_rocket_of_timewarp": 0.99}),
    ],
)
def test_what_chance_explains_is_no_fault(check: str, change: dict[str, float]) -> None:
    assert finding(with_metrics(**change), check).state == "good" and judge(with_metrics(**change)).fine


def test_one_of_three_classes_judged_is_no_green_tick() -> None:
    content = full_content()
    assert content.y_test is not None
    names = np.where(np.arange(120) < 3, "few", content.y_test)
    names[3:6] = "fewer"
    verdict = judge(full_content(y_test=names))
    assert verdict.fine is None and verdict.headline == "Not fully judged · 2 of 4 classes judged"


def test_few_training_series_stay_close_and_few_held_out_ones_judge_nothing() -> None:
    assert judge(full_content()).fine
    few = full_content()
    kept = slice(FEW_TRAIN - 2)
    assert few.y_train is not None
    verdict = judge(full_content(X_train=few.X_train[kept], y_train=few.y_train[kept], Z_train=None))
    assert verdict.headline == "Not fully judged · Close to few training series" and verdict.fine is None
    assert "With 48 training series" in verdict.findings[3].text
    assert few.y_test is not None
    kept = slice(FOR_SHARES - 2)
    unjudged = full_content(
        X_test=few.X_test[kept], y_test=few.y_test[kept], X_test_reconstructed=None, Z_test=None,
        metrics=METRICS | {"c2st": 1.0, "c2st_p": 0.01, "coverage": 0.0, "coverage_real": 1.0},
    )  # fmt: skip
    assert judge(unjudged).headline == "Not fully judged · Too few held-out series"


def test_the_terminal_gives_answer_reasons_and_next_step() -> None:
    content = with_metrics(c2st=0.84, c2st_p=0.01, c2st_real=0.6)
    content.facts = {"preset": "quick"}
    lines = judge(content).lines
    assert lines[0].startswith("Adding 60 generated series") and lines[1] == "verdict: Told apart from real series"
    assert [line[0] for line in lines[2:6]] == ["✓", "✗", "✓", "✓"] and "84%" in lines[3]
    assert lines[6].startswith("advice: For better series, fit again with --preset default, which trains a larger")


def test_it_is_said_that_new_series_start_from_training_series_and_what_turns_this_off() -> None:
    apart, close = full_content(kept_share=0.5), with_metrics(nearer_rocket=0.9, nearer_rocket_low=0.8)
    assert "50% of the tokens of a training series (sampling.kept_share)" in finding(apart, "copies").text
    assert judge(apart).fine and not {"kept" in finding(of, "copies").text for of in (full_content(), close)} - {False}
    close.kept_share = 0.75
    verdict = judge(close)
    assert verdict.headline == "Too close to training series"
    assert "starts from 75% of" in verdict.findings[3].text and "--sampling.kept-share 0" in verdict.next_step


def test_only_where_all_is_well_the_step_is_to_draw_more() -> None:
    verdict = judge(full_content())
    assert verdict.fine and "ncvqvae sample RUN" in verdict.next_step
    assert not any(line.startswith(("advice", "next")) for line in verdict.lines)  # the command says it
    for faulty in (full_content(metrics=METRICS | {"copied": 0.5}), with_metrics(utility_both=METRICS["utility_real"])):
        verdict = judge(faulty)
        assert not verdict.fine and verdict.lines[-1] == f"advice: {verdict.next_step}"
        assert "ncvqvae sample" not in verdict.next_step
    assert judge(full_content(codebook=None)).next_step == "Use them."
