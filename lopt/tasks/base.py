"""The task protocol: a task is a distribution of problems.

    problem = task.sample(key)          everything random about one problem, a NamedTuple of arrays
    x_0     = task.init(problem)        where optimization starts, a flat vector [components]
    f(x)    = task.loss(problem, x)     a scalar

Tasks are frozen dataclasses: hashable, equal when their parameters are equal, hence usable as static
arguments of jitted functions. Parameters are flat vectors because the optimizers studied here act on
every component independently. Samplers draw float32 whatever the global precision; ``as_dtype``
raises a problem to float64 for the analysis.
"""

from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

__all__ = ["Task", "as_dtype", "sample_batch"]


@runtime_checkable
class Task(Protocol):
    """A distribution of optimization problems."""

    @property
    def components(self) -> int:
        """Number of parameters of one problem."""

    def sample(self, key: jax.Array) -> Any:
        """Draw one problem."""

    def init(self, problem: Any) -> Float[Array, " components"]:
        """Return the start of the optimization."""

    def loss(self, problem: Any, x: Float[Array, " components"]) -> Float[Array, ""]:
        """Return the loss at ``x``."""


def sample_batch(task: Task, key: jax.Array, count: int) -> PyTree:
    """Draw ``count`` independent problems, stacked along a new leading axis."""
    return jax.vmap(task.sample)(jax.random.split(key, count))


def as_dtype(tree: PyTree, dtype: Any) -> PyTree:
    """Cast every floating-point leaf of ``tree`` to ``dtype``."""
    return jax.tree.map(
        lambda leaf: leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf, tree
    )
