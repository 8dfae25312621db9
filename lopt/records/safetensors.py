r"""Arrays by name in the safetensors format, which readers in many languages have: no code, no pickle.

    8 bytes            N, the length of the header, little-endian
    N bytes            JSON: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...};
                       an entry "__metadata__" maps texts to texts; padded with spaces to a multiple of 8
    the rest           the arrays' bytes, little-endian, C order, without gaps or overlaps

Bits are kept; bfloat16, which NumPy has not, becomes float32. Whatever is not as it says ends with an error
that names file and array: offsets beyond the end, shared bytes, a length that the shape does not have. What
an entry claims is compared with the file's size before memory is taken for it. Readers of other languages
need nothing of lopt:

    safetensors.numpy.load_file("theta.safetensors")

Source: the format's own description, github.com/huggingface/safetensors, README.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lopt.records.entries import brief
from lopt.records.store import StoreError, load_bytes, save_bytes

__all__ = ["parse", "read", "read_metadata", "write"]

METADATA = "__metadata__"
LARGEST_SIDES = np.iinfo(np.intp).max // 8  # all of an array's that are not 0, multiplied
LARGEST_HEADER = 100_000_000  # bytes, as in the reference reader
DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
}
NAMES = {text: name for name, text in DTYPES.items()}
BFLOAT16 = "BF16"  # the upper half of a float32: read, not written
ITEM_SIZES = {name: np.dtype(kind).itemsize for name, kind in DTYPES.items()} | {BFLOAT16: 2}


def write(
    path: str | Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None
) -> None:
    """Store arrays by name, and texts by name; equal content gives equal bytes.

    Raises:
        StoreError: if an array is of a kind that the format has not, or the file can't be written.
    """
    header: dict[str, Any] = {METADATA: dict(metadata)} if metadata else {}
    parts: list[bytes] = []
    begin = 0
    for name, value in arrays.items():
        array = np.asarray(value)
        kind = array.dtype.newbyteorder("<").str
        if kind not in NAMES or name == METADATA:
            raise StoreError(f"{path}: {name} is {array.dtype}; the format has {', '.join(DTYPES)}")
        # In C order; unlike ascontiguousarray, this leaves a number without dimensions one.
        parts.append(array.astype(kind, copy=False).tobytes(order="C"))
        end = begin + len(parts[-1])
        header[name] = {
            "dtype": NAMES[kind],
            "shape": list(array.shape),
            "data_offsets": [begin, end],
        }
        begin = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    save_bytes(path, b"".join([len(text).to_bytes(8, "little"), text, *parts]))


def read(path: str | Path) -> dict[str, np.ndarray]:
    """Return the arrays by name, in the order in which the header has them.

    Raises:
        StoreError: if the file is missing, or is not what its header says.
    """
    return parse(path, load_bytes(path))


def read_metadata(path: str | Path) -> dict[str, str]:
    """Return the texts by name.

    Raises:
        StoreError: if the file is missing or damaged.
    """
    found = _header(path, load_bytes(path))[0].get(METADATA, {})
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise StoreError(f"{path}: damaged, its metadata are no texts by name")
    return found


def parse(path: str | Path, content: bytes) -> dict[str, np.ndarray]:
    """Return the arrays in the bytes of a file; ``path`` is what errors call it.

    Raises:
        StoreError: if the content is not what its header says.
    """
    header, data = _header(path, content)
    header.pop(METADATA, None)
    spans = []
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
    if not isinstance(dtype, str) or dtype not in ITEM_SIZES:
        raise StoreError(
            f"{where} has the dtype {brief(str(dtype))}, expected one of {', '.join(ITEM_SIZES)}"
        )
    for part, value in (("shape", shape), ("data_offsets", offsets)):
        # In integers of any size: True is none, and a product of int64 may wrap around.
        if not isinstance(value, list) or not all(type(n) is int and n >= 0 for n in value):
            raise StoreError(f"{where} has the {part} {brief(str(value))}, expected integers >= 0")
    if len(offsets) != 2 or not offsets[0] <= offsets[1] <= available:
        raise StoreError(
            f"{where} has the data_offsets {brief(str(offsets))}, but there are {available} bytes"
        )
    wanted = math.prod(shape) * ITEM_SIZES[dtype]
    if offsets[1] - offsets[0] != wanted:
        raise StoreError(
            f"{where} has {offsets[1] - offsets[0]} bytes, but {dtype} of shape {brief(str(shape))} has "
            f"{brief(str(wanted))}"
        )
    if len(shape) > 32:
        raise StoreError(f"{where} has {len(shape)} dimensions")
    if math.prod(filter(None, shape)) > LARGEST_SIDES:  # NumPy refuses them even where one is 0
        raise StoreError(f"{where} has the shape {brief(str(shape))}, larger than any array")
    return offsets[0], offsets[1]


def _header(path: str | Path, content: bytes) -> tuple[dict[str, Any], memoryview]:
    """Return the header and the bytes after it."""
    if len(content) < 8:
        raise StoreError(f"{path}: no safetensors file: {len(content)} bytes, too few for one")
    length = int.from_bytes(content[:8], "little")
    if length > min(LARGEST_HEADER, len(content) - 8):
        raise StoreError(
            f"{path}: no safetensors file, or cut off: its first bytes say that a header of "
            f"{length} bytes follows, but {len(content) - 8} bytes do"
        )
    try:
        header = json.loads(content[8 : 8 + length].decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise StoreError(
            f"{path}: no safetensors file: its header is no JSON ({brief(str(error))})"
        ) from None
    if not isinstance(header, dict):
        raise StoreError(f"{path}: no safetensors file: its header is a {type(header).__name__}")
    return header, memoryview(content)[8 + length :]


def _decoded(data: memoryview, dtype: str, shape: list[int]) -> np.ndarray:
    if dtype == BFLOAT16:
        halves = np.frombuffer(data, "<u2").reshape(shape).astype("<u4")
        return (halves << 16).view("<f4").astype(np.float32)
    if dtype == "BOOL":
        return np.frombuffer(data, "u1").reshape(shape) != 0
    # In the machine's own byte order, and a copy that can be written to.
    array = np.frombuffer(data, DTYPES[dtype]).reshape(shape)
    return array.astype(array.dtype.newbyteorder("="))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise ValueError("a name stands there twice")
    return entries
