"""From YAML text and plain values to checked settings, with one line that says what is wrong.

A group of settings is a dataclass of :mod:`pydantic`: the type of a field says which values it takes. :func:`from_dict`
fills one, and turns the first error of pydantic into an :class:`InputError`.
"""

from __future__ import annotations

import dataclasses
import inspect
import reprlib
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Strict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from ncvqvae.errors import InputError, SettingError, suggestion
from ncvqvae.files import read_text

C = TypeVar("C")

GROUP = ConfigDict(extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)
"""How pydantic treats every group: unknown names, NaN and infinity are errors, docstrings are the help texts."""


def _as_number(value: Any) -> Any:
    """YAML reads 1e-3 as text; what is no number stays as it is, and is then refused."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _with_numbers(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _as_number(value) for name, value in values.items()}


Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict(), BeforeValidator(_as_number)]
Flag = Annotated[bool, Strict()]
Own = Annotated[dict[str, Any], AfterValidator(_with_numbers)]
"""Settings that a replaceable part brings along, by name."""


def from_dict(cls: type[C], values: Any, where: str = "") -> C:
    """Build the group ``cls`` from nested values; ``where`` comes before the names of its settings in errors.

    Raises:
        InputError: for an unknown key (with the nearest name), or a value that the setting cannot have.
    """
    return typing.cast(C, _validated(cls, values, where, partial=False))


def check_layer(cls: type, values: Any, where: str = "") -> None:
    """Check a part of the settings of ``cls`` that others complete: each value, not how they fit together.

    Raises:
        InputError: as :func:`from_dict`.
    """
    _validated(cls, values, where, partial=True)


def check_own(part: Callable[..., Any], passed: Collection[str], values: Mapping[str, Any], where: str) -> None:
    """Check settings that a replaceable part brings along: the keywords of a class or function, with its annotations.

    Args:
        part: the class or function.
        passed: its parameters that are no settings.
        values: the settings that were given.
        where: dotted name of their group.

    Raises:
        InputError: as :func:`from_dict`.
    """
    try:
        hints = typing.get_type_hints(
            inspect.getattr_static(part, "__init__") if isinstance(part, type) else part, include_extras=True
        )
    except NameError:  # an annotation that only type checkers can read
        hints = {}
    fields: list[Any] = []
    for name, parameter in inspect.signature(part).parameters.items():
        if name not in passed and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            default = dataclasses.MISSING if parameter.default is parameter.empty else parameter.default
            fields.append((name, hints.get(name, Any), dataclasses.field(default=default)))
    config = GROUP | {"use_attribute_docstrings": False}
    from_dict(dataclass(dataclasses.make_dataclass("Own", fields, kw_only=True), config=config), values, f"{where}.")


def misfit(field: str, problem: str) -> PydanticCustomError:
    """The error of a setting that does not fit another one of its group; for validators."""
    return PydanticCustomError("misfit", "{problem}", {"field": field, "problem": problem})


def _validated(cls: type, values: Any, where: str, partial: bool) -> Any:
    try:
        return TypeAdapter(cls).validate_python(values)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            if not (partial and details["type"] == "misfit"):
                raise _as_input_error(cls, details, where) from None
    return None


def _as_input_error(cls: type, details: ErrorDetails, where: str) -> InputError:
    """One line for an error of pydantic: the setting by its dotted name, its value, and what it may be."""
    path, group, field = _find(cls, details["loc"])
    name, value = where + ".".join(path), reprlib.repr(details["input"])
    if details["type"] == "misfit":
        context = details["ctx"]
        return SettingError(where + ".".join([*path, context["field"]]), context["problem"])
    if details["type"] == "missing" and field is not None and len(path) == len(details["loc"]):
        return SettingError(name, f"is missing; give {allowed(field)}")
    if field is not None and _inner(field) is None:
        return SettingError(name, f"is {value}; give {allowed(field)}")
    if field is None and path:
        parent = where + "".join(f"{part}." for part in path[:-1])
        known = [parent + other for other in fields_of(group)]
        return InputError(f"unknown setting {name!r}; {suggestion(name, known, (where + of for of in names(cls)))}")
    return InputError(f"setting {name.rstrip('.')!r} is a group of settings, not {value}")


def _find(cls: type, loc: tuple[Any, ...]) -> tuple[list[str], type, FieldInfo | None]:
    """Names down to where pydantic found an error, the group of the last name, and its field if it has that one."""
    path: list[str] = []
    group, inner, field = cls, typing.cast("type | None", cls), None
    for part in loc:
        if inner is None:  # inside a value, or a member of a union
            break
        group, field = inner, fields_of(inner).get(str(part))
        path.append(str(part))
        inner = None if field is None else _inner(field)
    return path, group, field


def _inner(field: FieldInfo) -> type | None:
    """The group that a field holds, if it holds one."""
    return typing.cast(type, field.annotation) if dataclasses.is_dataclass(field.annotation) else None


def fields_of(cls: type) -> dict[str, FieldInfo]:
    """Fields of a group by name."""
    return typing.cast(Any, cls).__pydantic_fields__


def names(cls: type) -> list[str]:
    """Dotted names of all settings of a group and of those inside it."""
    found = []
    for name, field in fields_of(cls).items():
        inner = _inner(field)
        found += [name] if inner is None else [f"{name}.{other}" for other in names(inner)]
    return found


def help_text(cls: type, name: str) -> str:
    """What the docstring under a field says, in one line; also that of a field of a base class."""
    found = (fields_of(base)[name].description for base in cls.__mro__ if name in getattr(base, "__annotations__", ()))
    return " ".join((next(found, None) or "").split())


def allowed(field: FieldInfo) -> str:
    """The values that a setting takes, in words: ``a whole number of at least 1 or auto``."""
    annotation: Any = field.annotation
    return " or ".join(_kinds(Annotated[annotation, *field.metadata] if field.metadata else annotation))


def _kinds(annotation: Any) -> Iterator[str]:
    metadata: list[Any] = []
    if typing.get_origin(annotation) is Annotated:
        annotation, *metadata = typing.get_args(annotation)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        for member in typing.get_args(annotation):
            if member is not type(None):
                yield from _kinds(member)
    elif typing.get_origin(annotation) is Literal:
        choices = typing.get_args(annotation)
        yield choices[0] if len(choices) == 1 else f"one of {', '.join(choices)}"
    elif typing.get_origin(annotation) is tuple:
        yield f"a list of {', '.join(word for part in typing.get_args(annotation) for word in _kinds(part))}"
    elif annotation in (int, float):
        yield _number_in_words(annotation, metadata)
    else:
        words = {bool: "true or false", str: "a text", dict: "names and values", list: "a list"}
        yield words.get(typing.get_origin(annotation) or annotation, str(annotation))


def _number_in_words(kind: type, metadata: list[Any]) -> str:
    flat = [part for item in metadata for part in (item.metadata if isinstance(item, FieldInfo) else [item])]
    bounds = {key: getattr(part, key) for part in flat for key in ("ge", "le", "multiple_of") if hasattr(part, key)}
    words = "an even number" if bounds.get("multiple_of") == 2 else "a whole number" if kind is int else "a number"
    if "le" in bounds:
        return f"{words} from {_short(bounds['ge'])} to {_short(bounds['le'])}"
    return f"{words} of at least {_short(bounds['ge'])}" if "ge" in bounds else words


def _short(bound: float) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"


MAX_FILE, MAX_VALUES, MAX_DEPTH, MAX_TEXT = 8_000_000, 100_000, 64, 10_000
"""What a YAML file may hold: bytes, values (aliases unfolded), levels of nesting, and characters of one value."""


def parse_yaml(text: str, where: str) -> dict[str, Any]:
    """Parse a mapping from YAML text (safe loader), after a check of its size; ``where`` names it in errors.

    Raises:
        InputError: if the text is not YAML, holds no mapping, or would take more than the limits above allow.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is six times as fast
    try:
        _check_size(yaml.parse(text, Loader=loader), where)
        values = yaml.load(text, Loader=loader) or {}
    except InputError:
        raise
    except (yaml.YAMLError, ValueError, LookupError, TypeError, RecursionError) as error:  # PyYAML lets some through
        raise InputError(f"{where} is not valid YAML: {' '.join(str(error).split())[:300]}") from None
    if not isinstance(values, dict):
        raise InputError(f"{where} holds a {type(values).__name__}; a configuration is a mapping of names to values")
    return values


