"""Compute what a task looks like, for figure 1: one function per kind of task.

``portrait(task)`` dispatches on the task's type. A new task registers a function of its own,

    @portrait.register
    def _(task: MyTask) -> MyPortrait: ...

or is shown by its start losses. The NamedTuples are explained in ``lopt.portraits``.
"""

from functools import singledispatch

import jax
import jax.numpy as jnp
import numpy as np

from lopt.keys import stream
from lopt.optimizers import optimal_momentum
from lopt.portraits import ConditionNumbers, LabelledPoints, Landscape, Portrait, StartLosses
from lopt.tasks import LinearRegression, Rosenbrock, Task, TwoMoons, sample_batch

__all__ = ["portrait"]

PROBLEMS = 2**14  # a histogram of 30 bins is then known to about 4 % a bin
GRID = 128  # an even number of points: the minimum (1, 1), where log f = -inf, lies between them


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
