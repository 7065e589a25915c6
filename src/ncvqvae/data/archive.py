"""UCR/UEA datasets by name: from a local folder, from what aeon ships, from the archive by download."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from functools import cache
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

from ncvqvae.errors import bad_input, nearest_name
from ncvqvae.files import cache_dir

DATA_DIR_VARIABLE = "NCVQVAE_DATA_DIR"
SUFFIXES = (".tsv", ".ts", ".arff", ".txt")
# The archive's own repairs of unequal lengths and missing values, where the raw release is not there.
REPAIRS = {
    "": "",
    "_eq": "unequal lengths: the archive's equal-length version (_eq) is used",
    "_nmv": "missing values: the archive's filled-in version (_nmv) is used",
}


class SplitFiles(NamedTuple):
    """The two files of a dataset, and what a user should know about them ('' if nothing)."""

    train: Path
    test: Path
    note: str


def find_dataset(name: str, data_dir: str | Path | None = None) -> SplitFiles:
    """Find the train and test file of a UCR/UEA dataset, downloading them if need be.

    Looked through in this order: `data_dir` (else the folder that NCVQVAE_DATA_DIR names), aeon's package, the cache
    of earlier downloads, the archive.

    Args:
        name: such as "GunPoint"; upper and lower case matter.
        data_dir: folder with `<Name>/<Name>_TRAIN.tsv` and so on (.tsv, .ts, .arff or .txt).

    Raises:
        InputError: `data_dir` does not exist, no dataset has this name, or the archive cannot be reached.
    """
    folder = local_folder(data_dir)
    roots = [root for root in (folder, shipped_folder(), cache_folder()) if root is not None]
    if re.fullmatch(r"[\w-]+", name):  # a name never becomes a path
        for root in roots:
            found = _find_in(root, name)
            if found is not None:
                return found
    if name not in archive_names():
        near = nearest_name(name, [*archive_names(), *(n for root in roots for n in _names_in(root))])
        mend = f"did you mean {near!r}?" if near else "give a UCR/UEA name or the path of a file"
        raise bad_input("data", f"unknown dataset {name!r}", mend)
    target = cache_folder()
    if target is None:
        raise bad_input(name, "this user has no home folder to keep a download in", "set NCVQVAE_CACHE_DIR")
    found = _downloaded(name, target)
    if found is None:
        raise bad_input(name, "the archive's copy lacks its TRAIN or TEST file", "put them into data_dir")
    return found


def local_folder(data_dir: str | Path | None) -> Path | None:
    """Return the folder of the user's own copies: the argument, else NCVQVAE_DATA_DIR, else None."""
    chosen = data_dir or os.environ.get(DATA_DIR_VARIABLE)
    if not chosen:
        return None
    folder = Path(chosen).expanduser()
    if not folder.is_dir():
        said = "data_dir" if data_dir else DATA_DIR_VARIABLE
        raise bad_input(folder, f"no such folder (from {said})", "name the folder that holds <Name>/<Name>_TRAIN.tsv")
    return folder


def shipped_folder() -> Path:
    """Return the folder of datasets inside aeon's package, found without importing aeon."""
    spec = find_spec("aeon")
    assert spec is not None and spec.origin is not None, "aeon is a dependency"
    return Path(spec.origin).parent / "datasets" / "data"


def cache_folder() -> Path | None:
    """Return where downloads are kept; None for a user without a home."""
    folder = cache_dir()
    return None if folder is None else folder / "ucr"


@cache
def archive_names() -> frozenset[str]:
    """Return every name that the archive offers for download."""
    from aeon.datasets.tsc_datasets import multivariate, tsc_zenodo, univariate

    return frozenset({*univariate, *multivariate, *tsc_zenodo})


def _find_in(root: Path, name: str) -> SplitFiles | None:
    for repair, note in REPAIRS.items():
        for suffix in SUFFIXES:
            train, test = (root / name / f"{name}{repair}_{half}{suffix}" for half in ("TRAIN", "TEST"))
            if train.is_file() and test.is_file():
                return SplitFiles(train, test, note)
    return None


def _names_in(root: Path) -> list[str]:
    if not root.is_dir():
        return []
    return [entry.name for entry in root.iterdir() if entry.is_dir() and _find_in(root, entry.name)]


def _downloaded(name: str, target: Path) -> SplitFiles | None:
    """The files of a dataset in the cache, downloaded by one process at a time: others wait for it."""
    from filelock import FileLock

    target.mkdir(parents=True, exist_ok=True)
    with FileLock(target.parent / f".{name}.lock"):
        found = _find_in(target, name)
        if found is None:
            _download(name, target)
            found = _find_in(target, name)
    return found


def _download(name: str, target: Path) -> None:
    """Fetch a dataset through aeon into a temporary folder, then rename: no half download under the final name."""
    from aeon.datasets import load_classification

    with tempfile.TemporaryDirectory(dir=target, prefix=".download-") as scratch:
        try:
            load_classification(name, extract_path=scratch)
        except (OSError, HTTPException, ValueError, BadZipFile) as error:
            what = f"download from the archive failed ({error})"
            mend = f"check the network, or put <Name>/<Name>_TRAIN.tsv into a folder and name it ({DATA_DIR_VARIABLE})"
            raise bad_input(name, what, mend) from None
        shutil.rmtree(target / name, ignore_errors=True)
        (Path(scratch) / name).replace(target / name)
