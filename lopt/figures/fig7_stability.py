"""Figure 7: where optimizers are stable and how fast, over the curvatures that the task has.

Reads ``interventions/transfer.csv`` and, per task, ``interventions/<task>/stability.npz`` and
``meta_training/<task>/selection.json``.

Draws three rows, a column per task, the first two over the same curvatures lambda:
  a  the rate |mu| at which x decays per iteration on f = 1/2 lambda x^2, close to the convergence point:
     below the line at 1 it converges, the lower the faster (what is faster than 0.8 leaves the panel).
     Learned optimizer (other seeds thin), tuned baselines, and the heavy ball that is fastest on the
     curvatures below.
  b  the curvatures met: eigenvalues of the Hessian along test runs, as shares of the spectrum; how much of it
     is not positive stands above.
  c  the optimizer of this task away from home: mean meta-objective on other tasks, in a longer run, with
     rescaled gradients, at other widths. A filled marker: what is known at home foretold whether it fails;
     hollow: it did not. Crosses fail (more than a tenth of the problems diverge or go nowhere); an arrow at
     the right edge: further, or runs diverged.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lopt.figures import layout, style, tables, ticks
from lopt.figures.roles import LEARNED, Roles
from lopt.records import evaluation
from lopt.records.interventions import Stability
from lopt.records.results import Results

__all__ = ["CAPTION", "READS", "TITLE", "Column", "Data", "draw", "numbers", "read"]

TITLE = "Figure 7"
CAPTION = """\
**Stability and speed by curvature.** Top: rate at which the parameter decays on a quadratic, close to
the convergence point (below 1: stable). Middle: the curvatures that the task has along test runs.
Bottom: the optimizer on other tasks, horizons, gradients and sizes, and whether failure was foretold.
"""
READS = ("selection", "stability", "transfer")

HEAVY_BALL = "heavy_ball"
HEAVY_BALL_LOOK = {"color": style.INK, "linestyle": (0, (1.0, 1.0)), "linewidth": 1.0}
LOWEST, HIGHEST = 0.8, 1.12  # of the rates shown
BINS = 30
FARTHEST = 30.0  # meta-objective at which runs lie that went further, or diverged


class Away(NamedTuple):
    """One run away from home."""

    label: str
    objective: float
    diverged: int
    failed: bool
    foretold: bool


class Column(NamedTuple):
    """What is shown of one task."""

    task: str
    seed: int
    stability: Stability
    away: tuple["Away", ...]


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
    roles, table = Roles.of(results), results.transfer()
    columns = [
        Column(task, results.selected(task), results.stability(task), _away(table, task, roles))
        for task in results.tasks
    ]
    return Data(results.scale, roles, tuple(columns))


def _away(table: pd.DataFrame, home: str, roles: Roles) -> tuple[Away, ...]:
    own = table[(table["home"] == home) & (table["optimizer"] == evaluation.LEARNED)]
    return tuple(
        Away(
            _called(str(entry.condition), str(entry.value), roles),
            float(entry.meta_objective),
            int(entry.diverged),
            entry.failed == "yes",
            entry.failed == entry.predicted,
        )
        for entry in own.itertuples()
    )


def _called(condition: str, value: str, roles: Roles) -> str:
    """Return what a condition is called."""
    if condition == "task":
        return f"on {roles.label(value)}"
    if condition == "horizon":
        return f"{value} times the steps"
    return f"{condition} \u00d7 {float(value):g}"


@style.styled
def draw(data: Data) -> Figure:
    """Draw the figure."""
    labels = list(dict.fromkeys(run.label for column in data.columns for run in column.away))
    # Where nothing is known of other tasks there is no third row.
    heights = [1.6, 1.05, *([max(1.05, 0.3 + 0.15 * len(labels))] if labels else [])]
    figure, axes = layout.panels(heights, len(data.columns))
    fill(axes[:2], data)
    for place, column in enumerate(data.columns if labels else ()):
        _transfer(axes[2, place], column, labels, labelled=place == 0)
    if labels:
        axes[2, 0].set_ylabel("away from home")
    layout.column_titles(axes, data.roles.titles(data.columns))
    layout.row_letters(axes)
    layout.legend(figure, _handles(data))
    layout.small_print(figure, data.scale, data.roles.seeds(data.columns))
    return figure


def fill(axes: np.ndarray, data: Data) -> None:
    """Draw rates and curvatures into ``axes``, two rows with a column for each of the data's."""
    for (top, middle), column in zip(axes.T, data.columns, strict=True):
        _rates(top, column, data.roles)
        _curvatures(middle, column)
    axes[0, 0].set_ylabel("rate $|\\mu|$ per iteration")
    axes[1, 0].set_ylabel("share of spectrum")


