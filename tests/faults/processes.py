"""Real ``ncvqvae`` processes on a tiny model, and what must hold of the files they leave when killed."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from safetensors import safe_open

from ncvqvae.data import read_series
from ncvqvae.training.checkpoints import WholeFileIO

FEW_STEPS = 20
"""Steps of the networks behind FID and CAS in tests."""
FEW_KERNELS = 504
"""Features of MiniRocket's classifiers in tests, instead of 10,000."""

# Checkpoints every half second instead of every minute, so that short trainings have some; small networks and
# classifiers judge.
PROGRAM = (
    "import sys, ncvqvae.cli, ncvqvae.training.loop as t, ncvqvae.evaluation.fcn as f; "
    "t.train.__kwdefaults__['checkpoint_seconds'] = 0.5; "
    f"f.FCNTraining.n_steps = lambda *_: {FEW_STEPS}; "
    "import ncvqvae.evaluation.representation as r, ncvqvae.evaluation.utility as u; "
    f"r.n_kernels_for = u.n_kernels_for = lambda *_: {FEW_KERNELS}; "
    "ncvqvae.cli.main(sys.argv[1:])"
)
TINY = {
    "tokenizer": {"hidden_channels": 8, "n_residual_blocks": 1, "codebook_size": 8},
    "stage1": {"batch_size": 8, "projector_width": 16, "precision": "32-true"},
    "prior": {"width": 16, "head_width": 8, "n_layers": 1},
    "stage2": {"batch_size": 8, "precision": "32-true", "time_warp": 0.0},
    "sampling": {"time_warp": 0.0},  # its choice starts threads, after which a process cannot be forked
}
PATIENCE = 3600  # seconds that a command may take on a busy machine
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def write_inputs(folder: Path, n_steps: int) -> None:
    """A dataset of 40 series, settings of a small model trained for ``n_steps`` in each stage, and a suite of it."""
    rng = np.random.default_rng(0)
    np.savez(folder / "data.npz", X=rng.normal(size=(40, 1, 32)), y=np.array(["a", "b"] * 20))
    steps = {"epochs": 10**6, "max_steps": n_steps}
    settings = {**TINY, "stage1": TINY["stage1"] | steps, "stage2": TINY["stage2"] | steps}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(settings))
    suite = {"datasets": ["data.npz"], "models": {"naive": {"ssl": "none", **settings}}, "seeds": 2}
    (folder / "suite.yaml").write_text(yaml.safe_dump(suite))


@dataclass
class Process:
    """A running command."""

    popen: subprocess.Popen[str]

    def kill(self, number: signal.Signals) -> str:
        """Send a signal and wait; returns what it said on stderr."""
        self.popen.send_signal(number)
        return self.wait()

    def wait(self) -> str:
        """Wait for the end; returns what it said on stderr."""
        return self.popen.communicate(timeout=PATIENCE)[1]


def start(folder: Path, arguments: Sequence[str]) -> Process:
    """Start ``ncvqvae ARGUMENTS`` in ``folder``, on one thread and with the FCN cache inside the folder."""
    paths = os.pathsep.join(str(Path(path).resolve()) for path in sys.path)  # the same code, wherever it runs
    own = {"OMP_NUM_THREADS": "1", "NCVQVAE_CACHE_DIR": str(folder / "cache"), "COLUMNS": "200", "PYTHONPATH": paths}
    environment = {**os.environ, **own}
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return Process(
        subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
    )


def finish(folder: Path, arguments: Sequence[str]) -> None:
    """Run a command to its end, which must be a good one."""
    process = start(folder, arguments)
    said = process.wait()
    assert process.popen.returncode == 0, said


def killed_at_random(
    folder: Path, arguments: Sequence[str], longest: float, rng: random.Random
) -> Iterator[signal.Signals | None]:
    """Start a command again and again, each time to be killed at a random moment; yields the signal, None at its end.

    Args:
        longest: seconds until the latest kill.
    """
    while True:
        number, process = rng.choice(SIGNALS), start(folder, arguments)
        deadline = time.monotonic() + rng.uniform(0, longest)
        while process.popen.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if process.popen.returncode is not None:
            said = process.wait()
            assert process.popen.returncode == 0, said
            yield None
            return
        said = process.kill(number)
        unwound = None if number is signal.SIGKILL else 128 + number
        # before main() has begun, Python's own handlers act; and the last moment of a process may be past all of them
        assert process.popen.returncode in (0, -number, unwound), f"{number.name}: {process.popen.returncode}: {said}"
        if process.popen.returncode == unwound:
            assert "what had been written is intact" in said and "Traceback" not in said, said
            left = [path for path in folder.rglob(".*.tmp") if path.name.count(str(process.popen.pid))]
            assert not left, f"{number.name} left {left}"
        yield number


def weights_digest(run: Path) -> str:
    """Hash of both networks' weights, bit by bit."""
    return hashlib.sha256(b"".join((run / f"{name}.safetensors").read_bytes() for name in NETWORKS)).hexdigest()


NETWORKS = ("tokenizer", "prior")


def _tensors(path: Path) -> None:
    with safe_open(path, framework="pt") as file:
        assert all(torch.isfinite(file.get_tensor(name)).all() for name in file.keys())  # noqa: SIM118


def _picture(path: Path) -> None:
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG") and b"IEND" in content[-12:]


def _page(path: Path) -> None:
    assert path.read_text().rstrip().endswith("</html>")


def _network(path: Path) -> None:
    import onnx

    onnx.checker.check_model(onnx.load(path))


LOADERS: dict[str, Callable[[Path], object]] = {
    ".safetensors": _tensors,
    ".ckpt": lambda path: WholeFileIO().load_checkpoint(path),
    ".yaml": lambda path: yaml.safe_load(path.read_text()),
    ".json": lambda path: json.loads(path.read_text()),
    ".csv": pd.read_csv,
    ".png": _picture,
    ".html": _page,
    ".npz": read_series,
    ".onnx": _network,
}


def check_intact(folder: Path) -> int:
    """Load every file under a final name; returns how many there were."""
    paths = [path for path in folder.rglob("*") if path.suffix in LOADERS and not _is_hidden(path, folder)]
    for path in paths:
        LOADERS[path.suffix](path)
    return len(paths)


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)
