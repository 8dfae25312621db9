r"""Arrays that others stored, by name: from a safetensors or an npz file.

A safetensors file is

    8 bytes            N, the length of the header, little-endian
    N bytes            JSON: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...};
                       an entry "__metadata__" maps texts to texts
    the rest           the arrays' bytes, little-endian, C order, without gaps or overlaps

and holds numbers only. An npz file is a ZIP archive of npy files; pickled objects are refused.
Whatever is not as it says ends with an error that names file and array: offsets beyond the end, shared
bytes, a length that the shape does not have. What an entry claims is compared with the file's size before
memory is taken for it.

Source: the format's own description, github.com/huggingface/safetensors, README.
"""

import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lopt.records.entries import brief
from lopt.records.store import StoreError, load_bytes

__all__ = ["read_arrays"]

LARGEST_HEADER = 100_000_000  # bytes, as in the reference reader
LARGEST_UNPACKED = 2**33  # bytes of a compressed array
DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",  # the upper half of a float32
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "u1",
}
ZIP = b"PK\x03\x04"


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Return every array of a safetensors or npz file by its name.

    Which of the two it is says its first bytes, not its name. Half-precision numbers become float32.

    Raises:
        StoreError: if the file is missing, damaged, or neither; the message says where.
    """
    content = load_bytes(path)
    if content[:4] == ZIP:
        return _from_npz(path)
    if content[:6] == np.lib.format.MAGIC_PREFIX:
        raise StoreError(f"{path}: a single array (.npy), which has no name; expected .npz")
    return _from_safetensors(path, content)


def _from_safetensors(path: str | Path, content: bytes) -> dict[str, np.ndarray]:
    if len(content) < 8:
        raise StoreError(f"{path}: {len(content)} bytes, too few for a safetensors or npz file")
    length = int.from_bytes(content[:8], "little")
    if length > min(LARGEST_HEADER, len(content) - 8):
        raise StoreError(
            f"{path}: neither npz nor safetensors, or cut off: its first bytes say that a header of "
            f"{length} bytes follows, but {len(content) - 8} bytes do"
        )
    try:
        header = json.loads(content[8 : 8 + length].decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise StoreError(
            f"{path}: the header is not that of a safetensors file ({brief(str(error))})"
        ) from None
    if not isinstance(header, dict):
        raise StoreError(f"{path}: the header is a {type(header).__name__}, expected an object")
    header.pop("__metadata__", None)
    data, spans = memoryview(content)[8 + length :], []
    for name, entry in header.items():
        spans.append((*_span(f"{path}: {brief(name)}", entry, len(data)), name))
    end = 0
    for begin, stop, name in sorted(spans, key=lambda span: span[:2]):
        if begin != end:
            what = "shares bytes with another array" if begin < end else "follows a gap"
            raise StoreError(f"{path}: {brief(name)} {what}: it begins at {begin}, expected {end}")
        end = stop
    if end != len(data):
        raise StoreError(f"{path}: {len(data)} bytes of data, but the arrays have {end}")
    return {
        name: _decoded(data[begin:stop], header[name]["dtype"], header[name]["shape"])
        for begin, stop, name in spans
    }


def _span(where: str, entry: Any, available: int) -> tuple[int, int]:
    """Return the bytes of an array, if what is said of it fits together."""
    if not isinstance(entry, Mapping) or not {"dtype", "shape", "data_offsets"} <= set(entry):
        raise StoreError(f"{where} is {brief(str(entry))}, expected dtype, shape and data_offsets")
    dtype, shape, offsets = (entry[part] for part in ("dtype", "shape", "data_offsets"))
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise StoreError(
            f"{where} has the dtype {brief(str(dtype))}, expected one of {', '.join(DTYPES)}"
        )
    for part, value in (("shape", shape), ("data_offsets", offsets)):
        # In integers of any size: True is none, and a product of int64 may wrap around.
        if not isinstance(value, list) or not all(type(n) is int and n >= 0 for n in value):
            raise StoreError(f"{where} has the {part} {brief(str(value))}, expected integers >= 0")
    if len(offsets) != 2 or not offsets[0] <= offsets[1] <= available:
        raise StoreError(
            f"{where} has the data_offsets {brief(str(offsets))}, but there are {available} bytes"
        )
    wanted = math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize
    if offsets[1] - offsets[0] != wanted:
        raise StoreError(
            f"{where} has {offsets[1] - offsets[0]} bytes, but {dtype} of shape {brief(str(shape))} has "
            f"{brief(str(wanted))}"
        )
    if len(shape) > 32:
        raise StoreError(f"{where} has {len(shape)} dimensions")
    return offsets[0], offsets[1]


def _decoded(data: memoryview, dtype: str, shape: list[int]) -> np.ndarray:
    array = np.frombuffer(data, DTYPES[dtype]).reshape(shape)
    if dtype == "BF16":
        return (array.astype("<u4") << 16).view("<f4").astype(np.float32)
    if dtype == "BOOL":
        return array != 0
    # In the machine's own byte order, and a copy that can be written to.
    kind = np.float32 if dtype == "F16" else array.dtype.newbyteorder("=")
    return array.astype(kind)


def _from_npz(path: str | Path) -> dict[str, np.ndarray]:
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if not info.filename.endswith(".npy"):
                    raise ValueError(f"{info.filename} is no array")
                name = info.filename.removesuffix(".npy")
                if name in arrays:
                    raise ValueError(f"{name} stands there twice")
                if info.file_size > LARGEST_UNPACKED:
                    raise ValueError(f"{name} claims {info.file_size} bytes")
                with archive.open(info) as entry:
                    array = _npy(entry, info.file_size)
                if array.dtype.kind not in "fiub":
                    raise ValueError(f"{name} is {array.dtype}, expected numbers")
                arrays[name] = array.astype(np.float32) if array.dtype == np.float16 else array
    except Exception as error:
        # Bytes that are no archive make the readers of ZIP, NumPy and Python literals raise whatever they
        # like.
        reason = brief(str(error)) or type(error).__name__
        raise StoreError(f"{path}: damaged, or not an npz file of numbers ({reason})") from None
    return arrays


def _npy(entry: Any, size: int) -> np.ndarray:
    """Return the array of an npy file, if it is as long as its header says."""
    version = np.lib.format.read_magic(entry)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(f"the version {version} of the npy format")
    read = {1: np.lib.format.read_array_header_1_0}.get(
        version[0], np.lib.format.read_array_header_2_0
    )
    shape, fortran, dtype = read(entry, max_header_size=10_000)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    content = entry.read()
    count = math.prod(shape)
    if any(length < 0 for length in shape) or count * dtype.itemsize != len(content):
        raise ValueError(f"{len(content)} bytes, expected {count * dtype.itemsize}")
    array = np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
    return array.astype(dtype.newbyteorder("="))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise ValueError("a name stands there twice")
    return entries
