"""What must be known of an optax transformation before it can be read as a map on one component.

It is run for a few steps, on one scalar parameter and on arrays of many, and looked at:

* does it run with gradient, state and parameter alone? (Some ask for the loss.)
* does it act on every entry alone? A run on arrays is compared with runs on each entry by itself.
* which entries of its state are what: numbers that move (the state proper), numbers that stay (injected
  hyperparameters), counters of steps, flags, random keys.
* does it read the parameter?

Where steps are counted, all of this is asked once more of a run that begins at ``LATE``: a momentum, a norm
or a decay may begin later than the first run ends. And is a late step like the others, or is there a cycle?

``Unreadable`` is raised with the true reason where the answer is that it can't be read.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array

__all__ = ["LATE", "Audit", "Leaf", "Unreadable", "audit"]

LATE = 10**9
"""A step so late that everything that follows the iteration has come to its end."""
STEPS = 16  # of the runs that are looked at
KINDS = ("constant", "settled", "counter", "state", "irregular", "random")
"""What leaves can be; of one that is several things in several runs the last counts."""
SIDE = 128  # of the matrix: from this size on optax's factored optimizers factor
# Its programs run once, and compiling them is what takes the time.
ONCE = {"xla_backend_optimization_level": 0}
LATE_STEPS, CHANGED = (
    1024,
    1e-3,
)  # compared with each other; relative, far above what falls like a root
COUPLED = {"float64": 1e-7, "float32": 1e-3}  # relative; above rounding, far below any coupling


class Unreadable(ValueError):
    """A transformation can't be read as a map on one component; the message says why."""


class Leaf(NamedTuple):
    """One leaf of the state of a scalar parameter, and what it does in a run."""

    name: str
    kind: str
    """state, constant, counter, settled (a flag that ends as one value), irregular."""
    values: np.ndarray
    """Before each of the steps that were looked at, and after the last; then, if it is something else there
    or irregular, the same of late steps."""

    @property
    def settles_later(self) -> bool:
        """Whether it comes to rest after the steps that were looked at."""
        return self.kind == "settled" and len(self.values) > STEPS + 1


class Audit(NamedTuple):
    """What was found; ``operating_point`` says where what is not state was frozen.

    Of an optimizer that is no optax transformation ``leaves`` is empty.
    """

    leaves: tuple[Leaf, ...]
    reads_parameter: bool
    state_names: tuple[str, ...] = ()
    operating_point: Any = None
    again: Callable[[Any], Any] | None = None
    """Reads the transformation once more, in the floating-point type that it is given."""
    ends: bool = True
    """Whether late steps are all the same; if not, none of them speaks for the others."""


