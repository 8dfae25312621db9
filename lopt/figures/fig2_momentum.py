"""Figure 2: learned optimizers have momentum, carried by a slow mode.

Reads, per task and the selected seed: ``analysis/<task>/seed_<n>/{trajectories,linearization,
responses}.npz``, and ``meta_training/<task>/selection.json``.

Draws three rows, a column per task:
  a  the states visited (gray) around the convergence point (black square) on the two principal axes
     that hold most of the slow mode; five arrows point at the positions along the slow mode that row b
     is computed at. Inset: total variance of the states across runs against iteration: it falls to
     nothing when all runs end at one point.
  b  the update function at each position, in its arrow's color: momentum shifts it vertically. Where the
     curves cannot be told apart, an inset shows their differences from their mean over positions. The black
     square is the drift, the update at the convergence point where the gradient is 0, which is stated above
     with what its error leaves open.
  c  the eigenvalues of the linearized optimizer at the convergence point with the unit circle, colored
     by the size of the mode's learning rate: |alpha|, of a conjugate pair that of both, of a cluster of equal
     eigenvalues that of all. Rings are around the slow mode. Above: the cancellation ratio sum |alpha| /
     |sum alpha|, 1 where all modes pull one way, and the slow mode's learning rate, of a pair that of both
     together; likewise the leading mode's, if that is another one.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Complex, Float, Int
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Rectangle

from lopt.figures import codes, layout, style, tables, ticks
from lopt.figures.roles import Roles
from lopt.records.analysis import Linearization, ModeCode
from lopt.records.results import Results

__all__ = ["CAPTION", "READS", "TITLE", "Column", "Data", "draw", "fill", "numbers", "read"]

TITLE = "Figure 2"
CAPTION = """\
**Momentum.** Top: states near the convergence point with five positions along the slow mode;
inset: variance of the states across runs. Middle: update functions at these positions; momentum
shifts them vertically; square: the drift, the update at the convergence point without gradient.
Bottom: eigenvalues of the linearized optimizer in the complex plane, colored by learning rate,
pairs whole; rings: the slow mode. Above: how much the modes cancel, and what the slow mode's
members do together.
"""
READS = ("selection", "trajectories", "linearization", "responses")

LIMIT = 1.0  # of row a, as published
RING: style.Look = {
    "marker": "o",
    "markersize": 7.0,
    "markerfacecolor": "none",
    "markeredgecolor": "#DE4968",
    "mew": 0.9,
    "linestyle": "",
}
RATES = LinearSegmentedColormap.from_list("rates", ["#D5D9DE", "#7FA8D2", "#2B6CB8", "#0B2A55"])


class Column(NamedTuple):
    """What is shown of one task; projections are on the two axes of ``pair``."""

    task: str
    seed: int
    pair: Int[np.ndarray, "2"]
    visited: Float[np.ndarray, "visited 2"]
    convergence_point: Float[np.ndarray, "2"]
    direction: Float[np.ndarray, "2"]
    positions: Float[np.ndarray, " position"]
    position_points: Float[np.ndarray, "position 2"]
    total_variance: Float[np.ndarray, " steps_plus_1"]
    gradients: Float[np.ndarray, " update_grid"]
    updates: Float[np.ndarray, "position update_grid"]
    drift: float
    drift_interval: Float[np.ndarray, "2"]
    eigenvalues: Complex[np.ndarray, " mode"]
    sizes: Float[np.ndarray, " mode"]
    learning_rates: Float[np.ndarray, " mode"]
    learning_rate_errors: Float[np.ndarray, " mode"]
    slow: Bool[np.ndarray, " mode"]
    leading: Bool[np.ndarray, " mode"]
    cancellation_ratio: float
    mode_code: int


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
    responses, linearization = results.responses(task, seed), results.linearization(task, seed)
    pair = responses.slow_mode_pair
    return Column(
        task=task,
        seed=seed,
        pair=pair,
        visited=responses.projected_visited[:, pair],
        convergence_point=responses.projected_convergence_point[pair],
        direction=responses.projected_slow_mode_direction[pair],
        positions=responses.slow_mode_positions,
        position_points=responses.projected_slow_mode_states[:, pair],
        total_variance=results.trajectories(task, seed).total_variance,
        gradients=responses.update_gradients,
        updates=responses.slow_mode_updates,
        drift=float(responses.convergence_update),
        drift_interval=responses.convergence_update_interval,
        eigenvalues=linearization.eigenvalues,
        sizes=linearization.whole_sizes,
        learning_rates=linearization.whole_learning_rates,
        learning_rate_errors=linearization.learning_rate_errors,
        slow=_members(linearization, int(linearization.slow_mode)),
        leading=_members(linearization, int(linearization.leading_mode)),
        cancellation_ratio=float(linearization.cancellation_ratio),
        mode_code=int(linearization.mode_code),
    )


def _members(modes: Linearization, head: int) -> Bool[np.ndarray, " mode"]:
    """Return which eigenvalues are one mode with that of ``head``: its cluster, and their conjugates."""
    own = modes.clusters == modes.clusters[head]
    if modes.eigenvalues[head].imag > 0.0:
        own |= modes.clusters == modes.clusters[head + 1]
    return own


@style.styled
def draw(data: Data) -> Figure:
    """Draw the figure."""
    figure, axes = layout.panels([1.575, 1.34, 1.81], len(data.columns))
    fill(axes, data)
    layout.column_titles(axes, data.roles.titles(data.columns))
    layout.row_letters(axes)
    arrow_color = style.shades(style.POSITIONS, 5)[2]
    layout.legend(
        figure,
        [
            Line2D([], [], **style.VISITED | style.Look(markersize=3.0), label="visited states"),
            Line2D([], [], **style.CONVERGENCE_POINT, label="convergence point"),
            style.mark("positions along the slow mode", r"$\downarrow$", arrow_color, markersize=7),
            Line2D([], [], **RING, label="slow mode"),
        ],
    )
    layout.small_print(figure, data.scale, data.roles.seeds(data.columns))
    return figure


def fill(axes: np.ndarray, data: Data) -> None:
    """Draw the panels into ``axes``, three rows with a column for each of the data's."""
    for (top, middle, bottom), column in zip(axes.T, data.columns, strict=True):
        _states(top, column)
        _updates(middle, column)
        _eigenvalues(bottom, column)
    axes[1, 0].set_ylabel(r"update $\Delta x$")
    axes[2, 0].set_ylabel(r"Im $\lambda$")


