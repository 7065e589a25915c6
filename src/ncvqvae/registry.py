"""Parts that are chosen by name: self-supervised losses, augmentations and quantizers.

A part comes with the package, is registered with a decorator by a module that was imported, or is the entry point of an
installed package. Modules and .py files that register parts are plug-ins: :func:`load_plugins` imports them, here and
in the processes that this one starts.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from ncvqvae.errors import InputError, SettingError, suggestion

PLUGINS = "NCVQVAE_PLUGINS"
"""Environment variable with the plug-ins, separated as the folders in PATH are."""

HINT = f"--plugin or ${PLUGINS} names files with new ones"

Part = Callable[..., Any]
P = TypeVar("P", bound=Part)


class Registry:
    """Parts of one kind by name.

    Args:
        group: group of the entry points.
        given: parameters that the package passes to each part; the others are settings of the part's own.
        builtin: parts of the package, as ``module:attribute``; imported when they are asked for.
        words: names that a setting may have in place of a part's.

    Example:
        >>> @ssl_losses.register("mine")
        ... class Mine(SSLLoss): ...  # doctest: +SKIP
    """

    def __init__(
        self, group: str, given: tuple[str, ...], builtin: Mapping[str, str], words: tuple[str, ...] = ()
    ) -> None:
        self.group, self.given, self.builtin, self.words = group, given, builtin, words
        self._registered: dict[str, Part] = {}

    def register(self, name: str) -> Callable[[P], P]:
        """Decorator that registers a class or function as ``name``; the latest of that name counts.

        Raises:
            InputError: if the package itself has that name.
        """
        if name in (*self.words, *self.builtin):
            raise InputError(f"{name!r} is a name of the package's own ({self.group}); register another name")

        def keep(part: P) -> P:
            self._registered[name] = part
            return part

        return keep

    def names(self) -> list[str]:
        """All names that there are."""
        _load_from_environment()
        return list(dict.fromkeys([*self.words, *self.builtin, *self._registered, *_entry_points(self.group)]))

    def __getitem__(self, name: str) -> Part:
        """The part of that name.

        Raises:
            InputError: if there is none, or it cannot be imported.
        """
        if name in self.builtin:
            return metadata.EntryPoint(name, self.builtin[name], self.group).load()
        _load_from_environment()
        if name in self._registered:
            return self._registered[name]
        if name not in _entry_points(self.group):
            raise InputError(f"{self.group} has no {name!r}; {suggestion(name, self.names())} ({HINT})")
        try:
            return _entry_points(self.group)[name].load()
        except Exception as error:
            raise _no_plugin(_entry_points(self.group)[name].value, error) from error

    def check(self, name: str, setting: str) -> None:
        """Check that there is a part ``name``, or that it is one of the words.

        Raises:
            InputError: naming the setting and the nearest name.
        """
        if name not in (*self.words, *self.builtin) and name not in self.names():
            raise SettingError(setting, f"is {name!r}; {suggestion(name, self.names())} ({HINT})")


ssl_losses = Registry(
    "ncvqvae.ssl_losses",
    given=(),
    builtin={
        "barlowtwins": "ncvqvae.tokenizer.ssl.barlow_twins:BarlowTwins",
        "vibcreg": "ncvqvae.tokenizer.ssl.vibcreg:VIbCReg",
    },
    words=("none",),
)
"""Subclasses of :class:`ncvqvae.tokenizer.ssl.SSLLoss`."""

augmentations = Registry(
    "ncvqvae.augmentations",
    given=("x", "observed", "generator"),
    builtin={name: f"ncvqvae.augmentations:{name}_view" for name in ("warp", "slice", "gauss")},
    words=("none", "auto"),
)
"""Functions that return a view: its series and its mask.

They take series (B, C, T), the mask of observed values (or None), and a random generator.
"""

quantizers = Registry(
    "ncvqvae.quantizers",
    given=("dim", "config"),
    builtin={"ema": "ncvqvae.tokenizer.quantizer:ema_quantizer"},
)
"""Functions that return a :class:`ncvqvae.tokenizer.quantizer.Quantizer`.

They take the width of a code vector and the settings of the tokenizer.
"""


def load_plugins(plugins: Iterable[str]) -> None:
    """Import modules, or .py files, that register parts; the processes that this one starts will do so too.

    Raises:
        InputError: for one that cannot be imported.
    """
    for plugin in plugins:
        name = str(Path(plugin).resolve()) if plugin.endswith(".py") else plugin
        _import(name)
        if name not in _in_environment():
            os.environ[PLUGINS] = os.pathsep.join([*_in_environment(), name])


def _in_environment() -> list[str]:
    return [name for name in os.environ.get(PLUGINS, "").split(os.pathsep) if name]


def _load_from_environment() -> None:
    for name in _in_environment():
        _import(name)


@cache
def _import(plugin: str) -> None:
    try:
        if plugin.endswith(".py"):
            _import_file(Path(plugin))
        else:
            importlib.import_module(plugin)
    except Exception as error:
        raise _no_plugin(plugin, error) from error


def _import_file(path: Path) -> None:
    name = f"{path.stem}_{zlib.crc32(str(path).encode()):08x}"  # two files of one name may lie in different folders
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # the name ends in .py
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def _no_plugin(plugin: str, error: Exception) -> InputError:
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return InputError(f"plug-in {plugin} cannot be imported ({reason}); check its path and its code")


@cache
def _entry_points(group: str) -> dict[str, metadata.EntryPoint]:
    return {point.name: point for point in metadata.entry_points(group=group)}
