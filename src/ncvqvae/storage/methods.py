"""How a model is kept in a folder or on the Hugging Face Hub: methods of :class:`ncvqvae.model.NCVQVAE`."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, cast

from ncvqvae.generation.residuals import keeping_line
from ncvqvae.hardware import resolve_device
from ncvqvae.storage.hub import downloaded, upload
from ncvqvae.storage.model_files import ModelState, read_model, write_model


class SavingMethods(ABC):
    """Save, load and publish a model."""

    @property
    @abstractmethod
    def _state(self) -> ModelState: ...

    @classmethod
    @abstractmethod
    def _of_state(cls, state: ModelState) -> Self: ...

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``config.yaml``, ``tokenizer.safetensors`` and ``prior.safetensors``, all of them or none.

        These files hold training series, which can be restored, unless the model was fitted with
        ``sampling.residual_neighbours``, ``sampling.redraws`` and ``sampling.kept_share`` at 0. The presets ``quick``
        and ``paper`` have them at 0.

        Raises:
            InputError: if they cannot be written; an older model in the folder stays as it is.
        """
        write_model(Path(folder).expanduser(), self._state)

    def push_to_hub(self, repo_id: str, *, private: bool | None = None, token: str | None = None) -> str:
        """Upload the model to repository ``owner/name`` of the Hugging Face Hub; return the URL of the commit.

        Warns where training series are kept in the model and can be restored from it.

        Args:
            repo_id: the repository, made if it is not there.
            private: who may see a repository that is made; the owner's default if not given.
            token: access token; else the one of ``hf auth login``.
        """
        state = self._state
        if line := keeping_line(state.tokenizer):
            warnings.warn(line, stacklevel=2)
        facts = state.facts
        classes = f"{len(facts.classes)} classes" if len(facts.classes) else "no classes"
        summary = f"{facts.n_channels} channel(s), {facts.n_timepoints} time steps, {classes}"
        return upload(self.save_pretrained, repo_id, summary, private=private, token=token)

    @classmethod
    def from_pretrained(cls, source: str | Path, *, device: str = "auto", **download: Any) -> Self:
        """Load a model that :meth:`save_pretrained` or :meth:`push_to_hub` wrote.

        Args:
            source: its folder, or ``hub:owner/name`` for a repository of the Hugging Face Hub.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``, whichever it was fitted on.
            download: arguments of ``huggingface_hub.snapshot_download``, for example ``revision`` or ``token``.

        Raises:
            InputError: if a file is missing, damaged, or of a newer format, or there is no such device.
        """
        place = resolve_device(device)
        state = read_model(downloaded(source, **download))
        asked, config = (replace(config, device=cast(Any, device)) for config in (state.asked, state.config))
        tokenizer, prior = state.tokenizer.to(place), state.prior.to(place)
        return cls._of_state(replace(state, asked=asked, config=config, tokenizer=tokenizer, prior=prior))
