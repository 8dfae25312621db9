"""``analyze``: everything that the analysis finds about one optimizer, in one call.

It goes through the stages that the workflow goes through (``lopt.analysis.stages``), in float64, whatever
the process computes in otherwise. Where the study has settings for every task, here the gradients that runs
meet decide: update functions are computed up to the size that one gradient in a thousand exceeds, constant
gradients lie between it and a thousandth of it.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.figure import Figure

from lopt.analysis.checks import check_component
from lopt.analysis.grids import arms, gradient_edges, update_gradients
from lopt.analysis.impulses import impulse_responses, run_learning_rates, steps_to_fade
from lopt.analysis.recorded import drive, summarize_recording
from lopt.analysis.stages import STAGES, gather, stages
from lopt.analysis.trajectories import DivergedError, summarize_trajectories
from lopt.arguments import positive, whole
from lopt.claims.evidence import OptimizerResults, absent
from lopt.inspection import drawn
from lopt.inspection.causes import cause_sentences, intervention_costs, stability_of
from lopt.inspection.page import page
from lopt.inspection.questions import Answer, Evidence, answers
from lopt.inspection.subjects import Subject, as_source, as_subject, home
from lopt.keys import stream
from lopt.optimizers.component import ComponentOptimizer
from lopt.records import store
from lopt.records.analysis import (
    Code,
    FixedPointAnalysis,
    Linearization,
    RateCode,
    Responses,
    Trajectories,
)
from lopt.records.interventions import Stability
from lopt.records.recorded_run import RecordedRun
from lopt.tasks import Task, sample_batch
from lopt.unrolling import Recording

__all__ = ["Analysis", "analyze"]

CONSTANT_DECADES, CONSTANT_COUNT = 3.0, 9  # per arm, below the largest gradient
LARGE_STATE = 64  # from here on closed loops take seconds, and are computed if they are asked for
SAME_RUN = 0.01  # a run in float32 and the same one in float64 differ by less


@dataclass(frozen=True)
class Analysis:
    """What was found; a stage that this optimizer does not have is None, and ``missing`` says why."""

    name: str
    component: ComponentOptimizer
    source: str
    """What it was run on, in words."""
    operating_point: str
    """Where what is not state was frozen, in words; empty if there is nothing else than state."""
    state_names: tuple[str, ...]
    trajectories: Trajectories | None
    fixed_points: FixedPointAnalysis | None
    linearization: Linearization | None
    responses: Responses | None
    impulses: Float[np.ndarray, "2 steps"] | None
    """What a typical gradient of either sign does, as learning rates (``lopt.analysis.impulses``)."""
    run_rates: Float[np.ndarray, " steps"] | None
    """Effective learning rate along the run without gradients, iterations being real; None for a map that
    freezes nothing: then it is ``responses.autonomous_learning_rates``."""
    missing: Mapping[str, str]
    reads_parameter: bool | None = None
    lost: int = 0
    """How many runs there were, if all of them became non-finite."""
    trained_on: Mapping[str, float] | None = None
    """The smallest and the largest |g| of its training; None if nothing says, or there was none."""
    stability: Stability | None = None
    """The closed loop with a quadratic; row 0 is this optimizer (``lopt.analysis.stability``)."""
    interventions: pd.DataFrame | None = None
    """What removing each mechanism costs, the intact optimizer first (``lopt.analysis.costs``)."""
    without: Mapping[str, str] = field(default_factory=dict)
    """Why there is no stability, or are no interventions."""

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Every question with its answer; see ``lopt.inspection.questions``."""
        return answers(
            Evidence(
                self._results,
                self.impulses,
                self.run_rates,
                self.reads_parameter,
                self.lost,
                self.trained_on,
            )
        )

    def answer(self, name: str) -> Answer:
        """Return the answer to the question called ``name``.

        Raises:
            KeyError: naming the questions that there are.
        """
        found = {each.name: each for each in self.answers}
        if name not in found:
            raise KeyError(f"there is no question {name!r}; there are {', '.join(found)}")
        return found[name]

    def summary(self) -> str:
        """Return what was found in sentences, a line each, with the criterion below it."""
        frozen = self.operating_point or "nothing is frozen: the state is all there is"
        lines = [f"{self.name}, on {self.source}", f"operating point: {frozen}", ""]
        for each in self.answers:
            lines += [
                f"{each.answer:<10} {each.question}",
                f"{'':<10} {each.sentence}",
                f"{'':<10} ({each.criterion})",
            ]
        told = self._causes()
        lines += ["", *told] if told else []
        for stage, reason in {**self.missing, **self.without}.items():
            lines.append(f"no {stage.replace('_', ' ')}: {reason}")
        return "\n".join(lines) + "\n"

    def plot_momentum(self, *others: "Analysis", axes: Any = None) -> Figure | np.ndarray:
        """Draw figure 2's panels: states and the slow mode, update functions along it, eigenvalues.

        Args:
            others: further analyses, drawn beside this one.
            axes: three rows of Matplotlib axes with a column for each analysis (default: a new figure,
                which is returned; otherwise the axes are).

        Raises:
            ValueError: if an analysis lacks what is drawn (the message says why), or there are not as
                many axes as panels.
        """
        return self._plot("momentum", others, axes)

    def plot_clipping(self, *others: "Analysis", axes: Any = None) -> Figure | np.ndarray:
        """Draw figure 3's two panels: the update function at the initial state, and the gradients met.

        Arguments and errors are those of ``plot_momentum``, with two rows of axes.
        """
        return self._plot("clipping", others, axes)

    def plot_schedule(self, *others: "Analysis", axes: Any = None) -> Figure | np.ndarray:
        """Draw figure 4's two panels: the run of the state without gradients, and the learning rate along it.

        Arguments and errors are those of ``plot_momentum``, with two rows of axes.
        """
        return self._plot("schedule", others, axes)

    def plot_adaptation(self, *others: "Analysis", axes: Any = None) -> Figure | np.ndarray:
        """Draw figure 5's panels: fixed points under constant gradients, update functions, learning rates.

        Arguments and errors are those of ``plot_momentum``.
        """
        return self._plot("adaptation", others, axes)

    def plot_interventions(self, *others: "Analysis", axes: Any = None) -> Figure | np.ndarray:
        """Draw figure 6's two panels: what removing each mechanism costs, and how many modes it takes.

        Arguments and errors are those of ``plot_momentum``, with two rows of axes. There is something to
        draw if ``analyze`` was asked for interventions.
        """
        return self._plot("interventions", others, axes)

    def plot_stability(self, *others: "Analysis", axes: Any = None) -> Figure | np.ndarray:
        """Draw figure 7's first two panels: the rate at which the parameter decays, and curvatures met.

        Arguments and errors are those of ``plot_momentum``, with two rows of axes.
        """
        return self._plot("stability", others, axes)

    def report(self, path: str | Path) -> None:
        """Write one page that needs no network: answers, tables, figures, and a slider.

        The slider moves the state along the autonomous trajectory or the slow mode, and redraws the update
        function and the effective learning rate there.

        Raises:
            StoreError: if the file can't be written.
        """
        figures = {}
        facts = [f"Run on {self.source}."]
        facts += [f"Operating point: {self.operating_point}."] if self.operating_point else []
        for stage, reason in self.missing.items():
            facts.append(f"There are no {stage.replace('_', ' ')}: {reason}.")
        facts += self._causes()
        for mechanism in self.figures:
            figures[mechanism.capitalize()] = self._plot(mechanism, (), None)
        text = page(
            f"How {self.name} works",
            facts,
            self.answers,
            None if self.missing else self._results,
            self.state_names,
            self.component,
            figures,
        )
        store.save_bytes(path, text.encode())

    @property
    def figures(self) -> tuple[str, ...]:
        """The figures that there is something to draw for: ``plot_<name>()``."""
        causes = {"interventions": self.interventions, "stability": self.stability}
        return tuple(
            name
            for name in drawn.FIGURES
            if not self.missing and causes.get(name, self.trajectories) is not None
        )

    def _plot(self, mechanism: str, others: tuple["Analysis", ...], axes: Any) -> Any:
        named = [
            drawn.Named(each._title, each._results, each.interventions, each.stability)
            for each in (self, *others)
        ]
        for each in (self, *others):
            if mechanism in each.without:
                raise ValueError(
                    f"there is no figure of the {mechanism} of {each.name}: {each.without[mechanism]}"
                )
        return drawn.draw(mechanism, named) if axes is None else drawn.fill(mechanism, named, axes)

    @property
    def _rate_holds(self) -> bool:
        responses = self.responses
        return responses is None or int(responses.convergence_rate_code) == RateCode.SMOOTH

    def _causes(self) -> list[str]:
        points, place = self.fixed_points, ""
        if points is not None and float(points.basin_share) == 0.0:
            place = "a fixed point that no run ends at"
        elif points is not None and int(points.convergence_code) == Code.CONTINUUM:
            place = "one of a continuum of fixed points"
        return cause_sentences(
            self.interventions,
            self.stability,
            self._rate_holds,
            reads_parameter=bool(self.reads_parameter),
            frozen=self.component.run is not None,
            place=place,
        )

    @property
    def _title(self) -> str:
        return f"{self.name} ({self.operating_point})" if self.operating_point else self.name

    @property
    def _results(self) -> OptimizerResults:
        stages = ((stage, getattr(self, stage)) for stage in STAGES)
        return OptimizerResults(
            *(
                absent(f"{stage.replace('_', ' ')} ({self.missing.get(stage)})")
                if record is None
                else record
                for stage, record in stages
            )
        )


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
        summarize, words = _runs(subject, source, problems, steps, visited_states)
        try:
            limit = largest_gradient or _largest(summarize(1.0))
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
    drawn_problems = _drawn(source, problems) if asked and on_task else None
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


