r"""The component-wise gated recurrent unit: the learned optimizer.

With gradient g (scaled by ``input_scale``) and state h of ``units`` numbers,

    u  = sigmoid(A_u g + W_u h + b_u)             update gate
    r  = sigmoid(A_r g + W_r h + b_r)             reset gate
    c  = tanh(A_c g + W_c (r * h) + b_c)          candidate
    h' = u * h + (1 - u) * c
    dx = output_scale * (w . h' + b)

The reset gate acts *before* the recurrent product (Cho et al. 2014). cuDNN, flax and equinox apply it
after: a different function, which is why none of their cells is used. The initial state is part of
theta. Weights start as N(0, 1/units) (fan-in = units, for the input weights too), biases and the
initial state at 0, and the readout at 0: an untrained optimizer does nothing.

The gates' weights are stored side by side, in the order update, reset, candidate, so that a step is
two matrix products.

Source: arXiv 2011.02159, section 3 and appendix; the authors' released code for the conventions.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from lopt.optimizers.component import ComponentOptimizer, as_gradient_transformation

__all__ = ["GRU", "GRUTheta"]


class GRUTheta(NamedTuple):
    """Parameters of the optimizer: what meta-training learns. ``gates`` is 3 times ``units``."""

    initial_state: Float[Array, " units"]
    input_weights: Float[Array, " gates"]
    recurrent_weights: Float[Array, "units gates"]
    biases: Float[Array, " gates"]
    readout_weights: Float[Array, " units"]
    readout_bias: Float[Array, ""]


@dataclass(frozen=True)
class GRU:
    """The family of gated recurrent optimizers with ``units`` state variables per component."""

    units: int = 256
    input_scale: float = 1.0
    output_scale: float = 1.0

    def init(self, key: jax.Array) -> GRUTheta:
        """Draw an untrained theta (float32)."""
        key_input, key_recurrent = jax.random.split(key)
        scale, dtype = self.units**-0.5, jnp.float32
        return GRUTheta(
            initial_state=jnp.zeros(self.units, dtype),
            input_weights=scale * jax.random.normal(key_input, (3 * self.units,), dtype),
            recurrent_weights=scale
            * jax.random.normal(key_recurrent, (self.units, 3 * self.units), dtype),
            biases=jnp.zeros(3 * self.units, dtype),
            readout_weights=jnp.zeros(self.units, dtype),
            readout_bias=jnp.zeros((), dtype),
        )

    def check(self, theta: GRUTheta) -> GRUTheta:
        """Return ``theta`` if its shapes are this family's.

        Raises:
            ValueError: naming the array, its shape and the expected one.
        """
        expected = jax.eval_shape(self.init, jax.random.key(0))
        for name, array, wanted in zip(theta._fields, theta, expected, strict=True):
            if jnp.shape(array) != wanted.shape:
                raise ValueError(
                    f"theta.{name} has shape {jnp.shape(array)}, but a GRU of {self.units} units "
                    f"needs {wanted.shape}"
                )
        return theta

    def component(self, theta: GRUTheta) -> ComponentOptimizer:
        self.check(theta)
        units = self.units

        def transition(
            h: Float[Array, "... units"], g: Float[Array, "..."]
        ) -> Float[Array, "... units"]:
            drive = (self.input_scale * g)[..., None] * theta.input_weights + theta.biases
            gates = jax.nn.sigmoid(
                h @ theta.recurrent_weights[:, : 2 * units] + drive[..., : 2 * units]
            )
            u, r = gates[..., :units], gates[..., units:]
            c = jnp.tanh(
                (r * h) @ theta.recurrent_weights[:, 2 * units :] + drive[..., 2 * units :]
            )
            return u * h + (1.0 - u) * c

        def readout(h: Float[Array, "... units"]) -> Float[Array, "..."]:
            return self.output_scale * (h @ theta.readout_weights + theta.readout_bias)

        return ComponentOptimizer(theta.initial_state, transition, readout)

    def build(self, theta: GRUTheta) -> optax.GradientTransformation:
        return as_gradient_transformation(self.component(theta))
