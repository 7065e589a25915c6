"""Options that several verbs share, and how what was given is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter, Token
from cyclopts.validators import Number

from ncvqvae.commands.options import options, whole
from ncvqvae.config import OF_WHOLE_SERIES, Config, SamplingConfig, load_config

Settings = Parameter(
    name="*",
    group=Group("Settings", help="Each overrides the preset. The defaults shown are those of the preset default."),
)
SamplingSettings = Parameter(
    group=Group("Settings", help="Each overrides, for this draw, what the run was fitted with.")
)


def _expanded(_: Any, tokens: Sequence[Token]) -> Path:
    """A path in which a leading ~ is the home folder, also where the shell left it alone, as in --out=~/run."""
    return Path(tokens[0].value).expanduser()


UserPath = Annotated[Path, Parameter(converter=_expanded)]
Names = Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")]
Plugins = Annotated[
    list[str] | None,
    Parameter(
        negative="",
        help="Module or .py file that registers parts of your own; give the option once for each (default: none).",
    ),
]
Switch = Annotated[bool, Parameter(negative="")]


def whole_from(lowest: int, highest: int) -> Parameter:
    """A whole number in a range, or a list of such numbers."""
    return Parameter(converter=whole, validator=Number(gte=lowest, lte=highest))


POSITIVE = whole_from(1, 10**9)
Count = Annotated[int | None, POSITIVE]
Counts = Annotated[list[int] | None, Parameter(consume_multiple=True, negative=""), POSITIVE]
PanelCount = Annotated[int | None, whole_from(1, 1000)]
Seed = Annotated[int | None, whole_from(0, 2**32 - 1)]


@cache
def _preset() -> Config:
    """The preset that is the default; read only where its values are shown."""
    return load_config()


ConfigOptions = options(Config, lambda name: attrgetter(name)(_preset()))
SamplingOptions = options(SamplingConfig, lambda _: "the run's own")
FillingOptions = options(SamplingConfig, lambda _: "the run's own", without=OF_WHOLE_SERIES)


@Parameter(name="*", group="Data")
@dataclass(kw_only=True)
class ColumnOptions:
    """How to read a dataset."""

    data_dir: UserPath | None = None
    """Folder with NAME/NAME_TRAIN.tsv and so on (default: $NCVQVAE_DATA_DIR, what aeon ships, the archive)."""
    label_column: str | None = None
    """Column with the labels (default: the one named label, class or target)."""
    id_column: str | None = None
    """Column that names the series of a row; with --time-column, a row is a time step (default: none)."""
    time_column: str | None = None
    """Column with the time, in tables with a row for each time step (default: none, a row is a series)."""
    group_column: str | None = None
    """Column such as patient; series of one value are all trained on or all kept aside (default: none)."""
    split_column: str | None = None
    """Column of the words train and test, which says what is kept aside (default: a part drawn by the seed)."""
    value_columns: Names = None
    """Columns with the values: time steps where a row is a series, else channels (default: all other columns)."""
    ignore_columns: Names = None
    """Columns to leave out (default: none)."""
    header: Annotated[bool | None, Parameter(negative="--no-header")] = None
    """Whether the first line of a text file holds the names of the columns (default: found out)."""
    window: Count = None
    """Time steps in each window that recordings are cut into; a row is then a time step (default: none)."""
    stride: Count = None
    """Number of time steps from one window to the next (default: the window, so that none overlap)."""


@Parameter(name="*", group="Data")
@dataclass(kw_only=True)
class DataOptions(ColumnOptions):
    """How to read the data to fit."""

    test: UserPath | None = None
    """File to evaluate on (default: the TEST half, or a part of the cases that is kept aside)."""


def absolute(data: str) -> str:
    """A file's or folder's absolute path; a dataset's name as it is."""
    from ncvqvae.data.load import is_path

    path = Path(data).expanduser()
    return str(path.resolve()) if path.exists() and is_path(data) else data


def as_text(values: dict[str, Any]) -> dict[str, Any]:
    """Paths made absolute and turned to text, for a YAML file that still holds from another folder."""
    return {key: str(value.resolve()) if isinstance(value, Path) else value for key, value in values.items()}
