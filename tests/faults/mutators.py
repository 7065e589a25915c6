"""Mutations that know a format: they keep a file well-formed enough to get past its parser, and hostile behind it."""

import csv
import io
import json
import random
import struct
import zipfile
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import yaml
from pyarrow import feather, parquet


class Edit(NamedTuple):
    """One change of a file: what is done at which place (a share of its length), and the bytes it is done with."""

    how: str
    where: float
    what: bytes


HOWS = ("insert", "overwrite", "delete", "cut", "repeat", "flip")
PIECES = (
    *(b"\n", b",", b"\t", b'"', b":", b"{", b"[", b"]", b"&a [*a]", b"*a", b"<<: *a", b"- ", b"#", b"\0", b"\xff"),
    *(b"nan", b"inf", b"-1", b"0", b"1e999", b"9" * 12, b"9" * 5000, b"1000000000000", b".5", b"true", b"null", b"?"),
    *(b"\xef\xbb\xbf", b"@data\n", b"!!python/object/apply:os.system [a]", b"<script>", b"../../x", b"%s", b"{{ 1 }}"),
    *((n).to_bytes(8, "little") for n in (2**31, 2**40, 2**63)),
    b"\xff" * 8,
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 31, 32, 33, 2**31, 2**32, 2**53, 2**63, 10**30, 10**400),
    *(0.0, -0.0, 0.5, 1e-300, 1e-9, 1e38, 1e300, float("inf"), float("-inf"), float("nan")),
    *("", " ", "auto", "none", "a", "1", "1.5", "nan", "../x", "/dev/null", "x" * 300, "x" * 20_000, "\0", "\ud800"),
    *(
        "<script>",
        r"\input{x}",
        "$x$",
        "%s",
        "{{ 1 }}",
        "é\u202e",
        [],
        {},
        [1, 2],
        ["a", "b"],
        [[]],
        {"a": 1},
        {"x": {}},
    ),
)
"""What stands in place of a value."""


def mutated(content: bytes, edits: Sequence[Edit]) -> bytes:
    """The file after some edits of its bytes."""
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


def any_mutation(content: bytes, suffix: str, rng: random.Random) -> bytes:
    """The file after a mutation of its bytes, or one that knows its format, or both."""
    if suffix in MUTATORS and rng.random() < 0.7:
        try:
            content = MUTATORS[suffix](content, rng)
        except Exception:  # two changes that do not fit each other: no fault of what is tested
            return mutated(content, random_edits(rng))
        if rng.random() < 0.85:
            return content
    return mutated(content, random_edits(rng))


# ---------------------------------------------------------------- trees: YAML, JSON


def of_tree(tree: Any, rng: random.Random) -> Any:
    """Nested lists and mappings after one to three changes: a value replaced, moved, doubled, wrapped, or gone."""
    for _ in range(rng.randint(1, 3)):
        places = list(_places(tree))
        if not places:
            return rng.choice(VALUES)
        group, key = rng.choice(places)
        if group is tree and isinstance(group, dict) and rng.random() < 0.5:  # leaves more often than branches
            group, key = rng.choice(places)
        how = rng.choice(("value", "value", "value", "near", "near", "delete", "move", "wrap", "add", "deep"))
        if how == "value":
            group[key] = rng.choice(VALUES)
        elif how == "near":
            group[key] = _near(group[key], rng)
        elif how == "delete":
            del group[key]
        elif how == "move":
            other, name = rng.choice(places)
            group[key] = _copy(other.get(name) if isinstance(other, dict) else other[name : name + 1])
        elif how == "wrap":
            group[key] = [group[key]] if rng.random() < 0.5 else {"x": group[key]}
        elif how == "add" and isinstance(group, dict):
            group[rng.choice(("x", "y", "seed", "label", "<<", "", "é", 1))] = rng.choice(VALUES)
        elif how == "add":
            group.insert(key, _copy(group[key]))
        else:
            for _ in range(rng.choice((3, 70, 900))):
                group[key] = [group[key]]
    return tree