def read_yaml(path: Path) -> dict[str, Any]:
    """Parse a mapping from a YAML file (safe loader).

    Raises:
        InputError: if the file cannot be read, is not YAML, holds no mapping, or is too large.
    """
    return parse_yaml(read_text(path, MAX_FILE), str(path))


def _check_size(events: Iterable[Any], where: str) -> None:
    """Refuse text that would unfold (by aliases and merge keys) to more than memory holds, before anything is built.

    The size of a value with an anchor counts again wherever an alias stands for it, as merging copies it.
    """
    n_values, sizes = 0, dict[str, int]()
    opened: list[tuple[str | None, int]] = []  # anchor of each open list or mapping, and the values before it
    for event in events:
        kind, anchor = type(event).__name__, getattr(event, "anchor", None)
        if kind == "AliasEvent":
            if any(anchor == name for name, _ in opened):
                raise InputError(f"{where} holds a value that contains itself (*{anchor}); write it without aliases")
            n_values += sizes.get(anchor or "", 1)
        elif kind == "ScalarEvent":
            n_values += 1
            sizes[anchor or ""] = 1
            if len(event.value) > MAX_TEXT:
                raise InputError(f"{where} holds a value of {len(event.value)} characters; give at most {MAX_TEXT}")
        elif kind in ("SequenceStartEvent", "MappingStartEvent"):
            opened.append((anchor, n_values))
            n_values += 1
        elif kind in ("SequenceEndEvent", "MappingEndEvent"):
            name, before = opened.pop()
            sizes[name or ""] = n_values - before
        if n_values > MAX_VALUES:
            raise InputError(f"{where} unfolds to more than {MAX_VALUES:,} values; give fewer, and no aliases (&, *)")
        if len(opened) > MAX_DEPTH:
            raise InputError(f"{where} is nested deeper than {MAX_DEPTH} levels; give a mapping of names to values")
