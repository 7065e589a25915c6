"""Atomic writing of files, locks of folders, and the place of the cache."""

from __future__ import annotations

import glob
import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ncvqvae.errors import InputError

_TEMPORARY = re.compile(r"\..+\.(?P<host>[\w-]+)~(?P<pid>\d+)~[0-9a-f]{8}\.tmp", re.DOTALL)


@contextmanager
def replaced(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it takes the final name at once, on error it is removed.

    Raises:
        InputError: if the disk is full, read-only, or fails otherwise; what was there before stays.
    """
    with all_replaced(path) as (temporary,):
        yield temporary


@contextmanager
def all_replaced(*paths: str | Path) -> Iterator[list[Path]]:
    """:func:`replaced` for several files, which take their names in this order once all are whole on the disk.

    Only a kill or a power cut between the first name and the last can leave some of the old files.
    """
    finals = [Path(path) for path in paths]
    for path in finals:
        remove_leftovers_of(path)
    temporary = [temporary_path(path) for path in finals]
    try:
        yield temporary
        take_names(temporary, finals)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{finals[0]} cannot be written ({reason}); free space or choose another folder") from error
    finally:
        for path in temporary:
            with suppress(OSError):
                path.unlink(missing_ok=True)


def temporary_path(path: Path) -> Path:
    """A new name beside ``path`` that says which process of which machine writes it."""
    return path.with_name(f".{path.name}.{_host()}~{os.getpid()}~{secrets.token_hex(4)}.tmp")


def take_names(temporary: list[Path], finals: list[Path]) -> None:
    """Give files their final names once all of them are on the disk."""
    for path in temporary:
        with open(path, "rb+") as file:
            os.fsync(file.fileno())
    for path, final in zip(temporary, finals, strict=True):
        os.replace(path, final)
    for folder in {final.parent for final in finals}:
        _sync_folder(folder)


def remove_leftovers(*folders: Path) -> None:
    """Remove the temporary files directly in these folders that processes of this machine left when they were killed.

    Only for whoever holds the folders' lock. The file of a process that still runs stays: it may write beside a run
    without a lock, as ``sample`` does.
    """
    for folder in folders:
        for path in folder.iterdir() if folder.is_dir() and not folder.is_symlink() else ():
            _remove_if_left(path)


def remove_leftovers_of(final: Path) -> None:
    """The same, of one file that is about to be written."""
    if final.parent.is_dir():
        for path in final.parent.glob(f".{glob.escape(final.name)}.*.tmp"):
            _remove_if_left(path)


def _remove_if_left(path: Path) -> None:
    found = _TEMPORARY.fullmatch(path.name)
    if found and found["host"] == _host() and not _is_running(int(found["pid"])) and path.is_file():
        with suppress(OSError):
            path.unlink(missing_ok=True)


def is_temporary(path: Path) -> bool:
    """Whether a file has a name of :func:`temporary_path`."""
    return _TEMPORARY.fullmatch(path.name) is not None


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Hold the lock file ``path``, or yield False if another process does; the system lets go when a process dies."""
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, so that two processes never write to one run; the folder is made if needed.

    Raises:
        InputError: if another process holds it, the folder cannot be written, or its lock is a symbolic link.
    """
    check_no_link(folder / ".lock")
    with ExitStack() as stack:
        try:
            mine = stack.enter_context(held(folder / ".lock"))
        except OSError as error:
            raise InputError(f"cannot write to {folder}: {error.strerror}; choose another --out") from None
        if not mine:
            raise InputError(f"another process is writing to {folder}; wait for it or choose another --out")
        yield


def read_text(path: Path, limit: int) -> str:
    """The text of a UTF-8 file of at most ``limit`` bytes.

    Raises:
        InputError: if it cannot be read, is no UTF-8 text, or is larger.
    """
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise InputError(f"{path} has more than {limit:,} bytes; check that it is the right file")
        return content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {path}: {reason}; check the path, and that it is UTF-8 text") from None


def check_no_link(*paths: Path) -> None:
    """Refuse symbolic links, also those below a folder, where something is to be written: they may lead anywhere.

    Raises:
        InputError: naming the first one.
    """
    for path in paths:
        below = (Path(folder, name) for folder, *both in os.walk(path) for names in both for name in names)
        for found in (path, *below):
            if found.is_symlink():
                raise InputError(f"{found} is a symbolic link, and is to be written; replace it with what it points to")


def check_target(path: Path) -> None:
    """Say before any work that a file cannot be written.

    Raises:
        InputError: a folder of this name, or a folder around it that is missing or not writable.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder; create it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{path.parent} is not writable; choose another folder, or change its mode")


def cache_dir() -> Path | None:
    """The cache folder: NCVQVAE_CACHE_DIR, or else the user's; None for a user without a home."""
    from platformdirs import user_cache_path

    if given := os.environ.get("NCVQVAE_CACHE_DIR"):
        return Path(given)
    try:
        found = user_cache_path("ncvqvae", appauthor=False)
    except (RuntimeError, KeyError):
        return None
    return found if found.is_absolute() else None  # a ~ that stands for no home would be a folder of that name


def _host() -> str:
    return re.sub(r"[^\w-]", "-", socket.gethostname()) or "host"


def _is_running(pid: int) -> bool:
    """Whether a process of this number runs. On Windows the answer is always yes: asking would end the process."""
    if os.name == "nt":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it is another user's
        return True
    return True


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the file system lets a folder be opened."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
