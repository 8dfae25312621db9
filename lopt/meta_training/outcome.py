"""What a trained optimizer's file says of its training, beside how it was trained.

    metadata |= learned_facts(training, state)              what the file says, beside its settings
    store_trained(theta_path, curve_path, training, ...)    theta and its curve, if it learned something

``gradients`` are the sizes that it met: ``smallest`` and ``largest`` of |g| are exceeded downward and upward
by one gradient in a thousand. Elsewhere, what lies beyond them is new to it.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Int, PyTree

from lopt.learned.base import LearnedFamily
from lopt.learned.stored import save_optimizer
from lopt.magnitudes import (
    QUANTILE_LEVELS,
    count_magnitudes,
    default_magnitude_edges,
    magnitude_quantiles,
    span_of,
)
from lopt.meta_training.loop import (
    CurvePoint,
    State,
    Training,
    check_learned,
    validation_problems,
)
from lopt.records import store
from lopt.tasks import Task
from lopt.tasks.flat import flat_loss, iterations, start

__all__ = ["LEVELS", "gradients_met", "learned_facts", "store_trained"]

LEVELS = {"smallest": 0.001, "median": 0.5, "largest": 0.999}
"""Of |g|, the quantiles that are stored."""


def learned_facts(training: Training, state: State, *, failed: bool = False) -> dict[str, Any]:
    """Return the entries that a training adds to its optimizer's metadata; no gradients if it failed."""
    facts = {
        "validation_meta_objective": float(state.best_validation),
        "meta_step": int(state.best_step),
        "skipped_steps": int(state.optimizer.total_notfinite),
    }
    if failed:
        return facts
    problems = validation_problems(training.task, training.settings.validation_problems)
    met = gradients_met(
        training.task, training.family, state.best_theta, problems, steps=training.steps
    )
    return {**facts, "gradients": met}


def store_trained(
    theta_path: str | Path,
    curve_path: str | Path,
    training: Training,
    seed: int,
    state: State,
    curve: Sequence[CurvePoint],
    metadata: Mapping[str, Any],
    start: State | None = None,
) -> dict[str, Any]:
    """Store theta and the curve of a training that ended in ``state``; return theta's whole metadata.

    ``start`` is the state that it began with (default: at the seed's random theta).

    Raises:
        MetaTrainingError: if it learned nothing; nothing is stored then.
    """
    check_learned(training, seed, state, start)
    store.save_table(curve_path, pd.DataFrame(curve, columns=CurvePoint._fields))
    whole = {**metadata, **learned_facts(training, state)}
    save_optimizer(theta_path, state.best_theta, whole)
    return whole


def gradients_met(
    task: Task, family: LearnedFamily, theta: Any, problems: PyTree, *, steps: int
) -> dict[str, float]:
    """Return ``LEVELS`` of the |g| that the optimizer meets on ``problems``, in runs of ``steps`` updates.

    Of a run that becomes non-finite, gradients count until then.

    Raises:
        ValueError: if none is finite.
    """
    counts = _counts(task, family, theta, problems, steps=steps)
    counts, edges = np.asarray(counts).sum(axis=0, dtype=np.int64), default_magnitude_edges()
    if not counts.any():
        raise ValueError(f"{task}: no gradient that the optimizer meets is finite")
    quantiles = magnitude_quantiles(counts, edges)
    # What the first bin holds is 0, as gradients of pixels that are always black are, or as good as 0.
    quantiles[quantiles <= 10.0 ** edges[1]] = 0.0
    known = dict(zip(QUANTILE_LEVELS, quantiles, strict=True))
    return {name: float(known[level]) for name, level in LEVELS.items()}


@partial(jax.jit, static_argnames=("task", "family", "steps"))
def _counts(
    task: Task, family: LearnedFamily, theta: Any, problems: PyTree, *, steps: int
) -> Int[Array, "problem bins"]:
    """Return the histogram of log10 |g| of a run on every problem."""
    gradient_of = jax.grad(flat_loss(task), argnums=1)
    transformation = family.build(theta)
    span = span_of(default_magnitude_edges())

    def one(problem: Any) -> Array:
        def step(carry: tuple, k: Array | None) -> tuple[tuple, None]:
            x, state, counts = carry
            g = gradient_of(problem, x, k)
            update, state = transformation.update(g, state, x)
            return (x + update, state, count_magnitudes(counts, g, span)), None

        x_0 = start(task, problem)
        carry = x_0, transformation.init(x_0), jnp.zeros(span.bins, jnp.int32)
        (_, _, counts), _ = jax.lax.scan(step, carry, iterations(task, steps), length=steps)
        return counts

    return jax.vmap(one)(problems)
