"""Files that are whole or not there, what killed processes leave, locks, and the cache folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ncvqvae.data import SeriesWriter
from ncvqvae.errors import InputError
from ncvqvae.files import (
    all_replaced,
    cache_dir,
    held,
    is_temporary,
    locked,
    remove_leftovers,
    replaced,
    temporary_path,
)


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


# ---------------------------------------------------------------- whole or not there


def test_a_file_takes_its_name_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with replaced(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old" and is_temporary(temporary) and temporary.parent == tmp_path
    assert content(tmp_path) == {"file": "new"}


def test_an_error_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")

    def half() -> None:
        with replaced(tmp_path / "file") as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert content(tmp_path) == {"file": "old"}


def test_several_files_take_their_names_only_once_all_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_text("old")
    n_synced, fsync = [], os.fsync

    def write_all() -> None:
        with all_replaced(*paths) as temporary:
            for path in temporary:
                path.write_text("new")

    def full_at_the_third(handle: int) -> None:
        n_synced.append(1)
        if len(n_synced) == 3:
            raise OSError(28, "No space left on device")
        fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_at_the_third)
        with pytest.raises(InputError, match=r"a cannot be written \(No space left"):
            write_all()
    assert content(tmp_path) == dict.fromkeys("abc", "old")
    write_all()
    assert content(tmp_path) == dict.fromkeys("abc", "new")


# ---------------------------------------------------------------- what killed processes leave


def name_of_another(path: Path, pid: int) -> Path:
    """The temporary name that another process of this machine would have given."""
    own = temporary_path(path)
    return own.with_name(own.name.replace(f"~{os.getpid()}~", f"~{pid}~"))


@pytest.fixture
def dead() -> int:
    """Number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_only_what_dead_processes_of_ours_left_is_removed(tmp_path: Path, dead: int) -> None:
    (tmp_path / "deep").mkdir()
    left = name_of_another(tmp_path / "model", dead)
    left.write_text("left")
    kept = [
        tmp_path / "model",
        tmp_path / ".notes.tmp",
        tmp_path / f".x.{dead}.tmp",
        temporary_path(tmp_path / "mine"),
        name_of_another(tmp_path / "first", 1),  # runs, and is not ours to ask
        name_of_another(tmp_path / "deep" / "model", dead),
        left.with_name(left.name.replace(".model.", ".model.another-")),  # a process of another machine
    ]
    for path in kept:
        path.write_text("kept")
    remove_leftovers(tmp_path, tmp_path / "absent")
    assert not left.exists() and all(path.exists() for path in kept)


def test_a_folder_that_is_a_link_is_not_looked_into(tmp_path: Path, dead: int) -> None:
    (tmp_path / "elsewhere").mkdir()
    theirs = name_of_another(tmp_path / "elsewhere" / "model", dead)
    theirs.write_text("kept")
    (tmp_path / "figures").symlink_to(tmp_path / "elsewhere")
    remove_leftovers(tmp_path / "figures")
    assert theirs.exists()


def test_the_file_of_a_writer_that_still_runs_stays(tmp_path: Path) -> None:
    import numpy as np

    with SeriesWriter(tmp_path / "new.npz", n_cases=2) as writer:
        writer.write(np.ones((1, 1, 4)))
        (temporary,) = [path for path in tmp_path.iterdir() if is_temporary(path)]
        remove_leftovers(tmp_path)
        assert temporary.exists()
        writer.write(np.ones((1, 1, 4)))
    assert [path.name for path in tmp_path.iterdir()] == ["new.npz"]


# ---------------------------------------------------------------- locks


def test_a_lock_has_one_holder_and_goes_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "made" / "run.lock"
    with held(path) as mine:
        assert mine
        with held(path) as again:
            assert not again
    code = (
        f"import os; from ncvqvae.files import held; from pathlib import Path; import sys\n"
        f"with held(Path({str(path)!r})) as mine:\n    print(mine, flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None and other.stdout.readline() == "True\n"
        with held(path) as mine:
            assert not mine
    finally:
        other.kill()
        other.wait()
    with held(path) as mine:
        assert mine


def test_a_folder_that_another_process_writes_to_is_refused(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with locked(run), pytest.raises(InputError, match="another process is writing to"), locked(run):
        pytest.fail("got in")
    with pytest.raises(OSError, match="the body's own"), locked(tmp_path / "run"):
        raise OSError("the body's own")


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match=r"cannot write to .*; choose another --out"),
        locked(tmp_path / "file" / "run"),
    ):
        pytest.fail("got in")


# ---------------------------------------------------------------- cache


def test_the_cache_folder_is_the_users_unless_another_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NCVQVAE_CACHE_DIR", "somewhere")
    assert cache_dir() == Path("somewhere")
    monkeypatch.delenv("NCVQVAE_CACHE_DIR")
    assert cache_dir().name == "ncvqvae" and cache_dir().is_absolute()


@pytest.mark.parametrize("found", [Path("~/.cache/ncvqvae"), RuntimeError("no home"), KeyError("uid")])
def test_a_user_without_a_home_has_no_cache(found: Path | Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def user_cache_path(*_: object, **__: object) -> Path:
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.delenv("NCVQVAE_CACHE_DIR", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", user_cache_path)
    assert cache_dir() is None