def _places(tree: Any, depth: int = 0) -> Any:
    if depth > 12:
        return
    keys = list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in keys:
        yield tree, key
        yield from _places(tree[key], depth + 1)


def _near(value: Any, rng: random.Random) -> Any:
    """A value of the same kind that may be out of range."""
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int):
        return rng.choice((value - 1, value + 1, -value, value * 2, value * 1000, 0, value // 2))
    if isinstance(value, float):
        return rng.choice((-value, value * 1e6, value * 1e-6, value * 1e30, 0.0, value + 1))
    if isinstance(value, str):
        return rng.choice((value[:-1], value + "x", value.upper(), value * 100, f" {value}"))
    return value[:-1] if isinstance(value, list) else dict(list(value.items())[1:])


def _copy(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str)) if not isinstance(value, dict) or value else {}


def of_yaml(content: bytes, rng: random.Random) -> bytes:
    """A YAML file: another tree, or the same one with aliases that unfold."""
    tree = yaml.load(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    if rng.random() < 0.9:
        try:
            tree = of_tree(tree, rng)
            return yaml.safe_dump(tree, sort_keys=rng.random() < 0.2, allow_unicode=True).encode(errors="surrogatepass")
        except (RecursionError, ValueError):  # too deep, or too long a number, for PyYAML to write
            return content
    name, width, levels = rng.choice(("<<", "x")), rng.choice((2, 9)), rng.choice((3, 12, 30))
    bomb = ["a0: &a0 {x: 1}"]
    bomb += [f"a{i}: &a{i} {{{name}: [{', '.join([f'*a{i - 1}'] * width)}]}}" for i in range(1, levels)]
    return "\n".join(bomb).encode() + b"\n" + content


def of_json(content: bytes, rng: random.Random) -> bytes:
    """A JSON file with another tree."""
    try:
        return json.dumps(of_tree(json.loads(content), rng)).encode(errors="replace")
    except (RecursionError, ValueError):
        return b'{"fid": ' + b"[" * 100_000


# ---------------------------------------------------------------- tables as text


CELLS = (
    "",
    " ",
    "nan",
    "inf",
    "-inf",
    "1e999",
    "1e300",
    "9" * 400,
    "word",
    "1,5",
    '"',
    "'",
    "?",
    "NA",
    "true",
    "-1",
    "0",
    "2001-01-01",
    "12:00",
    "x" * 3000,
    "\0",
    "<b>",
    r"\input{x}",
    "=1+1",
    "{}",
    '{"a": {"b": []}}',
    "1.5",
    "1e5",
)


def of_csv(content: bytes, rng: random.Random) -> bytes:
    """A table as text after one to four changes of cells, rows, columns, separator or line ends."""
    text = content.decode()
    mark = next((mark for mark in ("\t", ";", ",", " ") if mark in text.splitlines()[0]), ",")
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=mark) if row]
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(rows))
        place = rng.randrange(max(1, len(rows[at])))
        how = rng.choice(
            ("cell", "cell", "cell", "column", "row", "rows", "no row", "swap", "no column", "blank", "header")
        )
        if how == "cell":
            rows[at][place : place + 1] = [rng.choice(CELLS)]
        elif how == "column":
            value = rng.choice(CELLS)
            rows = [[*row[:place], value, *row[place + 1 :]] if i else row for i, row in enumerate(rows)]
        elif how == "no column":
            rows = [row[:place] + row[place + 1 :] for row in rows]
        elif how == "row":
            rows[at] = rows[at] * rng.choice((0, 2, 500))
        elif how == "rows":
            rows += rows[1:] * rng.choice((1, 20))
        elif how == "no row" and len(rows) > 1:
            del rows[at]
        elif how == "swap":
            rng.shuffle(rows)
        elif how == "blank":
            rows.insert(at, [rng.choice(CELLS)])
        elif how == "header":
            rows[0] = [rng.choice((name, name, "label", "time", "id", "0", "", rows[0][0])) for name in rows[0]] or [
                "x"
            ]
        rows = rows or [["x"]]
    out = io.StringIO()
    ends = rng.choice(("\n", "\n", "\r\n", "\r", "\n\n"))
    csv.writer(out, delimiter=rng.choice((mark, mark, mark, ";", ",", "\t", "|")), lineterminator=ends).writerows(rows)
    return out.getvalue().encode(rng.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1")), "replace")


def of_lines(content: bytes, rng: random.Random) -> bytes:
    """A text of lines, such as .ts and .arff, after changes of words in them and of their order."""
    lines = content.decode().splitlines()
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(lines))
        words = lines[at].replace(":", " : ").split(" ")
        how = rng.choice(("word", "word", "line", "no line", "swap", "parts"))
        if how == "word":
            words[rng.randrange(len(words))] = rng.choice(
                (*CELLS, "true", "false", "@data", "relational", "9" * 12, "{a,b}")
            )
            lines[at] = " ".join(words)
        elif how == "line":
            lines.insert(at, lines[rng.randrange(len(lines))])
        elif how == "no line" and len(lines) > 1:
            del lines[at]
        elif how == "swap":
            other = rng.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        else:
            lines[at] = rng.choice((":", ",")).join(lines[at].split(",")[:: rng.choice((1, 2, -1))])
    return "\n".join(lines).encode(errors="replace")


