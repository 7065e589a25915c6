"""A column of a table says which series are learned from, and which are held out."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ncvqvae.data import load_dataset, load_half, load_splits
from ncvqvae.errors import InputError

LONG = {"id_column": "unit", "time_column": "time", "split_column": "set"}
SETS = [*["train"] * 4, "TEST", "test", *["Train"] * 2]
N_TRAIN, HELD_OUT = 6, [4, 5]


def wide() -> pd.DataFrame:
    """Eight series, each of its own number; all but the label are said in columns."""
    frame = pd.DataFrame({f"t{step}": np.arange(8) + 0.25 for step in range(6)})
    return frame.assign(label=list("abababab"), unit=[f"u{i}" for i in range(8)], set=SETS)


def long() -> pd.DataFrame:
    """The same with a row for each time step, in any order, and times of its own for each series."""
    melted = wide().melt(["label", "unit", "set"], var_name="time", value_name="v")
    times = melted["time"].str[1:].astype(int) + 100 * melted["unit"].str[1:].astype(int)
    return melted.assign(time=times).sample(frac=1, random_state=0)


def recordings() -> pd.DataFrame:
    """Eight recordings of 40 steps."""
    number = np.repeat(np.arange(8), 40)
    rows = {"unit": number, "v": number + 0.25, "label": np.where(number % 2, "b", "a"), "set": np.array(SETS)[number]}
    return pd.DataFrame(rows)


FORMS = {
    "wide": (wide(), {"split_column": "set", "id_column": "unit"}),
    "long": (long(), LONG),
    "windows": (recordings(), {"split_column": "set", "id_column": "unit", "window": 8}),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("in_file", [True, False])
def test_the_column_decides_at_every_seed(form: str, in_file: bool, tmp_path: Path) -> None:
    frame, options = FORMS[form]
    frame.to_csv(tmp_path / "x.csv", index=False)
    source: Any = tmp_path / "x.csv" if in_file else frame
    for seed in range(3):
        splits = load_splits(source, seed=seed, holdout=0.9, **options)
        assert sorted({int(value) for value in splits.X_test.ravel()}) == HELD_OUT
        assert len({int(value) for value in splits.X_train.ravel()}) == N_TRAIN
        assert set(splits.y_train.tolist()) == set(splits.y_test.tolist()) == {"a", "b"}
    n_test, n = len(splits.X_test), len(splits.X_test) + len(splits.X_train)
    assert splits.note.startswith(f"{n_test} of {n} cases kept aside for evaluation, as 'set' says")
    assert "split from 'set'" in splits.described
    np.testing.assert_array_equal(load_dataset(source, "test", **options).X, splits.X_test)
    np.testing.assert_array_equal(load_dataset(source, "train", **options).X, splits.X_train)


def test_ids_and_times_stay_beside_their_series() -> None:
    whole = load_half(
        long(), **{name: value for name, value in LONG.items() if name != "split_column"}, ignore_columns=["set"]
    )
    part = load_half(long(), "test", **LONG)
    assert whole.ids is not None and sorted(part.ids) == ["u4", "u5"]
    assert part.times is not None and whole.times is not None
    for case, name in enumerate(part.ids):
        written = [
            half.times.of(np.full(6, at), np.arange(6), half.times.column.type).to_pylist()
            for half, at in ((part, case), (whole, whole.ids.index(name)))
        ]
        assert written[0] == written[1] == [100 * int(name[1:]) + step for step in range(6)]


def test_a_folder_of_files_may_say_it(tmp_path: Path) -> None:
    for i, word in enumerate(SETS):
        pd.DataFrame({"v": [i + 0.25] * (5 + i), "set": word}).to_csv(tmp_path / f"{i}.csv", index=False)
    splits = load_splits(tmp_path, split_column="set")
    assert len(splits.X_train) == N_TRAIN and sorted(splits.X_test[:, 0, 0].astype(int)) == HELD_OUT


def test_groups_on_both_sides_are_a_warning() -> None:
    frame = wide().assign(patient=list("ppqqrrss")).drop(columns="unit")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_splits(frame, split_column="set", group_column="patient")
        load_splits(frame, split_column="set", ignore_columns=["patient"])
    with pytest.warns(UserWarning, match="data: train has series of 'p' of 'patient', too"):
        load_splits(frame.assign(patient=list("ppqqprss")), split_column="set", group_column="patient")


def changed(**columns: Any) -> pd.DataFrame:
    return wide().drop(columns="unit").assign(**columns)


REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "unknown": (changed(), {"split_column": "sets"}, "no column named 'sets'; did you mean 'set'?"),
    "the label": (changed(), {"split_column": "label"}, "column 'label' would be the label and the split; name the"),
    "the group": (
        changed(),
        {"split_column": "set", "group_column": "set"},
        "options give column 'set' two roles; name each column once",
    ),
    "missing": (changed(set=["train", None, *SETS[2:]]), {}, "column 'set' has no split in row 2; fill it in"),
    "another word": (
        changed(set=["train", "valid", *SETS[2:]]),
        {},
        "column 'set' holds 'valid', which is neither train nor test; call every series one of them",
    ),
    "numbers": (changed(set=[0, 1] * 4), {}, "column 'set' holds '0', which is neither train nor test"),
    "no test": (changed(set="train"), {}, "column 'set' calls 0 series 'test'; call at least 1 so"),
    "one to train on": (
        changed(set=["train", *["test"] * 7]),
        {},
        "column 'set' calls 1 series 'train'; call at least 2",
    ),
    "a class in test alone": (changed(label=list("aaaabbaa")), {}, "test labels 'b' never occur in train"),
    "changes within a series": (long().assign(set=["train", "test"] * 24), LONG, "the split of series 'u"),
    "an array": (np.ones((9, 4)), {}, "split_column means nothing in an array; leave it out"),
    "the archive": ("GunPoint", {}, "a test file beside split_column, which says the same; leave one of them out"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_says_no_split_is_one_line(case: str) -> None:
    source, options, message = REFUSED[case]
    with pytest.raises(InputError) as caught:
        load_splits(source, **{"split_column": "set", **options})
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_test_file_says_the_same(tmp_path: Path) -> None:
    wide().to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(InputError, match=r"x\.csv: a test file beside split_column"):
        load_splits(tmp_path / "x.csv", test=tmp_path / "x.csv", id_column="unit", split_column="set")
