"""Where a result comes from: the metadata that every stored file carries."""

import importlib.metadata
import platform
from typing import Any

import lopt
from lopt.config import digest
from lopt.process import environment

__all__ = ["describe"]


def describe(settings: Any, **facts: Any) -> dict[str, Any]:
    """Return metadata: the settings' digest, versions, device, flags, and ``facts`` of this result."""
    import jax  # here, so that reading metadata elsewhere costs no import

    device = jax.devices()[0]
    return {
        "config_digest": digest(settings),
        "versions": {
            name: importlib.metadata.version(name) for name in ("jax", "jaxlib", "numpy", "optax")
        }
        | {"python": platform.python_version(), "lopt": lopt.__version__},
        "device": device.device_kind if device.platform != "cpu" else "cpu",
        "machine": platform.machine(),
        # Only where there are any: whoever exports none has the same metadata as always.
        **({"flags": flags} if (flags := environment.result_flags()) else {}),
        **facts,
    }
