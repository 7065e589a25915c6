"""Series of one patient, machine or person are all learned from, or all held out."""

import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncvqvae.data import load_dataset, load_half, load_splits
from ncvqvae.data.holdout import grouped_holdout
from ncvqvae.errors import InputError

LONG = {"id_column": "unit", "time_column": "time"}


def wide(n_patients: int = 20, per_patient: int = 5) -> pd.DataFrame:
    """Series that hold the number of their patient, and nothing else; patients are of classes a and b by turns."""
    patient = np.repeat(np.arange(n_patients), per_patient)
    frame = pd.DataFrame({f"t{step}": patient + 0.25 for step in range(6)})
    return frame.assign(label=np.where(patient % 2, "a", "b"), patient=[f"p{number}" for number in patient])


def long() -> pd.DataFrame:
    """The same with a row for each time step, in any order."""
    frame = wide().assign(unit=[f"u{i}" for i in range(100)])
    melted = frame.melt(["label", "patient", "unit"], var_name="time", value_name="v")
    return melted.assign(time=melted["time"].str[1:].astype(int)).sample(frac=1, random_state=0)


def recordings() -> pd.DataFrame:
    """Two recordings of 40 steps of each of ten patients."""
    patient = np.repeat(np.arange(10), 80)
    rows = {"patient": patient, "unit": np.arange(800) // 40, "v": patient + 0.25, "label": patient % 2}
    return pd.DataFrame(rows)


FORMS: dict[str, tuple[Callable[[], pd.DataFrame], dict[str, Any]]] = {
    "wide": (wide, {}),
    "long": (long, LONG),
    "windows": (recordings, {"id_column": "unit", "window": 16, "stride": 4}),
    "windows of patients": (recordings, {"window": 16, "ignore_columns": ["unit"]}),
    "windows, twice named": (recordings, {"window": 16, "id_column": "patient", "ignore_columns": ["unit"]}),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("suffix", [".csv", ".parquet", "frame"])
def test_no_group_is_on_both_sides_and_each_class_is(form: str, suffix: str, tmp_path: Path) -> None:
    make, options = FORMS[form]
    source: Any = make()
    if suffix != "frame":
        path = tmp_path / f"x{suffix}"
        source.to_csv(path, index=False) if suffix == ".csv" else source.to_parquet(path, index=False)
        source = path
    drawn = set()
    for seed in range(5):
        splits = load_splits(source, group_column="patient", seed=seed, **options)
        again = load_splits(source, group_column="patient", seed=seed, **options)
        np.testing.assert_array_equal(splits.X_test, again.X_test)
        train, held_out = (set(X.ravel().tolist()) for X in (splits.X_train, splits.X_test))
        assert not train & held_out and len(train | held_out) == (10 if "window" in options else 20)
        assert len(held_out) == 0.3 * len(train | held_out)
        assert len(set(splits.y_train.tolist())) == len(set(splits.y_test.tolist())) == 2
        assert splits.X_train.shape[1] == 1  # the group is no channel
        drawn.add(frozenset(held_out))
    assert len(drawn) > 1


@given(
    st.lists(st.tuples(st.integers(0, 14), st.integers(0, 3)), min_size=2, max_size=60),
    st.floats(0.05, 0.95),
    st.integers(0, 2**32 - 1),
)
def test_train_keeps_every_class_or_nothing_is_held_out(
    cases: list[tuple[int, int]], holdout: float, seed: int
) -> None:
    groups, labels = ([pair[at] for pair in cases] for at in (0, 1))
    kept, aside = grouped_holdout(np.array(labels), groups, holdout=holdout, seed=seed)
    assert sorted([*kept, *aside]) == list(range(len(cases)))
    assert not {groups[case] for case in kept} & {groups[case] for case in aside}
    assert {labels[case] for case in kept} == set(labels)
    of_class = {label: {group for group, of in cases if of == label} for label in labels}
    alone = {group for groups_of in of_class.values() if len(groups_of) == 1 for group in groups_of}
    assert bool(len(aside)) == bool(set(groups) - alone)


@pytest.mark.parametrize("labelled", [True, False])
def test_the_share_is_kept_where_groups_differ_in_size(labelled: bool) -> None:
    rng = np.random.default_rng(0)
    for seed in range(20):
        groups = np.repeat(np.arange(40), rng.integers(1, 30, 40)).tolist()
        y = rng.integers(0, 3, len(groups)) if labelled else None
        aside = grouped_holdout(y, groups, holdout=0.3, seed=seed).aside
        assert len(aside) == pytest.approx(0.3 * len(groups), rel=0.1)
        if y is not None:
            shares = np.bincount(y[aside]) / np.bincount(y)
            assert np.abs(shares - 0.3).max() < 0.06


def test_a_class_of_two_small_groups_is_on_both_sides() -> None:
    groups = [*np.repeat(np.arange(30), 10).tolist(), "x", "y"]
    y = np.array([*np.tile(["a", "b"], 150), "rare", "rare"])
    for seed in range(20):
        kept, aside = grouped_holdout(y, groups, holdout=0.3, seed=seed)
        assert Counter(y[kept].tolist())["rare"] == Counter(y[aside].tolist())["rare"] == 1


def test_many_classes_in_two_groups_each_stay_in_train() -> None:
    y = np.repeat(np.arange(200), 6)
    groups = np.repeat(np.arange(400), 3).tolist()
    kept, aside = grouped_holdout(y, groups, holdout=0.3, seed=0)
    assert set(y[kept]) == set(y[aside]) == set(y.tolist())


def test_what_was_held_out_is_said() -> None:
    splits = load_splits(wide(), group_column="patient", seed=2)
    assert splits.note == (
        "no TEST half: 30 of 100 cases kept aside for evaluation (seed 2, stratified by class), "
        "all series of 6 of the 20 values of 'patient'; constant training series: 70 of 70"
    )
    assert "label from 'label'; groups from 'patient'; ignored: none" in splits.described
    frame = wide()
    frame.loc[frame["patient"] == "p3", "label"] = "c"
    splits = load_splits(frame, group_column="patient")
    assert "values of 'patient'; none of 'c', which too few values of 'patient' have; " in splits.note
    assert "c" in splits.y_train.tolist()


def test_samples_have_no_group() -> None:
    half = load_half(wide(), group_column="patient")
    assert half.form is not None and "patient" not in half.form.columns
    assert load_dataset(wide(), group_column="patient").X.shape == (100, 1, 6)


def test_a_folder_of_files_may_name_groups(tmp_path: Path) -> None:
    for i in range(12):
        frame = pd.DataFrame({"v": [i // 3 + 0.5] * (5 + i), "patient": f"p{i // 3}"})
        frame.to_csv(tmp_path / f"{i}.csv", index=False)
    splits = load_splits(tmp_path, group_column="patient")
    train, held_out = (set(X[~np.isnan(X)].tolist()) for X in (splits.X_train, splits.X_test))
    assert len(train) == 3 and len(held_out) == 1 and not train & held_out
    pd.DataFrame({"v": range(5), "patient": list("aabbb")}).to_csv(tmp_path / "0.csv", index=False)
    with pytest.raises(InputError, match="the group of the recording changes within it, in row 3; give all rows"):
        load_splits(tmp_path, group_column="patient")


def changed(**columns: Any) -> pd.DataFrame:
    return wide().assign(**columns)


REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "unknown": (wide(), {"group_column": "patent"}, "no column named 'patent'; did you mean 'patient'?"),
    "the label": (
        wide(),
        {"group_column": "label"},
        "column 'label' would be the label and the group; name the label with label_column, or another",
    ),
    "the label, named": (
        wide(),
        {"group_column": "patient", "label_column": "patient"},
        "options give column 'patient' two roles; name each column once",
    ),
    "the id": (
        changed(patient=range(100)),
        {"group_column": "patient", "id_column": "patient"},
        "options give column 'patient' two roles",
    ),
    "missing": (
        changed(patient=["p", None, *"pq" * 49]),
        {"group_column": "patient"},
        "column 'patient' has no group in row 2; fill it in, or drop those rows",
    ),
    "one group": (
        changed(patient="p"),
        {"group_column": "patient"},
        "column 'patient' has one value, so nothing can be held out; group by another column, or give a test file",
    ),
    "groups are classes": (
        changed(patient=wide()["label"].str.upper()),
        {"group_column": "patient"},
        "without the series of any value of 'patient', a class would have none left to train on; group by another",
    ),
    "changes within a series": (
        long().assign(patient=list("pq") * 300),
        {"group_column": "patient", **LONG},
        "the group of series 'u",
    ),
    "an array": (np.ones((9, 4)), {"group_column": "patient"}, "group_column means nothing in an array; leave it out"),
    "the archive": ("GunPoint", {"group_column": "patient"}, "group_column means nothing in a .ts file; leave it out"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_grouped_is_one_line(case: str) -> None:
    source, options, message = REFUSED[case]
    with pytest.raises(InputError) as caught:
        load_splits(source, **options)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_refusals_of_unknown_columns_name_the_option() -> None:
    frame = wide().assign(unit=range(100))
    for source, options in ((frame.drop(columns="unit"), {}), (wide(), {"id_column": "patient"}), (long(), LONG)):
        with pytest.raises(InputError, match=r"'patient'|'p0'.*group_column"):
            load_splits(source, **options)


def test_groups_in_both_given_files_are_a_warning(tmp_path: Path) -> None:
    frame = wide()
    frame[:60].to_csv(tmp_path / "x_TRAIN.csv", index=False)
    frame[60:].to_csv(tmp_path / "x_TEST.csv", index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_splits(tmp_path / "x_TRAIN.csv", group_column="patient")
    frame[57:].to_csv(tmp_path / "x_TEST.csv", index=False)
    with pytest.warns(UserWarning, match=r"x_TEST.csv: train has series of 'p11' of 'patient', too"):
        splits = load_splits(tmp_path / "x_TRAIN.csv", group_column="patient")
    assert (len(splits.X_train), len(splits.X_test)) == (60, 43)


UNGROUPED = {
    "wide": (wide(), {"ignore_columns": ["patient"]}),
    "not listed": (wide(), {"value_columns": ["t0:t5"]}),
    "numbers": (wide().assign(patient=lambda frame: frame["t0"].astype(int)), {"ignore_columns": ["patient"]}),
    "another name": (wide().rename(columns={"patient": "Machine No."}), {"ignore_columns": ["Machine No."]}),
    "long": (long(), {"ignore_columns": ["patient"], **LONG}),
    "windows": (recordings(), {"ignore_columns": ["patient"], "id_column": "unit", "window": 8}),
}


@pytest.mark.parametrize("case", UNGROUPED)
def test_a_column_that_looks_like_groups_is_said_where_it_is_left_out(case: str, tmp_path: Path) -> None:
    frame, options = UNGROUPED[case]
    frame.to_csv(tmp_path / "x.csv", index=False)
    for source in (frame, tmp_path / "x.csv"):
        with pytest.warns(UserWarning, match=r"same value of '(patient|Machine No.)', which.*group_column"):
            load_splits(source, **options)


QUIET = {
    "grouped": (wide(), {"group_column": "patient"}),
    "each its own": (wide().assign(patient=range(100)), {"ignore_columns": ["patient"]}),
    "one of all": (wide().assign(patient="p"), {"ignore_columns": ["patient"]}),
    "a measure": (wide().assign(patient=np.repeat([0.5, 1.5], 50)), {"ignore_columns": ["patient"]}),
    "another word": (wide().rename(columns={"patient": "ward"}), {"ignore_columns": ["ward"]}),
    "one id each": (long().assign(patient=lambda frame: frame["unit"]), {"ignore_columns": ["patient"], **LONG}),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", QUIET)
def test_other_columns_are_not(case: str, tmp_path: Path) -> None:
    frame, options = QUIET[case]
    frame.to_csv(tmp_path / "x.csv", index=False)
    for source in (frame, tmp_path / "x.csv"):
        load_splits(source, **options)
