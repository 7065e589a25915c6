"""Suites: YAML files that list datasets, models and seeds, and the runs that they stand for."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any

from ncvqvae.bench.job import Run
from ncvqvae.config import Config, check_parts, load_config, parse_yaml, read_yaml, suggestion, to_dict
from ncvqvae.errors import InputError
from ncvqvae.registry import load_plugins

MAX_SEEDS = 10_000
STAGE_SETTINGS = {"stage1": ("ssl", "augmentation", "seed", "tokenizer", "stage1"), "stage2": ("prior", "stage2")}
"""Settings on which each stage's weights depend; those of stage 2 also depend on stage 1."""


TOKENIZER_ALONE = {
    "stage2.min_steps": 0,
    "stage2.max_steps": 1,
    "stage2.time_warp": 0.0,
    "sampling.n_steps": 1,
    "sampling.choice_temperature": 0.0,
    "sampling.kept_share": 0.0,
    "sampling.time_warp": 0.0,
    "sampling.residual_neighbours": 0,
    "sampling.residual_scale": 1.0,
    "sampling.redraws": 0,
}
"""Settings with which nothing but stage 1 takes time: a model needs a prior, which gets a single step."""


@dataclass(frozen=True)
class ModelEntry:
    """A model of a suite.

    Args:
        name: name of its folder and its column in the tables; ``A+B`` is a variant of ``A``, not in the study's tables.
        preset: recipe to start from.
        settings: settings that differ from the recipe, by dotted name.
        reuse: model on whose settings these are based; its trained stages are taken over if their settings are equal.
    """

    name: str
    preset: str
    settings: dict[str, Any]
    reuse: str | None = None

    def config(self, seed: int = 0) -> Config:
        """The complete settings."""
        return load_config(self.preset, settings={**self.settings, "seed": seed})


@dataclass(frozen=True)
class Suite:
    """What a bench runs: every model on every dataset with every seed."""

    datasets: dict[str, dict[str, Any]]
    """By name: the fields of :class:`ncvqvae.commands.run_folder.DataSource`."""
    models: dict[str, ModelEntry]
    seeds: list[int]

    def select(
        self,
        datasets: Sequence[str] | None = None,
        models: Sequence[str] | None = None,
        seeds: int | None = None,
        per_class: Sequence[int] = (),
    ) -> Suite:
        """A part of the suite; ``datasets`` may also name new ones, and models that the chosen ones reuse are added.

        With ``per_class`` each dataset is cut to so many training series of each class, once for each number.

        Raises:
            InputError: for a model that the suite does not have.
        """
        chosen = self
        if datasets:
            known = {name: self.datasets.get(name) for name in datasets}
            entries = [source or {"data": name} for name, source in known.items()]
            chosen = replace(chosen, datasets=_datasets(entries, Path()))
        if models:
            wanted: set[str] = set()
            for name in models:
                wanted |= set(_chain(name, self.models))
            chosen = replace(chosen, models={name: model for name, model in self.models.items() if name in wanted})
        if per_class:
            few = [{**source, "per_class": number} for source in chosen.datasets.values() for number in per_class]
            chosen = replace(chosen, datasets=_datasets(few, Path()))
        return chosen if seeds is None else replace(chosen, seeds=_seeds(seeds, "--seeds"))

    def runs(
        self,
        out: str | Path,
        *,
        data_dir: str | Path | None = None,
        fcn_dir: str | Path | None = None,
        cas: bool = True,
        device: str = "auto",
        stage: int = 2,
    ) -> list[Run]:
        """All runs, by seed first, so that a bench that is stopped early has every cell of its tables.

        Args:
            out: the bench's folder.
            data_dir: folder of the datasets.
            fcn_dir: folder with ``<dataset>.safetensors``, the weights of the FCN behind FID and IS.
            cas: whether FCNs are trained for CAS.
            device: device of every run; ``auto`` leaves it to the suite's settings.
            stage: last stage that is trained and evaluated. With 1 a model that takes over another's stage 1 is left
                out, because it has the same tokenizer.
        """
        own: dict[str, Any] = {} if device == "auto" else {"device": device}
        models = list(self.models.values())
        if stage == 1:
            own |= TOKENIZER_ALONE
            models = [model for model in models if model.reuse is None]
        reused = {name: reused_stages(model, self.models) for name, model in self.models.items()}
        common = {} if data_dir is None else {"data_dir": str(Path(data_dir).resolve())}
        return [
            Run(
                out=str(Path(out).resolve()),
                dataset=dataset,
                source=common | source,
                model=model.name,
                preset=model.preset,
                settings=model.settings | own,
                seed=seed,
                reuse=model.reuse,
                reused_stages=reused[model.name],
                fcn=None if fcn_dir is None else str(Path(fcn_dir).resolve() / f"{_base(source)}.safetensors"),
                cas=cas,
                stage=stage,
            )
            for seed in self.seeds
            for dataset, source in self.datasets.items()
            for model in models
        ]


