"""Standard output and error of a command: when they go away, or their disk is full, the work goes on without them."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from ncvqvae.commands.options import in_option_spelling

PACKAGE = str(Path(__file__).parents[1])


class LossyStream:
    """A text stream that drops what cannot be written.

    Args:
        stream: what is written to; None where the process was started without one.
        lost: called with the reason, once, when the first text is dropped.
    """

    def __init__(self, stream: TextIO | None, lost: Callable[[OSError], None]) -> None:
        self._stream = open(os.devnull, "w") if stream is None else stream  # noqa: SIM115
        self._lost: Callable[[OSError], None] | None = lost

    def write(self, text: str) -> int:
        """Write a text, or drop it."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._drop(error)
            return len(text)

    def flush(self) -> None:
        """Hand on what was written, or drop it."""
        try:
            self._stream.flush()
        except OSError as error:
            self._drop(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _drop(self, error: OSError) -> None:
        lost, self._lost = self._lost, None
        if lost is None:
            return
        with suppress(OSError, ValueError):  # what is still buffered must go somewhere, also at the end of the process
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        lost(error)


@contextmanager
def lossy_streams() -> Iterator[None]:
    """Let neither standard stream end the work; a lost standard output is said on standard error."""

    def said(error: OSError) -> None:
        warnings.warn(f"standard output is lost ({error.strerror or error}); the work goes on", stacklevel=1)

    before = sys.stdout, sys.stderr
    sys.stdout = LossyStream(sys.stdout, said)
    sys.stderr = LossyStream(sys.stderr, lambda error: None)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stdout, sys.stderr = before


@contextmanager
def warnings_in_one_line() -> Iterator[None]:
    """Show warnings of this package as one line, with options as they are typed; others as Python does."""
    before = warnings.formatwarning

    def in_one_line(message: Any, category: Any, filename: str, *rest: Any, **options: Any) -> str:
        if not filename.startswith(PACKAGE):
            return before(message, category, filename, *rest, **options)
        return f"ncvqvae: warning: {in_option_spelling(' '.join(str(message).split()))}\n"

    warnings.formatwarning = in_one_line
    try:
        yield
    finally:
        warnings.formatwarning = before
