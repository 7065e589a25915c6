"""The short form of kill.py and fuzz.py, and what else happens to real processes: a full disk, company, a lost loss."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.faults import fuzz, mutators
from tests.faults.kill import FIT, kill_often, victims
from tests.faults.processes import Process, check_intact, finish, start, weights_digest, write_inputs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs signals, /proc and tmpfs")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with inputs and an unbroken run in ``whole``."""
    folder = tmp_path_factory.mktemp("faults")
    write_inputs(folder, n_steps=60)
    finish(folder, [*FIT, "--out", "whole"])
    return folder


def refused(process: Process) -> str:
    """The one line of a process that ends with 2."""
    said = process.wait().strip().splitlines()
    assert process.popen.returncode == 2, said
    assert said[-1].startswith("ncvqvae: ") and not any("Traceback" in line for line in said)
    return said[-1]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fit", "sample"])
def test_killed_at_random_it_ends_as_unbroken(name: str, work: Path) -> None:
    """A few kills at any moment; test_verbs.py has each verb killed at the moments that matter."""
    counts = kill_often(victims(work, n_samples=600)[name], work, 2, random.Random(0))
    assert counts["kills"] == 2 and counts["files loaded"] > 0


# ---------------------------------------------------------------- a full disk


@pytest.fixture
def disk(work: Path) -> Iterator[Path]:
    """A disk of 4 pages in ``disk``."""
    folder = work / "disk"
    folder.mkdir(exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_training_goes_on_with_more_space(work: Path, disk: Path) -> None:
    fit = [*FIT, "--out", "disk/run"]
    for kilobytes in (16, 40, 120):
        subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", disk], check=True)
        assert "No space left on device" in refused(start(work, fit))
        check_intact(disk)
        assert not list(disk.rglob(".*.tmp"))
    subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
    finish(work, fit)
    assert weights_digest(disk / "run") == weights_digest(work / "whole")


@pytest.mark.slow
def test_a_full_disk_keeps_what_was_sampled(work: Path, disk: Path) -> None:
    sample = ["sample", "whole", "-n", "600", "--sampling.chunk-size", "8", "--out"]
    subprocess.run(["mount", "-o", "remount,size=60k", disk], check=True)
    assert "No space left on device" in refused(start(work, [*sample, "disk/new.npz"]))
    assert not (disk / "new.npz").exists() and list((disk / ".new.npz.parts").glob("*.npz"))
    subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
    finish(work, [*sample, "disk/new.npz"])
    finish(work, [*sample, "unbroken.npz"])
    assert (disk / "new.npz").read_bytes() == (work / "unbroken.npz").read_bytes()
    assert {path.name for path in disk.iterdir()} == {"new.npz"}


@pytest.mark.slow
def test_a_full_disk_fails_the_run_of_a_bench_which_goes_on_with_more_space(work: Path, disk: Path) -> None:
    bench = ["bench", "--suite", "suite.yaml", "--seeds", "1", "--workers", "1", "--no-cas", "--out", "disk/bench"]
    subprocess.run(["mount", "-o", "remount,size=280k", disk], check=True)  # room for the training, not for the figures
    said = refused(start(work, bench))
    assert "No space left on device" in said
    assert check_intact(disk) and not list(disk.rglob(".*.tmp"))
    weights = weights_digest(disk / "bench/data/naive/0")
    subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
    finish(work, bench)
    run = disk / "bench/data/naive/0"
    assert weights_digest(run) == weights and (run / "report.html").exists() and not (run / "failed.txt").exists()


# ---------------------------------------------------------------- company, and a loss that is lost


@pytest.mark.slow
def test_a_second_process_is_refused_and_the_first_goes_on(work: Path) -> None:
    fit = [*FIT, "--out", "shared", "--stage1.max-steps", "100000"]
    first = start(work, fit)
    try:
        while not (work / "shared/.lock").exists():
            time.sleep(0.05)
            assert first.popen.poll() is None, first.wait()
        assert "another process is writing to shared" in refused(start(work, fit))
        assert first.popen.poll() is None
    finally:
        first.kill(signal.SIGTERM)
    check_intact(work)


INFINITE = """
import torch
from ncvqvae.registry import ssl_losses
from ncvqvae.tokenizer.ssl import SSLLoss

@ssl_losses.register("infinite")
class Infinite(SSLLoss):
    def forward(self, z1, z2):
        return (z1 - z2).square().sum() * torch.inf
"""


def test_an_infinite_loss_names_step_series_and_mend(work: Path) -> None:
    (work / "infinite.py").write_text(INFINITE)
    said = refused(start(work, [*FIT, "--out", "lost", "--plugin", "infinite.py", "--ssl", "infinite"]))
    assert "not finite at step 0 (" in said and "ssl inf" in said and "batch of series [" in said
    assert "no checkpoint was saved before" in said and "learning_rate" in said


# ---------------------------------------------------------------- mutated files


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, fuzz.Reader]:
    return fuzz.readers(tmp_path_factory.mktemp("fuzz"))


edits = st.lists(
    st.builds(
        mutators.Edit,
        st.sampled_from(mutators.HOWS),
        st.floats(0, 1),
        st.sampled_from(mutators.PIECES) | st.binary(max_size=9),
    ),
    min_size=1,
    max_size=4,
)


def test_good_files_are_read(readers: dict[str, fuzz.Reader]) -> None:
    assert {name: reader.take(reader.content) for name, reader in readers.items()} == dict.fromkeys(readers)


@settings(max_examples=300, deadline=fuzz.MAX_SECONDS * 1000, suppress_health_check=list(HealthCheck))
@given(data=st.data(), edits=edits)
def test_mutated_files_are_read_or_refused_in_one_line(
    data: st.DataObject, edits: list[mutators.Edit], readers: dict[str, fuzz.Reader]
) -> None:
    reader = readers[data.draw(st.sampled_from(sorted(readers)))]
    reader.take(mutators.mutated(reader.content, edits))


def test_files_that_are_mutated_by_their_format_are_read_or_refused_in_one_line(
    readers: dict[str, fuzz.Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzz, "EVALUATED", 0.0)  # an evaluation takes seconds
    for name, reader in readers.items():
        for number, outcome, _ in fuzz.fed(name, reader, range(3), seed=1):
            assert "FAULT" not in outcome, f"{name} {number}: {outcome}"
