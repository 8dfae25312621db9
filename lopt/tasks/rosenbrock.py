"""Rosenbrock's banana function from random starts.

    f(x, y) = (1 - x)^2 + 100 (y - x^2)^2,    start (x, y) ~ U[-2, 2]^2,    minimum 0 at (1, 1).

Source: arXiv 2011.02159, section 3. The start's distribution is not published; this one reproduces
the published start loss (10^2.65) and the tuned momentum's rate.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lopt.fields import Positive
from lopt.keys import stream
from lopt.records.portraits import Landscape
from lopt.tasks.base import Task, log10_losses

__all__ = ["Rosenbrock", "RosenbrockStart"]

GRID = 128  # an even number of points: the minimum (1, 1), where log f = -inf, lies between them


class RosenbrockStart(NamedTuple):
    """One problem is its starting point."""

    start: Float[Array, "2"]


@dataclass(frozen=True)
class Rosenbrock(Task):
    """Starts uniform in the square of half-width ``start_half_width``."""

    label: ClassVar[str] = "Rosenbrock"
    least_components: ClassVar[int | str | tuple[str, str, int]] = 2

    start_half_width: Positive = 2.0
    """[of a coordinate] Starts are uniform on the square between plus and minus this."""

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

    def portrait(self) -> Landscape:
        """Return log10 of the loss over the part of the plane that the paper shows."""
        x, y = np.linspace(-2.0, 2.0, GRID), np.linspace(-1.0, 3.0, GRID)
        grid = jnp.asarray(np.stack(np.meshgrid(x, y), axis=-1), jnp.float32)
        problem = self.sample(stream(0, "portrait"))  # the landscape is the same for all
        losses = jax.vmap(jax.vmap(lambda point: self.loss(problem, point)))(grid)
        return Landscape(x, y, log10_losses(losses), minimum=np.ones(2))
