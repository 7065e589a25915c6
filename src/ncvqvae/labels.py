"""Labels of any hashable kind: the classes among them, class indices, and how a run stores them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from ncvqvae.errors import InputError, nearest_name


def sorted_classes(*labels: np.ndarray) -> list[Hashable]:
    """All distinct labels, sorted. Labels that cannot be compared are sorted by type, then by text."""
    distinct = set().union(*(np.asarray(y).tolist() for y in labels))
    try:
        return sorted(distinct)
    except TypeError:
        return sorted(distinct, key=lambda label: (type(label).__name__, str(label)))


def count_classes(labels: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Distinct labels, sorted, and how many cases have each: two arrays (n_classes,), empty for unlabelled data."""
    if labels is None:
        return np.array([]), np.array([], dtype=int)
    counts = Counter(labels.tolist())
    classes = sorted_classes(labels)
    return label_array(classes), np.array([counts[label] for label in classes], dtype=int)


def is_class(y: np.ndarray, label: Hashable) -> np.ndarray:
    """Which labels are this one: (n,) bool; NumPy's own comparison takes a tuple for an array."""
    return np.array([other == label for other in y.tolist()], bool)


def rows_by_class(y: np.ndarray) -> dict[Hashable, np.ndarray]:
    """Row numbers of each label, found in one pass over the labels (n,)."""
    rows: dict[Hashable, list[int]] = {}
    for row, label in enumerate(y.tolist()):
        rows.setdefault(label, []).append(row)
    return {label: np.array(of_label) for label, of_label in rows.items()}


def nearest_label(label: Hashable, known: Iterable[Hashable]) -> Hashable | None:
    """The known label that was probably meant by another, or None: a text that is much like it."""
    alike = {str(of): of for of in known if isinstance(of, str) or str(of) == str(label)}  # 10 is not meant by 100
    near = nearest_name(label, alike)
    return None if near is None else alike[near]


def instead(label: Hashable, known: Sequence[Hashable], whose: str) -> str:
    """What an error line says to whoever gave a label that is none of the known ones.

    >>> instead("Gnu", ["Gun", "Point"], "classes here")
    "did you mean 'Gun'? classes here: 'Gun', 'Point'"
    """
    near = nearest_label(label, known)
    asked = "" if near is None else f"did you mean {near!r}? "
    more = f" and {len(known) - 20} more" if len(known) > 20 else ""
    return f"{asked}{whose}: {', '.join(map(repr, known[:20]))}{more}"


def class_index(y: np.ndarray, classes: Sequence[Hashable]) -> np.ndarray:
    """Index of each label in `classes`: (n,) int64.

    Raises:
        InputError: if a label is not among them.
    """
    position = {label: i for i, label in enumerate(classes)}
    try:
        return np.array([position[label] for label in np.asarray(y).tolist()], np.int64)
    except KeyError as error:
        label = error.args[0]
        mend = instead(label, list(classes), "its classes")
        raise InputError(f"label {label!r} of a generated series is not in the real data; {mend}") from None


def parse_labels(texts: Sequence[str], decimal: str = ".") -> list[Any]:
    """Convert labels that were read as text to one type that fits all of them: int, bool, float or string.

    Texts that would become one value although they differ, such as "1E2" and "100" or "1" and "1.0", stay strings, and
    so do names with leading zeros. A blank is a missing label, None.

    Args:
        texts: as a file has them.
        decimal: the decimal sign of numbers in the file.

    >>> parse_labels(["1", "2"]), parse_labels(["01", "2"]), parse_labels(["True", "False"])
    ([1, 2], ['01', '2'], [True, False])
    >>> parse_labels(["1E2", "100"]), parse_labels(["1.0", "2.5"])
    (['1E2', '100'], [1.0, 2.5])
    """
    stripped = [text.strip() for text in texts]
    distinct = set(stripped)
    words = {text.lower() for text in distinct}
    if words <= {"true", "false"} and len(words) == len(distinct):
        return [text.lower() == "true" for text in stripped]
    pointed = {text: text.replace(decimal, ".") for text in distinct}
    for pattern, kind in ((WHOLE, int), (FRACTION, float)):
        if all(pattern.fullmatch(text) for text in pointed.values()):
            values = {text: kind(number) for text, number in pointed.items()}
            if len(set(values.values())) == len(values) and all(abs(value) < 2**53 for value in values.values()):
                return [values[text] for text in stripped]
    return [text or None for text in stripped]


