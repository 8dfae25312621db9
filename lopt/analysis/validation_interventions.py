r"""Known answers of interventions: an absent mechanism costs nothing, a planted one what a closed form says.

Hand-made optimizers run on f = 1/2 lambda x^2 from x = 1. Where an intervention removes what an optimizer
does not have, the losses stay the same; where it removes what was planted, gradient descent is left, of loss

    f_k = 1/2 lambda ((1 - alpha lambda)^k)^2,

or of several modes one heavy ball, x_k = A r_1^k + B r_2^k with r_1, r_2 the roots of
r^2 - (1 + beta - alpha lambda) r + beta.

* momentum: memory is planted, everything else absent;
* clipped descent: clipping planted;
* scheduled descent: a schedule planted, alpha its last rate;
* drifting descent, dx = -alpha g + d: a drift planted; intact it comes to rest at x = d / (alpha lambda);
* adaptive descent, m' = kappa m + g^2, u' = -alpha g / (1 + m), dx = u': adaptation planted;
* aggregated momentum of two modes: one of them is kept.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from lopt.analysis.interventions import Variant, variants
from lopt.analysis.linearization import linearize
from lopt.analysis.validation_rows import row
from lopt.optimizers.aggregated_momentum import AggregatedMomentum, AggregatedMomentumTheta
from lopt.optimizers.component import (
    ComponentOptimizer,
    OptimizerFamily,
    as_gradient_transformation,
    running,
)
from lopt.optimizers.momentum import Momentum, MomentumTheta
from lopt.optimizers.sgd import ClippedSGD, ClippedSGDTheta, ScheduledSGD, ScheduledSGDTheta
from lopt.records.analysis import ValidationRow

__all__ = ["interventions"]

CURVATURE, STEPS, ALPHA, TOLERANCE = 0.5, 12, 0.6, 1e-12
NONLINEAR = ("no_clipping", "no_adaptation", "no_adaptation_at_rest")
ALL_BUT_MEMORY = ("no_schedule", *NONLINEAR, "no_drift", "linear")


@dataclass(frozen=True)
class Planted:
    """A family of one optimizer, whose theta is a number."""

    make: Callable[[Any], ComponentOptimizer]

    def component(self, theta: Any) -> ComponentOptimizer:
        return self.make(theta)

    def build(self, theta: Any) -> optax.GradientTransformation:
        return as_gradient_transformation(self.component(theta))


def drifting(drift: float) -> ComponentOptimizer:
    """Return gradient descent that moves by ``drift`` more at each step."""

    def transition(h: Float[Array, "... 1"], g: Float[Array, "..."]) -> Float[Array, "... 1"]:
        return 0.0 * h + g[..., None]

    return ComponentOptimizer(jnp.zeros(1), transition, lambda h: drift - ALPHA * h[..., 0])


def adaptive(decay: float) -> ComponentOptimizer:
    """Return gradient descent whose rate falls with the squared gradients of the past."""

    def transition(h: Float[Array, "... 2"], g: Float[Array, "..."]) -> Float[Array, "... 2"]:
        return jnp.stack([decay * h[..., 0] + g**2, -ALPHA * g / (1.0 + h[..., 0])], axis=-1)

    return ComponentOptimizer(jnp.zeros(2), transition, lambda h: h[..., 1])


def interventions() -> Iterator[ValidationRow]:
    """Yield the rows."""
    yield from _rows(
        "momentum without ...",
        Momentum(),
        MomentumTheta(ALPHA, 0.8),
        [0.0],
        absent=(*ALL_BUT_MEMORY, "modes_1"),
        planted={"no_memory": descent(ALPHA)},
    )
    yield from _rows(
        "clipped sgd without ...",
        ClippedSGD(),
        ClippedSGDTheta(jnp.asarray(ALPHA), jnp.asarray(0.2)),
        [0.0],
        absent=("no_schedule", "no_adaptation", "no_adaptation_at_rest", "no_memory", "no_drift"),
        planted={"no_clipping": descent(ALPHA), "linear": descent(ALPHA)},
    )
    schedule = jnp.asarray(ALPHA + 0.5 * np.exp(-np.arange(12) / 3.0)).at[-1].set(ALPHA)
    yield from _rows(
        "scheduled sgd without ...",
        ScheduledSGD(),
        ScheduledSGDTheta(schedule),
        [float(len(schedule)), 0.0],
        absent=("no_clipping", "no_drift"),
        planted={"no_schedule": descent(ALPHA), "no_memory": descent(ALPHA)},
    )
    yield from _rows(
        "drifting sgd without ...",
        Planted(drifting),
        0.1,
        [0.0],
        absent=("no_schedule", *NONLINEAR, "no_memory", "linear"),
        planted={"no_drift": descent(ALPHA)},
    )
    yield from _rows(
        "adaptive sgd without ...",
        Planted(adaptive),
        0.9,
        [0.0, 0.0],
        absent=("no_schedule", "no_drift"),
        planted=dict.fromkeys(("no_adaptation", "no_memory", "linear"), descent(ALPHA)),
    )
    modes = AggregatedMomentumTheta(
        jnp.array([0.9, 0.5]), jnp.array([0.3, 0.1]), jnp.zeros(2), jnp.zeros(())
    )
    # Each mode's imaginary part is a state variable of its own, which nothing drives.
    yield from _rows(
        "aggregated momentum without ...",
        AggregatedMomentum(),
        modes,
        np.zeros(4),
        absent=(*ALL_BUT_MEMORY, "modes_2"),
        planted={"no_memory": descent(0.4), "modes_1": heavy_ball(0.3, 0.9)},
    )


def descent(rate: float) -> Float[np.ndarray, " steps_plus_1"]:
    """Return the losses of gradient descent."""
    return 0.5 * CURVATURE * (1.0 - rate * CURVATURE) ** (2 * np.arange(STEPS + 1))


def heavy_ball(rate: float, momentum: float) -> Float[np.ndarray, " steps_plus_1"]:
    """Return the losses of the heavy ball, by the roots of its recurrence."""
    first, second = np.roots([1.0, rate * CURVATURE - 1.0 - momentum, momentum]).astype(complex)
    # x_0 = 1 and x_1 = 1 - alpha lambda.
    weight = (1.0 - rate * CURVATURE - second) / (first - second)
    k = np.arange(STEPS + 1)
    return 0.5 * CURVATURE * (weight * first**k + (1.0 - weight) * second**k).real ** 2


def _rows(
    name: str,
    family: OptimizerFamily,
    theta: Any,
    point: Any,
    *,
    absent: tuple[str, ...],
    planted: dict[str, np.ndarray],
) -> Iterator[ValidationRow]:
    """Compare the losses of each variant with those of the intact optimizer, or with its closed form."""
    linearization = linearize(family.component(theta), np.asarray(point, np.float64))
    made = {v.name: v for v in variants(family, theta, linearization, (1, 2)[: len(point)])}
    intact = losses(Variant(name, family, theta))
    for truth, names in ((dict.fromkeys(absent, intact), absent), (planted, tuple(planted))):
        for intervention in names:
            error = np.max(np.abs(losses(made[intervention]) - truth[intervention])) / intact[0]
            kind = "nothing changes" if truth is not planted else "closed form"
            yield row(name, f"{intervention}: {kind}", 0.0, error, TOLERANCE)


def losses(variant: Variant) -> Float[np.ndarray, " steps_plus_1"]:
    """Return the losses of one variant, step by step in Python: nothing is compiled."""
    run = running(variant.family.component(variant.theta))
    x = jnp.ones(())
    state, found = run.start(x), []
    for _ in range(STEPS + 1):
        found.append(0.5 * CURVATURE * float(x) ** 2)
        state, update = run.step(state, CURVATURE * x, x)
        x = x + update
    return np.array(found)
