r"""The meta-objective and its gradient, for any learned family.

For one problem the meta-objective is the mean of the T + 1 recorded losses over the first,

    M(theta) = 1/(T + 1) sum_{k=0}^{T} f(x_k) / f(x_0),      x_{k+1} = x_k + dx(h_{k+1}),

with h_{k+1} = F(h_k, grad f(x_k)); losses are recorded *before* the update, and the last one after it.
``meta_gradient`` averages it over a batch of problems and differentiates it through the whole unroll,
second derivatives of the task included: by the family's own method where it has one (the GRU's is the
adjoint method, ``lopt.learned.adjoint``), else by reverse-mode autodiff.

Memory is bounded by blocks of steps: only the states between blocks are kept, and each block is run
again before it is differentiated. With a single block no optimizer step is run twice. Of the task, only
the parameters are kept at each step: its gradient is computed again on the way back.

Through an unroll that passes an unstable spell the derivative grows without bound, and its sign says
nothing: with a ``bound`` each problem's way back is kept to a size that says something
(``lopt.learned.adjoint_bound``). ``clipped_meta_gradient`` bounds what any one problem contributes to the
mean, at the price of a meta-gradient per problem.

``autodiff_meta_gradient`` computes what ``meta_gradient`` does problem by problem, through
``family.build`` and without blocks; it is the oracle of the tests.

Source: arXiv 2011.02159, section 3 (meta-training); the meta-objective is the authors' released one.
"""

import math
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from lopt.learned.adjoint_bound import bound_adjoint, loss_weights
from lopt.learned.base import HasMetaGradient, LearnedFamily
from lopt.optimizers.component import OptimizerFamily, check_shapes
from lopt.tasks import Task
from lopt.tasks.flat import flat_loss, iterations, start
from lopt.unroll_memory import block_lengths

__all__ = [
    "autodiff_meta_gradient",
    "block_length",
    "clipped_meta_gradient",
    "meta_gradient",
    "unroll_bytes",
]


_Carry = tuple[Array, Array, Array]  # parameters, states, and what carries s_k back


def unroll_bytes(family: LearnedFamily, rows: int, steps: int, block: int) -> int:
    """Return the bytes that ``meta_gradient`` needs for ``rows`` rows in blocks of ``block`` steps.

    A row is one component of one problem. For autodiff that is, per row: for each step of a block what
    the derivative of the optimizer's step keeps, and the parameter; between blocks one state and one
    parameter; and for the step at hand once more what a step keeps, and four states. XLA allocates 80 to
    103 % of that on a CPU (tested). The family's own method has its own account. Both are for float32 and
    without what the task's loss needs.
    """
    if isinstance(family, HasMetaGradient):
        return family.unroll_bytes(rows, steps, block)
    kept, state = _bytes_per_row(family)
    boundaries = steps // block if block < steps else 0
    return rows * (block * (kept + 4) + boundaries * (state + 4) + kept + 4 * state)


@lru_cache
def _bytes_per_row(family: LearnedFamily) -> tuple[int, int]:
    """Return the bytes that the derivative of one step keeps for one row, and those of its state.

    Nothing is computed: the shapes of what ``jax.vjp`` keeps for three rows and for two are compared,
    so that weights, which are kept once for all steps, do not count.
    """
    theta = jax.eval_shape(family.init, jax.random.key(0))
    state = jax.eval_shape(lambda theta: family.component(theta).initial_state, theta)

    def kept(rows: int) -> int:
        def derivative(theta: Any, h: Array, g: Array) -> Any:
            return jax.vjp(lambda *inputs: _step(family, *inputs), theta, h, g)[1]

        h = jax.ShapeDtypeStruct((rows, *state.shape), state.dtype)
        g = jax.ShapeDtypeStruct((rows,), state.dtype)
        leaves = jax.tree.leaves(jax.eval_shape(derivative, theta, h, g))
        return sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)

    return kept(3) - kept(2), state.size * state.dtype.itemsize


def _step(family: LearnedFamily, theta: Any, h: Array, g: Array) -> tuple[Array, Array]:
    component = family.component(theta)
    h = component.transition(h, g)
    return h, component.readout(h)


def block_length(family: LearnedFamily, rows: int, steps: int, budget_bytes: float) -> int:
    """Return the largest divisor of ``steps`` whose blocks fit ``budget_bytes``.

    That is the whole unroll where it fits, for then nothing is run twice.

    Raises:
        ValueError: if no division fits, with the least that is needed.
    """
    needed = {length: unroll_bytes(family, rows, steps, length) for length in block_lengths(steps)}
    fitting = [length for length, size in needed.items() if size <= budget_bytes]
    if not fitting:
        least = math.ceil(min(needed.values()) / 1e6) / 1e3  # rounded up: this budget will do
        raise ValueError(
            f"meta-training needs at least {least:g} GB for {rows} rows, {family.size} and "
            f"{steps} steps, but memory_budget_gb is {budget_bytes / 1e9:g}"
        )
    return max(fitting)