def look_alikes(names: Iterable[Hashable]) -> list[list[Hashable]]:
    """Groups of names that differ in upper and lower case, in blanks, or in how a number is written, alone.

    >>> look_alikes(["a", "A ", "b", "1", "1.0", "01", "2"])
    [['a', 'A '], ['1', '1.0', '01']]
    """
    groups: dict[Any, list[Hashable]] = {}
    for name in dict.fromkeys(names):
        text = " ".join(str(name).split()).casefold()
        groups.setdefault(Decimal(text) if NUMBER.fullmatch(text) else text, []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def like_known(labels: np.ndarray, known: np.ndarray, words: Mapping[Any, str] | None = None) -> np.ndarray:
    """Labels of another file as they are known: the text `1` and the number 1 are one class.

    Which kind labels of a file have depends on all of them, so a part of them may have another one.

    Args:
        labels: (n,), of any kind.
        known: labels that they may be; those that are none of them stay as they are.
        words: how the file writes its labels, where `str` does not.

    >>> like_known(np.array([1, 3]), np.array(["1", "1b"])).tolist()
    ['1', 3]
    """
    if set(labels.tolist()) <= set(known.tolist()):
        return labels
    as_text = {str(label): label for label in set(known.tolist())}
    found: dict[Any, Any] = {}
    for label in set(labels.tolist()):
        texts = ((words or {}).get(label, ""), str(label))
        found[label] = next((as_text[text] for text in texts if text in as_text), label)
    return label_array([found[label] for label in labels.tolist()])


NUMBER = re.compile(r"[+-]?\d+(\.\d*)?(e[+-]?\d{1,3})?")
WHOLE = re.compile(r"[+-]?(0|[1-9]\d*)")
FRACTION = re.compile(r"[+-]?(0|[1-9]\d*)\.\d+([eE][+-]?\d{2,3})?")
"""A float with digits behind the point, as most programs print it. A name such as 1E2 does not match."""


def labels_from_state(stored: list[Any]) -> list[Any]:
    """Labels as YAML gives them back; it knows no tuples, and a list is never a label."""
    return [tuple(label) if isinstance(label, list) else label for label in stored]


MAX_CHARACTERS = 1000
"""Characters that a label may have. A NumPy array of text gives every label the room of the longest one."""


def check_storable(classes: np.ndarray) -> None:
    """Check, before training, that every label can be saved in ``config.yaml`` and in every file of samples.

    Raises:
        InputError: if one cannot.
    """
    for label in classes.tolist():
        reason = _why_not_storable(label)
        if reason:
            raise InputError(
                f"label {ascii(label)[:60]} cannot be saved ({reason}); use strings, integers, or booleans"
            )


def _why_not_storable(label: Any) -> str:
    """What keeps a label from being written to a file; "" if nothing does."""
    if isinstance(label, tuple):
        return next(filter(None, map(_why_not_storable, label)), "")
    if type(label) not in (bool, int, float, str):
        return f"of type {type(label).__name__}"
    if type(label) is int and not -(2**63) <= label < 2**63:
        return "an integer beyond 64 bits"
    if type(label) is str and any(0xD800 <= ord(sign) < 0xE000 or sign == "\0" for sign in label):
        return "it holds a sign that is no text"
    return ""


def label_array(labels: Sequence[Hashable]) -> np.ndarray:
    """Labels as an array (n,), of the dtype that keeps every one what it is."""
    for kind, dtype in ((bool, np.bool_), (int, np.int64), (float, np.float64), (str, np.str_)):
        if all(type(label) is kind for label in labels):
            if kind is str and labels and (longest := max(map(len, map(str, labels)))) > MAX_CHARACTERS:
                raise InputError(f"a label has {longest} characters, over {MAX_CHARACTERS}; check the label column")
            try:
                return np.array(labels, dtype=dtype)
            except OverflowError:  # an integer beyond 64 bits stays a Python object
                break
    mixed = np.empty(len(labels), dtype=object)
    mixed[:] = labels
    return mixed
