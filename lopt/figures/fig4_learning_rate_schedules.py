"""Figure 4: learning-rate schedules, run by the optimizer's own clock.

Reads, per task: ``analysis/<task>/seed_<n>/{fixed_points,responses}.npz`` of the selected seed,
``baselines/<task>/momentum/best.json`` if momentum was tuned, and ``meta_training/<task>/selection.json``.

Draws two rows, a column per task:
  a  the autonomous trajectory (the gradient is 0 throughout) on the two principal axes along which it
     extends most: circle at the initial state, square at the convergence point, visited states gray. Other
     attractors stand there too, gray if they are stable, hollow if not; continua and limit cycles have
     markers of their own (``lopt.figures.codes``).
  b  the effective learning rate along it, with tuned momentum's learning rate dashed. At the right end, the
     rates at the attractors, with what their errors leave open. Where the update has no slope at g = 0 there
     is no rate, and where it describes no gradient that is met it is not the whole story: the gain at the
     typical gradient is drawn then, dotted. Above: the drift, the update at the convergence point where the
     gradient is 0, and of several attractors which one the figures show, with its basin share.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lopt.figures import codes, layout, style, tables, ticks
from lopt.figures.roles import Roles
from lopt.records import attractors
from lopt.records.analysis import Code, FixedPointAnalysis, RateCode
from lopt.records.results import Results

__all__ = ["CAPTION", "READS", "TITLE", "Column", "Data", "draw", "fill", "numbers", "read"]

TITLE = "Figure 4"
CAPTION = """\
**Learning-rate schedules.** Top: the autonomous trajectory (gradient 0 throughout), from the
initial state (circle) to the convergence point (square); other attractors gray, unstable ones
hollow. Bottom: effective learning rate along it, and at the attractors (right end); dashed: tuned
momentum. Above: the drift, the update at the convergence point without gradient.
"""
READS = ("selection", "fixed_points", "responses", "momentum")

LIMIT = 4.0  # of row a, as published


class Column(NamedTuple):
    """What is shown of one task; projections are on the two axes of ``pair``."""

    task: str
    seed: int
    pair: Int[np.ndarray, "2"]
    visited: Float[np.ndarray, "visited 2"]
    trajectory: Float[np.ndarray, "steps_plus_1 2"]
    convergence_point: Float[np.ndarray, "2"]
    attractors: Float[np.ndarray, "attractor 2"]
    found: FixedPointAnalysis
    learning_rates: Float[np.ndarray, " steps_plus_1"]
    rate_codes: Int[np.ndarray, " steps_plus_1"]
    gains: Float[np.ndarray, " steps_plus_1"]
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
        attractors=responses.projected_attractors[:, pair],
        found=results.fixed_points(task, seed),
        learning_rates=responses.autonomous_learning_rates,
        rate_codes=responses.autonomous_rate_codes,
        gains=responses.autonomous_gains,
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
        Line2D([], [], **style.VISITED | style.Look(markersize=3.0), label="visited states"),
        Line2D([], [], **style.INITIAL_STATE, label="initial state"),
        Line2D([], [], **style.CONVERGENCE_POINT, label="convergence point"),
        Line2D([], [], color=style.LEARNED_COLOR, label="zero-gradient trajectory"),
    ]
    others = [_others(column) for column in data.columns]
    kinds = {kind for each in others for kind in each.values()}
    handles += [Line2D([], [], **OTHER, **look, label=label) for label, look in _looks(kinds)]
    handles += codes.gain_handles(
        np.concatenate([column.rate_codes for column in data.columns]), line=True
    )
    if any(np.isfinite(column.momentum_learning_rate) for column in data.columns):
        handles.append(Line2D([], [], **data.roles.tuned("momentum")))
    layout.legend(figure, handles)
    layout.small_print(figure, data.scale, data.roles.seeds(data.columns))
    return figure


OTHER: style.Look = {"markeredgecolor": "black", "mew": 0.6, "linestyle": ""}
NAMES = {
    Code.CONVERGED: "fixed point",
    Code.UNDETERMINED: "undetermined point",
    Code.CONTINUUM: "continuum",
    Code.LIMIT_CYCLE: "limit cycle",
}


def _others(column: Column) -> dict[int, tuple[Code, bool]]:
    """Return the rows of attractors other than the one shown: what each is, and whether it is stable."""
    found, shown = column.found, attractors.shown_attractor(column.found)
    return {
        row: (Code(int(found.attractor_codes[row])), found.attractor_stable[row] == 1)
        for row in range(len(found.attractor_codes))
        if row != shown
    }


def _look(code: Code, stable: bool) -> dict:
    kind = codes.OUTCOMES[code]
    return {
        "marker": "s" if code == Code.CONVERGED else kind.marker,
        "markersize": 4.2 * kind.scale,
        "markerfacecolor": "#9A9A9A" if stable else "white",
    }


def _looks(kinds: set[tuple[Code, bool]]) -> list[tuple[str, dict]]:
    """Return labels and looks of other attractors, for the legend."""
    return [
        (
            f"{'other' if stable else 'unstable'} {NAMES.get(code, code.name.lower())}",
            _look(code, stable),
        )
        for code, stable in sorted(kinds, key=lambda kind: (kind[0], not kind[1]))
    ]


def fill(axes: np.ndarray, data: Data) -> None:
    """Draw the panels into ``axes``, two rows with a column for each of the data's."""
    for (top, bottom), column in zip(axes.T, data.columns, strict=True):
        _trajectory(top, column)
        _learning_rate(bottom, column, data.roles.tuned("momentum"))
    axes[1, 0].set_ylabel("effective learning rate")


