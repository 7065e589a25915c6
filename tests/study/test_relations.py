"""Relations between metrics over runs: rho is Spearman's, and its interval holds what it should as often as it says."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from tests.study.test_pictures import NEW, curves_of, rows_of

from ncvqvae.study.pictures import with_final_losses
from ncvqvae.study.relations import POOLED, WITHIN_VIEWS, interval, picture, relations
from ncvqvae.study.rows import published_rows
from ncvqvae.study.tables import write_all


def made(sizes: list[int], rho: float, seed: int = 0, **columns: object) -> pd.DataFrame:
    """Runs of several datasets, of other levels of either metric, with a normal relation of KNN and FID."""
    rng = np.random.default_rng(seed)
    parts = []
    for place, n in enumerate(sizes):
        knn = rng.normal(size=n)
        fid = rho * knn + np.sqrt(1 - rho**2) * rng.normal(size=n)
        parts.append(pd.DataFrame({"dataset": f"D{place}", "knn": knn + 100 * place, "fid": fid - 100 * place}))
    return pd.concat(parts, ignore_index=True).assign(ssl="vibcreg", augmentation="warp").assign(**columns)


def line(rows: pd.DataFrame, scope: str = POOLED, dataset: str = "") -> pd.Series:
    found = relations(rows)
    return found[(found["scope"] == scope) & (found["dataset"] == dataset)].iloc[0]


@pytest.mark.parametrize("decimals", [9, 0])  # with 0 there are ties
def test_rho_of_one_dataset_is_spearmans(decimals: int) -> None:
    rows = made([15], 0.5).round(decimals)
    assert (rows["knn"].nunique() < 15) == (decimals == 0)
    expected = spearmanr(rows["knn"], rows["fid"]).statistic
    for scope, dataset in ((POOLED, ""), (WITHIN_VIEWS, ""), ("dataset", "D0")):
        found = line(rows, scope, dataset)
        assert found["rho"] == pytest.approx(expected) and found["runs"] == 15
        assert -1 <= found["low"] < expected < found["high"] <= 1


def test_a_pool_compares_runs_of_one_dataset_alone() -> None:
    rows = made([9, 14, 20], 1.0)
    assert spearmanr(rows["knn"], rows["fid"]).statistic < -0.5  # a dataset's level decides over all runs
    found = line(rows)
    assert (found["rho"], found["low"], found["high"]) == pytest.approx((1.0, 1.0, 1.0))  # resamples keep to it, too
    assert found["runs"] == 43

    rows = made([14, 14], 0.6)  # groups of equal size: the mean of their rhos
    each = [spearmanr(of["knn"], of["fid"]).statistic for _, of in rows.groupby("dataset")]
    assert line(rows)["rho"] == pytest.approx(np.mean(each))


@pytest.mark.parametrize(("sizes", "rho"), [([8], 0.0), ([14, 14, 14, 6], 0.0), ([14, 14, 14, 14], 0.6)])
def test_intervals_hold_the_true_value_about_as_often_as_they_say(sizes: list[int], rho: float) -> None:
    truth = 6 / np.pi * np.arcsin(rho / 2)  # Spearman's rho of a normal pair
    held = 0
    for seed in range(150):
        groups = made(sizes, rho, seed).groupby("dataset")
        low, high = interval([(of["knn"].to_numpy(), of["fid"].to_numpy()) for _, of in groups], 200, seed)
        held += low <= truth <= high
    assert 0.9 <= held / 150 <= 0.99


def test_a_strong_relation_is_told_from_none() -> None:
    assert line(made([14, 14, 14], 0.7))["low"] > 0.2 and line(made([14, 14, 14], -0.7))["high"] < -0.2
    none = line(made([14, 14, 14], 0.0))
    assert none["low"] < 0 < none["high"]


def test_a_relation_that_only_augmentations_make_is_none_within_them() -> None:
    view = np.repeat(["warp", "slice", "gauss"], 20)
    rows = made([60], 0.0, augmentation=view)
    shift = pd.Series(view).map({"warp": 0.0, "slice": 6.0, "gauss": 12.0})
    rows["knn"], rows["fid"] = rows["knn"] + shift, rows["fid"] + shift
    within = line(rows, WITHIN_VIEWS)
    assert line(rows)["low"] > 0.7 and within["low"] < 0 < within["high"] and abs(within["rho"]) < 0.3


def test_what_is_missing_is_left_out() -> None:
    rows = made([12, 12], 0.5, cas=np.nan, svm=None)
    rows.loc[:3, "fid"] = np.nan
    rows.loc[12:22, "knn"] = np.nan  # one run of D1 is left
    rows["copied"] = rows["fid"]
    found = relations(rows)
    assert set(zip(found["first"], found["second"], strict=True)) == {("knn", "fid"), ("knn", "copied")}
    assert set(found["dataset"]) == {"", "D0"} and set(found["runs"]) == {8}
    assert relations(rows.drop(columns=["knn", "svm"])).empty
    assert relations(made([7], 0.5)).empty and not relations(made([4, 4, 4], 0.5)).empty


def test_metrics_that_do_not_vary_have_no_relation_and_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert relations(made([14, 14], 0.5, knn=0.5)).empty
        rows = made([14, 14], 0.5)
        rows.loc[rows["dataset"] == "D1", "fid"] = 3.0
        found = relations(rows)
        assert set(found["dataset"]) == {"", "D0"} and line(rows)["runs"] == 14
        rows.loc[1:13, "fid"] = 2.0  # one run is unlike the others: many resamples do not vary
        assert np.isfinite(line(rows)[["rho", "low", "high"]].astype(float)).all()


def test_losses_of_two_kinds_are_not_compared() -> None:
    rows = made([28], 0.0, ssl=["vibcreg", "barlowtwins"] * 14)
    rows["ssl_loss"] = -rows["fid"] + np.where(rows["ssl"] == "vibcreg", 1000.0, 0.0)
    found = relations(rows.drop(columns="knn"))
    assert found["rho"].tolist() == pytest.approx([-1.0] * 3)


def test_losses_at_the_end_stand_in_the_rows() -> None:
    rows = rows_of(NEW)
    curves = curves_of(rows).assign(commit=0.3)
    curves.loc[curves["model"] == "mine", "ssl"] = np.nan
    found = with_final_losses(rows, curves)
    pd.testing.assert_frame_equal(found[rows.columns.tolist()], rows)
    assert found["ssl_loss"].isna().eq(found["model"] == "mine").all()
    assert set(found["ssl_loss"].dropna()) == {0.2} and set(found["commitment"]) == {0.3}  # of the last tenth alone
    pd.testing.assert_frame_equal(with_final_losses(found, curves), found)
    pd.testing.assert_frame_equal(with_final_losses(rows, pd.DataFrame()), rows)


def test_the_authors_own_rows_give_tables_and_relations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ncvqvae.study.pictures.save_pictures", lambda *_: [])
    monkeypatch.setattr("ncvqvae.study.ranks.save_ranks", lambda *_: [])
    names = {"seed": "run"}
    theirs = published_rows().drop(columns="model").rename(columns=names).replace({"ssl": {"none": "naive"}})
    theirs[theirs["dataset"].isin(["Mallat", "Symbols"])].to_csv(tmp_path / "per_run.csv", index=False)
    files = {path.name for path in write_all(tmp_path / "per_run.csv", tmp_path / "out")}
    assert {f"relations.{kind}" for kind in ("csv", "md", "tex", "png", "pdf")} | {"table-7.md"} <= files
    found = pd.read_csv(tmp_path / "out" / "relations.csv")
    assert set(found["first"]) == {"val_recon", "knn", "svm"} and set(found["second"]) == {"fid", "is", "cas"}
    assert len(found) == 9 * 4 and set(found["dataset"].dropna()) == {"Mallat", "Symbols"}
    text = (tmp_path / "out" / "relations.md").read_text()
    assert text in (tmp_path / "out" / "tables.md").read_text()
    bold = found[(found["low"] > 0) | (found["high"] < 0)]
    assert text.count("**") == 2 * len(bold) > 0
    latex = (tmp_path / "out" / "relations.tex").read_text()
    assert (
        latex.count(r"\mathbf") == len(bold)
        and len({row.count(" & ") for row in latex.splitlines() if "&" in row}) == 1
    )


def test_the_picture_has_a_dot_and_an_interval_for_each_pool() -> None:
    found = relations(made([14, 14], 0.5, copied=np.arange(28.0)))
    figure = picture(found)
    assert [axis.get_title() for axis in figure.axes] == ["FID, unconditional", "Copied"]
    for axis, second in zip(figure.axes, ("fid", "copied"), strict=True):
        of = found[(found["second"] == second) & (found["dataset"] == "")]
        dots = [line.get_xdata()[0] for line in axis.lines if line.get_marker() in "os"]
        assert dots == pytest.approx(of["rho"].tolist())
        drawn = [segment[:, 0] for lines in axis.collections for segment in lines.get_segments()]  # type: ignore[attr-defined]
        assert np.array(drawn) == pytest.approx(of[["low", "high"]].to_numpy())
