"""A run's folder: fit into it, open it. Every file in it is whole or not there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from pydantic.dataclasses import dataclass

from ncvqvae.config import from_dict, read_yaml, to_dict
from ncvqvae.data import Splits, TableForm, load_form, load_splits
from ncvqvae.errors import InputError
from ncvqvae.files import remove_leftovers, replaced
from ncvqvae.model import NCVQVAE, Report
from ncvqvae.validation import GROUP

OWN_FILES = (
    "config.yaml",
    "data.yaml",
    "tokenizer.safetensors",
    "prior.safetensors",
    "metrics.json",
    "history.csv",
    "report.html",
    "figures",
    "checkpoints",
    "tensorboard",
)
"""All that a run writes; ``overwrite`` removes these and nothing else."""


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
    """Columns with the values, one a channel (long tables)."""
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

    def form(self) -> TableForm | None:
        """How the table of the train split is laid out; None if it is none."""
        options = asdict(self)
        options.pop("test")
        return load_form(options.pop("data"), **options)


def fit_run(
    source: DataSource,
    model: NCVQVAE,
    out: str | Path,
    *,
    overwrite: bool = False,
    resume: bool = False,
    report: Report | None = None,
    announce: Callable[[Splits, dict[str, float]], None] | None = None,
    logger: str = "tensorboard",
) -> NCVQVAE:
    """Fit ``model`` on the train split of ``source`` into folder ``out``.

    Args:
        overwrite: replace a run that is there already.
        resume: continue an interrupted run; a finished one of the same data and settings is returned as it is.
        report: called while training, see :meth:`NCVQVAE.fit`.
        announce: called before training with the splits and the expected seconds of each stage.
        logger: ``tensorboard``, ``wandb``, ``mlflow`` or ``none``.

    Raises:
        InputError: for unusable data, or a folder that holds something else.
    """
    folder = Path(out)
    with claimed(folder):
        remove_leftovers(folder)
        _check_folder(folder, overwrite, resume)
        if resume and (folder / "config.yaml").is_file():  # killed after its last file: nothing is left to do
            _check_same_run(folder, source, model, resume)
            return NCVQVAE.from_pretrained(folder)
        config = model._config()
        splits = source.locate(config.seed)
        _check_same_run(folder, source, model, resume)
        if announce is not None:
            announce(splits, model.estimate_seconds(splits.X_train, splits.y_train))
        model.fit(
            splits.X_train,
            splits.y_train,
            checkpoints=folder / "checkpoints",
            logger=make_logger(logger, folder),
            report=report,
        )
        write_history(folder / "history.csv", model.history_)
        model.save_pretrained(folder)
        shutil.rmtree(folder / "checkpoints")
    return model


def open_run(folder: str | Path) -> tuple[NCVQVAE, DataSource]:
    """The trained model of a run's folder and where its data came from.

    Raises:
        InputError: if the folder holds no finished run.
    """
    folder = Path(folder)
    if not (folder / "config.yaml").is_file() and (folder / "checkpoints").is_dir():
        raise InputError(f"{folder} holds an interrupted run; finish it with: ncvqvae fit … --out {folder} --resume")
    model = NCVQVAE.from_pretrained(folder)
    path = folder / "data.yaml"
    values = read_yaml(path) if path.is_file() else {}
    if "data" not in values:
        raise InputError(f"{folder} does not say where its data came from (no data.yaml); fit the run again")
    for other in ("settings", "form"):
        values.pop(other, None)
    return model, from_dict(DataSource, values)


def run_form(folder: str | Path) -> TableForm | None:
    """The form of the table that a run's data came from, None if it was none."""
    path = Path(folder) / "data.yaml"
    form = read_yaml(path).get("form")
    try:
        return None if form is None else TableForm(**form)
    except TypeError:
        raise InputError(f"{path} is damaged (form); fit the run again") from None


def make_logger(name: str, folder: Path) -> Any:
    """A Lightning logger by name, writing below ``folder``; ``none`` gives None.

    Raises:
        InputError: if the tracker's package is not installed.
    """
    if name == "none":
        return None
    from lightning.pytorch import loggers

    try:
        if name == "wandb":
            return loggers.WandbLogger(project="ncvqvae", name=folder.name, save_dir=folder)
        if name == "mlflow":
            return loggers.MLFlowLogger("ncvqvae", run_name=folder.name)
        return loggers.TensorBoardLogger(folder, name="tensorboard", version="")
    except ModuleNotFoundError:
        raise InputError(f"logger {name} is not installed; pip install 'ncvqvae[{name}]', or use tensorboard") from None


def write_history(path: Path, rows: list[dict[str, Any]]) -> None:
    """The loss terms during training as CSV."""
    import pandas as pd

    with replaced(path) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, so that two processes never write to one run."""
    import fcntl

    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR)
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}; choose another --out") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"another process is writing to {folder}; wait for it or choose another --out") from None
        yield
    finally:
        os.close(handle)


def _check_folder(folder: Path, overwrite: bool, resume: bool) -> None:
    present = {path.name for path in folder.iterdir()} - {".lock"}
    if not present:
        return
    if not present & set(OWN_FILES):
        raise InputError(f"{folder} holds files that are not a run's; choose an empty folder for --out")
    if overwrite:
        for name in present & set(OWN_FILES):
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    elif (folder / "config.yaml").exists() and not resume:
        raise InputError(f"{folder} holds a finished run; choose another --out, or replace it with --overwrite")
    elif not resume:
        raise InputError(
            f"{folder} holds an interrupted run; continue it with --resume, or start anew with --overwrite"
        )


def _check_same_run(folder: Path, source: DataSource, model: NCVQVAE, resume: bool) -> None:
    """Write ``data.yaml`` at the start; on resume it must say the same data and settings."""
    import yaml

    path = folder / "data.yaml"
    wanted = {**asdict(source), "settings": to_dict(model._config())}
    if resume and path.exists():
        found = read_yaml(path)
        found.pop("form", None)  # says nothing that the rest does not decide
        different = sorted(_differences(found, wanted))
        if different:
            raise InputError(
                f"{folder} was begun with another {different[0]}; resume with the same options, or --overwrite"
            )
        return
    form = source.form()
    wanted["form"] = None if form is None else form.to_dict()
    with replaced(path) as temporary:
        temporary.write_text(yaml.safe_dump(wanted, sort_keys=False), encoding="utf-8")


def _differences(a: Any, b: Any, where: str = "") -> Iterator[str]:
    """Dotted names under which two nested mappings differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in a.keys() | b.keys():
            yield from _differences(a.get(key), b.get(key), f"{where}.{key}" if where else str(key))
    elif a != b:
        yield where


def as_label(text: str, classes: np.ndarray) -> Any:
    """The label of the model whose text is ``text``; the text itself if there is none."""
    return {str(label): label for label in classes.tolist()}.get(text, text)
