"""Feed mutated files to every reader: each must be read, or refused in one line; no traceback, no hang, no 1 GB.

    PYTHONPATH=. python tests/faults/fuzz.py --files 100000

Prints a line per reader: files read, files refused, and the most memory taken. Files at fault are kept in --keep.
"""

import argparse
import copy
import hashlib
import json
import random
import resource
import signal
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import yaml
from tests.faults.processes import TINY

from ncvqvae import NCVQVAE, InputError
from ncvqvae.bench.suites import load_suite
from ncvqvae.commands.run_folder import open_run
from ncvqvae.config import load_config
from ncvqvae.data import TableOptions, read_series, write_series
from ncvqvae.evaluation.fcn import FCN, load_fcn, save_fcn
from ncvqvae.evaluation.metrics import read_metrics
from ncvqvae.storage.weights import load_stage
from ncvqvae.training.checkpoints import WholeFileIO

MAX_BYTES, MAX_SECONDS = 1_000_000_000, 20


class Edit(NamedTuple):
    """One change of a file: what is done at which place (a share of its length), and the bytes it is done with."""

    how: str
    where: float
    what: bytes


HOWS = ("insert", "overwrite", "delete", "cut", "repeat", "flip")
PIECES = (
    *(
        b"\n",
        b",",
        b"\t",
        b'"',
        b":",
        b"{",
        b"[",
        b"]",
        b"&a [*a]",
        b"*a",
        b"- ",
        b"#",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
    ),
    *(b"nan", b"inf", b"-1", b"0", b"1e999", b"9" * 12, b"9" * 5000, b"1000000000000", b".5", b"true", b"null", b"?"),
    *(b"@data\n", b"!!python/object/apply:os.system [a]", b"<script>", b"../../x", b"%s", b"{{ 1 }}"),
    *((n).to_bytes(8, "little") for n in (2**31, 2**40, 2**63)),
    b"\xff" * 8,
)


def mutated(content: bytes, edits: Sequence[Edit]) -> bytes:
    """The file after some edits."""
    for how, where, what in edits:
        at = int(where * len(content))
        after = content[at:]
        if how == "insert":
            after = what + after
        elif how == "overwrite":
            after = what + after[len(what) :]
        elif how == "delete":
            after = after[max(1, len(what)) :]
        elif how == "cut":
            after = b""
        elif how == "repeat":
            after = after[:50] * 3 + after
        elif after:
            after = bytes([after[0] ^ (1 << len(what) % 8)]) + after[1:]
        content = content[:at] + after
    return content


def random_edits(rng: random.Random) -> list[Edit]:
    """One to four edits; half of them near the beginning, where the headers are."""
    places = (lambda: rng.random(), lambda: rng.random() ** 6)
    return [Edit(rng.choice(HOWS), rng.choice(places)(), rng.choice(PIECES)) for _ in range(rng.randint(1, 4))]


