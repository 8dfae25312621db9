r"""What is read at a state, and what the error of that state leaves open.

    effective learning rate  -d(dx)/dg at g = 0,        update  readout(h)

If each entry h_i is known to e_i, a reading q lies in an interval. Here that is the range of q over
the state itself, the corner in which q changes most to first order, h +- e sign(dq/dh), and the
corners h +- e; the last ones see what a derivative does not (a square root at 0). Where q is
undefined beyond the state (that square root again) the defined side counts.

A reading is *determined* if its interval is narrow beside the terms that it is summed from:
sum_i |r_i j_i| for the rate, with r the readout's gradient and j = dF/dg, and sum_i |r_i h_i| for
the update.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from lopt.optimizers.component import ComponentOptimizer
from lopt.optimizers.shared import jit_by_function

__all__ = ["FLOOR", "Readings", "read"]

FEWEST_ROWS = 16
FLOOR = 1e-12  # of the starts' spread: smaller values are not told from 0


class Readings(NamedTuple):
    """Effective learning rate and update at every state, with their intervals."""

    learning_rates: Float[np.ndarray, " row"]
    learning_rate_intervals: Float[np.ndarray, "row 2"]
    updates: Float[np.ndarray, " row"]
    update_intervals: Float[np.ndarray, "row 2"]
    determined: Bool[np.ndarray, " row"]
    """Whether both intervals are within the tolerance."""


def read(
    component: ComponentOptimizer,
    states: Float[np.ndarray, "row state"],
    errors: Float[np.ndarray, "row state"],
    tolerance: float,
    spread: Float[np.ndarray, " state"] | float = 0.0,
) -> Readings:
    """Return what is read at ``states``, whose entries are known to ``errors``.

    Errors of 1e-12 of ``spread`` (the starts') are nothing where the state itself is 0.

    >>> from lopt.optimizers.momentum import Momentum, MomentumTheta
    >>> with jax.enable_x64(True):
    ...     component = Momentum().component(MomentumTheta(learning_rate=0.5, momentum=0.9))
    ...     found = read(component, np.array([[2.0]]), np.array([[0.125]]), tolerance=0.01)
    >>> found.learning_rates.tolist(), found.update_intervals.tolist(), found.determined.tolist()
    ([0.5], [[-1.0625, -0.9375]], [False])
    """
    known = np.all(np.isfinite(errors), axis=1, keepdims=True)
    # Rows are repeated up to a power of four, so that few programs serve all.
    count, rows = len(states), FEWEST_ROWS
    while rows < count:
        rows *= 4
    parts = _read(
        component.transition,
        component.readout,
        jnp.asarray(np.resize(states, (rows, states.shape[1])), jnp.float64),
        jnp.asarray(np.resize(np.where(known, errors, 0.0), (rows, states.shape[1])), jnp.float64),
        jnp.broadcast_to(jnp.asarray(spread, jnp.float64), (rows, states.shape[1])),
    )
    parts = [np.asarray(part)[..., :count] for part in parts]
    values, samples, terms, floors = parts  # [reading, ..., row]
    # fmin and fmax pass over NaN, and say nothing where there is nothing else.
    everything = np.concatenate([values[:, None], samples], axis=1)
    low, high = np.fmin.reduce(everything, axis=1), np.fmax.reduce(everything, axis=1)
    unknown = ~known[:, 0] | ~np.isfinite(values)
    low, high = np.where(unknown, -np.inf, low), np.where(unknown, np.inf, high)
    determined = np.all(high - low <= tolerance * terms + FLOOR * floors, axis=0)
    intervals = np.stack([low, high], axis=-1)
    return Readings(values[0], intervals[0], values[1], intervals[1], determined)


@jit_by_function("transition", "readout")
def _read(
    transition: Callable,
    readout: Callable,
    states: Float[Array, "row state"],
    errors: Float[Array, "row state"],
    spreads: Float[Array, "row state"],
) -> tuple[
    Float[Array, "2 row"], Float[Array, "2 4 row"], Float[Array, "2 row"], Float[Array, "2 row"]
]:
    """Return both readings, samples within the errors, the size of their terms and of spreads'."""
    zeros, ones = jnp.zeros(states.shape[0], states.dtype), jnp.ones(states.shape[0], states.dtype)

    def rate(h: Array) -> Array:
        return -jax.jvp(lambda g: readout(transition(h, g)), (zeros,), (ones,))[1]

    values, samples = [], []
    for reading in (rate, readout):
        value, pull_back = jax.vjp(reading, states)
        corner = errors * jnp.sign(jnp.nan_to_num(pull_back(ones)[0]))
        values.append(value)
        samples.append(jnp.stack([reading(states + d) for d in (corner, -corner, errors, -errors)]))
    after, input_vectors = jax.jvp(lambda g: transition(states, g), (zeros,), (ones,))
    terms, floors = [], []
    for h, vectors, floor in (
        (after, input_vectors, jnp.zeros_like(spreads)),
        (states, states, spreads),
    ):
        gradients = jax.vjp(readout, h)[1](ones)[0]
        terms.append(jnp.sum(jnp.abs(gradients * vectors), axis=-1))
        floors.append(jnp.sum(jnp.abs(jnp.where(floor > 0.0, gradients * floor, 0.0)), axis=-1))
    return jnp.stack(values), jnp.stack(samples), jnp.stack(terms), jnp.stack(floors)
