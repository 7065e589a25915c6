"""The exceptions that mean "the input is at fault, not the program", and how their lines are worded."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class InputError(ValueError):
    """Bad usage or bad input: says in one line what is wrong, where, and how to mend it.

    The command line prints the message on stderr and exits with 2.
    """


def bad_input(where: object, what: str, mend: str) -> InputError:
    """Build the error line ``where: what; mend``, whatever line breaks its parts contain."""
    return InputError(" ".join(f"{where}: {what}; {mend}".split()))


def nearest_name(name: object, known: Iterable[object]) -> str | None:
    """Return the known name most like ``name``, ignoring case, or None if nothing is close."""
    by_folded = {str(k).casefold(): str(k) for k in known}
    close = difflib.get_close_matches(str(name).casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None


def listed(names: Sequence[object], limit: int = 6) -> str:
    """List names for an error line, cut after ``limit`` of them."""
    text = ", ".join(repr(str(n)) for n in names[:limit])
    return text + (f" … ({len(names)} in all)" if len(names) > limit else "")


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


def shortened(text: str, limit: int) -> str:
    """A text cut to ``limit`` characters, an ellipsis at its end."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
