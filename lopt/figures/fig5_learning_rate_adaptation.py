"""Figure 5: learning-rate adaptation, by where a persistent gradient drives the state.

Reads, per task: ``analysis/<task>/seed_<n>/responses.npz`` of the selected seed,
``baselines/<task>/momentum/best.json`` if momentum was tuned, and ``meta_training/<task>/selection.json``.

Draws three rows, a column per task:
  a  the approximate fixed points for constant gradients on the two principal axes along which they extend
     most: negative gradients red, positive ones green, darker for larger |g|; square at the
     convergence point (g = 0). They trace an S-curve.
  b  the update function at four of them, recentered to pass through 0: only the slope is left to compare.
  c  the effective learning rate at each against |g|, with tuned momentum's learning rate dashed.
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

TITLE = "Figure 5"
CAPTION = """\
**Learning-rate adaptation.** Top: approximate fixed points for constant gradients, negative and
positive, darker for larger ones. Middle: update functions at four of them, recentered. Bottom:
effective learning rate there against the size of the gradient; dashed: tuned momentum.
"""
READS = ("selection", "responses", "momentum")


class Column(NamedTuple):
    """What is shown of one task; projections are on the two axes of ``pair``."""

    task: str
    seed: int
    pair: Int[np.ndarray, "2"]
    constant_gradients: Float[np.ndarray, " constant_grid"]
    points: Float[np.ndarray, "constant_grid 2"]
    convergence_point: Float[np.ndarray, "2"]
    learning_rates: Float[np.ndarray, " constant_grid"]
    shown: Int[np.ndarray, " shown"]
    gradients: Float[np.ndarray, " update_grid"]
    recentered_updates: Float[np.ndarray, "shown update_grid"]
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
    pair, shown = responses.constant_gradient_pair, responses.constant_gradient_shown
    intercepts = responses.constant_gradient_intercepts[shown, None]
    return Column(
        task=task,
        seed=seed,
        pair=pair,
        constant_gradients=responses.constant_gradients,
        points=responses.projected_constant_gradient[:, pair],
        convergence_point=responses.projected_convergence_point[pair],
        learning_rates=responses.constant_gradient_learning_rates,
        shown=shown,
        gradients=responses.update_gradients,
        recentered_updates=responses.constant_gradient_updates[shown] - intercepts,
        momentum_learning_rate=results.tuned_learning_rate(task, "momentum"),
    )


@style.styled
def draw(data: Data) -> Figure:
    """Draw the figure."""
    figure, axes = layout.panels([1.58, 1.375, 1.375], len(data.columns))
    fill(axes, data)
    layout.column_titles(axes, data.roles.titles(data.columns))
    layout.row_letters(axes)
    handles = [
        style.mark("$g < 0$", NEGATIVE_MARKER, style.shades(style.NEGATIVE, 3)[1]),
        style.mark(
            "$g > 0$ (darker: larger $|g|$)",
            POSITIVE_MARKER,
            style.shades(style.POSITIVE, 3)[1],
        ),
        Line2D([], [], **style.CONVERGENCE_POINT, label="convergence point ($g = 0$)"),
    ]
    if any(np.isfinite(column.momentum_learning_rate) for column in data.columns):
        handles.append(Line2D([], [], **data.roles.tuned("momentum")))
    layout.legend(figure, handles)
    layout.small_print(figure, data.scale, data.roles.seeds(data.columns))
    return figure


def fill(axes: np.ndarray, data: Data) -> None:
    """Draw the panels into ``axes``, three rows with a column for each of the data's."""
    for (top, middle, bottom), column in zip(axes.T, data.columns, strict=True):
        colors = _colors(column.constant_gradients)
        _points(top, column, colors)
        _updates(middle, column, colors)
        _learning_rates(bottom, column, colors, data.roles.tuned("momentum"))
    axes[1, 0].set_ylabel(r"update $\Delta x(g) - \Delta x(0)$")
    axes[2, 0].set_ylabel("effective learning rate")


NEGATIVE_MARKER, POSITIVE_MARKER = "v", "^"


def _colors(gradients: Float[np.ndarray, " constant_grid"]) -> list[str]:
    """Return a color per gradient, ascending: dark red ... light red, light green ... dark green."""
    negative = style.shades(style.NEGATIVE, int(np.sum(gradients < 0.0)))[::-1]
    return negative + style.shades(style.POSITIVE, int(np.sum(gradients >= 0.0)))


