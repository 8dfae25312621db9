"""Where released weights lie: found before a job takes them.

    find("weights", [here, repository])     the first folder of that name that holds released weights
    shipped()                                 those that came with the package
    is_shipped(folder)                        whether the folder is that one
    unpack(tree, "weights", folder)         those of a Git tree, in a folder of their own

What marks a folder of released weights (``lopt.weights``) is its list of checksums.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lopt.records.atomic import StoreError
from lopt.records.checksums import SUMS

__all__ = ["find", "is_shipped", "shipped", "unpack"]

PACKAGE = Path(__file__).parents[1]
PLACES = (PACKAGE / "released", PACKAGE.parent / "weights")


def find(name: str, places: Iterable[str | Path]) -> Path | None:
    """Return the first folder ``name`` of ``places`` that holds released weights, or None."""
    for place in places:
        if (folder := Path(place, name)).joinpath(SUMS).is_file():
            return folder
    return None


def shipped() -> Path:
    """Return the folder of the released weights that came with the package: in it, or beside it in a clone.

    Raises:
        StoreError: if neither is there.
    """
    for folder in PLACES:
        if (folder / SUMS).is_file():
            return folder
    raise StoreError(
        f"{PACKAGE}: this copy of lopt came without released weights; give the folder that has them: "
        'load_released("weights", "linear_regression", seed=0)'
    )


def is_shipped(folder: str | Path) -> bool:
    """Return whether this is the folder of the released weights that came with the package."""
    return Path(folder).resolve() in [place.resolve() for place in PLACES]


def unpack(tree: Any, name: str, folder: str | Path) -> Path | None:
    """Write the released weights called ``name`` in a Git tree (``git.Tree``) below ``folder``, byte by byte.

    Return where they are, or None if the tree has none: a folder named after their content, which is left as
    it is when it is there already.
    """
    try:
        inner = tree / Path(name).as_posix()
        _ = inner / SUMS
    except (KeyError, TypeError):  # there is no such entry; it is a file
        return None
    place = Path(folder) / inner.hexsha
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".") as temporary:
            unfinished = Path(temporary, "files")
            for blob in inner.traverse(lambda entry, _: entry.type == "blob"):
                path = unfinished / Path(blob.path).relative_to(inner.path)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(blob.data_stream.read())
            try:
                unfinished.rename(place)
            except OSError:
                if not place.is_dir():  # otherwise another process was faster
                    raise
    return place
