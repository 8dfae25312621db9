"""Released optimizers and tuned baselines, taken from their folder after their checksums were found right.

    theta, metadata = load_released("linear_regression", seed=0)
    optimizer = make_family(metadata["optimizer"]).build(theta)     # an optax.GradientTransformation

``take`` copies one file: scales of the workflow that name the folder use it in place of meta-training and
tuning. How folders are filled: ``lopt.weights``.
"""

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any, overload

from lopt.learned.stored import load_optimizer
from lopt.records import released, store, tables
from lopt.records.checksums import SUMS, stated
from lopt.records.store import StoreError

__all__ = ["check_those_that_stay", "checked", "digest", "load_released", "take"]


def take(folder: str | Path, name: str, output: str | Path) -> None:
    """Copy the released file ``name`` to ``output``, byte by byte.

    Raises:
        StoreError: if the file is missing, has no checksum, or is not what the checksum says.
    """
    content = checked(Path(folder), name)
    store.save_bytes(output, content)
    if name.endswith(".csv"):
        tables.write_checksum(output, content)


@overload
def load_released(task: str, /, *, seed: int = 0) -> tuple[Any, dict[str, Any]]: ...
@overload
def load_released(folder: str | Path, task: str, seed: int) -> tuple[Any, dict[str, Any]]: ...
def load_released(
    folder: str | Path, task: str | None = None, seed: int = 0
) -> tuple[Any, dict[str, Any]]:
    """Return a released optimizer's theta and metadata.

    >>> theta, metadata = load_released("linear_regression", seed=0)
    >>> metadata["optimizer"]["units"], theta.recurrent_weights.shape
    (256, (256, 768))

    With one name it is one of those that ship with lopt; with a folder, one of that folder's.

    ``lopt.make_family(metadata["optimizer"])`` is its family; ``metadata`` also has what it was
    trained on and with, where, and how it scores on held-out problems.

    Raises:
        StoreError: as ``take``, and if the file does not hold a theta of this task and seed.
        TypeError: if a seed stands where a task should.
    """
    if task is not None and not isinstance(task, str):
        raise TypeError(
            f"with one name the seed has to be called so: load_released({str(folder)!r}, seed={task!r})"
        )
    if task is None:
        folder, task = released.shipped(), str(folder)
    name = f"{task}/seed_{seed}.npz"
    known = [each for each in stated(folder) if each.endswith(".npz")]
    if name not in known and not (Path(folder) / name).exists():
        there = ", ".join(each.removesuffix(".npz") for each in known) or "none"
        raise StoreError(f"{Path(folder) / name}: there is no such file; released are {there}")
    checked(Path(folder), name)
    _, theta, metadata = load_optimizer(Path(folder) / name, task=task, seed=seed)
    return theta, metadata


def checked(folder: Path, name: str) -> bytes:
    """Return the content of the released file ``name``.

    Raises:
        StoreError: as ``take``.
    """
    sums = stated(folder)
    content = store.load_bytes(folder / name)
    if name not in sums:
        raise StoreError(f"{folder / name}: {folder / SUMS} has no checksum for it")
    if digest(content) != sums[name]:
        raise StoreError(
            f"{folder / name}: its SHA-256 is {digest(content)}, but {folder / SUMS} says "
            f"{sums[name]}; it is damaged or was changed"
        )
    return content


def check_those_that_stay(folder: Path, replaced: Collection[str] = ()) -> None:
    """Check the released files that a new release does not replace: it states checksums for them anew.

    Raises:
        StoreError: if one is not what its checksum says.
    """
    if (folder / SUMS).exists():
        for name in stated(folder):
            if name not in replaced and (folder / name).exists():
                checked(folder, name)


def digest(content: bytes) -> str:
    """Return the SHA-256 of a file's content."""
    return hashlib.sha256(content).hexdigest()
