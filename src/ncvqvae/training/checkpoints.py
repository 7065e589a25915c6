"""Checkpoints: written whole or not at all, read without running code, saved when training is interrupted."""

from __future__ import annotations

import io
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins.io import TorchCheckpointIO

from ncvqvae.errors import InputError
from ncvqvae.files import replaced

PARTS = ("state_dict", "optimizer_states", "lr_schedulers", "loops", "global_step", "callbacks")
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class WholeFileIO(TorchCheckpointIO):
    """How Lightning writes and reads checkpoint files here."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write under a temporary name in the same folder, to the disk, and rename."""
        buffer = io.BytesIO()  # writing the bytes here reports a full disk in our own words
        torch.save(checkpoint, buffer)
        with replaced(path) as temporary:
            temporary.write_bytes(buffer.getbuffer())

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = True) -> dict[str, Any]:
        """Read tensors and plain values; a pickle that asks for anything else is refused, whatever ``weights_only``.

        Raises:
            InputError: if the file is not a whole checkpoint.
        """
        try:
            checkpoint: dict[str, Any] = torch.load(path, map_location=map_location, weights_only=True)
            missing = [part for part in PARTS if part not in checkpoint]
        except Exception as error:  # a damaged pickle raises whatever its bytes happen to do
            raise _damaged(path, " ".join(str(error).split())[:80] or type(error).__name__) from None
        if missing:
            raise _damaged(path, f"it lacks {missing[0]}")
        return checkpoint


def _damaged(path: Any, reason: str) -> InputError:
    return InputError(f"{path} is no whole checkpoint ({reason}); delete it to begin this stage anew")


def describe(path: Path | None) -> str:
    """The last good checkpoint in words."""
    if path is None or not path.exists():
        return "no checkpoint was saved before"
    return f"last good checkpoint: {path}, after {WholeFileIO().load_checkpoint(path, 'cpu')['global_step']} steps"


class Interruption(L.Callback):
    """Context that ends a training between two steps, with a checkpoint, once Ctrl-C, SIGTERM or SIGHUP came.

    On leaving, the signal is sent again, to whoever handled it before. A second signal does not wait for the step.

    Args:
        path: the checkpoint; None saves nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.received: int | None = None
        self.handlers: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        """Note who handles the signals now; Python lets its main thread alone change that."""
        if threading.current_thread() is threading.main_thread():
            handlers = {number: signal.getsignal(number) for number in SIGNALS}
            self.handlers = {number: each for number, each in handlers.items() if each is not signal.SIG_IGN}
        return self

    def on_train_start(self, *_: Any) -> None:
        """Take over from Lightning, which would end the process."""
        for number in self.handlers:
            signal.signal(number, self._note)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.received is not None:
            raise KeyboardInterrupt
        self.received = number

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Save and stop if a signal came during the step."""
        if self.received is not None:
            if self.path is not None:
                trainer.save_checkpoint(self.path)
            trainer.should_stop = True

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        """Give the signals back, and pass on the one that came."""
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        if self.received is not None and (kind is None or not issubclass(kind, Exception)):
            signal.raise_signal(self.received)
            raise KeyboardInterrupt  # the earlier handler may return, but the training is unfinished
