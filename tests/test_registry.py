"""Parts by name: those of the package, registered ones, plug-ins of the environment, and entry points."""

import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ncvqvae import NCVQVAE
from ncvqvae.config import Config, check_parts, load_config
from ncvqvae.errors import InputError
from ncvqvae.registry import PLUGINS, Registry, augmentations, load_plugins, quantizers, ssl_losses
from ncvqvae.validation import help_text

PLUGIN = """
from ncvqvae.registry import ssl_losses
from ncvqvae.tokenizer.ssl import SSLLoss

@ssl_losses.register("from-a-file")
class Mine(SSLLoss):
    def __init__(self, rate: float, power: int = 2, names: str = "a") -> None:
        super().__init__()
"""


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for registry in (ssl_losses, augmentations, quantizers):
        monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    before = os.environ.pop(PLUGINS, None)
    yield
    os.environ.pop(PLUGINS, None)
    if before is not None:
        os.environ[PLUGINS] = before


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    return path


@pytest.mark.parametrize("registry", [ssl_losses, augmentations, quantizers])
def test_every_part_of_the_package_is_where_the_registry_says(registry: Registry) -> None:
    for name in registry.builtin:
        part = registry[name]
        assert callable(part) and list(inspect.signature(part).parameters)[: len(registry.given)] == list(
            registry.given
        )
        registry.check(name, "setting")


@pytest.mark.parametrize(
    ("registry", "text"),
    [(ssl_losses, "ssl_settings"), (augmentations, "augmentation_settings")],
)
def test_the_help_says_the_settings_of_each_part_and_their_defaults(registry: Registry, text: str) -> None:
    said = help_text(type(Config().stage1), text)
    for name in registry.builtin:
        of_part = said[said.index(name, said.index("The ")) :]
        for parameter in inspect.signature(registry[name]).parameters.values():
            if parameter.name not in registry.given:
                default = parameter.default
                value = str(list(default)).replace(".0", "") if isinstance(default, tuple) else f"{default:g}"
                assert f"{parameter.name} {value}" in of_part


def test_names_of_the_package_cannot_be_taken_and_ones_own_can_be_replaced() -> None:
    for name in ("none", "vibcreg"):
        with pytest.raises(InputError, match="package's own"):
            ssl_losses.register(name)
    for value in (1, 2):  # a cell of a notebook that is run again
        ssl_losses.register("again")(lambda value=value: value)
    assert ssl_losses["again"]() == 2 and "again" in ssl_losses.names()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ssl": "vibreg"}, "setting 'ssl' is 'vibreg'; did you mean 'vibcreg'?"),
        ({"ssl": "simclr"}, "setting 'ssl' is 'simclr'; known: none, barlowtwins, vibcreg"),
        ({"augmentation": "wrap"}, "setting 'augmentation' is 'wrap'; did you mean 'warp'?"),
        ({"tokenizer.quantizer": "emma"}, "setting 'tokenizer.quantizer' is 'emma'; did you mean 'ema'?"),
        ({"stage1.ssl_settings.covarianc": 3}, "did you mean 'stage1.ssl_settings.covariance'?"),
        ({"stage1.ssl_settings.covariance": -3}, "ssl_settings.covariance' is -3; give a number from 0 to 1e+06"),
        ({"stage1.ssl_settings.scale": float("nan")}, "ssl_settings.scale' is nan; give a number from 0 to 1e+06"),
        ({"ssl": "barlowtwins", "stage1.ssl_settings.off_diagonal_weight": "x"}, "is 'x'; give a number from 0"),
        ({"ssl": "none", "stage1.ssl_settings.scale": 1}, "is a setting of a part, and ssl is 'none'; leave it out"),
        ({"augmentation": "slice", "stage1.augmentation_settings.n_cuts": 0}, "is 0; give a whole number from 1 to"),
        (
            {"augmentation": "warp", "stage1.augmentation_settings.scales": [1]},
            "augmentation_settings.scales' is [1]; give a list of a number from 0.01 to 100, a number from 0.01 to 100",
        ),
        (
            {"tokenizer.quantizer_settings.pull": 1},
            "unknown setting 'tokenizer.quantizer_settings.pull'; there are none",
        ),
        ({"stage1.ssl_settings": 3}, "setting 'stage1.ssl_settings' is 3; give names and values"),
    ],
)
def test_what_no_part_has_is_said_before_the_training(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as error:
        NCVQVAE("paper", settings=settings).fit([[0.0] * 32] * 4)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_own_settings_reach_the_part() -> None:
    from ncvqvae.config import Stage1Config, TokenizerConfig
    from ncvqvae.tokenizer.objective import TokenizerObjective
    from ncvqvae.tokenizer.ssl import VIbCReg
    from ncvqvae.training.build import build_tokenizer

    config = check_parts(load_config(settings={"stage1.ssl_settings": {"covariance": "2e2", "scale": 1}}))
    tokenizer = build_tokenizer(TokenizerConfig(hidden_channels=4, n_residual_blocks=0), 1, 32)
    stage1 = Stage1Config(projector_width=8, ssl_settings=config.stage1.ssl_settings)
    loss = TokenizerObjective(tokenizer, stage1, "vibcreg").ssl_loss
    assert isinstance(loss, VIbCReg) and (loss.weights, loss.scale) == ((25.0, 25.0, 200.0), 1)


def test_a_file_is_known_here_and_in_processes_that_are_started_here(plugin: Path) -> None:
    load_plugins([str(plugin)])
    load_plugins([str(plugin)])
    assert os.environ[PLUGINS] == str(plugin) and "from-a-file" in ssl_losses.names()
    check_parts(load_config(settings={"ssl": "from-a-file", "stage1.ssl_settings": {"rate": 0.5, "power": 3}}))
    code = "from ncvqvae.registry import ssl_losses; print(ssl_losses['from-a-file'].__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "Mine"


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({}, "setting 'stage1.ssl_settings.rate' is missing; give a number"),
        ({"rate": float("inf")}, "setting 'stage1.ssl_settings.rate' is inf; give a number"),
        ({"rate": 1, "powr": 1}, "did you mean 'stage1.ssl_settings.power'?"),
        ({"rate": 1, "power": 1.5}, "setting 'stage1.ssl_settings.power' is 1.5; give a whole number"),
        ({"rate": 1, "names": 3}, "setting 'stage1.ssl_settings.names' is 3; give a text"),
    ],
)
def test_settings_of_a_plug_in_are_checked_by_its_annotations(own: dict[str, Any], words: str, plugin: Path) -> None:
    load_plugins([str(plugin)])
    with pytest.raises(InputError) as error:
        check_parts(load_config(settings={"ssl": "from-a-file", "stage1.ssl_settings": own}))
    assert words in str(error.value)


