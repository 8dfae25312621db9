"""What the claims are measured on: the stored results of one task, gathered."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lopt.records.analysis import FixedPointAnalysis, Linearization, Responses, Trajectories
from lopt.records.evaluation import LEARNED, Evaluation
from lopt.records.portraits import CommonOptimizers, Portrait
from lopt.records.results import Results

__all__ = ["OptimizerResults", "TaskResults", "gather", "problem_losses"]


class OptimizerResults(NamedTuple):
    """Everything the analysis found about one trained optimizer."""

    trajectories: Trajectories
    fixed_points: FixedPointAnalysis
    linearization: Linearization
    responses: Responses


class TaskResults(NamedTuple):
    """Everything known about one task at one scale."""

    evaluation: Evaluation
    learning_rates: Mapping[str, float]
    """Learning rate of each tuned optimizer."""
    optimizers: Mapping[int, OptimizerResults]
    """By training seed."""
    selected: int
    """The seed that the figures show."""
    portrait: Portrait | None = None
    """What the task looks like."""
    common_optimizers: CommonOptimizers | None = None
    """Update functions of the tuned optimizers."""
    early: Linearization | None = None
    """Of the optimizer whose training ended early, if there is one."""


def gather(results: Results, task: str) -> TaskResults:
    """Read everything known about one task at the scale of ``results``.

    Raises:
        StoreError: if a file is missing or damaged.
    """
    stages = OptimizerResults._fields
    return TaskResults(
        evaluation=results.evaluation(task),
        learning_rates={
            name: results.tuned_learning_rate(task, name) for name in results.baselines
        },
        optimizers={
            seed: OptimizerResults(*(getattr(results, stage)(task, seed) for stage in stages))
            for seed in results.seeds[task]
        },
        selected=results.selected(task),
        portrait=results.portrait(task),
        common_optimizers=results.common_optimizers(task),
        early=results.linearization(task, results.early[task]) if task in results.early else None,
    )


def problem_losses(
    results: TaskResults, optimizer: str, seed: int
) -> Float[np.ndarray, "problems steps_plus_1"]:
    """Return the losses of one run as float64; ``seed`` only matters for the learned optimizer.

    A loss that is not a number is infinite: the run diverged.
    """
    evaluation = results.evaluation
    rows = np.asarray(evaluation.optimizers) == optimizer
    if optimizer == LEARNED:
        rows &= np.asarray(evaluation.seeds) == seed
    (row,) = np.flatnonzero(rows)
    losses = np.asarray(evaluation.losses[row], np.float64)
    return np.where(np.isnan(losses), np.inf, losses)
