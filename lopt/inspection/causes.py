r"""What each mechanism of one optimizer is worth, and where it is stable: figures 6 and 7 for one call.

``lopt.analysis.interventions`` removes one mechanism at a time, ``lopt.analysis.costs`` compares the runs
problem by problem, ``lopt.analysis.stability`` closes the loop with a quadratic. Interventions act on a map:
of an optimizer that is more than one (it counts steps, or reads the parameter) it is the map at the operating
point that runs, intact and changed. It is the same map that all other answers are about.
"""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import optax
import pandas as pd

from lopt.analysis.costs import cost_table
from lopt.analysis.curvature import DENSE, curvatures_along_runs
from lopt.analysis.interventions import mode_counts, variants
from lopt.analysis.stability import (
    curvature_grid,
    linear_response,
    optimal_heavy_ball,
    stability_record,
)
from lopt.optimizers.component import ComponentOptimizer, as_gradient_transformation
from lopt.records.analysis import Linearization, RateCode, Responses
from lopt.records.evaluation import LEARNED, Evaluation
from lopt.records.interventions import InterventionRuns, Stability
from lopt.tasks import Task
from lopt.tasks.flat import check_first_losses
from lopt.unrolling import evaluate

__all__ = ["HEAVY_BALL", "cause_sentences", "intervention_costs", "stability_of"]

