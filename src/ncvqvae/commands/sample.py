"""Writing of generated series to a file, with bounded memory. An interrupted command can be continued."""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ncvqvae.config import idle_in_draw
from ncvqvae.data import SeriesWriter, TableForm, read_series
from ncvqvae.files import check_no_link, locked, replaced
from ncvqvae.model import NCVQVAE

CHUNKS_PER_PART = 16
"""Chunks of generated series in a part. An interruption loses at most one part."""


@dataclass
class Request:
    """What is asked of a model; see :meth:`NCVQVAE.iter_samples`."""

    n: int
    label: Any = None
    unconditional: bool = False
    length: int | None = None
    seed: int | None = None
    sampling: dict[str, Any] = field(default_factory=dict)

    def arguments(self) -> dict[str, Any]:
        """Keywords of ``iter_samples``, but for the number of series."""
        values = asdict(self)
        return {
            "labels": values["label"],
            **{k: values[k] for k in ("unconditional", "length", "seed")},
            **self.sampling,
        }

    def digest(self, run: Path) -> str:
        """A text that is the same only for the same request to the same weights."""
        digest = hashlib.sha256(repr(asdict(self)).encode())
        for name in ("config.yaml", "tokenizer.safetensors", "prior.safetensors"):
            digest.update((run / name).read_bytes())
        return digest.hexdigest()


def write_samples(
    model: NCVQVAE, run: Path, request: Request, out: Path, form: TableForm | None, done: Callable[[int], None]
) -> None:
    """Generate series into a file, whose format its suffix decides.

    More of them than a part holds are first collected beside the file, part by part; the same request takes up what an
    interrupted one left there.

    Args:
        model: the model of ``run``.
        run: its folder.
        form: of tables, see :class:`TableForm`.
        done: hears how many series were added.

    Raises:
        InputError: if the request cannot be met, the file not be written, or another process is writing it.
    """
    for line in idle_in_draw(request.sampling, model.config_.sampling, unconditional=request.unconditional):
        warnings.warn(line, stacklevel=2)
    chunk = request.sampling.get("chunk_size") or model.config_.sampling.chunk_size
    size = CHUNKS_PER_PART * chunk
    with SeriesWriter(out, n_cases=request.n, form=form) as writer:
        if request.n <= size:
            for samples in model.iter_samples(request.n, **request.arguments()):
                writer.write(samples.X, samples.y)
                done(len(samples.X))
            return
        folder = out.with_name(f".{out.name}.parts")
        check_no_link(folder)
        with locked(folder), _no_empty_parts(folder):
            _begin(folder, request.digest(run))
            for first in range(0, request.n, size):
                part = folder / f"{first}.npz"
                last = min(first + size, request.n)
                if part.exists():
                    done(last - first)
                else:
                    _write_part(model, request, part, first, last, done)
                made = read_series(part, min_cases=1)
                for start in range(0, last - first, chunk):
                    rows = slice(start, start + chunk)
                    writer.write(made.X[rows], None if made.y is None else made.y[rows])
    shutil.rmtree(folder)


@contextmanager
def _no_empty_parts(folder: Path) -> Iterator[None]:
    """On failure, remove the folder of parts if none was finished: there is nothing to take up."""
    try:
        yield
    except BaseException:
        if not list(folder.glob("*.npz")):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _begin(folder: Path, digest: str) -> None:
    """Keep the parts of an interrupted command if it asked for the same."""
    path = folder / "request.json"
    if path.exists() and path.read_text() == json.dumps(digest):
        return
    for old in folder.glob("*.npz"):
        old.unlink()
    with replaced(path) as temporary:
        temporary.write_text(json.dumps(digest))


def _write_part(
    model: NCVQVAE, request: Request, path: Path, first: int, last: int, done: Callable[[int], None]
) -> None:
    with SeriesWriter(path, n_cases=last - first) as writer:
        for samples in model.iter_samples(last, first=first, **request.arguments()):
            writer.write(samples.X, samples.y)
            done(len(samples.X))
