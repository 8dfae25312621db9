r"""RMSProp as a dynamical system.

    s' = gamma s + (1 - gamma) g^2,        dx = -alpha g / sqrt(s' + epsilon)

with alpha the learning rate, gamma the decay and s the running mean square of the gradient, which
starts at 0 and is not corrected for that. epsilon stands *inside* the square root, as in
``jax.example_libraries.optimizers.rmsprop`` (the authors' library) and ``optax.rmsprop``: the
smallest gradient that counts as large is sqrt(epsilon), and the update function is smooth at g = 0.

A readout sees the new state alone, so the state carries the gradient too: h = (s, g). The
gradient's entry has no memory (eigenvalue 0). The fixed point is h = 0; there the effective
learning rate is alpha / sqrt(epsilon).

Source: Tieleman and Hinton 2012; ``optax.rmsprop``.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from lopt.optimizers.component import ComponentOptimizer

__all__ = ["RMSProp", "RMSPropTheta"]


class RMSPropTheta(NamedTuple):
    """Hyperparameters: alpha > 0, 0 <= gamma < 1, and epsilon > 0 (a squared gradient)."""

    learning_rate: Float[Array, ""] | float
    decay: Float[Array, ""] | float
    epsilon: Float[Array, ""] | float


@dataclass(frozen=True)
class RMSProp:
    """The family of RMSProp optimizers; the state is (s, g)."""

    theta_type: ClassVar[type] = RMSPropTheta

    def component(self, theta: RMSPropTheta) -> ComponentOptimizer:
        def transition(h: Float[Array, "... 2"], g: Float[Array, "..."]) -> Float[Array, "... 2"]:
            mean_square = theta.decay * h[..., 0] + (1.0 - theta.decay) * g**2
            return jnp.stack([mean_square, g.astype(mean_square.dtype)], axis=-1)

        def readout(h: Float[Array, "... 2"]) -> Float[Array, "..."]:
            return -theta.learning_rate * h[..., 1] / jnp.sqrt(h[..., 0] + theta.epsilon)

        dtype = jnp.result_type(float, *map(jnp.asarray, theta))
        return ComponentOptimizer(jnp.zeros(2, dtype), transition, readout)

    def build(self, theta: RMSPropTheta) -> optax.GradientTransformation:
        return optax.rmsprop(
            theta.learning_rate, decay=theta.decay, eps=theta.epsilon, eps_in_sqrt=True
        )
