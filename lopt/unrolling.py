"""Run an optimizer on a problem: the losses, or everything.

    x[k+1] = x[k] + update(grad f(x[k])),    losses recorded *before* each update and after the last:
    steps updates, steps + 1 losses f(x[0]) ... f(x[steps]).

Where a task draws new data at each iteration, f is f_k at iteration k (``lopt.tasks.flat``).

``unroll`` runs any ``optax.GradientTransformation``, ``record`` any ``ComponentOptimizer`` and keeps the
states too; ``evaluate`` runs one optimizer of a family on many problems.
"""

from functools import partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PyTree

from lopt.arguments import whole
from lopt.optimizers.component import ComponentOptimizer, OptimizerFamily, check_shapes, running
from lopt.tasks import Task
from lopt.tasks.flat import flat_loss, iterations, parameters, start

__all__ = ["Recording", "evaluate", "held_out", "meta_objective", "record", "unroll"]


class Recording(NamedTuple):
    """Everything about one run (or, stacked, many): entry k belongs to x[k], before its update."""

    losses: Float[Array | np.ndarray, "*runs steps_plus_1"]
    x: Float[Array | np.ndarray, "*runs steps_plus_1 components"]
    gradients: Float[Array | np.ndarray, "*runs steps_plus_1 components"]
    h: Float[Array | np.ndarray, "*runs steps_plus_1 components state"]
    updates: Float[Array | np.ndarray, "*runs steps components"]


def unroll(
    task: Task, transformation: optax.GradientTransformation, problem: Any, steps: int
) -> Float[Array, " steps_plus_1"]:
    """Return the losses of one run on one problem; a transformation that asks for the loss gets it.

    Raises:
        ValueError: if ``steps`` is no whole number, or negative.
    """
    return _run(task, transformation, problem, steps)[0]


def _run(
    task: Task, transformation: optax.GradientTransformation, problem: Any, steps: int
) -> tuple[Float[Array, " steps_plus_1"], Float[Array, " components"]]:
    """Return the losses of one run and the parameters at its end."""
    steps = whole("steps", steps, least=0)
    loss_of = flat_loss(task)
    value_and_grad = jax.value_and_grad(loss_of, argnums=1)
    update_of = optax.with_extra_args_support(transformation).update

    def step(carry: tuple[Array, PyTree], k: Array | None) -> tuple[tuple[Array, PyTree], Array]:
        x, state = carry
        loss, gradient = value_and_grad(problem, x, k)
        update, state = update_of(gradient, state, x, value=loss, grad=gradient)
        return (x + cast(Array, update), state), loss

    x_0 = start(task, problem)
    carry = x_0, transformation.init(x_0)
    (x, _), losses = jax.lax.scan(step, carry, iterations(task, steps), length=steps)
    return jnp.append(losses, loss_of(problem, x, steps)), x


def record(task: Task, component: ComponentOptimizer, problem: Any, steps: int) -> Recording:
    """Return losses, parameters, gradients, states and updates of one run on one problem.

    An optimizer that depends on the iteration or the parameter gets the real ones.

    Raises:
        ValueError: if a function of the optimizer has wrong shapes, or ``steps`` is no whole number.
    """
    check_shapes(component)
    steps = whole("steps", steps, least=0)
    value_and_grad, run = jax.value_and_grad(flat_loss(task), argnums=1), running(component)

    def step(carry: tuple[Array, PyTree], k: Array | None) -> tuple[tuple[Array, PyTree], tuple]:
        x, state = carry
        loss, gradient = value_and_grad(problem, x, k)
        after, update = run.advance(state, gradient, x, loss)
        return (x + update, after), (loss, x, gradient, run.read(state), update)

    x_0 = start(task, problem)
    carry = x_0, run.start(x_0)
    (x, state), (losses, xs, gradients, hs, updates) = jax.lax.scan(
        step, carry, iterations(task, steps), length=steps
    )
    h = run.read(state)
    loss, gradient = value_and_grad(problem, x, steps)
    return Recording(
        losses=jnp.append(losses, loss),
        x=jnp.concatenate([xs, x[None]]),
        gradients=jnp.concatenate([gradients, gradient[None]]),
        h=jnp.concatenate([hs, h[None]]),
        updates=updates,
    )


@partial(jax.jit, static_argnames=("task", "family", "steps", "batch_size"))
def evaluate(
    task: Task,
    family: OptimizerFamily,
    theta: Any,
    problems: PyTree,
    *,
    steps: int,
    batch_size: int | None = None,
) -> Float[Array, "problems steps_plus_1"]:
    """Return the losses of one optimizer on a batch of problems.

    Args:
        task: the task the problems come from (static).
        family: the optimizer's family (static).
        theta: its parameters.
        problems: problems stacked along the leading axis.
        steps: number of updates (static).
        batch_size: how many problems run at a time, to bound memory (static; default: all).

    Raises:
        ValueError: if ``steps`` or ``batch_size`` is no whole number, or too small.
    """

    def one(problem: Any) -> Array:
        return unroll(task, family.build(theta), problem, steps)

    if batch_size is None:
        return jax.vmap(one)(problems)
    return jax.lax.map(one, problems, batch_size=whole("batch_size", batch_size))


@partial(jax.jit, static_argnames=("task", "family", "steps", "batch_size"))
def held_out(
    task: Task,
    family: OptimizerFamily,
    theta: Any,
    problems: PyTree,
    *,
    steps: int,
    batch_size: int | None = None,
) -> tuple[Float[Array, "problems steps_plus_1"], dict[str, Float[Array, " problems"]]]:
    """Return what ``evaluate`` does, and what the task measures at the end on data it held out.

    The arguments are those of ``evaluate``. A task that holds nothing out has no measures.
    """

    def one(problem: Any) -> tuple[Array, dict[str, Array]]:
        losses, x = _run(task, family.build(theta), problem, steps)
        return losses, dict(task.held_out(problem, parameters(task, problem, x)))

    if batch_size is None:
        return jax.vmap(one)(problems)
    return jax.lax.map(one, problems, batch_size=batch_size)


def meta_objective(losses: Float[Array, "*runs steps_plus_1"]) -> Float[Array, "*runs"]:
    """Return the mean of the losses over the first, mean_k f(x_k) / f(x_0), run by run."""
    return jnp.mean(losses, axis=-1) / losses[..., 0]
