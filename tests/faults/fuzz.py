"""Feed mutated files to every reader: each must be read, or refused in one line; no traceback, no hang, no 1 GB.

    PYTHONPATH=. python tests/faults/fuzz.py --files 100000

A process that has imported everything is forked for every few hundred files, so that one that dies or hangs costs
little. In each, whatever would take more than 1 GB beyond what is loaded gets a MemoryError (RLIMIT_DATA: address space
would count what PyTorch and Arrow only reserve). After 10 s of processor time (a busy machine is no fault) an exception
is raised, and after 600 s of silence the process is killed. Files of a run that are read are also sampled from, and a
part of them is evaluated.

Prints a line per reader: files read, refused, and at fault, and the most memory. Files at fault are kept in --keep.
"""

import argparse
import copy
import hashlib
import inspect
import json
import multiprocessing
import os
import random
import resource
import signal
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pandas as pd
import torch
import yaml
from tests.faults.mutators import any_mutation
from tests.faults.processes import TINY

from ncvqvae import NCVQVAE, InputError
from ncvqvae.bench.suites import load_suite
from ncvqvae.commands.evaluate import evaluate_run
from ncvqvae.commands.fitted_data import Cases
from ncvqvae.commands.run_folder import Begun, open_run, run_form
from ncvqvae.config import load_config
from ncvqvae.data import TableOptions, load_splits, read_series, write_series
from ncvqvae.evaluation.binding import read_run_metrics
from ncvqvae.evaluation.fcn import FCN, load_fcn, save_fcn
from ncvqvae.evaluation.sets import Extent
from ncvqvae.evaluation.utility import rocket_predictions
from ncvqvae.report import pictures
from ncvqvae.report.content import ReportContent
from ncvqvae.report.history import read_history
from ncvqvae.report.page import write_report
from ncvqvae.storage.weights import load_stage
from ncvqvae.study.ablation import single_switches
from ncvqvae.study.markup import to_latex, to_markdown
from ncvqvae.study.rows import collect_rows, published_rows
from ncvqvae.study.tables import TABLES, all_models, table_cells, write_all
from ncvqvae.training.checkpoints import WholeFileIO

ROCKET, FEW_KERNELS = inspect.unwrap(rocket_predictions), 168
MAX_BYTES, MAX_SECONDS, PATIENCE, BATCH = 1_000_000_000, 10, 600, 300
EVALUATED = 0.01
"""Share of the run files, among those that are read, that a whole evaluation (or the tables) is made of."""


@dataclass(repr=False)  # files are long
class Reader:
    """A good file, what reads it, and what a part of the files that were read go through besides."""

    path: Path
    content: bytes
    read: Callable[[Path], Any]
    deep: Callable[[Path], Any] | None = None

    def take(self, content: bytes, deep: bool = False) -> str | None:
        """Read a file of this content; None if it was read, else the line it was refused with."""
        self.path.write_bytes(content)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.read(self.path)
                if deep and self.deep is not None:
                    self.deep(self.path)
        except InputError as error:
            line = str(error)
            assert "\n" not in line, "more than one line"
            return line
        finally:
            self.path.write_bytes(self.content)
        return None


