r"""The component-wise LSTM whose input is the gradient's logarithm and sign.

The gradient g (scaled by ``input_scale``) enters as two numbers, which tell all magnitudes apart:

    (log|g| / p, sign(g))     where |g| >= e^-p,
    (-1, e^p g)               elsewhere,                    p = 10,

continuous in g, and linear in it around 0. With it as the input v of the first layer, and for the
others v the new h of the layer below, every layer has

    i, f, o = sigmoid(A v + W h + b)              input, forget and output gate, each with its A, W, b
    z       = tanh(A_z v + W_z h + b_z)           candidate
    c'      = f * c + i * z
    h'      = o * tanh(c')

and the update is read from the last layer, dx = output_scale * (w . h' + b). The state of one component
is one vector of h and c of the first layer, then of the next.

As for the GRU the initial state is part of theta, weights start as N(0, 1/units), biases and the initial
state at 0, and the readout at 0: an untrained optimizer does nothing. The source's code adds 1 to the
forget gate's pre-activation (the default of Sonnet's LSTM), starts from a zero state that is not
trained, and does not start its readout at 0.

The gates' weights are stored side by side, in the order input, forget, output, candidate.

Source: Andrychowicz et al. 2016, "Learning to learn by gradient descent by gradient descent", arXiv
1606.04474, section 3 and appendix A; Hochreiter and Schmidhuber 1997.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from lopt.fields import Positive, Size
from lopt.learned.base import LearnedFamily
from lopt.optimizers.component import ComponentOptimizer

__all__ = ["LSTM", "LSTMTheta", "log_and_sign"]

P = 10.0  # the input tells gradients apart down to e^-p


class LSTMTheta(NamedTuple):
    """Parameters of the optimizer: what meta-training learns.

    ``gates`` is 4 times ``units``, ``state`` is 2 times ``layers`` times ``units``; ``above`` counts the
    layers above the first.
    """

    initial_state: Float[Array, " state"]
    input_weights: Float[Array, "2 gates"]
    between_weights: Float[Array, "above units gates"]
    recurrent_weights: Float[Array, "layers units gates"]
    biases: Float[Array, "layers gates"]
    readout_weights: Float[Array, " units"]
    readout_bias: Float[Array, ""]


def log_and_sign(g: Float[Array, "..."]) -> Float[Array, "... 2"]:
    """Return the two inputs that a gradient enters as.

    >>> log_and_sign(jnp.array([-1.0, 0.0])).tolist()
    [[0.0, -1.0], [-1.0, 0.0]]
    """
    large = jnp.abs(g) >= math.exp(-P)
    # The logarithm of 1 where it is not used: its derivative at 0 would be infinite, times 0 not a number.
    logarithm = jnp.log(jnp.abs(jnp.where(large, g, 1.0))) / P
    return jnp.stack(
        [
            jnp.where(large, logarithm, -1.0),
            jnp.where(large, jnp.sign(g), math.exp(P) * g),
        ],
        axis=-1,
    )


@dataclass(frozen=True)
class LSTM(LearnedFamily):
    """The family of LSTM optimizers: ``layers`` layers of ``units`` units for every component."""

    theta_type: ClassVar[type] = LSTMTheta
    label: ClassVar[str] = "LSTM"
    sizes: ClassVar[tuple[str, ...]] = ("layers", "units")

    layers: Size = 2
    """[layers] Stacked cells, each reading the output of the one below."""
    units: Size = 20
    """[units] Of each layer; each has two state variables per component."""
    input_scale: Positive = 1.0
    """[per gradient] What the gradient is multiplied by before the network reads it."""
    output_scale: Positive = 1.0
    """[of a parameter] What the network's output is multiplied by: the update."""

    def init(self, key: jax.Array) -> LSTMTheta:
        """Draw an untrained theta (float32)."""
        keys, dtype = jax.random.split(key, 3), jnp.float32
        layers, units, gates = self.layers, self.units, 4 * self.units

        def draw(key: jax.Array, *shape: int) -> Array:
            return units**-0.5 * jax.random.normal(key, shape, dtype)

        return LSTMTheta(
            initial_state=jnp.zeros(2 * layers * units, dtype),
            input_weights=draw(keys[0], 2, gates),
            between_weights=draw(keys[1], layers - 1, units, gates),
            recurrent_weights=draw(keys[2], layers, units, gates),
            biases=jnp.zeros((layers, gates), dtype),
            readout_weights=jnp.zeros(units, dtype),
            readout_bias=jnp.zeros((), dtype),
        )

    def component(self, theta: LSTMTheta) -> ComponentOptimizer:
        """Return the optimizer as a dynamical system on one component."""
        self.check(theta)
        units = self.units

        def layer(number: int, h: Array, c: Array, drive: Array) -> tuple[Array, Array]:
            total = h @ theta.recurrent_weights[number] + drive + theta.biases[number]
            gates = jax.nn.sigmoid(total[..., : 3 * units])
            i, f, o = (gates[..., n * units : (n + 1) * units] for n in range(3))
            c_next = f * c + i * jnp.tanh(total[..., 3 * units :])
            return o * jnp.tanh(c_next), c_next

        def transition(
            state: Float[Array, "... state"], g: Float[Array, "..."]
        ) -> Float[Array, "... state"]:
            parts = []
            for number in range(self.layers):
                if number == 0:
                    drive = log_and_sign(self.input_scale * g) @ theta.input_weights
                else:
                    drive = parts[-2] @ theta.between_weights[number - 1]
                start = 2 * number * units
                h, c = state[..., start : start + units], state[..., start + units :][..., :units]
                parts += layer(number, h, c, drive)
            return jnp.concatenate(parts, axis=-1)

        def readout(state: Float[Array, "... state"]) -> Float[Array, "..."]:
            h = state[..., -2 * units : -units]
            return self.output_scale * (h @ theta.readout_weights + theta.readout_bias)

        return ComponentOptimizer(theta.initial_state, transition, readout)
