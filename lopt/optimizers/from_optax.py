r"""Any ``optax.GradientTransformation`` as a map on the state of one component.

    h = (floating-point state of one scalar parameter, raveled; the last update)
    F(h, g) = the transformation's new state and update,        readout(h') = h'[-1]

so that ``lopt.analysis`` reads it like a learned optimizer. What is not floating point needs a
decision:

* integer leaves (step counters) are *held* at ``held_count``: the optimizer is seen as it is at
  that step, an autonomous system. With ``held_count=None`` they are carried along as state
  entries: then schedules show up along the autonomous trajectory, but a counter that goes on for
  ever has no fixed point. Their derivative is that of "old value plus increment".
* the parameter itself, which weight decay asks for, is held at ``parameter``.

Only what acts component by component can be read like this: a global norm, a line search or a
second parameter are one number here. Masks and injected hyperparameters pass through.

Example: Adam with its bias correction as at step 1,000.

>>> import jax, optax
>>> from lopt.analysis.responses import effective_learning_rate
>>> with jax.enable_x64(True):
...     component = from_optax(optax.sgd(0.1, momentum=0.9))
...     rate = effective_learning_rate(component, component.initial_state)
>>> round(float(rate), 12)
0.1
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from lopt.optimizers.component import ComponentOptimizer

__all__ = ["from_optax"]


def from_optax(
    transformation: optax.GradientTransformation,
    *,
    held_count: int | None = 0,
    parameter: float = 0.0,
    dtype: Any = None,
) -> ComponentOptimizer:
    """Return ``transformation``, applied to one scalar parameter, as a ``ComponentOptimizer``.

    Args:
        transformation: any optax optimizer that acts on every entry of a parameter alone.
        held_count: the value that integer leaves of the state are held at; None to carry them
            along.
        parameter: the value of the parameter that the transformation is shown.
        dtype: floating-point type of the state (default: JAX's default).

    Raises:
        ValueError: if the state holds a leaf that is not a scalar number (a random key, a vector).
    """
    dtype = jnp.result_type(float) if dtype is None else dtype
    shown = jnp.asarray(parameter, dtype)
    leaves, structure = jax.tree.flatten(transformation.init(shown))
    kinds = [_kind(leaf) for leaf in leaves]
    carried = [kind == "float" or held_count is None for kind in kinds]

    def to_state(h: Float[Array, " state"]) -> Any:
        entries = iter(range(sum(carried)))
        rebuilt = []
        for leaf, kind, is_carried in zip(leaves, kinds, carried, strict=True):
            if not is_carried:
                rebuilt.append(jnp.full_like(leaf, held_count))
            elif kind == "float":
                rebuilt.append(h[next(entries)].astype(leaf.dtype))
            else:
                rebuilt.append(jnp.round(h[next(entries)]).astype(leaf.dtype))
        return jax.tree.unflatten(structure, rebuilt)

    def from_state(before: Any, h: Float[Array, " state"], after: Any, update: Array) -> Array:
        entries, parts = iter(range(sum(carried))), []
        pairs = zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
        for (old, new), kind, is_carried in zip(pairs, kinds, carried, strict=True):
            if is_carried:
                entry = h[next(entries)]
                # An integer passes no derivative on; its increment is a constant of the map.
                parts.append(new if kind == "float" else entry + (new - old).astype(dtype))
        return jnp.stack([jnp.asarray(part, dtype) for part in (*parts, update)])

    def one(h: Float[Array, " state"], g: Float[Array, ""]) -> Float[Array, " state"]:
        before = to_state(h)
        update, after = transformation.update(g.astype(dtype), before, shown)
        return from_state(before, h, after, update)

    floats = [jnp.asarray(leaf, dtype) for leaf, keep in zip(leaves, carried, strict=True) if keep]
    return ComponentOptimizer(
        initial_state=jnp.stack([*floats, jnp.zeros((), dtype)]),
        transition=jnp.vectorize(one, signature="(n),()->(n)"),
        readout=lambda h: h[..., -1],
    )


def _kind(leaf: Any) -> str:
    array = jnp.asarray(leaf) if not isinstance(leaf, jax.Array) else leaf
    if array.shape == () and jnp.issubdtype(array.dtype, jnp.floating):
        return "float"
    if array.shape == () and jnp.issubdtype(array.dtype, jnp.integer):
        return "integer"
    raise ValueError(
        f"the optimizer's state holds a leaf of shape {array.shape} and type {array.dtype}; expected "
        "scalar floats and integers: it does not act on one component alone"
    )
