"""What this machine is good at: arithmetic in bf16, and memory that is kept instead of fetched anew."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch


def resolve_precision(precision: str) -> str:
    """Lightning's name of the precision; ``auto`` is bf16 only where it is measured to be faster than fp32."""
    if precision != "auto":
        return precision
    return "bf16-mixed" if fast_bf16("cuda" if torch.cuda.is_available() else "cpu") else "32-true"


@cache
def fast_bf16(device: str) -> bool:
    """Whether `device` (``cpu`` or ``cuda``) multiplies matrices at least 1.5 times as fast in bf16 as in fp32.

    A CPU without bf16 instructions emulates them, hundreds of times slower: it is asked first, then measured.
    """
    if device == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    size = 2048 if device == "cuda" else 768
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        a = torch.ones(size, size, dtype=dtype, device=device)
        best = math.inf
        for _ in range(4):
            start = time.perf_counter()
            float((a @ a)[0, 0])
            best = min(best, time.perf_counter() - start)
        seconds[dtype] = best
    return seconds[torch.bfloat16] * 1.5 < seconds[torch.float32]


@contextmanager
def freed_pages_kept() -> Iterator[None]:
    """Let glibc reuse freed memory instead of giving it back to the system at every step; afterwards as it was.

    The gradients of a wide projector are 150 MB that come and go with each step; fetching those pages anew took a third
    of the CPU time of a step on small data.
    """
    keep_freed_pages()
    try:
        yield
    finally:
        restore_malloc()


def keep_freed_pages() -> None:
    """Reuse freed memory from now on."""
    tune_malloc(mmap_max=0, trim_threshold=2**31 - 1)


def restore_malloc() -> None:
    """Set what glibc's own defaults end up as in a process with large tensors, and give freed memory back.

    By default the threshold for mmap grows with the blocks that are freed, to 32 MB, and that for trimming to twice it.
    """
    tune_malloc(mmap_max=65536, trim_threshold=64 * 2**20, mmap_threshold=32 * 2**20)
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