def meta_gradient(
    task: Task,
    family: LearnedFamily,
    theta: Any,
    problems: PyTree,
    steps: int,
    block: int | None = None,
    bound: float | None = None,
) -> tuple[Float[Array, ""], Any]:
    """Return the batch-averaged meta-objective and its gradient in theta.

    Args:
        task: the task the problems come from.
        family: the optimizer's family.
        theta: its parameters.
        problems: a batch of problems, stacked along the leading axis.
        steps: number of updates T; T + 1 losses are recorded.
        block: steps per rematerialized block, a divisor of ``steps`` (default: all).
        bound: of each problem's adjoint, at least 1 to change nothing where a run is stable
            (default: none, the gradient as it is).

    Raises:
        ValueError: if ``block`` does not divide ``steps``, or a function of the optimizer has wrong shapes.
    """
    block = steps if block is None else block
    if steps % block:
        raise ValueError(f"block {block} does not divide {steps} steps")
    if isinstance(family, HasMetaGradient):
        return family.meta_gradient(task, theta, problems, steps, block, bound)
    differentiate = jax.value_and_grad(_objective_in_blocks, argnums=2, has_aux=True)
    (_, objective), gradient = differentiate(task, family, theta, problems, steps, block, bound)
    return objective, gradient


def _objective_in_blocks(
    task: Task,
    family: LearnedFamily,
    theta: Any,
    problems: PyTree,
    steps: int,
    block: int,
    bound: float | None,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Return what is differentiated, such that autodiff keeps no more than it must; and the meta-objective.

    They are the same number, but for what a bound makes of losses above the first.
    """
    component = family.component(theta)
    check_shapes(component)
    x_0 = jax.vmap(partial(start, task))(problems)
    loss_of = jax.vmap(flat_loss(task), in_axes=(0, 0, None))
    with_gradient = jax.vmap(jax.value_and_grad(flat_loss(task), argnums=1), in_axes=(0, 0, None))
    numbers = iterations(task, steps)
    h_0 = jnp.broadcast_to(component.initial_state, (x_0.size, *component.initial_state.shape))

    # Without the barriers that keep XLA from undoing this outside of loops: all of it is in loops.
    @partial(jax.checkpoint, prevent_cse=False)
    def losses_and_gradients(x: Array, k: Any) -> tuple[Array, Array]:
        return with_gradient(problems, x, k)

    first_losses = loss_of(problems, x_0, 0)
    loss_bar = 1.0 / ((steps + 1) * x_0.shape[0] * first_losses)

    @partial(jax.checkpoint, prevent_cse=False)
    def bounded(x: Array, h: Array, injected: Array, k: Any) -> tuple[Array, Array, Array]:
        if bound is None:
            return x, h, injected
        losses, gradients = jax.lax.stop_gradient(losses_and_gradients(x, k))
        weights = loss_bar * loss_weights(losses, first_losses)
        increment = weights * jnp.linalg.norm(gradients, axis=1)
        return bound_adjoint(x, h, injected, increment, jnp.asarray(bound, x.dtype))

    def step(carry: _Carry, k: Array | None) -> tuple[_Carry, Array]:
        x, h, injected = bounded(*carry, k)
        losses, gradients = losses_and_gradients(x, k)
        h = component.transition(h, gradients.reshape(-1))
        return (x + component.readout(h).reshape(x.shape), h, injected), losses

    def run_block(carry: _Carry, numbers: Array | None) -> tuple[_Carry, Array]:
        return jax.lax.scan(step, carry, numbers, length=block)

    if block < steps:
        run_block = jax.checkpoint(run_block, prevent_cse=False)
    first = x_0, h_0, jnp.zeros_like(first_losses)
    blocks = None if numbers is None else numbers.reshape(-1, block)
    end, losses = jax.lax.scan(run_block, first, blocks, length=steps // block)
    x, _, _ = bounded(*end, steps)
    losses = losses.reshape(steps, -1)
    losses = jnp.concatenate([losses, loss_of(problems, x, steps)[None]])
    value = jnp.mean(losses.sum(0) / losses[0]) / (steps + 1)
    if bound is None:
        return value, value
    weights = jax.lax.stop_gradient(loss_bar * loss_weights(losses, first_losses))
    return jnp.sum(weights * losses), jax.lax.stop_gradient(value)


def clipped_meta_gradient(
    task: Task,
    family: LearnedFamily,
    theta: Any,
    problems: PyTree,
    steps: int,
    block: int | None = None,
    bound: float | None = None,
    *,
    norm: float,
) -> tuple[Float[Array, ""], Any]:
    """Return the mean meta-objective and the mean of the problems' meta-gradients, each clipped first.

        g = 1/B sum_b g_b min(1, norm / ||g_b||)

    A problem whose meta-gradient is not finite is left out of both means (nan if none is left).

    Args:
        norm: the largest Euclidean norm, over all of theta, of one problem's meta-gradient.

    The other arguments are those of ``meta_gradient``.
    """

    def one(problem: PyTree) -> tuple[Array, Any]:
        alone = jax.tree.map(lambda leaf: leaf[None], problem)
        return meta_gradient(task, family, theta, alone, steps, block, bound)

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

    loss_of = flat_loss(task)

    def objective(theta: Any) -> Array:
        def one(problem: Any) -> Array:
            transformation = family.build(theta)
            value_and_grad = jax.value_and_grad(lambda x, k: loss_of(problem, x, k))

            @jax.checkpoint
            def step(carry: tuple, k: Array | None) -> tuple:
                x, state = carry
                loss, gradient = value_and_grad(x, k)
                update, state = transformation.update(gradient, state)
                return (x + update, state), loss

            x_0 = start(task, problem)
            carry = x_0, transformation.init(x_0)
            (x, _), losses = jax.lax.scan(step, carry, iterations(task, steps), length=steps)
            return (jnp.sum(losses) + loss_of(problem, x, steps)) / ((steps + 1) * losses[0])

        return jnp.mean(jax.vmap(one)(problems))

    return jax.value_and_grad(objective)(theta)
