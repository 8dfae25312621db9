"""A checkpoint of a long computation: atomic, locked, and refused when it is not this computation's.

    with Checkpoint.locked(path, identity) as checkpoint:
        state, rows = checkpoint.load(template) or (None, [])
        ...
        checkpoint.save(state, rows)       # as often as you like: writes at most every `seconds`
        checkpoint.remove()                # after the results are stored

``identity`` describes all that the computation depends on (settings, seed, code, versions). A
checkpoint with another identity, or a damaged one, is refused: ``refusal`` says why and ``load``
returns None. The lock is a file lock of the operating system: it goes when the process does, however that
ends, and keeps a second copy of the same job (a requeued cluster job, say) from running beside the first.
"""

import contextlib
import fcntl
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import PyTree

from lopt import store

__all__ = ["Checkpoint", "CheckpointLockedError"]


class CheckpointLockedError(RuntimeError):
    """Another process is running this very computation."""


class _Leaves(NamedTuple):
    """A pytree's leaves as bytes, end to end; shapes and dtypes are the template's."""

    data: np.ndarray
    sizes: np.ndarray


class Checkpoint:
    """The checkpoint file of one computation; use ``Checkpoint.locked``."""

    def __init__(self, path: Path, identity: Mapping[str, Any], seconds: float) -> None:
        self.path, self.identity, self.seconds = path, dict(identity), seconds
        self.refusal: str | None = None
        self._saved_at = time.monotonic()

    @classmethod
    @contextlib.contextmanager
    def locked(
        cls, path: str | Path, identity: Mapping[str, Any], seconds: float = 30.0
    ) -> Iterator["Checkpoint"]:
        """Hold the computation's lock.

        Raises:
            CheckpointLockedError: if another process holds it.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        lock_path = path.with_name(path.name + ".lock")
        with open(lock_path, "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CheckpointLockedError(
                    f"{lock_path} is locked: another process is computing this; wait for it or end it"
                ) from None
            yield cls(path, identity, seconds)
            lock_path.unlink(missing_ok=True)

    def load(self, template: PyTree) -> tuple[PyTree, list[Any]] | None:
        """Return the stored state, shaped as ``template``, and rows; None if there is none to use."""
        if not self.path.exists():
            return None
        try:
            leaves, metadata = store.load(self.path, _Leaves)
        except store.StoreError as error:
            self.refusal = str(error)
            return None
        stored = metadata.get("identity", {})
        different = [key for key in self.identity if stored.get(key) != self.identity[key]]
        if different:
            self.refusal = f"{self.path}: made with another {', '.join(different)}"
            return None
        shapes, tree = jax.tree.flatten(template)
        ends = np.cumsum(leaves.sizes)
        if len(shapes) != len(ends) or ends[-1] != len(leaves.data):
            self.refusal = f"{self.path}: holds a state of another form"
            return None
        arrays = [
            leaves.data[end - size : end].view(leaf.dtype).reshape(leaf.shape)
            for leaf, size, end in zip(shapes, leaves.sizes, ends, strict=True)
        ]
        return jax.tree.unflatten(tree, jax.device_put(arrays)), metadata["rows"]

    def save(self, state: PyTree, rows: list[Any], *, now: bool = False) -> bool:
        """Store the state if the last time is ``seconds`` ago (or ``now``); say whether it was."""
        if not now and time.monotonic() - self._saved_at < self.seconds:
            return False
        leaves = [np.ascontiguousarray(leaf) for leaf in jax.tree.leaves(state)]
        flat = [leaf.reshape(-1).view(np.uint8) for leaf in leaves]
        record = _Leaves(np.concatenate(flat), np.array([part.size for part in flat]))
        store.save(self.path, record, {"identity": self.identity, "rows": rows})
        self._saved_at = time.monotonic()
        return True

    def remove(self) -> None:
        """Delete the file: the results it led to are stored."""
        self.path.unlink(missing_ok=True)
