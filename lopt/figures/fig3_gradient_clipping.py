"""Figure 3: learned optimizers clip gradients.

Reads, per task and the selected seed: ``analysis/<task>/seed_<n>/{trajectories,responses}.npz``, and
``meta_training/<task>/selection.json``.

Draws two rows, a column per task, with one gradient axis for both:
  a  the update function at the initial state: linear for small gradients, saturated for large ones.
  b  the density of the gradients met while training on test problems, on a logarithmic axis: how much of
     them lies where the update saturates.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lopt.figures import layout, style, tables, ticks
from lopt.figures.roles import Roles
from lopt.records.results import Results

__all__ = ["CAPTION", "READS", "TITLE", "Column", "Data", "draw", "fill", "numbers", "read"]

TITLE = "Figure 3"
CAPTION = """\
**Gradient clipping.** Top: update function at the initial state; where it is flat, larger
gradients are clipped. Bottom: density of the gradients met on test problems.
"""
READS = ("selection", "trajectories", "responses")

DENSITY_DECADES = 6.0


class Column(NamedTuple):
    """What is shown of one task."""

    task: str
    seed: int
    gradients: Float[np.ndarray, " update_grid"]
    updates: Float[np.ndarray, " update_grid"]
    edges: Float[np.ndarray, " gradient_edge"]
    density: Float[np.ndarray, " gradient_bin"]
    share_beyond: float
    """Share of the gradients met that lie beyond the axis of row a."""


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
    responses, met = results.responses(task, seed), results.trajectories(task, seed)
    # A density over all gradients met: those beyond the axis count, though they are not drawn.
    total = max(1, int(met.gradient_counts.sum() + met.gradients_outside.sum()))
    low, high = responses.update_gradients[[0, -1]]
    centers = (met.gradient_edges[:-1] + met.gradient_edges[1:]) / 2.0
    drawn = int(met.gradient_counts[(low < centers) & (centers < high)].sum())
    return Column(
        task=task,
        seed=seed,
        gradients=responses.update_gradients,
        updates=responses.initial_updates,
        edges=met.gradient_edges,
        density=met.gradient_counts / (total * np.diff(met.gradient_edges)),
        share_beyond=1.0 - drawn / total,
    )


@style.styled
def draw(data: Data) -> Figure:
    """Draw the figure."""
    figure, axes = layout.panels([1.52, 1.38], len(data.columns))
    fill(axes, data)
    layout.column_titles(axes, data.roles.titles(data.columns))
    layout.row_letters(axes)
    layout.small_print(
        figure,
        data.scale,
        data.roles.seeds(data.columns),
        "share of gradients beyond the axis: "
        + ", ".join(ticks.number(column.share_beyond) for column in data.columns),
    )
    return figure


def fill(axes: np.ndarray, data: Data) -> None:
    """Draw the panels into ``axes``, two rows with a column for each of the data's."""
    for (top, bottom), column in zip(axes.T, data.columns, strict=True):
        _update_function(top, column)
        _density(bottom, column)
    axes[0, 0].set_ylabel(r"update $\Delta x$")
    axes[1, 0].set_ylabel("density of gradients")


def _update_function(panel: Axes, column: Column) -> None:
    panel.plot(column.gradients, column.updates, color=style.LEARNED_COLOR, linewidth=1.6)
    ticks.modest_ticks(panel)
    ticks.gradient_axis(panel, column.gradients)
    panel.tick_params(labelbottom=False)


def _density(panel: Axes, column: Column) -> None:
    low, high = ticks.log_limits(column.density, DENSITY_DECADES)
    panel.set_yscale("log", nonpositive="clip")
    panel.stairs(column.density, column.edges, baseline=low / 10, fill=True, color="#8FA3B8")
    panel.set_ylim(low, high)
    ticks.modest_ticks(panel)
    ticks.gradient_axis(panel, column.gradients)
    panel.set_xlabel("gradient $g$")


def numbers(data: Data) -> pd.DataFrame:
    """Return every number drawn."""
    parts = []
    for column in data.columns:
        task, seed = column.task, column.seed
        x, y = ("gradient", column.gradients), ("update", column.updates)
        parts.append(tables.rows("a", task, seed, "update function at the initial state", x, y))
        width = np.diff(column.edges)
        x, y = ("gradient", column.edges[:-1] + width / 2.0), ("density", column.density)
        parts.append(tables.rows("b", task, seed, "gradients met", x, y, ("bin_width", width)))
        beyond = ("share_beyond_the_axis", column.share_beyond)
        parts.append(tables.rows("b", task, seed, "gradients met", ("", np.nan), beyond))
    return tables.table(parts)
