"""Optimizers that the paper's statements are held against: an untrained one and the tuned baselines.

A statement about learned optimizers says something about learning only if optimizers of another kind do
not satisfy it, too. ``analyze_null`` puts one of them through the stages of the analysis, with fewer problems
and starts than the study's optimizers: its answers are yes or no, and no number of it is compared with
a published one. What a null does not have (an update function without slope has no leading mode) is
no error here: the stage is missing, and why is told.

An untrained optimizer is the family's initial theta: what meta-training sets out from, unless it is told to
start elsewhere.
"""

from jaxtyping import Float, PyTree
from numpy.typing import ArrayLike

from lopt.analysis.stages import Gathered, gather, study_stages
from lopt.optimizers import OptimizerFamily
from lopt.tasks import Task

__all__ = ["SHARE", "analyze_null", "reduced_count"]

SHARE = 8
"""Of the study's problems and starts, one in so many: enough for a yes or a no."""


def reduced_count(count: int, least: int = 2) -> int:
    """Return how many of ``count`` problems or starts a null gets: at least ``least``, if there are.

    >>> reduced_count(128), reduced_count(8), reduced_count(1)
    (16, 2, 1)
    """
    return min(count, max(least, count // SHARE))


def analyze_null(
    task: Task,
    family: OptimizerFamily,
    theta: PyTree,
    *,
    steps: int,
    problems: int,
    batch_size: int | None,
    sample_states: int,
    starts: int,
    constant_gradients: Float[ArrayLike, " constant_grid"],
    gradient_edges: Float[ArrayLike, " gradient_edge"],
    update_gradients: Float[ArrayLike, " update_grid"],
) -> Gathered:
    """Return trajectories, fixed points, linearization and responses of one null, or why there are none.

    The runs are in float32, what is read off them in float64, as for every optimizer of the study.

    Args:
        task: the distribution of problems to run on.
        family: the null's family.
        theta: its parameters.
        steps: updates per problem.
        problems: the study's number of problems whose trajectories are summarized.
        batch_size: how many of them run at a time.
        sample_states: visited states that are kept.
        starts: the study's number of starts of the search for fixed points.
        constant_gradients: of the points under constant gradients, ascending.
        gradient_edges: of the histogram of the gradients met.
        update_gradients: grid of the update functions, ascending.
    """
    return gather(
        study_stages(
            task,
            family,
            theta,
            steps=steps,
            problems=reduced_count(problems),
            batch_size=batch_size,
            sample_states=sample_states,
            starts=reduced_count(starts, least=8),
            constant_gradients=constant_gradients,
            gradient_edges=gradient_edges,
            update_gradients=update_gradients,
        )
    )
