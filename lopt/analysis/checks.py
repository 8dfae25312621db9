"""What the analysis demands of its inputs, checked at its borders.

Every function raises a ``ValueError`` that names the argument, what was found and what was
expected.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from lopt.optimizers.component import ComponentOptimizer, check_shapes

__all__ = ["check_component", "check_grid", "check_states"]


def check_component(component: ComponentOptimizer) -> int:
    """Return the number of state variables of a float64 optimizer.

    Raises:
        ValueError: if the initial state is not a vector of finite float64 numbers, or a function has
            wrong shapes.
    """
    check_shapes(component)
    initial_state = component.initial_state
    if jnp.asarray(initial_state).dtype != jnp.float64:
        raise ValueError(
            f"initial_state is {jnp.asarray(initial_state).dtype}, but the analysis needs float64: "
            "run with JAX_ENABLE_X64=1 and raise theta with lopt.tasks.as_dtype(theta, 'float64')"
        )
    if not np.all(np.isfinite(initial_state)):
        raise ValueError("initial_state holds non-finite numbers")
    return jnp.size(initial_state)


def check_states(name: str, states: Any, size: int | None = None) -> Float[np.ndarray, "row state"]:
    """Return ``states`` as finite float64 rows of ``size`` state variables.

    Raises:
        ValueError: naming the shape or the first row with a non-finite entry.
    """
    states = np.asarray(states, np.float64)
    if states.ndim != 2 or not states.size or (size is not None and states.shape[1] != size):
        expected = "state" if size is None else size
        raise ValueError(f"{name} has shape {states.shape}, expected [one or more, {expected}]")
    bad = np.flatnonzero(~np.all(np.isfinite(states), axis=1))
    if bad.size:
        raise ValueError(f"{name}[{bad[0]}] has non-finite entries ({bad.size} such rows)")
    return states


def check_grid(name: str, gradients: Any, least: int = 1) -> Float[np.ndarray, " grid"]:
    """Return ``gradients`` as a finite, strictly ascending float64 vector.

    Raises:
        ValueError: if it is empty or shorter than ``least``, unsorted, repeated or non-finite.
    """
    gradients = np.asarray(gradients, np.float64)
    if gradients.ndim != 1 or gradients.size < least:
        raise ValueError(
            f"{name} has shape {gradients.shape}, expected a vector of {least} or more gradients"
        )
    if not np.all(np.isfinite(gradients)):
        raise ValueError(f"{name} holds non-finite gradients")
    if np.any(np.diff(gradients) <= 0):
        raise ValueError(f"{name} is not strictly ascending")
    return gradients
