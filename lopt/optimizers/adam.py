r"""Adam as a dynamical system.

    m' = b1 m + (1 - b1) g,       p1' = b1 p1
    s' = b2 s + (1 - b2) g^2,     p2' = b2 p2
    dx = -alpha (m' / (1 - p1')) / (sqrt(s' / (1 - p2')) + epsilon)

with alpha the learning rate. The bias correction depends on time; to make Adam a map on states
without a clock, the powers p1 = b1^t and p2 = b2^t are state entries which start at 1 and decay.
The state is h = (m, s, p1, p2), starts at (0, 0, 1, 1) and has the fixed point 0, reached when the
correction has faded; the eigenvalues there are b1 (twice) and b2 (twice). epsilon stands *outside*
the square root, as in the paper of Adam, ``optax.adam`` and
``jax.example_libraries.optimizers.adam``; it is a gradient, not a squared one. At the fixed point
the effective learning rate is alpha (1 - b1) / epsilon.

Source: Kingma and Ba 2015; ``optax.adam``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from lopt.fields import Fraction, Positive
from lopt.optimizers.base import Baseline
from lopt.optimizers.component import ComponentOptimizer

__all__ = ["Adam", "AdamTheta"]


class AdamTheta(NamedTuple):
    """Hyperparameters: alpha > 0, 0 <= b1 < 1, 0 <= b2 < 1, and epsilon > 0 (a gradient)."""

    learning_rate: Positive
    """[of a parameter] Step size, of a mean gradient divided by its root mean square."""
    b1: Fraction
    """What of the mean gradient is kept from step to step."""
    b2: Fraction
    """What of the mean square is kept from step to step."""
    epsilon: Positive
    """[gradient] Added to the root of the mean square."""


def _square_root(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """sqrt with derivative 0 at 0.

    Where no gradient has been seen m = 0 as well, and dx does not depend on s to first order: the
    derivative of the update must be finite there, and sqrt's own would make it 0 times infinity.
    """
    positive = x > 0.0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1.0)), 0.0)


@dataclass(frozen=True)
class Adam(Baseline):
    """The family of Adam optimizers; the state is (m, s, b1^t, b2^t)."""

    theta_type: ClassVar[type] = AdamTheta
    label: ClassVar[str] = "Adam"
    color: ClassVar[str] = "#8F0F2B"
    ranges: ClassVar[Mapping[str, tuple[float, float, str]]] = {
        "learning_rate": (1e-4, 1.0, "log"),
        "b1": (0.0, 0.99, "log_one_minus"),
        "b2": (0.0, 0.999, "log_one_minus"),
        "epsilon": (1e-10, 1.0, "log"),
    }

    def component(self, theta: AdamTheta) -> ComponentOptimizer:
        def transition(h: Float[Array, "... 4"], g: Float[Array, "..."]) -> Float[Array, "... 4"]:
            mean = theta.b1 * h[..., 0] + (1.0 - theta.b1) * g
            mean_square = theta.b2 * h[..., 1] + (1.0 - theta.b2) * g**2
            return jnp.stack(
                [mean, mean_square, theta.b1 * h[..., 2], theta.b2 * h[..., 3]], axis=-1
            )

        def readout(h: Float[Array, "... 4"]) -> Float[Array, "..."]:
            mean = h[..., 0] / (1.0 - h[..., 2])
            root_mean_square = _square_root(h[..., 1] / (1.0 - h[..., 3]))
            return -theta.learning_rate * mean / (root_mean_square + theta.epsilon)

        dtype = jnp.result_type(float, *map(jnp.asarray, theta))
        return ComponentOptimizer(jnp.array([0.0, 0.0, 1.0, 1.0], dtype), transition, readout)

    def build(self, theta: AdamTheta) -> optax.GradientTransformation:
        return optax.adam(theta.learning_rate, b1=theta.b1, b2=theta.b2, eps=theta.epsilon)