def _handles(data: Data) -> list[Line2D]:
    names = {str(name) for column in data.columns for name in column.stability.optimizers}
    tuned = data.roles.in_order(names & set(data.roles.baselines))
    handles = [
        Line2D([], [], **data.roles.role(evaluation.LEARNED).line()),
        *(Line2D([], [], **data.roles.role(name).line()) for name in tuned),
    ]
    if any(len(column.stability.optimizers) > 1 for column in data.columns):
        handles.append(Line2D([], [], **HEAVY_BALL_LOOK, label="fastest heavy ball"))
    if not any(column.away for column in data.columns):
        return handles
    return [
        *handles,
        style.mark("works", "o", LEARNED.color),
        style.mark("fails", "X", LEARNED.color),
        style.mark("not foretold", "o", LEARNED.color, markerfacecolor="white"),
    ]


def _rates(panel: Axes, column: Column, roles: Roles) -> None:
    record = column.stability
    look: Any
    for name, seed, rates in zip(record.optimizers, record.seeds, record.rates, strict=True):
        if name == evaluation.LEARNED:
            shown = seed == column.seed
            look = {"color": LEARNED.color, "linewidth": 1.5 if shown else 0.6, "zorder": 4}
            look["alpha"] = 1.0 if shown else 0.5
        elif name == HEAVY_BALL:
            look = HEAVY_BALL_LOOK | {"zorder": 3}
        else:
            look = roles.role(str(name)).line() | {"linewidth": 1.0, "zorder": 2}
        panel.plot(record.curvatures, rates, **look)
    known = record.rates[np.isfinite(record.rates) & (record.rates < 1.0)]
    low = float(np.clip(known.min(), LOWEST, 0.95)) if known.size else 0.95
    panel.axhline(1.0, color=style.INK, linewidth=0.6, zorder=1)
    panel.set(xscale="log", xlim=record.curvatures[[0, -1]], ylim=(low - 0.02, HIGHEST))
    ticks.modest_ticks(panel)


def _edges(record: Stability) -> Float[np.ndarray, " edge"]:
    return np.geomspace(record.curvatures[0], record.curvatures[-1], BINS + 1)


def _shares(record: Stability) -> Float[np.ndarray, " bin"]:
    """Return the share of the spectrum in each bin of positive curvatures."""
    return np.histogram(record.met_curvatures, _edges(record), weights=record.met_weights)[0]


def _curvatures(panel: Axes, column: Column) -> None:
    record = column.stability
    panel.stairs(_shares(record), _edges(record), fill=True, color=style.GRAY)
    panel.set(xscale="log", xlim=record.curvatures[[0, -1]])
    panel.set_ylim(bottom=0.0)
    panel.set_xlabel("curvature $\\lambda$")
    below = float(record.met_weights[record.met_curvatures < record.curvatures[0]].sum())
    if below >= 0.005:
        layout.note_above(
            panel, f"{below:.0%} below {ticks.number(record.curvatures[0])}", style.INK
        )
    ticks.modest_ticks(panel)


def _transfer(panel: Axes, column: Column, labels: list[str], labelled: bool) -> None:
    known = [run.objective for run in column.away if np.isfinite(run.objective)]
    low = 0.5 * min([*known, 0.1])
    for run in column.away:
        place = labels.index(run.label)
        look = {"marker": "X" if run.failed else "o", "color": LEARNED.color, "markersize": 4.5}
        look["markerfacecolor"] = LEARNED.color if run.foretold else "white"
        inside = np.isfinite(run.objective) and run.objective <= FARTHEST
        panel.plot(run.objective if inside else FARTHEST, place, linestyle="", zorder=3, **look)
        if not inside:
            arrow = panel.annotate(
                "\u2192", (FARTHEST, place), (4.0, 0.0), textcoords="offset points", va="center"
            )
            arrow.set_in_layout(False)
    panel.axvline(1.0, color=style.INK, linewidth=0.6, zorder=1)
    panel.hlines(range(len(labels)), low, 2.0 * FARTHEST, color="#EEEEEE", linewidth=0.5, zorder=0)
    panel.set(xscale="log", xlim=(low, 2.0 * FARTHEST), ylim=(len(labels) - 0.4, -0.6))
    ticks.modest_ticks(panel)
    panel.set_yticks(range(len(labels)), labels if labelled else [""] * len(labels))
    panel.tick_params(axis="y", length=0.0)
    panel.set_xlabel("meta-objective")


def numbers(data: Data) -> pd.DataFrame:
    """Return every number drawn."""
    parts = []
    for column in data.columns:
        record = column.stability
        for row, name in enumerate(record.optimizers):
            seed = int(record.seeds[row])
            x, y = ("curvature", record.curvatures), ("rate", record.rates[row])
            parts.append(tables.rows("a", column.task, seed, str(name), x, y))
            x, y = (
                ("stable_up_to", record.stable_up_to[row]),
                ("largest_stable", record.largest_stable[row]),
            )
            parts.append(tables.rows("a", column.task, seed, f"{name}, limits", x, y))
        edges = _edges(record)
        x, y = ("curvature", np.sqrt(edges[1:] * edges[:-1])), ("share", _shares(record))
        parts.append(tables.rows("b", column.task, column.seed, "curvatures met", x, y))
        for run in column.away:
            x, y = ("meta_objective", run.objective), ("failed", float(run.failed))
            value = ("foretold", float(run.foretold))
            parts.append(tables.rows("c", column.task, column.seed, run.label, x, y, value))
    return tables.table(parts)
