"""Figure 7: where optimizers are stable and how fast, over the curvatures that the task has.

Reads, per task: ``interventions/<task>/stability.npz`` and ``meta_training/<task>/selection.json``.

Draws two rows, a column per task, over the same curvatures lambda:
  a  the rate |mu| at which x decays per iteration on f = 1/2 lambda x^2, close to the convergence point:
     below the line at 1 it converges, the lower the faster (what is faster than 0.8 leaves the panel).
     Learned optimizer (other seeds thin), tuned baselines, and the heavy ball that is fastest on the
     curvatures below.
  b  the curvatures met: eigenvalues of the Hessian along test runs, as shares of the spectrum; how much of it
     is not positive stands above.
"""

from typing import NamedTuple

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
the convergence point (below 1: stable). Bottom: the curvatures that the task has along test runs.
"""
READS = ("selection", "stability")

HEAVY_BALL = "heavy_ball"
HEAVY_BALL_LOOK = {"color": style.INK, "linestyle": (0, (1.0, 1.0)), "linewidth": 1.0}
LOWEST, HIGHEST = 0.8, 1.12  # of the rates shown
BINS = 30


class Column(NamedTuple):
    """What is shown of one task."""

    task: str
    seed: int
    stability: Stability


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
    columns = [
        Column(task, results.selected(task), results.stability(task)) for task in results.tasks
    ]
    return Data(results.scale, Roles.of(results), tuple(columns))


@style.styled
def draw(data: Data) -> Figure:
    """Draw the figure."""
    figure, axes = layout.panels([1.6, 1.05], len(data.columns))
    for (top, bottom), column in zip(axes.T, data.columns, strict=True):
        _rates(top, column, data.roles)
        _curvatures(bottom, column)
    axes[0, 0].set_ylabel("rate $|\\mu|$ per iteration")
    axes[1, 0].set_ylabel("share of spectrum")
    layout.column_titles(axes, data.roles.titles(data.columns))
    layout.row_letters(axes)
    layout.legend(figure, _handles(data))
    layout.small_print(figure, data.scale, data.roles.seeds(data.columns))
    return figure


def _handles(data: Data) -> list[Line2D]:
    names = {str(name) for column in data.columns for name in column.stability.optimizers}
    tuned = data.roles.in_order(names & set(data.roles.baselines))
    handles = [
        Line2D([], [], **LEARNED.line()),
        *(Line2D([], [], **data.roles.role(name).line()) for name in tuned),
    ]
    if any(len(column.stability.optimizers) > 1 for column in data.columns):
        handles.append(Line2D([], [], **HEAVY_BALL_LOOK, label="fastest heavy ball"))
    return handles


def _rates(panel: Axes, column: Column, roles: Roles) -> None:
    record = column.stability
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
    return tables.table(parts)
