"""Training a small tanh network on the two-moons classification data, full batch.

    f(theta) = mean_i logistic(y_i, network(theta, p_i)) + penalty * ||theta||_2

The penalty is on the norm, not on its square (the authors' code). The data are fixed (one data seed);
problems differ in the initial weights only: Glorot-normal matrices, biases N(0, 0.01^2).
The published network is identified as 2 -> 64 -> 64 -> 64 -> 1, 8,577 parameters: of 26 networks
tried, only this one reproduces the published momentum curve.

Source: arXiv 2011.02159, section 3; data from scikit-learn, as the authors did.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from lopt.fields import Bounds, NonNegative, Seed, Sizes
from lopt.records.portraits import LabelledPoints
from lopt.tasks.base import Task

__all__ = ["InitialWeights", "TwoMoons", "two_moons_data"]


class InitialWeights(NamedTuple):
    """One problem is its initial weight vector."""

    start: Float[Array, " components"]


@lru_cache
def two_moons_data(
    points: int, noise: float, seed: int
) -> tuple[Float[np.ndarray, "points 2"], Float[np.ndarray, " points"]]:
    """Return scikit-learn's two moons: positions and labels (0 or 1), float32."""
    from sklearn.datasets import make_moons  # costs a second to import: only where it is needed

    drawn: Any = make_moons(n_samples=points, noise=noise, random_state=seed)
    positions, labels = drawn
    return positions.astype(np.float32), labels.astype(np.float32)


@dataclass(frozen=True)
class TwoMoons(Task):
    """A tanh network with hidden layers ``hidden_widths`` on ``points`` noisy points."""

    label: ClassVar[str] = "Neural network training"
    sizes: ClassVar[tuple[str, ...]] = ("hidden_widths", "points")
    least_components: ClassVar[int | str | tuple[str, str, int]] = "hidden_widths"

    hidden_widths: Sizes = (64, 64, 64)
    """[units] Of each hidden layer of the network, first to last."""
    points: Annotated[int, Bounds(minimum=2, maximum=1_000_000)] = 1024
    """[points] Of the data, all of which every loss is a mean over."""
    noise: NonNegative = 0.1
    """[of a coordinate] Standard deviation of the points around their moons."""
    data_seed: Seed = 0
    """Seed of the data, which all problems share."""
    penalty: NonNegative = 5e-3
    """[loss per unit of the norm] Times the norm of all weights, added to the loss."""
    bias_scale: NonNegative = 0.01
    """[of a bias] Standard deviation of the initial biases."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden_widths", tuple(self.hidden_widths))

    @property
    def layer_shapes(self) -> tuple[tuple[int, int], ...]:
        """(fan-in, fan-out) of every layer."""
        return tuple(pairwise((2, *self.hidden_widths, 1)))

    @property
    def components(self) -> int:
        return sum(fan_in * fan_out + fan_out for fan_in, fan_out in self.layer_shapes)

    def data(self) -> tuple[Float[np.ndarray, "points 2"], Float[np.ndarray, " points"]]:
        """Return the training data (positions, labels)."""
        return two_moons_data(self.points, self.noise, self.data_seed)

    def sample(self, key: jax.Array) -> InitialWeights:
        parts = []
        for fan_in, fan_out in self.layer_shapes:
            key, key_weights, key_biases = jax.random.split(key, 3)
            scale = (2.0 / (fan_in + fan_out)) ** 0.5  # Glorot and Bengio 2010, normal variant
            parts += [
                scale * jax.random.normal(key_weights, (fan_in * fan_out,), jnp.float32),
                self.bias_scale * jax.random.normal(key_biases, (fan_out,), jnp.float32),
            ]
        return InitialWeights(jnp.concatenate(parts))

    def init(self, problem: InitialWeights) -> Float[Array, " components"]:
        return problem.start

    def logits(
        self, x: Float[Array, " components"], positions: Float[ArrayLike, "points 2"]
    ) -> Float[Array, " points"]:
        """Return the network's output before the logistic function at ``positions``."""
        activations, offset = jnp.asarray(positions, x.dtype), 0
        for layer, (fan_in, fan_out) in enumerate(self.layer_shapes):
            weights = x[offset : offset + fan_in * fan_out].reshape(fan_in, fan_out)
            offset += fan_in * fan_out
            activations = activations @ weights + x[offset : offset + fan_out]
            offset += fan_out
            if layer < len(self.hidden_widths):
                activations = jnp.tanh(activations)
        return activations[:, 0]

    def loss(self, problem: InitialWeights, x: Float[Array, " components"]) -> Float[Array, ""]:
        del problem  # the data are the same for all
        positions, labels = self.data()
        logits = self.logits(x, positions)
        # softplus(z) - y z is the logistic loss of label y in {0, 1}, stable for large |z|.
        data_loss = jnp.mean(jax.nn.softplus(logits) - jnp.asarray(labels, x.dtype) * logits)
        return data_loss + self.penalty * jnp.sqrt(jnp.sum(x * x))

    def portrait(self) -> LabelledPoints:
        """Return the data."""
        positions, labels = self.data()
        return LabelledPoints(positions, labels.astype(np.int64))
