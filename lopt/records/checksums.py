"""Checksums of the files below a folder: those that it states and those that it has.

    stated(folder)      from its SHA256SUMS, a line per file as sha256sum writes it
    found(folder)       computed
    require(folder, sums)   that it has these and no others

All are {name within the folder: SHA-256 as 64 hexadecimal digits}.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from lopt.records.atomic import StoreError, load_bytes
from lopt.records.entries import brief

__all__ = ["SUMS", "found", "of_file", "require", "stated"]

SUMS = "SHA256SUMS"


def stated(folder: str | Path) -> Mapping[str, str]:
    """Return the checksums that ``folder`` states in its list of them.

    Raises:
        StoreError: if there is no list, or a line of it is no checksum and name.
    """
    path, sums = Path(folder) / SUMS, {}
    for number, line in enumerate(load_bytes(path).decode(errors="replace").splitlines(), 1):
        digest, name = line[:64], line[66:]
        if not name or set(digest) - set("0123456789abcdef"):
            raise StoreError(
                f"{path}, line {number}: expected a SHA-256 and a name, found {brief(repr(line), 60)}"
            )
        sums[name] = digest
    return sums


def found(folder: str | Path) -> dict[str, str]:
    """Return the checksums of the files below ``folder``, hidden ones left out."""
    return {
        path.relative_to(folder).as_posix(): of_file(path)
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def require(folder: str | Path, sums: Mapping[str, str]) -> None:
    """Check that the files below ``folder`` are those of ``sums``, hidden ones left out.

    Raises:
        StoreError: naming one that is missing, changed, or not among them.
    """
    there = found(folder)
    for name in sorted({*sums, *there}):
        if sums.get(name) != there.get(name):
            what = "missing" if name not in there else "changed" if name in sums else "another's"
            raise StoreError(
                f"{Path(folder) / name}: {what}, says the list of the folder's files; to make it anew, "
                "delete the folder"
            )


def of_file(path: str | Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        StoreError: if it can't be read.
    """
    return hashlib.sha256(load_bytes(path)).hexdigest()
