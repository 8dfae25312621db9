"""Run many settings of one family on many problems, fast.

Score of a run: the meta-objective mean_k f(x_k) / f(x_0) over the recorded losses, 0 to ``steps``.

The numbers are those of ``unroll.meta_objective`` of ``unroll.evaluate``, arranged for a CPU's
caches and vector units. Problems lie along the *last*, contiguous axis, so that all arithmetic of a
small task is one elementwise loop over them (three to five times faster than problems first), and
blocks of a few thousand numbers run one after the other. The number of steps is a traced value: one
compilation serves every stage of a search.
"""

import math
from functools import partial
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from lopt.optimizers import OptimizerFamily
from lopt.tasks import Task
from lopt.tasks.flat import flat_loss, start

__all__ = ["run_trials"]

# Numbers that run side by side. Times are flat within a factor of four around this.
BLOCK_NUMBERS = 2**12
# Problems of more components than this fill the vector units by themselves: they run one at a time.
LARGE_PROBLEM = 64


def run_trials(
    task: Task, family: OptimizerFamily, thetas: Any, problems: PyTree, steps: int
) -> Float[np.ndarray, "trials problems"]:
    """Return the meta-objective of every theta on every problem.

    Args:
        task: the task that the problems come from.
        family: the optimizer's family.
        thetas: settings, stacked along the leading axis.
        problems: problems, likewise.
        steps: updates per run.
    """
    trials, count = (len(jax.tree.leaves(tree)[0]) for tree in (thetas, problems))
    lanes = 1 if task.components > LARGE_PROBLEM else BLOCK_NUMBERS // task.components
    problem_blocks = _blocks(count, lanes)
    trial_blocks = _blocks(trials, lanes // problem_blocks.shape[1])
    lanes_of_block = [
        jax.tree.map(lambda leaf, chosen=chosen: jnp.moveaxis(leaf[chosen], 0, -1), problems)
        for chosen in problem_blocks
    ]
    scores = np.empty((trial_blocks.size, problem_blocks.size), np.float32)
    rows, columns = trial_blocks.shape[1], problem_blocks.shape[1]
    for i, chosen in enumerate(trial_blocks):
        theta = jax.tree.map(lambda leaf, chosen=chosen: leaf[chosen], thetas)
        for j, lanes in enumerate(lanes_of_block):
            block = _run_block(task, family, theta, lanes, steps)
            scores[i * rows : (i + 1) * rows, j * columns : (j + 1) * columns] = block
    return scores[:trials, :count]


def _blocks(count: int, size: int) -> Int[np.ndarray, "blocks size"]:
    """Split range(count) into equal blocks of at most ``size``; the last index fills up."""
    blocks = math.ceil(count / max(1, size))
    width = math.ceil(count / blocks)
    return np.minimum(np.arange(blocks * width), count - 1).reshape(blocks, width)


@partial(jax.jit, static_argnames=("task", "family"))
def _run_block(
    task: Task, family: OptimizerFamily, thetas: Any, problems: PyTree, steps: Int[Array, ""]
) -> Float[Array, "trials lanes"]:
    """Score stacked ``thetas`` on ``problems``, which are stacked along their last axis."""
    loss = jax.vmap(flat_loss(task), in_axes=(-1, -1, None))
    value_and_grad = jax.vmap(
        jax.value_and_grad(flat_loss(task), argnums=1), in_axes=(-1, -1, None), out_axes=(0, -1)
    )
    x_0 = jax.vmap(partial(start, task), in_axes=-1, out_axes=-1)(problems)
    first = loss(problems, x_0, 0)

    def run(theta: Any) -> Float[Array, " lanes"]:
        transformation = family.build(theta)

        def step(k: Array, carry: tuple[Array, PyTree, Array]) -> tuple[Array, PyTree, Array]:
            x, state, total = carry
            losses, gradients = value_and_grad(problems, x, k)
            updates, state = transformation.update(gradients, state, x)
            return x + cast(Array, updates), state, total + losses

        carry = x_0, transformation.init(x_0), jnp.zeros_like(first)
        x, _, total = jax.lax.fori_loop(0, steps, step, carry)
        return (total + loss(problems, x, steps)) / ((steps + 1) * first)

    return jax.vmap(run)(thetas)
