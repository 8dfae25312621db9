"""The task protocol: a task is a distribution of problems.

    problem = task.sample(key)          everything random about one problem, a NamedTuple of arrays
    x_0     = task.init(problem)        where optimization starts: a flat vector, or any pytree of arrays
    f(x)    = task.loss(problem, x)     a scalar

or, where each iteration draws data of its own (minibatches),

    f_k(x)  = task.loss(problem, x, iteration)

in which the draws depend on the problem and the iteration alone: ``stream(problem.seed, "batch", iteration)``
is the random key of one of them, with ``seed`` drawn by ``sample``. All that is random about a problem is in
the problem, so that every optimizer meets the same batches on it.

Tasks are frozen dataclasses: hashable, equal when their parameters are equal, hence usable as static
arguments of jitted functions. Their fields are the keys of ``problem:`` in ``config.yaml``; annotations of
``lopt.fields`` bound them. The optimizers studied here act on every component independently: what runs
them ravels a task's parameters (``lopt.tasks.flat``). Samplers draw float32 whatever the global precision;
``as_dtype`` raises a problem to float64 for the analysis.
"""

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, PyTree

from lopt.arguments import whole
from lopt.keys import stream
from lopt.records.portraits import Portrait, StartLosses

__all__ = [
    "Task",
    "as_dtype",
    "is_stochastic",
    "log10_losses",
    "portrait_problems",
    "sample_batch",
]

PORTRAIT_PROBLEMS = 2**14  # a histogram of 30 bins is then known to about 4 % a bin


@runtime_checkable
class Task(Protocol):
    """A distribution of optimization problems.

    A class of the package's derives from it, which marks it as the task of its file, and may state as
    literals

    ``label``    how figures call it;
    ``sizes``    the fields that make its problems small: a study with less of one is told from the paper's;
    ``ordered``  pairs of fields of which the first may be at most the second;
    ``least_components``  how many components a problem has at least: a number, or the field that says so
                 (a list is the widths of a network's hidden layers), or for convolutions the fields of their
                 channels and of their kernels' sides and the number of the last, dense layer's outputs.
                 Planning refuses what fits no memory.
    """

    label: ClassVar[str]
    sizes: ClassVar[tuple[str, ...]] = ()
    ordered: ClassVar[tuple[tuple[str, str], ...]] = ()
    least_components: ClassVar[int | str | tuple[str, str, int]] = 1

    @property
    def components(self) -> int:
        """Number of parameters of one problem."""
        ...

    def sample(self, key: jax.Array) -> Any:
        """Draw one problem."""

    def init(self, problem: Any) -> Float[Array, " components"] | PyTree:
        """Return the start of the optimization: a flat vector or any pytree of floating-point arrays."""

    def loss(self, problem: Any, x: Float[Array, " components"] | PyTree) -> Float[Array, ""]:
        """Return the loss at ``x``, which is as ``init`` returns it; a third argument: ``iteration``."""
        ...

    def held_out(self, problem: Any, x: Any) -> Mapping[str, Float[Array, ""]]:
        """Return measures of ``x``, by name, on data that no loss is made of: by default, none.

        The evaluation reports their means at the end of runs: ``held_out_<name>`` in ``summary.csv``.
        """
        return {}

    def portrait(self) -> Portrait:
        """Return what figure 1 shows of the task: by default, how large losses are at the start."""
        problems = portrait_problems(self)
        first = (0,) if is_stochastic(self) else ()
        start = jax.jit(jax.vmap(lambda problem: self.loss(problem, self.init(problem), *first)))
        return StartLosses(log10_losses(start(problems)))


def portrait_problems(task: Task) -> PyTree:
    """Draw the problems that a portrait is made of."""
    return sample_batch(task, stream(0, "portrait"), PORTRAIT_PROBLEMS)


def log10_losses(losses: Float[Array, "*losses"]) -> Float[np.ndarray, "*losses"]:
    """Return log10 in float64, with 0 (an exact minimum) at the smallest float32."""
    return np.log10(np.maximum(np.asarray(losses, np.float64), np.finfo(np.float32).tiny))


def sample_batch(task: Task, key: jax.Array, count: int) -> PyTree:
    """Draw ``count`` independent problems, stacked along a new leading axis.

    Raises:
        ValueError: if ``count`` is no whole number of at least 1.
    """
    count = whole("count", count)
    if isinstance(key, Tracer):  # part of a program
        return _sample_batch(task, key, count)
    return _sampling(task, key, count)


def _sample_batch(task: Task, key: jax.Array, count: int) -> PyTree:
    return jax.vmap(task.sample)(jax.random.split(key, count))


# One program, compiled without optimization: it runs once, and takes seconds to compile and none to run.
_sampling = jax.jit(
    _sample_batch,
    static_argnums=(0, 2),
    compiler_options={"xla_backend_optimization_level": 0},
)


def as_dtype(tree: PyTree, dtype: Any) -> PyTree:
    """Cast every floating-point leaf of ``tree`` to ``dtype``."""
    return jax.tree.map(
        lambda leaf: leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf, tree
    )


def is_stochastic(task: Task) -> bool:
    """Return whether the loss differs from iteration to iteration: ``loss(problem, x, iteration)``.

    Raises:
        TypeError: if ``loss`` takes anything else than that or ``(problem, x)``.
    """
    names = list(inspect.signature(task.loss).parameters)
    if len(names) == 2 or (len(names) == 3 and names[2] == "iteration"):
        return len(names) == 3
    raise TypeError(
        f"{type(task).__name__}.loss takes ({', '.join(names)}); expected (problem, x), or "
        "(problem, x, iteration) where each iteration draws data of its own"
    )