def _states(panel: Axes, column: Column) -> None:
    limit = ticks.square_limit(column.position_points, LIMIT)
    panel.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    panel.plot(*column.visited.T, **style.VISITED)
    normal = _normal(column.direction)
    tails = column.position_points + 0.3 * limit * normal
    colors = style.shades(style.POSITIONS, len(column.positions))
    for point, tail, color in zip(column.position_points, tails, colors, strict=True):
        panel.annotate(
            "",
            xy=point,
            xytext=tail,
            arrowprops={
                "arrowstyle": "-|>",
                "color": color,
                "linewidth": 1.4,
                "mutation_scale": 7.0,
                "shrinkA": 0.0,
                "shrinkB": 0.0,
            },
            zorder=4,
        )
    panel.plot(*column.convergence_point, **style.CONVERGENCE_POINT, zorder=5)
    panel.set_xlabel(f"PC {column.pair[0] + 1}")
    panel.set_ylabel(f"PC {column.pair[1] + 1}")
    ticks.modest_ticks(panel)
    _variance(panel, column, limit, np.concatenate([column.position_points, tails]))


def _normal(direction: Float[np.ndarray, "2"]) -> Float[np.ndarray, "2"]:
    """Return the upward unit normal of a direction in the plane."""
    length = float(np.hypot(*direction))
    x, y = direction / length if length > 0.0 else (1.0, 0.0)
    return np.array([-y, x]) if x >= 0.0 else np.array([y, -x])


