r"""Optimizers whose dynamics are known in closed form and unlike a single attracting point.

* two wells:    h' = h - 0.4 (h - 1)(h - 1 - d)(h - 1 - 2d) / d^2 + g, dx = -h'^2 / 2. Stable points 1
  and 1 + 2d (eigenvalue 0.2), an unstable one between (1.4); effective learning rate h*.
* hysteresis:   h' = h + 0.3 (g + h - h^3), dx = -h'. The branch of h* = 1 ends in a fold at
  g = -2 / (3 sqrt 3); its points are 2 / sqrt(3) cos(arccos(3 sqrt(3) g / 2) / 3).
* cycle of two: h' = 3.2 h (1 - h) + g, dx = -h': the logistic map, (r + 1 +- sqrt((r - 3)(r + 1)))
  / 2r, multiplier 4 + 2r - r^2 over both steps.
* rotation:     radius' = radius (1 + 0.2 (1 - radius^2)), angle' = angle + 1: a circle of radius 1
  that never closes; dx = -h_0'.
* sign descent: dx = -alpha sign(g): no slope at 0; describing-function gain 4 alpha / (pi A).
* Jordan block: J with one Jordan block behind a random change of basis (``plant_jordan``).

The gradient enters additively so that rates are known as well.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lopt.optimizers.component import ComponentOptimizer

__all__ = [
    "cycle_of_two",
    "hysteresis",
    "plant_jordan",
    "rotation",
    "sign_descent",
    "two_wells",
]


def two_wells(separation: float) -> ComponentOptimizer:
    """Return the optimizer with stable points 1 and 1 + 2 ``separation``."""

    def transition(h: Float[Array, "... 1"], g: Float[Array, "..."]) -> Float[Array, "... 1"]:
        # In units of the separation, so that what is cubed is of order one.
        u = (h - 1.0) / separation
        return h - 0.4 * separation * u * (u - 1.0) * (u - 2.0) + g[..., None]

    return ComponentOptimizer(jnp.zeros(1), transition, lambda h: -0.5 * h[..., 0] ** 2)


def hysteresis() -> ComponentOptimizer:
    """Return the optimizer whose branches of constant-gradient points fold at +-2 / (3 sqrt 3)."""

    def transition(h: Float[Array, "... 1"], g: Float[Array, "..."]) -> Float[Array, "... 1"]:
        return h + 0.3 * (g[..., None] + h - h**3)

    return ComponentOptimizer(jnp.ones(1), transition, lambda h: -h[..., 0])


def cycle_of_two() -> ComponentOptimizer:
    """Return the optimizer that ends on a cycle of two states."""

    def transition(h: Float[Array, "... 1"], g: Float[Array, "..."]) -> Float[Array, "... 1"]:
        return 3.2 * h * (1.0 - h) + g[..., None]

    return ComponentOptimizer(jnp.full(1, 0.3), transition, lambda h: -h[..., 0])


def rotation() -> ComponentOptimizer:
    """Return the optimizer that goes round the unit circle, one radian a step."""
    cosine, sine = np.cos(1.0), np.sin(1.0)

    def transition(h: Float[Array, "... 2"], g: Float[Array, "..."]) -> Float[Array, "... 2"]:
        turned = jnp.stack(
            [cosine * h[..., 0] - sine * h[..., 1], sine * h[..., 0] + cosine * h[..., 1]], axis=-1
        )
        growth = 1.2 - 0.2 * jnp.sum(h**2, axis=-1, keepdims=True)
        return turned * growth + jnp.stack([g, 0.0 * g], axis=-1)

    return ComponentOptimizer(jnp.array([0.5, 0.0]), transition, lambda h: -h[..., 0])


def sign_descent(learning_rate: float) -> ComponentOptimizer:
    """Return sign descent; the state is the last update."""

    def transition(h: Float[Array, "... 1"], g: Float[Array, "..."]) -> Float[Array, "... 1"]:
        return jnp.broadcast_to(-learning_rate * jnp.sign(g)[..., None], h.shape)

    return ComponentOptimizer(jnp.zeros(1), transition, lambda h: h[..., 0])


def plant_jordan(
    generator: np.random.Generator, eigenvalue: float, size: int, others: list[float]
) -> tuple[
    Float[np.ndarray, "state state"],
    Float[np.ndarray, " state"],
    Float[np.ndarray, " state"],
    float,
]:
    """Return J, j and r of a linear optimizer with a Jordan block, and the block's learning rate.

    Args:
        generator: draws the basis, j and r.
        eigenvalue: of the block.
        size: of the block.
        others: further eigenvalues, real and different.

    >>> jacobian, *_ = plant_jordan(np.random.default_rng(0), 0.9, 2, [0.1])
    >>> jacobian.shape, round(float(np.trace(jacobian)), 12)
    ((3, 3), 1.9)
    """
    modal = np.diag([*np.full(size, eigenvalue), *others])
    modal[np.arange(size - 1), np.arange(1, size)] = 1.0
    basis = generator.standard_normal(modal.shape)
    inputs, outputs = generator.standard_normal((2, len(modal)))
    inverse = np.linalg.inv(basis)
    rate = -float(outputs[:size] @ inputs[:size])
    return basis @ modal @ inverse, basis @ inputs, outputs @ inverse, rate
