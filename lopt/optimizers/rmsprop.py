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

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from lopt.fields import Fraction, Positive
from lopt.optimizers.base import Baseline
from lopt.optimizers.component import ComponentOptimizer

__all__ = ["RMSProp", "RMSPropTheta"]


class RMSPropTheta(NamedTuple):
    """Hyperparameters: alpha > 0, 0 <= gamma < 1, and epsilon > 0 (a squared gradient)."""

    learning_rate: Positive
    """[of a parameter] Step size, of a gradient divided by its root mean square."""
    decay: Fraction
    """What of the mean square is kept from step to step."""
    epsilon: Positive
    """[gradient squared] Added to the mean square under the root."""


@dataclass(frozen=True)
class RMSProp(Baseline):
    """The family of RMSProp optimizers; the state is (s, g)."""

    theta_type: ClassVar[type] = RMSPropTheta
    label: ClassVar[str] = "RMSProp"
    color: ClassVar[str] = "#E3BC22"
    ranges: ClassVar[Mapping[str, tuple[float, float, str]]] = {
        "learning_rate": (1e-4, 1.0, "log"),
        "decay": (0.0, 0.999, "log_one_minus"),
        "epsilon": (1e-10, 1.0, "log"),
    }
    varied: ClassVar[tuple[str, float, float, int]] = ("s", 1.0 / 256.0, 1.0, 2)

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
