"""Settings: layers of them, errors that name the nearest key, and the way to YAML and back."""

import ast
import dataclasses
import inspect
import math
import typing
from collections.abc import Iterator
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import Field

from ncvqvae.commands.options import options
from ncvqvae.config import Config, Seed, from_dict, load_config, parse_yaml, preset_names, to_dict
from ncvqvae.errors import InputError
from ncvqvae.registry import augmentations, quantizers, ssl_losses
from ncvqvae.validation import fields_of, help_text, names


def written(folder: Path, text: str) -> Path:
    path = folder / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    return path


# ---------------------------------------------------------------- what is refused, and in which words


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"sead": 1}, "unknown setting 'sead'; did you mean 'seed'?"),
        ({"prior.dropuot": 0.1}, "unknown setting 'prior.dropuot'; did you mean 'prior.dropout'?"),
        ({"prior": {"dropuot": 0.1}}, "unknown setting 'prior.dropuot'; did you mean 'prior.dropout'?"),
        ({"codebook_sise": 4}, "unknown setting 'codebook_sise'; did you mean 'tokenizer.codebook_size'?"),
        ({"zzz": {"a": 1}}, "unknown setting 'zzz'; known: ssl, augmentation, seed"),
        ({1: 2}, "unknown setting '1'; known: ssl, augmentation, seed"),
        ({"zzz": 1}, "unknown setting 'zzz'; known: ssl, augmentation, seed"),
        ({"ssl": 3}, "'ssl' is 3; give a text"),
        ({"sampling.schedule": "cosin"}, "'sampling.schedule' is 'cosin'; give one of cosine, linear, square, cubic"),
        ({"seed": "one"}, "'seed' is 'one'; give a whole number from 0 to 4294967295"),
        ({"seed": 1.5}, "'seed' is 1.5; give a whole number"),
        ({"seed": True}, "'seed' is True; give a whole number"),
        ({"seed": "1"}, "'seed' is '1'; give a whole number"),
        ({"stage1.learning_rate": "fast"}, "'stage1.learning_rate' is 'fast'; give a number from 1e-12 to 10"),
        ({"prior.dropout": True}, "'prior.dropout' is True; give a number from 0 to 0.999"),
        ({"tokenizer.kmeans_init": 1}, "'tokenizer.kmeans_init' is 1; give true or false"),
        (
            {"stage2.token_temperature": "warm"},
            "token_temperature' is 'warm'; give a number from 1e-06 to 1e+06 or auto",
        ),
        ({"sampling.residual_neighbours": 1.5}, "'sampling.residual_neighbours' is 1.5; give a whole number from 0 to"),
        ({"sampling.residual_scale": -1}, "'sampling.residual_scale' is -1; give a number from 0 to 1e+06 or auto"),
        ({"sampling.residual_neighbours": -1}, "'sampling.residual_neighbours' is -1; give a whole number from 0 to"),
        ({"stage1.learning_rate": 10**400}, "give a number from 1e-12 to 10"),
        ({"tokenizer.n_fft": 9}, "'tokenizer.n_fft' is 9; give an even number from 2 to 1000000"),
        ({"tokenizer.hop_length": 5}, "'tokenizer.hop_length' is 5, more than half of n_fft (8)"),
        ({"stage2.min_steps": 9, "stage2.max_steps": 8}, "'stage2.min_steps' is 9, more than max_steps (8)"),
        (
            {"prior.width": 4, "prior.feedforward_factor": 0.1},
            "feedforward_factor' is 0.1, which leaves nothing of width 4",
        ),
        ({"prior": 3}, "'prior' is a group of settings, not 3"),
        ({"prior.width.deep": 3}, "'prior.width' is {'deep': 3}; give a whole number"),
    ],
)
def test_bad_settings_are_refused_in_one_line(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as error:
        load_config(settings=settings)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"unknown preset 'papr'; did you mean 'paper'\?"):
        load_config("papr")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed: [1", "is not valid YAML"),
        ("- seed", "holds a list"),
        ("sead: 1", "did you mean 'seed'"),
        ("seed: !!python/object/apply:os.getcwd []", "is not valid YAML"),  # nothing in a file is ever run
    ],
)
def test_bad_files_are_refused_in_one_line(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        load_config(file=written(tmp_path, text))
    assert words in str(error.value) and "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*nowhere\.yaml: No such file"):
        load_config(file=tmp_path / "nowhere.yaml")