def _trajectory(panel: Axes, column: Column) -> None:
    limit = ticks.square_limit(np.concatenate([column.trajectory, column.attractors]), LIMIT)
    panel.plot(*column.visited.T, **style.VISITED)
    panel.plot(*column.trajectory.T, color=style.LEARNED_COLOR, zorder=3)
    for row, kind in _others(column).items():
        panel.plot(*column.attractors[row], **OTHER, **_look(*kind), zorder=4)
    panel.plot(*column.convergence_point, **style.CONVERGENCE_POINT, zorder=4)
    panel.plot(*column.trajectory[0], **style.INITIAL_STATE, zorder=5)
    panel.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    panel.set_xlabel(f"PC {column.pair[0] + 1}")
    panel.set_ylabel(f"PC {column.pair[1] + 1}")
    ticks.modest_ticks(panel)


def _learning_rate(panel: Axes, column: Column, tuned: dict) -> None:
    last, found = len(column.learning_rates) - 1, column.found
    gains, drawn = _gains(column), _rates(column)
    panel.plot(drawn, color=style.LEARNED_COLOR, zorder=3)
    if np.any(np.isfinite(gains)):
        panel.plot(gains, **codes.GAIN, zorder=3)
    panel.axhline(column.momentum_learning_rate, **tuned)
    at_ends, bounds = found.attractor_learning_rates, found.attractor_learning_rate_intervals
    shown = codes.range_of(np.concatenate([drawn, gains, at_ends]), bounds)
    high = np.nanmax([*shown, column.momentum_learning_rate, 0.0])
    low = min(0.0, 1.15 * float(shown.min(initial=0.0)))
    panel.set(xlim=(0, last), ylim=(low, 1.15 * high or 1.0))
    # At the axis's end, hence over it.
    codes.intervals(panel, np.full(len(bounds), float(last)), bounds, style.INK)
    for row, kind in _others(column).items():
        panel.plot(last, at_ends[row], **OTHER, **_look(*kind), zorder=4, clip_on=False)
    row = attractors.shown_attractor(found)
    if row is not None:
        panel.plot(last, at_ends[row], **style.CONVERGENCE_POINT, zorder=5, clip_on=False)
    drift = codes.with_error(float(found.convergence_update), found.convergence_update_interval)
    layout.note_above(panel, f"drift: {drift}", style.INK)
    if which := _which(found, row):
        layout.note_above(panel, which, style.INK)
    panel.set_xlabel("iteration")
    ticks.modest_ticks(panel)


def _rates(column: Column) -> Float[np.ndarray, " steps_plus_1"]:
    """Return the effective learning rate, where there is one."""
    exists = column.rate_codes != RateCode.NOT_DIFFERENTIABLE
    return np.where(exists, column.learning_rates, np.nan)


def _gains(column: Column) -> Float[np.ndarray, " steps_plus_1"]:
    """Return the gains, if they say anything that the rates do not."""
    needed = np.any(column.rate_codes != RateCode.SMOOTH)
    return column.gains if needed else np.full(len(column.gains), np.nan)


def _which(found: FixedPointAnalysis, row: int | None) -> str:
    """Return which of several attractors the figures show, in words; nothing if all runs end at one."""
    count = int(np.sum(found.attractor_stable == 1))
    if row is None:
        return f"shown: none of {count} attractors"
    share = float(found.attractor_basin_shares[row])
    if attractors.is_alone(count, share):
        return ""
    return f"shown: 1 of {count} attractors, basin {share:.0%}"


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
        found, x = column.found, ("iteration", iteration)
        kinds = ("rate_code", column.rate_codes)
        for y in (
            ("effective_learning_rate", _rates(column)),
            ("gain_at_typical_gradient", column.gains),
        ):
            parts.append(tables.rows("b", task, seed, "autonomous trajectory", x, y, kinds))
        x, y = ((axis, column.attractors[:, k]) for k, axis in enumerate(axes))
        shares = ("basin_share", found.attractor_basin_shares)
        parts.append(tables.rows("a", task, seed, "attractors", x, y, shares))
        x = ("iteration", iteration[-1])
        low, high = found.attractor_learning_rate_intervals.T
        for y in (
            ("effective_learning_rate", found.attractor_learning_rates),
            ("effective_learning_rate_low", low),
            ("effective_learning_rate_high", high),
        ):
            stable = ("stable", found.attractor_stable)
            parts.append(tables.rows("b", task, seed, "attractors", x, y, stable))
        low, high = found.convergence_update_interval
        for y in (("drift", found.convergence_update), ("drift_low", low), ("drift_high", high)):
            parts.append(tables.rows("b", task, seed, "convergence point", ("", np.nan), y))
        y = ("learning_rate", column.momentum_learning_rate)
        parts.append(tables.rows("b", task, -1, "tuned momentum", ("", np.nan), y))
    return tables.table(parts)
