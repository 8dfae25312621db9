r"""Known answers over seven decades: adaptive optimizers under constant gradients, tiny to large.

At the fixed point for a constant g the mean is m = g and, notation of ``optax``, alpha the
learning rate, epsilon outside the root (but for RMSProp):

* RMSProp:    s = g^2,  rate alpha / sqrt(gamma g^2 + epsilon);
* Adam:       s = g^2,  rate alpha (1 - b1) / (sqrt(b2) |g| + epsilon);
* Yogi:       s = g^2, which its map jumps across: s' = s - (1 - b2) sign(s - g^2) g^2; rate
  alpha (1 - b1) / (|g| + epsilon);
* AdaBelief:  s = epsilon_0 / (1 - b2), which keeps only what is added to it, epsilon_0; with
  D = sqrt(S) + epsilon and S = b2 s + (1 - b2) b1^2 g^2 + epsilon_0,
  rate alpha ((1 - b1) / D + (1 - b2) b1^3 g^2 / (sqrt(S) D^2)).

Starts are of order 1, so that the point is up to 1e12 times smaller than they are.
"""

from collections.abc import Callable, Iterator

import numpy as np
import optax
from jaxtyping import Float

from lopt.analysis.fixed_point_search import find_fixed_points
from lopt.analysis.gains import rates_at_zero
from lopt.analysis.validation_rows import generator, row
from lopt.optimizers.adam import Adam, AdamTheta
from lopt.optimizers.component import ComponentOptimizer
from lopt.optimizers.from_optax import from_optax
from lopt.optimizers.rmsprop import RMSProp, RMSPropTheta
from lopt.records.analysis import Code, ValidationRow

__all__ = ["adaptive_optimizers"]

DECADES = np.logspace(-6.0, 1.0, 8)
STARTS = 3
ALPHA, B1, B2, EPSILON, EPSILON_0 = 0.02, 0.9, 0.99, 1e-8, 1e-16
LATE = 10**6  # steps after which bias corrections are 1


def adaptive_optimizers() -> Iterator[ValidationRow]:
    """Yield the rows of all four."""
    adam = Adam().component(AdamTheta(ALPHA, B1, B2, EPSILON))
    yield from _rows("adam", adam, lambda g: ALPHA * (1 - B1) / (np.sqrt(B2) * g + EPSILON))
    rmsprop = RMSProp().component(RMSPropTheta(ALPHA, B2, EPSILON_0))
    yield from _rows("rmsprop", rmsprop, lambda g: ALPHA / np.sqrt(B2 * g**2 + EPSILON_0))
    yogi = from_optax(optax.yogi(ALPHA, B1, B2, eps=EPSILON), held_count=LATE)
    yield from _rows("yogi", yogi, lambda g: ALPHA * (1 - B1) / (g + EPSILON))
    belief = optax.adabelief(ALPHA, B1, B2, eps=EPSILON, eps_root=EPSILON_0)
    yield from _rows("adabelief", from_optax(belief, held_count=LATE), _belief_rate)


def _belief_rate(g: float) -> float:
    square = B2 * EPSILON_0 / (1 - B2) + (1 - B2) * B1**2 * g**2 + EPSILON_0
    divisor = np.sqrt(square) + EPSILON
    return ALPHA * ((1 - B1) / divisor + (1 - B2) * B1**3 * g**2 / (np.sqrt(square) * divisor**2))


def _rows(
    name: str, component: ComponentOptimizer, rate: Callable[[float], float]
) -> Iterator[ValidationRow]:
    name = f"{name} over decades"
    starts = np.abs(generator(name).standard_normal((STARTS, component.initial_state.size)))
    # Powers of decays, in entries beyond the first two, stay below 1.
    starts[:, 2:] = np.minimum(starts[:, 2:], 0.1)
    converged: list[Float[np.ndarray, " start"]] = []
    for g in DECADES:
        found = find_fixed_points(component, starts, g)
        converged.append(found.codes == Code.CONVERGED)
        rates = rates_at_zero(component, found.points, g).derivatives / rate(g)
        farthest = rates[np.argmax(np.abs(rates - 1.0))]
        quantity = f"learning rate after g = {g:g} over the closed form"
        yield row(name, quantity, 1.0, farthest, 1e-6)
    yield row(name, "searches that converged", 1.0, np.mean(converged), 0.0)