def suite_names() -> list[str]:
    """Names of the suites that come with the package."""
    folder = resources.files("ncvqvae") / "suites"
    return sorted(Path(p.name).stem for p in folder.iterdir() if p.name.endswith(".yaml"))


def load_suite(name: str | Path) -> Suite:
    """A suite by name, or from a YAML file with ``datasets``, ``models``, ``seeds`` and, if wanted, ``preset``.

    The file may also name ``plugins``: modules, or .py files beside it, that register parts of its models.

    Raises:
        InputError: for an unknown suite, a missing or unknown key, or settings that make no model.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        return _suite(read_yaml(path), str(path), path.parent)
    if str(name) not in suite_names():
        raise InputError(f"unknown suite {str(name)!r}; {suggestion(str(name), suite_names())}, or give a .yaml file")
    text = (resources.files("ncvqvae") / "suites" / f"{name}.yaml").read_text(encoding="utf-8")
    return _suite(parse_yaml(text, f"suite {name}"), f"suite {name}", Path())


def reused_stages(model: ModelEntry, models: Mapping[str, ModelEntry]) -> list[str]:
    """The stages that ``model`` takes over from the model it reuses: those whose settings are the same."""
    if model.reuse is None:
        return []
    own, other = to_dict(model.config()), to_dict(models[model.reuse].config())
    stages: list[str] = []
    for stage, names in STAGE_SETTINGS.items():
        if any(own[name] != other[name] for name in names):
            break
        stages.append(stage)
    return stages


def _suite(values: dict[str, Any], where: str, folder: Path) -> Suite:
    known = ["preset", "datasets", "models", "seeds", "plugins"]
    for key in values:
        if key not in known:
            raise InputError(f"{where} has the unknown key {key!r}; {suggestion(str(key), known)}")
    for key, kind in (("datasets", list), ("models", dict)):
        if not isinstance(values.get(key), kind) or not values[key]:
            raise InputError(f"{where} needs {key}: a {'list' if kind is list else 'mapping of names to settings'}")
    plugins = values.get("plugins", [])
    if not isinstance(plugins, list):
        raise InputError(f"{where} has plugins {plugins!r}; give a list of modules and .py files")
    load_plugins(str(folder / name) if str(name).endswith(".py") else str(name) for name in plugins)
    models = _models(values["models"], values.get("preset", "default"), where)
    return Suite(_datasets(values["datasets"], folder), models, _seeds(values.get("seeds", 1), where))


def _seeds(value: Any, where: str) -> list[int]:
    """Seeds of a suite; the number ``4`` stands for 0, 1, 2, 3."""
    if isinstance(value, int) and value > MAX_SEEDS:
        raise InputError(f"{where} has {value} seeds; give at most {MAX_SEEDS}")
    seeds = list(range(value)) if isinstance(value, int) else value
    if not isinstance(seeds, list) or not seeds or not all(isinstance(seed, int) and seed >= 0 for seed in seeds):
        raise InputError(f"{where} has seeds {value!r}; give a number of seeds, or a list of them")
    return seeds


def _datasets(entries: Sequence[Any], folder: Path) -> dict[str, dict[str, Any]]:
    """Datasets of a suite: names, files (relative to its folder), or mappings with the fields of a data source."""
    sources: dict[str, dict[str, Any]] = {}
    for entry in entries:
        source = dict(entry) if isinstance(entry, Mapping) else {"data": str(entry)}
        if "data" not in source:
            raise InputError(f"dataset {entry!r} has no key data: the name of a dataset, or a file")
        if len(source) > 1:
            from ncvqvae.commands.run_folder import DataSource

            names = [f.name for f in fields(DataSource)]
            for key in source:
                if key not in names:
                    raise InputError(f"dataset {source['data']} has the unknown key {key!r}; {suggestion(key, names)}")
        for key in ("data", "test"):
            if key in source and os.path.isfile(folder / str(source[key])):  # no error if a name is too long
                source[key] = str((folder / str(source[key])).resolve())
        name, per_class = _base(source), source.get("per_class")
        if per_class is not None:
            if type(per_class) is not int or per_class < 1:
                raise InputError(f"dataset {source['data']} has per_class {per_class!r}; give a whole number from 1 on")
            name = f"{name}-{per_class}-a-class"
        _checked_name(name)
        if sources.get(name, source) != source:
            raise InputError(
                f"two datasets would be {name}, which names the folder of their runs: {sources[name]['data']} and "
                f"{source['data']}; rename one of the files"
            )
        sources[name] = source
    return sources


def _base(source: Mapping[str, Any]) -> str:
    """Name of the dataset of a source, whole or cut."""
    return Path(str(source["data"])).stem


def _models(entries: Mapping[str, Any], preset: str, where: str) -> dict[str, ModelEntry]:
    raw: dict[str, dict[str, Any]] = {}
    for name, settings in entries.items():
        if settings is not None and not isinstance(settings, Mapping):
            raise InputError(f"{where}: model {name} is {settings!r}, not a mapping of settings")
        raw[_checked_name(str(name))] = _flat(settings or {})
    models: dict[str, ModelEntry] = {}
    for name in raw:
        merged: dict[str, Any] = {"preset": preset}
        for link in reversed(_chain(name, {key: value.get("reuse") for key, value in raw.items()})):
            merged |= raw[link]
        own_preset = merged.pop("preset")
        merged.pop("reuse", None)
        models[name] = ModelEntry(name, own_preset, merged, raw[name].get("reuse"))
    for model in models.values():
        try:
            check_parts(model.config())
        except InputError as error:
            raise InputError(f"{where}, model {model.name}: {error}") from None
        if model.reuse is not None and not reused_stages(model, models):
            raise InputError(
                f"{where}: model {model.name} changes settings of stage 1, so nothing of {model.reuse} can be reused; "
                "write its settings without reuse"
            )
    return models


def _chain(name: str, models: Mapping[str, ModelEntry | str | None]) -> list[str]:
    """The model, the one it reuses, and so on."""
    chain = [name]
    while True:
        if chain[-1] not in models:
            raise InputError(f"the suite has no model {chain[-1]!r}; {suggestion(chain[-1], list(models))}")
        entry = models[chain[-1]]
        reuse = entry.reuse if isinstance(entry, ModelEntry) else entry
        if reuse is None:
            return chain
        if reuse in chain:
            raise InputError(f"the suite's models reuse one another in a circle: {', '.join([*chain, reuse])}")
        chain.append(reuse)


def _flat(settings: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Nested settings by dotted name."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{where}{key}.") if isinstance(value, Mapping) else {f"{where}{key}": value}
    return flat


def _checked_name(name: str) -> str:
    if not re.fullmatch(r"\w[\w.+=-]*", name):
        raise InputError(f"{name!r} cannot name a folder; use letters, digits and . + = - _")
    return name