# ---------------------------------------------------------------- arrays


DTYPES = (
    "<f8",
    "<f4",
    "<f2",
    "<i8",
    "<u8",
    "|b1",
    "|i1",
    "<c16",
    "<U0",
    "<U1",
    "<U50000",
    "|S8",
    "|O",
    "<M8[ns]",
    "|V0",
    "|V8",
    ">f4",
    "<f16",
)
SHAPES = (
    (),
    (0,),
    (10**8,),
    (10**12,),
    (2**31, 2**31),
    (4, 1, 0),
    (4,),
    (4, 6),
    (1, 1, 1),
    (4, 1, 6),
    (2**63,),
    (-1, 6),
    (1, 10**8),
    (4, 1, 2, 3),
)
NUMBERS = (np.nan, np.inf, 1e300, 1e38, 0.0, 2.0**60)


def of_npy(content: bytes, rng: random.Random) -> bytes:
    """An array with other values, another dtype or shape in its header, or both."""
    file = io.BytesIO(content)
    try:
        array = np.load(file, allow_pickle=False)
    except (ValueError, EOFError):
        return content
    if rng.random() < 0.4:
        return _saved(_array(array, rng))
    out = io.BytesIO()
    header = {
        "descr": rng.choice((array.dtype.str, rng.choice(DTYPES))),
        "fortran_order": rng.choice((False, False, True, 3)),
        "shape": rng.choice((array.shape, rng.choice(SHAPES))),
    }
    text = rng.choice((repr(header), repr(header) + " " * 70_000, repr({**header, "x": 1}), "(" * 300)).encode()
    out.write(b"\x93NUMPY" + bytes([rng.choice((1, 1, 1, 2, 3, 9)), 0]) + struct.pack("<H", len(text) % 65536) + text)
    return out.getvalue() + array.tobytes()


def _array(array: np.ndarray, rng: random.Random) -> np.ndarray:
    if array.dtype.kind == "U" or rng.random() < 0.2:
        n = rng.choice((len(array), len(array) + 1, 0, 1)) if array.ndim else 1
        return np.array([rng.choice(("a", "b", "", "\ud800", "x" * 2000, "1")) for _ in range(n)])
    array = array.astype(rng.choice(("f8", "f4", "f2", "i8", "u1", "?", "c16")))
    flat = array.reshape(-1).copy()
    with np.errstate(all="ignore"):
        for _ in range(rng.choice((0, 1, len(flat)))):
            flat[rng.randrange(len(flat)) :] = np.array(rng.choice(NUMBERS)).astype(flat.dtype)
    return flat.reshape(rng.choice((array.shape, array.shape[::-1], (-1,), (1, 1, 1, -1), (len(flat), 1))))


