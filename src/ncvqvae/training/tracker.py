"""Loss curves handed to a tracker such as TensorBoard, which is never worth more than the training."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping
from typing import Any


class Tracker:
    """Context that hands values to a Lightning logger until it fails; then a warning says so, and the training goes on.

    Args:
        logger: a Lightning logger; None keeps nothing.
    """

    def __init__(self, logger: Any) -> None:
        self.logger = logger

    def __enter__(self) -> Tracker:
        """Keep what a thread of the logger dies of from being printed: the logger's next call raises it."""
        self._hook, silent = threading.excepthook, self.logger is not None

        def hook(died: threading.ExceptHookArgs) -> None:
            if not silent or not type(died.thread).__module__.startswith("tensorboard."):
                self._hook(died)

        threading.excepthook = hook
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Let the logger write what it still holds."""
        self._call("finalize", "success" if kind is None else "failed")
        threading.excepthook = self._hook

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Hand on the values of a step."""
        self._call("log_metrics", values, step)

    def _call(self, method: str, *arguments: Any) -> None:
        if self.logger is None:
            return
        try:
            getattr(self.logger, method)(*arguments)
        except Exception as error:
            name, self.logger = type(self.logger).__name__, None
            cause: BaseException = error
            while cause.__cause__ is not None:  # loggers wrap what the disk said
                cause = cause.__cause__
            reason = " ".join(f"{type(cause).__name__}: {cause}".split())[:200]
            warnings.warn(f"{name} failed ({reason}); the training goes on without it", stacklevel=1)
