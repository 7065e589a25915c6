"""Fit a model into a run's folder: data are read once, and an older run stays until the new one is whole."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ncvqvae.commands.fitted_data import CASES, Cases, in_recorded_halves
from ncvqvae.commands.run_folder import NEW, OWN_FILES, DataSource, check_links, given_evaluations, own_names
from ncvqvae.config import Config, kept, read_yaml
from ncvqvae.data import Splits
from ncvqvae.errors import InputError
from ncvqvae.files import all_replaced, is_temporary, locked, remove_leftovers, replaced
from ncvqvae.model import NCVQVAE
from ncvqvae.training.stages import Report

N_DRAWN, N_TRACED = 400, 64
"""At most so many series are generated for the pictures; of so many it is traced how sure the prior is at each step."""


def fit_run(
    source: DataSource,
    model: NCVQVAE,
    out: str | Path,
    *,
    overwrite: bool = False,
    resume: bool = False,
    report: Report | None = None,
    announce: Callable[[Splits, dict[str, float]], None] | None = None,
    explain: Callable[[list[str]], None] | None = None,
    logger: str = "tensorboard",
    draw: bool = False,
) -> NCVQVAE:
    """Fit ``model`` on the train split of ``source`` into folder ``out``.

    A fit that fails before anything was trained leaves the folder as it was, or none where there was none.

    Args:
        overwrite: replace a run that is there already, once the new one is whole.
        resume: continue an interrupted run; a finished one of the same data and settings is returned as it is.
        report: called while training, see :meth:`NCVQVAE.fit`.
        announce: called before training with the splits and the expected seconds of each stage.
        explain: called before training with what became of settings, see :meth:`NCVQVAE.fit`.
        logger: ``tensorboard``, ``wandb``, ``mlflow`` or ``none``.
        draw: draw pictures of series, see :func:`draw_pictures`.

    Raises:
        InputError: for unusable data, or a folder that holds something else.
    """
    folder, asked = Path(out), model._config()
    check_links(folder)
    if (folder / NEW / "config.yaml").is_file():  # killed when it was about to take its place
        with locked(folder):
            _take_place(folder)
    _check_folder(folder, overwrite, resume)
    if resume:
        _check_same_run(_place(folder, overwrite), source, asked)
    splits = source.locate(asked.seed)
    recorded = Cases.read(_place(folder, overwrite)) if resume else None
    if resume and _is_finished(folder):
        return _finished(folder, splits, recorded, source, asked.device)
    if recorded is not None:
        splits = in_recorded_halves(splits, recorded, source.data)
    for line in model._idle():
        warnings.warn(line, stacklevel=2)
    train = model.prepare(splits.X_train, splits.y_train, checked=True)
    if announce is not None:
        announce(splits, model.estimate_prepared(train))
    with _no_empty_folder(folder), locked(folder):
        _check_folder(folder, overwrite, resume)  # another process may have been here meanwhile
        if resume and _is_finished(folder):
            return _finished(folder, splits, Cases.read(folder), source, asked.device)
        place = _place(folder, overwrite)
        with _undone_on_failure(place):
            _prepare(place, source, model, splits, anew=not resume)
            checkpoints = place / "checkpoints"
            used = make_logger(logger, place)
            model.fit_prepared(train, checkpoints=checkpoints, logger=used, report=report, explain=explain)
            write_history(place / "history.csv", model.history_)
            if draw:
                draw_pictures(place, model, splits)
            model.save_pretrained(place)  # config.yaml comes last: with it the run is finished
        shutil.rmtree(checkpoints)
        if place != folder:
            _take_place(folder)
    return model


def draw_pictures(folder: Path, model: NCVQVAE, splits: Splits) -> None:
    """Draw loss curves, reconstructions, and generated beside real series per class, into ``figures`` of a run.

    The model counts more than its pictures: what keeps them from being drawn is a warning.
    """
    from ncvqvae.commands.score import Scores, compared
    from ncvqvae.report.compose import series_content
    from ncvqvae.report.pictures import save_pictures
    from ncvqvae.report.plots import SERIES_PER_PANEL

    try:
        shown = compared(splits, model.config_.seed).in_memory()
        n_free, labelled = N_DRAWN, None
        if splits.y_train is not None:
            n_free, labelled = SERIES_PER_PANEL, model.sample(min(N_DRAWN, SERIES_PER_PANEL * len(model.classes_)))
        scores = Scores({}, model.sample(n_free, unconditional=True).X, labelled, splits=shown)
        steps = model.decoding_steps(N_TRACED)
        # pictures of embeddings and tokens take longer than all the rest; evaluate draws them
        content = replace(
            series_content(splits, scores, {}),
            history=model.history_,
            X_test_reconstructed=model.reconstruct(shown.X_test).reshape(shown.X_test.shape),
            selected_probabilities=steps.probabilities,
            decoding_entropies=steps.entropies,
        )
        save_pictures(content, folder / "figures")
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        warnings.warn(f"no pictures in {folder / 'figures'} ({reason}); the model is whole", stacklevel=2)


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


# ---------------------------------------------------------------- the folder


def _check_folder(folder: Path, overwrite: bool, resume: bool) -> None:
    own = own_names(folder)
    if not own:
        others = [path for path in folder.iterdir() if path.name != ".lock"] if folder.is_dir() else []
        if not all(is_temporary(path) for path in others):
            raise InputError(f"{folder} holds files that are not a run's; choose an empty folder for --out")
    elif overwrite or resume:
        return
    elif "config.yaml" in own:
        raise InputError(f"{folder} holds a finished run; choose another --out, or replace it with --overwrite")
    else:
        raise InputError(
            f"{folder} holds an interrupted run; continue it with --resume, or start anew with --overwrite"
        )


def _is_finished(folder: Path) -> bool:
    """Whether the folder holds a whole run that no interrupted one is about to replace."""
    return (folder / "config.yaml").is_file() and not (folder / NEW).is_dir()


def _finished(folder: Path, splits: Splits, recorded: Cases | None, source: DataSource, device: str) -> NCVQVAE:
    """The model of a finished run, if its data are still those that it was fitted on."""
    if recorded is not None and Cases.of(splits) != recorded:
        found = Cases.of(splits)
        if sorted(found.train + found.held_out) != sorted(recorded.train + recorded.held_out):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the error says it
                in_recorded_halves(splits, recorded, source.data)
            n_new = sum(map(len, found)) - sum(map(len, recorded))
            raise InputError(
                f"{folder} is finished, and {source.data} has {n_new} series more than at the fit; to learn from them "
                "fit again with --overwrite, or choose another --out"
            )
    return NCVQVAE.from_pretrained(folder, device=device)


def _place(folder: Path, overwrite: bool) -> Path:
    """Where the training writes: a hidden folder inside, where there is a run to be replaced."""
    if (folder / NEW).is_dir() or (overwrite and own_names(folder)):
        return folder / NEW
    return folder


def _prepare(place: Path, source: DataSource, model: NCVQVAE, splits: Splits, anew: bool) -> None:
    """Clear what killed processes left there, and say which data and settings the training is of."""
    import yaml

    if anew and place.name == NEW and place.is_dir():
        shutil.rmtree(place)
    place.mkdir(exist_ok=True)
    remove_leftovers(place, place / "checkpoints", place / "figures")
    if not (place / "data.yaml").exists() or not (place / CASES).exists():
        form = splits.form
        said = {
            **_identity(source, model._config()),
            "preset": model.preset,
            "form": None if form is None else form.to_dict(),
        }
        with all_replaced(place / CASES, place / "data.yaml") as (cases, data):
            cases.write_text(Cases.of(splits).to_csv(), encoding="utf-8")
            data.write_text(yaml.safe_dump(said, sort_keys=False), encoding="utf-8")


def _identity(source: DataSource, asked: Config) -> dict[str, Any]:
    """What a resumed training must have in common with the interrupted one."""
    return {**asdict(source), "settings": kept(asked)}


def _check_same_run(place: Path, source: DataSource, asked: Config) -> None:
    """On resume, ``data.yaml`` must say the same data and settings."""
    path = place / "data.yaml"
    if not path.exists():
        return
    found = read_yaml(path)
    for other in ("form", "preset"):  # say nothing that the rest does not decide
        found.pop(other, None)
    different = sorted(_differences(found, _identity(source, asked)))
    if different:
        raise InputError(
            f"{place.parent if place.name == NEW else place} was begun with another {different[0]}; give --out and "
            "--resume alone, so that all is as it was, or --overwrite"
        )


def _differences(a: Any, b: Any, where: str = "") -> Iterator[str]:
    """Dotted names under which two nested mappings differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in a.keys() | b.keys():
            yield from _differences(a.get(key), b.get(key), f"{where}.{key}" if where else str(key))
    elif a != b:
        yield where


