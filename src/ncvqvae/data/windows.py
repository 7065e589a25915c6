"""Long recordings cut into windows; train and held-out part are apart before that, so that no window is in both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from einops import rearrange

from ncvqvae.data.read.table import Raw
from ncvqvae.errors import bad_input, listed


class Recording(NamedTuple):
    """One recording (n_channels, n_steps); a label for each of its steps, or one for all, or None; its id, if any."""

    values: np.ndarray
    labels: Any
    name: Any = None


def as_recordings(raw: Raw, where: object) -> list[Recording]:
    """Each series that was read as one recording; a lone 1-d array is one recording of one channel."""
    cases: Any = raw.X
    if isinstance(cases, np.ndarray):
        cases = cases[None] if cases.ndim == 1 else cases
    labels = [None] * len(cases) if raw.y is None else list(raw.y)
    names = [None] * len(cases) if raw.ids is None else raw.ids
    recordings = []
    for case, label, name in zip(cases, labels, names, strict=True):
        values = np.asanyarray(case)
        if values.dtype.kind not in "iufb" or values.ndim not in (1, 2):
            what = f"recordings of dtype {values.dtype} and {values.ndim} dimensions"
            raise bad_input(where, what, "give numbers, (channels, time steps)")
        values = values[None] if values.ndim == 1 else values
        recordings.append(Recording(values, label, name))
    return recordings


class Parts(NamedTuple):
    """The earlier part of each recording, and the later part that is kept aside."""

    kept: list[Recording]
    aside: list[Recording]


def split_in_time(recordings: Sequence[Recording], holdout: float) -> Parts:
    """Keep the last share ``holdout`` of every recording aside."""
    parts = Parts([], [])
    for values, labels, name in recordings:
        border = round((1 - holdout) * values.shape[1])
        for part, steps in ((parts.kept, slice(border)), (parts.aside, slice(border, None))):
            part.append(Recording(values[:, steps], labels[steps] if isinstance(labels, list) else labels, name))
    return parts


class Cut(NamedTuple):
    """Windows (n, n_channels, length), their labels, the ids of their recordings, where in these they start.

    ``of`` has the number of the recording of each; what was left out stands in ``notes``.
    """

    X: np.ndarray
    y: list[Any] | None
    ids: list[Any] | None
    starts: list[int]
    of: list[int]
    notes: tuple[str, ...] = ()


def cut_windows(recordings: Sequence[Recording], length: int, stride: int | None, where: object) -> Cut:
    """Cut recordings into windows; a window's label is that of most of its steps.

    Windows in which nothing was observed are left out. The windows of a single recording are views of it.

    Args:
        recordings: of the same channels.
        length: time steps of a window.
        stride: time steps from the start of one to the start of the next; default: the length.
        where: what the error line names as the place.

    Raises:
        InputError: no recording is as long as a window, or their channels differ in number.
    """
    long_enough = [at for at, recording in enumerate(recordings) if recording.values.shape[1] >= length]
    if not long_enough:
        longest = max((recording.values.shape[1] for recording in recordings), default=0)
        what = f"no window of {length} time steps in a part of {longest}"
        raise bad_input(where, what, "give a shorter window, or a longer recording")
    if len({len(recording.values) for recording in recordings}) > 1:
        raise bad_input(where, "recordings of different numbers of channels", "give all the same channels")
    parts = [_cut(recordings[at], at, length, stride or length) for at in long_enough]
    X = parts[0].X if len(parts) == 1 else np.concatenate([part.X for part in parts])
    keep = np.flatnonzero([not np.isnan(window).all() for window in X])

    def kept(lists: list[Any]) -> list[Any] | None:
        if lists[0] is None:
            return None
        joined = [value for part in lists for value in part]
        return [joined[at] for at in keep]

    y, ids = kept([part.y for part in parts]), kept([part.ids for part in parts])
    starts, of = kept([part.starts for part in parts]), kept([part.of for part in parts])
    assert starts is not None and of is not None
    notes = _left_out(recordings, length, len(X) - len(keep))
    return Cut(X if len(keep) == len(X) else X[keep], y, ids, starts, of, notes)


def _left_out(recordings: Sequence[Recording], length: int, n_empty: int) -> tuple[str, ...]:
    """What of the recordings is in no window: short ones, by name, and windows without a value."""
    short = [recording for recording in recordings if recording.values.shape[1] < length]
    names = listed([recording.name for recording in short]) if short and short[0].name is not None else ""
    notes = [
        f"{len(short)} of {len(recordings)} recordings are shorter than a window and left out: {names}".rstrip(": ")
    ]
    empty = [f"{n_empty} windows without a value are left out"]
    return (*(notes if short else ()), *(empty if n_empty else ()))


def _cut(recording: Recording, number: int, length: int, stride: int) -> Cut:
    values, labels, name = recording
    views = np.lib.stride_tricks.sliding_window_view(values, length, axis=1, subok=True)
    X = rearrange(views[:, ::stride], "c n t -> n c t")
    starts = list(range(0, len(X) * stride, stride))
    y = None if labels is None else [labels] * len(X)
    if isinstance(labels, list):
        y = [Counter(labels[at : at + length]).most_common(1)[0][0] for at in starts]
    return Cut(X, y, None if name is None else [name] * len(X), starts, [number] * len(X))