def _variance(
    panel: Axes, column: Column, limit: float, arrows: Float[np.ndarray, "end 2"]
) -> None:
    """Draw the inset in the corner that covers least, arrows before states."""
    width, height = 0.40, 0.35

    def hidden(corner: tuple[int, int]) -> tuple[int, int]:
        counts = []
        for points in (arrows, column.visited):
            x, y = (points * corner / limit).T
            low = 0.98 - 2.0 * np.array([width, height])
            counts.append(int(np.sum((low[0] < x) & (x < 1.0) & (low[1] < y) & (y < 1.0))))
        return counts[0], counts[1]

    right, top = min([(1, 1), (-1, 1), (1, -1), (-1, -1)], key=hidden)
    x, y = (0.99 - width if right > 0 else 0.01), (0.99 - height if top > 0 else 0.01)
    backing = Rectangle(
        (x, y), width, height, transform=panel.transAxes, color="white", alpha=0.85, zorder=6, lw=0
    )
    panel.add_patch(backing)
    inset = panel.inset_axes((x + 0.07, y + 0.15, width - 0.12, height - 0.24), zorder=7)
    inset.plot(column.total_variance, color=style.INK, linewidth=0.9)
    inset.set_xlim(0, len(column.total_variance) - 1)
    inset.set_ylim(0.0, None)
    inset.set_xticks([0, len(column.total_variance) - 1])
    inset.set_yticks([0])
    inset.tick_params(labelsize=5.0, length=1.5, pad=1.0)
    inset.set_title("total variance", fontsize=5.5, pad=1.5)
    inset.set_xlabel("iteration", fontsize=5.0, labelpad=-1.0)
    inset.patch.set_alpha(0.0)


def _shifts(column: Column) -> Float[np.ndarray, "position update_grid"] | None:
    """Return the updates minus their mean over positions, if the curves could not be told apart."""
    shifts = column.updates - column.updates.mean(axis=0)
    return shifts if np.ptp(shifts, axis=0).max() < 0.06 * np.ptp(column.updates) else None


def _updates(panel: Axes, column: Column) -> None:
    colors = style.shades(style.POSITIONS, len(column.positions))
    for update, color in zip(column.updates, colors, strict=True):
        panel.plot(column.gradients, update, color=color)
    ticks.modest_ticks(panel)
    ticks.gradient_axis(panel, column.gradients)
    codes.intervals(panel, np.zeros(1), column.drift_interval[None], style.INK)
    panel.plot(0.0, column.drift, **style.CONVERGENCE_POINT, zorder=4)
    drift = codes.with_error(column.drift, column.drift_interval)
    layout.note_above(panel, f"drift: {drift}", style.INK)
    panel.set_xlabel("gradient $g$")
    shifts = _shifts(column)
    if shifts is None:
        return
    # The curves fall: the upper right corner is free.
    inset = panel.inset_axes((0.60, 0.66, 0.38, 0.24))
    for shift, color in zip(shifts, colors, strict=True):
        inset.plot(column.gradients, shift, color=color, linewidth=0.9)
    largest = float(np.abs(shifts).max()) or 1.0
    inset.set(xlim=(column.gradients[0], column.gradients[-1]), ylim=(-largest, largest))
    inset.set(xticks=[], yticks=[])
    inset.set_title(
        f"differences ($\\pm$ {ticks.number(largest)})", fontsize=5.5, pad=2, loc="right"
    )


def _eigenvalues(panel: Axes, column: Column) -> None:
    limit = max(1.1, 1.05 * float(np.abs(column.eigenvalues).max()))
    panel.axhline(0.0, color=style.GRAY, linewidth=0.5, zorder=0)
    panel.axvline(0.0, color=style.GRAY, linewidth=0.5, zorder=0)
    panel.add_patch(Circle((0.0, 0.0), 1.0, fill=False, edgecolor=style.INK, linewidth=0.7))
    rates = column.sizes
    order = np.argsort(rates, kind="stable")  # the fastest on top
    cloud = panel.scatter(
        np.real(column.eigenvalues)[order],
        np.imag(column.eigenvalues)[order],
        c=rates[order],
        cmap=RATES,
        vmin=0.0,
        s=11.0,
        edgecolors="#5A6570",
        linewidths=0.25,
        zorder=3,
    )
    panel.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    panel.set_xlabel(r"Re $\lambda$")
    panel.set_xticks([-1, 0, 1])
    panel.set_yticks([-1, 0, 1])
    slow = column.eigenvalues[column.slow]
    panel.plot(np.real(slow), np.imag(slow), **RING, zorder=4)
    for note in _notes(column):
        layout.note_above(panel, note, style.INK)
    bar = panel.figure.colorbar(cloud, ax=panel, location="bottom", pad=0.03, aspect=22, shrink=0.8)
    ticks.scaled_colorbar(bar, r"learning rate of the mode, $\Sigma|\alpha|$")


