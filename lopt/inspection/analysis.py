"""``Analysis``: what was found about one optimizer, and how it is told: sentences, figures, a page."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.figure import Figure

from lopt.analysis.stages import STAGES
from lopt.claims.evidence import OptimizerResults, absent
from lopt.inspection import drawn
from lopt.inspection.asking import Answer, Evidence
from lopt.inspection.causes import cause_sentences
from lopt.inspection.page import page
from lopt.inspection.questions import answers
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

__all__ = ["Analysis"]


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
