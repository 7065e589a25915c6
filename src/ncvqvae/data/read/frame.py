"""Tables that are in memory or in a binary file, as Arrow tables: pandas, polars, Arrow, .parquet, .feather."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ncvqvae.data.read.limits import check_size, check_texts, declared_by_feather, declared_by_parquet
from ncvqvae.data.read.roles import NAMELESS, ROW_NAMES, TableOptions, has_block
from ncvqvae.errors import bad_input, listed

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

INSTANCE, TIME = "instance", "time"
"""Names of the two levels of an index (instance, time) that have none."""


class ArrowTable(NamedTuple):
    """A table, and the options with what its index says."""

    table: pa.Table
    options: TableOptions


def is_table(source: Any) -> bool:
    """Whether an object is a table: a DataFrame, or anything with the Arrow interface."""
    return any(hasattr(source, name) for name in ("columns", "__arrow_c_stream__", "collect_schema"))


def read_binary_table(path: Path, options: TableOptions) -> ArrowTable:
    """Read .parquet or .feather; what pandas stored as an index is one again.

    Raises:
        InputError: what the file declares would not fit into memory.
    """
    table = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_feather(path)
    described = (table.schema.pandas_metadata or {}).get("index_columns", [])
    if any(isinstance(column, str) for column in described):
        return as_arrow(table.to_pandas(), options, path)
    return as_arrow(table, options, path)


def binary_column_names(path: Path) -> list[str]:
    """Names of the columns of a .parquet or .feather file, those of an index among them."""
    import pyarrow as pa
    from pyarrow import parquet

    if path.suffix.lower() == ".parquet":
        return list(parquet.read_schema(path).names)
    with pa.OSFile(str(path)) as file:
        return list(pa.ipc.open_file(file).schema.names)


def _read_parquet(path: Path) -> pa.Table:
    """A parquet file; texts stay a dictionary until their size is known, since a row may be a few bits."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        check_size(declared_by_parquet(file.metadata), path)
        columns = (file.metadata.schema.column(at) for at in range(file.metadata.num_columns))
        texts = [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]
        schema = file.schema_arrow
    table = parquet.ParquetFile(path, read_dictionary=texts).read()
    check_texts(table, path)
    return table.cast(schema) if texts else table


def _read_feather(path: Path) -> pa.Table:
    from pyarrow import feather

    with path.open("rb") as file:
        if file.read(4) == b"FEA1":
            raise bad_input(path, "a feather file of version 1", "write it again with pandas or pyarrow")
    check_size(declared_by_feather(path), path)
    table = feather.read_table(path, memory_map=False)
    table.validate(full=True)  # a stranger's offsets would be followed outside the file
    check_texts(table, path)
    return table


def as_arrow(source: Any, options: TableOptions, where: object) -> ArrowTable:
    """Turn a table into an Arrow table whose text columns are plain strings.

    The index of a DataFrame is kept: an index with a name becomes a column, one of texts becomes row names, and one of
    two levels (instance, time) becomes the id and the time column. Row numbers are left out.

    Raises:
        InputError: an index or a column that has no clear meaning.
    """
    import pyarrow as pa

    if hasattr(source, "collect_schema") and hasattr(source, "collect") and not hasattr(source, "__arrow_c_stream__"):
        raise bad_input(where, "a table that is not read yet", "call collect() first")
    if not hasattr(source, "columns") and not hasattr(source, "column_names"):
        try:
            source = pa.table(source)
        except (TypeError, ValueError, pa.ArrowException):
            raise bad_input(where, f"a {type(source).__name__}, not a table", "give a DataFrame") from None
    if type(source).__module__.split(".")[0] == "pandas":
        source, options = _without_index(source, options, where)
        try:
            table = pa.Table.from_pandas(source, preserve_index=False)
        except (pa.ArrowException, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())[:160]
            raise bad_input(where, f"a column of mixed values ({reason})", "give every column one kind") from None
        table = table.replace_schema_metadata(None)
    else:
        table = source if isinstance(source, pa.Table) else pa.table(source)
    columns = [_plain_column(table.column(place)) for place in range(table.num_columns)]
    return ArrowTable(pa.table(columns, names=[str(name) for name in table.column_names]), options)


