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

from lopt.figures import style, tables
from lopt.figures.reading import Results

__all__ = ["Column", "Data", "draw", "numbers", "read"]

DENSITY_DECADES = 6.0


class Column(NamedTuple):
    """What is shown of one task."""

    task: str
    seed: int
    gradients: Float[np.ndarray, " update_grid"]
    updates: Float[np.ndarray, " update_grid"]
    edges: Float[np.ndarray, " gradient_edge"]
    density: Float[np.ndarray, " gradient_bin"]
    share_outside: float


class Data(NamedTuple):
    """Everything that the figure shows."""

    scale: str
    columns: tuple[Column, ...]


def read(results: Results) -> Data:
    """Read what the figure shows.

    Raises:
        StoreError: if a file is missing or damaged.
    """
    return Data(results.scale, tuple(_column(results, task) for task in results.tasks))


def _column(results: Results, task: str) -> Column:
    seed = results.selected(task)
    responses, met = results.responses(task, seed), results.trajectories(task, seed)
    outside = int(met.gradients_outside.sum())
    # A density over all gradients met: those beyond the edges count, though they are not drawn.
    total = max(1, int(met.gradient_counts.sum()) + outside)
    return Column(
        task=task,
        seed=seed,
        gradients=responses.update_gradients,
        updates=responses.initial_updates,
        edges=met.gradient_edges,
        density=met.gradient_counts / (total * np.diff(met.gradient_edges)),
        share_outside=outside / total,
    )


@style.styled
def draw(data: Data) -> Figure:
    """Draw the figure."""
    figure, axes = style.panels(2, len(data.columns), height=4.0, height_ratios=[1.1, 1.0])
    for (top, bottom), column in zip(axes.T, data.columns, strict=True):
        _update_function(top, column)
        _density(bottom, column)
    axes[0, 0].set_ylabel(r"update $\Delta x$")
    axes[1, 0].set_ylabel("density of gradients")
    style.column_titles(axes, [column.task for column in data.columns])
    style.row_letters(axes)
    style.small_print(
        figure,
        data.scale,
        {column.task: column.seed for column in data.columns},
        "gradients beyond the axis: "
        + ", ".join(f"{column.share_outside:.2g}" for column in data.columns),
    )
    return figure


def _update_function(panel: Axes, column: Column) -> None:
    panel.axhline(0.0, color=style.GREY, linewidth=0.5, zorder=0)
    panel.axvline(0.0, color=style.GREY, linewidth=0.5, zorder=0)
    panel.plot(column.gradients, column.updates, color=style.LEARNED.color, linewidth=1.6)
    panel.set_xlim(column.gradients[0], column.gradients[-1])
    panel.tick_params(labelbottom=False)
    style.modest_ticks(panel)


def _density(panel: Axes, column: Column) -> None:
    low, high = style.log_limits(column.density, DENSITY_DECADES)
    panel.set_yscale("log", nonpositive="clip")
    panel.stairs(column.density, column.edges, baseline=low / 10, fill=True, color="#8FA3B8")
    panel.set_ylim(low, high)
    panel.set_xlim(column.gradients[0], column.gradients[-1])
    panel.set_xlabel("gradient $g$")
    style.modest_ticks(panel)


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
        beyond = ("share_beyond_the_edges", column.share_outside)
        parts.append(tables.rows("b", task, seed, "gradients met", ("", np.nan), beyond))
    return tables.table(parts)
