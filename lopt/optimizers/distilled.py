r"""Distilled: a hand-written optimizer of eight numbers that does what learned ones were found to do.

With gradient g, memory m (starts at 0) and iteration k,

    push = -L tanh(alpha_k g / L)                      clipping: no push is larger than L
    dx   = m + push
    m'   = V tanh(beta dx / V)                         momentum whose memory saturates at V: adaptation
    alpha_k = start + (peak - start) k / k_peak        up to k_peak,
              end + (peak - end) exp(-(k - k_peak) / tau)   from there: schedule

With L and V large and a constant schedule it is the heavy ball. A constant gradient leaves a memory of at
most V, however large it is: the answer of learned optimizers to large gradients, which their linearization
does not have (arXiv 2011.02159, figure 5, top and middle). ``lopt.analysis.distill`` reads the numbers off.

The state is (m, dx, k); k stops once the schedule has ended, so that the optimizer comes to rest.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from lopt.fields import Fraction, Positive
from lopt.optimizers.component import ComponentOptimizer, as_gradient_transformation

__all__ = ["Distilled", "DistilledTheta"]

TIME_CONSTANTS = 40.0  # after the peak, when the schedule has ended in any precision


class DistilledTheta(NamedTuple):
    """The eight numbers: learning rates, iterations, a momentum, and the largest push and memory."""

    start_rate: Positive
    peak_rate: Positive
    end_rate: Positive
    peak_iteration: Positive
    decay_iterations: Positive
    momentum: Fraction
    push_level: Positive
    memory_level: Positive


@dataclass(frozen=True)
class Distilled:
    """The family of distilled optimizers."""

    theta_type: ClassVar[type] = DistilledTheta
    label: ClassVar[str] = "Distilled"

    def component(self, theta: DistilledTheta) -> ComponentOptimizer:
        last = theta.peak_iteration + TIME_CONSTANTS * theta.decay_iterations

        def transition(h: Float[Array, "... 3"], g: Float[Array, "..."]) -> Float[Array, "... 3"]:
            memory, k = h[..., 0], h[..., 2]
            rate = learning_rate(theta, k)
            push = -theta.push_level * jnp.tanh(rate * g / theta.push_level)
            update = memory + push
            after = theta.memory_level * jnp.tanh(theta.momentum * update / theta.memory_level)
            return jnp.stack([after, update, jnp.minimum(k + 1.0, last)], axis=-1)

        dtype = jnp.result_type(float, *map(jnp.asarray, theta))
        return ComponentOptimizer(jnp.zeros(3, dtype), transition, lambda h: h[..., 1])

    def build(self, theta: DistilledTheta) -> optax.GradientTransformation:
        return as_gradient_transformation(self.component(theta))


def learning_rate(theta: DistilledTheta, k: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return alpha_k."""
    rise = jnp.minimum(k / theta.peak_iteration, 1.0)
    fall = jnp.exp(-jnp.maximum(k - theta.peak_iteration, 0.0) / theta.decay_iterations)
    rising = theta.start_rate + (theta.peak_rate - theta.start_rate) * rise
    falling = theta.end_rate + (theta.peak_rate - theta.end_rate) * fall
    return jnp.where(k < theta.peak_iteration, rising, falling)
