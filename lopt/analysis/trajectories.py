r"""Run an optimizer on test problems and keep what the rest of the analysis needs, within bounds.

A full recording is components x (steps + 1) x states numbers a problem: 3.5 GB for two_moons and
256 units. ``summarize_trajectories`` scans over the steps and keeps, problem by problem, the
losses, the mean state and the scatter about it, a few random rows of the states, and histograms
of the gradients. Scatter about *local* means is combined over problems by the law of total
variance,

    tr Cov(h) = mean_p [tr Cov_p(h) + ||mean_p - mean||^2],

in float64, so that a variance that decays to 1e-12 is not lost in rounding. Problems whose run
becomes non-finite are counted and left out.

Any precision will do (float32 halves the time); the initial state h[0] counts as visited, and the
gradient at x[steps], which no optimizer sees, is not counted as met.

Source: arXiv 2011.02159, section 4: states and gradients on test problems.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree
from numpy.typing import ArrayLike

from lopt.analysis.checks import check_grid
from lopt.arguments import whole
from lopt.magnitudes import (
    QUANTILE_LEVELS,
    MagnitudeSpan,
    count_magnitudes,
    default_magnitude_edges,
    magnitude_quantiles,
    span_of,
)
from lopt.optimizers.component import ComponentOptimizer, Run, check_shapes, running
from lopt.optimizers.shared import jit_by_function
from lopt.records.analysis import Trajectories
from lopt.tasks import Task
from lopt.tasks.flat import flat_loss, iterations, start

__all__ = [
    "DivergedError",
    "autonomous_trajectory",
    "summarize_trajectories",
]


class DivergedError(ValueError):
    """Every run became non-finite; ``count`` says how many there were."""

    def __init__(self, count: int, message: str) -> None:
        super().__init__(message)
        self.count = count


class _Observation(NamedTuple):
    """What is kept of the states of one problem at one iteration."""

    mean_state: Float[Array, "*at state"]
    scatter: Float[Array, "*at"]
    rows: Float[Array, "*at kept state"]


class _Run(NamedTuple):
    """What is kept of the run on one problem (or, stacked, on many)."""

    losses: Float[Array, "*problems steps_plus_1"]
    observations: _Observation
    late_rows: Float[Array, "*problems kept_late state"]
    gradient_counts: Int[Array, "*problems bins_plus_2"]
    magnitude_counts: Int[Array, "*problems magnitude_bins"]


def summarize_trajectories(
    task: Task,
    component: ComponentOptimizer,
    problems: PyTree,
    *,
    steps: int,
    key: jax.Array,
    gradient_edges: Float[ArrayLike, " gradient_edge"],
    magnitude_edges: Float[ArrayLike, " magnitude_edge"] | None = None,
    visited_states: int = 2000,
    late_states: int = 100,
    batch_size: int | None = None,
) -> Trajectories:
    """Run ``component`` on ``problems`` and return what its runs looked like.

    Args:
        task: the task the problems come from.
        component: the optimizer, in the precision that the runs should have.
        problems: problems stacked along the leading axis.
        steps: number of updates.
        key: chooses the states that are kept.
        gradient_edges: ascending edges of the histogram of g (figure 3's range).
        magnitude_edges: ascending, equally spaced edges of the histogram of log10 |g|.
        visited_states: how many visited states to keep (fewer if there were fewer).
        late_states: how many states at the end of runs to keep (likewise).
        batch_size: how many problems run at a time, to bound memory (default: all).

    Raises:
        ValueError: if a grid is empty or unsorted, a count is not positive, or no run stayed
            finite.
    """
    check_shapes(component)
    edges = check_grid("gradient_edges", gradient_edges, least=2)
    magnitudes = default_magnitude_edges() if magnitude_edges is None else magnitude_edges
    magnitudes = check_grid("magnitude_edges", magnitudes, least=2)
    if not np.allclose(np.diff(magnitudes), magnitudes[1] - magnitudes[0]):
        raise ValueError("magnitude_edges is not equally spaced")
    steps, visited_states = whole("steps", steps), whole("visited_states", visited_states)
    late_states = whole("late_states", late_states)
    batch_size = None if batch_size is None else whole("batch_size", batch_size)
    count = jax.tree.leaves(problems)[0].shape[0]
    # Drawn on the host: compiling JAX's samplers would cost more than they do.
    generator = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    kept = min(task.components, -(-visited_states // (count * (steps + 1))))
    kept_late = min(task.components, -(-late_states // count))
    late_order = np.argsort(generator.random((count, task.components)), axis=1)
    runs = _run_all(
        problems,
        jnp.asarray(component.initial_state),
        generator.integers(task.components, size=(count, steps + 1, kept), dtype=np.int32),
        late_order[:, :kept_late].astype(np.int32),
        jnp.asarray(edges, component.initial_state.dtype),
        task=task,
        transition=component.transition,
        readout=component.readout,
        run=component.run,
        span=span_of(magnitudes),
        batch_size=batch_size,
    )
    runs = jax.tree.map(np.asarray, runs)
    finite = np.all(np.isfinite(runs.losses), axis=1)
    finite &= np.all(np.isfinite(runs.observations.scatter), axis=1)
    if not finite.any():
        raise DivergedError(
            count, f"all {count} runs became non-finite: the optimizer diverges on this task"
        )
    runs = jax.tree.map(lambda array: array[finite], runs)

    losses = runs.losses.astype(np.float64)
    rows = runs.observations.rows  # [problems, steps_plus_1, kept, state]
    iterations = np.broadcast_to(np.arange(steps + 1)[None, :, None], rows.shape[:-1]).reshape(-1)
    visited = generator.permutation(len(iterations))[:visited_states]
    late = runs.late_rows.reshape(-1, rows.shape[-1])
    gradient_counts = runs.gradient_counts.sum(axis=0, dtype=np.int64)
    magnitude_counts = runs.magnitude_counts.sum(axis=0, dtype=np.int64)
    autonomous = autonomous_trajectory(component, steps)
    return Trajectories(
        mean_losses=losses.mean(axis=0),
        loss_standard_errors=_standard_error(losses),
        total_variance=_total_variance(runs.observations, task.components),
        visited_states=rows.reshape(-1, rows.shape[-1])[visited],
        visited_iterations=iterations[visited],
        late_states=late[generator.permutation(len(late))[:late_states]],
        gradient_edges=edges,
        gradient_counts=gradient_counts[1:-1],
        gradients_outside=gradient_counts[[0, -1]],
        magnitude_edges=magnitudes,
        magnitude_counts=magnitude_counts,
        gradient_quantile_levels=np.array(QUANTILE_LEVELS),
        gradient_quantiles=magnitude_quantiles(magnitude_counts, magnitudes),
        autonomous_states=np.asarray(autonomous),
        problems=np.array(count),
        diverged=np.array(count - int(finite.sum())),
    )


def autonomous_trajectory(
    component: ComponentOptimizer, steps: int
) -> Float[Array, "steps_plus_1 state"]:
    """Return h[0] ... h[steps] of the optimizer run without gradient, h[k+1] = F(h[k], 0).

    Raises:
        ValueError: if a function of the optimizer has wrong shapes, or ``steps`` is no count.
    """
    check_shapes(component)
    steps = whole("steps", steps, least=0)
    return _autonomous(component.transition, jnp.asarray(component.initial_state), steps=steps)


@jit_by_function("transition", static=("steps",))
def _autonomous(
    transition: Callable, start: Float[Array, " state"], *, steps: int
) -> Float[Array, "steps_plus_1 state"]:
    def step(h: Array, _: None) -> tuple[Array, Array]:
        return transition(h, jnp.zeros((), h.dtype)), h

    last, states = jax.lax.scan(step, start, length=steps)
    return jnp.concatenate([states, last[None]])


@jit_by_function("transition", "readout", "run", static=("task", "span", "batch_size"))
def _run_all(
    problems: PyTree,
    initial_state: Float[Array, " state"],
    rows: Int[Array, "problem steps_plus_1 kept"],
    late_rows: Int[Array, "problem kept_late"],
    edges: Float[Array, " gradient_edge"],
    *,
    task: Task,
    transition: Callable,
    readout: Callable,
    run: Run | None,
    span: MagnitudeSpan,
    batch_size: int | None,
) -> _Run:
    """Run every problem; ``rows`` and ``late_rows`` are the components whose states are kept.

    ``span`` is that of the histogram of log10 |g|.
    """
    loss_of, steps = flat_loss(task), rows.shape[1] - 1
    value_and_grad, numbers = jax.value_and_grad(loss_of, argnums=1), iterations(task, steps)
    run = running(ComponentOptimizer(initial_state, transition, readout, run))

    def observe(h: Array, kept: Array) -> _Observation:
        mean = jnp.mean(h, axis=0)
        return _Observation(mean, jnp.sum((h - mean) ** 2), h[kept])

    def one(problem: Any, rows: Array, late_rows: Array) -> _Run:
        def step(carry: tuple, given: tuple[Array, Array | None]) -> tuple:
            (x, state, gradient_counts, magnitude_counts), (kept, k) = carry, given
            loss, g = value_and_grad(problem, x, k)
            observation = observe(run.read(state), kept)
            after, update = run.advance(state, g, x, loss)
            gradient_bin = jnp.searchsorted(edges, g, side="right")
            carry = (
                x + update,
                after,
                gradient_counts.at[gradient_bin].add(1),
                count_magnitudes(magnitude_counts, g, span),
            )
            return carry, (loss, observation)

        x_0 = start(task, problem)
        counts = jnp.zeros(len(edges) + 1, jnp.int32), jnp.zeros(span.bins, jnp.int32)
        carry = x_0, run.start(x_0), *counts
        (x, state, *counts), (losses, observations) = jax.lax.scan(
            step, carry, (rows[:-1], numbers)
        )
        h = run.read(state)
        return _Run(
            losses=jnp.append(losses, loss_of(problem, x, steps)),
            observations=jax.tree.map(
                lambda all_but_last, end: jnp.concatenate([all_but_last, end[None]]),
                observations,
                observe(h, rows[-1]),
            ),
            late_rows=h[late_rows],
            gradient_counts=counts[0],
            magnitude_counts=counts[1],
        )

    if batch_size is None:
        return jax.vmap(one)(problems, rows, late_rows)
    return jax.lax.map(
        lambda arguments: one(*arguments), (problems, rows, late_rows), batch_size=batch_size
    )


def _total_variance(
    observations: _Observation, components: int
) -> Float[np.ndarray, " steps_plus_1"]:
    means = observations.mean_state.astype(np.float64)
    within = observations.scatter.astype(np.float64).mean(axis=0) / components
    return within + np.sum((means - means.mean(axis=0)) ** 2, axis=-1).mean(axis=0)


def _standard_error(losses: Float[np.ndarray, "problem step"]) -> Float[np.ndarray, " step"]:
    if len(losses) == 1:
        return np.zeros(losses.shape[1])
    return losses.std(axis=0, ddof=1) / len(losses) ** 0.5
