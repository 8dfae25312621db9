r"""The curvatures that a task has: eigenvalues of its Hessians, along the runs of an optimizer.

Few parameters: the Hessian itself, all eigenvalues of equal weight. Many: Lanczos from a random unit vector v
with m products of the Hessian and full re-orthogonalization; the eigenvalues theta_i of the tridiagonal
matrix, with weights the squared first entries of its eigenvectors, are the Gauss quadrature of the spectral
density that v sees (Golub and Meurant 2010), and the largest is close to the Hessian's largest.

Of a task that draws its data anew at each iteration it is the Hessian of that iteration's draws, which the
optimizer meets: its largest eigenvalues exceed those of the mean loss.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from lopt.keys import stream
from lopt.optimizers.component import OptimizerFamily
from lopt.tasks import Task
from lopt.tasks.flat import flat_loss, is_stochastic, iterations, start

__all__ = ["curvatures_along_runs", "spectrum", "start_properties"]

DENSE = 32  # parameters up to which the whole Hessian is computed
LANCZOS_STEPS = 24


def spectrum(
    task: Task, problem: Any, x: Float[Array, " components"], iteration: Any = 0
) -> tuple[Float[Array, " value"], Float[Array, " value"]]:
    """Return eigenvalues of the Hessian of the loss at ``x``, ascending, and their weights (sum 1)."""

    def gradient(x: Array) -> Array:
        return jax.grad(flat_loss(task), argnums=1)(problem, x, iteration)

    if len(x) <= DENSE:
        values = jnp.linalg.eigvalsh(jax.jacfwd(gradient)(x))
        return values, jnp.full(len(x), 1.0 / len(x), values.dtype)
    steps = min(LANCZOS_STEPS, len(x))
    v = jax.random.normal(stream(0, "analysis", "lanczos"), (len(x),), jnp.float32).astype(x.dtype)
    basis = jnp.zeros((steps + 1, len(x)), x.dtype).at[0].set(v / jnp.linalg.norm(v))

    def step(basis: Array, k: Array) -> tuple[Array, tuple[Array, Array]]:
        w = jax.jvp(gradient, (x,), (basis[k],))[1]
        diagonal = w @ basis[k]
        for _ in range(2):  # twice is enough
            w = w - basis.T @ (basis @ w)
        norm = jnp.linalg.norm(w)
        return basis.at[k + 1].set(w / jnp.maximum(norm, 1e-30)), (diagonal, norm)

    _, (diagonal, beside) = jax.lax.scan(step, basis, jnp.arange(steps))
    matrix = jnp.diag(diagonal) + jnp.diag(beside[:-1], 1) + jnp.diag(beside[:-1], -1)
    values, vectors = jnp.linalg.eigh(matrix)
    return values, vectors[0] ** 2


@partial(jax.jit, static_argnames=("task", "batch_size"))
def start_properties(
    task: Task, problems: PyTree, *, batch_size: int
) -> tuple[Float[Array, "problem 2"], Float[Array, " problem"]]:
    """Return the smallest and largest curvature at the start of each problem, and the gradient's norm.

    Args:
        task: the problems' task (static).
        problems: stacked along the leading axis.
        batch_size: how many are looked at at a time (static).
    """

    def one(problem: Any) -> tuple[Array, Array]:
        x = start(task, problem)
        values, _ = spectrum(task, problem, x)
        gradient = jax.grad(flat_loss(task), argnums=1)(problem, x, 0)
        return jnp.stack([values[0], values[-1]]), jnp.linalg.norm(gradient)

    return jax.lax.map(one, problems, batch_size=batch_size)


@partial(jax.jit, static_argnames=("task", "family", "at", "batch_size"))
def _along(
    task: Task,
    family: OptimizerFamily,
    theta: Any,
    problems: PyTree,
    *,
    at: tuple[int, ...],
    batch_size: int,
) -> tuple[Array, Array]:
    def one(problem: Any) -> tuple[Array, Array]:
        transformation = family.build(theta)

        def step(carry: tuple, k: Array | None) -> tuple[tuple, Array]:
            x, state = carry
            gradient = jax.grad(flat_loss(task), argnums=1)(problem, x, k)
            update, state = transformation.update(gradient, state, x)
            return (x + update, state), x

        x_0, steps = start(task, problem), max(at)
        carry = (x_0, transformation.init(x_0))
        (last, _), xs = jax.lax.scan(step, carry, iterations(task, steps), length=steps)
        xs = jnp.concatenate([xs, last[None]])[jnp.array(at)]
        if is_stochastic(task):
            return jax.lax.map(lambda looked: spectrum(task, problem, *looked), (xs, jnp.array(at)))
        return jax.lax.map(lambda x: spectrum(task, problem, x), xs)

    return jax.lax.map(one, problems, batch_size=batch_size)


def curvatures_along_runs(
    task: Task,
    family: OptimizerFamily,
    theta: Any,
    problems: PyTree,
    *,
    iterations: tuple[int, ...],
    batch_size: int,
) -> tuple[Float[np.ndarray, " met"], Float[np.ndarray, " met"], Int[np.ndarray, " met"]]:
    """Return the curvatures at some iterations of an optimizer's runs, their weights and iterations.

    Weights sum to 1 over everything returned; what is not finite (a run diverged) is left out.

    Args:
        task: the problems' task.
        family: the optimizer's family.
        theta: its parameters.
        problems: stacked along the leading axis.
        iterations: at which the Hessian is looked at.
        batch_size: how many problems run at a time.
    """
    values, weights = _along(
        task, family, theta, problems, at=tuple(iterations), batch_size=batch_size
    )
    values, weights = (np.asarray(array, np.float64) for array in (values, weights))
    at = np.broadcast_to(np.asarray(iterations)[None, :, None], values.shape)
    finite = np.isfinite(values) & np.isfinite(weights)
    weights = weights[finite]
    return values[finite], weights / max(weights.sum(), np.finfo(float).tiny), at[finite]
