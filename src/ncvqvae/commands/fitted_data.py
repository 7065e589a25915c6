"""The series that a run was fitted on, found again by their digests: ``cases.csv`` of a run's folder.

A case keeps its half whatever happens to the file around it: rows that are added, or that move, change neither what
the model counts as learnt nor what it is evaluated on.
"""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ncvqvae.commands.run_folder import DataSource
from ncvqvae.data import Splits, series_lengths
from ncvqvae.data.cases import case_digests, joint_digest
from ncvqvae.data.facts import TrainFacts
from ncvqvae.errors import InputError

CASES = "cases.csv"
HEADER = "split,digest"
HALVES = ("train", "held-out")


class Cases(NamedTuple):
    """Digests of the cases of both halves, in their order."""

    train: list[str]
    held_out: list[str]

    @classmethod
    def of(cls, splits: Splits) -> Cases:
        """Those of a dataset."""
        return cls(case_digests(splits.X_train, splits.y_train), case_digests(splits.X_test, splits.y_test))

    @classmethod
    def read(cls, folder: Path) -> Cases | None:
        """Those of a run; None of one from before there were digests.

        Raises:
            InputError: if the file is damaged.
        """
        path = folder / CASES
        if not path.is_file():
            return None
        header, *lines = path.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
        if header != HEADER or not all(re.fullmatch(rf"({'|'.join(HALVES)}),[0-9a-f]{{16}}", line) for line in lines):
            raise InputError(f"{path} is damaged; fit the run again")
        rows = [line.split(",") for line in lines]
        return cls(*([digest for half, digest in rows if half == name] for name in HALVES))

    def to_csv(self) -> str:
        """The text of ``cases.csv``."""
        rows = [f"{half},{digest}" for half, digests in zip(HALVES, self, strict=True) for digest in digests]
        return "\n".join([HEADER, *rows, ""])


def read_fitted(folder: Path, source: DataSource, seed: int, facts: TrainFacts | None = None) -> Splits:
    """The data of a run in the halves of its fit, with nothing else in them.

    Args:
        folder: where the run's ``cases.csv`` is.
        source: where its data came from.
        seed: of the cases that were kept aside.
        facts: of the train split that its model was fitted on.

    Raises:
        InputError: if the data lack series of the fit, or are those of another model.
    """
    splits, recorded = source.locate(seed), Cases.read(folder)
    splits = splits if recorded is None else in_recorded_halves(splits, recorded, source.data)
    if facts is not None:
        _check_facts(splits, facts, folder, source.data)
    if recorded is None and not (facts is not None and facts.digest):
        warnings.warn(
            f"{folder} keeps no digests of its series (it is from an earlier version): whether {source.data} has "
            "changed since the fit cannot be told; fit the run again to be sure",
            stacklevel=2,
        )
    return splits


def in_recorded_halves(splits: Splits, recorded: Cases, where: str) -> Splits:
    """The cases of the fit, in its halves and in its order; a warning says how many others were left out.

    Raises:
        InputError: if some of them are not there any more.
    """
    found = Cases.of(splits)
    if found == recorded:
        return splits
    places: dict[str, list[int]] = defaultdict(list)
    for place, digest in enumerate([*found.train, *found.held_out]):
        places[digest].insert(0, place)
    chosen = [[places[digest].pop() if places[digest] else -1 for digest in half] for half in recorded]
    n_lost = sum(place < 0 for half in chosen for place in half)
    n_new = len(found.train) + len(found.held_out) - len(recorded.train) - len(recorded.held_out) + n_lost
    if n_lost:
        n_fitted = len(recorded.train) + len(recorded.held_out)
        raise InputError(
            f"{where} is not the data of the fit: {n_lost} of {n_fitted} series changed or are gone, {n_new} are new; "
            "bring the file back, or fit the run again with --overwrite"
        )
    if n_new:
        warnings.warn(
            f"{where} has {n_new} series more than at the fit; they are left out, and the held-out series are those "
            "of the fit; to learn from all, fit again with --overwrite",
            stacklevel=3,
        )
    return _taken(splits, *(np.array(half, dtype=int) for half in chosen))


def _taken(splits: Splits, train: np.ndarray, held_out: np.ndarray) -> Splits:
    """Both halves, taken by index from all cases, and cut to the longest series among them."""
    X = np.concatenate([np.asarray(splits.X_train), np.asarray(splits.X_test)])
    X = X[..., : series_lengths(X[np.concatenate([train, held_out])]).max()]
    if splits.y_train is None or splits.y_test is None:
        return splits._replace(X_train=X[train], X_test=X[held_out])
    y = np.concatenate([splits.y_train, splits.y_test])
    return splits._replace(X_train=X[train], y_train=y[train], X_test=X[held_out], y_test=y[held_out])


def _check_facts(splits: Splits, facts: TrainFacts, folder: Path, where: str) -> None:
    """The model in the folder must be the one that was fitted on these series."""
    fits = splits.X_train.shape == (facts.n_cases, facts.n_channels, facts.n_timepoints)
    if fits and facts.digest:
        fits = joint_digest(case_digests(splits.X_train, splits.y_train)) == facts.digest
    if not fits:
        raise InputError(
            f"the model in {folder} was not fitted on the series of {where}, which its data.yaml names; "
            "use the files of one run, or fit it again"
        )
