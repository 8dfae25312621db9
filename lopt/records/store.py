"""Files: the only module that the rest of the package reads and writes them through.

Arrays are stored as ``.npz`` without pickle, one NamedTuple a file, with a JSON entry of metadata. The
NamedTuple's jaxtyping annotations are the file's schema: on save and on load every array is
checked for its dtype kind and shape, dimensions of the same name must agree across fields, and the file
must have been written from the same type. (``save_named`` is for arrays of any names, which no type
describes.) All of that is known from the file's headers: nothing is unpacked before it is found right. Tables
are those of ``lopt.records.tables``. Every write is atomic (``lopt.records.atomic``).
"""

import contextlib
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_args, get_type_hints

import numpy as np

from lopt.records.atomic import StoreError, load_bytes, save_bytes, write_atomically
from lopt.records.entries import Kind, brief, complaint
from lopt.records.tables import load_table, save_table

__all__ = [
    "StoreError",
    "load",
    "load_bytes",
    "load_json",
    "load_metadata",
    "load_named",
    "load_table",
    "require",
    "require_values",
    "save",
    "save_bytes",
    "save_json",
    "save_named",
    "save_table",
    "write_atomically",
]

SCHEMA_VERSION = 1
METADATA = "metadata"
LARGEST_METADATA = 2**28  # bytes; NumPy stores four a letter
Record = TypeVar("Record", bound=NamedTuple)


class _Header(NamedTuple):
    """What an entry of an archive says of its array."""

    dtype: np.dtype
    shape: tuple[int, ...]


def save(path: str | Path, record: NamedTuple, metadata: Mapping[str, Any] | None = None) -> None:
    """Store a NamedTuple of arrays with its metadata.

    Raises:
        StoreError: if an array does not have the shape or kind that its annotation states.
    """
    arrays = {name: np.asarray(value) for name, value in record._asdict().items()}
    _check_arrays(path, type(record), arrays)
    _write(path, type(record).__name__, arrays, metadata)


