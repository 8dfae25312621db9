"""Lets the study's figures read analyses that are in memory: a column for each optimizer.

The figures (``lopt.figures``) read results of tasks and seeds. Here each analysis stands for a task, is
called by the optimizer's name, and has no training (seed -1) and no tuned baselines beside it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lopt.claims.evidence import AbsentError, OptimizerResults
from lopt.figures import (
    fig2_momentum,
    fig3_gradient_clipping,
    fig4_learning_rate_schedules,
    fig5_learning_rate_adaptation,
    fig6_interventions,
    fig7_stability,
)
from lopt.records.evaluation import LEARNED
from lopt.records.interventions import Stability

__all__ = ["FIGURES", "Drawn", "Named", "draw", "fill"]

FIGURES: dict[str, Any] = {
    "momentum": fig2_momentum,
    "clipping": fig3_gradient_clipping,
    "schedule": fig4_learning_rate_schedules,
    "adaptation": fig5_learning_rate_adaptation,
    "interventions": fig6_interventions,
    "stability": fig7_stability,
}
"""By what they show, in the order of the study."""


class Named(NamedTuple):
    """One analysis, and what it is called."""

    name: str
    results: OptimizerResults
    interventions: pd.DataFrame | None = None
    stability: Stability | None = None


class Drawn:
    """What a figure reads of some analyses; see ``lopt.records.results.Results``."""

    baselines, early, note, scale = (), {}, "", ""

    def __init__(self, named: Sequence[Named]) -> None:
        self._named = {str(place): each for place, each in enumerate(named)}
        self._results = {task: each.results for task, each in self._named.items()}
        self.labels = {task: each.name for task, each in self._named.items()}
        self.labels[LEARNED] = "The optimizer"
        self.colors: dict[str, str] = {}
        self.seeds = {task: (-1,) for task in self._results}

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(self._results)

    def selected(self, task: str) -> int:
        return -1

    def tuned_learning_rate(self, task: str, optimizer: str) -> float:
        return float("nan")

    def trajectories(self, task: str, seed: int) -> tuple:
        return self._results[task].trajectories

    def fixed_points(self, task: str, seed: int) -> tuple:
        return self._results[task].fixed_points

    def linearization(self, task: str, seed: int) -> tuple:
        return self._results[task].linearization

    def responses(self, task: str, seed: int) -> tuple:
        return self._results[task].responses

    def interventions(self, task: str) -> pd.DataFrame:
        table = self._named[task].interventions
        if table is None:
            raise AbsentError("none were run")
        return table.assign(task=task, seed=-1)

    def distilled(self, task: str) -> pd.DataFrame:
        columns = ["seed", "numbers", "meta_objective", "learned", "diverged", "problems"]
        return pd.DataFrame({name: pd.Series(dtype=float) for name in columns}).astype(
            {"numbers": str}
        )

    def stability(self, task: str) -> Stability:
        record = self._named[task].stability
        if record is None:
            raise AbsentError("no closed loop was computed")
        return record

    def transfer(self) -> pd.DataFrame:
        return pd.DataFrame({"home": [], "optimizer": []})


def draw(mechanism: str, named: Sequence[Named]) -> Figure:
    """Return the figure of a mechanism, a column for each optimizer.

    Raises:
        ValueError: if an optimizer lacks what the figure shows; the message says why.
    """
    figure = FIGURES[mechanism]
    return figure.draw(_read(mechanism, named))


def fill(mechanism: str, named: Sequence[Named], axes: Any) -> np.ndarray:
    """Draw the panels of a mechanism into ``axes``: rows of panels, a column for each optimizer.

    Raises:
        ValueError: as ``draw``; if there are not as many axes as panels.
    """
    given = np.asarray(axes, dtype=object)
    rows = ROWS[mechanism]
    if given.size != rows * len(named) or not all(isinstance(each, Axes) for each in given.flat):
        raise ValueError(
            f"axes has {given.size} entries, expected {rows * len(named)} Matplotlib axes: {rows} rows of "
            f"{len(named)}"
        )
    grid = given.reshape(rows, len(named))
    data = _read(mechanism, named)
    FIGURES[mechanism].fill(grid, data)
    for panel, title in zip(grid[0], data.roles.titles(data.columns), strict=True):
        panel.set_title(title)
    return grid


ROWS = {
    "momentum": 3,
    "clipping": 2,
    "schedule": 2,
    "adaptation": 3,
    "interventions": 2,
    "stability": 2,
}


def _read(mechanism: str, named: Sequence[Named]) -> Any:
    try:
        return FIGURES[mechanism].read(Drawn(named))
    except AbsentError as error:
        raise ValueError(f"there is no figure of the {mechanism}: {error}") from None