def readers(folder: Path) -> dict[str, Reader]:
    """Every reader with a good file of its own below ``folder``."""
    X = np.random.default_rng(0).normal(size=(12, 1, 32)).astype(np.float32)
    y = np.array(["a", "b"] * 6)
    _write_series_files(folder, X[:4, :, :6], y[:4])
    checkpoints, rows = folder / "checkpoints", folder / "rows.csv"
    settings = {**TINY, "stage1": {**TINY["stage1"], "max_steps": 1}, "stage2": {**TINY["stage2"], "max_steps": 1}}
    settings["sampling"] = {"residual_neighbours": 2, "n_steps": 3, "redraws": 1}
    as_in_training = _write_runs(folder, X, y, settings, checkpoints)
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings))
    suite = {"datasets": ["data.npz"], "models": {"naive": {"ssl": "none"}}, "seeds": 2}
    (folder / "suite.yaml").write_text(yaml.safe_dump(suite))
    published_rows()[lambda table: table["dataset"].isin(["ECG5000", "FordA"])].assign(
        preset="paper", settings='{"prior.dropout": 0.1}', fcn="x", commit="0" * 7, version="0.1"
    ).iloc[::7].to_csv(rows, index=False)
    save_fcn(FCN(1, 2), folder / "fcn.safetensors")
    found = {
        **{f"{run}/{name}": Reader(folder / run / name, b"", _draw, _evaluate)
           for run in ("run", "unequal") for name in ("config.yaml", "tokenizer.safetensors", "prior.safetensors")},
        "run/data.yaml": Reader(folder / "run/data.yaml", b"", _open),
        "run/cases.csv": Reader(folder / "run/cases.csv", b"", lambda path: Cases.read(path.parent)),
        "run/metrics.json": Reader(folder / "run/metrics.json", b"", lambda path: read_run_metrics(path.parent), _page),
        "run/history.csv": Reader(folder / "run/history.csv", b"", lambda path: read_history(path.parent), _page),
        "rows.csv": Reader(rows, b"", _tables, lambda path: write_all(path, path.parent / "tables")),
        "checkpoints/stage1.ckpt": Reader(checkpoints / "stage1.ckpt", b"", WholeFileIO().load_checkpoint),
        "checkpoints/stage1.safetensors": Reader(
            checkpoints / "stage1.safetensors", b"", lambda path: load_stage(path, as_in_training)
        ),
        "settings.yaml": Reader(folder / "settings.yaml", b"", lambda path: load_config(file=path)),
        "suite.yaml": Reader(folder / "suite.yaml", b"", load_suite),
        "fcn.safetensors": Reader(folder / "fcn.safetensors", b"", load_fcn),
        **{path.name: Reader(path, b"", read_series, load_splits) for path in folder.glob("x.*")},
        "long.csv": Reader(
            folder / "long.csv", b"", lambda path: read_series(path, TableOptions(id_column="id", time_column="time"))
        ),
        "window.csv": Reader(folder / "window.csv", b"", lambda path: load_splits(path, window=4)),
        "cases/a/1.csv": Reader(folder / "cases/a/1.csv", b"", lambda path: read_series(path.parents[1])),
    }  # fmt: skip
    return {name: replace(reader, content=reader.path.read_bytes()) for name, reader in sorted(found.items())}


def _write_runs(
    folder: Path, X: np.ndarray, y: np.ndarray, settings: dict[str, Any], checkpoints: Path
) -> torch.nn.Module:
    """A run of labelled series and one of unlabelled ones of unequal lengths; returns a network as it is in training.

    No digests stand in their config.yaml: a stranger would leave them out.
    """
    np.savez(folder / "data.npz", X=X, y=y)
    unequal = X.copy()
    for case in range(len(X)):
        unequal[case, :, 32 - case % 4 :] = np.nan
    np.savez(folder / "unequal.npz", X=unequal)
    in_training = None
    for name, source in (("run", "data.npz"), ("unequal", "unequal.npz")):
        run, splits = folder / name, load_splits(folder / source)
        model = NCVQVAE(settings=settings)
        _keep_checkpoints(model, splits.X_train, splits.y_train, checkpoints if name == "run" else folder / "others")
        if in_training is None:
            in_training = copy.deepcopy(model.tokenizer_)
            in_training.residuals = in_training.reduction = None
        model.save_pretrained(run)
        values = yaml.safe_load((run / "config.yaml").read_text())
        del values["weights"], values["data"]["digest"]
        (run / "config.yaml").write_text(yaml.safe_dump(values))
        said = {"data": str(folder / source), "value_columns": None, "settings": settings, "preset": "default"}
        (run / "data.yaml").write_text(yaml.safe_dump(said))
        pd.DataFrame(model.history_).to_csv(run / "history.csv", index=False)
        metrics = {"fid": 1.0, "fid_low": 0.5, "fid_high": 2.0, "knn": 0.5, "copied": 0.1, "evaluation_seed": 0.0}
        (run / "metrics.json").write_text(json.dumps(metrics, indent=2))
        if name == "run":
            (run / "cases.csv").write_text(Cases.of(splits).to_csv())
    assert in_training is not None
    return in_training


def _draw(path: Path) -> None:
    """Open a model, and use it: a draw, tokens and their series."""
    model = NCVQVAE.from_pretrained(path.parent)
    few = {"n_steps": min(3, model.config_.sampling.n_steps), "redraws": min(1, model.config_.sampling.redraws)}
    made = model.sample(3, **few)
    for series in made.X:
        whole = np.isfinite(series) if not model.facts_.unequal else ~np.isinf(series)  # NaN behind an end
        assert whole.all(), "a series is not finite"
    model.sample(2, unconditional=True, seed=1, **few)
    X = np.random.default_rng(0).normal(size=(2, model.n_channels_, model.n_timepoints_)).astype(np.float32)
    model.reconstruct(X, tokens=model.encode(X))


