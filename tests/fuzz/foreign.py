"""Damaged files of foreign arrays: safetensors and npz, with bytes changed, cut off or put in."""

import io
import json
from pathlib import Path

import numpy as np

import lopt

__all__ = ["attempt"]


def attempt(random: np.random.Generator, folder: Path) -> None:
    """Damage one file; it is read as arrays of numbers, or refused with a StoreError."""
    content = bytearray(_safetensors(random) if random.random() < 0.6 else _npz(random))
    for _ in range(random.integers(1, 5)):
        place = int(random.integers(0, len(content)))
        kind = random.integers(0, 4)
        if kind == 0:
            content[place] = random.integers(0, 256)
        elif kind == 1:
            del content[place : place + int(random.integers(1, 20))]
        elif kind == 2:
            content[place:place] = bytes(random.integers(0, 256, 4, np.uint8))
        else:  # a digit of a header becomes another
            digits = [at for at, byte in enumerate(content[:2000]) if chr(byte).isdigit()]
            if digits:
                content[random.choice(digits)] = ord(str(random.integers(0, 10)))
        if not content:
            content = bytearray(b"x")
    path = folder / "arrays"
    path.write_bytes(bytes(content))
    try:
        found = lopt.read_arrays(path)
    except lopt.StoreError as error:
        assert str(path) in str(error) and len(str(error)) < 2000
        return
    for name, array in found.items():
        assert isinstance(name, str) and array.dtype.kind in "fiub", array.dtype


def _arrays(random: np.random.Generator) -> dict[str, np.ndarray]:
    kinds = [np.float32, np.float64, np.int64, np.uint8]
    return {
        f"layer/{place}": random.integers(
            0, 9, random.integers(0, 4, random.integers(0, 4))
        ).astype(kinds[random.integers(0, len(kinds))])
        for place in range(random.integers(1, 5))
    }


def _safetensors(random: np.random.Generator) -> bytes:
    names = {"float32": "F32", "float64": "F64", "int64": "I64", "uint8": "U8"}
    header, data = {}, b""
    for name, array in _arrays(random).items():
        raw = np.asarray(array).tobytes()
        header[name] = {
            "dtype": names[np.asarray(array).dtype.name],
            "shape": list(np.shape(array)),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def _npz(random: np.random.Generator) -> bytes:
    file = io.BytesIO()
    save = np.savez if random.random() < 0.5 else np.savez_compressed
    save(file, **_arrays(random))
    return file.getvalue()
