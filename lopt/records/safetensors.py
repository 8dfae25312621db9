r"""Arrays by name in the safetensors format, which readers in many languages have: no code, no pickle.

    8 bytes            N, the length of the header, little-endian
    N bytes            JSON: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...};
                       an entry "__metadata__" maps texts to texts; padded with spaces to a multiple of 8
    the rest           the arrays' bytes, little-endian, C order, without gaps

Bits are kept. Readers of other languages need nothing of lopt:

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

__all__ = ["read", "read_metadata", "write"]

METADATA = "__metadata__"
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
    """Return the arrays by name, in the order in which they lie.

    Raises:
        StoreError: if the file is missing, or is not what its header says.
    """
    header, data = _open(path)
    header.pop(METADATA, None)
    arrays: dict[str, np.ndarray] = {}
    expected = 0
    try:
        for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
            kind, shape = np.dtype(DTYPES[entry["dtype"]]), tuple(entry["shape"])
            begin, end = entry["data_offsets"]
            if begin != expected or end - begin != math.prod(shape) * kind.itemsize:
                raise ValueError(f"{name} has the bytes {begin} to {end}")
            if not all(type(length) is int and length >= 0 for length in shape):
                raise ValueError(f"{name} has the shape {list(shape)}")
            found = np.frombuffer(data[begin:end], kind).reshape(shape)
            arrays[name] = found.astype(kind.newbyteorder("="))
            expected = end
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(f"{path}: damaged, its header is wrong ({brief(str(error))})") from None
    if expected != len(data):
        raise StoreError(f"{path}: damaged, {len(data)} bytes of arrays in place of {expected}")
    return arrays


def read_metadata(path: str | Path) -> dict[str, str]:
    """Return the texts by name.

    Raises:
        StoreError: if the file is missing or damaged.
    """
    found = _open(path)[0].get(METADATA, {})
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise StoreError(f"{path}: damaged, its metadata are no texts by name")
    return found


def _open(path: str | Path) -> tuple[dict[str, Any], bytes]:
    """Return the header and the bytes after it."""
    content = load_bytes(path)
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > len(content) - 8:
        raise StoreError(f"{path}: no safetensors file, or cut off after {len(content)} bytes")
    try:
        header = json.loads(content[8 : 8 + length], object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path}: no safetensors file ({brief(str(error))})") from None
    if not isinstance(header, dict):
        raise StoreError(f"{path}: no safetensors file, its header is {brief(str(header))}")
    return header, content[8 + length :]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise ValueError("an entry stands there twice")
    return entries
