"""The import rule: which part of the package may know which, read from the source itself."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

import ncvqvae.errors

ROOT = Path(ncvqvae.errors.__file__).parent
SOURCES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))

# Who sees everything. Every other part, also one that is added later, imports only itself, SHARED and its MAY_SEE.
SEE_ALL = {"__init__", "__main__", "analysis", "bench", "cli", "commands", "model", "report", "study"}
SHARED = {
    "ncvqvae.config",
    "ncvqvae.errors",
    "ncvqvae.files",
    "ncvqvae.hardware",
    "ncvqvae.labels",
    "ncvqvae.registry",
    "ncvqvae.validation",
}
MAY_SEE = {
    "validation": {"ncvqvae.files"},
    "codec": {"ncvqvae.data", "ncvqvae.data.facts", "ncvqvae.tokenizer.pooling", "ncvqvae.tokenizer.tokenizer"},
    "config": {"ncvqvae.errors", "ncvqvae.registry", "ncvqvae.validation"},
    "embeddings": {"ncvqvae.codec", "ncvqvae.tokenizer.tokenizer"},
    "evaluation": {"ncvqvae.augmentations"},  # the time warp is a rival, too
    "fitting": {
        "ncvqvae.generation.generator",
        "ncvqvae.codec",
        "ncvqvae.data",
        "ncvqvae.data.facts",
        "ncvqvae.prior.prior",
        "ncvqvae.storage.weights",
        "ncvqvae.tokenizer.tokenizer",
        "ncvqvae.training.auto",
        "ncvqvae.training.loop",
        "ncvqvae.training.sampler",
        "ncvqvae.training.stages",
    },
    "generation": {
        "ncvqvae.augmentations",  # new series are warped in time
        "ncvqvae.codec",
        "ncvqvae.data",
        "ncvqvae.data.facts",
        "ncvqvae.data.missing",
        "ncvqvae.evaluation.neighbours",
        "ncvqvae.prior.decoding",
        "ncvqvae.prior.masking",
        "ncvqvae.prior.objective",
        "ncvqvae.prior.prior",
        "ncvqvae.tokenizer.tokenizer",
    },
    "storage": {
        "ncvqvae.data",
        "ncvqvae.data.facts",
        "ncvqvae.generation.residuals",
        "ncvqvae.prior.prior",
        "ncvqvae.tokenizer.pooling",
        "ncvqvae.tokenizer.tokenizer",
        "ncvqvae.training.auto",
        "ncvqvae.training.build",
        "ncvqvae.training.loop",
    },
    "training": {
        "ncvqvae.augmentations",
        "ncvqvae.codec",
        "ncvqvae.data",
        "ncvqvae.data.facts",
        "ncvqvae.data.flat",
        "ncvqvae.data.missing",
        "ncvqvae.evaluation.fidelity",
        "ncvqvae.evaluation.neighbours",
        "ncvqvae.evaluation.resampling",
        "ncvqvae.evaluation.rocket",
        "ncvqvae.evaluation.utility",
        "ncvqvae.generation.generator",
        "ncvqvae.prior.decoding",
        "ncvqvae.prior.objective",
        "ncvqvae.prior.prior",
        "ncvqvae.prior.transformer",
        "ncvqvae.tokenizer.band",
        "ncvqvae.tokenizer.coarser",
        "ncvqvae.tokenizer.decoder",
        "ncvqvae.tokenizer.encoder",
        "ncvqvae.tokenizer.objective",
        "ncvqvae.tokenizer.quantizer",
        "ncvqvae.tokenizer.refinement",
        "ncvqvae.tokenizer.spectrogram",
        "ncvqvae.tokenizer.tokenizer",
        "ncvqvae.tokenizer.transform",
        "ncvqvae.tokenizer.wavelets",
    },
}

POSIX_ONLY = {"fcntl", "grp", "pwd", "resource", "termios"}
HEAVY = {"aeon", "lightning", "matplotlib", "numba", "pandas", "scipy", "sklearn", "torch"}


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split(".")[1:])
    return path.is_dir() or path.with_suffix(".py").is_file()


def imported_modules(source: str, package: str) -> Iterator[str]:
    """Yield the ncvqvae modules that a source imports anywhere; `package` is what its relative imports start from."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "ncvqvae")
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            if base.split(".")[0] == "ncvqvae":
                # "from package import submodule" is an import of the submodule
                names = (f"{base}.{alias.name}" for alias in node.names)
                yield from (name if is_module(name) else base for name in names)


