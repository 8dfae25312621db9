"""All optimizers of a task in one compressed file: how those of a census are gathered, and shipped.

    gru_32/seed_0/theta.npz, run.json, curve.csv        as they were stored, byte by byte
    baselines/momentum/best.json, trials.csv

A ZIP archive whose entries have no dates: the same optimizers make the same bytes. Reading one is bounded: an
archive that would unpack to more than ``LARGEST`` bytes, or whose entries have names of other kinds, is
refused before anything of it is unpacked.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from lopt.records.atomic import StoreError
from lopt.records.store import load_bytes, save_bytes

__all__ = ["LARGEST", "load_collection", "pack", "unpack", "unpacked_seeds"]

LARGEST = 2**30  # bytes, unpacked
NAME = re.compile(r"[a-z][a-z0-9_]*/[a-z0-9_]+/[a-z]+\.(npz|json|csv)")
METHODS = (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED)
EARLIEST = (1980, 1, 1, 0, 0, 0)  # that a ZIP archive can say


def pack(path: str | Path, files: Mapping[str, bytes]) -> None:
    """Store ``files`` as one compressed archive.

    Raises:
        StoreError: if a name is not one of a collection, or the archive can't be written.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            if not NAME.fullmatch(name):
                raise StoreError(f"{path}: {name} is no name of a file in a collection")
            entry = zipfile.ZipInfo(name, EARLIEST)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name])
    save_bytes(path, buffer.getvalue())


def load_collection(path: str | Path) -> dict[str, bytes]:
    """Return the files of a collection by their names.

    Raises:
        StoreError: if it is missing, damaged, too large, or no collection.
    """
    content = load_bytes(path)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            for name in names:
                if not NAME.fullmatch(name):
                    raise StoreError(
                        f"{path}: holds {name[:80]!r}, which is no file of a collection"
                    )
            if any(entry.compress_type not in METHODS for entry in entries):
                raise StoreError(f"{path}: damaged, or not compressed as a collection is")
            if len(set(names)) < len(names):
                raise StoreError(f"{path}: holds two files of one name")
            size = sum(entry.file_size for entry in entries)
            if size > LARGEST:
                raise StoreError(
                    f"{path}: would unpack to {size} bytes, expected {LARGEST} at most"
                )
            # Python reads no more of an entry than the size that it states.
            return {name: archive.read(name) for name in names}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise StoreError(f"{path}: damaged, or not a collection of optimizers ({error})") from None


def unpack(files: Mapping[str, bytes], folder: str | Path) -> None:
    """Write the files of a collection below ``folder``."""
    for name, content in files.items():
        save_bytes(Path(folder) / name, content)


def unpacked_seeds(files: Mapping[str, bytes], variant: str) -> list[int]:
    """Return the seeds of a variant that a collection holds, ascending.

    >>> unpacked_seeds({"gru/seed_10/theta.npz": b"", "gru/seed_2/theta.npz": b""}, "gru")
    [2, 10]
    """
    found = (re.fullmatch(rf"{variant}/seed_(\d+)/theta\.npz", name) for name in files)
    return sorted(int(match[1]) for match in found if match)
