r"""The meta-objective and its gradient by the adjoint method.

For one problem the meta-objective is the mean of the T + 1 recorded losses over the first,

    M(theta) = 1/(T + 1) sum_{k=0}^{T} f(x_k) / f(x_0),      x_{k+1} = x_k + dx(h_{k+1}),

with h_{k+1} = F(h_k, grad f(x_k)); losses are recorded *before* the update, and the last one after it.
``meta_gradient`` averages it over a batch of problems and differentiates it through the whole unroll,
second derivatives of the task included, by running the adjoint recursion backward:

    x_bar_k = x_bar_{k+1} + (d/dx)[f_bar f + g_bar . grad f](x_k),     f_bar = 1 / ((T + 1) f(x_0) B).

All components of all problems are rows of one matrix. Memory is bounded by blocks of steps: only the
states between blocks are kept, and each block is run again before it is differentiated. With
a single block nothing is run twice (three forward-equivalents instead of four).

``clipped_meta_gradient`` bounds what any one problem contributes to the mean: through an unroll that
passes an unstable spell the derivative grows without bound, and its sign says nothing.

``autodiff_meta_gradient`` computes what ``meta_gradient`` does by reverse-mode autodiff, for any
optimizer family; it is the oracle of the tests.

Source: arXiv 2011.02159, section 3 (meta-training); the meta-objective is the authors' released one.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from lopt.optimizers import gru_adjoint
from lopt.optimizers.component import OptimizerFamily
from lopt.optimizers.gru import GRU, GRUTheta
from lopt.tasks import Task

__all__ = [
    "autodiff_meta_gradient",
    "block_length",
    "clipped_meta_gradient",
    "meta_gradient",
    "unroll_bytes",
]


def unroll_bytes(family: GRU, rows: int, steps: int, block: int, itemsize: int = 4) -> int:
    """Return the bytes that ``meta_gradient`` needs for ``rows`` rows in blocks of ``block`` steps.

    Per row and step of a block four times ``units`` numbers (state, two gates, candidate), parameter and
    gradient; between blocks one state; and nine times ``units`` for the step at hand: within 3 % of what
    XLA allocates on a CPU (tested).
    """
    boundaries = steps // block if block < steps else 0
    units = family.units
    return rows * (block * (4 * units + 2) + boundaries * (units + 1) + 9 * units) * itemsize


def block_length(family: GRU, rows: int, steps: int, budget_bytes: float) -> int:
    """Return the largest divisor of ``steps`` whose blocks fit ``budget_bytes``.

    That is the whole unroll where it fits, for then nothing is run twice.

    Raises:
        ValueError: if no division fits, with the least that is needed.
    """
    divisors = [length for length in range(1, steps + 1) if steps % length == 0]
    needed = {length: unroll_bytes(family, rows, steps, length) for length in divisors}
    fitting = [length for length, size in needed.items() if size <= budget_bytes]
    if not fitting:
        least = math.ceil(min(needed.values()) / 1e6) / 1e3  # rounded up: this budget will do
        raise ValueError(
            f"meta-training needs at least {least:g} GB for {rows} rows, {family.units} units and "
            f"{steps} steps, but memory_budget_gb is {budget_bytes / 1e9:g}"
        )
    return max(fitting)


class _Carry(NamedTuple):
    x: Float[Array, "problems components"]
    h: Float[Array, "rows units"]


def meta_gradient(
    task: Task, family: GRU, theta: GRUTheta, problems: PyTree, steps: int, block: int | None = None
) -> tuple[Float[Array, ""], GRUTheta]:
    """Return the batch-averaged meta-objective and its gradient in theta.

    Args:
        task: the task the problems come from.
        family: the GRU family.
        theta: its parameters.
        problems: a batch of problems, stacked along the leading axis.
        steps: number of updates T; T + 1 losses are recorded.
        block: steps per rematerialised block, a divisor of ``steps`` (default: all).
    """
    block = steps if block is None else block
    if steps % block:
        raise ValueError(f"block {block} does not divide {steps} steps")
    x_0 = jax.vmap(task.init)(problems)
    batch, components = x_0.shape
    h_0 = jnp.broadcast_to(theta.initial_state, (batch * components, family.units))

    def losses_and_gradients(x: Array) -> tuple[Array, Array]:
        return jax.vmap(jax.value_and_grad(task.loss, argnums=1))(problems, x)

    def step(carry: _Carry, _: None) -> tuple[_Carry, tuple[Array, Array, gru_adjoint.Residuals]]:
        losses, gradients = losses_and_gradients(carry.x)
        h, update, residuals = gru_adjoint.step(family, theta, carry.h, gradients.reshape(-1))
        return _Carry(carry.x + update.reshape(carry.x.shape), h), (losses, carry.x, residuals)

    def run_block(carry: _Carry) -> tuple[_Carry, tuple[Array, Array, gru_adjoint.Residuals]]:
        return jax.lax.scan(step, carry, length=block)

    def backward_block(
        bars: tuple[_Carry, GRUTheta], kept: tuple[Array, gru_adjoint.Residuals]
    ) -> tuple[_Carry, GRUTheta]:
        def step_back(bars: tuple[_Carry, GRUTheta], kept: tuple[Array, gru_adjoint.Residuals]):
            (bar, theta_bar), (x, residuals) = bars, kept
            h_bar, g_bar, increment = gru_adjoint.step_adjoint(
                family, theta, residuals, bar.h, bar.x.reshape(-1)
            )
            _, pull_back = jax.vjp(losses_and_gradients, x)
            (x_bar,) = pull_back((loss_bar, g_bar.reshape(x.shape)))
            return (_Carry(bar.x + x_bar, h_bar), jax.tree.map(jnp.add, theta_bar, increment)), None

        return jax.lax.scan(step_back, bars, kept, reverse=True)[0]

    start = _Carry(x_0, h_0)
    first_losses = jax.vmap(task.loss)(problems, x_0)
    loss_bar = 1.0 / ((steps + 1) * batch * first_losses)
    theta_bar = jax.tree.map(jnp.zeros_like, theta)

    def end_bars(end: _Carry) -> tuple[Array, _Carry]:
        last_losses, last_gradients = losses_and_gradients(end.x)
        return last_losses, _Carry(loss_bar[:, None] * last_gradients, jnp.zeros_like(end.h))

    if block == steps:
        end, (losses, x, residuals) = run_block(start)
        last_losses, bars = end_bars(end)
        bars, theta_bar = backward_block((bars, theta_bar), (x, residuals))
    else:

        def forward(carry: _Carry, _: None) -> tuple[_Carry, tuple[_Carry, Array]]:
            end, (losses, _, _) = run_block(carry)
            return end, (carry, losses)

        end, (starts, losses) = jax.lax.scan(forward, start, length=steps // block)
        last_losses, bars = end_bars(end)

        def backward(bars: tuple[_Carry, GRUTheta], start: _Carry):
            _, (_, x, residuals) = run_block(start)
            return backward_block(bars, (x, residuals)), None

        (bars, theta_bar), _ = jax.lax.scan(backward, (bars, theta_bar), starts, reverse=True)

    objective = jnp.sum(loss_bar * (losses.reshape(steps, batch).sum(0) + last_losses))
    return objective, theta_bar._replace(initial_state=jnp.sum(bars.h, axis=0))


def clipped_meta_gradient(
    task: Task,
    family: GRU,
    theta: GRUTheta,
    problems: PyTree,
    steps: int,
    block: int | None = None,
    *,
    norm: float,
) -> tuple[Float[Array, ""], GRUTheta]:
    """Return the mean meta-objective and the mean of the problems' meta-gradients, each clipped first.

        g = 1/B sum_b g_b min(1, norm / ||g_b||)

    A problem whose meta-gradient is not finite is left out of both means (nan if none is left).

    Args:
        norm: the largest Euclidean norm, over all of theta, of one problem's meta-gradient.

    The other arguments are those of ``meta_gradient``.
    """

    def one(problem: PyTree) -> tuple[Array, GRUTheta]:
        alone = jax.tree.map(lambda leaf: leaf[None], problem)
        return meta_gradient(task, family, theta, alone, steps, block)

    objectives, gradients = jax.vmap(one)(problems)
    norms = jax.vmap(optax.tree.norm)(gradients)
    finite = jnp.isfinite(norms)
    count = jnp.sum(finite)
    factors = norm / jnp.maximum(norms, norm)

    def mean(values: Array) -> Array:
        shape = (-1, *(1,) * (values.ndim - 1))
        kept = jnp.where(finite.reshape(shape), factors.reshape(shape) * values, 0.0)
        return jnp.sum(kept, axis=0) / count

    objective = jnp.sum(jnp.where(finite, objectives, 0.0)) / count
    return objective, jax.tree.map(mean, gradients)


def autodiff_meta_gradient(
    task: Task, family: OptimizerFamily, theta: Any, problems: PyTree, steps: int
) -> tuple[Float[Array, ""], Any]:
    """Return what ``meta_gradient`` returns, by autodiff through ``family.build``, problem by problem."""

    def objective(theta: Any) -> Array:
        def one(problem: Any) -> Array:
            transformation = family.build(theta)
            value_and_grad = jax.value_and_grad(lambda x: task.loss(problem, x))

            @jax.checkpoint
            def step(carry: tuple, _: None) -> tuple:
                x, state = carry
                loss, gradient = value_and_grad(x)
                update, state = transformation.update(gradient, state)
                return (x + update, state), loss

            x_0 = task.init(problem)
            (x, _), losses = jax.lax.scan(step, (x_0, transformation.init(x_0)), length=steps)
            return (jnp.sum(losses) + task.loss(problem, x)) / ((steps + 1) * losses[0])

        return jnp.mean(jax.vmap(one)(problems))

    return jax.value_and_grad(objective)(theta)