def save_named(
    path: str | Path,
    schema: str,
    arrays: Mapping[str, Any],
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Store arrays of any names, which no type describes, with their metadata.

    Raises:
        StoreError: if something is no array of numbers, or has the name of the metadata.
    """
    found = {name: np.asarray(value) for name, value in arrays.items()}
    for name, array in found.items():
        _check_kind(path, name, array)
    if METADATA in found:
        raise StoreError(f"{path}: no array can be called {METADATA!r}; rename it")
    _write(path, schema, found, metadata)


def _write(
    path: str | Path,
    schema: str,
    arrays: Mapping[str, np.ndarray],
    metadata: Mapping[str, Any] | None,
) -> None:
    entry = {**(metadata or {}), "schema": schema, "schema_version": SCHEMA_VERSION}
    text = np.array(json.dumps(entry, sort_keys=True))
    whole = {**arrays, METADATA: text}
    write_atomically(path, lambda file: np.savez(file, allow_pickle=False, **whole))


def load(
    path: str | Path,
    kind: type[Record],
    *,
    expect: Mapping[str, Any] | None = None,
    entries: Kind | None = None,
) -> tuple[Record, dict[str, Any]]:
    """Return the NamedTuple of type ``kind`` stored at ``path``, and its metadata.

    Args:
        path: of the file.
        kind: the type that it was written from. It may be a union of such types: then the file says which
            of them it holds.
        expect: entries that the metadata must have, with these values (the task and seed that are
            asked for, say).
        entries: the kinds of its metadata's entries.

    Raises:
        StoreError: if the file is missing, truncated, of another schema or version, holds pickled
            objects, or holds arrays of another shape; if its metadata is not what was expected. The
            message says which.
    """
    kinds = {each.__name__: each for each in get_args(kind) or (kind,)}
    with _reading(path) as file:
        kind = kinds[_schema(path, file.metadata, list(kinds))]
        _check_arrays(path, kind, file.headers)
        _check_metadata(path, file.metadata, expect or {}, entries)
        record = kind._make(_array(file.archive, name) for name in kind._fields)
        return record, file.metadata


def load_named(
    path: str | Path,
    schema: str,
    *,
    expect: Mapping[str, Any] | None = None,
    entries: Kind | None = None,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays that ``save_named`` stored, and their metadata.

    ``expect`` and ``entries`` are those of ``load``.

    Raises:
        StoreError: as ``load``.
    """
    with _reading(path) as file:
        _schema(path, file.metadata, [schema])
        for name, header in file.headers.items():
            _check_kind(path, name, header)
        _check_metadata(path, file.metadata, expect or {}, entries)
        return {name: _array(file.archive, name) for name in file.headers}, file.metadata


def _schema(path: str | Path, metadata: Mapping[str, Any], expected: Sequence[str]) -> str:
    found, version = metadata.get("schema"), metadata.get("schema_version")
    if not isinstance(found, str) or found not in expected or version != SCHEMA_VERSION:
        raise StoreError(
            f"{path}: holds {brief(str(found))} (version {brief(str(version))}), expected "
            f"{' or '.join(expected)} (version {SCHEMA_VERSION})"
        )
    return found


def load_metadata(
    path: str | Path, *, expect: Mapping[str, Any] | None = None, entries: Kind | None = None
) -> dict[str, Any]:
    """Return the metadata of the arrays stored at ``path``, of whichever type they are.

    ``expect`` and ``entries`` are those of ``load``. Every array is read, too, so that damage is noticed.

    Raises:
        StoreError: if the file is missing, truncated, or not written by lopt; if its metadata is not what
            was expected.
    """
    with _reading(path) as file:
        _check_metadata(path, file.metadata, expect or {}, entries)
        for name in file.headers:
            _array(file.archive, name)
        return file.metadata


class _Open(NamedTuple):
    """A file that is open, as far as its headers tell."""

    archive: zipfile.ZipFile
    headers: Mapping[str, _Header]
    metadata: dict[str, Any]


@contextlib.contextmanager
def _reading(path: str | Path) -> Iterator[_Open]:
    """Open the array file at ``path``; whatever its bytes make a reader raise becomes a ``StoreError``."""
    try:
        file = open(path, "rb")
    except FileNotFoundError:
        raise StoreError(f"{path}: there is no such file") from None
    except OSError as error:
        raise StoreError(f"{path}: can't be read ({error.strerror or error})") from None
    with file:
        try:
            if file.read(6) == np.lib.format.MAGIC_PREFIX:
                raise StoreError(f"{path}: a single array (.npy), not an array file of lopt")
            with zipfile.ZipFile(file) as archive:
                headers = {info.filename: _header(archive, info) for info in archive.infolist()}
                if len(headers) < len(archive.infolist()):
                    raise ValueError("two entries of one name")
                metadata = _metadata(path, archive, headers.pop(f"{METADATA}.npy", None))
                named = {name.removesuffix(".npy"): head for name, head in headers.items()}
                yield _Open(archive, named, metadata)
        except StoreError:
            raise
        except Exception as error:
            # Bytes that are no archive make the readers of ZIP, NumPy and Python literals raise whatever
            # they like: BadZipFile, TokenError, RecursionError, MemoryError, UnicodeDecodeError, ...
            reason = brief(str(error)) or type(error).__name__
            raise StoreError(f"{path}: damaged, or not an array file of lopt ({reason})") from None


def _check_metadata(
    path: str | Path, metadata: Mapping[str, Any], expect: Mapping[str, Any], entries: Kind | None
) -> None:
    if entries is not None:
        require(path, metadata, entries)
    require_values(path, metadata, expect)


def require_values(
    path: str | Path, metadata: Mapping[str, Any], expect: Mapping[str, Any]
) -> None:
    """Check that metadata have the values that are expected of some of their entries.

    Raises:
        StoreError: naming the file, the entry, what was found and what was expected.
    """
    for name, wanted in expect.items():
        found = metadata.get(name)
        if found != wanted or isinstance(found, bool) != isinstance(wanted, bool):  # True == 1
            told = brief(json.dumps(metadata[name])) if name in metadata else "missing"
            raise StoreError(f"{path}: its {name} is {told}, expected {json.dumps(wanted)}")


def _header(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Header:
    """Read what an entry holds, and check that this is as much as it says.

    An entry that is not compressed can't be larger than the file: no few bytes unpack to gigabytes.
    """
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
        raise ValueError(f"{info.filename} is compressed")
    with archive.open(info) as entry:
        version = np.lib.format.read_magic(entry)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"{info.filename} is of a format that lopt does not write")
        read = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
        shape, _, dtype = read(entry, max_header_size=10_000)
        size = info.file_size - entry.tell()
    if dtype.hasobject:
        raise ValueError(f"{info.filename} holds Python objects")
    count = 1
    for length in shape:  # in integers of any size: a product of int64 may wrap around
        if type(length) is not int or length < 0:
            raise ValueError(f"{info.filename} has the shape {shape}")
        count *= length
    if count * dtype.itemsize != size:
        raise ValueError(f"{info.filename} has {size} bytes, expected {count * dtype.itemsize}")
    return _Header(dtype, shape)


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as entry:
        array = np.lib.format.read_array(entry, allow_pickle=False)
        entry.read()  # to the end, where the checksum is compared
    return array


def _metadata(path: str | Path, archive: zipfile.ZipFile, header: _Header | None) -> dict[str, Any]:
    metadata = None
    if header is not None and not header.shape and header.dtype.kind == "U":
        if header.dtype.itemsize > LARGEST_METADATA:
            raise ValueError(f"{header.dtype.itemsize} bytes of metadata")
        text = str(_array(archive, METADATA))
        try:
            metadata = json.loads(text)
        except (ValueError, RecursionError):
            pass
    if not isinstance(metadata, dict):
        raise StoreError(f"{path}: no metadata entry; not written by lopt")
    return metadata


def _check_kind(path: str | Path, name: str, array: np.ndarray | _Header) -> None:
    if array.dtype.hasobject:
        raise StoreError(f"{path}: {name} holds Python objects, expected numbers")


def _check_arrays(
    path: str | Path, kind: type[NamedTuple], arrays: Mapping[str, np.ndarray | _Header]
) -> None:
    if set(arrays) != set(kind._fields):
        wrong = sorted(set(arrays) ^ set(kind._fields))
        raise StoreError(
            f"{path}: missing or unknown arrays {brief(str(wrong))} for {kind.__name__}"
        )
    sizes: dict[str, tuple[int, ...]] = {}
    hints = get_type_hints(kind, include_extras=True)
    for name in kind._fields:
        array, hint = arrays[name], hints[name]
        _check_kind(path, name, array)
        if not hasattr(hint, "dim_str"):
            continue
        if hint.dtypes and array.dtype.name not in hint.dtypes:
            raise StoreError(f"{path}: {name} is {array.dtype.name}, expected {hint.__name__}")
        _check_shape(path, name, array.shape, hint.dim_str, sizes)


def _check_shape(
    path: str | Path, name: str, shape: tuple[int, ...], dims: str, sizes: dict[str, tuple]
) -> None:
    """Match ``shape`` with jaxtyping's dimension string; ``sizes`` remembers what names stand for."""
    names = dims.split()
    variadic = [i for i, dim in enumerate(names) if dim.startswith("*") or dim == "..."]
    if len(variadic) > 1 or len(shape) < len(names) - len(variadic):
        raise StoreError(f"{path}: {name} has shape {shape}, expected [{dims}]")
    if variadic:
        position, extra = variadic[0], len(shape) - len(names) + 1
        parts = [(n,) for n in shape[:position]] + [shape[position : position + extra]]
        parts += [(n,) for n in shape[position + extra :]]
    else:
        parts = [(n,) for n in shape]
    if len(parts) != len(names):
        raise StoreError(f"{path}: {name} has shape {shape}, expected [{dims}]")
    for dim, part in zip(names, parts, strict=True):
        if dim in ("...", "_"):
            continue
        expected = (int(dim),) if dim.isdigit() else sizes.setdefault(dim.lstrip("*"), part)
        if part != expected:
            size = expected if dim.startswith("*") else expected[0]
            raise StoreError(
                f"{path}: {name} has shape {shape}, expected [{dims}] with {dim} = {size}"
            )


def save_json(path: str | Path, value: Any) -> None:
    """Store a JSON value, readable by a person."""
    save_bytes(path, (json.dumps(value, indent=2) + "\n").encode())


def load_json(path: str | Path, kind: Kind | None = None) -> Any:
    """Return the JSON value at ``path``, which must be of ``kind``.

    Raises:
        StoreError: if the file is missing, not JSON, names an entry twice, or is not of its kind.
    """
    try:
        value = json.loads(load_bytes(path), object_pairs_hook=_without_repeats)
    except StoreError:
        raise
    except (ValueError, RecursionError) as error:  # integers of thousands of digits are ValueErrors
        raise StoreError(f"{path}: not JSON ({brief(str(error))})") from None
    if kind is not None:
        require(path, value, kind)
    return value


def require(path: str | Path, value: Any, kind: Kind) -> None:
    """Check that what stands in a file is of ``kind``.

    Raises:
        StoreError: naming the file, the entry, what was found and what was expected.
    """
    if found := complaint(value, kind):
        raise StoreError(f"{path}: {found}")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise ValueError("an entry stands there twice")
    return entries
