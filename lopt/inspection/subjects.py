"""What may be analyzed, and on what: optimizers and runs in all the forms that people have them in.

optimizer   a ``ComponentOptimizer``; an optax transformation; a learned family with its theta, and its
            metadata if there are any, as ``load_optimizer`` returns them; the path of a stored theta
source      a task, or its name; a ``Recording``; the path of what a recorder stored; an array of
            gradients [..., steps, components]
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lopt.extensions import TASKS
from lopt.learned.stored import load_optimizer
from lopt.optimizers.component import ComponentOptimizer
from lopt.optimizers.from_optax import from_optax
from lopt.optimizers.from_step import FrozenAt
from lopt.optimizers.optax_audit import Audit
from lopt.optimizers.recorder import load_recording
from lopt.records.recorded_run import RecordedRun
from lopt.tasks import Task, as_dtype, make_task
from lopt.unrolling import Recording

__all__ = ["Subject", "as_source", "as_subject"]


class Subject(NamedTuple):
    """An optimizer, raised to float64, and what it is called."""

    name: str
    component: ComponentOptimizer
    trained_on: Mapping[str, float] | None = None
    """The smallest and the largest |g| of its training; None if nothing says, or there was none."""

    @property
    def operating_point(self) -> str:
        """Where what is not state was frozen, in words; empty if there is nothing else than state."""
        audit = self.component.audit
        known = isinstance(audit, Audit) and audit.operating_point is not None
        return str(audit.operating_point) if known else ""

    def held(self, name: str) -> float:
        """Return where the parameter or the loss is held; 0 where nothing says."""
        point = getattr(self.component.audit, "operating_point", None)
        if isinstance(point, FrozenAt):
            return float(dict(point.values).get(name, 0.0))
        return float(getattr(point, name, 0.0))

    @property
    def reads_parameter(self) -> bool | None:
        """Whether the update depends on the parameter; None if nobody looked."""
        audit = self.component.audit
        return audit.reads_parameter if isinstance(audit, Audit) else None

    @property
    def state_names(self) -> tuple[str, ...]:
        """What the entries of the state are called."""
        audit = self.component.audit
        if isinstance(audit, Audit) and audit.state_names:
            return audit.state_names
        return tuple(f"h[{entry}]" for entry in range(jnp.size(self.component.initial_state)))


def as_subject(optimizer: Any, name: str | None = None) -> Subject:
    """Return the optimizer as a map in float64; 64 bits have to be on.

    Raises:
        ValueError: if it is none of the forms above, or computes in another precision.
    """
    optimizer, metadata = _with_metadata(optimizer)
    if isinstance(optimizer, ComponentOptimizer):
        component = _raised(optimizer)
    elif hasattr(optimizer, "init") and hasattr(optimizer, "update"):
        component = from_optax(optimizer)
    elif (
        isinstance(optimizer, tuple) and len(optimizer) == 2 and hasattr(optimizer[0], "component")
    ):
        family, theta = optimizer
        theta = as_dtype(jax.tree.map(jnp.asarray, theta), jnp.float64)
        component = _raised(family.component(theta))
        label = getattr(family, "label", type(family).__name__)
        trained = [str(metadata[key]) for key in ("task", "seed") if key in metadata]
        name = name or " ".join([label, *trained])
    else:
        raise ValueError(
            f"the optimizer is a {type(optimizer).__name__}; expected a ComponentOptimizer, an optax "
            "transformation, a family with its theta (and its metadata), or the path of a stored theta"
        )
    return Subject(name or "optimizer", component, metadata.get("gradients"))


def _with_metadata(optimizer: Any) -> tuple[Any, Mapping[str, Any]]:
    """Return the optimizer, a stored one as its family with theta, and what is known of its training."""
    if isinstance(optimizer, (str, Path)):
        optimizer = load_optimizer(optimizer)
    if isinstance(optimizer, tuple) and len(optimizer) == 3 and isinstance(optimizer[2], Mapping):
        return optimizer[:2], optimizer[2]
    return optimizer, {}


def home(optimizer: Any) -> tuple[Task, int | None]:
    """Return the task, with its problem's settings, and the steps that a stored theta was trained for.

    Raises:
        ValueError: if the optimizer is not one that says so.
    """
    metadata = _with_metadata(optimizer)[1]
    task = metadata.get("task")
    if task not in TASKS.names():
        raise ValueError(
            "what the optimizer meets is missing: only a stored theta says what it was trained on; name one "
            f"of the tasks {', '.join(sorted(TASKS.names()))}"
        )
    steps = metadata.get("steps")
    return make_task(task, metadata.get("problem") or {}), steps if isinstance(steps, int) else None


def _raised(component: ComponentOptimizer) -> ComponentOptimizer:
    again = getattr(component.audit, "again", None)
    if again is not None and jnp.asarray(component.initial_state).dtype != jnp.float64:
        return again(jnp.float64)
    return component._replace(initial_state=jnp.asarray(component.initial_state, jnp.float64))


def as_source(source: Any) -> Task | Recording | RecordedRun | np.ndarray:
    """Return a task, a recording, a recorded run, or an array of gradients.

    Raises:
        ValueError: if it is none of them, or there is no such task.
    """
    if isinstance(source, Path) or (isinstance(source, str) and source.endswith(".npz")):
        return load_recording(source)
    if isinstance(source, str):
        if source not in TASKS.names():
            raise ValueError(
                f"there is no task {source!r}; there are {', '.join(sorted(TASKS.names()))}"
            )
        return make_task(source)
    if isinstance(source, (Recording, RecordedRun)):
        return source
    if all(hasattr(source, part) for part in ("sample", "init", "loss", "components")):
        return source
    try:
        gradients = None if np.iscomplexobj(source) else np.asarray(source, np.float64)
    except (TypeError, ValueError):
        gradients = None
    if gradients is None or gradients.ndim == 0:
        raise ValueError(
            f"the source is a {type(source).__name__}; expected a task or its name, a Recording, "
            "the path of what a recorder stored, or real gradients [..., steps, components]"
        )
    return gradients[:, None] if gradients.ndim == 1 else gradients