def _saved(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()


def of_npz(content: bytes, rng: random.Random) -> bytes:
    """An archive whose members are mutated, missing, doubled, compressed, or beside others."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for _ in range(rng.randint(1, 3)):
        name = rng.choice(list(members))
        how = rng.choice(("array", "array", "array", "gone", "other", "bytes", "zeros"))
        if how == "array":
            members[name] = of_npy(members[name], rng)
        elif how == "gone" and len(members) > 1:
            del members[name]
        elif how == "other":
            members[rng.choice(("Y.npy", "mask.npy", "Z.npy", "../x.npy", "X", "y", "X.npy/"))] = members[name]
        elif how == "bytes":
            members[name] = mutated(members[name], random_edits(rng))
        else:
            members[name] = _saved(
                np.zeros(rng.choice(((4, 10**5), (10**6,), (4, 1, 6))), rng.choice(("f8", "U9", "?")))
            )
    out = io.BytesIO()
    kind = rng.choice(
        (zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    )
    with zipfile.ZipFile(out, "w", kind) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return out.getvalue()


# ---------------------------------------------------------------- Arrow


def _columns(n: int, rng: random.Random) -> pa.Array:
    """A column of ``n`` rows of any type that Arrow has."""
    kind = rng.randrange(15)
    return [
        lambda: pa.array([rng.choice(NUMBERS) for _ in range(n)]),
        lambda: pa.nulls(n),
        lambda: pa.array([[1, 2]] * n),
        lambda: pa.array(["x" * rng.choice((1, 30_000))] * n),
        lambda: pa.array(["x" * rng.choice((1, 30_000))] * n).dictionary_encode(),
        lambda: pa.array([b"\xff\0"] * n),
        lambda: pa.array(range(n), pa.timestamp("ns", tz=rng.choice((None, "UTC")))),
        lambda: pa.array([True, None] * (n // 2) + [True] * (n % 2)),
        lambda: pa.array([{"a": 1}] * n),
        lambda: pa.array(range(n), pa.int64()).cast(pa.decimal128(38, 3)),
        lambda: pa.array(["ab"] * n, pa.string_view()),
        lambda: pa.array([2**63] * n, pa.uint64()),
        lambda: pa.array([1.5] * n, pa.float16()) if n else pa.nulls(n),
        lambda: pa.array(range(n), pa.duration("s")),
        lambda: pa.array([rng.choice(("1", "1,5", "nan", "", "a")) for _ in range(n)], pa.large_string()),
    ][kind]()


def _table(table: pa.Table, rng: random.Random) -> pa.Table:
    n = rng.choice((table.num_rows, table.num_rows, 0, 1, 3_000_000))
    if n != table.num_rows:
        table = (
            table.slice(0, n) if n < table.num_rows else pa.table({"t0": pa.nulls(n, pa.float64()), "t1": pa.nulls(n)})
        )
    for _ in range(rng.randint(0, 3)):
        at = rng.randrange(table.num_columns)
        if n < 1000 and rng.random() < 0.7:
            table = table.set_column(at, table.column_names[at], _columns(table.num_rows, rng))
        elif rng.random() < 0.5:
            names = list(table.column_names)
            names[at] = rng.choice(("label", "", "id", "time", "t0", "__index_level_0__", "x" * 5000))
            table = table.rename_columns(names)
        elif table.num_columns > 1:
            table = table.remove_column(at)
    if rng.random() < 0.2:
        index = rng.choice(
            ([table.column_names[0]], ["nothing"], [{"kind": "range", "start": 0, "stop": 10**12, "step": 1}], 3)
        )
        described = {"index_columns": index, "columns": [], "column_indexes": []}
        table = table.replace_schema_metadata({"pandas": rng.choice((json.dumps(described), "{", "[]", "3"))})
    return table


def of_parquet(content: bytes, rng: random.Random) -> bytes:
    """A parquet file of another table, with any compression."""
    out = io.BytesIO()
    table = _table(parquet.read_table(io.BytesIO(content)), rng)
    try:
        kind, dictionary = rng.choice(("snappy", "zstd", "gzip", "none")), rng.random() < 0.5
        parquet.write_table(table, out, compression=kind, use_dictionary=dictionary)
    except (pa.ArrowException, OSError):  # no such type in parquet
        return content
    return out.getvalue()


def of_feather(content: bytes, rng: random.Random) -> bytes:
    """A feather file of another table, with any compression."""
    out = io.BytesIO()
    table = _table(feather.read_table(io.BytesIO(content)), rng)
    feather.write_feather(table, out, compression=rng.choice(("lz4", "zstd", "uncompressed")))
    return out.getvalue()


# ---------------------------------------------------------------- weights


TENSOR_TYPES = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "I64", "I32", "U8", "BOOL", "F4", "X")


def of_safetensors(content: bytes, rng: random.Random) -> bytes:
    """Weights with other values, or with another header: types, shapes, offsets, names, texts."""
    (size,) = struct.unpack("<Q", content[:8])
    header, body = json.loads(content[8 : 8 + size]), bytearray(content[8 + size :])
    names = [name for name in header if name != "__metadata__"]
    for _ in range(rng.randint(1, 3)):
        tensor = header[rng.choice(names)]
        how = rng.choice(("values", "values", "values", "some", "type", "shape", "offsets", "tree", "metadata"))
        start, end = (
            min(max(int(at), 0), len(body)) if isinstance(at, int) else 0
            for at in (tensor.get("data_offsets") or (0, 0))[:2]
        )
        if how in ("values", "some") and end - start >= 4:
            kind, pick = (
                ("<i4", (-1, -2, 7, 8, 10**6, -(2**31)))
                if tensor.get("dtype") == "I32"
                else ("<f4", (*NUMBERS[:4], 0.0, -1e20))
            )
            part = np.frombuffer(bytes(body[start:end][: (end - start) // 4 * 4]), kind).copy()
            part[rng.randrange(len(part)) if how == "some" else 0 :][: 1 if how == "some" else None] = np.array(
                rng.choice(pick)
            ).astype(kind)
            body[start : start + part.nbytes] = part.tobytes()
        elif how == "type":
            tensor["dtype"] = rng.choice(TENSOR_TYPES)
        elif how == "shape":
            tensor["shape"] = rng.choice(
                ([], [0], [2**40], [2**32, 2**32], [-1], tensor.get("shape", [])[::-1], [1, 1, 1])
            )
        elif how == "offsets":
            tensor["data_offsets"] = rng.choice(
                ([0, 0], [0, len(body)], [4, 0], [-4, 4], [0, 2**62], [0, len(body) + 8])
            )
        elif how == "tree":
            header = of_tree(header, rng)
            if not isinstance(header, dict) or not all(isinstance(header.get(name), dict) for name in names):
                break
        else:
            header["__metadata__"] = rng.choice(
                ({"history": "[[[", "seconds": "nan"}, {}, {"history": "3"}, {"x": "y" * 10**5}, 3)
            )
    try:
        text = json.dumps(header).encode(errors="replace")
    except (RecursionError, ValueError):
        return content
    return struct.pack("<Q", rng.choice((len(text), len(text), len(text), 2**40, 0))) + text + bytes(body)


MUTATORS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    ".yaml": of_yaml,
    ".json": of_json,
    **dict.fromkeys((".csv", ".tsv", ".txt"), of_csv),
    **dict.fromkeys((".ts", ".arff"), of_lines),
    ".npy": of_npy,
    ".npz": of_npz,
    ".parquet": of_parquet,
    ".feather": of_feather,
    ".safetensors": of_safetensors,
}
"""By the suffix of a file."""
