"""What of this machine and installation matters to the package, in plain lines, and what is wrong or missing."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

from ncvqvae.files import cache_dir
from ncvqvae.threads import available_cores, busy_hint

PACKAGE = "ncvqvae"
FOR_DEVELOPERS = {"dev", "docs", "test"}
LITTLE_DISK = 2.0
"""Free gigabytes below which a fit may not end: a run with its checkpoints can take hundreds of megabytes."""


ELSEWHERE = "those that aeon ships, then those of the UCR/UEA archive"


class Finding(NamedTuple):
    """One line of the examination."""

    name: str
    text: str
    problem: str = ""
    """What has to be mended, and how; empty where all is well."""


def examine(folder: Path) -> list[Finding]:
    """Examine this machine and installation.

    Args:
        folder: where runs would be written.
    """
    return [*_versions(), *_computing(), *_folders(folder), *_data(), *_extras()]


def lines(findings: list[Finding]) -> Iterator[str]:
    """The findings as lines, and the problems once more at the end."""
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        yield f"{finding.name:{width}}  {finding.text}"
    problems = [f"{finding.name}: {finding.problem}" for finding in findings if finding.problem]
    yield ""
    yield from (f"problem: {problem}" for problem in problems)
    yield f"{len(problems)} problem{'s' * (len(problems) != 1)} found" if problems else "no problem found"


def _versions() -> Iterator[Finding]:
    python = f"Python {platform.python_version()} ({sys.executable}), {platform.system()} {platform.machine()}"
    yield Finding(PACKAGE, f"{metadata.version(PACKAGE)}, {python}")
    required = [need for need in _requirements() if _is_wanted(need, "")]
    found = {need.name: installed_version(need.name) for need in required}
    shown = ("torch", "lightning", "numpy", "scikit-learn", "aeon", "pandas")
    problems = [
        f"{need.name} {found[need.name] or 'is missing'} does not fit {need}"
        for need in required
        if not _fits(need, found[need.name])
    ]
    mend = f"{'; '.join(problems)}; pip install 'ncvqvae'" if problems else ""
    yield Finding("libraries", ", ".join(f"{name} {found[name]}" for name in shown), mend)


def _computing() -> Iterator[Finding]:
    import torch

    from ncvqvae.hardware import fast_bf16, resolve_device

    device = resolve_device("auto")
    name = f" ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else ""
    precision = "bf16" if fast_bf16(device.type) else "fp32"
    try:
        total = float((torch.ones(8, 8, device=device) @ torch.ones(8, 8, device=device)).sum())
        problem = "" if total == 512 else f"multiplies two matrices to {total}; try --device cpu"
    except RuntimeError as error:
        problem = f"cannot multiply two matrices ({' '.join(str(error).split())[:120]}); try --device cpu"
    yield Finding("device", f"{device.type}{name}; --precision auto is {precision} here", problem)
    hint = busy_hint()
    threads = f"{torch.get_num_threads()} for {available_cores()} cores" + (f"; {hint}" if hint else "")
    yield Finding("threads", threads)


def _folders(folder: Path) -> Iterator[Finding]:
    cache, mend = cache_dir(), "set NCVQVAE_CACHE_DIR to a folder that you may write to"
    if cache is None:
        yield Finding("cache", "none", f"this user has no home, so nothing is kept; {mend}")
    else:
        size = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file()) / 1e6 if cache.is_dir() else 0.0
        yield Finding("cache", f"{cache} ({size:.0f} MB)", _unwritable(cache, mend))
    free = shutil.disk_usage(_existing(folder)).free / 1e9
    little = f"only {free:.1f} GB are free in {folder.resolve()}; free space, or use --out elsewhere"
    problem = _unwritable(folder, "use --out elsewhere") or (little if free < LITTLE_DISK else "")
    yield Finding("disk", f"{free:.0f} GB free in {folder.resolve()}", problem)


def _data() -> Iterator[Finding]:
    from ncvqvae.evaluation.compiling import COMPILE_COMMAND, not_compiled

    folder = os.environ.get("NCVQVAE_DATA_DIR")
    if folder is None:
        yield Finding("datasets", f"{ELSEWHERE}; set NCVQVAE_DATA_DIR to a folder with NAME/NAME_TRAIN.tsv")
    else:
        problem = "" if Path(folder).expanduser().is_dir() else f"NCVQVAE_DATA_DIR is {folder}, which is no folder"
        yield Finding("datasets", f"NCVQVAE_DATA_DIR={folder}, then {ELSEWHERE}", problem)
    missing = ", ".join(not_compiled())
    later = f"the first evaluation compiles {missing}, a minute or two; {COMPILE_COMMAND} does it now"
    yield Finding("compiled", later if missing else "all that evaluations need")


def _extras() -> Iterator[Finding]:
    """Libraries that not everyone needs; that one is not there is no problem."""
    for extra in sorted(set(metadata.metadata(PACKAGE).get_all("Provides-Extra") or ()) - FOR_DEVELOPERS):
        needs = [need for need in _requirements() if _is_wanted(need, extra) and not _is_wanted(need, "")]
        missing = [need.name for need in needs if not _fits(need, installed_version(need.name))]
        there = ", ".join(f"{need.name} {installed_version(need.name)}" for need in needs)
        how = f"not installed: {', '.join(missing)}; for it, pip install 'ncvqvae[{extra}]'"
        yield Finding(f"[{extra}]", how if missing else there)


def installed_version(name: str) -> str | None:
    """Version of an installed package, None if it is not there."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _requirements() -> list[Requirement]:
    return [Requirement(text) for text in metadata.requires(PACKAGE) or ()]


def _is_wanted(need: Requirement, extra: str) -> bool:
    return need.marker is None or need.marker.evaluate({"extra": extra})


def _fits(need: Requirement, version: str | None) -> bool:
    return version is not None and need.specifier.contains(version, prereleases=True)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())


def _unwritable(folder: Path, mend: str) -> str:
    place = _existing(folder)
    return "" if os.access(place, os.W_OK) else f"{place} is not writable; {mend}"
