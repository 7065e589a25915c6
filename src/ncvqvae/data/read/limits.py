"""What a file may ask for, checked by what it declares before memory is taken for it."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ncvqvae.errors import bad_input

if TYPE_CHECKING:
    import pyarrow as pa

FREE = 64_000_000
"""Bytes that any file may take, however small it is."""
INFLATION = 200
"""Times its own size that a larger file may take. Series in numbers compress by less than 20."""
MEMORY_SHARE = 0.5
"""Share of this machine's memory that one file may take: reading makes a copy."""


def check_size(n_bytes: int, where: object, file_bytes: int | None = None) -> None:
    """Refuse what would take more than half of the memory, or inflate a small file to gigabytes.

    Args:
        n_bytes: what the file declares that its content takes.
        where: what the error line names as the place.
        file_bytes: size of the file; that of ``where`` if it is not given.

    Raises:
        InputError: saying how much it is.
    """
    if file_bytes is None:
        file_bytes = where.stat().st_size if isinstance(where, Path) else n_bytes
    if n_bytes > max(FREE, INFLATION * file_bytes):
        what = f"{_size(file_bytes)} that would become {_size(n_bytes)}"
        raise bad_input(where, what, "write it without compression (and parquet without dictionaries) if that is right")
    if n_bytes > MEMORY_SHARE * memory():
        what = f"content of {_size(n_bytes)}, more than half of this machine's memory ({_size(memory())})"
        raise bad_input(where, what, "give fewer series, or an .npy file, which is read from the disk in parts")


