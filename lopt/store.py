"""Files: the only module of the package that reads or writes them.

Arrays are stored as ``.npz`` without pickle, one NamedTuple a file, with a JSON entry of metadata. The
NamedTuple's jaxtyping annotations are the file's schema: on save and on load every array is
checked for its dtype kind and shape, dimensions of the same name must agree across fields, and the file
must have been written from the same type. Every write is atomic: a reader sees the old
file or the new one, never half of one.
"""

import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, TypeVar, get_type_hints

import numpy as np
import pandas as pd

__all__ = [
    "StoreError",
    "load",
    "load_bytes",
    "load_json",
    "load_metadata",
    "load_table",
    "save",
    "save_bytes",
    "save_json",
    "save_table",
    "write_atomically",
]

SCHEMA_VERSION = 1
METADATA = "metadata"
# What reading a damaged archive raises, found by flipping every bit of one (RuntimeError: an entry that
# claims to be encrypted or of an unknown compression).
DAMAGE = (OSError, EOFError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)
Record = TypeVar("Record", bound=tuple)


class StoreError(ValueError):
    """A file is missing, damaged, or not what was expected; the message names it."""


def write_atomically(path: str | Path, write: Callable[[IO[bytes]], None]) -> None:
    """Call ``write`` with a temporary file beside ``path``, then move it into place.

    Raises:
        StoreError: if the disk is full or read-only, or the like; what stood at ``path`` still does.
    """
    path = Path(path)
    try:
        _write_beside_and_move(path, write)
    except OSError as error:
        raise StoreError(
            f"{path}: can't be written ({error.strerror or error}). Once that is remedied, run the same "
            "command again: finished results are kept, and a training goes on from its checkpoint"
        ) from error


def _write_beside_and_move(path: Path, write: Callable[[IO[bytes]], None]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def save(path: str | Path, record: tuple, metadata: Mapping[str, Any] | None = None) -> None:
    """Store a NamedTuple of arrays with its metadata.

    Raises:
        StoreError: if an array does not have the shape or kind that its annotation states.
    """
    arrays = {name: np.asarray(value) for name, value in record._asdict().items()}
    _check_arrays(path, type(record), arrays)
    entry = {
        **(metadata or {}),
        "schema": type(record).__name__,
        "schema_version": SCHEMA_VERSION,
    }
    arrays[METADATA] = np.array(json.dumps(entry, sort_keys=True))
    write_atomically(path, lambda file: np.savez(file, allow_pickle=False, **arrays))


def load(path: str | Path, kind: type[Record]) -> tuple[Record, dict[str, Any]]:
    """Return the NamedTuple of type ``kind`` stored at ``path``, and its metadata.

    Raises:
        StoreError: if the file is missing, truncated, of another schema or version, holds pickled
            objects, or holds arrays of another shape; the message says which.
    """
    arrays, metadata = _read(path)
    found = metadata.get("schema"), metadata.get("schema_version")
    if found != (kind.__name__, SCHEMA_VERSION):
        raise StoreError(
            f"{path}: holds {found[0]} (version {found[1]}), expected {kind.__name__} "
            f"(version {SCHEMA_VERSION})"
        )
    _check_arrays(path, kind, arrays)
    return kind(**arrays), metadata


def load_metadata(path: str | Path) -> dict[str, Any]:
    """Return the metadata of the arrays stored at ``path``, of whichever type they are.

    Raises:
        StoreError: if the file is missing, truncated, or not written by lopt.
    """
    return _read(path)[1]


def _read(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    try:
        with open(path, "rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise StoreError(f"{path}: a single array (.npy), not an array file of lopt")
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise StoreError(f"{path}: there is no such file") from None
    except StoreError:
        raise
    except DAMAGE as error:
        raise StoreError(f"{path}: damaged, or not an array file of lopt ({error})") from None
    try:
        metadata = json.loads(str(arrays.pop(METADATA)))
    except (KeyError, json.JSONDecodeError):
        metadata = None
    if not isinstance(metadata, dict):
        raise StoreError(f"{path}: no metadata entry; not written by lopt")
    return arrays, metadata


def _check_arrays(path: str | Path, kind: type[tuple], arrays: Mapping[str, np.ndarray]) -> None:
    if set(arrays) != set(kind._fields):
        wrong = sorted(set(arrays) ^ set(kind._fields))
        raise StoreError(f"{path}: missing or unknown arrays {wrong} for {kind.__name__}")
    sizes: dict[str, tuple[int, ...]] = {}
    hints = get_type_hints(kind, include_extras=True)
    for name in kind._fields:
        array, hint = arrays[name], hints[name]
        if array.dtype.hasobject:
            raise StoreError(f"{path}: {name} holds Python objects, expected numbers")
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


def save_bytes(path: str | Path, content: bytes) -> None:
    """Store ``content`` as it is."""
    write_atomically(path, lambda file: file.write(content))


def load_bytes(path: str | Path) -> bytes:
    """Return the content of the file at ``path``.

    Raises:
        StoreError: if the file is missing.
    """
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise StoreError(f"{path}: there is no such file") from None


def save_table(path: str | Path, table: pd.DataFrame) -> None:
    """Store a tidy table as CSV, floats with nine digits: all of a float32."""
    write_atomically(path, lambda file: table.to_csv(file, index=False, float_format="%.9g"))


def load_table(path: str | Path, columns: tuple[str, ...] = ()) -> pd.DataFrame:
    """Return the table at ``path``, which must have at least ``columns``.

    Raises:
        StoreError: if the file is missing or unreadable, or lacks a column.
    """
    try:
        table = pd.read_csv(path)
    except FileNotFoundError:
        raise StoreError(f"{path}: there is no such file") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: not a readable table ({error})") from None
    missing = [column for column in columns if column not in table]
    if missing:
        raise StoreError(f"{path}: lacks the columns {missing}; it has {list(table)}")
    return table


def save_json(path: str | Path, value: Any) -> None:
    """Store a JSON value, readable by a person."""
    save_bytes(path, (json.dumps(value, indent=2) + "\n").encode())


def load_json(path: str | Path) -> Any:
    """Return the JSON value at ``path``.

    Raises:
        StoreError: if the file is missing or not JSON.
    """
    try:
        return json.loads(load_bytes(path))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: not JSON ({error})") from None
