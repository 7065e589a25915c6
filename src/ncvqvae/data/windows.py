"""Long recordings cut into windows; train and held-out part are apart before that, so that no window is in both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from einops import rearrange

from ncvqvae.data.read.table import Raw
from ncvqvae.errors import bad_input


@dataclass(frozen=True)
class Windows:
    """How recordings are cut.

    length : time steps of a window.
    stride : time steps from the start of one to the start of the next; default: its length, so that none overlap.
    """

    length: int
    stride: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("window", self.length), ("stride", self.stride)):
            if value is not None and value < (2 if name == "window" else 1):
                raise bad_input(name, f"{value} time steps", "give at least " + ("2" if name == "window" else "1"))


class Recording(NamedTuple):
    """One recording (n_channels, n_steps), and a label for each of its steps, or one for all, or None."""

    values: np.ndarray
    labels: Any


def as_recordings(raw: Raw, where: object) -> list[Recording]:
    """Each series that was read as one recording; a lone 1-d array is one recording of one channel."""
    cases: Any = raw.X
    if isinstance(cases, np.ndarray):
        cases = cases[None] if cases.ndim == 1 else cases
    labels = [None] * len(cases) if raw.y is None else list(raw.y)
    recordings = []
    for case, label in zip(cases, labels, strict=True):
        values = np.asanyarray(case)
        if values.dtype.kind not in "iufb" or values.ndim not in (1, 2):
            what = f"recordings of dtype {values.dtype} and {values.ndim} dimensions"
            raise bad_input(where, what, "give numbers, (channels, time steps)")
        values = values[None] if values.ndim == 1 else values
        recordings.append(Recording(values, label))
    return recordings


class Parts(NamedTuple):
    """The earlier part of each recording, and the later part that is kept aside."""

    kept: list[Recording]
    aside: list[Recording]


def split_in_time(recordings: Sequence[Recording], holdout: float) -> Parts:
    """Keep the last share ``holdout`` of every recording aside."""
    parts = Parts([], [])
    for values, labels in recordings:
        border = round((1 - holdout) * values.shape[1])
        for part, steps in ((parts.kept, slice(border)), (parts.aside, slice(border, None))):
            part.append(Recording(values[:, steps], labels[steps] if isinstance(labels, list) else labels))
    return parts


def cut_windows(recordings: Sequence[Recording], windows: Windows, where: object) -> Raw:
    """Cut recordings into series (n, n_channels, length); a window's label is that of most of its steps.

    Windows in which nothing was observed are left out. The windows of a single recording are views of it.

    Raises:
        InputError: no recording is as long as a window, or their channels differ in number.
    """
    long_enough = [recording for recording in recordings if recording.values.shape[1] >= windows.length]
    if not long_enough:
        longest = max((recording.values.shape[1] for recording in recordings), default=0)
        what = f"no window of {windows.length} time steps in a part of {longest}"
        raise bad_input(where, what, "give a shorter window, or a longer recording")
    if len({len(recording.values) for recording in recordings}) > 1:
        raise bad_input(where, "recordings of different numbers of channels", "give all the same channels")
    cut = [_cut(recording, windows) for recording in long_enough]
    X = cut[0].X if len(cut) == 1 else np.concatenate([part.X for part in cut])
    y = None if long_enough[0].labels is None else [label for part in cut for label in part.y]
    empty = np.array([bool(np.isnan(window).all()) for window in X])
    if not empty.any():
        return Raw(X, y)
    return Raw(X[~empty], None if y is None else [label for label, drop in zip(y, empty, strict=True) if not drop])


def _cut(recording: Recording, windows: Windows) -> Raw:
    values, labels = recording
    if not isinstance(values, np.memmap):
        values = values.astype(np.float32, copy=False)
    stride = windows.stride or windows.length
    views = np.lib.stride_tricks.sliding_window_view(values, windows.length, axis=1, subok=True)
    X = rearrange(views[:, ::stride], "c n t -> n c t")
    if not isinstance(labels, list):
        return Raw(X, [labels] * len(X))
    starts = range(0, len(X) * stride, stride)
    return Raw(X, [Counter(labels[at : at + windows.length]).most_common(1)[0][0] for at in starts])
