r"""The component-wise update gate network (UGRNN): one gate, between the GRU and a vanilla network.

With gradient g (scaled by ``input_scale``) and state h of ``units`` numbers,

    u  = sigmoid(A_u g + W_u h + b_u)             update gate: how much of the state stays
    c  = tanh(A_c g + W_c h + b_c)                candidate
    h' = u * h + (1 - u) * c
    dx = output_scale * (w . h' + b)

which is the GRU whose reset gate is 1. As for the GRU the initial state is part of theta, weights
start as N(0, 1/units), biases and the initial state at 0, and the readout at 0: an untrained optimizer
does nothing. The source adds a constant to the update gate's bias (1 in TensorFlow's ``UGRNNCell``), so
that an untrained network remembers longer; here that bias, too, starts at 0.

The weights of update gate and candidate are stored side by side, in this order: a step is one product.

Source: Collins, Sohl-Dickstein and Sussillo 2017, "Capacity and trainability in recurrent neural
networks", arXiv 1611.09913.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from lopt.fields import Positive, Size
from lopt.learned.base import LearnedFamily
from lopt.optimizers.component import ComponentOptimizer

__all__ = ["UGRNN", "UGRNNTheta"]


class UGRNNTheta(NamedTuple):
    """Parameters of the optimizer: what meta-training learns. ``gates`` is twice ``units``."""

    initial_state: Float[Array, " units"]
    input_weights: Float[Array, " gates"]
    recurrent_weights: Float[Array, "units gates"]
    biases: Float[Array, " gates"]
    readout_weights: Float[Array, " units"]
    readout_bias: Float[Array, ""]


@dataclass(frozen=True)
class UGRNN(LearnedFamily):
    """The family of update gate optimizers with ``units`` state variables per component."""

    theta_type: ClassVar[type] = UGRNNTheta
    label: ClassVar[str] = "UGRNN"
    sizes: ClassVar[tuple[str, ...]] = ("units",)

    units: Size = 256
    """[state variables] Width of the state, per component."""
    input_scale: Positive = 1.0
    """[per gradient] What the gradient is multiplied by before the network reads it."""
    output_scale: Positive = 1.0
    """[of a parameter] What the network's output is multiplied by: the update."""

    def init(self, key: jax.Array) -> UGRNNTheta:
        """Draw an untrained theta (float32)."""
        key_input, key_recurrent = jax.random.split(key)
        units, scale, dtype = self.units, self.units**-0.5, jnp.float32
        return UGRNNTheta(
            initial_state=jnp.zeros(units, dtype),
            input_weights=scale * jax.random.normal(key_input, (2 * units,), dtype),
            recurrent_weights=scale * jax.random.normal(key_recurrent, (units, 2 * units), dtype),
            biases=jnp.zeros(2 * units, dtype),
            readout_weights=jnp.zeros(units, dtype),
            readout_bias=jnp.zeros((), dtype),
        )

    def component(self, theta: UGRNNTheta) -> ComponentOptimizer:
        """Return the optimizer as a dynamical system on one component."""
        self.check(theta)
        units = self.units

        def transition(
            h: Float[Array, "... units"], g: Float[Array, "..."]
        ) -> Float[Array, "... units"]:
            drive = (self.input_scale * g)[..., None] * theta.input_weights + theta.biases
            total = h @ theta.recurrent_weights + drive
            u, c = jax.nn.sigmoid(total[..., :units]), jnp.tanh(total[..., units:])
            return u * h + (1.0 - u) * c

        def readout(h: Float[Array, "... units"]) -> Float[Array, "..."]:
            return self.output_scale * (h @ theta.readout_weights + theta.readout_bias)

        return ComponentOptimizer(theta.initial_state, transition, readout)
