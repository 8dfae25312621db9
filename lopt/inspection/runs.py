"""What an analysis runs: problems of a task, gradients met elsewhere, or a run that was recorded."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lopt.analysis.grids import gradient_edges
from lopt.analysis.recorded import drive, summarize_recording
from lopt.analysis.trajectories import summarize_trajectories
from lopt.inspection.subjects import Subject
from lopt.keys import stream
from lopt.records.analysis import Trajectories
from lopt.records.recorded_run import RecordedRun
from lopt.tasks import Task, sample_batch
from lopt.unrolling import Recording

__all__ = ["draw_problems", "largest_met", "what_runs"]

SAME_RUN = 0.01  # a run in float32 and the same one in float64 differ by less


def what_runs(
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
    drawn_problems = draw_problems(source, problems)

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


def draw_problems(task: Task, problems: int) -> Any:
    """Return the problems that a task is run on, in float64."""
    return jax.tree.map(
        lambda leaf: leaf.astype(jnp.float64) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf,
        sample_batch(task, stream(0, "analysis", "problems"), problems),
    )


def largest_met(met: Trajectories) -> float:
    """Return the size that one in a thousand of the gradients met exceeds, rounded up to two digits."""
    size = float(met.gradient_quantiles[-1])
    digit = 10.0 ** (np.floor(np.log10(size)) - 1.0)
    return float(np.ceil(size / digit - 1e-6) * digit)