@dataclass(repr=False)  # files are long
class Reader:
    """A good file, and what reads it."""

    path: Path
    content: bytes
    read: Callable[[Path], Any]

    def take(self, content: bytes) -> str | None:
        """Read a file of this content; None if it was read, else the line it was refused with."""
        self.path.write_bytes(content)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.read(self.path)
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
    run, checkpoints = folder / "run", folder / "checkpoints"
    settings = {**TINY, "stage1": {**TINY["stage1"], "max_steps": 1}, "stage2": {**TINY["stage2"], "max_steps": 1}}
    model = NCVQVAE(settings=settings)
    _keep_checkpoints(model, X, y, checkpoints)
    as_in_training = copy.deepcopy(model.tokenizer_)
    as_in_training.residuals = None
    model.save_pretrained(run)
    (run / "data.yaml").write_text(yaml.safe_dump({"data": "data.npz", "value_columns": ["a"], "settings": settings}))
    (run / "metrics.json").write_text(json.dumps({"fid": 1.0, "knn": 0.5}, indent=2))
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings))
    suite = {"datasets": ["data.npz"], "models": {"naive": {"ssl": "none"}}, "seeds": 2}
    (folder / "suite.yaml").write_text(yaml.safe_dump(suite))
    save_fcn(FCN(1, 2), folder / "fcn.safetensors")
    of_run: dict[str, Callable[[Path], Any]] = {
        "run/config.yaml": lambda path: NCVQVAE.from_pretrained(path.parent),
        "run/tokenizer.safetensors": lambda path: NCVQVAE.from_pretrained(path.parent),
        "run/prior.safetensors": lambda path: NCVQVAE.from_pretrained(path.parent),
        "run/data.yaml": lambda path: open_run(path.parent),
        "run/metrics.json": read_metrics,
        "checkpoints/stage1.ckpt": lambda path: WholeFileIO().load_checkpoint(path),
        "checkpoints/stage1.safetensors": lambda path: load_stage(path, as_in_training),
        "settings.yaml": lambda path: load_config(file=path),
        "suite.yaml": load_suite,
        "fcn.safetensors": load_fcn,
    }
    series: dict[str, Callable[[Path], Any]] = {path.name: read_series for path in folder.glob("x.*")}
    series["long.csv"] = lambda path: read_series(path, TableOptions(id_column="id", time_column="time"))
    series["cases/a/1.csv"] = lambda path: read_series(path.parents[1])
    return {
        name: Reader(folder / name, (folder / name).read_bytes(), read)
        for name, read in sorted({**of_run, **series}.items())
    }


def _write_series_files(folder: Path, X: np.ndarray, y: np.ndarray) -> None:
    for suffix in (".npz", ".csv", ".parquet", ".ts"):
        write_series(folder / f"x{suffix}", X, y)
    np.save(folder / "x.npy", X)
    long = [(case, time, value, y[case]) for case, series in enumerate(X[:, 0]) for time, value in enumerate(series)]
    pd.DataFrame(long, columns=["id", "time", "value", "label"]).to_csv(folder / "long.csv", index=False)
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


def _out_of_time(*_: Any) -> None:
    raise TimeoutError(f"longer than {MAX_SECONDS} s")


def feed(reader: Reader, n_files: int, rng: random.Random, keep: Path) -> Counter[str]:
    """Feed ``n_files`` mutated files to one reader; whatever it does wrong is counted, and the file kept."""
    counts: Counter[str] = Counter()
    for _ in range(n_files):
        content = mutated(reader.content, random_edits(rng))
        signal.alarm(MAX_SECONDS)
        try:
            counts["read" if reader.take(content) is None else "refused"] += 1
        except Exception as error:
            counts[f"FAULT {type(error).__name__}"] += 1
            keep.mkdir(parents=True, exist_ok=True)
            name = hashlib.sha256(content).hexdigest()[:12] + reader.path.suffix
            (keep / name).write_bytes(content)
            print(f"{reader.path.name}: {type(error).__name__}: {str(error)[:200]} ({keep / name})", flush=True)
        finally:
            signal.alarm(0)
    return counts


def limit_memory() -> None:
    """Let nothing more than ``MAX_BYTES`` be taken from now on: whoever asks for it gets a MemoryError."""
    taken = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_DATA, (taken + MAX_BYTES, taken + MAX_BYTES))


def main(n_files: int, seed: int, keep: Path, only: str | None) -> int:
    """Feed all readers, ``n_files`` mutated files in total; returns the number of faults."""
    rng, faults = random.Random(seed), 0
    signal.signal(signal.SIGALRM, _out_of_time)
    with tempfile.TemporaryDirectory(prefix="ncvqvae-fuzz-") as scratch:
        found = readers(Path(scratch))
        chosen = {name: reader for name, reader in found.items() if only is None or only in name}
        limit_memory()
        for name, reader in chosen.items():
            start = time.monotonic()
            counts = feed(reader, -(-n_files // len(chosen)), rng, keep)
            faults += sum(count for what, count in counts.items() if what.startswith("FAULT"))
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            print(f"{name}: {dict(counts)}, {time.monotonic() - start:.0f} s, at most {most} MB", flush=True)
    print(f"{faults} faults")
    return faults


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-faults"))
    parser.add_argument("--only", help="readers whose name contains this")
    given = parser.parse_args()
    raise SystemExit(min(1, main(given.files, given.seed, given.keep, given.only)))
