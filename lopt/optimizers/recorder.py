r"""Record what an optimizer meets in any training loop, without changing what it does there.

    optimizer = lopt.recorder(optax.adam(1e-3), steps=1000)     an optax transformation like the one inside
    state = optimizer.init(params)
    ...                                                         the loop as it was: jitted, scanned, sharded
    lopt.save_recording("run.npz", state)
    lopt.analyze(optax.adam(1e-3), "run.npz")

A random sample of the parameters' entries is followed: their gradients, values and updates are written to
buffers in the optimizer's state, step by step, so that nothing leaves the compiled loop until it is saved.
The first ``steps`` steps are kept; the memory is 3 x steps x components numbers. A loop that says its loss
(``update(..., value=loss)``) has it recorded, too.
"""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PyTree

from lopt.arguments import whole
from lopt.optimizers.loop_recorder import LoopRecorder
from lopt.records import store
from lopt.records.recorded_run import RecordedRun

__all__ = ["RecorderState", "load_recording", "recorder", "save_recording"]


class RecorderState(NamedTuple):
    """The state of the optimizer inside, and what was met so far."""

    inner: Any
    gradients: Float[Array, "steps components"]
    x: Float[Array, "steps components"]
    updates: Float[Array, "steps components"]
    losses: Float[Array, " steps"]
    count: Int[Array, ""]  # pyright: ignore[reportIncompatibleMethodOverride]: as in optax's states
    """Steps met so far."""


def recorder(
    transformation: optax.GradientTransformation, *, steps: int, components: int = 64, seed: int = 0
) -> optax.GradientTransformationExtraArgs:
    """Return ``transformation`` with a memory of what it meets.

    Args:
        transformation: the optimizer of the loop.
        steps: how many steps are kept, from the first on; later ones pass by.
        components: how many entries of the parameters are followed (all, if there are fewer).
        seed: chooses them.

    Raises:
        ValueError: if ``steps`` or ``components`` is less than 1. ``init`` raises it if the parameters have
            no entries, or complex ones; ``update`` if it is not given the parameters, or several losses.
    """
    steps, components = whole("steps", steps), whole("components", components)
    seed = whole("seed", seed, least=0)
    inner = optax.with_extra_args_support(transformation)

    def sample(tree: PyTree, dtype: Any) -> Float[Array, " components"]:
        leaves = [jnp.asarray(leaf) for leaf in jax.tree.leaves(tree)]
        sizes = np.array([leaf.size for leaf in leaves])
        total = int(sizes.sum())
        chosen = np.random.default_rng(seed).permutation(total)[:components]
        ends = np.cumsum(sizes)
        homes = np.searchsorted(ends, chosen, side="right")
        parts = [
            leaf.reshape(-1)[chosen[homes == place] - (ends[place] - sizes[place])].astype(dtype)
            for place, leaf in enumerate(leaves)
        ]
        return jnp.concatenate(parts)

    def init(params: PyTree) -> RecorderState:
        dtype = jnp.result_type(float)
        leaves = jax.tree.leaves(params)
        count = min(components, sum(jnp.size(leaf) for leaf in leaves))
        if count < 1:
            raise ValueError("a recorder needs something to follow: the parameters have no entries")
        if any(jnp.iscomplexobj(leaf) for leaf in leaves):
            raise ValueError("a recorder follows real numbers, and some parameters are complex")
        empty = jnp.full((steps, count), jnp.nan, dtype)
        losses = jnp.full(steps, jnp.nan, dtype)
        zero = jnp.zeros((), jnp.int32)
        return RecorderState(inner.init(params), empty, empty, empty, losses, zero)

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **extra: Any
    ) -> tuple[PyTree, RecorderState]:
        if params is None:
            raise ValueError("a recorder needs the parameters: update(gradients, state, params)")
        moves, after = inner.update(updates, state.inner, params, **extra)

        def put(buffer: Array, value: Array) -> Array:
            return buffer.at[state.count].set(value.astype(buffer.dtype), mode="drop")

        loss = extra.get("value")
        if loss is not None and jnp.size(loss) != 1:
            raise ValueError(f"value has shape {list(jnp.shape(loss))}, expected one loss")
        loss = jnp.nan if loss is None else jnp.reshape(loss, ())
        dtype = state.gradients.dtype
        return moves, RecorderState(
            inner=after,
            gradients=put(state.gradients, sample(updates, dtype)),
            x=put(state.x, sample(params, dtype)),
            updates=put(state.updates, sample(moves, dtype)),
            losses=put(state.losses, jnp.asarray(loss)),
            count=jnp.minimum(state.count + 1, steps),
        )

    return optax.GradientTransformationExtraArgs(init, update)


def save_recording(path: str | Path, state: RecorderState | LoopRecorder) -> None:
    """Store what a recorder's state holds, or what a recorder of a loop that is not JAX has met.

    Raises:
        ValueError: if it is no state of a recorder, or those of several runs at once, or holds no step.
    """
    if isinstance(state, LoopRecorder):
        store.save(path, state.recorded_run())
        return
    if not isinstance(state, RecorderState):
        raise ValueError(
            f"expected the state of a recorder, got {type(state).__name__}: lopt.recorder(...) goes round "
            "the whole optimizer"
        )
    if np.ndim(state.count) > 0:
        raise ValueError(
            f"the state is of {np.size(state.count)} runs at once, as vmap makes them: save each by itself, "
            "as jax.tree.map(lambda leaf: leaf[0], state)"
        )
    count = int(state.count)
    if count < 1:
        raise ValueError("the recorder has met no step yet")
    parts = (state.gradients, state.x, state.updates, state.losses)
    store.save(path, RecordedRun(*(np.asarray(part)[:count] for part in parts)))


def load_recording(path: str | Path) -> RecordedRun:
    """Return what ``save_recording`` stored.

    Raises:
        StoreError: if the file is missing or damaged, or holds something else.
    """
    return store.load(path, RecordedRun)[0]