def _evaluate(path: Path) -> None:
    """Evaluate the run, by MiniRocket with few kernels and without rivals, which know nothing of the run.

    Pictures are composed, but not rendered: what fails there is a warning, and takes half of the time.
    """
    for name in ("metrics.json", "report.html"):
        (path.parent / name).unlink(missing_ok=True)
    extent = Extent(cas=False, rivals=False)
    fewer = mock.patch.object(ROCKET, "__defaults__", (FEW_KERNELS,))
    with fewer, mock.patch.object(pictures, "_png", return_value=b""):
        evaluate_run(path.parent, fcn=path.parents[1] / "fcn.safetensors", extent=extent)


def _open(path: Path) -> None:
    source = open_run(path.parent)[1]
    run_form(path.parent)
    Begun.read(path.parent)
    if Path(source.data).parent == path.parents[1]:  # no file of this machine that a mutation names
        source.load()


def _page(path: Path) -> None:
    X, y = np.random.default_rng(0).normal(size=(6, 1, 8)).astype(np.float32), np.array(["a", "b"] * 3)
    history, metrics = read_history(path.parent), read_run_metrics(path.parent)
    content = ReportContent("x", X, X, y, y, metrics=metrics, history=history, X_labelled=X, y_labelled=y)
    write_report(content, path.parent / "page.html")


def _tables(path: Path) -> None:
    rows = collect_rows(path)
    for spec in TABLES:
        cells = table_cells(spec, rows)
        if len(cells):
            to_latex(spec, cells), to_markdown(spec, cells)
    all_models(rows), single_switches(rows)


def _write_series_files(folder: Path, X: np.ndarray, y: np.ndarray) -> None:
    for suffix in (".npz", ".csv", ".parquet", ".ts"):
        write_series(folder / f"x{suffix}", X, y)
    np.save(folder / "x.npy", X)
    long = [(case, time, value, y[case]) for case, series in enumerate(X[:, 0]) for time, value in enumerate(series)]
    pd.DataFrame(long, columns=["id", "time", "value", "label"]).to_csv(folder / "long.csv", index=False)
    pd.DataFrame({"value": X[:, 0].ravel()}).to_csv(folder / "window.csv", index=False)
    for case, series in enumerate(X[:, 0]):
        path = folder / "cases" / y[case] / f"{case // 2 + 1}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame({"value": series}).to_csv(path, index=False)
    pd.DataFrame(X[:, 0]).add_prefix("t").to_feather(folder / "x.feather")
    rows = [[str(case % 2), *series] for case, series in enumerate(X[:, 0].astype(str))]
    names = "".join(f"@attribute {name} numeric\n" for name in (*(f"t{i}" for i in range(len(rows[0]) - 1)), "class"))
    (folder / "x.arff").write_text(
        f"@relation x\n{names}@data\n" + "\n".join(",".join(row[1:] + row[:1]) for row in rows)
    )
    for suffix, gap in ((".tsv", "\t"), (".txt", " ")):
        (folder / f"x{suffix}").write_text("\n".join(gap.join(row) for row in rows))


def _keep_checkpoints(model: NCVQVAE, X: np.ndarray, y: np.ndarray, checkpoints: Path) -> None:
    from ncvqvae.training.loop import train

    before, train.__kwdefaults__["checkpoint_seconds"] = train.__kwdefaults__["checkpoint_seconds"], 0.0
    try:
        model.fit(X, y, checkpoints=checkpoints)
    finally:
        train.__kwdefaults__["checkpoint_seconds"] = before


# ---------------------------------------------------------------- processes


class Fed(NamedTuple):
    """What became of a file: its number, ``read``, ``refused`` or a fault, and the most memory so far in MB."""

    number: int
    outcome: str
    megabytes: int


def content_of(name: str, reader: Reader, number: int, seed: int) -> tuple[bytes, bool]:
    """The mutated file of a number, the same whenever it is asked for, and whether it goes the long way."""
    rng = random.Random(f"{seed}/{name}/{number}")
    return any_mutation(reader.content, reader.path.suffix, rng), rng.random() < EVALUATED


def feed(name: str, reader: Reader, numbers: range, seed: int, say: Callable[[Fed], None]) -> None:
    """Feed mutated files to one reader, and say of each what became of it."""
    for number in numbers:
        content, deep = content_of(name, reader, number, seed)
        signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS * (6 if deep and reader.deep is not None else 1))
        try:
            line = reader.take(content, deep)
            outcome = "read" if line is None else "no memory" if "memory" in line and "half" not in line else "refused"
        except Exception as error:
            where = error.__traceback__
            while where is not None and where.tb_next is not None:
                where = where.tb_next
            place = "" if where is None else f"{Path(where.tb_frame.f_code.co_filename).name}:{where.tb_lineno}"
            outcome = " ".join(f"FAULT {type(error).__name__} at {place}: {error}".split())[:300]
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        say(Fed(number, outcome, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024))


