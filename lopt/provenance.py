"""Where a result comes from: the metadata that every stored file carries."""

import hashlib
import importlib.metadata
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lopt import environment
from lopt.config import digest

__all__ = ["code_digest", "describe"]

PACKAGE = Path(__file__).parent


def code_digest(modules: Iterable[str]) -> str:
    """Return a hash of the package's source files ``modules`` ("tasks", "optimizers/gru.py", ...).

    A folder stands for all the Python files in it.
    """
    total = hashlib.sha256()
    for module in sorted(modules):
        path = PACKAGE / module
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            total.update(f"{file.relative_to(PACKAGE)}\n".encode() + file.read_bytes())
    return total.hexdigest()[:16]


def describe(settings: Any, **facts: Any) -> dict[str, Any]:
    """Return metadata: the settings' digest, versions, device, flags, and ``facts`` of this result."""
    import jax  # here, so that reading metadata elsewhere costs no import

    device = jax.devices()[0]
    return {
        "config_digest": digest(settings),
        "versions": {
            name: importlib.metadata.version(name) for name in ("jax", "jaxlib", "numpy", "optax")
        }
        | {"python": platform.python_version(), "lopt": importlib.metadata.version("lopt")},
        "device": device.device_kind if device.platform != "cpu" else "cpu",
        "machine": platform.machine(),
        # Only where there are any: whoever exports none has the same metadata as always.
        **({"flags": flags} if (flags := environment.result_flags()) else {}),
        **facts,
    }
