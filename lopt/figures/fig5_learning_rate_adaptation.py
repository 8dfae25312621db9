"""Figure 5: learning-rate adaptation, by where a persistent gradient drives the state.

Reads, per task: ``analysis/<task>/seed_<n>/{fixed_points,responses}.npz`` of the selected seed,
``baselines/<task>/momentum/best.json`` if momentum was tuned, and ``meta_training/<task>/selection.json``.

Draws three rows, a column per task:
  a  the approximate fixed points for constant gradients on the two principal axes along which they extend
     most: negative gradients red, positive ones green, darker for larger |g|; square at the
     convergence point (g = 0). The solid line is the branch of the convergence point: an S-curve is this
     one's. Points on other branches, beyond a fold, are hollow; dotted lines join those of one branch.
  b  the update function at four of them, recentered to pass through 0: only the slope is left to compare.
     A star says that the state is on another branch.
  c  the effective learning rate at each against |g|, with the interval that the error of the point leaves
     open, and tuned momentum's learning rate dashed; lines and hollow markers as in row a. Vertical lines
     are where the branch of the convergence point folds or is lost, which is also stated above. A cross says
     that there is no slope at g = 0: the gain at the typical gradient stands there; where the slope describes
     no gradient that is met, a plus shows that gain beside it.
Outcomes other than "converged" (``lopt.figures.codes``) stand on the markers.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lopt.figures import codes, layout, style, tables, ticks
from lopt.figures.roles import Roles
from lopt.records.analysis import Code, RateCode
from lopt.records.results import Results

__all__ = ["CAPTION", "READS", "TITLE", "Column", "Data", "draw", "fill", "numbers", "read"]

TITLE = "Figure 5"
CAPTION = """\
**Learning-rate adaptation.** Top: approximate fixed points for constant gradients, negative and
positive, darker for larger ones; solid: the branch of the convergence point; hollow: on others,
beyond a fold. Middle: update functions at four of them, recentered (star: on another branch).
Bottom: effective learning rate there against the size of the gradient, with its interval; dashed:
tuned momentum.
"""
READS = ("selection", "fixed_points", "responses", "momentum")


class Column(NamedTuple):
    """What is shown of one task; projections are on the two axes of ``pair``."""

    task: str
    seed: int
    pair: Int[np.ndarray, "2"]
    constant_gradients: Float[np.ndarray, " constant_grid"]
    points: Float[np.ndarray, "constant_grid 2"]
    convergence_point: Float[np.ndarray, "2"]
    codes: Int[np.ndarray, " constant_grid"]
    branches: Int[np.ndarray, " constant_grid"]
    end_codes: Int[np.ndarray, "2"]
    end_gradients: Float[np.ndarray, "2"]
    learning_rates: Float[np.ndarray, " constant_grid"]
    intervals: Float[np.ndarray, "constant_grid 2"]
    rate_codes: Int[np.ndarray, " constant_grid"]
    gains: Float[np.ndarray, " constant_grid"]
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
    responses, found = results.responses(task, seed), results.fixed_points(task, seed)
    pair, shown = responses.constant_gradient_pair, responses.constant_gradient_shown
    intercepts = responses.constant_gradient_intercepts[shown, None]
    return Column(
        task=task,
        seed=seed,
        pair=pair,
        constant_gradients=responses.constant_gradients,
        points=responses.projected_constant_gradient[:, pair],
        convergence_point=responses.projected_convergence_point[pair],
        codes=found.constant_gradient_codes,
        branches=responses.constant_gradient_branches,
        end_codes=found.branch_end_codes,
        end_gradients=found.branch_end_gradients,
        learning_rates=responses.constant_gradient_learning_rates,
        intervals=responses.constant_gradient_learning_rate_intervals,
        rate_codes=responses.constant_gradient_rate_codes,
        gains=responses.constant_gradient_gains,
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
    handles += _branch_handles(data.columns)
    met = np.concatenate([column.codes for column in data.columns])
    handles += codes.outcome_handles(met[met != Code.CONVERGED], size=3.0)
    handles += codes.gain_handles(
        np.concatenate([column.rate_codes for column in data.columns]), line=False
    )
    if any(np.isfinite(column.momentum_learning_rate) for column in data.columns):
        handles.append(Line2D([], [], **data.roles.tuned("momentum")))
    layout.legend(figure, handles)
    elsewhere = any(c.branches[row] != 0 for c in data.columns for row in c.shown)
    note = "*: a state on another branch" if elsewhere else ""
    layout.small_print(figure, data.scale, data.roles.seeds(data.columns), note)
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
OWN = style.Look(color="#7D8790", linewidth=0.8, zorder=1)
OTHER = style.Look(color="#7D8790", linewidth=0.6, linestyle=(0, (1.0, 2.0)), zorder=1)
ENDS = {Code.FOLD: (0, (1.0, 1.0)), Code.STALLED: (0, (5.0, 1.2, 1.2, 1.2))}


def _branch_handles(columns: Iterable[Column]) -> list[Line2D]:
    """Return what the legend says of branches: only of what occurs."""
    columns = list(columns)
    color = style.shades(style.POSITIVE, 3)[1]
    ends = np.concatenate([column.end_codes for column in columns])
    occurs = {
        Line2D([], [], **OWN, label="branch of the convergence point"): any(
            _own(column).any() for column in columns
        ),
        style.mark("on another branch", POSITIVE_MARKER, color, mfc="white", mew=0.8): any(
            not _own(column).all() for column in columns
        ),
        Line2D([], [], color=color, linestyle=ENDS[Code.FOLD], label="that branch folds"): Code.FOLD
        in ends,
        Line2D(
            [], [], color=color, linestyle=ENDS[Code.STALLED], label="that branch is lost"
        ): Code.STALLED in ends,
    }
    return [handle for handle, there in occurs.items() if there]


def _own(column: Column) -> Bool[np.ndarray, " constant_grid"]:
    """Return which points are on the branch of the convergence point."""
    return column.branches == 0


def _others(column: Column) -> list[Int[np.ndarray, " row"]]:
    """Return the rows of each other branch; branches are numbered on each arm anew."""
    positive = column.constant_gradients >= 0.0
    return [
        np.flatnonzero((column.branches == number) & (positive == arm))
        for arm in (False, True)
        for number in np.unique(column.branches[column.branches > 0])
    ]


def _colors(gradients: Float[np.ndarray, " constant_grid"]) -> list[str]:
    """Return a color per gradient, ascending: dark red ... light red, light green ... dark green."""
    negative = style.shades(style.NEGATIVE, int(np.sum(gradients < 0.0)))[::-1]
    return negative + style.shades(style.POSITIVE, int(np.sum(gradients >= 0.0)))


def _marker(gradient: float) -> str:
    return NEGATIVE_MARKER if gradient < 0.0 else POSITIVE_MARKER


def _points(panel: Axes, column: Column, colors: list[str]) -> None:
    own, middle = column.points[_own(column)], np.sum(column.constant_gradients[_own(column)] < 0.0)
    branch = np.insert(own, int(middle), column.convergence_point, axis=0)
    if len(own):
        panel.plot(*branch.T, **OWN)
    for rows in _others(column):
        panel.plot(*column.points[rows].T, **OTHER)
    _markers(panel, column, column.points, colors)
    # Below the triangles, which crowd around it for small g, hence large.
    square = style.CONVERGENCE_POINT | style.Look(markersize=6.5)
    panel.plot(*column.convergence_point, **square, zorder=2)
    panel.set_xlabel(f"PC {column.pair[0] + 1}")
    panel.set_ylabel(f"PC {column.pair[1] + 1}")
    everything = np.concatenate([column.points, column.convergence_point[None]])
    panel.set_xlim(ticks.limits_around(everything[:, 0], 0.1))
    panel.set_ylim(ticks.limits_around(everything[:, 1], 0.1))
    ticks.modest_ticks(panel)


def _markers(
    panel: Axes, column: Column, places: Float[np.ndarray, "constant_grid 2"], colors: list[str]
) -> None:
    """Draw a triangle at each place: hollow on another branch, with the outcome if it did not converge."""
    for row, (gradient, place, color) in enumerate(
        zip(column.constant_gradients, places, colors, strict=True)
    ):
        own = column.branches[row] == 0
        look: style.Look = {"mec": "white", "mew": 0.3} if own else {"mfc": "white", "mew": 0.9}
        size = 5.0 if own else 4.4
        panel.plot(*place, _marker(gradient), color=color, markersize=size, zorder=3, **look)
        if column.codes[row] != Code.CONVERGED:
            outcome = codes.OUTCOMES[Code(int(column.codes[row]))]
            panel.plot(
                *place,
                outcome.marker,
                color=outcome.color,
                markersize=3.0 * outcome.scale,
                mew=0.8,
                zorder=4,
            )


def _updates(panel: Axes, column: Column, colors: list[str]) -> None:
    for row, update in zip(column.shown, column.recentered_updates, strict=True):
        gradient = column.constant_gradients[row]
        panel.plot(
            column.gradients,
            update,
            color=colors[row],
            linestyle="-" if gradient >= 0.0 else (0, (4.0, 1.2)),
            label=ticks.number(float(gradient)) + ("" if column.branches[row] == 0 else "*"),
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
    magnitudes, rates = np.abs(column.constant_gradients), column.learning_rates
    panel.set_xscale("log")
    for arm, linestyle in (
        (column.constant_gradients < 0.0, (0, (4.0, 1.2))),
        (column.constant_gradients > 0.0, "-"),
    ):
        own = arm & _own(column)
        panel.plot(magnitudes[own], rates[own], linestyle=linestyle, **OWN)
    for rows in _others(column):
        panel.plot(magnitudes[rows], rates[rows], **OTHER)
    _markers(panel, column, np.stack([magnitudes, rates], axis=1), colors)
    no_slope = column.rate_codes == RateCode.NOT_DIFFERENTIABLE
    panel.plot(magnitudes[no_slope], rates[no_slope], **codes.NO_SLOPE, zorder=5)
    beside = column.rate_codes == RateCode.NOT_REPRESENTATIVE
    gains = np.where(beside, column.gains, np.nan)
    panel.plot(magnitudes, gains, "+", color=codes.GAIN["color"], markersize=4.5, zorder=4)
    panel.axhline(column.momentum_learning_rate, **tuned, zorder=0)
    shown = codes.range_of(np.concatenate([rates, gains]), column.intervals)
    high = np.nanmax([*shown, column.momentum_learning_rate, 0.0])
    panel.set_ylim(min(0.0, 1.15 * float(shown.min(initial=0.0))), 1.15 * high or 1.0)
    codes.intervals(panel, magnitudes, column.intervals, colors)
    _ends(panel, column)
    panel.set_xlabel("constant gradient $|g|$")
    ticks.modest_ticks(panel)


def _ends(panel: Axes, column: Column) -> None:
    """Draw and state where the branch of the convergence point ends, if it does."""
    ends = {"folds": [], "is lost": []}
    for code, gradient, colormap in zip(
        column.end_codes, column.end_gradients, (style.NEGATIVE, style.POSITIVE), strict=True
    ):
        if code not in ENDS:
            continue
        ends["folds" if code == Code.FOLD else "is lost"].append(ticks.number(float(gradient)))
        if gradient != 0.0:
            color = style.shades(colormap, 3)[1]
            panel.axvline(abs(gradient), color=color, linestyle=ENDS[code], linewidth=1.0, zorder=1)
    for what, places in ends.items():
        if places:
            layout.note_above(panel, f"branch {what} at $g =$ {', '.join(places)}", style.INK)


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
        branches, outcomes = ("branch", column.branches), ("code", column.codes)
        for series, value in (("branches", branches), ("outcomes", outcomes)):
            x, y = column.points.T
            parts.append(tables.rows("a", task, seed, series, (names[0], x), (names[1], y), value))
        for row, update in zip(column.shown, column.recentered_updates, strict=True):
            # The quantity is spelled as in the tables of earlier runs.
            x, y = ("gradient", column.gradients), ("recentred_update", update)
            value = ("constant_gradient", column.constant_gradients[row])
            parts.append(tables.rows("b", task, seed, "update function", x, y, value))
        parts += _rates(column)
        y = ("learning_rate", column.momentum_learning_rate)
        parts.append(tables.rows("c", task, -1, "tuned momentum", ("", np.nan), y))
    return tables.table(parts)


def _rates(column: Column) -> list[pd.DataFrame]:
    place = ("c", column.task, column.seed)
    constant = ("constant_gradient", column.constant_gradients)
    x = ("constant_gradient_magnitude", np.abs(column.constant_gradients))
    low, high = column.intervals.T
    series = [
        ("fixed points", ("effective_learning_rate", column.learning_rates), constant),
        ("intervals", ("effective_learning_rate_low", low), constant),
        ("intervals", ("effective_learning_rate_high", high), constant),
        (
            "rate codes",
            ("effective_learning_rate", column.learning_rates),
            ("rate_code", column.rate_codes),
        ),
        ("gains", ("gain_at_typical_gradient", column.gains), constant),
    ]
    parts = [tables.rows(*place, name, x, y, value) for name, y, value in series]
    x, kinds = ("constant_gradient", column.end_gradients), ("code", column.end_codes)
    return [*parts, tables.rows(*place, "ends of the branch", x, ("", np.nan), kinds)]
