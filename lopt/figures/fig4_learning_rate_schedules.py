"""Figure 4: learning-rate schedules, run by the optimizer's own clock.

Reads, per task: ``analysis/<task>/seed_<n>/responses.npz`` of the selected seed,
``baselines/<task>/momentum/best.json`` if momentum was tuned, and ``meta_training/<task>/selection.json``.

Draws two rows, a column per task:
  a  the autonomous trajectory (the gradient is 0 throughout) on the two principal axes along which it
     extends most: circle at the initial state, square at the convergence point, visited states gray.
  b  the effective learning rate along it, with tuned momentum's learning rate dashed.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lopt.figures import layout, style, tables, ticks
from lopt.figures.roles import Roles
from lopt.records.results import Results

__all__ = ["CAPTION", "READS", "TITLE", "Column", "Data", "draw", "fill", "numbers", "read"]

TITLE = "Figure 4"
CAPTION = """\
**Learning-rate schedules.** Top: the autonomous trajectory (gradient 0 throughout), from the
initial state (circle) to the convergence point (square). Bottom: effective learning rate along
it; dashed: tuned momentum.
"""
READS = ("selection", "responses", "momentum")

LIMIT = 4.0  # of row a, as published


class Column(NamedTuple):
    """What is shown of one task; projections are on the two axes of ``pair``."""

    task: str
    seed: int
    pair: Int[np.ndarray, "2"]
    visited: Float[np.ndarray, "visited 2"]
    trajectory: Float[np.ndarray, "steps_plus_1 2"]
    convergence_point: Float[np.ndarray, "2"]
    learning_rates: Float[np.ndarray, " steps_plus_1"]
    momentum_learning_rate: float


class Data(NamedTuple):
    """Everything that the figure shows."""

    scale: str
    roles: Roles
    columns: tuple[Column, ...]


def read(results: Results) -> Data:
    """Read what the figure shows.

    Raises:
        StoreError: if a file is missing or damaged.
    """
    return Data(
        results.scale, Roles.of(results), tuple(_column(results, task) for task in results.tasks)
    )


def _column(results: Results, task: str) -> Column:
    seed = results.selected(task)
    responses = results.responses(task, seed)
    pair = responses.autonomous_pair
    return Column(
        task=task,
        seed=seed,
        pair=pair,
        visited=responses.projected_visited[:, pair],
        trajectory=responses.projected_autonomous[:, pair],
        convergence_point=responses.projected_convergence_point[pair],
        learning_rates=responses.autonomous_learning_rates,
        momentum_learning_rate=results.tuned_learning_rate(task, "momentum"),
    )


@style.styled
def draw(data: Data) -> Figure:
    """Draw the figure."""
    figure, axes = layout.panels([1.68, 1.4], len(data.columns))
    fill(axes, data)
    layout.column_titles(axes, data.roles.titles(data.columns))
    layout.row_letters(axes)
    handles = [
        Line2D([], [], **style.VISITED | {"markersize": 3.0}, label="visited states"),
        Line2D([], [], **style.INITIAL_STATE, label="initial state"),
        Line2D([], [], **style.CONVERGENCE_POINT, label="convergence point"),
        Line2D([], [], color=style.LEARNED_COLOR, label="zero-gradient trajectory"),
    ]
    if any(np.isfinite(column.momentum_learning_rate) for column in data.columns):
        handles.append(Line2D([], [], **data.roles.tuned("momentum")))
    layout.legend(figure, handles)
    layout.small_print(figure, data.scale, data.roles.seeds(data.columns))
    return figure


def fill(axes: np.ndarray, data: Data) -> None:
    """Draw the panels into ``axes``, two rows with a column for each of the data's."""
    for (top, bottom), column in zip(axes.T, data.columns, strict=True):
        _trajectory(top, column)
        _learning_rate(bottom, column, data.roles.tuned("momentum"))
    axes[1, 0].set_ylabel("effective learning rate")


def _trajectory(panel: Axes, column: Column) -> None:
    limit = ticks.square_limit(column.trajectory, LIMIT)
    panel.plot(*column.visited.T, **style.VISITED)
    panel.plot(*column.trajectory.T, color=style.LEARNED_COLOR, zorder=3)
    panel.plot(*column.convergence_point, **style.CONVERGENCE_POINT, zorder=4)
    panel.plot(*column.trajectory[0], **style.INITIAL_STATE, zorder=5)
    panel.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    panel.set_xlabel(f"PC {column.pair[0] + 1}")
    panel.set_ylabel(f"PC {column.pair[1] + 1}")
    ticks.modest_ticks(panel)


def _learning_rate(panel: Axes, column: Column, tuned: dict) -> None:
    panel.plot(column.learning_rates, color=style.LEARNED_COLOR)
    panel.axhline(column.momentum_learning_rate, **tuned)
    high = np.nanmax([column.learning_rates.max(), column.momentum_learning_rate])
    low = min(0.0, 1.15 * float(column.learning_rates.min()))
    panel.set(xlim=(0, len(column.learning_rates) - 1), ylim=(low, 1.15 * high))
    panel.set_xlabel("iteration")
    ticks.modest_ticks(panel)


def numbers(data: Data) -> pd.DataFrame:
    """Return every number drawn."""
    parts = []
    for column in data.columns:
        task, seed = column.task, column.seed
        iteration = np.arange(len(column.learning_rates))
        axes = [f"PC {axis + 1}" for axis in column.pair]
        for series, points, value in [
            ("visited states", column.visited, ("", np.nan)),
            ("autonomous trajectory", column.trajectory, ("iteration", iteration)),
            ("convergence point", column.convergence_point[None], ("", np.nan)),
        ]:
            x, y = points.T
            parts.append(tables.rows("a", task, seed, series, (axes[0], x), (axes[1], y), value))
        x, y = ("iteration", iteration), ("effective_learning_rate", column.learning_rates)
        parts.append(tables.rows("b", task, seed, "autonomous trajectory", x, y))
        y = ("learning_rate", column.momentum_learning_rate)
        parts.append(tables.rows("b", task, -1, "tuned momentum", ("", np.nan), y))
    return tables.table(parts)