def _plain_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column without categories; its texts as plain strings."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = pa.chunked_array([pa.array(column.to_pylist())])  # Arrow decodes not every kind of category
    kind = column.type
    is_text = pa.types.is_large_string(kind) or getattr(pa.types, "is_string_view", lambda _: False)(kind)
    return column.cast(pa.string()) if is_text else column


def _without_index(frame: pd.DataFrame, options: TableOptions, where: object) -> tuple[pd.DataFrame, TableOptions]:
    """The frame with its index as columns, and the roles that these have."""
    import pandas as pd

    if frame.columns.nlevels > 1:
        frame = frame.set_axis(["_".join(map(str, name)) for name in frame.columns], axis="columns")
    frame = frame.set_axis([str(name) for name in frame.columns], axis="columns")
    if frame.columns.has_duplicates:
        twice = frame.columns[frame.columns.duplicated()].tolist()
        raise bad_input(where, f"columns that occur twice: {listed(twice)}", "give every column its own name")
    index = frame.index
    if isinstance(index, pd.MultiIndex):
        return _with_instances(frame, options, where)
    if index.name is not None and str(index.name) not in NAMELESS:
        name = str(index.name)
        if name in frame.columns:
            if not (frame[name].to_numpy() == index.to_numpy()).all():
                what = f"the index and a column are both called {name!r}, and differ"
                raise bad_input(where, what, "rename one of them")
            return frame.reset_index(drop=True), options
        if options.per_step and options.time_column is None and _holds_times(index):
            options = replace(options, time_column=name)
        return frame.rename_axis(index=name).reset_index(), options
    in_order = index.is_monotonic_increasing and index.is_unique
    if index.dtype.kind in "iu" and (in_order or not options.per_step):  # others are looked at with the ids
        return frame.reset_index(drop=True), options
    if _holds_times(index):
        if not options.per_step:
            what = "the index of the table holds times, so it is unclear whether a row is a series or a time step"
            raise bad_input(where, what, "cut it with window, or use reset_index() and say what the columns are")
        named = frame.rename_axis(index=TIME).reset_index()
        return named, options if options.time_column is not None else replace(options, time_column=TIME)
    return frame.rename_axis(index=ROW_NAMES).reset_index(names=ROW_NAMES), options


def _holds_times(index: pd.Index) -> bool:
    return index.dtype.kind in "mM" or hasattr(index.dtype, "tz")


def _with_instances(frame: pd.DataFrame, options: TableOptions, where: object) -> tuple[pd.DataFrame, TableOptions]:
    """An index of two levels is (instance, time), unless the columns are time steps themselves or options say else."""
    names = [str(name) if name is not None else None for name in frame.index.names]
    two = len(names) == 2
    if two:
        names = [name or fallback for name, fallback in zip(names, (INSTANCE, TIME), strict=True)]
    if None in names:
        raise bad_input(where, f"an index of {len(names)} levels without names", "use reset_index()")
    twice = [name for name in names if name in frame.columns]
    if twice:
        raise bad_input(where, f"the index and a column are both called {twice[0]!r}", "rename one of them")
    flat = frame.set_axis(frame.index.set_names(names)).reset_index()
    if {options.id_column, options.time_column} & set(names):
        return flat, options
    if not two or options.id_column or options.time_column or has_block(list(frame.columns)):
        what = f"an index of {len(names)} levels ({', '.join(map(str, names))}) whose meaning is unclear"
        raise bad_input(where, what, "use reset_index() and say what the columns are")
    return flat, replace(options, id_column=names[0], time_column=names[1])
