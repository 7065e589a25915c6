"""A run's folder: what is in it, and how it is opened. Every file in it is whole or not there."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic.dataclasses import dataclass

from ncvqvae.config import from_dict, read_yaml
from ncvqvae.data import Splits, TableForm, load_splits
from ncvqvae.errors import InputError
from ncvqvae.model import NCVQVAE
from ncvqvae.validation import GROUP

OWN_FILES = (
    "config.yaml",
    "data.yaml",
    "cases.csv",
    "tokenizer.safetensors",
    "prior.safetensors",
    "metrics.json",
    "history.csv",
    "report.html",
    "figures",
    "checkpoints",
    "tensorboard",
)
"""All that a run writes; ``overwrite`` replaces these and nothing else."""

NEW = ".new"
"""Folder inside a run's folder. A new run is trained there before it replaces the old one."""


@dataclass(config=GROUP)
class DataSource:
    """Where a run's series come from; kept in ``data.yaml`` so that ``evaluate`` finds them again."""

    data: str
    """UCR/UEA name, or path of a file."""
    data_dir: str | None = None
    """Folder with ``<Name>/<Name>_TRAIN.tsv`` and so on; else NCVQVAE_DATA_DIR, what aeon ships, the archive."""
    test: str | None = None
    """File to evaluate on; without a TEST half a stratified part of the cases is kept aside."""
    label_column: str | None = None
    """Column with the labels."""
    id_column: str | None = None
    """Column that names the series a row belongs to (long tables)."""
    time_column: str | None = None
    """Column with the time (long tables)."""
    value_columns: list[str] | None = None
    """Columns with the values: time steps (wide tables) or channels (long tables)."""
    ignore_columns: list[str] | None = None
    """Columns to leave out."""
    header: bool | None = None
    """Whether the first line of a text file holds the names of the columns."""
    window: int | None = None
    """Time steps of the windows that recordings are cut into."""
    stride: int | None = None
    """Time steps from one window to the next."""

    def load(self, seed: int = 0) -> Splits:
        """Both splits in memory; ``seed`` draws the part kept aside where there is no TEST half."""
        return self.locate(seed).in_memory()

    def locate(self, seed: int = 0) -> Splits:
        """The same, but what is memory-mapped stays on disk."""
        options = asdict(self)
        return load_splits(options.pop("data"), seed=seed, **options)


@dataclass
class Begun:
    """What ``data.yaml`` says of an interrupted run: data, preset and settings; nothing where there is no such run."""

    source: dict[str, Any] = field(default_factory=dict)
    preset: str = "default"
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Begun:
        """Read it from a run's folder, or from the new run inside that is to replace it."""
        paths = [folder / NEW / "data.yaml", folder / "data.yaml"]
        values = next((read_yaml(path) for path in paths if path.is_file()), {})
        settings, preset = values.pop("settings", {}), values.pop("preset", "default")
        values.pop("form", None)
        return cls({name: value for name, value in values.items() if value is not None}, preset, settings)


def open_run(folder: str | Path, device: str = "auto") -> tuple[NCVQVAE, DataSource]:
    """The trained model of a run's folder, on `device`, and where its data came from.

    Raises:
        InputError: if the folder holds no finished run, or there is no such device.
    """
    folder = Path(folder)
    if not (folder / "config.yaml").is_file() and any((folder / name).is_dir() for name in ("checkpoints", NEW)):
        raise InputError(f"{folder} holds an interrupted run; finish it with: ncvqvae fit … --out {folder} --resume")
    model = NCVQVAE.from_pretrained(folder, device=device)
    path = folder / "data.yaml"
    values = read_yaml(path) if path.is_file() else {}
    if "data" not in values:
        raise InputError(f"{folder} does not say where its data came from (no data.yaml); fit the run again")
    for other in ("settings", "form", "preset"):
        values.pop(other, None)
    return model, from_dict(DataSource, values)


def say_path(folder: Path, source: DataSource) -> None:
    """Say which files of this machine are read because a run's ``data.yaml`` names them: it may be a stranger's."""
    from ncvqvae.commands.terminal import console
    from ncvqvae.data.load import is_path

    for path in (source.data, source.test):
        if path is not None and is_path(path):
            line = f"reading {path}, which {folder / 'data.yaml'} names"
            console().print(line, markup=False, highlight=False, soft_wrap=True)


def run_form(folder: str | Path) -> TableForm | None:
    """The form of the table that a run's data came from, None if it was none."""
    path = Path(folder) / "data.yaml"
    form = read_yaml(path).get("form")
    try:
        return None if form is None else TableForm.from_dict(form)
    except TypeError:
        raise InputError(f"{path} is damaged (form); fit the run again") from None


def as_label(text: str, classes: np.ndarray) -> Any:
    """The label of the model whose text is ``text``, or which is the same number; the text itself if there is none."""
    labels = classes.tolist()
    for label in labels:
        if str(label) == text:
            return label
    numbers = [label for label in labels if isinstance(label, (int, float)) and not isinstance(label, bool)]
    with suppress(ValueError):
        return next((label for label in numbers if label == float(text)), text)
    return text
