"""Hardware of this machine: choice of device and precision, random generators, and reuse of freed memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any

import torch

from ncvqvae.errors import SettingError

CPU = torch.device("cpu")


def resolve_device(device: str) -> torch.device:
    """The device of a setting ``device``; ``auto`` is cuda where there is one, else mps where there is one, else cpu.

    Raises:
        InputError: if this machine has no device of that name.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return torch.device(next(name for name in there if there[name]))
    if not there.get(device):
        found = ", ".join(name for name in there if there[name])
        raise SettingError("device", f"is {device!r}, and PyTorch finds none here; give auto, or one of: {found}")
    return torch.device(device)


def resolve_precision(precision: str, device: torch.device) -> str:
    """Lightning's name of the precision; ``auto`` is bf16 where `device` is much faster in it."""
    if precision != "auto":
        return precision
    return "bf16-mixed" if fast_bf16(device.type) else "32-true"


def fast_bf16(device: str) -> bool:
    """Whether a type of device multiplies matrices much faster in bf16 than in fp32; never for ``mps``.

    The instructions of the device say it: AMX of a CPU, tensor cores for bf16 of a CUDA GPU. Nothing is timed, because
    a timing on a busy machine may differ between two processes, and the same seed then gives other series.
    """
    if device == "cpu":
        return torch.cpu._is_amx_tile_supported() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


@contextmanager
def fp32_products(precision: str, device: torch.device) -> Iterator[None]:
    """Let matrix products in fp32 on a CUDA GPU be ``high`` (TF32) or ``highest`` (fp32); afterwards as it was.

    TF32 keeps 10 bits of each factor: enough for a network, too few to tell near codes apart.
    """
    if device.type != "cuda":
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def forked_rng(device: torch.device) -> AbstractContextManager[None]:
    """Context after which the global generators of the CPU and of `device` are as they were."""
    return torch.random.fork_rng(devices=[] if device == CPU else [device], device_type=device.type)


def seed_generators(seed: int, device: torch.device) -> None:
    """Seed the global generators of the CPU and of `device`, and no other device's."""
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        getattr(torch, device.type).manual_seed(seed)


def wait_for(device: torch.device) -> None:
    """Wait until `device` has done what was asked of it; for measured times."""
    getattr(torch, device.type).synchronize()


_malloc_users: list[None] = []
_malloc_lock = threading.RLock()


@contextmanager
def freed_pages_kept() -> Iterator[None]:
    """Let glibc reuse freed memory instead of giving it back to the system at every step; afterwards as it was.

    The gradients of a wide projector are 150 MB that come and go with each step; fetching those pages anew took a third
    of the CPU time of a step on small data. The setting is the process's: of contexts within one another, or in two
    threads, the last to end restores it.
    """
    with _malloc_lock:
        _malloc_users.append(None)
        keep_freed_pages()
    try:
        yield
    finally:
        with _malloc_lock:
            _malloc_users.pop()
            if not _malloc_users:
                restore_malloc()


def keep_freed_pages() -> None:
    """Reuse freed memory from now on."""
    tune_malloc(mmap_max=0, trim_threshold=2**31 - 1)


def restore_malloc() -> None:
    """Give freed memory back, and set the thresholds that glibc itself reaches in a process with large tensors.

    By default the mmap threshold grows with the size of freed blocks, up to 32 MB. The trim threshold is twice that.
    """
    tune_malloc(mmap_max=65536, trim_threshold=64 * 2**20, mmap_threshold=32 * 2**20)
    give_freed_pages_back()


def give_freed_pages_back() -> None:
    """Give the system all freed memory, also between blocks that are in use."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def tune_malloc(mmap_max: int, trim_threshold: int, mmap_threshold: int | None = None) -> None:
    """Set glibc's mallopt parameters of these names; do nothing where the C library is not glibc."""
    libc = _glibc()
    if libc is None:
        return
    mallopt = libc.mallopt
    m_trim_threshold, m_mmap_threshold, m_mmap_max = -1, -3, -4
    mallopt(m_mmap_max, mmap_max)
    mallopt(m_trim_threshold, trim_threshold)
    if mmap_threshold is not None:
        mallopt(m_mmap_threshold, mmap_threshold)


@cache
def _glibc() -> Any:
    """The C library if it is glibc, else None."""
    import ctypes

    try:
        libc = ctypes.CDLL("libc.so.6")
        return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
    except OSError:
        return None
