r"""The component-wise vanilla recurrent network: no gates, one tanh.

With gradient g (scaled by ``input_scale``) and state h of ``units`` numbers,

    h' = tanh(A g + W h + b)
    dx = output_scale * (w . h' + b_out)

As for the GRU the initial state is part of theta, weights start as N(0, 1/units), biases and the initial
state at 0, and the readout at 0: an untrained optimizer does nothing. Near a fixed point h* the
network is linear with J = diag(1 - h*^2) W: what it remembers, it must remember through W.

Source: Elman 1990; "vanilla RNN" as in Collins, Sohl-Dickstein and Sussillo 2017 (arXiv 1611.09913),
whose recurrent weights start as a scaled orthogonal matrix or near the identity.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from lopt.fields import Positive, Size
from lopt.learned.base import LearnedFamily
from lopt.optimizers.component import ComponentOptimizer

__all__ = ["VanillaRNN", "VanillaRNNTheta"]


class VanillaRNNTheta(NamedTuple):
    """Parameters of the optimizer: what meta-training learns."""

    initial_state: Float[Array, " units"]
    input_weights: Float[Array, " units"]
    recurrent_weights: Float[Array, "units units"]
    biases: Float[Array, " units"]
    readout_weights: Float[Array, " units"]
    readout_bias: Float[Array, ""]


@dataclass(frozen=True)
class VanillaRNN(LearnedFamily):
    """The family of vanilla recurrent optimizers with ``units`` state variables per component."""

    theta_type: ClassVar[type] = VanillaRNNTheta
    label: ClassVar[str] = "vanilla RNN"
    sizes: ClassVar[tuple[str, ...]] = ("units",)

    units: Size = 256
    """[state variables] Width of the state, per component."""
    input_scale: Positive = 1.0
    """[per gradient] What the gradient is multiplied by before the network reads it."""
    output_scale: Positive = 1.0
    """[of a parameter] What the network's output is multiplied by: the update."""

    def init(self, key: jax.Array) -> VanillaRNNTheta:
        """Draw an untrained theta (float32)."""
        key_input, key_recurrent = jax.random.split(key)
        units, scale, dtype = self.units, self.units**-0.5, jnp.float32
        return VanillaRNNTheta(
            initial_state=jnp.zeros(units, dtype),
            input_weights=scale * jax.random.normal(key_input, (units,), dtype),
            recurrent_weights=scale * jax.random.normal(key_recurrent, (units, units), dtype),
            biases=jnp.zeros(units, dtype),
            readout_weights=jnp.zeros(units, dtype),
            readout_bias=jnp.zeros((), dtype),
        )

    def component(self, theta: VanillaRNNTheta) -> ComponentOptimizer:
        """Return the optimizer as a dynamical system on one component."""
        self.check(theta)

        def transition(
            h: Float[Array, "... units"], g: Float[Array, "..."]
        ) -> Float[Array, "... units"]:
            drive = (self.input_scale * g)[..., None] * theta.input_weights + theta.biases
            return jnp.tanh(h @ theta.recurrent_weights + drive)

        def readout(h: Float[Array, "... units"]) -> Float[Array, "..."]:
            return self.output_scale * (h @ theta.readout_weights + theta.readout_bias)

        return ComponentOptimizer(theta.initial_state, transition, readout)
