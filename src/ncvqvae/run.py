"""A run's folder: fit into it, evaluate it, sample from it. Every file in it is whole or not there."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ncvqvae.config import from_dict, read_yaml, to_dict
from ncvqvae.data import Splits, TableForm, load_form, load_splits, read_series
from ncvqvae.errors import InputError
from ncvqvae.evaluation.protocol import n_unconditional
from ncvqvae.files import remove_leftovers, replaced
from ncvqvae.model import NCVQVAE, Report

if TYPE_CHECKING:  # figures and metrics take seconds to import, and sampling needs neither
    from ncvqvae.report.content import ReportContent
    from ncvqvae.scoring import Scores

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


@dataclass
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


def read_metrics(path: Path) -> dict[str, float]:
    """What :func:`write_metrics` wrote."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): float(value) for name, value in values.items()}
    except (ValueError, AttributeError, TypeError):
        raise InputError(f"{path} is damaged; evaluate the run again") from None


def write_metrics(path: Path, metrics: dict[str, Any]) -> None:
    """A flat object of figures as JSON; what could not be computed is left out."""
    known = {name: value for name, value in metrics.items() if value is not None and math.isfinite(value)}
    with replaced(path) as temporary:
        temporary.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")


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


@dataclass
class Evaluated:
    """What ``evaluate`` leaves: figures by name, the verdict's headline, and the files they are in."""

    name: str
    metrics: dict[str, float]
    verdict: str
    files: dict[str, Path]


def evaluate_run(
    folder: str | Path,
    *,
    fcn: str | Path | None = None,
    samples: str | Path | None = None,
    seed: int | None = None,
    data_dir: str | Path | None = None,
    full: bool = False,
    progress: Callable[[str], None] = lambda step: None,
) -> Evaluated:
    """Score a finished run, and write ``metrics.json``, ``figures/`` and ``report.html`` into its folder.

    Args:
        fcn: published FCN weights for FID, IS and KID; by default an FCN is trained on the train split and cached.
        samples: score the series of this file instead; the files are then called ``metrics-<name>.json`` and so on.
        seed: seed of samples and classifiers; the run's own if not given.
        data_dir: folder of the dataset, if it has moved.
        full: also train-on-both with the FCN, bootstrap intervals and a finer p-value: minutes instead of seconds.
        progress: hears of each step before it begins.
    """
    from ncvqvae.scoring import score_model

    folder = Path(folder)
    model, source = open_run(folder)
    if data_dir is not None:
        source.data_dir = str(data_dir)
    seed = model.config_.seed if seed is None else seed
    with claimed(folder):
        remove_leftovers(folder)
        splits = source.load(model.config_.seed)
        if samples is not None:
            return _evaluate_file(folder, samples, splits, f"-{Path(samples).stem}", fcn, seed, full, progress)
        scores = score_model(model, splits, fcn=fcn, seed=seed, full=full, progress=progress)
        progress("report")
        return _write_evaluation(folder, report_content(folder, model, splits, scores))


def evaluate_series(
    source: DataSource,
    samples: str | Path,
    out: str | Path,
    *,
    fcn: str | Path | None = None,
    seed: int = 0,
    full: bool = False,
    progress: Callable[[str], None] = lambda step: None,
) -> Evaluated:
    """Score series that any model made of ``source``'s train split; the files are those of :func:`evaluate_run`.

    Args:
        samples: file with series in the units of the data, labelled if they have a class.
        out: folder for ``metrics.json``, ``figures/`` and ``report.html``; an earlier evaluation in it is replaced.
        seed: seed of classifiers and random parts, and of the cases kept aside where ``source`` has no TEST half.
    """
    out = Path(out)
    if (out / "config.yaml").is_file():
        raise InputError(f"{out} holds a run; choose another --out, or: ncvqvae evaluate {out} --samples {samples}")
    splits = source.load(seed)
    with claimed(out):
        remove_leftovers(out)
        return _evaluate_file(out, samples, splits, "", fcn, seed, full, progress)


def _evaluate_file(
    folder: Path,
    samples: str | Path,
    splits: Splits,
    suffix: str,
    fcn: str | Path | None,
    seed: int,
    full: bool,
    progress: Callable[[str], None],
) -> Evaluated:
    from ncvqvae.scoring import score_series

    given = read_series(samples)
    labels = None if given.y is None or splits.y_train is None else _like(given.y, splits.y_train)
    scores = score_series(splits, given.X, labels, fcn=fcn, seed=seed, full=full, progress=progress)
    progress("report")
    facts = {"samples": f"{len(given.X)} of {Path(samples).name}"}
    return _write_evaluation(folder, series_content(splits, scores, facts), suffix)


def _write_evaluation(folder: Path, content: ReportContent, suffix: str = "") -> Evaluated:
    from ncvqvae.report.figures import save_figures
    from ncvqvae.report.page import write_report
    from ncvqvae.report.verdict import judge

    files = {
        "figures": folder / f"metrics{suffix}.json",
        "pictures": folder / f"figures{suffix}",
        "report": folder / f"report{suffix}.html",
    }
    write_metrics(files["figures"], dict(content.metrics))
    save_figures(content, files["pictures"])
    write_report(content, files["report"])
    return Evaluated(content.name, dict(content.metrics), judge(content).headline, files)


