"""The stages of the analysis of one optimizer, in order: each rests on those before it.

    trajectories -> fixed points -> linearization -> responses

The workflow stores each as it comes, ``lopt.analyze`` gathers them: one recipe for all. ``study_stages`` is
that of every optimizer of the study, which has a family and a theta.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from lopt.analysis.fixed_points import analyze_fixed_points
from lopt.analysis.linearization import linearize
from lopt.analysis.responses import respond, typical_gradient
from lopt.analysis.trajectories import summarize_trajectories
from lopt.keys import stream
from lopt.optimizers.component import ComponentOptimizer, OptimizerFamily
from lopt.optimizers.shared import shared_component
from lopt.records.analysis import Trajectories
from lopt.tasks import Task, as_dtype, sample_batch

__all__ = ["STAGES", "Gathered", "gather", "stages", "study_stages"]

STAGES = ("trajectories", "fixed_points", "linearization", "responses")


class Gathered(NamedTuple):
    """The records of the stages, and for each that is missing the reason."""

    stages: Mapping[str, Any]
    missing: Mapping[str, str]


def stages(
    component: ComponentOptimizer,
    summarize: Callable[[], Trajectories],
    *,
    starts: int,
    constant_gradients: Float[ArrayLike, " constant_grid"],
    update_gradients: Float[ArrayLike, " update_grid"],
) -> Iterator[tuple[str, tuple]]:
    """Yield the name and the record of each stage.

    Args:
        component: the optimizer, float64.
        summarize: runs it and returns what the runs visited, in the precision of the runs.
        starts: the most visited states that the search for fixed points starts from.
        constant_gradients: of the points under constant gradients, ascending.
        update_gradients: grid of the update functions, ascending.

    Raises:
        ValueError: from the stage that this optimizer does not have; the message says why.
    """
    trajectories = summarize()
    yield "trajectories", trajectories
    fixed_points = analyze_fixed_points(
        component,
        trajectories.visited_states,
        trajectories.late_states,
        constant_gradients,
        starts=starts,
    )
    yield "fixed_points", fixed_points
    linearization = linearize(
        component,
        fixed_points.convergence_point,
        point_error=fixed_points.convergence_error,
        typical_gradient=typical_gradient(trajectories),
    )
    yield "linearization", linearization
    responses = respond(
        component, trajectories, fixed_points, linearization, update_gradients=update_gradients
    )
    yield "responses", responses


def study_stages(
    task: Task,
    family: OptimizerFamily,
    theta: Any,
    *,
    steps: int,
    problems: int,
    batch_size: int | None,
    sample_states: int,
    starts: int,
    constant_gradients: Float[ArrayLike, " constant_grid"],
    gradient_edges: Float[ArrayLike, " gradient_edge"],
    update_gradients: Float[ArrayLike, " update_grid"],
) -> Iterator[tuple[str, tuple]]:
    """Yield the stages of an optimizer of the study.

    It runs in float32, as trained and evaluated; what is read off the runs is float64.

    Programs are compiled for its family, not for its theta: see ``lopt.optimizers.shared``.

    Args:
        task: the distribution of problems to run on.
        family: the optimizer's family.
        theta: its parameters.
        steps: updates per problem.
        problems: how many of the study's problems have their trajectories summarized.
        batch_size: how many of them run at a time.
        sample_states: visited states that are kept.
        starts: of the search for fixed points.
        constant_gradients: of the points under constant gradients, ascending.
        gradient_edges: of the histogram of the gradients met.
        update_gradients: grid of the update functions, ascending.
    """

    def summarize() -> Trajectories:
        return summarize_trajectories(
            task,
            shared_component(family, as_dtype(theta, np.float32)),
            sample_batch(task, stream(0, "analysis", "problems"), problems),
            steps=steps,
            key=stream(0, "analysis", "states"),
            gradient_edges=gradient_edges,
            visited_states=sample_states,
            batch_size=batch_size,
        )

    return stages(
        shared_component(family, as_dtype(theta, np.float64)),
        summarize,
        starts=starts,
        constant_gradients=constant_gradients,
        update_gradients=update_gradients,
    )


def gather(
    found: Iterator[tuple[str, tuple]], after_stage: Callable[[str], None] | None = None
) -> Gathered:
    """Return the stages that there are, and why the others are missing; ``after_stage`` hears of each."""
    records: dict[str, Any] = {}
    try:
        for name, record in found:
            records[name] = jax.tree.map(np.asarray, record)
            if after_stage:
                after_stage(name)
    except ValueError as error:
        first, *others = STAGES[len(records) :]
        return Gathered(
            records, {first: str(error), **{name: f"rests on {first}" for name in others}}
        )
    return Gathered(records, {})
