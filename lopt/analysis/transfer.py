r"""Optimizers away from home, and what foretells that they fail there.

Away from home are other tasks, longer runs, rescaled gradients and other sizes. An optimizer *fails* where
more than a tenth of the problems diverge or end little better than standing still (a meta-objective of at
least ``STANDING``). What is known of it at home foretells

    beyond     share of the gradients met that are larger or smaller than all but 0.1 % of those at home;
    unstable   share of the positive curvatures lambda at which its closed loop does not decay
               (``lopt.analysis.stability``);
    slow       share of them with c lambda G steps < 1: a whole run does not cover the way (G as there, c the
               factor of the gradients);
    saturated  share of the gradients met beyond its half-saturation at the initial state;
    drift      how far it moves in a run without a gradient, close to h*.

Failure is predicted where ``unstable`` exceeds ``MANY_UNSTABLE``, or ``slow`` or ``beyond`` exceeds ``MOST``.
Thresholds were set before any outcome was looked at.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PyTree

from lopt.analysis.costs import objectives
from lopt.analysis.stability import Linear, curvature_grid, decaying, total_gain
from lopt.optimizers.component import (
    ComponentOptimizer,
    OptimizerFamily,
    Run,
    as_gradient_transformation,
    running,
)
from lopt.tasks import Task
from lopt.tasks.flat import flat_loss, iterations, start

__all__ = [
    "Home",
    "Outcome",
    "Rescaled",
    "RescaledTheta",
    "failed",
    "outcome",
    "predicts_failure",
    "run_away",
]

FAILING_SHARE, STANDING, MANY_UNSTABLE, MOST = 0.1, 0.95, 0.1, 0.5


class RescaledTheta(NamedTuple):
    """An optimizer's own theta, and the factor of its gradients."""

    theta: Any
    factor: Float[Array, ""] | float


@dataclass(frozen=True)
class Rescaled:
    """The family of optimizers whose gradients are multiplied by a factor."""

    family: OptimizerFamily

    def component(self, theta: RescaledTheta) -> ComponentOptimizer:
        inner = self.family.component(theta.theta)
        run = running(inner)

        def transition(
            h: Float[Array, "... state"], g: Float[Array, "..."]
        ) -> Float[Array, "... state"]:
            return inner.transition(h, theta.factor * g)

        def step(state: Any, g: Float[Array, "..."], x: Float[Array, "..."]) -> tuple:
            return run.step(state, theta.factor * g, x)

        return inner._replace(transition=transition, run=Run(run.start, step, run.read))

    def build(self, theta: RescaledTheta) -> optax.GradientTransformation:
        return as_gradient_transformation(self.component(theta))


class Home(NamedTuple):
    """What is known of an optimizer from the task that it was made for."""

    linear: Linear
    smallest_gradient: float
    largest_gradient: float
    saturation_gradient: float


class Outcome(NamedTuple):
    """How an optimizer did away from home, beside what foretells it."""

    diverged: int
    failing: float
    meta_objective: float
    median_meta_objective: float
    beyond: float
    unstable: float
    slow: float
    saturated: float
    drift: float
    predicted: bool
    failed: bool


@partial(jax.jit, static_argnames=("task", "family", "steps", "batch_size"))
def run_away(
    task: Task,
    family: OptimizerFamily,
    theta: Any,
    problems: PyTree,
    limits: Float[Array, "3"],
    *,
    steps: int,
    batch_size: int,
) -> tuple[Float[Array, "problem steps_plus_1"], Float[Array, "problem 3"]]:
    """Return the losses, and the shares of |g| below the first limit, above the second, above the third.

    Args:
        task: the task to run on (static).
        family: of the optimizer (static).
        theta: its parameters.
        problems: stacked along the leading axis.
        limits: on the gradients as they are met, before any rescaling.
        steps: number of updates (static).
        batch_size: how many problems run at a time (static).
    """
    loss_of = flat_loss(task)
    value_and_grad = jax.value_and_grad(loss_of, argnums=1)

    def one(problem: Any) -> tuple[Array, Array]:
        transformation = family.build(theta)

        def step(carry: tuple, k: Array | None) -> tuple[tuple, tuple]:
            x, state = carry
            loss, g = value_and_grad(problem, x, k)
            update, state = transformation.update(g, state, x)
            size = jnp.abs(g)
            counts = [size < limits[0], size > limits[1], size > limits[2]]
            return (x + update, state), (loss, jnp.stack([jnp.mean(c) for c in counts]))

        x_0 = start(task, problem)
        carry = (x_0, transformation.init(x_0))
        numbers = iterations(task, steps)
        (x, _), (losses, shares) = jax.lax.scan(step, carry, numbers, length=steps)
        return jnp.append(losses, loss_of(problem, x, steps)), jnp.mean(shares, axis=0)

    return jax.lax.map(one, problems, batch_size=batch_size)


def outcome(
    losses: Float[np.ndarray, "problem steps_plus_1"],
    shares: Float[np.ndarray, "problem 3"],
    home: Home,
    curvatures: Float[np.ndarray, " met"],
    weights: Float[np.ndarray, " met"],
    factor: float = 1.0,
) -> Outcome:
    """Return how the runs ended, and what was to be expected.

    Args:
        losses: of the runs.
        shares: of gradients beyond the limits, as ``run_away`` returns them.
        home: what is known of the optimizer.
        curvatures: of the task that it ran on, ...
        weights: ... with their shares.
        factor: of the gradients, which multiplies the curvatures that the optimizer meets.
    """
    found, steps = objectives(losses), losses.shape[1] - 1
    positive = np.asarray(curvatures) > 0.0
    met, weights = factor * np.asarray(curvatures)[positive], np.asarray(weights)[positive]
    weights = weights / weights.sum()
    gain = total_gain(home.linear)
    unstable = float(weights[~decaying(home.linear, met, curvature_grid(met, weights))].sum())
    slow = float(weights[met * abs(gain) * steps < 1.0].sum())
    below, above, saturated = np.mean(shares, axis=0)
    beyond = float(below + above)
    share = float(np.mean(found >= STANDING))
    with np.errstate(invalid="ignore"):
        mean = float(np.mean(found))
    return Outcome(
        diverged=int(np.isinf(found).sum()),
        failing=share,
        meta_objective=mean,
        median_meta_objective=float(np.median(found)),
        beyond=beyond,
        unstable=unstable,
        slow=slow,
        saturated=float(saturated),
        drift=abs(float(home.linear.update)) * steps,
        predicted=predicts_failure(beyond, unstable, slow),
        failed=failed(share),
    )


def predicts_failure(beyond: float, unstable: float, slow: float) -> bool:
    """Return whether failure is to be expected.

    >>> predicts_failure(beyond=0.1, unstable=0.0, slow=0.2), predicts_failure(0.0, 0.2, 0.0)
    (False, True)
    """
    return beyond > MOST or unstable > MANY_UNSTABLE or slow > MOST


def failed(share: float) -> bool:
    """Return whether so many problems failed that the optimizer did."""
    return share > FAILING_SHARE
