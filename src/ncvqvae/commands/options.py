"""Settings as options of the command line: one each, with its help text, and its name in errors."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

from cyclopts import Parameter, Token, convert

from ncvqvae.errors import InputError, SettingError
from ncvqvae.validation import fields_of, help_text, parse_yaml


def options(cls: type, default_of: Callable[[str], Any], where: str = "", without: Collection[str] = ()) -> type:
    """A dataclass with the settings of the group ``cls``, each of them None until it is given.

    Args:
        cls: a group of :mod:`ncvqvae.config`.
        default_of: dotted name of a setting to the default that its help shows; asked when help is shown.
        where: what comes before the names of the group's settings.
        without: names of settings that are not offered.
    """
    made: list[Any] = []
    for name, field in fields_of(cls).items():
        if name in without:
            continue
        if dataclasses.is_dataclass(field.annotation):
            kind: Any = options(typing.cast(type, field.annotation), default_of, f"{where}{name}.") | None
        else:
            plain = _plain_type(field.annotation)
            shown = Parameter(help=_plain_text(help_text(cls, name)), show_default=_shown(default_of, where + name))
            exact = [Parameter(converter=whole)] if int in (plain, *typing.get_args(plain)) else []
            kind = Annotated[plain | None, shown, *exact]
        made.append((name, kind, None))
    namespace = {"__doc__": cls.__doc__, "__module__": __name__}
    return dataclasses.make_dataclass(f"{cls.__name__}Options", made, kw_only=True, namespace=namespace)


def whole(kind: Any, tokens: Sequence[Token]) -> Any:
    """Convert what was typed for a whole number, or for a list of them; 2.5 is refused, not rounded.

    Raises:
        ValueError: if it is a number, but not a whole one.
    """
    for token in tokens:
        try:
            is_whole = float(token.value).is_integer()
        except ValueError:  # a word, or another base
            continue
        if not is_whole:
            raise ValueError(f'"{token.value}" is not a whole number')
    return convert(kind, tokens)


def given(options: Any) -> dict[str, Any]:
    """The options that were given, as nested settings; those of a part's own are read as YAML would."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(options) if options is not None else ():
        value = getattr(options, field.name)
        if dataclasses.is_dataclass(value):
            value = given(value) or None
        elif isinstance(value, dict):
            value = {name.replace("-", "_"): _as_yaml(text) for name, text in value.items()}
        if value is not None:
            found[field.name] = value
    return found


def _as_yaml(text: str) -> Any:
    return parse_yaml(f"value: {text}", f"{text!r}")["value"]


def in_option_spelling(message: str) -> str:
    """An error line with the options for data as they are typed on the command line, but for quoted names.

    >>> in_option_spelling("x.csv: no label; name it with label_column")
    'x.csv: no label; name it with --label-column'
    """
    message = re.sub(r"\bheader=True or header=False\b", "--header or --no-header", message)
    message = re.sub(r"^(window|stride|holdout): ", r"--\1: ", message)
    message = re.sub(r"\b(with|give) window\b", r"\1 --window", message)
    names = "(?:label|id|time|group|split)_column|(?:value|ignore)_columns|data_dir"
    return re.sub(rf"(?<![\w'\"/.-])(?:{names})(?![\w'\"/.-])", lambda m: "--" + m[0].replace("_", "-"), message)


def settings_as_options(text: str, group: str) -> str:
    """A text with the settings of a group as they are typed on the command line.

    >>> settings_as_options("fit it with sampling.kept_share 0", "sampling")
    'fit it with --sampling.kept-share 0'
    """
    return re.sub(rf"(?<![\w.-]){group}\.\w+", lambda m: "--" + m[0].replace("_", "-"), text)


@contextmanager
def named_as_options(settings: Mapping[str, Any]) -> Iterator[None]:
    """Let the error of a setting that came from the command line name the option, as it is typed there.

    Args:
        settings: nested settings that were given as options.
    """
    try:
        yield
    except SettingError as error:
        value: Any = settings
        for part in error.name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is None:
            raise
        raise InputError(f"--{error.name.replace('_', '-')} {error.problem}") from None


def _shown(default_of: Callable[[str], Any], name: str) -> Callable[[Any], str | None]:
    def shown(_: Any) -> str | None:
        value = default_of(name)
        if value == {}:
            return None  # the help text says it
        return f"{value:g}" if isinstance(value, float) else str(value)

    return shown


def _plain_text(docstring: str) -> str:
    return docstring.replace("``", "")


def _plain_type(annotation: Any) -> Any:
    """The type without the bounds, which the settings themselves check."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is dict:  # settings of a part's own
        return dict[str, str]
    if origin is Annotated:
        return _plain_type(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return typing.Union[tuple(_plain_type(argument) for argument in arguments)]  # noqa: UP007 (made at run time)
    return annotation
