r"""An optimizer that is not written in JAX: a step in NumPy, differentiated by central differences.

    state'[row, entry], update[row] = step(state[row, entry], gradient[row])

The step is called on the host (``lopt.optimizers.host_callback``); it has to be a function of its arguments
alone. Derivatives are

    dF/dz_i = (F(z + e_i) - F(z - e_i)) / 2 e_i,      z = (h, g),   e_i = 6e-6 max(1, |z_i|)

with an error of some 1e-10 where F is smooth and of order one; second derivatives, of which the analysis
takes the size of errors only, are differences of these with e_i = 1e-3 max(1, |z_i|). What is exact in a JAX
optimizer, an eigenvalue 1 for example, is known here to 1e-10.

``scales`` says how large the entries of the state and the gradient are where that is not 1, ``lowest`` what
entries are never below (a second moment, of which a step takes the root, 0): differences are one-sided there.

>>> import jax
>>> from lopt.analysis.linearization import linearize
>>> with jax.enable_x64(True):
...     momentum = from_numpy(
...         [0.0], lambda h, g: (0.9 * h + g[:, None], -0.1 * (0.9 * h[:, 0] + g))
...     )
...     linearize(momentum, momentum.initial_state).momenta.round(8).tolist()
[0.9, 0.0]
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from lopt.optimizers.component import ComponentOptimizer
from lopt.optimizers.host_callback import call_host
from lopt.optimizers.optax_audit import Audit

__all__ = ["from_numpy"]

FIRST, SECOND = 6e-6, 1e-3  # relative steps: the cube root of the rounding, and its fourth root


def from_numpy(
    initial_state: Float[ArrayLike, " state"],
    step: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    *,
    names: Sequence[str] | None = None,
    scales: Float[ArrayLike, " state_plus_1"] | None = None,
    lowest: Float[ArrayLike, " state"] | None = None,
) -> ComponentOptimizer:
    """Return the optimizer that ``step`` is, as a map on the state of one component.

    Args:
        initial_state: the numbers kept for one component, before the first step.
        step: maps rows of states and a gradient for each row to the next states and the updates, which are
            *added* to the parameters; float64 in and out.
        names: what the entries of the state are called.
        scales: sizes of the entries of the state, and last of the gradient (default: 1).
        lowest: the least values of the entries of the state (default: there is no least).

    Raises:
        ValueError: if the step returns other shapes, or what is not finite for the initial state; if there
            are not as many names, scales or least values as entries.
    """
    start = np.asarray(initial_state, np.float64)
    if start.ndim != 1:
        raise ValueError(f"initial_state has shape {list(start.shape)}, expected a vector [state]")
    size = len(start)
    called = tuple(names) if names is not None else tuple(f"h[{i}]" for i in range(size))
    if len(called) != size:
        raise ValueError(f"names has {len(called)} entries, but the state has {size}")
    unit = np.ones(size + 1) if scales is None else np.asarray(scales, np.float64)
    if unit.shape != (size + 1,) or not np.all(unit > 0.0):
        raise ValueError(f"scales is {unit.tolist()}, expected {size + 1} positive numbers")
    least = np.full(size, -np.inf) if lowest is None else np.asarray(lowest, np.float64)
    if least.shape != (size,) or np.any(start < least) or np.isnan(least).any():
        raise ValueError(
            f"lowest is {least.tolist()}, expected {size} numbers that initial_state is not below"
        )
    least = np.append(least, -np.inf)
    _check_step(step, start)

    def rows(z: np.ndarray) -> np.ndarray:
        """F on rows of (h, g): the next state and the update."""
        flat = np.asarray(z, np.float64).reshape(-1, size + 1)
        state, update = step(flat[:, :size].copy(), flat[:, size].copy())
        after = np.concatenate([np.asarray(state), np.asarray(update)[:, None]], axis=1)
        return after.reshape(*z.shape[:-1], size + 1)

    def differences(function: Callable, z: np.ndarray, relative: float) -> np.ndarray:
        """Central differences of a function of rows, along a new last axis; one call for all of them."""
        z = np.asarray(z, np.float64)
        n = size + 1
        lengths = relative * np.maximum(unit, np.abs(z))
        shifts = np.eye(n).reshape(n, *(1,) * (z.ndim - 1), n) * lengths
        ahead, behind = z + shifts, z - shifts
        behind = np.where(z >= least, np.maximum(behind, least), behind)
        widths = np.sum(ahead - behind, axis=-1)  # as rounding left them
        after, before = function(np.stack([ahead, behind]))
        widths = widths.reshape(*widths.shape, *(1,) * (after.ndim - widths.ndim))
        return np.moveaxis((after - before) / widths, 0, -1)

    def slopes(z: np.ndarray) -> np.ndarray:
        return differences(rows, z, FIRST)

    def bends(z: np.ndarray) -> np.ndarray:
        return differences(lambda at: differences(rows, at, SECOND), z, SECOND)

    def called_back(function: Callable, shape: tuple[int, ...]) -> Callable:
        def call(z: Float[Array, "... inputs"]) -> Array:
            out = jax.ShapeDtypeStruct((*z.shape[:-1], *shape), z.dtype)
            return call_host(lambda at: (function(at),), [out], z, vmap_method="expand_dims")[0]

        return call

    n = size + 1
    value, first, second = (
        called_back(function, shape)
        for function, shape in ((rows, (n,)), (slopes, (n, n)), (bends, (n, n, n)))
    )
    # Derivatives as products, so that they run forward and backward. Third ones are taken as 0.
    jacobian, mapped = jax.custom_jvp(first), jax.custom_jvp(value)

    @jacobian.defjvp
    def _(at: tuple[Array], along: tuple[Array]) -> tuple[Array, Array]:
        bent = second(jax.lax.stop_gradient(at[0]))
        return jacobian(*at), jnp.einsum("...ijk,...k->...ij", bent, along[0])

    @mapped.defjvp
    def _(at: tuple[Array], along: tuple[Array]) -> tuple[Array, Array]:
        return mapped(*at), jnp.einsum("...ij,...j->...i", jacobian(*at), along[0])

    def transition(
        h: Float[Array, "... state"], g: Float[Array, "..."]
    ) -> Float[Array, "... state"]:
        return mapped(jnp.concatenate([h[..., :size], g[..., None]], axis=-1))

    dtype = jnp.result_type(float)
    return ComponentOptimizer(
        initial_state=jnp.append(jnp.asarray(start, dtype), jnp.zeros((), dtype)),
        transition=transition,
        readout=lambda h: h[..., -1],
        audit=Audit((), reads_parameter=False, state_names=(*called, "update")),
    )


def _check_step(step: Callable, start: np.ndarray) -> None:
    """Run the step once on two rows, and look at what it returns."""
    states, gradients = np.tile(start, (2, 1)), np.array([0.25, -0.5])
    before = states.copy(), gradients.copy()
    try:
        found: Any = step(states, gradients)
    except Exception as error:
        # It is the user's function: whatever goes wrong in it is the reason.
        raise ValueError(
            f"step fails on states of shape {list(before[0].shape)} and two gradients "
            f"({type(error).__name__}: {error})"
        ) from None
    if not (isinstance(found, tuple) and len(found) == 2):
        raise ValueError(f"step returns {type(found).__name__}, expected (states, updates)")
    for name, array, expected in zip(
        ("states", "updates"), found, ((2, len(start)), (2,)), strict=True
    ):
        if np.shape(array) != expected:
            raise ValueError(
                f"step returns {name} of shape {list(np.shape(array))}, expected {list(expected)}"
            )
        if not np.all(np.isfinite(array)):
            raise ValueError(f"step returns {name} that are not finite, from the initial state")
    again = step(*(part.copy() for part in before))
    if not all(np.array_equal(a, b) for a, b in zip(found, again, strict=True)):
        raise ValueError(
            "step is not a function of its arguments: called again it returns something else"
        )