def forbidden_imports(source: str, path: Path) -> list[str]:
    """Return the imports of a source at `path` (relative to the package) that the rule forbids."""
    part = path.parts[0].removesuffix(".py")
    if part in SEE_ALL:
        return []
    allowed = MAY_SEE.get(part, set()) | (SHARED if f"ncvqvae.{part}" not in SHARED else {"ncvqvae.errors"})
    package = ".".join(["ncvqvae", *path.parts[:-1]])
    found = sorted(set(imported_modules(source, package)))
    return [name for name in found if name not in allowed and name.split(".")[:2] != ["ncvqvae", part]]


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_imports_keep_to_the_rule(path: Path) -> None:
    assert forbidden_imports((ROOT / path).read_text(encoding="utf-8"), path) == []


@pytest.mark.parametrize(
    ("path", "source", "forbidden"),
    [
        ("data/archive.py", "from ncvqvae.data.validate import x\nfrom ncvqvae.errors import InputError", []),
        ("data/archive.py", "import numpy, ncvqvae.tokenizer", ["ncvqvae.tokenizer"]),
        ("data/archive.py", "from .. import augmentations", ["ncvqvae.augmentations"]),
        ("data/archive.py", "def f():\n    from ..evaluation.fcn import FCN", ["ncvqvae.evaluation.fcn"]),
        ("data/archive.py", "from ncvqvae import NCVQVAE", ["ncvqvae"]),
        ("tokenizer/ssl/vibcreg.py", "from . import projector\nfrom ..quantizer import Quantizer", []),
        ("tokenizer/ssl/vibcreg.py", "from ...prior import masking", ["ncvqvae.prior.masking"]),
        ("augmentations.py", "if TYPE_CHECKING:\n    from .data import validate", ["ncvqvae.data.validate"]),
        ("codec.py", "from ncvqvae.tokenizer.tokenizer import Tokenizer", []),
        ("codec.py", "from ncvqvae.tokenizer.quantizer import Quantizer", ["ncvqvae.tokenizer.quantizer"]),
        ("codec.py", "from ncvqvae.tokenizer import Tokenizer", ["ncvqvae.tokenizer"]),
        ("config.py", "import ncvqvae.config\nimport ncvqvae.data", ["ncvqvae.data"]),
        ("new_part.py", "from ncvqvae.model import NCVQVAE", ["ncvqvae.model"]),
        ("cli/train.py", "from ncvqvae.model import NCVQVAE", []),
    ],
)
def test_the_rule_sees_every_form_of_import(path: str, source: str, forbidden: list[str]) -> None:
    assert forbidden_imports(source, Path(path)) == forbidden


def test_a_part_may_see_only_what_it_uses() -> None:
    for part, allowed in MAY_SEE.items():
        paths = [path for path in SOURCES if path.parts[0].removesuffix(".py") == part]
        used = {name for path in paths for name in module_imports(path)}
        assert allowed - used == set(), part


def module_name(path: Path) -> str:
    return ".".join(["ncvqvae", *path.with_suffix("").parts]).removesuffix(".__init__")


def module_imports(path: Path) -> set[str]:
    """Every import of a module: at its top, for type checkers only, and inside functions."""
    package = ".".join(["ncvqvae", *path.parts[:-1]])
    return set(imported_modules((ROOT / path).read_text(encoding="utf-8"), package))


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The strongly connected components of more than one module."""
    names = sorted(graph)
    place = {name: i for i, name in enumerate(names)}
    edges = [(place[name], place[other]) for name in names for other in graph[name] if other in place and other != name]
    matrix = coo_array((np.ones(len(edges)), tuple(zip(*edges, strict=True))), shape=(len(names),) * 2)
    _, component = connected_components(matrix, connection="strong")
    groups = [[name for name in names if component[place[name]] == k] for k in range(component.max() + 1)]
    return [group for group in groups if len(group) > 1]


def test_no_circle_of_imports() -> None:
    assert circles({module_name(path): module_imports(path) for path in SOURCES}) == []


def test_a_circle_would_be_seen() -> None:
    assert circles({"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": set()}) == [["a", "b", "c"]]


def test_no_module_needs_one_operating_system() -> None:
    for path in SOURCES:
        assert not {name.split(".")[0] for name in module_imports(path)} & POSIX_ONLY, path


def test_every_folder_with_sources_is_a_package() -> None:
    # a folder without __init__.py is left out of the wheel
    folders = {path.parent for path in SOURCES}
    assert {folder for folder in folders if not (ROOT / folder / "__init__.py").is_file()} == set()


@pytest.mark.parametrize("module", ["ncvqvae", "ncvqvae.config", "ncvqvae.cli"])
def test_import_is_light(module: str) -> None:
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert set(done.stdout.split()) & HEAVY == set()