def _notes(column: Column) -> list[str]:
    """Return what stands above the eigenvalues, from the bottom up."""
    notes = [_stated("slow", column, column.slow)]
    if np.any(column.slow != column.leading):
        notes.append(_stated("leading", column, column.leading))
    ratio = column.cancellation_ratio
    shown = ticks.number(ratio, 3) if np.isfinite(ratio) else r"$\infty$"
    notes.append(rf"$\Sigma|\alpha| \, / \, |\Sigma\alpha| =$ {shown}")
    if column.mode_code != ModeCode.RESOLVED:
        meaning = "act as one" if column.mode_code == ModeCode.MERGED else "mean something together"
        notes.append(f"equal eigenvalues {meaning}")
    return notes


def _stated(name: str, column: Column, members: Bool[np.ndarray, " mode"]) -> str:
    """Return what one mode does, in words: of a pair, both members together."""
    head = int(np.argmax(members))
    rate, error = column.learning_rates[head], column.learning_rate_errors[head]
    value = complex(column.eigenvalues[head])
    text, kind, rates = ticks.number(value.real, 3), "mode", r"\alpha"
    if value.imag:
        text, kind = f"{text} $\\pm$ {ticks.number(value.imag, 3)}$i$", "pair"
        rates = r"\Sigma\alpha"
    stated = codes.with_error(rate, rate + np.array([-error, error]), always=False)
    return f"{name} {kind} {text}: ${rates} =$ {stated}"


def numbers(data: Data) -> pd.DataFrame:
    """Return every number drawn."""
    parts = []
    for column in data.columns:
        task, seed = column.task, column.seed
        axes = [f"PC {axis + 1}" for axis in column.pair]
        for series, points, value in [
            ("visited states", column.visited, ("", np.nan)),
            ("convergence point", column.convergence_point[None], ("", np.nan)),
            ("slow mode", column.position_points, ("position", column.positions)),
        ]:
            x, y = points.T
            parts.append(tables.rows("a", task, seed, series, (axes[0], x), (axes[1], y), value))
        iterations = ("iteration", np.arange(len(column.total_variance)))
        variance = ("total_variance", column.total_variance)
        parts.append(tables.rows("a, inset", task, seed, "all runs", iterations, variance))
        for position, update in zip(column.positions, column.updates, strict=True):
            x, y = ("gradient", column.gradients), ("update", update)
            parts.append(
                tables.rows("b", task, seed, "update function", x, y, ("position", position))
            )
        shifts = _shifts(column)
        for position, shift in zip(
            column.positions, [] if shifts is None else shifts, strict=False
        ):
            x, y = ("gradient", column.gradients), ("difference_from_mean_update", shift)
            value = ("position", position)
            parts.append(tables.rows("b, inset", task, seed, "update function", x, y, value))
        parts += _drift_and_modes(column)
    return tables.table(parts)


def _drift_and_modes(column: Column) -> list[pd.DataFrame]:
    task, seed = column.task, column.seed
    low, high = column.drift_interval
    parts = [
        tables.rows("b", task, seed, "convergence point", ("gradient", 0.0), (quantity, number))
        for quantity, number in (("drift", column.drift), ("drift_low", low), ("drift_high", high))
    ]
    for chosen, series in (
        (np.full(len(column.sizes), True), "eigenvalues"),
        (column.slow, "slow mode"),
        (column.leading, "leading mode"),
    ):
        x = ("real_part", np.real(column.eigenvalues)[chosen])
        y = ("imaginary_part", np.imag(column.eigenvalues)[chosen])
        values = [("learning_rate_magnitude", column.sizes)]
        if series != "eigenvalues":
            values += [
                ("learning_rate_of_all_members", column.learning_rates),
                ("learning_rate_error", column.learning_rate_errors),
            ]
        for name, numbers_ in values:
            head = numbers_[chosen] if series == "eigenvalues" else numbers_[np.argmax(chosen)]
            parts.append(tables.rows("c", task, seed, series, x, y, (name, head)))
    for quantity, number in (
        ("cancellation_ratio", column.cancellation_ratio),
        ("mode_code", column.mode_code),
    ):
        parts.append(tables.rows("c", task, seed, "all modes", ("", np.nan), (quantity, number)))
    return parts
