"""Compute what tasks and hand-made optimizers look like: what figures show that is not an analysis.

``portrait(task)`` dispatches on the task's type. A new task registers a function of its own,

    @portrait.register
    def _(task: MyTask) -> MyPortrait: ...

or is shown by its start losses (figure 1). ``common_optimizers`` gives the supplement's update functions
of momentum and RMSProp, which figures 2 and 5 are compared with. The NamedTuples are explained in
``lopt.portraits``.
"""

from collections.abc import Mapping
from functools import singledispatch
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float

from lopt.analysis.responses import effective_learning_rate, update_function
from lopt.keys import stream
from lopt.optimizers import make_baseline, optimal_momentum
from lopt.portraits import (
    CommonOptimizers,
    ConditionNumbers,
    LabelledPoints,
    Landscape,
    Portrait,
    StartLosses,
)
from lopt.tasks import LinearRegression, Rosenbrock, Task, TwoMoons, sample_batch

__all__ = ["common_optimizers", "portrait"]

PROBLEMS = 2**14  # a histogram of 30 bins is then known to about 4 % a bin
GRID = 128  # an even number of points: the minimum (1, 1), where log f = -inf, lies between them
VALUES = 5


class Varied(NamedTuple):
    """How the first state variable of an optimizer varies: shares of (largest gradient)^power."""

    symbol: str
    shares: Float[np.ndarray, " value"]
    power: int


VARIED = {
    "momentum": Varied("v", np.linspace(-1.0, 1.0, VALUES), 1),
    "rmsprop": Varied("s", 4.0 ** np.arange(1.0 - VALUES, 1.0), 2),
}


@singledispatch
def portrait(task: Task) -> Portrait:
    """Return what ``task`` looks like; for an unregistered type its start losses."""
    problems = _problems(task)
    losses = jax.jit(jax.vmap(lambda problem: task.loss(problem, task.init(problem))))(problems)
    return StartLosses(_log10(losses))


@portrait.register
def _(task: LinearRegression) -> ConditionNumbers:
    hessians = np.asarray(_problems(task).hessian, np.float64)
    eigenvalues = np.linalg.eigvalsh(hessians)
    best = optimal_momentum(
        10.0**task.log10_smallest_eigenvalue, 10.0**task.log10_largest_eigenvalue
    )
    return ConditionNumbers(
        log10_condition_numbers=np.log10(eigenvalues[:, -1] / eigenvalues[:, 0]),
        optimal_learning_rate=np.asarray(best.learning_rate, np.float64),
        optimal_momentum=np.asarray(best.momentum, np.float64),
    )


@portrait.register
def _(task: Rosenbrock) -> Landscape:
    x, y = np.linspace(-2.0, 2.0, GRID), np.linspace(-1.0, 3.0, GRID)
    grid = jnp.asarray(np.stack(np.meshgrid(x, y), axis=-1), jnp.float32)
    problem = task.sample(stream(0, "portrait"))  # the landscape is the same for all
    losses = jax.vmap(jax.vmap(lambda point: task.loss(problem, point)))(grid)
    return Landscape(x, y, _log10(losses), minimum=np.ones(2))


@portrait.register
def _(task: TwoMoons) -> LabelledPoints:
    positions, labels = task.data()
    return LabelledPoints(positions, labels.astype(np.int64))


def _problems(task: Task):
    return jax.jit(lambda key: sample_batch(task, key, PROBLEMS))(stream(0, "portrait"))


def _log10(losses: jax.Array) -> np.ndarray:
    """log10 in float64, with 0 (an exact minimum) at the smallest float32."""
    losses = np.asarray(losses, np.float64)
    return np.log10(np.maximum(losses, np.finfo(np.float32).tiny))


def common_optimizers(
    tuned: Mapping[str, Mapping[str, float]], gradients: Float[ArrayLike, " grid"]
) -> CommonOptimizers:
    """Return the update functions of tuned momentum and RMSProp as one state variable varies.

    The variable takes values that gradients of the grid's size give rise to: the velocity v from
    minus to plus the largest gradient, the mean square s up to the largest gradient's.

    Args:
        tuned: hyperparameters by optimizer; those without an entry in ``VARIED`` are left out.
        gradients: ascending gradient grid.
    """
    gradients = np.asarray(gradients, np.float64)
    largest = float(np.abs(gradients).max())
    shown = [name for name in VARIED if name in tuned]
    values, updates, rates = [], [], []
    for name in shown:
        family, theta = make_baseline(name, tuned[name], jnp.float64)
        component = family.component(theta)
        varied = VARIED[name].shares * largest ** VARIED[name].power
        # The varied variable is the state's first entry, the others keep their initial values.
        states = np.tile(np.asarray(component.initial_state), (len(varied), 1))
        states[:, 0] = varied
        values.append(varied)
        updates.append(update_function(component, states, gradients))
        rates.append(effective_learning_rate(component, states))
    return CommonOptimizers(
        optimizers=np.array(shown, dtype=str),
        variables=np.array([VARIED[name].symbol for name in shown], dtype=str),
        gradients=gradients,
        values=np.reshape(values, (len(shown), VALUES)),
        updates=np.reshape(updates, (len(shown), VALUES, len(gradients))),
        learning_rates=np.reshape(rates, (len(shown), VALUES)),
    )
