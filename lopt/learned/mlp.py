r"""The per-parameter multilayer perceptron on hand-designed accumulators.

The state of a component has averages of its gradient (scaled by ``input_scale``) and of its square at
``timescales`` decays d_k = 1 - 10^-k, k = 1, 2, ... (0.9, 0.99, 0.999):

    m_k' = d_k m_k + (1 - d_k) g,      s_k' = d_k s_k + (1 - d_k) g^2

A network without memory reads them,

    z = (g, m_k', g / sqrt(s_k' + epsilon), m_k' / sqrt(s_k' + epsilon))
    y_0 = z,    y_l = tanh(A_l y_{l-1} + b_l)
    (direction, magnitude) = C z + W y_layers + c
    dx = output_scale * direction * exp(magnitude)

and everything that it remembers is in the accumulators: the eigenvalues are the decays, twice each, whatever
is learned. Weights start as N(0, 1/units), biases, readout and C at 0: an untrained optimizer does nothing.

The state is h = (m_1, ..., s_1, ..., g), since a readout sees the new state alone. ``exact_momentum`` returns
weights that make it the heavy ball.

Source: Metz, Maheswaranathan, Freeman, Poole and Sohl-Dickstein 2020 (arXiv 2009.11243), section 3; Metz,
Freeman, Harrison, Maheswaranathan and Sohl-Dickstein 2022 (arXiv 2203.11860). Deviations: no input is
normalized over its tensor, parameter and iteration are no inputs, so that a component is a map of its own;
tanh instead of ReLU, so that the update has a slope at 0; the linear part C, without which no weights are
exactly momentum.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lopt.fields import Positive, Size
from lopt.learned.base import LearnedFamily
from lopt.optimizers.component import ComponentOptimizer

__all__ = ["MLP", "MLPTheta"]


class MLPTheta(NamedTuple):
    """Parameters of the optimizer: what meta-training learns.

    ``features`` is 1 + 3 ``timescales``; ``above`` counts the layers above the first; the two outputs are
    direction and magnitude.
    """

    input_weights: Float[Array, "features units"]
    between_weights: Float[Array, "above units units"]
    biases: Float[Array, "layers units"]
    readout_weights: Float[Array, "units 2"]
    readout_bias: Float[Array, "2"]
    linear_part: Float[Array, "features 2"]


@dataclass(frozen=True)
class MLP(LearnedFamily):
    """The family of multilayer perceptrons with ``layers`` layers of ``units`` units for every component."""

    theta_type: ClassVar[type] = MLPTheta
    label: ClassVar[str] = "MLP"
    sizes: ClassVar[tuple[str, ...]] = ("timescales", "layers", "units")

    timescales: Size = 3
    """[averages] Running averages that the network reads, with decays 1 - 10^-k for k = 1, 2, ..."""
    layers: Size = 2
    """[layers] Hidden layers."""
    units: Size = 32
    """[units] Of each hidden layer."""
    epsilon: Positive = 1e-8
    """[scaled gradient squared] Added to averages of squares before their root divides."""
    input_scale: Positive = 1.0
    """[per gradient] What the gradient is multiplied by before the network reads it."""
    output_scale: Positive = 1.0
    """[of a parameter] What the network's output is multiplied by: the update."""

    @property
    def shares(self) -> Float[np.ndarray, " timescales"]:
        """1 - d_k = 10^-k: how much of an average a step replaces."""
        return 10.0 ** -np.arange(1.0, self.timescales + 1.0)

    @property
    def features(self) -> int:
        """How many numbers the network reads."""
        return 1 + 3 * self.timescales

    def init(self, key: jax.Array) -> MLPTheta:
        """Draw an untrained theta (float32)."""
        key_input, key_between = jax.random.split(key)
        units, dtype = self.units, jnp.float32

        def draw(key: jax.Array, *shape: int) -> Array:
            return units**-0.5 * jax.random.normal(key, shape, dtype)

        return MLPTheta(
            input_weights=draw(key_input, self.features, units),
            between_weights=draw(key_between, self.layers - 1, units, units),
            biases=jnp.zeros((self.layers, units), dtype),
            readout_weights=jnp.zeros((units, 2), dtype),
            readout_bias=jnp.zeros(2, dtype),
            linear_part=jnp.zeros((self.features, 2), dtype),
        )

    def exact_momentum(self, theta: MLPTheta, learning_rate: float, timescale: int = 1) -> MLPTheta:
        """Return ``theta`` as the heavy ball v' = d v + g, dx = -learning_rate v', d that of one timescale.

        Raises:
            ValueError: if there is no such timescale.
        """
        if not 1 <= timescale <= self.timescales:
            raise ValueError(f"timescale is {timescale}, expected 1 ... {self.timescales}")
        # m = (1 - d) input_scale v, and 1 - d = 10^-timescale.
        weight = -learning_rate * 10.0**timescale / (self.input_scale * self.output_scale)
        return theta._replace(
            readout_weights=jnp.zeros_like(theta.readout_weights),
            readout_bias=jnp.zeros_like(theta.readout_bias),
            linear_part=jnp.zeros_like(theta.linear_part).at[timescale, 0].set(weight),
        )

    def component(self, theta: MLPTheta) -> ComponentOptimizer:
        """Return the optimizer as a dynamical system on one component."""
        self.check(theta)
        count = self.timescales

        def transition(
            h: Float[Array, "... state"], g: Float[Array, "..."]
        ) -> Float[Array, "... state"]:
            seen = (self.input_scale * g)[..., None]
            shares, decays = (jnp.asarray(d, h.dtype) for d in (self.shares, 1.0 - self.shares))
            means = decays * h[..., :count] + shares * seen
            squares = decays * h[..., count : 2 * count] + shares * seen**2
            return jnp.concatenate([means, squares, seen], axis=-1)

        def readout(h: Float[Array, "... state"]) -> Float[Array, "..."]:
            means, squares, seen = h[..., :count], h[..., count : 2 * count], h[..., 2 * count :]
            root_mean_squares = jnp.sqrt(squares + self.epsilon)
            z = jnp.concatenate(
                [seen, means, seen / root_mean_squares, means / root_mean_squares], axis=-1
            )
            y = jnp.tanh(z @ theta.input_weights + theta.biases[0])
            for layer in range(1, self.layers):
                y = jnp.tanh(y @ theta.between_weights[layer - 1] + theta.biases[layer])
            both = z @ theta.linear_part + y @ theta.readout_weights + theta.readout_bias
            return self.output_scale * both[..., 0] * jnp.exp(both[..., 1])

        dtype = jnp.result_type(theta.input_weights)
        return ComponentOptimizer(jnp.zeros(2 * count + 1, dtype), transition, readout)
