r"""How an update function answers to gradients of a given size, and whether it has a slope at 0.

    secants   -(dx(A) - dx(0)) / A  and  (dx(-A) - dx(0)) / A
    gain      N(A) = -1 / (pi A) * integral over a period of dx(A sin t) sin t dt

The gain is the describing function: the first harmonic of the update under a sinusoid of amplitude
A, over A. It is the effective learning rate of the linear optimizer that comes closest, and it
exists where a derivative does not: 4 alpha / (pi A) for dx = -alpha sign(g), the slope for a line,
whatever the intercept is.

A derivative at 0 is believed if it is the limit of the secants: both must agree with it at the two
smallest of thirteen decades of A below a typical gradient at which rounding leaves them three
digits, or come closer to it by half from one of these to the next (g^3, of slope 0). Where it is
not (sign, |g|, logarithms of g, a square root) autodiff still returns a number, 0 or one side's
slope or something huge; the gain at the typical gradient is given instead. Where it is, but the
gain at the typical gradient is another (more than a factor of two, or the other sign), the
derivative holds only for gradients much smaller than those met, and the code says so.

Source: Gelb and Vander Velde 1968, Multiple-Input Describing Functions, ch. 2.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from numpy.typing import ArrayLike

from lopt.optimizers.component import ComponentOptimizer
from lopt.optimizers.shared import jit_by_function
from lopt.records.analysis import RateCode

__all__ = ["RateReadings", "gain", "rates_at_zero", "secants"]

NODES = 64  # of the quadrature over a quarter of a period
DECADES = 13  # below the typical gradient
AGREEMENT = 0.05  # of derivative and secants
ROUNDING = 64.0 * float(np.finfo(np.float64).eps)
READABLE = 1e-3  # largest share of rounding in a secant that is used


class RateReadings(NamedTuple):
    """Effective learning rate at g = 0 of every state, checked."""

    learning_rates: Float[np.ndarray, " row"]
    """The derivative, or the gain at the typical gradient where there is none."""
    derivatives: Float[np.ndarray, " row"]
    """What autodiff returns."""
    gains: Float[np.ndarray, " row"]
    """Gain at the typical gradient."""
    codes: Int[np.ndarray, " row"]
    """A ``RateCode`` per state."""


def gain(
    component: ComponentOptimizer,
    states: Float[ArrayLike, "row state"],
    amplitudes: Float[ArrayLike, " amplitude"],
) -> Float[np.ndarray, "row amplitude"]:
    """Return the describing-function gain N(A) at every state, for every amplitude A > 0.

    >>> from lopt.optimizers.momentum import Momentum, MomentumTheta
    >>> with jax.enable_x64(True):
    ...     component = Momentum().component(MomentumTheta(learning_rate=0.5, momentum=0.9))
    ...     gain(component, [[3.0]], [0.1, 10.0]).round(12).tolist()
    [[0.5, 0.5]]
    """
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    angles, weights = 0.25 * np.pi * (nodes + 1.0), 0.25 * np.pi * weights
    amplitudes = np.asarray(amplitudes, np.float64)
    sizes = amplitudes[:, None] * np.sin(angles)
    states = jnp.asarray(states, jnp.float64)
    updates = np.asarray(
        _updates(
            component.transition,
            component.readout,
            states,
            jnp.asarray(np.stack([sizes, -sizes]).reshape(-1), jnp.float64),
        )
    ).reshape(len(states), 2, len(amplitudes), NODES)
    odd = updates[:, 0] - updates[:, 1]
    return -2.0 / (np.pi * amplitudes) * (odd @ (weights * np.sin(angles)))


def secants(
    component: ComponentOptimizer,
    states: Float[ArrayLike, "row state"],
    amplitudes: Float[ArrayLike, " amplitude"],
) -> Float[np.ndarray, "row 2 amplitude"]:
    """Return the one-sided secants between 0 and -A (arm 0) and A (arm 1), as learning rates."""
    amplitudes = np.asarray(amplitudes, np.float64)
    states = jnp.asarray(states, jnp.float64)
    gradients = np.concatenate([-amplitudes, amplitudes, [0.0]])
    updates = np.asarray(
        _updates(component.transition, component.readout, states, jnp.asarray(gradients))
    )
    slopes = -(updates[:, :-1] - updates[:, -1:]) / gradients[:-1]
    return slopes.reshape(len(states), 2, len(amplitudes))


def rates_at_zero(
    component: ComponentOptimizer,
    states: Float[ArrayLike, "row state"],
    typical_gradient: float,
) -> RateReadings:
    """Return the effective learning rate at g = 0 of every state, cross-checked by secants.

    Args:
        component: the optimizer, float64.
        states: rows of states.
        typical_gradient: a size |g| > 0 that runs meet (their median).

    Raises:
        ValueError: if ``typical_gradient`` is not positive.

    >>> from lopt.optimizers.component import ComponentOptimizer
    >>> with jax.enable_x64(True):
    ...     sign = ComponentOptimizer(
    ...         jnp.zeros(1), lambda h, g: -jnp.sign(g)[..., None] + 0.0 * h, lambda h: h[..., 0]
    ...     )
    ...     found = rates_at_zero(sign, [[0.0]], 0.5)
    >>> found.codes.tolist(), abs(found.derivatives).tolist(), found.learning_rates.round(6).tolist()
    ([1], [0.0], [2.546479])
    """
    if not (np.isfinite(typical_gradient) and typical_gradient > 0.0):
        raise ValueError(f"typical_gradient is {typical_gradient}, expected a size greater than 0")
    states = jnp.asarray(states, jnp.float64)
    amplitudes = typical_gradient * 10.0 ** -np.arange(DECADES, dtype=np.float64)
    derivatives, terms = map(
        np.asarray, _derivatives(component.transition, component.readout, states)
    )
    gains = gain(component, states, np.array([typical_gradient]))[:, 0]
    slopes = secants(component, states, amplitudes)
    # Rounding of the update is rounding of the terms that it is summed from.
    noise = ROUNDING * terms[:, None] / amplitudes
    with np.errstate(invalid="ignore"):
        sizes = np.maximum(np.abs(slopes).max(axis=1), np.abs(derivatives)[:, None])
        apart = np.abs(slopes - derivatives[:, None, None]).max(axis=1)
        disagrees = ~(apart <= AGREEMENT * sizes + noise)
    readable = noise <= READABLE * sizes
    codes = np.full(len(states), int(RateCode.SMOOTH))
    low, high = 0.5 * np.abs(derivatives), 2.0 * np.abs(derivatives)
    same_way = gains * np.sign(derivatives)
    outside = ~((low - noise[:, 0] <= same_way) & (same_way <= high + noise[:, 0]))
    codes[outside] = RateCode.NOT_REPRESENTATIVE
    for row in range(len(states)):
        smallest = np.flatnonzero(readable[row])[-2:]  # amplitudes fall
        far = smallest.size and disagrees[row, smallest].all()
        nearing = smallest.size == 2 and apart[row, smallest[1]] <= 0.5 * apart[row, smallest[0]]
        if not np.isfinite(derivatives[row]) or (far and not nearing):
            codes[row] = RateCode.NOT_DIFFERENTIABLE
    rates = np.where(codes == RateCode.NOT_DIFFERENTIABLE, gains, derivatives)
    return RateReadings(rates, derivatives, gains, codes)


@jit_by_function("transition", "readout")
def _updates(
    transition: Callable, readout: Callable, states: Array, gradients: Array
) -> Float[Array, "row gradient"]:
    def one(h: Array) -> Array:
        return readout(transition(jnp.broadcast_to(h, (len(gradients), len(h))), gradients))

    # State by state: all at once would hold rows x gradients x state numbers.
    return jax.lax.map(one, states)


@jit_by_function("transition", "readout")
def _derivatives(
    transition: Callable, readout: Callable, states: Array
) -> tuple[Float[Array, " row"], Float[Array, " row"]]:
    """Return -d(dx)/dg at g = 0, and the size of the terms that dx is summed from there."""
    zeros, ones = jnp.zeros(len(states), states.dtype), jnp.ones(len(states), states.dtype)
    after = transition(states, zeros)
    rates = -jax.jvp(lambda g: readout(transition(states, g)), (zeros,), (ones,))[1]
    updates, pull_back = jax.vjp(readout, after)
    terms = jnp.sum(jnp.abs(pull_back(ones)[0] * after), axis=-1)
    return rates, jnp.maximum(jnp.abs(updates), jnp.nan_to_num(terms, posinf=0.0))