@contextmanager
def _undone_on_failure(place: Path) -> Iterator[None]:
    """Remove what a training left that had no checkpoint yet: there is nothing to continue."""
    try:
        yield
    except BaseException:
        if not list((place / "checkpoints").glob("stage*")):
            for name in OWN_FILES:
                _remove(place / name)
            if place.name == NEW:
                _remove(place)
        raise


@contextmanager
def _no_empty_folder(folder: Path) -> Iterator[None]:
    """On failure, remove the folder and those above it that were made for nothing."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    except BaseException:
        with suppress(OSError):
            if made and {path.name for path in folder.iterdir()} <= {".lock"}:
                (folder / ".lock").unlink(missing_ok=True)
                for path in made:
                    path.rmdir()
        raise


def _take_place(folder: Path) -> None:
    """Put the new run, which is whole, in the place of the old one; after a kill in between the next call goes on.

    The files of the old run go while all of the new one still lie apart, and ``config.yaml`` is the last to move.
    """
    new = folder / NEW
    if (new / "data.yaml").exists():
        for name in ("config.yaml", *given_evaluations(folder), *OWN_FILES):
            _remove(folder / name)
    _remove(new / "checkpoints")
    for name in ("data.yaml", *(name for name in OWN_FILES if name not in ("data.yaml", "config.yaml")), "config.yaml"):
        if (new / name).exists():
            (new / name).rename(folder / name)
    shutil.rmtree(new)
    known = {".lock", NEW, *own_names(folder)}
    others = sorted(path.name for path in folder.iterdir() if path.name not in known and not is_temporary(path))
    if others:
        listed = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
        warnings.warn(f"{folder} still holds {listed}; delete what came from the model before", stacklevel=3)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
