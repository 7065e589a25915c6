"""Settings as options of the command line: one each, with its help text, and its name in errors."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

from cyclopts import Parameter

from ncvqvae.errors import InputError, SettingError
from ncvqvae.validation import fields_of, help_text


def options(cls: type, default_of: Callable[[str], Any], where: str = "") -> type:
    """A dataclass with the settings of the group ``cls``, each of them None until it is given.

    Args:
        cls: a group of :mod:`ncvqvae.config`.
        default_of: dotted name of a setting to the default that its help shows; asked when help is shown.
        where: what comes before the names of the group's settings.
    """
    made: list[Any] = []
    for name, field in fields_of(cls).items():
        if dataclasses.is_dataclass(field.annotation):
            kind: Any = options(typing.cast(type, field.annotation), default_of, f"{where}{name}.") | None
        else:
            shown = Parameter(help=_plain_text(help_text(cls, name)), show_default=_shown(default_of, where + name))
            kind = Annotated[_plain_type(field.annotation) | None, shown]
        made.append((name, kind, None))
    namespace = {"__doc__": cls.__doc__, "__module__": __name__}
    return dataclasses.make_dataclass(f"{cls.__name__}Options", made, kw_only=True, namespace=namespace)


def given(options: Any) -> dict[str, Any]:
    """The options that were given, as nested settings."""

    def pruned(values: dict[str, Any]) -> dict[str, Any]:
        inner = {key: pruned(value) if isinstance(value, dict) else value for key, value in values.items()}
        return {key: value for key, value in inner.items() if value is not None and value != {}}

    return {} if options is None else pruned(dataclasses.asdict(options))


def in_option_spelling(message: str) -> str:
    """An error line with the options for data as they are typed on the command line, but for quoted names.

    >>> in_option_spelling("x.csv: no label; name it with label_column")
    'x.csv: no label; name it with --label-column'
    """
    message = re.sub(r"\bheader=True or header=False\b", "--header or --no-header", message)
    message = re.sub(r"^(window|stride|holdout): ", r"--\1: ", message)
    message = re.sub(r"\b(with|give) window\b", r"\1 --window", message)
    names = "(?:label|id|time)_column|(?:value|ignore)_columns|data_dir"
    return re.sub(rf"(?<![\w'\"/.-])(?:{names})(?![\w'\"/.-])", lambda m: "--" + m[0].replace("_", "-"), message)


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


def _shown(default_of: Callable[[str], Any], name: str) -> Callable[[Any], str]:
    def shown(_: Any) -> str:
        value = default_of(name)
        return f"{value:g}" if isinstance(value, float) else str(value)

    return shown


def _plain_text(docstring: str) -> str:
    return docstring.replace("``", "")


def _plain_type(annotation: Any) -> Any:
    """The type without the bounds, which the settings themselves check."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _plain_type(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return typing.Union[tuple(_plain_type(argument) for argument in arguments)]  # noqa: UP007 (made at run time)
    return annotation
