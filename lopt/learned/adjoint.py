r"""The meta-gradient of a family that differentiates its step by hand.

For one problem the meta-objective is the mean of the T + 1 recorded losses over the first,

    M(theta) = 1/(T + 1) sum_{k=0}^{T} f(x_k) / f(x_0),      x_{k+1} = x_k + dx(h_{k+1}),

with h_{k+1} = F(h_k, grad f(x_k)). The adjoint recursion runs backward through the steps,

    x_bar_k = x_bar_{k+1} + (d/dx)[f_bar f + g_bar . grad f](x_k),     f_bar = 1 / ((T + 1) f(x_0) B),

with f at step k the loss of that iteration's draws, where a task has such (``lopt.tasks.flat``), the second
derivatives of the task by autodiff, those of the optimizer's step by the family:

    parts(theta) -> what the step takes of theta, linear in it
    step(parts, h, g) -> (h', dx, residuals)
    step_adjoint(parts, residuals, h'_bar, dx_bar) -> (h_bar, g_bar, parts_bar)

With a ``bound`` the way back of each problem is kept to a size that says something
(``lopt.learned.adjoint_bound``).

All components of all problems are columns of one matrix: h is [state, columns], g and dx are [columns]. So a
state's product with weights, W h, is one of rows and columns as they lie in memory. Memory is
bounded by blocks of steps: only the states between blocks are kept, and each block is run again before
it is differentiated. With a single block nothing is run twice (three forward-equivalents instead of four).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from lopt.learned.adjoint_bound import factors, loss_weights, scaled
from lopt.tasks import Task
from lopt.tasks.flat import flat_loss, iterations, start

__all__ = ["adjoint_meta_gradient"]


_Kept = tuple[Array, PyTree, Array | None]  # of each step: parameters, residuals, iteration


class _Carry(NamedTuple):
    x: Float[Array, "problems components"]
    h: Float[Array, "state columns"]


class _Bars(NamedTuple):
    """What goes backward: cotangents of the carry, of theta's parts so far, and s_k of ``adjoint_bound``."""

    carry: _Carry
    parts: Any
    injected: Float[Array, " problems"]