def test_a_module_is_imported_by_its_name(plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin.rename(tmp_path / "ncvqvae_test_module.py")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(PLUGINS, "ncvqvae_test_module")
    assert ssl_losses["from-a-file"].__module__ == "ncvqvae_test_module"


@pytest.mark.parametrize(
    ("text", "words"), [("1 / 0", "ZeroDivisionError"), ("def f(:", "SyntaxError"), (None, "No such file")]
)
def test_a_plug_in_that_cannot_be_imported_is_said_in_one_line(text: str | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=words) as error:
        load_plugins([str(path)])
    assert str(path) in str(error.value) and "\n" not in str(error.value) and PLUGINS not in os.environ


def test_entry_points_of_installed_packages_are_found(tmp_path: Path) -> None:
    (tmp_path / "installed_part.py").write_text(PLUGIN.replace("from-a-file", "unused"))
    (tmp_path / "broken_part.py").write_text("1 / 0")
    meta = tmp_path / "part-1.0.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: part\nVersion: 1.0\n")
    (meta / "entry_points.txt").write_text(
        "[ncvqvae.ssl_losses]\ninstalled = installed_part:Mine\nbroken = broken_part:Mine\n"
    )
    code = (
        "from ncvqvae.config import *; from ncvqvae.registry import ssl_losses; from ncvqvae.errors import InputError\n"
        "own = {'ssl': 'installed', 'stage1.ssl_settings': {'rate': 1}}\n"
        "print(check_parts(load_config(settings=own)).ssl, ssl_losses['installed'].__name__, *ssl_losses.names())\n"
        "try: ssl_losses['broken']\nexcept InputError as error: print(error)"
    )
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(tmp_path)]))
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    first, second = done.stdout.splitlines()
    assert first == "installed Mine none barlowtwins vibcreg unused installed broken"
    assert "plug-in broken_part:Mine cannot be imported (ZeroDivisionError" in second


def test_settings_are_read_where_the_plug_in_is_not() -> None:
    assert load_config(settings={"ssl": "of-somebody", "stage1.ssl_settings.a": 1}).ssl == "of-somebody"
