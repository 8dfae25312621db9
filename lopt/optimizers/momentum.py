r"""Gradient descent with momentum (the heavy ball) as a dynamical system.

    v' = beta v + g,        dx = -alpha v'

with alpha the learning rate and beta the momentum: one state variable, the velocity v, which starts
at 0 and is a sum of gradients, not a mean (alpha is not multiplied by 1 - beta). The map is linear:
its fixed point is v = 0, its only eigenvalue beta, its effective learning rate alpha everywhere.

On a quadratic with eigenvalues in [l, L] the asymptotically fastest choice is

    alpha* = 4 / (sqrt(L) + sqrt(l))^2,    beta* = ((sqrt(L) - sqrt(l)) / (sqrt(L) + sqrt(l)))^2.

Source: Polyak 1964; ``optax.sgd``; arXiv 2011.02159, section 2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from lopt.fields import Fraction, Positive
from lopt.optimizers.base import Baseline
from lopt.optimizers.component import ComponentOptimizer

__all__ = ["Momentum", "MomentumTheta", "optimal_momentum"]


class MomentumTheta(NamedTuple):
    """Hyperparameters: the learning rate alpha > 0 and the momentum 0 <= beta < 1."""

    learning_rate: Positive
    """[parameter per gradient] Step size along the accumulated gradient."""
    momentum: Fraction
    """What of the accumulated gradient is kept from step to step."""


@dataclass(frozen=True)
class Momentum(Baseline):
    """The family of heavy-ball optimizers; the state is (v,)."""

    theta_type: ClassVar[type] = MomentumTheta
    label: ClassVar[str] = "Momentum"
    color: ClassVar[str] = "#E06A00"
    ranges: ClassVar[Mapping[str, tuple[float, float, str]]] = {
        "learning_rate": (1e-6, 10.0, "log"),
        "momentum": (0.0, 0.99, "log_one_minus"),
    }
    varied: ClassVar[tuple[str, float, float, int]] = ("v", -1.0, 1.0, 1)

    def component(self, theta: MomentumTheta) -> ComponentOptimizer:
        def transition(h: Float[Array, "... 1"], g: Float[Array, "..."]) -> Float[Array, "... 1"]:
            return theta.momentum * h + g[..., None]

        def readout(h: Float[Array, "... 1"]) -> Float[Array, "..."]:
            return -theta.learning_rate * h[..., 0]

        dtype = jnp.result_type(float, *map(jnp.asarray, theta))
        return ComponentOptimizer(jnp.zeros(1, dtype), transition, readout)

    def build(self, theta: MomentumTheta) -> optax.GradientTransformation:
        return optax.sgd(theta.learning_rate, momentum=theta.momentum)


def optimal_momentum(smallest: float, largest: float) -> MomentumTheta:
    """Return the heavy ball that is fastest on eigenvalues in [``smallest``, ``largest``].

    >>> theta = optimal_momentum(1e-3, 1.0)
    >>> f"{theta.learning_rate:.4f} {theta.momentum:.3f}"
    '3.7585 0.881'

    Raises:
        ValueError: unless 0 < smallest <= largest.
    """
    if not 0.0 < smallest <= largest:
        raise ValueError(f"need 0 < smallest <= largest eigenvalue, got {smallest} and {largest}")
    low, high = smallest**0.5, largest**0.5
    return MomentumTheta(4.0 / (high + low) ** 2, ((high - low) / (high + low)) ** 2)
