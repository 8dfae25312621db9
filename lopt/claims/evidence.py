"""What the claims are measured on: the stored results of one task, gathered.

Statements are also asked of optimizers that should not satisfy them, or that satisfy them for a known reason
(nulls: ``lopt.analysis.nulls``): an untrained optimizer, the one whose training ended early, and the tuned
baselines.
``stand_in`` puts one of them in the place of the optimizer that a statement is about.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

import numpy as np
import pandas as pd
from jaxtyping import Float

from lopt.records.analysis import FixedPointAnalysis, Linearization, Responses, Trajectories
from lopt.records.evaluation import LEARNED, Evaluation
from lopt.records.interventions import Stability
from lopt.records.portraits import CommonOptimizers, Portrait
from lopt.records.results import Results

__all__ = [
    "AbsentError",
    "Null",
    "OptimizerResults",
    "TaskResults",
    "absent",
    "gather",
    "problem_losses",
    "stand_in",
]


class AbsentError(LookupError):
    """Something was asked of a stage that this optimizer does not have."""


class Absent:
    """Stands for a stage that could not be computed: whatever is asked of it is not there."""

    def __init__(self, stage: str) -> None:
        self._stage = stage

    def __getattr__(self, name: str) -> NoReturn:
        several = self._stage.partition(" (")[0].endswith("s")
        raise AbsentError(f"there {'are' if several else 'is'} no {self._stage}")


def absent(stage: str) -> Any:
    """Return an ``Absent``, which takes the place of a record of any type."""
    return Absent(stage)


class OptimizerResults(NamedTuple):
    """Everything the analysis found about one optimizer; a null may lack stages (``absent``)."""

    trajectories: Trajectories
    fixed_points: FixedPointAnalysis
    linearization: Linearization
    responses: Responses


class Null(NamedTuple):
    """An optimizer that statements are held against, and its losses on the first problems evaluated."""

    optimizer: OptimizerResults
    losses: Float[np.ndarray, "problems steps_plus_1"]


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
    early: OptimizerResults | None = None
    """Of the optimizer whose training ended early, if there is one ..."""
    early_seed: int = -1
    """... and its training seed."""
    nulls: Mapping[str, Null] = {}
    """By name, in the order of the table's columns."""
    interventions: pd.DataFrame | None = None
    """What every intervention on the learned optimizers costs; of a null there is none."""
    distilled: pd.DataFrame | None = None
    """What their distilled optimizers recover, likewise."""
    stability: Stability | None = None
    """Closed loops with a quadratic, likewise."""


def gather(results: Results, task: str) -> TaskResults:
    """Read everything known about one task at the scale of ``results``.

    Nulls are taken where they are stored.

    Raises:
        StoreError: if a file is missing or damaged.
    """

    def optimizer(seed: int) -> OptimizerResults:
        stages = OptimizerResults._fields
        return OptimizerResults(*(getattr(results, stage)(task, seed) for stage in stages))

    early_seed = results.early.get(task, -1)
    gathered = TaskResults(
        evaluation=results.evaluation(task),
        learning_rates={
            name: results.tuned_learning_rate(task, name) for name in results.baselines
        },
        optimizers={seed: optimizer(seed) for seed in results.seeds[task]},
        selected=results.selected(task),
        portrait=results.portrait(task),
        common_optimizers=results.common_optimizers(task),
        early=optimizer(early_seed) if task in results.early else None,
        early_seed=early_seed,
        interventions=results.interventions(task),
        distilled=results.distilled(task),
        stability=results.stability(task),
    )
    return gathered._replace(nulls=_nulls(results, task, gathered))


def _nulls(results: Results, task: str, gathered: TaskResults) -> dict[str, Null]:
    stored = {name: results.null(task, name) for name in results.null_names(task)}
    optimizers = {
        name: OptimizerResults(*(stages.get(s) or absent(s) for s in OptimizerResults._fields))
        for name, (stages, _) in stored.items()
    }
    losses = {
        name: np.asarray(own.losses[0], np.float64)
        for name, (_, own) in stored.items()
        if own is not None
    }
    if gathered.early is not None:
        optimizers["early"] = gathered.early
        losses["early"] = problem_losses(gathered, LEARNED, gathered.early_seed)
    for name in set(optimizers) - set(losses):
        losses[name] = problem_losses(gathered, name, -1)
    order = ["untrained", "early", *results.baselines]
    return {name: Null(optimizers[name], losses[name]) for name in order if name in optimizers}


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


def stand_in(results: TaskResults, name: str, *, early: bool = False) -> TaskResults:
    """Return ``results`` with the null ``name`` in the place of the plotted optimizer.

    With ``early`` it takes the place of the one whose training ended early. Losses of all optimizers are
    those on the problems that the null was run on.
    """
    null, evaluation = results.nulls[name], results.evaluation
    seed = results.early_seed if early else results.selected
    count = len(null.losses)
    losses = np.array(evaluation.losses[:, :count], np.float64)
    taken = (np.asarray(evaluation.optimizers) == LEARNED) & (np.asarray(evaluation.seeds) == seed)
    losses[taken] = null.losses
    results = results._replace(
        evaluation=evaluation._replace(losses=losses),
        interventions=None,
        distilled=None,
        stability=None,
    )
    if early:
        return results._replace(early=null.optimizer)
    return results._replace(optimizers={seed: null.optimizer})
