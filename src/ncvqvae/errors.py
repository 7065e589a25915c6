"""The exception that means "the input is at fault, not the program", and the hint that many of its messages end in."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Bad usage or bad input: says in one line what is wrong, where, and how to mend it.

    The command line prints the message on stderr and exits with 2.
    """


class SettingError(InputError):
    """A setting has a value that it cannot have.

    Args:
        name: dotted name of the setting.
        problem: what is wrong with its value, as a sentence that begins with the verb.
    """

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"setting {name!r} {problem}")
        self.name, self.problem = name, problem


def suggestion(name: str, known: Iterable[str], others: Iterable[str] = ()) -> str:
    """``did you mean 'x'?`` for the nearest of the known names, then of ``others``; else the list of all known."""
    known = list(known)
    if not known:
        return "there are none"
    near = [match for names in (known, others) for match in difflib.get_close_matches(name, names, n=1)]
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