@cache
def memory() -> int:
    """Bytes of memory that this machine, or this container, has."""
    sizes = [2**63]
    if hasattr(os, "sysconf") and {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= os.sysconf_names.keys():
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        text = Path(path).read_text() if Path(path).is_file() else ""
        sizes += [int(text)] if text.strip().isdigit() else []
    return min(size for size in sizes if size > 0)


def check_padded(shape: tuple[int, ...], n_given: int, where: object, n_bytes: int = 8) -> None:
    """Refuse to pad series of very unequal lengths to an array ``shape`` that holds little but padding.

    Args:
        shape: of the array.
        n_given: values that there are.
        where: what the error line names as the place.
        n_bytes: of one value.

    Raises:
        InputError: saying how large the array would be.
    """
    n_values = 1
    for size in shape:
        n_values *= int(size)
    n_values *= n_bytes
    if n_values > max(FREE, INFLATION * n_bytes * n_given):
        what = f"{shape[-1]} steps in one series and far fewer in others, which take {_size(n_values)} when padded"
        raise bad_input(where, what, "cut or drop the longest")
    check_size(n_values, where, n_values)


def check_texts(table: pa.Table, where: object) -> None:
    """Refuse categories of long texts that fill the memory when each row gets its own.

    Raises:
        InputError: saying how large the texts would be.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    total = 0
    for column in table.columns:
        for chunk in column.chunks:
            if pa.types.is_dictionary(chunk.type) and _is_text(chunk.type.value_type):
                lengths = pc.binary_length(_plain(chunk.dictionary))
                total += pc.sum(pc.take(lengths, chunk.indices)).as_py() or 0
            elif _is_text(chunk.type):
                total += pc.sum(pc.binary_length(chunk)).as_py() or 0
    check_size(total, where)


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return any(
        getattr(pa.types, f"is_{name}", lambda _: False)(kind)
        for name in ("string", "large_string", "string_view", "binary", "large_binary", "binary_view")
    )


def _plain(texts: pa.Array) -> pa.Array:
    import pyarrow as pa

    return texts.cast(pa.large_binary()) if "view" in str(texts.type) else texts


# --- parquet and feather ----------------------------------------------------------------------------------------


def declared_by_parquet(metadata: Any) -> int:
    """Bytes that a parquet file's footer declares: encoded pages, and eight for each value."""
    n_columns = metadata.num_columns
    n_pages = sum(metadata.row_group(at).total_byte_size for at in range(metadata.num_row_groups))
    nested = [at for at in range(n_columns) if metadata.schema.column(at).max_repetition_level > 0]
    n_nested = sum(
        metadata.row_group(group).column(at).num_values for at in nested for group in range(metadata.num_row_groups)
    )
    return max(n_pages, 0) + 8 * (metadata.num_rows * (n_columns - len(nested)) + n_nested)


def declared_by_feather(path: Path) -> int:
    """Bytes that the record batches of a feather file declare: buffers after decompression, eight for each value.

    Arrow's own reader tells neither before it takes the memory. The layout is that of the Arrow IPC format: blocks of a
    length, a flatbuffer and a body.

    Raises:
        ValueError, struct.error: the file is cut short or no Arrow IPC file.
    """
    content = memoryview(path.read_bytes()) if path.stat().st_size < FREE else _mapped(path)
    return sum(_declared_by_block(content, *block) for block in _blocks(content))


def _mapped(path: Path) -> memoryview:
    import mmap

    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _blocks(content: memoryview) -> Iterator[tuple[int, int]]:
    """Offset and length of the metadata of every dictionary and record batch, from the file's footer."""
    (size,) = struct.unpack_from("<i", content, len(content) - 10)
    footer = content[len(content) - 10 - size : len(content) - 10]
    table = _Table(footer, struct.unpack_from("<I", footer, 0)[0])
    for field in (2, 3):  # dictionaries, record batches
        for at in table.vector(field, 24):
            offset, length = struct.unpack_from("<qi", footer, at)
            yield offset, length


def _declared_by_block(content: memoryview, offset: int, length: int) -> int:
    head = content[offset : offset + length]
    skip = 8 if struct.unpack_from("<I", head, 0)[0] == 0xFFFFFFFF else 4
    message = _Table(head[skip:], struct.unpack_from("<I", head, skip)[0])
    batch = message.table(2)
    if batch is None:
        return 0
    if message.byte(1) == 2:  # a dictionary batch holds a record batch
        batch = batch.table(1)
    if batch is None:
        return 0
    rows = [struct.unpack_from("<q", batch.content, at)[0] for at in batch.vector(1, 16)]
    total = 8 * sum(max(n, 0) for n in rows)
    if batch.table(3) is None:  # not compressed: bounded by the file
        return total
    body = offset + length
    for at in batch.vector(2, 16):
        start, size = struct.unpack_from("<qq", batch.content, at)
        if size >= 8:
            total += max(struct.unpack_from("<q", content, body + start)[0], 0)
    return total


class _Table:
    """A table of a flatbuffer: its fields are found through its vtable."""

    def __init__(self, content: memoryview, at: int) -> None:
        self.content, self.at = content, at
        self.vtable = at - struct.unpack_from("<i", content, at)[0]
        (self.size,) = struct.unpack_from("<H", content, self.vtable)

    def _place(self, field: int) -> int | None:
        """Where a field is, None where it is left out."""
        entry = 4 + 2 * field
        offset = struct.unpack_from("<H", self.content, self.vtable + entry)[0] if entry + 2 <= self.size else 0
        return self.at + offset if offset else None

    def byte(self, field: int) -> int:
        place = self._place(field)
        return 0 if place is None else int(self.content[place])

    def table(self, field: int) -> _Table | None:
        place = self._place(field)
        return None if place is None else _Table(self.content, place + struct.unpack_from("<I", self.content, place)[0])

    def vector(self, field: int, size: int) -> Iterable[int]:
        """Places of the structs of ``size`` bytes in a vector."""
        place = self._place(field)
        if place is None:
            return range(0)
        start = place + struct.unpack_from("<I", self.content, place)[0]
        (length,) = struct.unpack_from("<I", self.content, start)
        return range(start + 4, start + 4 + size * length, size)


def _size(n_bytes: int) -> str:
    """``64 MB``; a number of bytes may be too large for a float."""
    units = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))
    unit, of = next(((unit, of) for unit, of in units if n_bytes >= of), ("B", 1))
    return f"{n_bytes / of:.3g} {unit}" if n_bytes < 1000 * of else f"{n_bytes // of:,} {unit}"