def _drawn(task: Task, problems: int) -> Any:
    """Return the problems that a task is run on, in float64."""
    return jax.tree.map(
        lambda leaf: leaf.astype(jnp.float64) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf,
        sample_batch(task, stream(0, "analysis", "problems"), problems),
    )


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


def _runs(
    subject: Subject,
    source: Task | Recording | RecordedRun | np.ndarray,
    problems: int,
    steps: int,
    visited_states: int,
) -> tuple[Callable[[float], Trajectories], str]:
    """Return what summarizes the runs, up to some size of gradients, and what was run in words."""
    component = subject.component
    if isinstance(source, (Recording, RecordedRun, np.ndarray)):
        note = ""
        if isinstance(source, np.ndarray):
            if subject.reads_parameter:
                raise ValueError(
                    "this optimizer reads the parameter, and gradients alone don't say where they were met: "
                    "give a Recording, what a recorder stored, or a task"
                )
            kind, source = "given gradients", drive(component, source)
        elif isinstance(source, RecordedRun):
            kind, recorded = "a recorded run", np.asarray(source.updates, np.float64)
            known = None if np.isnan(source.losses).any() else source.losses
            source = drive(component, source.gradients, source.x, known)
            apart = np.linalg.norm(source.updates - recorded) / (np.linalg.norm(recorded) or 1.0)
            note = (
                ", which this optimizer made"
                if apart <= SAME_RUN
                else f", which another optimizer made: updates differ by {100 * apart:.3g} %"
            )
        else:
            kind = "recorded runs"
            source = Recording(*(np.asarray(part, np.float64) for part in source))
        *runs, length, components = source.gradients.shape
        words = f"{kind}: {int(np.prod(runs))} x {length - 1} steps x {components} components{note}"
        return lambda limit: summarize_recording(
            component,
            source,
            gradient_edges=gradient_edges(limit),
            visited_states=visited_states,
        ), words
    drawn_problems = _drawn(source, problems)

    def summarize(limit: float) -> Trajectories:
        return summarize_trajectories(
            source,
            component,
            drawn_problems,
            steps=steps,
            key=stream(0, "analysis", "states"),
            gradient_edges=gradient_edges(limit),
            visited_states=visited_states,
        )

    label = getattr(source, "label", type(source).__name__)
    return summarize, f"{label}: {problems} problems, {steps} steps"


def _largest(met: Trajectories) -> float:
    """Return the size that one in a thousand of the gradients met exceeds, rounded up to two digits."""
    size = float(met.gradient_quantiles[-1])
    digit = 10.0 ** (np.floor(np.log10(size)) - 1.0)
    return float(np.ceil(size / digit - 1e-6) * digit)
