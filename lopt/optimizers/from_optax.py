r"""Any ``optax.GradientTransformation`` as a map on the state of one component.

    h = (moving numbers of the state of one scalar parameter, raveled; the last update)
    F(h, g) = the transformation's new state and update,        readout(h') = h'[-1]

so that ``lopt.analysis`` reads it like a learned optimizer. What is not state is frozen at an *operating
point*, which ``.audit.operating_point`` states:

* counters of steps, and with them every schedule and bias correction, at ``held_count``: "late" (10^9, where
  all of them have come to their end), or any step. With ``held_count=None`` integers are carried along as
  state entries: then schedules show up along the autonomous trajectory, but a counter that goes on for
  ever has no fixed point. Their derivative is that of "old value plus increment".
* the parameter, which weight decay asks for, at ``parameter``.

A *run* freezes nothing: ``lopt.record`` of the result has the real iteration and parameter, and is optax's
own run. Injected hyperparameters are constants, no state. What can't be read like this is refused when it is
made, with the reason: what couples components (a global norm, a matrix), asks for the loss (a line search),
draws random numbers, or cycles for ever. See ``lopt.optimizers.optax_audit``.

Example: momentum.

>>> import jax, optax
>>> from lopt.analysis.responses import effective_learning_rate
>>> with jax.enable_x64(True):
...     component = from_optax(optax.sgd(0.1, momentum=0.9))
...     rate = effective_learning_rate(component, component.initial_state)
>>> round(float(rate), 12)
0.1
>>> component.audit.state_names, component.audit.operating_point.count
(('0.trace', 'update'), 'late')
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from lopt.arguments import finite, whole_or_late
from lopt.optimizers.component import ComponentOptimizer, Run, floating
from lopt.optimizers.optax_audit import STEPS, Audit, Leaf, Unreadable, audit, late

__all__ = ["OperatingPoint", "from_optax"]


class OperatingPoint(NamedTuple):
    """Where what is not state was frozen for the analysis."""

    count: int | str | None  # pyright: ignore[reportIncompatibleMethodOverride]: as in optax's states
    """The step that counters stand at: a number, "late", or None if they are carried along."""
    parameter: float

    def __str__(self) -> str:
        if self.count is None:
            step = "its steps are carried along as state"
        else:
            step = "a late step" if self.count == "late" else f"step {self.count}"
        return f"{step}, parameter {self.parameter:g}"


def from_optax(
    transformation: optax.GradientTransformation,
    *,
    held_count: int | Literal["late"] | None = "late",
    parameter: float = 0.0,
    dtype: Any = None,
) -> ComponentOptimizer:
    """Return ``transformation``, applied to one scalar parameter, as a ``ComponentOptimizer``.

    Args:
        transformation: any optax optimizer that acts on every entry of a parameter alone.
        held_count: the step at which the analysis sees it, for what depends on the step; None to carry
            integers along as state.
        parameter: the value of the parameter at which the analysis sees it.
        dtype: floating-point type of the analysis's state (default: JAX's default).

    Raises:
        ValueError: if it can't be read like that; the message says why.
    """
    dtype = floating(dtype)
    held_count = None if held_count is None else whole_or_late("held_count", held_count)
    parameter = finite("parameter", parameter)
    found = audit(transformation, parameter, dtype)
    if held_count == "late":
        _refuse_cycles(found)
    shown = jnp.asarray(parameter, dtype)
    start = jax.tree.map(jnp.asarray, transformation.init(shown))
    leaves, structure = jax.tree.flatten(start)
    carried = [
        leaf.kind == "state" or (held_count is None and leaf.kind in CARRIED)
        for leaf in found.leaves
    ]
    places = [place for place, keep in enumerate(carried) if keep]
    sizes = [int(np.prod(leaves[place].shape)) for place in places]
    ends = np.cumsum([0, *sizes]).tolist()
    if held_count is None or held_count == "late":
        held = _held_late(leaves, found.leaves)
    else:
        held = _held_at(held_count, leaves, found.leaves, transformation, shown)

    def to_state(h: Float[Array, " state"]) -> Any:
        rebuilt = list(held)
        for place, begin, end in zip(places, ends, ends[1:], strict=False):
            leaf = leaves[place]
            entries = h[begin:end].reshape(leaf.shape)
            if not jnp.issubdtype(leaf.dtype, jnp.floating):
                entries = jnp.round(entries)
            rebuilt[place] = entries.astype(leaf.dtype)
        return jax.tree.unflatten(structure, rebuilt)

    def one(h: Float[Array, " state"], g: Float[Array, ""]) -> Float[Array, " state"]:
        before = to_state(h)
        update, after = transformation.update(g.astype(dtype), before, shown)
        old, new = jax.tree.leaves(before), jax.tree.leaves(after)
        parts = []
        for place, begin, end in zip(places, ends, ends[1:], strict=False):
            part = jnp.asarray(new[place]).astype(dtype).reshape(-1)
            if jnp.issubdtype(leaves[place].dtype, jnp.integer):
                # An integer passes no derivative on; its increment is a constant of the map.
                part = h[begin:end] + part - jnp.asarray(old[place]).astype(dtype).reshape(-1)
            parts.append(part)
        return jnp.concatenate([*parts, jnp.asarray(update, dtype).reshape(1)])

    names = [
        f"{found.leaves[place].name}{f'[{entry}]' if size > 1 else ''}"
        for place, size in zip(places, sizes, strict=True)
        for entry in range(size)
    ]
    first = [jnp.asarray(leaves[place]).astype(dtype).reshape(-1) for place in places]
    return ComponentOptimizer(
        initial_state=jnp.concatenate([*first, jnp.zeros(1, dtype)]),
        transition=jnp.vectorize(one, signature="(n),()->(n)"),
        readout=lambda h: h[..., -1],
        run=_run(transformation, places, dtype),
        audit=found._replace(
            state_names=(*names, "update"),
            operating_point=OperatingPoint(held_count, float(parameter)),
            again=lambda dtype: from_optax(
                transformation, held_count=held_count, parameter=parameter, dtype=dtype
            ),
        ),
    )


CARRIED = ("counter", "settled", "irregular")


def _run(transformation: optax.GradientTransformation, places: Sequence[int], dtype: Any) -> Run:
    """The transformation itself, on every entry of an array alone: no entry is frozen."""

    def start(x: Float[Array, "..."]) -> tuple[Any, Array]:
        states = jax.vmap(lambda one: jax.tree.map(jnp.asarray, transformation.init(one)))
        return states(x.reshape(-1)), jnp.zeros_like(x)

    def step(
        state: tuple[Any, Array], g: Float[Array, "..."], x: Float[Array, "..."]
    ) -> tuple[tuple[Any, Array], Float[Array, "..."]]:
        flat = g.reshape(-1).astype(x.dtype)
        updates, after = jax.vmap(transformation.update)(flat, state[0], x.reshape(-1))
        update = jnp.asarray(updates, x.dtype).reshape(x.shape)
        return (after, update), update

    def read(state: tuple[Any, Array]) -> Float[Array, "... state"]:
        entries, update = jax.tree.leaves(state[0]), state[1]
        columns = [entries[place].astype(dtype).reshape(update.size, -1) for place in places]
        columns.append(update.astype(dtype).reshape(-1, 1))
        rows = jnp.concatenate(columns, axis=1)
        return rows.reshape(*update.shape, rows.shape[1])

    return Run(start, step, read)


def _refuse_cycles(found: Audit) -> None:
    for leaf in found.leaves:
        if leaf.kind == "irregular":
            values = leaf.values.reshape(len(leaf.values), -1)[-STEPS - 1 :, 0]
            raise Unreadable(
                f"{leaf.name} of its state neither counts the steps nor comes to rest (in a run it is "
                f"{', '.join(map(str, values[:6]))}, ...): it is "
                "another optimizer at every step, and has no map at a late one. held_count=None carries it "
                "along as a state entry"
            )
    if not found.ends:
        raise Unreadable(
            "what it does depends on the step for ever, as on a cyclic schedule or with restarts: no late "
            "step speaks for the others. held_count=k reads it at step k"
        )


def _held_late(leaves: Sequence[Array], kinds: Sequence[Leaf]) -> list[Array]:
    return [
        jnp.full_like(array, late(array.dtype))
        if leaf.kind == "counter"
        else jnp.asarray(leaf.values[-1], array.dtype)
        if leaf.kind == "settled"
        else array
        for array, leaf in zip(leaves, kinds, strict=True)
    ]


def _held_at(
    count: int,
    leaves: Sequence[Array],
    kinds: Sequence[Leaf],
    transformation: optax.GradientTransformation,
    parameter: Array,
) -> list[Array]:
    """What is not state, as it is in a run before step ``count``."""
    irregular = {}
    if count > STEPS and any(leaf.kind == "irregular" or leaf.settles_later for leaf in kinds):

        def step(_: Any, state: Any) -> Any:
            return transformation.update(jnp.ones_like(parameter), state, parameter)[1]

        start = jax.tree.map(jnp.asarray, transformation.init(parameter))
        irregular = dict(enumerate(jax.tree.leaves(jax.lax.fori_loop(0, count, step, start))))

    def held(place: int, array: Array, leaf: Leaf) -> Array:
        if leaf.kind not in CARRIED:
            return array
        if leaf.kind == "counter":
            return jnp.asarray(leaf.values[0] + count, array.dtype)
        if count > STEPS and (leaf.kind == "irregular" or leaf.settles_later):
            return irregular[place]
        return jnp.asarray(leaf.values[min(count, STEPS)], array.dtype)

    return [
        held(place, array, leaf)
        for place, (array, leaf) in enumerate(zip(leaves, kinds, strict=True))
    ]
