"""Arrays that others stored, by name: from a safetensors or an npz file.

An npz file is a ZIP archive of npy files; pickled objects are refused. What an entry claims is compared with
the file's size before memory is taken for it. The other format is that of ``lopt.records.safetensors``.
"""

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from lopt.records import safetensors
from lopt.records.entries import brief
from lopt.records.store import StoreError, load_bytes

__all__ = ["read_arrays"]

LARGEST_UNPACKED = 2**33  # bytes of a compressed array
ZIP = b"PK\x03\x04"


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Return every array of a safetensors or npz file by its name.

    Which of the two it is says its first bytes, not its name. Half-precision numbers become float32.

    Raises:
        StoreError: if the file is missing, damaged, or neither; the message says where.
    """
    content = load_bytes(path)
    if content[:4] == ZIP:
        return _widened(_from_npz(path))
    if content[:6] == np.lib.format.MAGIC_PREFIX:
        raise StoreError(f"{path}: a single array (.npy), which has no name; expected .npz")
    return _widened(safetensors.parse(path, content))


def _widened(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        name: array.astype(np.float32) if array.dtype == np.float16 else array
        for name, array in arrays.items()
    }


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
                arrays[name] = array
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
