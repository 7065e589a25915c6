"""Every option of every verb that takes a number refuses what is no number of use."""

import inspect
from typing import Any

import pytest
from cyclopts import CycloptsError
from tests.test_config import all_settings, numbers_in

from ncvqvae.cli import app
from ncvqvae.commands.options import given, whole
from ncvqvae.config import Config, load_config
from ncvqvae.errors import InputError

SENSELESS = ("nan", "inf", "-inf", "-1", str(10**30))
VERBS = [verb for verb in app if not verb.startswith("-")]
SETTINGS = {f"--{name.replace('_', '-')}" for name in all_settings(Config)}
"""Options whose ranges the settings check: tests/test_config.py has a walk over them."""
NEEDED = {"out": "c.npz", "steps": "3"}


def numeric_options(verb: str) -> dict[str, Any]:
    """Each argument of a verb that takes a number, or a list of them, by the name of its option."""
    arguments = app[verb].assemble_argument_collection()
    return {of.name: of for of in arguments if of.parse and list(numbers_in(of.hint))}


def refusal(verb: str, option: str, value: str) -> str | None:
    """What the command line, or the check of the settings behind it, says of a value; None if it is taken."""
    parameters = inspect.signature(app[verb].default_command).parameters
    words = [verb] + ["a"] * sum(of.kind is of.POSITIONAL_ONLY for of in parameters.values())
    for name in NEEDED.keys() & parameters.keys():
        words += [f"--{name}", NEEDED[name]] if f"--{name}" != option else []
    try:
        _, bound, _ = app.parse_args([*words, option, value], exit_on_error=False, print_error=False)
        load_config(
            settings=given(bound.arguments.get("settings")) | {"sampling": given(bound.arguments.get("sampling"))}
        )
    except (CycloptsError, InputError) as error:
        return str(error)
    return None


@pytest.mark.parametrize("verb", VERBS)
def test_no_number_of_a_verb_is_without_a_range(verb: str) -> None:
    own = numeric_options(verb).keys() - SETTINGS
    said = {(option, value): refusal(verb, option, value) for option in own for value in SENSELESS}
    assert [given for given, line in said.items() if line is None or given[0] not in line] == []


@pytest.mark.parametrize("verb", VERBS)
def test_no_whole_number_is_rounded(verb: str) -> None:
    options = numeric_options(verb)
    assert [
        name for name, of in options.items() if "float" not in str(of.hint) and of.parameter.converter is not whole
    ] == []


@pytest.mark.parametrize(
    ("words", "taken"),
    [
        ("sample -n 3", True),
        ("sample -n 2.5", False),
        ("sample --sampling.n-steps 4", True),
        ("sample --sampling.n-steps 4.5", False),
        ("sample --sampling.n-steps auto", True),
        ("sample --sampling.n-steps -1", False),
        ("score --masks 4.0", True),
        ("impute --quantiles 0.5", True),
        ("extend --steps 2", True),
        ("vary --share 0.5", True),
        ("bench --per-class 5", True),
        ("evaluate --seed 0", True),
        ("fit --stage1.learning-rate 1e-3", True),
        ("fit --stage1.learning-rate inf", False),
    ],
)
def test_numbers_of_use_are_taken_and_others_are_not(words: str, taken: bool) -> None:
    verb, option, value = words.split()
    assert option in numeric_options(verb) and (refusal(verb, option, value) is None) == taken