HEAVY_BALL = "heavy_ball"
DECADES = (
    4.0  # of curvatures on either side of 1 / learning rate, where no task says which there are
)
FEW = 4  # problems of many parameters whose curvatures are computed
REMOVED = {
    "no_schedule": "removing the schedule",
    "no_clipping": "removing the clipping",
    "no_adaptation": "removing the adaptation",
    "no_adaptation_at_rest": "removing adaptation and schedule",
    "no_memory": "removing the memory",
    "no_drift": "removing the drift",
    "linear": "linearizing it",
}
NOT_LINEARIZED = ("no_schedule", "no_memory", "no_drift")
COLUMNS = (
    "optimizer", "kind", "modes", "problems", "diverged", "meta_objective", "meta_objective_se",
    "final_loss", "cost", "cost_se", "difference", "difference_se", "median_ratio", "broken",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class _TheOne:
    """The family of one optimizer, which has no parameters."""

    optimizer: ComponentOptimizer

    def component(self, theta: Any) -> ComponentOptimizer:
        return self.optimizer

    def build(self, theta: Any) -> optax.GradientTransformation:
        return as_gradient_transformation(self.optimizer)


def intervention_costs(
    component: ComponentOptimizer,
    linearization: Linearization,
    task: Task,
    problems: Any,
    *,
    steps: int,
    has_slope: bool = True,
) -> pd.DataFrame:
    """Return what every intervention costs: a row each, the first the intact optimizer's.

    Args:
        component: the optimizer, float64.
        linearization: at its convergence point.
        task: that it runs on.
        problems: of the task, stacked.
        steps: updates per problem.
        has_slope: whether its update has a slope at g = 0. Otherwise there is nothing to linearize, and
            what does not is left.

    Raises:
        ValueError: if the linearization is not finite, a loss is no positive number at the start of a
            problem, or the intact optimizer diverges or does not move.
    """
    family = _TheOne(component._replace(run=None, audit=None))
    made = [
        variant
        for variant in variants(family, (), linearization, mode_counts(linearization))
        if has_slope or variant.name in NOT_LINEARIZED
    ]
    check_first_losses(task, problems)
    intact = np.asarray(evaluate(task, family, (), problems, steps=steps))
    # A program may round the first loss of a run otherwise than the rest.
    rounding = 8.0 * float(np.finfo(intact.dtype).eps)
    if np.allclose(intact, intact[:, :1], rtol=rounding, atol=0.0):
        raise ValueError(
            "the map at the operating point does not move: a schedule has ended at 0, say. held_count= reads "
            "an optax transformation at another step"
        )
    runs = [np.asarray(evaluate(task, v.family, v.theta, problems, steps=steps)) for v in made]
    count = len(intact)
    record = InterventionRuns(
        names=np.array([variant.name for variant in made]),
        modes=np.array([variant.modes for variant in made]),
        losses=np.stack(runs),
        problems=np.arange(count),
        start_curvatures=np.zeros((count, 2)),  # which no column below tells
        start_gradients=np.zeros(count),
    )
    own = Evaluation(np.array([LEARNED]), np.array([-1]), intact[None])
    table = cost_table("", -1, record, own)
    if not np.isfinite(table["meta_objective"].iloc[0]):
        raise ValueError(
            f"the map at the operating point diverges on {table['diverged'].iloc[0]} of {count} problems: "
            "there is nothing to compare with"
        )
    return table[list(COLUMNS)]


def stability_of(
    component: ComponentOptimizer,
    linearization: Linearization,
    responses: Responses,
    task: Task | None = None,
    problems: Any = None,
    *,
    steps: int = 200,
) -> Stability:
    """Return the optimizer's closed loop with a quadratic over curvatures, at its convergence point.

    With a task the curvatures are those that its runs meet, and the heavy ball that is fastest on them
    stands in a second row. Without one they lie about 1 / learning rate.

    Raises:
        ValueError: if the update has no slope at g = 0, or no curvature that was met is positive.
    """
    code = int(responses.convergence_rate_code)
    parts = (linearization.jacobian, linearization.input_vector, linearization.readout_vector)
    if code == RateCode.NOT_DIFFERENTIABLE or not all(np.isfinite(part).all() for part in parts):
        raise ValueError("its update has no slope at g = 0")
    nothing = np.zeros(0)
    met, weights, iterations = nothing, nothing, nothing.astype(int)
    rows: list = [(LEARNED, -1, linearization)]
    # Of a delay no mode has a rate, and yet it answers within as many steps as it has numbers.
    response = linear_response(linearization, len(linearization.input_vector) + 1)
    size = max(
        np.abs(np.asarray(linearization.learning_rates)).max(initial=0.0),
        np.abs(response[np.isfinite(response)]).max(initial=0.0),
    )
    if not size > 0.0:
        raise ValueError("no gradient close to 0 moves its update")
    if task is None:
        grid = np.geomspace(10.0**-DECADES, 10.0**DECADES, 81) / size
    else:
        few = len(jax.tree.leaves(problems)[0]) if task.components <= DENSE else FEW
        met, weights, iterations = curvatures_along_runs(
            task,
            _TheOne(component),
            (),
            jax.tree.map(lambda leaf: leaf[:few], problems),
            iterations=tuple(sorted({0, steps // 20, steps // 8, steps // 3, steps})),
            batch_size=few,
        )
        grid = curvature_grid(met, weights)
        rows.append((HEAVY_BALL, -1, optimal_heavy_ball(met, weights)))
    return stability_record(rows, grid, met, weights, iterations)


def cause_sentences(
    interventions: pd.DataFrame | None,
    stability: Stability | None,
    holds_for_typical: bool,
    *,
    reads_parameter: bool = False,
    frozen: bool = False,
    place: str = "",
) -> list[str]:
    """Return what was found, in sentences.

    Args:
        interventions: what mechanisms cost; None if that was not asked.
        stability: the closed loop with a quadratic; None if there is none.
        holds_for_typical: whether the rate at g = 0 is that of typical gradients.
        reads_parameter: whether updates depend on the parameter, too, which the closed loop leaves out.
        frozen: whether the optimizer is more than the map at the operating point, which is what runs here.
        place: what the point is that the loop is linearized at, if it isn't the one that all runs end at.
    """
    told = []
    if stability is not None:
        sentence = _stable(stability, holds_for_typical)
        if reads_parameter:
            sentence += " (without what it does with the parameter itself, as in weight decay)"
        if place:
            sentence += f" (at {place})"
        told.append(sentence)
    if interventions is not None:
        count = int(interventions["problems"].iloc[0])
        whose = (
            "the meta-objective of the map at its operating point"
            if frozen
            else "its meta-objective"
        )
        told.append(
            f"intact, {whose} on {count} problems is {interventions['meta_objective'].iloc[0]:.4g}"
        )
        if place:
            told.append(
                f"what follows starts or is linearized at {place}: another gives other costs"
            )
        removed = interventions[interventions["kind"] == "intervention"]
        for row in removed.itertuples():
            told.append(f"{REMOVED.get(str(row.optimizer), str(row.optimizer))} {_cost(row)}")
    return told


def _cost(row: Any) -> str:
    if row.diverged:
        return f"makes {row.diverged} of {row.problems} runs diverge"
    if abs(row.cost - 1.0) <= 1e-3 and not abs(row.difference) > 3.0 * row.difference_se > 0.0:
        return "changes nothing (x1)"
    error = f" ± {row.cost_se:.2g}" if np.isfinite(row.cost_se) and row.cost_se > 0.0 else ""
    if row.cost >= 1.0:
        return f"costs x{row.cost:.3g}{error}"
    return f"helps: x{row.cost:.3g}{error}"


def _stable(record: Stability, holds_for_typical: bool) -> str:
    up_to, largest = float(record.stable_up_to[0]), float(record.largest_stable[0])
    low, high = record.curvatures[[0, -1]]
    if up_to == 0.0:
        sentence = f"unstable at every curvature of {low:.3g} ... {high:.3g}"
        if largest > 0.0:
            shown = f"{high:.3g} and beyond" if np.isinf(largest) else f"{largest:.3g}"
            sentence = f"unstable at small curvatures; stable ones reach up to {shown}"
    elif np.isinf(up_to):
        sentence = f"stable at every curvature of {low:.3g} ... {high:.3g}"
    else:
        sentence = f"stable up to curvature {up_to:.4g}"
        if largest > up_to * (1.0 + 1e-9):
            sentence += ", and again beyond it in places"
    if record.met_curvatures.size:
        share = float(record.met_weights[record.met_curvatures > up_to].sum())
        sentence += f"; those of the task reach up to {record.met_curvatures.max():.3g}"
        if share > 0.0 and (up_to > 0.0 or largest == 0.0):
            sentence += f", {100.0 * share:.3g} % of the spectrum beyond"
    if not holds_for_typical:
        sentence += " (for gradients so small that its rate at g = 0 holds)"
    return sentence