# ---------------------------------------------------------------- layers


def test_dotted_and_nested_settings_are_the_same() -> None:
    dotted = load_config(settings={"prior.dropout": 0.3, "prior.width": 32, "ssl": "barlowtwins"})
    nested = load_config(settings={"prior": {"dropout": 0.3, "width": 32}, "ssl": "barlowtwins"})
    mixed = load_config(settings={"prior": {"dropout": 0.3}, "prior.width": 32, "ssl": "barlowtwins"})
    assert dotted == nested == mixed
    assert (dotted.prior.dropout, dotted.prior.width) == (0.3, 32)


def test_settings_win_over_the_file_and_the_file_over_the_preset(tmp_path: Path) -> None:
    file = written(tmp_path, "seed: 5\nprior: {dropout: 0.4}\nstage1: {epochs: 7}")
    config = load_config("paper", file=file, settings={"seed": 6, "stage1.epochs": None})
    assert config.seed == 6  # settings
    assert (config.prior.dropout, config.stage1.epochs) == (0.4, 7)  # file; a setting of None is passed over
    assert config.stage2.loss_on == "all"  # preset


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert load_config("quick", file=written(tmp_path, "")) == load_config("quick")


@pytest.mark.parametrize(("text", "value"), [("1e-3", 0.001), ("0.1", 0.1), ("2", 2.0), ("1.0e-3", 0.001)])
def test_numbers_are_read_however_they_are_written(text: str, value: float, tmp_path: Path) -> None:
    config = load_config(file=written(tmp_path, f"stage1: {{learning_rate: {text}}}"))
    assert config.stage1.learning_rate == value and isinstance(config.stage1.learning_rate, float)


@pytest.mark.parametrize(("text", "value"), [("auto", "auto"), ("1e-1", 0.1), ("2", 2.0)])
def test_a_setting_takes_a_number_or_a_word(text: str, value: float | str, tmp_path: Path) -> None:
    config = load_config("paper", file=written(tmp_path, f"stage2: {{token_temperature: {text}}}"))
    assert config.stage2.token_temperature == value


# ---------------------------------------------------------------- the block for naive models

WITH_NAIVE = "prior: {input_mode: codebook, dropout: 0.3}\nnaive: {prior: {input_mode: token}, seed: 9}"


@pytest.mark.parametrize("ssl", ["barlowtwins", "vibcreg"])
def test_naive_block_is_left_out_with_ssl(ssl: str, tmp_path: Path) -> None:
    config = load_config(file=written(tmp_path, WITH_NAIVE), settings={"ssl": ssl})
    assert (config.prior.input_mode, config.prior.dropout, config.seed) == ("codebook", 0.3, 0)


def test_naive_block_is_applied_without_ssl(tmp_path: Path) -> None:
    config = load_config(file=written(tmp_path, WITH_NAIVE), settings={"ssl": "none"})
    assert (config.prior.input_mode, config.prior.dropout, config.seed) == ("token", 0.3, 9)
    assert config.augmentation == "none"


def test_single_settings_win_over_the_naive_block(tmp_path: Path) -> None:
    settings = {"ssl": "none", "prior.input_mode": "codebook-finetuned"}
    config = load_config(file=written(tmp_path, WITH_NAIVE), settings=settings)
    assert (config.prior.input_mode, config.seed) == ("codebook-finetuned", 9)


# ---------------------------------------------------------------- there and back


def changed_value(value: Any, hint: Any) -> Any:
    """Another value of the same kind, a number for a word, within the range of shares where it is a share."""
    if isinstance(value, dict):
        return {"own": 0.5}
    if hint is str:
        return f"{value}s"
    if isinstance(value, str):
        return typing.get_args(hint)[0](1)
    if isinstance(value, bool):
        return not value
    return value * 0.5 + 0.01 if isinstance(value, float) else value + 1


