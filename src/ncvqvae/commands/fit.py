"""Fit a model into a run's folder, from whichever point an interrupted one has reached."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ncvqvae.commands.run_folder import OWN_FILES, DataSource
from ncvqvae.config import read_yaml, to_dict
from ncvqvae.data import Splits
from ncvqvae.errors import InputError
from ncvqvae.files import locked, remove_leftovers, replaced
from ncvqvae.model import NCVQVAE
from ncvqvae.training.stages import Report


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
    with locked(folder):
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
