r"""A task as an optimizer meets it: a loss of a flat vector, at an iteration.

    x_0    = start(task, problem)                  what ``task.init`` returns, raveled [components]
    check_first_losses(task, problems)             f_0(x_0) is what a meta-objective divides by
    f_k(x) = flat_loss(task)(problem, x, k)        the loss at iteration k, where x[k] is looked at

Optimizers here act on every component alone: what runs them sees vectors, while a task may keep its
parameters in any pytree of floating-point arrays (in the order of ``jax.tree.leaves``). Where a task's loss
has no argument ``iteration`` (full batches), k changes nothing, ``iterations`` is None, and a scan over it is
compiled to what the scan without it is.

Where it has one (minibatches), f_k depends on the problem and on k alone: every optimizer meets the same
draws on a problem, and a derivative through a run is of the draws that the run met, in whatever order and
however often it computes them again.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from lopt.tasks.base import Task, is_stochastic

__all__ = [
    "FlatLoss",
    "check_first_losses",
    "flat_loss",
    "is_stochastic",
    "iterations",
    "parameters",
    "start",
]

FlatLoss = Callable[[Any, Float[Array, " components"], Any], Float[Array, ""]]


def start(task: Task, problem: Any) -> Float[Array, " components"]:
    """Return where the optimization of one problem starts, as a flat vector.

    Raises:
        ValueError: if the task has another number of ``components`` than that, or some are no
            floating-point numbers.
    """
    x = task.init(problem)
    for place, leaf in jax.tree_util.tree_leaves_with_path(x):
        if not jnp.issubdtype(kind := jnp.result_type(leaf), jnp.floating):
            raise ValueError(
                f"{task}: what its init returns{jax.tree_util.keystr(place)} is {kind}, expected "
                "floating-point numbers; what is not optimized belongs into the problem"
            )
    if not _is_flat(x):
        x = jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(x)])
    if x.shape != (task.components,):
        raise ValueError(
            f"{task}: its components are {task.components}, but what its init returns has {x.size} numbers"
        )
    return x


def flat_loss(task: Task) -> FlatLoss:
    """Return the loss of a problem at a flat vector and an iteration.

    It raises a ValueError if the task's loss is no single number.
    """
    stochastic = is_stochastic(task)

    def loss(problem: Any, x: Float[Array, " components"], iteration: Any) -> Float[Array, ""]:
        extra = (iteration,) if stochastic else ()
        value = task.loss(problem, parameters(task, problem, x), *extra)
        if jnp.shape(value) != ():
            raise ValueError(
                f"{task}: its loss has shape {list(jnp.shape(value))}, expected a single number"
            )
        return value

    return loss


def check_first_losses(task: Task, problems: PyTree) -> None:
    """Raise unless every problem's loss is a positive number where its optimization starts.

    The meta-objective is made of f(x_k) / f(x_0). Of a negative f(x_0) it would reward climbing.

    Args:
        task: that the problems are of.
        problems: a batch, stacked along the leading axis.

    Raises:
        ValueError: with how many are not, and one of their losses.
    """
    losses = np.asarray(_first_losses(problems, task=task), np.float64)
    wrong = losses[~(np.isfinite(losses) & (losses > 0.0))]
    if wrong.size:
        raise ValueError(
            f"{task}: the loss at the start is {wrong[0]:g}, in {wrong.size} of {losses.size} problems not a "
            "number above 0, and the meta-objective divides by it; add a constant to the loss, or sample "
            "other problems"
        )


@partial(
    jax.jit,
    static_argnames=("task",),
    compiler_options={"xla_backend_optimization_level": 0},  # it runs once
)
def _first_losses(problems: PyTree, *, task: Task) -> Float[Array, " problems"]:
    return jax.vmap(lambda problem: flat_loss(task)(problem, start(task, problem), 0))(problems)


def iterations(task: Task, steps: int) -> Int[Array, " steps"] | None:
    """Return 0 ... steps - 1 for a scan over a run; None where the loss is the same at each."""
    return jnp.arange(steps, dtype=jnp.int32) if is_stochastic(task) else None


def parameters(task: Task, problem: Any, x: Float[Array, " components"]) -> PyTree:
    """Return the flat vector ``x`` as the pytree that ``task.init`` returns.

    Raises:
        ValueError: if it has another length.
    """
    shapes = jax.eval_shape(task.init, problem)
    if _is_flat(shapes):
        return x
    leaves, structure = jax.tree.flatten(shapes)
    ends = [0]
    for leaf in leaves:
        ends.append(ends[-1] + leaf.size)
    if x.shape != (ends[-1],):
        raise ValueError(f"x has shape {x.shape}, but {task} has {ends[-1]} parameters")
    parts = [
        x[first:last].reshape(leaf.shape)
        for leaf, first, last in zip(leaves, ends[:-1], ends[1:], strict=True)
    ]
    return jax.tree.unflatten(structure, parts)


def _is_flat(tree: PyTree) -> bool:
    """Whether the parameters are one flat vector already, as most tasks have them."""
    return hasattr(tree, "ndim") and tree.ndim == 1