def _out_of_time(*_: Any) -> None:
    raise TimeoutError("too long")


def limit_memory() -> None:
    """Let nothing more than ``MAX_BYTES`` be taken from now on: whoever asks for it gets a MemoryError."""
    taken = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_DATA, (taken + MAX_BYTES, taken + MAX_BYTES))


def _work(name: str, reader: Reader, numbers: range, seed: int, pipe: Connection) -> None:
    """What a forked process does; its own words go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1), os.dup2(nowhere, 2)
    signal.signal(signal.SIGPROF, _out_of_time)
    limit_memory()
    feed(name, reader, numbers, seed, pipe.send)
    pipe.send(None)


def fed(name: str, reader: Reader, numbers: range, seed: int) -> list[Fed]:
    """Feed files in a forked process; after one that dies or hangs, a new one takes the rest."""
    context, done = multiprocessing.get_context("fork"), list[Fed]()
    while len(done) < len(numbers):
        ours, theirs = context.Pipe(duplex=False)
        left = numbers[len(done) :]
        process = context.Process(target=_work, args=(name, reader, left, seed, theirs))
        process.start()
        theirs.close()
        try:
            while ours.poll(PATIENCE):
                said = ours.recv()
                if said is None:
                    break
                done.append(said)
            else:
                done.append(Fed(numbers[len(done)], "FAULT hangs", 0))
        except EOFError:
            process.join()
            done.append(Fed(numbers[len(done)], f"FAULT the process died ({process.exitcode})", 0))
        process.kill()
        process.join()
        reader.path.write_bytes(reader.content)
    return done


class Tally:
    """Outcomes by reader, the most memory, and the number of faults; files at fault are kept in a folder."""

    def __init__(self, keep: Path) -> None:
        self.keep, self.start, self.faults = keep, time.monotonic(), 0
        self.counts, self.most = dict[str, Counter[str]](), Counter[str]()

    def add(self, name: str, outcomes: list[Fed], contents: Callable[[int], bytes]) -> None:
        """Count what became of some files of a reader; say what went wrong, and how many there were so far."""
        for number, outcome, megabytes in outcomes:
            is_fault = outcome.startswith("FAULT")
            self.counts.setdefault(name, Counter()).update(["FAULT" if is_fault else outcome])
            self.most[name] = max(self.most[name], megabytes)
            if is_fault:
                self.faults += 1
                content = contents(number)
                self.keep.mkdir(parents=True, exist_ok=True)
                kept = self.keep / (hashlib.sha256(content).hexdigest()[:12] + Path(name).suffix)
                kept.write_bytes(content)
                print(f"{name} {number}: {outcome} ({kept})", flush=True)
        total = sum(sum(count.values()) for count in self.counts.values())
        print(f"-- {name}: {total} files, {self.faults} faults, {time.monotonic() - self.start:.0f} s", flush=True)

    def end(self) -> None:
        """A line per reader."""
        for name, count in self.counts.items():
            print(f"{name}: {dict(count)}, at most {self.most[name]} MB", flush=True)
        print(f"{self.faults} faults")


def main(n_files: int, seed: int, keep: Path, only: str | None) -> int:
    """Feed all readers in turns, ``n_files`` mutated files in total or up to Ctrl-C; returns the number of faults."""
    tally = Tally(keep)
    os.environ["NUMBA_THREADING_LAYER"] = "workqueue"  # with OpenMP it ends a forked process
    with tempfile.TemporaryDirectory(prefix="ncvqvae-fuzz-") as scratch, suppress(KeyboardInterrupt):
        os.environ["NCVQVAE_CACHE_DIR"] = f"{scratch}/cache"
        found = readers(Path(scratch))
        chosen = {name: reader for name, reader in found.items() if only is None or only in name}
        each = -(-n_files // len(chosen))
        for first in range(0, each, BATCH):
            for name, reader in chosen.items():
                numbers = range(first, min(first + BATCH, each))
                contents = partial(_content_alone, name, reader, seed)
                tally.add(name, fed(name, reader, numbers, seed), contents)
    tally.end()
    return tally.faults


def _content_alone(name: str, reader: Reader, seed: int, number: int) -> bytes:
    return content_of(name, reader, number, seed)[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-faults"))
    parser.add_argument("--only", help="readers whose name contains this")
    given = parser.parse_args()
    raise SystemExit(min(1, main(given.files, given.seed, given.keep, given.only)))