def changed(config: Any) -> Any:
    """The same dataclass with every value another one of its type."""
    changes: dict[str, Any] = {}
    hints = typing.get_type_hints(type(config))
    for field in dataclasses.fields(config):
        value, hint = getattr(config, field.name), hints[field.name]
        if dataclasses.is_dataclass(value):
            changes[field.name] = changed(value)
        elif typing.get_origin(hint) is typing.Literal:
            changes[field.name] = next(choice for choice in typing.get_args(hint) if choice != value)
        else:
            changes[field.name] = changed_value(value, hint)
    if "n_fft" in changes:
        changes["n_fft"] += 1  # even again
        changes["wavelet"] = "db2"  # there is no sym4s
    if "max_steps" in changes:
        changes["max_steps"] += changes["min_steps"]
    return dataclasses.replace(config, **changes)


@pytest.mark.parametrize("preset", preset_names())
def test_config_survives_yaml(preset: str) -> None:
    for config in (load_config(preset), changed(load_config(preset))):
        text = yaml.safe_dump(to_dict(config))
        assert from_dict(Config, parse_yaml(text, "here")) == config


def test_a_complete_file_overrides_every_value(tmp_path: Path) -> None:
    config = changed(load_config("paper"))
    assert config.ssl != "vibcreg" and config.prior.width == 257
    config.ssl = "barlowtwins"
    assert load_config("paper", file=written(tmp_path, yaml.safe_dump(to_dict(config)))) == config


def test_settings_of_two_layers_need_to_fit_only_together(tmp_path: Path) -> None:
    file = written(tmp_path, "tokenizer: {hop_length: 8}\nstage1: {min_steps: 5000}")
    config = load_config(file=file, settings={"tokenizer.n_fft": 16, "stage1.max_steps": 0})
    assert (config.tokenizer.n_fft, config.tokenizer.hop_length, config.stage1.min_steps) == (16, 8, 5000)


def test_a_hop_need_not_fit_a_window_that_is_not_used() -> None:
    config = load_config(settings={"tokenizer.hop_length": 8, "tokenizer.transform": "wavelet"})
    assert (config.tokenizer.hop_length, config.tokenizer.transform) == (8, "wavelet")


