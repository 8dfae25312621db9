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
    """What goes backward: cotangents of the carry, of theta's parts so far, and what ``bound`` needs."""

    x: Float[Array, "problems components"]
    h: Float[Array, "state columns"]
    parts: Any
    injected: Float[Array, " problems"]
    """s_k of ``lopt.learned.adjoint_bound``."""
    factors: Float[Array, " columns"] | None
    """What ``h`` has yet to be scaled by: where it is read next, which takes no pass of its own."""


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
            x, residuals, k = kept
            h_bar, x_bar = states_bar(bars), bars.x.reshape(-1)
            h_bar, g_bar, increment = step_adjoint(taken, residuals, h_bar, x_bar)
            (losses, gradients), pull_back = jax.vjp(lambda x: losses_and_gradients(x, k), x)
            f_bar = cotangents(losses)
            (x_bar,) = pull_back((f_bar, g_bar.reshape(x.shape)))
            x_bar, injected, of_h = bounded(bars.x + x_bar, bars.injected, f_bar, gradients)
            parts_bar = jax.tree.map(jnp.add, bars.parts, increment)
            return _Bars(x_bar, h_bar, parts_bar, injected, of_h), None

        return jax.lax.scan(step_back, bars, kept, reverse=True)[0]

    first = _Carry(x_0, h_0)
    first_losses = loss_of(problems, x_0, 0)
    loss_bar = 1.0 / ((steps + 1) * batch * first_losses)

    def cotangents(losses: Array) -> Array:
        return loss_bar if bound is None else loss_bar * loss_weights(losses, first_losses)

    def bounded(
        x_bar: Array, injected: Array, f_bar: Array, gradients: Array
    ) -> tuple[Array, Array, Array | None]:
        if bound is None:
            return x_bar, injected, None
        injected = injected + f_bar * jnp.linalg.norm(gradients, axis=1)
        factor = factors(x_bar, bound * injected)
        return scaled(x_bar, factor), injected, jnp.repeat(factor, components)

    def states_bar(bars: _Bars) -> Array:
        if bars.factors is None:
            return bars.h
        return jnp.where(bars.factors == 0.0, 0.0, bars.h * bars.factors)

    def end_bars(end: _Carry) -> tuple[Array, _Bars]:
        last_losses, gradients = losses_and_gradients(end.x, steps)
        f_bar = cotangents(last_losses)
        x_bar, injected, of_h = bounded(
            f_bar[:, None] * gradients, jnp.zeros_like(f_bar), f_bar, gradients
        )
        parts_bar = jax.tree.map(jnp.zeros_like, taken)
        return last_losses, _Bars(x_bar, jnp.zeros_like(end.h), parts_bar, injected, of_h)

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
    initial_state = jnp.sum(states_bar(bars), axis=1, keepdims=True)
    (theta_bar,) = put_together(bars.parts._replace(initial_state=initial_state))
    return objective, theta_bar
