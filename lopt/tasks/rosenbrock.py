"""Rosenbrock's banana function from random starts.

    f(x, y) = (1 - x)^2 + 100 (y - x^2)^2,    start (x, y) ~ U[-2, 2]^2,    minimum 0 at (1, 1).

Source: arXiv 2011.02159, section 3. The start's distribution is not published; this one reproduces
the published start loss (10^2.65) and the tuned momentum's rate.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

__all__ = ["Rosenbrock", "RosenbrockStart"]


class RosenbrockStart(NamedTuple):
    """One problem is its starting point."""

    start: Float[Array, "2"]


@dataclass(frozen=True)
class Rosenbrock:
    """Starts uniform in the square of half-width ``start_half_width``."""

    start_half_width: float = 2.0

    @property
    def components(self) -> int:
        return 2

    def sample(self, key: jax.Array) -> RosenbrockStart:
        bound = self.start_half_width
        return RosenbrockStart(jax.random.uniform(key, (2,), jnp.float32, -bound, bound))

    def init(self, problem: RosenbrockStart) -> Float[Array, "2"]:
        return problem.start

    def loss(self, problem: RosenbrockStart, x: Float[Array, "2"]) -> Float[Array, ""]:
        del problem  # the landscape is the same for all
        return (1.0 - x[0]) ** 2 + 100.0 * (x[1] - x[0] ** 2) ** 2
