r"""Memory and clock of an optimizer, measured without derivatives of its state.

    impulse response at h:  r_k = -(dx_k(A) - dx_k(0)) / A,   k = 0, 1, ...

with dx_k(A) the update k steps after a single gradient A met at state h, gradients 0 after it. Of the heavy
ball it is alpha beta^k, for every A. It exists where the map has no slope (sign descent), and is
what a gradient of that size does, where the derivative at 0 holds for smaller ones only (Adam). How many of
its steps there are to look at, the slowest mode says: ``steps_to_fade``.

    rate of the run at k:   -d(dx_k)/dg at g = 0, after k steps of gradient 0

is the effective learning rate along the optimizer's own run: iterations are real, whatever the operating
point froze. Of a map without a ``Run`` it is the rate along the autonomous trajectory.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from lopt.arguments import positive, whole
from lopt.optimizers.component import ComponentOptimizer, Run, check_shapes, running

__all__ = ["impulse_responses", "run_learning_rates", "steps_to_fade"]

LEAST_STEPS, MOST_STEPS = 200, 10_000
TIMESCALES = 5.0  # after which less than 1 % of a mode is left


def steps_to_fade(largest: float) -> int:
    """Return in how many steps a mode whose |eigenvalue| is ``largest`` fades to 1 %: 200 ... 10,000.

    What never fades (1) is followed as long as anything is, what grows no longer than the least.

    >>> [steps_to_fade(largest) for largest in (0.0, 0.9, 0.999, 1.0, 1.01)]
    [200, 200, 4998, 10000, 200]
    """
    if largest > 1.0 + 1e-6:
        return LEAST_STEPS
    rate = -np.log(min(max(largest, 1e-300), 1.0 - 1e-15))
    return int(np.clip(np.ceil(TIMESCALES / rate), LEAST_STEPS, MOST_STEPS))


def impulse_responses(
    component: ComponentOptimizer,
    state: Float[ArrayLike, " state"],
    amplitude: float,
    steps: int = 200,
) -> Float[np.ndarray, "2 steps"]:
    """Return r_0 ... r_{steps - 1} after a gradient -A (arm 0) and A (arm 1), from ``state``.

    >>> from lopt.optimizers.momentum import Momentum, MomentumTheta
    >>> component = Momentum().component(MomentumTheta(learning_rate=0.5, momentum=0.5))
    >>> impulse_responses(component, [0.0], 1.0, steps=3).tolist()
    [[0.5, 0.25, 0.125], [0.5, 0.25, 0.125]]

    Raises:
        ValueError: if ``amplitude`` is not a size greater than 0, or ``steps`` is less than 1.
    """
    check_shapes(component)
    amplitude, steps = positive("amplitude", amplitude), whole("steps", steps)
    dtype = jnp.asarray(component.initial_state).dtype
    first = jnp.asarray([0.0, -amplitude, amplitude], dtype)
    states = jnp.tile(jnp.asarray(state, dtype), (3, 1))
    still, *arms = np.asarray(
        _impulses(component.transition, component.readout, states, first, steps=steps)
    ).T
    return np.stack(
        [-(arm - still) / (sign * amplitude) for sign, arm in zip((-1, 1), arms, strict=True)]
    )


@partial(jax.jit, static_argnames=("transition", "readout", "steps"))
def _impulses(
    transition: Callable, readout: Callable, states: Array, first: Array, *, steps: int
) -> Float[Array, "steps row"]:
    def step(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        h, g = carry
        after = transition(h, g)
        return (after, jnp.zeros_like(g)), readout(after)

    return jax.lax.scan(step, (states, first), length=steps)[1]


def run_learning_rates(
    component: ComponentOptimizer, steps: int, parameter: float = 0.0, loss: float = 0.0
) -> Float[np.ndarray, " steps"]:
    """Return the rate of the run at 0 ... steps - 1, by autodiff.

    Args:
        component: the optimizer.
        steps: of the run.
        parameter: where the parameter is held.
        loss: what an optimizer that reads it is told.
    """
    check_shapes(component)
    dtype = jnp.asarray(component.initial_state).dtype
    run = running(component)
    held = (jnp.asarray(value, dtype) for value in (parameter, loss))
    return np.asarray(_run_rates(run, *held, steps=steps))


@partial(jax.jit, static_argnames=("run", "steps"))
def _run_rates(
    run: Run, parameter: Float[Array, ""], loss: Float[Array, ""], *, steps: int
) -> Float[Array, " steps"]:
    zero, one = jnp.zeros_like(parameter), jnp.ones_like(parameter)

    def step(state: Any, _: None) -> tuple[Any, Array]:
        rate = -jax.jvp(lambda g: run.advance(state, g, parameter, loss)[1], (zero,), (one,))[1]
        return run.advance(state, zero, parameter, loss)[0], rate

    return jax.lax.scan(step, run.start(parameter), length=steps)[1]