def audit(transformation: optax.GradientTransformation, parameter: Any, dtype: Any) -> Audit:
    """Return what a transformation does, seen from one scalar ``parameter`` of type ``dtype``.

    Raises:
        Unreadable: if it doesn't run on one scalar with gradient and parameter alone, couples
            components, or draws random numbers.
    """
    if not (hasattr(transformation, "init") and hasattr(transformation, "update")):
        raise Unreadable(
            f"expected an optax.GradientTransformation, got {type(transformation).__name__}"
        )
    starts, gradients = _pushes(parameter, dtype)
    scalar = jax.ShapeDtypeStruct((), dtype)
    _try(
        lambda: jax.eval_shape(
            lambda x, g: _run(transformation, x, g), scalar, jax.ShapeDtypeStruct((STEPS,), dtype)
        ),
        "one scalar parameter",
    )
    run = _runs_of(transformation)
    runs = _try(lambda: run(starts, gradients, {}), "a matrix of parameters")
    step = _one_step(transformation, jnp.asarray(gradients[STEPS // 2, 0, 0]), runs.states)
    after = jax.jit(step, compiler_options=ONCE)
    first = _audited(runs, after, starts, dtype)
    counters = {leaf.name for leaf in first.leaves if leaf.kind == "counter"}
    if not counters:
        return first
    late_runs = run(starts, gradients, counters)
    later = _audited(late_runs, after, starts, dtype)
    leaves = tuple(map(_united, first.leaves, later.leaves))
    return Audit(
        leaves,
        first.reads_parameter or later.reads_parameter,
        ends=_ends(step, leaves, starts[0, 0], late_runs.states),
    )


def _united(first: Leaf, later: Leaf) -> Leaf:
    """Return what a leaf is that is one thing in the first steps, and perhaps another at late ones."""
    before, after = map(KINDS.index, (first.kind, later.kind))
    if before > after or (before == after and first.kind != "irregular"):
        return first
    return first._replace(kind=later.kind, values=np.concatenate([first.values, later.values]))


def _ends(step: Callable, leaves: Sequence[Leaf], start: Any, states: Any) -> bool:
    """Return whether updates and states are the same at many late steps, from one state."""
    here = [jnp.asarray(stack[STEPS // 2]) for stack in jax.tree.leaves(states)]
    counters = [leaf.kind == "counter" for leaf in leaves]

    @partial(jax.jit, compiler_options=ONCE)
    @jax.vmap
    def at(offset: Any) -> tuple[Any, list[Any]]:
        moved = [
            leaf + offset.astype(leaf.dtype) if counts else leaf
            for leaf, counts in zip(here, counters, strict=True)
        ]
        update, state = step(moved, start)
        numbers = [leaf for leaf, kind in zip(state, leaves, strict=True) if kind.kind == "state"]
        return update, numbers

    def same(values: Any) -> bool:
        scale = np.nanmax(np.abs(values), initial=0.0)
        return np.allclose(values, values[:1], rtol=0.0, atol=CHANGED * scale, equal_nan=True)

    return all(same(np.asarray(part)) for part in jax.tree.leaves(at(jnp.arange(LATE_STEPS))))


def _audited(runs: "_Runs", after: Callable, starts: Any, dtype: Any) -> Audit:
    """Return what some runs show."""
    one, other = (starts[0, entry] for entry in (0, 1))
    leaves = _leaves(after, one, runs.states)
    for leaf in leaves:
        if leaf.kind == "random":
            raise Unreadable(
                f"it draws random numbers (the key {leaf.name} of its state changes at every step): its "
                "update is not a function of state and gradient"
            )
    _refuse_coupling(runs, dtype)
    reads_parameter = not _same(runs.alone[:, 0], runs.alone[:, 1], dtype)
    if not reads_parameter:
        # Not in two runs from two starts; but what the state knows of the parameter may move with it.
        middle = [stack[STEPS // 2] for stack in jax.tree.leaves(runs.states)]
        reads_parameter = not _same(after(middle, one)[0], after(middle, other)[0], dtype)
    return Audit(leaves, reads_parameter)


class _Runs(NamedTuple):
    """A run on a matrix of parameters, and runs on each of its entries alone."""

    together: np.ndarray
    """Updates, [step, entry]."""
    alone: np.ndarray
    states: Any
    """Of the first entry alone: before each step, and after the last."""
    shared: Any
    """The matrix's state after the last step ..."""
    each: Any
    """... and that of every entry."""
    coupled: Callable[[], bool]
    """Says whether the updates of entries of the matrix, or what is common to all, change with the gradients
    of others."""


def _pushes(parameter: Any, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return where a matrix of parameters starts, and its gradients at each step.

    The first entry is the parameter itself, the second another with the same gradients.
    """
    random = np.random.default_rng(0)
    starts = random.normal(size=(SIDE, SIDE))
    # Much the same from step to step: what adapts a common rate sees progress, and adapts it.
    gradients = random.normal(size=(SIDE, SIDE)) + 0.3 * random.normal(size=(STEPS, SIDE, SIDE))
    starts[0, :2] = parameter, parameter + 0.7
    # Of all sizes, so that thresholds are passed; none of them 0.
    sizes = 10.0 ** random.uniform(-2.0, 0.5, STEPS)
    gradients[:, 0, :2] = (random.normal(size=STEPS) * sizes)[:, None]
    return starts.astype(dtype), gradients.astype(dtype)


def _runs_of(transformation: optax.GradientTransformation) -> Callable[..., _Runs]:
    """Return what runs it from ``starts`` with ``gradients``, some leaves of its state beginning late."""

    @partial(jax.jit, compiler_options=ONCE)
    def run(starts: Any, gradients: Any, moved: Mapping[str, Array]) -> Any:
        def one(x: Any, g: Any) -> tuple[Any, Any]:
            return _run(transformation, x, g, moved)

        shared, together = one(starts, gradients)
        each = jax.vmap(one, in_axes=(0, 1), out_axes=(0, 1))
        states, alone = each(starts.reshape(-1), gradients.reshape(STEPS, -1))
        first = jax.tree.map(lambda stack: stack[0], states)
        shared, last = (
            jax.tree.map(lambda s: s[-1], shared),
            jax.tree.map(lambda s: s[:, -1], states),
        )
        return together.reshape(STEPS, -1), alone, first, shared, last

    # One program for all runs: where counters begin is an argument of it.
    scalar = jax.eval_shape(transformation.init, jnp.zeros((), jnp.result_type(float)))
    whole = {
        _name(path): leaf.dtype
        for path, leaf in jax.tree_util.tree_flatten_with_path(scalar)[0]
        if jnp.issubdtype(getattr(leaf, "dtype", bool), jnp.integer)
    }

    def runs(starts: Any, gradients: Any, begin_late: Collection[str]) -> _Runs:
        moved = {
            name: np.asarray(late(dtype) if name in begin_late else 0, dtype)
            for name, dtype in whole.items()
        }
        together, alone, first, shared, last = run(starts, gradients, moved)

        def coupled() -> bool:
            changed = np.random.default_rng(1).random(starts.shape) < 0.5
            others = np.where(changed, -2.0 * gradients, gradients)
            again, _, _, shared_again, _ = run(starts, others, moved)
            pairs = [(part[:, ~changed.reshape(-1)] for part in (together, again))]
            pairs += [
                pair
                for pair in zip(*map(jax.tree.leaves, (shared, shared_again)), strict=True)
                if pair[0].size < starts.size and jnp.issubdtype(pair[0].dtype, jnp.floating)
            ]
            return not all(np.array_equal(*pair, equal_nan=True) for pair in pairs)

        return _Runs(
            np.asarray(together, np.float64),
            np.asarray(alone, np.float64),
            first,
            shared,
            last,
            coupled,
        )

    return runs


def _name(path: tuple) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".") or "state"


def _run(
    transformation: optax.GradientTransformation,
    start: Any,
    gradients: Any,
    moved: Mapping[str, Array] | None = None,
) -> tuple[Any, Any]:
    """Return the states (before each step and after the last) and the updates of one run.

    ``moved`` is added to leaves of the state before the first step, by name.
    """

    def begun(path: tuple, leaf: Any) -> Array:
        leaf = jnp.asarray(leaf)
        name = _name(path)
        return leaf + moved[name].astype(leaf.dtype) if moved and name in moved else leaf

    def step(carry: tuple, g: Any) -> tuple:
        x, state = carry
        update, after = transformation.update(g, state, x)
        return (jax.tree.map(jnp.add, x, update), after), (state, update)

    state = jax.tree_util.tree_map_with_path(begun, transformation.init(start))
    (_, last), (states, updates) = jax.lax.scan(step, (start, state), gradients)
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b[None]]), states, last), updates


def _try(run: Any, what: str) -> Any:
    try:
        return run()
    except Exception as error:
        # It is somebody else's code: whatever goes wrong in it is the reason.
        text = (str(error).splitlines() or [""])[0]
        if isinstance(error, TypeError) and "required keyword-only argument" in text:
            names = text.split(":")[-1].strip()
            raise Unreadable(
                f"its update asks for {names}, which only a run on a problem has: it can't be read from "
                "gradients, states and parameters alone"
            ) from None
        raise Unreadable(f"it does not run on {what} ({type(error).__name__}: {text})") from None


def _one_step(transformation: optax.GradientTransformation, gradient: Any, states: Any) -> Callable:
    """Return what maps the leaves of one state, and a parameter, to the update and the next leaves."""
    tree = jax.tree.structure(states)

    def after(leaves: list[Any], parameter: Any) -> tuple[Any, list[Any]]:
        update, state = transformation.update(gradient, tree.unflatten(leaves), parameter)
        return update, jax.tree.leaves(state)

    return after


def _leaves(after: Callable, start: Any, states: Any) -> tuple[Leaf, ...]:
    entries, _ = jax.tree_util.tree_flatten_with_path(states)
    moved = _moved_by_nothing(after, start, states)
    return tuple(
        _leaf(path, array, constant) for (path, array), constant in zip(entries, moved, strict=True)
    )


def _leaf(path: tuple, array: jax.Array, passes_through: bool) -> Leaf:
    name = _name(path)
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        values = np.asarray(jax.random.key_data(array))
        fixed = bool(np.all(values == values[:1]))
        return Leaf(name, "constant" if fixed else "random", values)
    values = np.asarray(array)
    if jnp.issubdtype(array.dtype, jnp.floating):
        injected = any(getattr(key, "name", None) == "hyperparams" for key in path)
        return Leaf(name, "constant" if passes_through or injected else "state", values)
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise Unreadable(f"{name} of its state is complex")
    numbers = values.reshape(len(values), -1).astype(np.int64)
    changes = np.diff(numbers, axis=0)
    if not changes.any():
        kind = "constant"
    elif values.dtype == np.uint32 and values.shape[1:] == (2,):
        kind = "random"
    elif values.dtype != bool and np.all(changes == 1):
        kind = "counter" if passes_through else "irregular"
    elif not changes[len(changes) // 2 :].any():
        kind = "settled"
    else:
        kind = "irregular"
    return Leaf(name, kind, values)


def _moved_by_nothing(after: Callable, start: Any, states: Any) -> list[bool]:
    """For each leaf: does it keep any value that is put there (of a counter: count on from it)?

    A number that happens to stay in one run need not; a hyperparameter does. A counter that begins again
    after some steps does not count on from ``LATE``.
    """
    flat = jax.tree.leaves(states)
    here = [stack[STEPS // 2] for stack in flat]

    def keeps(place: int) -> bool:
        leaf = flat[place]
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) or leaf.dtype == bool:
            return False
        values = np.asarray(leaf)
        if jnp.issubdtype(leaf.dtype, jnp.integer):
            puts, step = [np.full_like(values[0], late(leaf.dtype))], 1
        elif np.any(values != values[:1]):
            return False
        else:  # above, below (a running maximum keeps what is above) and of the other sign
            puts = [
                (values[0] * a + b).astype(leaf.dtype)
                for a, b in ((1.25, 0.01), (0.5, 0), (-1, -1))
            ]
            step = 0
        results = (after([*here[:place], put, *here[place + 1 :]], start)[1][place] for put in puts)
        return all(
            np.array_equal(found, put + step) for found, put in zip(results, puts, strict=True)
        )

    return [keeps(place) for place in range(len(flat))]


def late(dtype: Any) -> int:
    """``LATE`` in an integer type that may be too small for it, with room to count on."""
    return min(LATE, int(jnp.iinfo(dtype).max) // 2)


def _refuse_coupling(runs: _Runs, dtype: Any) -> None:
    """Compare a run on a matrix with runs on each of its entries alone: updates, and shared numbers."""
    together, alone, count = runs.together, runs.alone, SIDE * SIDE
    if not _same(together, alone, dtype):
        difference = np.linalg.norm(together - alone) / (np.linalg.norm(alone) or 1.0)
        if not runs.coupled():
            raise Unreadable(
                "it treats a matrix otherwise than a scalar, as by a mask or a partition by shape (relative "
                f"difference {difference:.2g}): these are several optimizers, of which each can be read by "
                "itself"
            )
        raise Unreadable(
            "it couples components: the updates of a matrix are not those of its entries, each alone "
            f"(relative difference {difference:.2g}), as with a norm over all of them; one component has "
            "no map of its own, but lopt.probe reads it inside a run"
        )
    shared, _ = jax.tree_util.tree_flatten_with_path(runs.shared)
    for (path, leaf), each in zip(shared, jax.tree.leaves(runs.each), strict=False):
        if jnp.issubdtype(leaf.dtype, jnp.floating) and each.shape == (count, *leaf.shape):
            if not _same(np.broadcast_to(leaf, each.shape), each, dtype):
                raise Unreadable(
                    "it couples components: "
                    f"{_name(path)} of its state is common to "
                    "all of them, and depends on their gradients"
                )


def _same(first: Any, second: Any, dtype: Any) -> bool:
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    scale = np.nanmax(np.abs(second), initial=0.0)
    tolerance = COUPLED.get(jnp.dtype(dtype).name, 0.05) * (scale if np.isfinite(scale) else 1.0)
    return bool(np.allclose(first, second, rtol=0.0, atol=tolerance, equal_nan=True))