def adjoint_meta_gradient(
    task: Task,
    theta: Any,
    problems: PyTree,
    steps: int,
    block: int,
    *,
    parts: Callable[[Any], Any],
    step: Callable[[Any, Array, Array], tuple[Array, Array, PyTree]],
    step_adjoint: Callable[[Any, PyTree, Array, Array], tuple[Array, Array, Any]],
    bound: float | None = None,
) -> tuple[Float[Array, ""], Any]:
    """Return the batch-averaged meta-objective and its gradient in theta.

    Args:
        task: the task the problems come from.
        theta: the optimizer's parameters.
        problems: a batch of problems, stacked along the leading axis.
        steps: number of updates T; T + 1 losses are recorded.
        block: steps per rematerialized block, a divisor of ``steps``.
        parts: of theta, what ``step`` takes: a NamedTuple, linear in theta, whose ``initial_state``,
            [state, 1], every column starts from.
        step: the optimizer's step on columns, and what its derivative needs (a pytree of arrays).
        step_adjoint: that derivative, reverse mode. Of the cotangent of theta's parts, ``initial_state``
            is left at zero: it is the state's cotangent once the recursion is through.
        bound: of each problem's adjoint (``lopt.learned.adjoint_bound``); None: none.
    """
    if steps % block:
        raise ValueError(f"block {block} does not divide {steps} steps")
    x_0 = jax.vmap(partial(start, task))(problems)
    loss_of = jax.vmap(flat_loss(task), in_axes=(0, 0, None))
    with_gradient = jax.vmap(jax.value_and_grad(flat_loss(task), argnums=1), in_axes=(0, 0, None))
    numbers = iterations(task, steps)
    batch, components = x_0.shape
    taken, put_together = jax.vjp(parts, theta)
    h_0 = jnp.broadcast_to(taken.initial_state, (len(taken.initial_state), batch * components))

    def losses_and_gradients(x: Array, k: Any) -> tuple[Array, Array]:
        return with_gradient(problems, x, k)

    def forward_step(carry: _Carry, k: Array | None) -> tuple[_Carry, tuple[Array, Array, PyTree]]:
        losses, gradients = losses_and_gradients(carry.x, k)
        h, update, residuals = step(taken, carry.h, gradients.reshape(-1))
        return _Carry(carry.x + update.reshape(carry.x.shape), h), (losses, carry.x, residuals)

    def run_block(
        carry: _Carry, numbers: Array | None
    ) -> tuple[_Carry, tuple[Array, Array, PyTree]]:
        return jax.lax.scan(forward_step, carry, numbers, length=block)

    def backward_block(bars: _Bars, kept: _Kept) -> _Bars:
        def step_back(bars: _Bars, kept: _Kept) -> tuple[_Bars, None]:
            (bar, parts_bar, injected), (x, residuals, k) = bars, kept
            h_bar, g_bar, increment = step_adjoint(taken, residuals, bar.h, bar.x.reshape(-1))
            (losses, gradients), pull_back = jax.vjp(lambda x: losses_and_gradients(x, k), x)
            f_bar = cotangents(losses)
            (x_bar,) = pull_back((f_bar, g_bar.reshape(x.shape)))
            carry = _Carry(bar.x + x_bar, h_bar)
            carry, injected = bounded(carry, injected, f_bar, gradients)
            return _Bars(carry, jax.tree.map(jnp.add, parts_bar, increment), injected), None

        return jax.lax.scan(step_back, bars, kept, reverse=True)[0]

    first = _Carry(x_0, h_0)
    first_losses = loss_of(problems, x_0, 0)
    loss_bar = 1.0 / ((steps + 1) * batch * first_losses)

    def cotangents(losses: Array) -> Array:
        return loss_bar if bound is None else loss_bar * loss_weights(losses, first_losses)

    def bounded(
        carry: _Carry, injected: Array, f_bar: Array, gradients: Array
    ) -> tuple[_Carry, Array]:
        if bound is None:
            return carry, injected
        injected = injected + f_bar * jnp.linalg.norm(gradients, axis=1)
        factor = factors(carry.x, bound * injected)
        of_problems = carry.h.reshape(-1, batch, components).swapaxes(0, 1)
        h = scaled(of_problems, factor).swapaxes(0, 1).reshape(carry.h.shape)
        return _Carry(scaled(carry.x, factor), h), injected

    def end_bars(end: _Carry) -> tuple[Array, _Bars]:
        last_losses, gradients = losses_and_gradients(end.x, steps)
        f_bar = cotangents(last_losses)
        carry = _Carry(f_bar[:, None] * gradients, jnp.zeros_like(end.h))
        carry, injected = bounded(carry, jnp.zeros_like(f_bar), f_bar, gradients)
        return last_losses, _Bars(carry, jax.tree.map(jnp.zeros_like, taken), injected)

    if block == steps:
        end, (losses, x, residuals) = run_block(first, numbers)
        last_losses, bars = end_bars(end)
        bars = backward_block(bars, (x, residuals, numbers))
    else:
        blocks = None if numbers is None else numbers.reshape(-1, block)

        def forward(carry: _Carry, numbers: Array | None) -> tuple[_Carry, tuple[_Carry, Array]]:
            end, (losses, _, _) = run_block(carry, numbers)
            return end, (carry, losses)

        end, (starts, losses) = jax.lax.scan(forward, first, blocks, length=steps // block)
        last_losses, bars = end_bars(end)

        def backward(bars: _Bars, kept: tuple[_Carry, Array | None]) -> tuple[_Bars, None]:
            begin, numbers = kept
            _, (_, x, residuals) = run_block(begin, numbers)
            return backward_block(bars, (x, residuals, numbers)), None

        bars, _ = jax.lax.scan(backward, bars, (starts, blocks), reverse=True)

    objective = jnp.sum(loss_bar * (losses.reshape(steps, batch).sum(0) + last_losses))
    initial_state = jnp.sum(bars.carry.h, axis=1, keepdims=True)
    (theta_bar,) = put_together(bars.parts._replace(initial_state=initial_state))
    return objective, theta_bar
