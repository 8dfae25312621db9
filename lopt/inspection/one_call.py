"""``analyze``: everything that the analysis finds about one optimizer, in one call.

It goes through the stages that the workflow goes through (``lopt.analysis.stages``), in float64, whatever
the process computes in otherwise. Where the study has settings for every task, here the gradients that runs
meet decide: update functions are computed up to the size that one gradient in a thousand exceeds, constant
gradients lie between it and a thousandth of it.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from lopt.analysis.checks import check_component
from lopt.analysis.grids import arms, update_gradients
from lopt.analysis.impulses import impulse_responses, run_learning_rates, steps_to_fade
from lopt.analysis.stages import STAGES, gather, stages
from lopt.analysis.trajectories import DivergedError
from lopt.arguments import positive, whole
from lopt.inspection.analysis import Analysis
from lopt.inspection.causes import intervention_costs, stability_of
from lopt.inspection.runs import draw_problems, largest_met, what_runs
from lopt.inspection.subjects import Subject, as_source, as_subject, home
from lopt.records.analysis import RateCode
from lopt.records.recorded_run import RecordedRun
from lopt.unrolling import Recording

__all__ = ["analyze"]

CONSTANT_DECADES, CONSTANT_COUNT = 3.0, 9  # per arm, below the largest gradient
LARGE_STATE = 64  # from here on closed loops take seconds, and are computed if they are asked for


def analyze(
    optimizer: Any,
    source: Any = None,
    *,
    name: str | None = None,
    problems: int = 32,
    steps: int | None = None,
    starts: int = 64,
    visited_states: int = 500,
    largest_gradient: float | None = None,
    interventions: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Analysis:
    """Find out how ``optimizer`` works: run it, find where runs end, read momentum, clipping and the rest.

    Args:
        optimizer: a ``ComponentOptimizer``, an optax transformation, a learned family with its theta, or
            with theta and metadata as ``load_optimizer`` returns them, or the path of a stored theta.
        source: what it meets: a task or its name, a ``Recording`` of its runs, the path of what a recorder
            stored, or gradients [..., steps, components] that were met elsewhere. Default: the task that a
            stored theta was trained on.
        name: what the summary and figures call it.
        problems: how many problems of a task it is run on.
        steps: updates per problem of a task (default: 200, or what a stored theta was trained for).
        starts: the most visited states that the search for fixed points starts from.
        visited_states: how many visited states are kept.
        largest_gradient: size up to which update functions are computed (default: the size that one in a
            thousand of the gradients met exceeds).
        interventions: whether to run it without each of its mechanisms, on the same problems of the task,
            and to see which curvatures the task has; takes several times as long.
        progress: hears a line about every stage.

    Raises:
        ValueError: if the optimizer or the source is none of these, or the optimizer can't be read
            (the message says why).
    """
    began = time.monotonic()

    def tell(text: str) -> None:
        if progress:
            progress(f"{text} after {time.monotonic() - began:.1f} s")

    if source is None:
        source, trained_steps = home(optimizer)
        steps = trained_steps if steps is None else steps
    steps = 200 if steps is None else steps
    problems, steps = whole("problems", problems), whole("steps", steps)
    starts, visited_states = whole("starts", starts), whole("visited_states", visited_states)
    if largest_gradient is not None:
        largest_gradient = positive("largest_gradient", largest_gradient)
    with jax.enable_x64(True):
        subject, source = as_subject(optimizer, name), as_source(source)
        check_component(subject.component)
        tell("optimizer read")
        summarize, words = what_runs(subject, source, problems, steps, visited_states)
        try:
            limit = largest_gradient or largest_met(summarize(1.0))
        except DivergedError as error:
            missing = {"trajectories": str(error)}
            missing |= {stage: "rests on trajectories" for stage in STAGES[1:]}
            return _assembled(subject, words, {}, missing, lost=error.count)
        found = gather(
            stages(
                subject.component,
                lambda: summarize(limit),
                starts=starts,
                constant_gradients=arms(
                    np.log10(limit) - CONSTANT_DECADES, np.log10(limit), CONSTANT_COUNT
                ),
                update_gradients=update_gradients(limit),
            ),
            lambda stage: tell(stage.replace("_", " ")),
        )
        impulses = run_rates = None
        if "responses" in found.stages:
            impulses = impulse_responses(
                subject.component,
                found.stages["fixed_points"].convergence_point,
                float(found.stages["responses"].typical_gradient),
                steps_to_fade(float(np.max(found.stages["linearization"].momenta))),
            )
            if subject.component.run is not None:
                length = len(found.stages["trajectories"].autonomous_states)
                run_rates = run_learning_rates(
                    subject.component, length, subject.held("parameter"), subject.held("loss")
                )
        causes = _causes(
            subject, source, found.stages, interventions, problems, steps, lambda text: tell(text)
        )
        tell("done")
        analysis = _assembled(subject, words, found.stages, found.missing, impulses, run_rates)
        return replace(analysis, **causes)


def _causes(
    subject: Subject,
    source: Any,
    found: Mapping[str, Any],
    asked: bool,
    problems: int,
    steps: int,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Return stability and interventions, and of what there is not the reason."""
    if "responses" not in found:
        return {"without": dict.fromkeys(("stability", "interventions"), "there are no responses")}
    linearization, component = found["linearization"], subject.component
    on_task = not isinstance(source, (Recording, RecordedRun, np.ndarray))
    causes: dict[str, Any] = {"without": {}}
    drawn_problems = draw_problems(source, problems) if asked and on_task else None
    size = len(linearization.input_vector)
    try:
        if size > LARGE_STATE and not asked:
            raise ValueError(
                f"{size} state variables make it slow: ask for it by interventions=True"
            )
        on = (source, drawn_problems) if asked and on_task else (None, None)
        causes["stability"] = stability_of(
            component, linearization, found["responses"], *on, steps=steps
        )
        tell("stability")
    except ValueError as error:
        causes["without"]["stability"] = str(error)
    try:
        if not asked:
            raise ValueError("ask for them by interventions=True")
        if not on_task:
            raise ValueError("they run on the problems of a task, and there is none")
        causes["interventions"] = intervention_costs(
            component,
            linearization,
            source,
            drawn_problems,
            steps=steps,
            has_slope=int(found["responses"].convergence_rate_code) != RateCode.NOT_DIFFERENTIABLE,
        )
        tell("interventions")
    except ValueError as error:
        causes["without"]["interventions"] = str(error)
    return causes


def _assembled(
    subject: Subject,
    words: str,
    records: Mapping[str, Any],
    missing: Mapping[str, str],
    impulses: np.ndarray | None = None,
    run_rates: np.ndarray | None = None,
    lost: int = 0,
) -> Analysis:
    return Analysis(
        name=subject.name,
        component=subject.component,
        source=words,
        operating_point=subject.operating_point,
        state_names=subject.state_names,
        trajectories=records.get("trajectories"),
        fixed_points=records.get("fixed_points"),
        linearization=records.get("linearization"),
        responses=records.get("responses"),
        impulses=impulses,
        run_rates=run_rates,
        missing=dict(missing),
        reads_parameter=subject.reads_parameter,
        trained_on=subject.trained_on,
        lost=lost,
    )
