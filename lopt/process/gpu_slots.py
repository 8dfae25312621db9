"""GPUs of one machine, shared by jobs that know nothing of each other.

A job holds a lock on a file per GPU and share, ``<device>.<share>``, for as long as its process lives: the
first round of shares gives every GPU one job, the next ones share. The files lie in a folder that belongs to
this user alone. The folder for temporary files is everybody's: what is there already and is not a private
folder of ours is left alone, and another place is used.
"""

import fcntl
import os
import re
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["NoGPUError", "take_gpu"]

DEVICES = Path("/dev")
SHARES = 64
_held: list[int] = []  # keeps the locks for the life of the process


class NoGPUError(RuntimeError):
    """There is no GPU for this job; ``reason`` says why, the message what to do about it, too."""

    def __init__(self, reason: str, message: str | None = None) -> None:
        super().__init__(message or reason)
        self.reason = reason


def take_gpu() -> str:
    """Lock the least-used GPU of this machine for the life of this process and return its number.

    CUDA numbers the GPUs that it finds from 0, whatever their device files are called: a container that
    was given only ``/dev/nvidia3`` has a GPU 0. With CUDA_DEVICE_ORDER=PCI_BUS_ID its order is that of
    the files.

    Raises:
        NoGPUError: if there is none, or each has as many jobs as may share one.
    """
    names = sorted(
        (entry.name for entry in DEVICES.glob("nvidia*") if re.fullmatch(r"nvidia\d+", entry.name)),
        key=lambda name: int(name.removeprefix("nvidia")),
    )
    if not names:
        raise NoGPUError("this machine has none (no /dev/nvidia0)")
    folder = _private_folder()
    try:
        for share in range(SHARES):
            for number, name in enumerate(names):
                if _lock(folder, f"{name}.{share}"):
                    return str(number)
    finally:
        os.close(folder)
    raise NoGPUError(f"all {len(names)} GPUs are shared by {SHARES} jobs each")


def _lock(folder: int, name: str) -> bool:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        slot = os.open(name, flags, 0o600, dir_fd=folder)
    except OSError:  # a link, say
        return False
    try:
        fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(slot)
        return False
    except OSError:
        pass  # no locks here: jobs choose without knowing of each other
    _held.append(slot)
    return True


def _private_folder() -> int:
    """Return a descriptor of a folder that only this user can enter, the same one for all of its jobs."""
    for path in _candidates():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir(mode=0o700, exist_ok=True)
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        found = os.fstat(folder)
        if found.st_uid == os.getuid() and not stat.S_IMODE(found.st_mode) & 0o077:
            return folder
        os.close(folder)
    # Nobody shares this one: jobs then choose without knowing of each other.
    return os.open(tempfile.mkdtemp(prefix="lopt-gpu-slots-"), os.O_RDONLY | os.O_DIRECTORY)


def _candidates() -> Iterator[Path]:
    yield Path(tempfile.gettempdir()) / f"lopt-gpu-slots-{os.getuid()}"
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        yield Path(runtime) / "lopt-gpu-slots"
    # A home folder is the same on every node of a cluster; the GPUs are not.
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    yield Path(cache) / "lopt" / f"gpu-slots-{socket.gethostname()}"
