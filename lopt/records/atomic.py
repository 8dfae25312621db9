"""Write a file whole or not at all, and leave nothing behind.

The content goes to a temporary file beside the target, ``.<name>.<eight letters>``, which is then moved into
place: a reader sees the old file or the new one, never half of one. The writer holds a lock on its temporary
file (the operating system's: it goes when the process does, however that ends), so that the next writer of
the same file knows one that a kill has left behind, and removes it.
"""

import contextlib
import errno
import fcntl
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

__all__ = [
    "StoreError",
    "is_named",
    "load_bytes",
    "remove_abandoned",
    "save_bytes",
    "write_atomically",
]

# What a file system answers that has no locks, or no way to force a file to the disk.
UNSUPPORTED = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTSUP)
DAY = 86400.0


class StoreError(ValueError):
    """A file is missing, damaged, or not what was expected; the message names it."""


def write_atomically(path: str | Path, write: Callable[[IO[bytes]], object]) -> None:
    """Call ``write`` with a temporary file beside ``path``, then move it into place.

    The file gets the permissions that the process's umask leaves, as any new file does.

    Raises:
        StoreError: if the disk is full or read-only, or the like; what stood at ``path`` still does.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(path)
        _write_beside_and_move(path, write)
    except OSError as error:
        raise StoreError(
            f"{path}: can't be written ({error.strerror or error}). Once that is remedied, run the same "
            "command again: finished results are kept, and a training goes on from its checkpoint"
        ) from error


def save_bytes(path: str | Path, content: bytes) -> None:
    """Store ``content`` as it is."""
    write_atomically(path, lambda file: file.write(content))


def load_bytes(path: str | Path) -> bytes:
    """Return the content of the file at ``path``.

    Raises:
        StoreError: if the file is missing or can't be read.
    """
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise StoreError(f"{path}: there is no such file") from None
    except OSError as error:
        raise StoreError(f"{path}: can't be read ({error.strerror or error})") from None


def is_named(descriptor: int, path: Path) -> bool:
    """Whether the open file is the one that ``path`` names: somebody may have deleted or replaced it."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _write_beside_and_move(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    descriptor, temporary = _open_beside(path)
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            try:
                os.fsync(file.fileno())
            except OSError as error:
                if error.errno not in UNSUPPORTED:
                    raise
            os.replace(temporary, path)
    except BaseException:
        # Gone already where the error came after the move; and what can't be deleted hides no error.
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _open_beside(path: Path) -> tuple[int, Path]:
    """Create a temporary file beside ``path`` and lock it; return its descriptor and its path."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            descriptor = os.open(temporary, flags, 0o666)
        except FileExistsError:
            continue
        # Without locks (some network file systems) nobody takes it for abandoned before a day is over.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Another writer may have found it before it was locked, and removed it as abandoned.
        if is_named(descriptor, temporary):
            return descriptor, temporary
        os.close(descriptor)


def remove_abandoned(path: Path) -> None:
    """Delete the temporary files of ``path`` whose writers were killed."""
    for temporary in _temporaries(path):
        with contextlib.suppress(OSError):
            if _is_abandoned(temporary):
                temporary.unlink()


def _temporaries(path: Path) -> Iterator[Path]:
    name = re.compile(re.escape(f".{path.name}.") + r"[0-9a-z_]{8}")
    with contextlib.suppress(OSError):
        yield from (entry for entry in path.parent.iterdir() if name.fullmatch(entry.name))


def _is_abandoned(temporary: Path) -> bool:
    descriptor = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return time.time() - os.fstat(descriptor).st_mtime > DAY
    finally:
        os.close(descriptor)
    return True
