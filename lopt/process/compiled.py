"""Compiled programs, kept for the next process that runs one of them.

JAX writes an entry of its persistent compilation cache in place: a second job may read half of one, and one
that a kill or a full disk cut off stays, with a warning and a new compilation in every process from then on.
Here entries are moved into place whole, and one that doesn't decompress is deleted when it is met, so that
it is compiled and stored anew.

JAX has no setting for that, and must not be imported before a process is prepared: ``keep_in`` changes the
class of the cache when JAX imports it. A version of JAX that has no such class any more is left as it is.
"""

import hashlib
import importlib.abc
import importlib.util
import os
import platform
import secrets
import sys
import time
import warnings
from pathlib import Path
from typing import Any

__all__ = ["keep_in"]

MODULE = "jax._src.lru_cache"
HOUR = 3600.0


def keep_in(folder: str | Path) -> None:
    """Keep compiled programs in a subfolder of ``folder`` for this kind of CPU.

    JAX's own setting, ``JAX_COMPILATION_CACHE_DIR``, goes before it. To be called before JAX is imported.
    """
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(folder, _kind_of_cpu())))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    _remove_abandoned(Path(os.environ["JAX_COMPILATION_CACHE_DIR"]))
    # Whatever else is wrong with an entry only costs its compilation.
    message = "Error (reading|writing) persistent compilation cache entry"
    warnings.filterwarnings("ignore", message=message)
    if not any(isinstance(finder, _WhenImported) for finder in sys.meta_path):
        sys.meta_path.insert(0, _WhenImported())


def _kind_of_cpu() -> str:
    """A name for this machine's kind of CPU.

    A cluster's nodes share folders. Code compiled for one kind may crash on another, of which XLA only warns.
    """
    description = platform.processor() + platform.machine()
    if (cpuinfo := Path("/proc/cpuinfo")).exists():
        kinds = ("model name", "flags", "Features", "CPU part")  # the last two: on ARM
        lines = cpuinfo.read_text(errors="replace").splitlines()
        description += "\n".join(sorted({line for line in lines if line.startswith(kinds)}))
    return hashlib.sha256(description.encode()).hexdigest()[:16]


class _WhenImported(importlib.abc.MetaPathFinder):
    """Finds the module of the cache as usual, and changes its class once it is loaded."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_change(module: Any) -> None:
                load(module)
                _write_whole_entries(getattr(module, "LRUCache", None))

            spec.loader.exec_module = load_and_change
        return spec


def _write_whole_entries(cache: Any) -> None:
    get, put = getattr(cache, "get", None), getattr(cache, "put", None)
    if get is None or put is None:
        return

    def put_whole(self: Any, key: str, value: bytes) -> None:
        # A bounded cache has a lock of its own, and keeps account of what is in it.
        if getattr(self, "eviction_enabled", True) or not key:
            return put(self, key, value)
        entry = Path(str(self.path), f"{key}-cache")
        if not entry.exists():
            temporary = entry.with_name(f".{secrets.token_hex(8)}.part")
            try:
                temporary.write_bytes(value)
                os.replace(temporary, entry)
            except OSError:  # a full disk: the program runs, it is only not kept
                temporary.unlink(missing_ok=True)

    def get_whole(self: Any, key: str) -> bytes | None:
        value = get(self, key)
        if value is not None and not _decompresses(value):
            if not getattr(self, "eviction_enabled", True):
                Path(str(self.path), f"{key}-cache").unlink(missing_ok=True)
            return None
        return value

    cache.put, cache.get = put_whole, get_whole


def _decompresses(value: bytes) -> bool:
    from jax._src import compilation_cache

    decompress = getattr(compilation_cache, "decompress_executable", None)
    try:
        return decompress is None or bool(decompress(value))
    except Exception:  # whichever library it is, each has its own error
        return False


def _remove_abandoned(folder: Path) -> None:
    """Delete what a kill has left of entries that were being written."""
    for temporary in folder.glob(".*.part"):
        try:
            if time.time() - temporary.stat().st_mtime > HOUR:
                temporary.unlink()
        except OSError:
            pass  # another process was first
