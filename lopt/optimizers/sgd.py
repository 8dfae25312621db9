r"""Gradient descent that is clipped, and gradient descent on a schedule, as dynamical systems.

Two hand-made optimizers, each with one of the mechanisms that learned ones discover:

* clipped:    dx = -alpha clip(g, -threshold, threshold). No memory; the state is the last update,
  and the update function saturates at alpha * threshold beyond |g| = threshold.
* scheduled:  dx = -s_k g with s_k the k-th entry of a table of learning rates (the last one holds
  beyond its end). The state is (k, last update): along the autonomous trajectory the effective
  learning rate is the table, and k = len(table) is the fixed point.

Source: arXiv 2011.02159, sections 4.2 and 4.3, which find both in learned optimizers.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from lopt.optimizers.component import ComponentOptimizer, as_gradient_transformation

__all__ = ["ClippedSGD", "ClippedSGDTheta", "ScheduledSGD", "ScheduledSGDTheta"]


class ClippedSGDTheta(NamedTuple):
    """The learning rate alpha > 0 and the largest |g| that counts."""

    learning_rate: Float[Array, ""] | float
    threshold: Float[Array, ""] | float


class ScheduledSGDTheta(NamedTuple):
    """The learning rates of update 0, 1, 2, ..."""

    learning_rates: Float[Array, " schedule"]


@dataclass(frozen=True)
class ClippedSGD:
    """The family of clipped gradient descent; the state is (dx,)."""

    def component(self, theta: ClippedSGDTheta) -> ComponentOptimizer:
        def transition(h: Float[Array, "... 1"], g: Float[Array, "..."]) -> Float[Array, "... 1"]:
            clipped = jnp.clip(g, -theta.threshold, theta.threshold)
            return jnp.broadcast_to(-theta.learning_rate * clipped[..., None], h.shape)

        dtype = jnp.result_type(float, *map(jnp.asarray, theta))
        return ComponentOptimizer(jnp.zeros(1, dtype), transition, lambda h: h[..., 0])

    def build(self, theta: ClippedSGDTheta) -> optax.GradientTransformation:
        return as_gradient_transformation(self.component(theta))


@dataclass(frozen=True)
class ScheduledSGD:
    """The family of scheduled gradient descent; the state is (k, dx)."""

    def component(self, theta: ScheduledSGDTheta) -> ComponentOptimizer:
        rates = jnp.asarray(theta.learning_rates)
        if rates.ndim != 1 or not rates.size:
            raise ValueError(f"learning_rates has shape {rates.shape}, expected a non-empty vector")
        last = len(rates)

        def transition(h: Float[Array, "... 2"], g: Float[Array, "..."]) -> Float[Array, "... 2"]:
            k = h[..., 0]
            rate = jnp.interp(k, jnp.arange(last, dtype=rates.dtype), rates)
            return jnp.stack([jnp.minimum(k + 1.0, float(last)), -rate * g], axis=-1)

        return ComponentOptimizer(jnp.zeros(2, rates.dtype), transition, lambda h: h[..., 1])

    def build(self, theta: ScheduledSGDTheta) -> optax.GradientTransformation:
        return as_gradient_transformation(self.component(theta))
