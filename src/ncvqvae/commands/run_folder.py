"""A run's folder: what is in it, and how it is opened. Every file in it is whole or not there."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from dataclasses import asdict, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from ncvqvae.config import from_dict, read_yaml
from ncvqvae.data import Splits, TableForm, load_splits
from ncvqvae.data.holdout import few_of_each
from ncvqvae.errors import InputError
from ncvqvae.evaluation.binding import KEY
from ncvqvae.evaluation.metric_files import read_object
from ncvqvae.files import check_no_link
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
"""The files and folders of a run, but those of :func:`given_evaluations`."""

NEW = ".new"
"""Folder inside a run's folder. A new run is trained there before it replaces the old one."""


def own_names(folder: Path) -> list[str]:
    """All in a folder that a run wrote; ``overwrite`` replaces these and nothing else."""
    return [name for name in (*OWN_FILES, NEW, *given_evaluations(folder)) if (folder / name).exists()]


def given_evaluations(folder: Path) -> list[str]:
    """Names of what ``evaluate RUN --samples NAME`` wrote, in the order in which they may be removed.

    The metrics prove that the others are ours: they come last of each three.
    """
    names = []
    for path in sorted(folder.glob("metrics-*.json")) if folder.is_dir() else ():
        with suppress(InputError):
            if read_object(path).keys() & {KEY, "evaluation_seed"}:
                suffix = path.stem.removeprefix("metrics")
                names += [f"report{suffix}.html", f"figures{suffix}", path.name]
    return names


def check_links(folder: Path) -> None:
    """Refuse symbolic links among what a verb writes into a run's folder, which may be a stranger's.

    Files directly in the folder may be links: each is replaced as a whole, and what it points to stays as it is.

    Raises:
        InputError: naming the first one.
    """
    folders = (path for path in folder.iterdir() if path.name in WRITTEN or path.name.startswith("figures"))
    check_no_link(*(sorted(folders) if folder.is_dir() else ()))


WRITTEN = (".lock", NEW, "checkpoints", "tensorboard")
"""What a verb writes into, beside folders of pictures."""


def check_output(path: Path, overwrite: bool = False) -> None:
    """Say before any work that a file may not be written: it exists, and is not to be replaced.

    Args:
        path: what ``--out`` names.
        overwrite: whether the user asked to replace it.

    Raises:
        InputError: it exists, or is a file of a run.
    """
    if (path.parent / "config.yaml").is_file() and path.name in (*OWN_FILES, *given_evaluations(path.parent)):
        raise InputError(f"{path} is a file of the run in {path.parent}; choose another --out")
    if not overwrite and (path.exists() or path.is_symlink()):
        raise InputError(f"{path} exists; choose another --out, or replace it with --overwrite")


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
    group_column: str | None = None
    """Column that says whose a series is; those of one value are all trained on or all kept aside."""
    split_column: str | None = None
    """Column of the words train and test, which says what is kept aside."""
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
    per_class: Annotated[int, Field(ge=1, le=10**9)] | None = None
    """Number of series of each class to fit on, drawn by the seed; the train split has no others then."""

    def load(self, seed: int = 0) -> Splits:
        """Both splits in memory; ``seed`` draws the part kept aside where there is no TEST half."""
        return self.locate(seed).in_memory()

    def locate(self, seed: int = 0) -> Splits:
        """The same, but what is memory-mapped stays on disk."""
        options = asdict(self)
        per_class = options.pop("per_class")
        splits = load_splits(options.pop("data"), seed=seed, **options)
        if per_class is None:
            return splits
        chosen = few_of_each(splits.y_train, len(splits.X_train), per_class=per_class, seed=seed)
        y = None if splits.y_train is None else splits.y_train[chosen]
        note = f"{splits.note}; fitted on {per_class} series of each class".removeprefix("; ")
        return splits._replace(X_train=np.asarray(splits.X_train)[chosen], y_train=y, note=note)


@dataclasses.dataclass
class Begun:
    """What ``data.yaml`` says of an interrupted run: data, preset and settings; nothing where there is no such run."""

    source: dict[str, Any] = field(default_factory=dict)
    preset: str = "default"
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Begun:
        """Read it from a run's folder, or from the new run inside that is to replace it.

        Raises:
            InputError: if the file is damaged.
        """
        path = next((path for path in (folder / NEW / "data.yaml", folder / "data.yaml") if path.is_file()), None)
        if path is None:
            return cls()
        values = read_yaml(path)
        settings, preset = values.pop("settings", {}), values.pop("preset", "default")
        values.pop("form", None)
        if not isinstance(settings, dict) or not isinstance(preset, str):
            raise InputError(f"{path} is damaged (settings, preset); start anew with --overwrite")
        from_dict(DataSource, {"data": "", **values})  # whatever is no source is said
        return cls({name: value for name, value in values.items() if value is not None}, preset, settings)


def open_run(folder: str | Path, device: str = "auto") -> tuple[NCVQVAE, DataSource | None]:
    """The trained model of a run's folder, on `device`, and where its data came from.

    A folder of ``save_pretrained`` is a run, too; where its data came from is not known.

    Raises:
        InputError: if the folder holds no finished run, or there is no such device.
    """
    folder = Path(folder)
    if not (folder / "config.yaml").is_file() and any((folder / name).is_dir() for name in ("checkpoints", NEW)):
        raise InputError(f"{folder} holds an interrupted run; finish it with: ncvqvae fit … --out {folder} --resume")
    model = NCVQVAE.from_pretrained(folder, device=device)
    path = folder / "data.yaml"
    if not path.is_file():
        if (folder / "history.csv").is_file():  # fit wrote both
            raise InputError(f"{folder} does not say where its data came from (no data.yaml); fit the run again")
        return model, None
    values = read_yaml(path)
    if "data" not in values:
        raise InputError(f"{path} is damaged (no data); fit the run again")
    for other in ("settings", "form", "preset"):
        values.pop(other, None)
    return model, from_dict(DataSource, values)


def known_source(folder: Path, source: DataSource | None) -> DataSource:
    """Where the data of a run are.

    Raises:
        InputError: if the folder does not say it.
    """
    if source is None:
        raise InputError(
            f"{folder} does not say where its data came from (no data.yaml); name them: ncvqvae evaluate {folder} "
            "--data NAME"
        )
    return source


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
    form = read_yaml(path).get("form") if path.is_file() else None
    try:
        return None if form is None else TableForm.from_dict(form)
    except TypeError:
        raise InputError(f"{path} is damaged (form); fit the run again") from None


def as_label(text: str, classes: np.ndarray, form: TableForm | None = None) -> Any:
    """The label of the model that ``text`` is, and ``text`` itself if there is none.

    Args:
        text: a label as Python or the data write it, or another way to write the same number or boolean.
        classes: labels of the model.
        form: of the table that the data came from.
    """
    labels = classes.tolist()
    words = {} if form is None else form.words()
    for label in labels:
        if text in (str(label), words.get(label)):
            return label
    booleans = [label for label in labels if isinstance(label, bool)]
    numbers = [label for label in labels if isinstance(label, (int, float)) and not isinstance(label, bool)]
    if booleans:
        return next((label for label in booleans if str(label).lower() == text.lower()), text)
    with suppress(ValueError):
        return next((label for label in numbers if label == float(text)), text)
    return text