def test_no_layer_hides_the_mistake_of_another(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'prior\.width' is 'wide'"):
        load_config(file=written(tmp_path, "prior: {width: wide}"), settings={"prior.width": 8})
    with pytest.raises(InputError, match=r"'naive\.seed' is -1"):
        load_config(file=written(tmp_path, "naive: {seed: -1}"))


# ---------------------------------------------------------------- every setting


def docstrings(cls: type) -> dict[str, str]:
    """The texts under the fields of a class and its bases, read from the source."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        (definition,) = ast.parse(inspect.getsource(base)).body
        assert isinstance(definition, ast.ClassDef)
        for statement, after in pairwise(definition.body):
            if isinstance(statement, ast.AnnAssign) and isinstance(after, ast.Expr):
                assert isinstance(after.value, ast.Constant)
                found[ast.unparse(statement.target)] = " ".join(str(after.value.value).split())
    return found


def groups(cls: type = Config, where: str = "") -> Iterator[tuple[str, type]]:
    """Every group of settings with what its names begin with."""
    yield where, cls
    for name, hint in typing.get_type_hints(cls).items():
        if dataclasses.is_dataclass(hint):
            yield from groups(typing.cast(type, hint), f"{where}{name}.")


def test_every_setting_has_its_whole_docstring_as_help_text() -> None:
    seen = []
    for where, group in groups():
        texts = docstrings(group)
        leaves = [name for name in names(group) if "." not in name]
        assert {name: help_text(group, name) for name in leaves} == {name: texts[name] for name in leaves}
        assert [name for name in leaves if not texts[name][0].isupper() or texts[name][-1] not in ".)"] == []
        seen += [where + name for name in leaves]
    assert sorted(seen) == sorted(names(Config)) and len(seen) > 60


NUMERIC = [name for name in names(Config) if type(attrgetter(name)(Config())) in (int, float)]


@pytest.mark.parametrize("name", NUMERIC)
def test_every_number_has_bounds(name: str) -> None:
    for value in (math.nan, math.inf, -math.inf, "nan", "inf", "-inf", -1, -5.0, 1e300, 10**30):
        with pytest.raises(InputError) as error:
            load_config("paper", settings={name: value})
        assert f"setting {name!r} is " in str(error.value) and "; give a" in str(error.value)


def test_numbers_are_most_of_the_settings() -> None:
    assert {"seed", "stage1.max_steps", "prior.feedforward_factor", "sampling.guidance_scale"} <= set(NUMERIC)
    assert len(NUMERIC) > 40


def test_options_mirror_every_setting_and_leave_all_of_them_out() -> None:
    made = options(Config, str)

    def leaves(cls: type, prefix: str = "") -> list[str]:
        found = []
        for name, hint in typing.get_type_hints(cls).items():
            inner = typing.get_args(hint)[0]
            found += leaves(inner, f"{prefix}{name}.") if dataclasses.is_dataclass(inner) else [prefix + name]
        return found

    assert leaves(made) == names(Config) and set(fields_of(Config)) == set(to_dict(made()))
    assert all(value is None for value in to_dict(made()).values())
    assert load_config("paper", settings=to_dict(made())) == load_config("paper")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sampling.n_steps", 0),
        ("stage1.batch_size", 1),
        ("prior.dropout", 2.0),
        ("seed", 2**32),
        ("sampling.temperature", 0.0),
        ("prior.feedforward_factor", 0),
        ("stage1.max_steps", -5),
    ],
)
def test_a_value_out_of_range_is_named(name: str, value: float) -> None:
    with pytest.raises(InputError, match=rf"'{name}' is {value}; give "):
        load_config("default", settings={name: value})


def test_a_users_file_wins_over_the_presets_naive_block(tmp_path: Path) -> None:
    file = written(tmp_path, "ssl: none\nprior: {input_mode: codebook}")
    assert load_config("paper", file=file).prior.input_mode == "codebook"


@pytest.mark.parametrize("text", ["naive:", "naive: 3", "prior:", "ssl: none\nprior:", "naive: {prior: {widht: 3}}"])
def test_a_group_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError):
        load_config("paper", file=written(tmp_path, text))


# ---------------------------------------------------------------- ranges


def numbers_in(annotation: Any, metadata: tuple[Any, ...] = ()) -> Iterator[list[Any]]:
    """What pydantic knows of each number in an annotation, also of those in unions and lists."""
    if typing.get_origin(annotation) is typing.Annotated:
        inner, *more = typing.get_args(annotation)
        flat = [part for item in more for part in getattr(item, "metadata", [item])]
        yield from numbers_in(inner, (*metadata, *flat))
    elif annotation in (int, float):
        yield list(metadata)
    elif typing.get_origin(annotation) is not typing.Literal:
        for part in typing.get_args(annotation):
            yield from numbers_in(part, metadata)


def without_range(settings: dict[str, Any]) -> list[str]:
    """Names of settings with a number that has no lowest or no highest value."""
    return [
        name
        for name, annotation in settings.items()
        for known in numbers_in(annotation)
        if not all(any(hasattr(part, key) for part in known for key in keys) for keys in (("ge", "gt"), ("le", "lt")))
    ]


def all_settings(cls: type, where: str = "") -> dict[str, Any]:
    """Annotation of every setting by its dotted name, those of replaceable parts that come with the package too."""
    found: dict[str, Any] = {}
    for name, field in fields_of(cls).items():
        if dataclasses.is_dataclass(field.annotation):
            found |= all_settings(typing.cast(type, field.annotation), f"{where}{name}.")
        else:
            found[where + name] = typing.get_type_hints(cls, include_extras=True)[name]
    return found


def settings_of_parts() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for registry in (ssl_losses, augmentations, quantizers):
        for name in registry.builtin:
            part = registry[name]
            hints = typing.get_type_hints(part.__init__ if isinstance(part, type) else part, include_extras=True)
            given = {*registry.given, "return"}
            found |= {f"{name}.{key}": hint for key, hint in hints.items() if key not in given}
    return found


def test_every_number_has_a_range_and_every_seed_an_upper_limit() -> None:
    settings = all_settings(Config) | settings_of_parts()
    assert len(settings) > 60 and {"seed", "sampling.residual_scale", "vibcreg.scale"} <= settings.keys()
    assert without_range(settings) == []


def test_a_number_without_a_range_is_found() -> None:
    whole = typing.Annotated[int, Field(ge=0)]
    loose = {"a": int, "b": whole, "c": float | typing.Literal["auto"], "d": tuple[float, float], "e": Seed}
    assert without_range(loose) == ["a", "b", "c", "d", "d"]
