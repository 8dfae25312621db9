r"""An optimizer of one's own, written as a step on any pytree of state, as a map on one component.

    state', update = step(state, inputs)

``state`` is a pytree of arrays of one component: a dictionary of accumulators, a NamedTuple, a list.
``inputs`` has the gradient and, only if they are declared, the parameter, the iteration (0, 1, ...), the
loss, and a context: whatever a function of the whole tensor makes of its gradients and parameters, such as
their root mean square.

    h = (the state, raveled; the last update),        F(h, g) = step at the operating point

What is not state is frozen for the analysis at an *operating point*: the iteration at "late" (10^9) unless
another is stated, the parameter at 0, loss and context where ``at`` says: there is no loss or tensor that
goes without saying. A *run* (``lopt.record``, ``lopt.analyze`` on a task) supplies all of them as they are.

Example: momentum with a decay of the parameter.

>>> import jax
>>> from lopt.analysis.linearization import linearize
>>> def step(state, inputs):
...     velocity = 0.9 * state["velocity"] + inputs.gradient
...     return {"velocity": velocity}, -0.1 * (velocity + 0.01 * inputs.parameter)
>>> with jax.enable_x64(True):
...     mine = from_step({"velocity": 0.0}, step, reads=["parameter"])
...     linearize(mine, mine.initial_state).momenta.round(12).tolist()
[0.9, 0.0]
>>> mine.audit.state_names, str(mine.audit.operating_point)
(('velocity', 'update'), 'parameter 0')
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from lopt.optimizers.component import ComponentOptimizer, Run, floating
from lopt.optimizers.optax_audit import LATE, Audit

__all__ = ["FrozenAt", "Inputs", "from_step"]

READABLE = ("parameter", "iteration", "loss", "context")


class Inputs(NamedTuple):
    """What a step is given; what it did not declare is None."""

    gradient: Float[Array, ""]
    parameter: Float[Array, ""] | None = None
    iteration: Float[Array, ""] | None = None
    """A floating-point number: 0 at the first step."""
    loss: Float[Array, ""] | None = None
    """Before the step."""
    context: PyTree = None


class FrozenAt(NamedTuple):
    """Where what is not state was frozen: by name; only what the optimizer reads."""

    values: tuple[tuple[str, Any], ...]

    def __str__(self) -> str:
        told = (
            "a late iteration" if value == "late" else f"{name} {_told(value)}"
            for name, value in self.values
        )
        return ", ".join(told)


def from_step(
    initial_state: PyTree,
    step: Callable[[PyTree, Inputs], tuple[PyTree, Float[Array, ""]]],
    *,
    reads: Iterable[str] = (),
    context: Callable[[Float[Array, "..."], Float[Array, "..."]], PyTree] | None = None,
    at: Mapping[str, Any] | None = None,
    dtype: Any = None,
) -> ComponentOptimizer:
    """Return the optimizer that ``step`` is, as a map on the state of one component.

    Args:
        initial_state: a pytree of numbers or arrays: the state of one component before the first step.
        step: maps a state and inputs to the next state and the update, which is *added* to the parameter;
            a function of one component, written in ``jax.numpy``.
        reads: what it reads besides the gradient: any of parameter, iteration, loss.
        context: makes of a tensor's gradients and parameters what all of its components are given.
        at: the operating point: values of what is read, by name. The iteration may be "late".
        dtype: floating-point type of the analysis (default: JAX's default).

    Raises:
        ValueError: naming what was declared wrongly, or the entry of the state whose shape ``step`` changes.
    """
    dtype = floating(dtype)
    inputs_read = _declared(reads, context)
    entries = _entries(initial_state)
    frozen = FrozenAt(_frozen(inputs_read, dict(at or {})))

    def frozen_inputs(g: Float[Array, ""]) -> Inputs:
        values = {
            name: jax.tree.map(
                lambda leaf: jnp.asarray(leaf, dtype), LATE if value == "late" else value
            )
            for name, value in frozen.values
        }
        return Inputs(g, **values)

    def one(h: Float[Array, " state"], g: Float[Array, ""]) -> Float[Array, " state"]:
        state, update = step(entries.unravel(h), frozen_inputs(g))
        return jnp.append(entries.ravel(state, h.dtype), jnp.asarray(update, h.dtype))

    _check_step(step, entries, frozen_inputs, inputs_read, dtype)
    start = jax.tree.unflatten(entries.structure, entries.leaves)
    return ComponentOptimizer(
        initial_state=jnp.append(entries.ravel(start, dtype), jnp.zeros((), dtype)),
        transition=jnp.vectorize(one, signature="(n),()->(n)"),
        readout=lambda h: h[..., -1],
        run=_run(step, entries, inputs_read, context, dtype),
        audit=Audit(
            leaves=(),
            reads_parameter=not {"parameter", "context"}.isdisjoint(inputs_read),
            state_names=(*entries.names, "update"),
            operating_point=frozen if frozen.values else None,
            again=lambda dtype: from_step(
                initial_state, step, reads=reads, context=context, at=at, dtype=dtype
            ),
        ),
    )


class _Entries(NamedTuple):
    """The state's leaves before the first step, and what their entries are called when raveled."""

    leaves: tuple[np.ndarray, ...]
    structure: Any
    paths: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        names = []
        for path, leaf in zip(self.paths, self.leaves, strict=True):
            places = [""] if leaf.shape == () else [str(list(p)) for p in np.ndindex(leaf.shape)]
            names += [f"{path}{place}".replace(", ", ",") for place in places]
        return tuple(names)

    def ravel(self, state: PyTree, dtype: Any) -> Float[Array, " entries"]:
        parts = [jnp.asarray(leaf, dtype).reshape(-1) for leaf in jax.tree.leaves(state)]
        return jnp.concatenate([jnp.zeros(0, dtype), *parts])

    def unravel(self, h: Float[Array, " state"]) -> PyTree:
        ends = np.cumsum([0, *(leaf.size for leaf in self.leaves)]).tolist()
        parts = [
            h[begin:end].reshape(leaf.shape)
            for leaf, begin, end in zip(self.leaves, ends, ends[1:], strict=False)
        ]
        return jax.tree.unflatten(self.structure, parts)


def _declared(reads: Iterable[str], context: Callable | None) -> tuple[str, ...]:
    names = (reads,) if isinstance(reads, str) else tuple(reads)
    for name in names:
        if name not in READABLE or name == "context":
            raise ValueError(
                f"reads names {name!r}; a step can read {', '.join(READABLE[:-1])}, and a context that "
                "context= makes"
            )
    return tuple(name for name in READABLE if name in names or (name == "context" and context))


def _entries(initial_state: PyTree) -> _Entries:
    with_paths, structure = jax.tree_util.tree_flatten_with_path(initial_state)
    paths, leaves = [], []
    for path, leaf in with_paths:
        name = jax.tree_util.keystr(path, simple=True, separator=".") or "state"
        if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            raise ValueError(
                f"{name} of the initial state is a random key: a step that draws is no map of its state"
            )
        array = np.asarray(leaf)
        if array.dtype == bool or not np.can_cast(array.dtype, np.float64):
            raise ValueError(
                f"{name} of the initial state is {array.dtype}, expected real numbers; steps are counted by "
                'reads=["iteration"]'
            )
        if not np.all(np.isfinite(array.astype(np.float64))):
            raise ValueError(f"{name} of the initial state is not finite")
        paths.append(name)
        leaves.append(array)
    return _Entries(tuple(leaves), structure, tuple(paths))


def _frozen(reads: tuple[str, ...], at: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return where the analysis sees what is read."""
    unread = sorted(at.keys() - set(reads))
    if unread:
        raise ValueError(
            f"at states {', '.join(unread)}, which the step does not read; it reads the gradient"
            + "".join(f" and {name}" for name in reads)
        )
    at = {"parameter": 0.0, "iteration": "late"} | at
    frozen = []
    for name in reads:
        if name not in at:
            raise ValueError(f"the step reads the {name}: state where, at={{{name!r}: ...}}")
        value = at[name]
        if not (name == "iteration" and value == "late"):
            try:
                finite = all(
                    np.all(np.isfinite(np.asarray(x, float))) for x in jax.tree.leaves(value)
                )
            except (TypeError, ValueError):
                finite = False
            if not finite or (name == "iteration" and value < 0):
                raise ValueError(f"at states the {name} {value!r}, expected finite numbers")
        frozen.append((name, value))
    return tuple(frozen)


def _check_step(
    step: Callable,
    entries: _Entries,
    frozen_inputs: Callable,
    reads: tuple[str, ...],
    dtype: Any,
) -> None:
    """Trace ``step`` once, and compare what it returns with what it was given."""
    given = jax.tree.unflatten(
        entries.structure, [jax.ShapeDtypeStruct(leaf.shape, dtype) for leaf in entries.leaves]
    )
    gradient = jax.ShapeDtypeStruct((), dtype)
    try:
        found = jax.eval_shape(lambda state, g: step(state, frozen_inputs(g)), given, gradient)
    except Exception as error:
        # It is the user's function: whatever goes wrong in it is the reason.
        first = (str(error).splitlines() or [""])[0]
        raise ValueError(
            f"step fails on one component ({type(error).__name__}: {first}); it is given the gradient"
            + "".join(f" and {name}" for name in reads)
            + ", and what it did not declare is None"
        ) from None
    if not (isinstance(found, tuple) and len(found) == 2):
        raise ValueError(f"step returns {type(found).__name__}, expected (state, update)")
    state, update = found
    if jax.tree.structure(state) != entries.structure:
        raise ValueError(
            f"step returns a state of the structure {jax.tree.structure(state)}, expected "
            f"{entries.structure}"
        )
    for name, leaf, after in zip(
        entries.paths, entries.leaves, jax.tree.leaves(state), strict=True
    ):
        if after.shape != leaf.shape:
            raise ValueError(
                f"step returns {name} with shape {list(after.shape)}, expected {list(leaf.shape)}"
            )
    if getattr(update, "shape", None) != ():
        shape = list(getattr(update, "shape", [])) or type(update).__name__
        raise ValueError(f"step returns an update of shape {shape}, expected one number")


def _run(
    step: Callable,
    entries: _Entries,
    reads: tuple[str, ...],
    context: Callable | None,
    dtype: Any,
) -> Run:
    """The optimizer itself, on every entry of an array: with what it reads as it is."""

    def start(x: Float[Array, "..."]) -> tuple[Array, PyTree, Array]:
        kind = jnp.promote_types(dtype, jnp.result_type(x))
        leaves = [
            jnp.broadcast_to(jnp.asarray(leaf, kind), (x.size, *leaf.shape))
            for leaf in entries.leaves
        ]
        return (
            jnp.zeros((), jnp.int32),
            jax.tree.unflatten(entries.structure, leaves),
            jnp.zeros_like(x),
        )

    def advance(
        state: tuple[Array, PyTree, Array],
        g: Float[Array, "..."],
        x: Float[Array, "..."],
        loss: Float[Array, ""] | None = None,
    ) -> tuple[tuple[Array, PyTree, Array], Float[Array, "..."]]:
        iteration, inner, _ = state
        kind = jnp.promote_types(dtype, jnp.result_type(x))
        shared = {
            "iteration": iteration.astype(kind),
            "loss": None if loss is None else jnp.asarray(loss, kind),
            "context": context(g.astype(kind), x.astype(kind)) if context else None,
        }
        shared = {name: value for name, value in shared.items() if name in reads}

        def one(state: PyTree, g: Array, x: Array) -> tuple[PyTree, Array]:
            own = {"parameter": x} if "parameter" in reads else {}
            after, update = step(state, Inputs(g, **own, **shared))
            return jax.tree.map(lambda leaf: jnp.asarray(leaf, kind), after), update

        flat = (part.astype(kind).reshape(-1) for part in (g, x))
        after, updates = jax.vmap(one)(inner, *flat)
        update = updates.reshape(x.shape).astype(x.dtype)
        return (iteration + 1, after, update), update

    def read(state: tuple[Array, PyTree, Array]) -> Float[Array, "... state"]:
        _, inner, update = state
        columns = [leaf.reshape(update.size, -1) for leaf in jax.tree.leaves(inner)]
        rows = jnp.concatenate(
            [column.astype(dtype) for column in [*columns, update.reshape(-1, 1)]], axis=1
        )
        return rows.reshape(*update.shape, rows.shape[1])

    return Run(start, advance, read, reads_loss="loss" in reads)


def _told(value: Any) -> str:
    leaves = jax.tree.leaves(value)
    if len(leaves) == 1 and np.ndim(leaves[0]) == 0:
        return f"{float(leaves[0]):g}"
    return str(jax.tree.map(lambda leaf: np.asarray(leaf, float).tolist(), value))