def _marker(gradient: float) -> str:
    return NEGATIVE_MARKER if gradient < 0.0 else POSITIVE_MARKER


def _points(panel: Axes, column: Column, colors: list[str]) -> None:
    panel.plot(*column.points.T, color="#9AA3AB", linewidth=0.6, zorder=1)
    for gradient, point, color in zip(
        column.constant_gradients, column.points, colors, strict=True
    ):
        panel.plot(
            *point, _marker(gradient), color=color, markersize=5.0, mec="white", mew=0.3, zorder=3
        )
    # Below the triangles, which crowd around it for small g, hence large.
    square = style.CONVERGENCE_POINT | {"markersize": 6.5}
    panel.plot(*column.convergence_point, **square, zorder=2)
    panel.set_xlabel(f"PC {column.pair[0] + 1}")
    panel.set_ylabel(f"PC {column.pair[1] + 1}")
    everything = np.concatenate([column.points, column.convergence_point[None]])
    panel.set_xlim(ticks.limits_around(everything[:, 0], 0.1))
    panel.set_ylim(ticks.limits_around(everything[:, 1], 0.1))
    ticks.modest_ticks(panel)


def _updates(panel: Axes, column: Column, colors: list[str]) -> None:
    for row, update in zip(column.shown, column.recentered_updates, strict=True):
        gradient = column.constant_gradients[row]
        panel.plot(
            column.gradients,
            update,
            color=colors[row],
            linestyle="-" if gradient >= 0.0 else (0, (4.0, 1.2)),
            label=ticks.number(gradient),
        )
    ticks.modest_ticks(panel)
    ticks.gradient_axis(panel, column.gradients)
    panel.set_xlabel("gradient $g$")
    # Curves fall from the upper left to the lower right: the upper right corner is free.
    panel.legend(
        loc="upper right",
        title="state of constant $g$",
        title_fontsize=5.8,
        fontsize=5.8,
        handlelength=1.8,
        labelspacing=0.25,
        borderaxespad=0.0,
    )


def _learning_rates(panel: Axes, column: Column, colors: list[str], tuned: dict) -> None:
    magnitudes = np.abs(column.constant_gradients)
    panel.set_xscale("log")
    for arm, linestyle in (
        (column.constant_gradients < 0.0, (0, (4.0, 1.2))),
        (column.constant_gradients > 0.0, "-"),
    ):
        panel.plot(
            magnitudes[arm],
            column.learning_rates[arm],
            color="#9AA3AB",
            linewidth=0.7,
            linestyle=linestyle,
            zorder=1,
        )
    for gradient, rate, color in zip(
        column.constant_gradients, column.learning_rates, colors, strict=True
    ):
        panel.plot(
            abs(gradient),
            rate,
            _marker(gradient),
            color=color,
            markersize=5.0,
            mec="white",
            mew=0.3,
        )
    panel.axhline(column.momentum_learning_rate, **tuned, zorder=0)
    high = np.nanmax([column.learning_rates.max(), column.momentum_learning_rate])
    panel.set_ylim(min(0.0, 1.15 * float(column.learning_rates.min())), 1.15 * high)
    panel.set_xlabel("constant gradient $|g|$")
    ticks.modest_ticks(panel)


def numbers(data: Data) -> pd.DataFrame:
    """Return every number drawn."""
    parts = []
    for column in data.columns:
        task, seed = column.task, column.seed
        constant = ("constant_gradient", column.constant_gradients)
        names = [f"PC {axis + 1}" for axis in column.pair]
        for series, points, value in [
            ("fixed points", column.points, constant),
            ("convergence point", column.convergence_point[None], ("constant_gradient", 0.0)),
        ]:
            x, y = points.T
            parts.append(tables.rows("a", task, seed, series, (names[0], x), (names[1], y), value))
        for row, update in zip(column.shown, column.recentered_updates, strict=True):
            # The quantity is spelled as in the tables of earlier runs.
            x, y = ("gradient", column.gradients), ("recentred_update", update)
            value = ("constant_gradient", column.constant_gradients[row])
            parts.append(tables.rows("b", task, seed, "update function", x, y, value))
        x = ("constant_gradient_magnitude", np.abs(column.constant_gradients))
        y = ("effective_learning_rate", column.learning_rates)
        parts.append(tables.rows("c", task, seed, "fixed points", x, y, constant))
        y = ("learning_rate", column.momentum_learning_rate)
        parts.append(tables.rows("c", task, -1, "tuned momentum", ("", np.nan), y))
    return tables.table(parts)