def _like(y: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Labels of a file as the data has them: the text `1` and the number 1 are one class."""
    if set(y.tolist()) <= set(known.tolist()):
        return y
    as_text = {str(label): label for label in set(known.tolist())}
    return np.array([as_text.get(str(label), label) for label in y.tolist()], dtype=object)


def compare_runs(folders: Sequence[str | Path], out: str | Path) -> None:
    """Write one page that shows evaluated runs side by side, and a folder beside it with the chapter's figures.

    Figures over models count runs of one SSL loss and augmentation as seeds of one model, so the presets must agree.

    Raises:
        InputError: if a run has not been evaluated.
    """
    import pandas as pd

    from ncvqvae.bench.figures import run_curves, save_figures
    from ncvqvae.bench.rows import chapter_model
    from ncvqvae.report.model_figures import save_model_figures
    from ncvqvae.report.page import write_comparison
    from ncvqvae.scoring import Scores

    contents, rows, curves = [], [], []
    for folder in map(Path, folders):
        model, source = open_run(folder)
        path = folder / "metrics.json"
        if not path.is_file():
            raise InputError(f"{folder} has no figures yet; first run: ncvqvae evaluate {folder}")
        splits = source.load(model.config_.seed)
        n, seed = n_unconditional(len(splits.X_test)), model.config_.seed
        labelled = None if splits.y_train is None else model.sample(n, seed=seed + 1)
        scores = Scores(read_metrics(path), model.sample(n, unconditional=True, seed=seed).X, labelled)
        content = report_content(folder, model, splits, scores)
        contents.append(content)
        config = model.config_
        name = chapter_model(config.ssl, config.augmentation)
        identity = {"dataset": content.name, "ssl": config.ssl, "augmentation": config.augmentation, "model": name}
        rows.append({**identity, "seed": config.seed, "preset": model.preset, **content.metrics})
        curves.append(run_curves(pd.DataFrame(content.history), config, content.name, name))
    write_comparison(contents, out)
    pictures = Path(out).with_name(f"{Path(out).stem}-figures")
    save_model_figures(contents, pictures)
    if len({row["preset"] for row in rows}) == 1:
        save_figures(pd.DataFrame(rows), pd.concat(curves, ignore_index=True), pictures)


def draw_figures(folder: str | Path) -> list[Path]:
    """Pictures of a run that was just fitted: loss curves, reconstructions, generated beside real series per class."""
    from ncvqvae.report.figures import save_figures
    from ncvqvae.scoring import Scores

    folder = Path(folder)
    model, source = open_run(folder)
    splits = source.load(model.config_.seed)
    n = 400
    scores = Scores(
        metrics={},
        unconditional=model.sample(n, unconditional=True).X,
        labelled=model.sample(n) if splits.y_train is not None else None,
    )
    content = report_content(folder, model, splits, scores)
    # the planes of latents take longer than all the rest; evaluate draws them
    only_series = replace(content, Z_train=None, Z_test=None, Z_generated=None, codebook=None)
    return save_figures(only_series, folder / "figures")


def report_content(folder: Path, model: NCVQVAE, splits: Splits, scores: Scores) -> ReportContent:
    """Everything that pictures and report show of a run, as plain arrays in the units of the data."""
    import pandas as pd

    facts = {
        "self-supervised loss": model.config_.ssl,
        "augmentation": model.config_.augmentation,
        "preset": model.preset,
        "seed": str(model.config_.seed),
        "tokens": f"{model.tokenizer_.n_tokens} of {len(model.tokenizer_.codebook)} codes",
    }
    content = series_content(splits, scores, facts)
    history = pd.read_csv(folder / "history.csv").to_dict("records")
    assert content.generated is not None
    made = content.generated.X
    steps = model.decoding_steps(256)
    return replace(
        content,
        history=[{str(key): value for key, value in row.items() if value == value} for row in history],
        X_test_reconstructed=model.reconstruct(splits.X_test).reshape(splits.X_test.shape),
        X_generated_reconstructed=model.reconstruct(made).reshape(made.shape),
        Z_train=model.transform(splits.X_train),
        Z_test=model.transform(splits.X_test),
        Z_generated=model.transform(made),
        tokens_train=model.encode(splits.X_train),
        tokens_test=model.encode(splits.X_test),
        tokens_generated=model.encode(made),
        codebook=model.tokenizer_.codebook.numpy(),
        selected_probabilities=steps.probabilities,
        decoding_entropies=steps.entropies,
    )


def series_content(splits: Splits, scores: Scores, facts: Mapping[str, str]) -> ReportContent:
    """The part of the report that needs no model: figures and series."""
    from ncvqvae.report.content import ReportContent

    shape = splits.X_train.shape[1:]
    n_channels, length = shape
    return ReportContent(
        name=splits.name,
        facts={
            **facts,
            "series": f"{len(splits.X_train)} train, {len(splits.X_test)} test",
            "length": f"{length}, {n_channels} channel(s)",
        },
        metrics=scores.metrics,
        copied_per_class=scores.copied_per_class,
        X_train=splits.X_train,
        y_train=splits.y_train,
        X_test=splits.X_test,
        y_test=splits.y_test,
        X_labelled=None if scores.labelled is None else scores.labelled.X.reshape(-1, *shape),
        y_labelled=None if scores.labelled is None else scores.labelled.y,
        X_unconditional=None if scores.unconditional is None else scores.unconditional.reshape(-1, *shape),
    )


def as_label(text: str, classes: np.ndarray) -> Any:
    """The label of the model whose text is ``text``; the text itself if there is none."""
    return {str(label): label for label in classes.tolist()}.get(text, text)
