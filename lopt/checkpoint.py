"""A checkpoint of a long computation: atomic, locked, and refused when it is not this computation's.

    with Checkpoint.locked(path, identity) as checkpoint:
        state, notes = checkpoint.load(template) or (None, [])
        ...
        checkpoint.save(state, notes)    # as often as you like: writes at most every `seconds`
        checkpoint.remove()              # after the results are stored

The state is a pytree of arrays, the notes are any JSON value.

``identity`` describes all that the computation depends on (settings, seed, code, versions). A
checkpoint with another identity, or a damaged one, is refused: ``refusal`` says why and ``load``
returns None. The lock is a file lock of the operating system: it goes when the process does, however that
ends, and keeps a second copy of the same job (a requeued cluster job, say) from running beside the first.
"""

import contextlib
import fcntl
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Int, PyTree, UInt8

from lopt.records import atomic, store
from lopt.records.atomic import StoreError

__all__ = ["Checkpoint", "CheckpointLockedError"]


class CheckpointLockedError(RuntimeError):
    """Another process is running this very computation."""


class _Leaves(NamedTuple):
    """A pytree's leaves as bytes, end to end; shapes and dtypes are the template's."""

    data: UInt8[np.ndarray, " bytes"]
    sizes: Int[np.ndarray, " leaves"]


class Checkpoint:
    """The checkpoint file of one computation; use ``Checkpoint.locked``."""

    def __init__(self, path: Path, identity: Mapping[str, Any], seconds: float) -> None:
        # As JSON gives it back: a tuple would never equal the list that was stored.
        self.path, self.identity, self.seconds = path, json.loads(json.dumps(identity)), seconds
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
            StoreError: if the folder can't be written, or its file system has no locks.
        """
        path = Path(path)
        lock_path = path.with_name(path.name + ".lock")
        with _hold(lock_path):
            atomic.remove_abandoned(path)  # a write that was killed
            try:
                yield cls(path, identity, seconds)
            finally:
                with contextlib.suppress(OSError):  # a full or lost disk has its own message
                    lock_path.unlink(missing_ok=True)

    def load(self, template: PyTree) -> tuple[PyTree, Any] | None:
        """Return the stored state, shaped as ``template``, and the notes; None if there is none to use."""
        if not self.path.exists():
            return None
        try:
            leaves, metadata = store.load(self.path, _Leaves, entries={"identity": {}})
        except store.StoreError as error:
            self.refusal = str(error)
            return None
        stored = metadata["identity"]
        keys = {**self.identity, **stored}
        different = [key for key in keys if stored.get(key) != self.identity.get(key)]
        if different:
            self.refusal = f"{self.path}: made with another {', '.join(different)}"
            return None
        shapes, tree = jax.tree.flatten(template)
        sizes = [leaf.nbytes for leaf in shapes]
        if (
            leaves.sizes.tolist() != sizes
            or leaves.data.size != sum(sizes)
            or ("notes" not in metadata)
        ):
            self.refusal = f"{self.path}: holds a state of another form"
            return None
        parts = np.split(leaves.data, np.cumsum(leaves.sizes)[:-1])
        arrays = [
            part.view(leaf.dtype).reshape(leaf.shape)
            for leaf, part in zip(shapes, parts, strict=True)
        ]
        return jax.tree.unflatten(tree, jax.device_put(arrays)), metadata["notes"]

    def save(self, state: PyTree, notes: Any, *, now: bool = False) -> bool:
        """Store the state if the last time is ``seconds`` ago (or ``now``); say whether it was."""
        if not now and time.monotonic() - self._saved_at < self.seconds:
            return False
        leaves = [np.ascontiguousarray(leaf) for leaf in jax.tree.leaves(state)]
        flat = [leaf.reshape(-1).view(np.uint8) for leaf in leaves]
        record = _Leaves(np.concatenate(flat), np.array([part.size for part in flat]))
        store.save(self.path, record, {"identity": self.identity, "notes": notes})
        self._saved_at = time.monotonic()
        return True

    def remove(self) -> None:
        """Delete the file: the results it led to are stored.

        One that can't be deleted stays, and does no harm: an error would cost the results.
        """
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


@contextlib.contextmanager
def _hold(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file ``path``, which the holder may delete."""
    while True:
        with _open_lock(path) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CheckpointLockedError(
                    f"{path} is locked: another process is computing this; wait for it or end it"
                ) from None
            except OSError as error:
                raise StoreError(
                    f"{path}: can't be locked ({error.strerror or error}): this file system has no "
                    "locks, which keep a second copy of a job from running beside the first. Run the "
                    "workflow in a folder that has them: on a local disk, or on a network disk that is "
                    "mounted with locks (NFS without nolock, Lustre with flock)"
                ) from None
            # The last holder may have deleted the file between our opening and our locking it: then
            # this is the lock of a file that has no name, and a third process would lock a new one.
            if atomic.is_named(lock.fileno(), path):
                yield
                return


def _open_lock(path: Path) -> IO[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return open(path, "w")
    except OSError as error:
        raise StoreError(
            f"{path}: can't be written ({error.strerror or error}); results and checkpoints go into this "
            "folder: make it writable, or move what stands in its place"
        ) from None
