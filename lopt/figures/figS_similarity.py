"""Supplement: a map of all optimizers of a task by what they do, and which hand-made one each is nearest to.

Reads, per task, ``census/<task>/similarity.npz``.

Draws two rows, a column per task:
  a  the optimizers as points whose distances are those of their updates after the same gradients (1: nothing
     in common), as well as a plane can show them; learned ones by variant, the tuned baselines as large
     diamonds.
  b  per variant, the distance of every optimizer to the nearest baseline, in that baseline's color; hollow,
     to the others.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lopt.figures import layout, style, tables
from lopt.figures.roles import COLORS, Roles
from lopt.records.census import NOT_LEARNED, Similarity
from lopt.records.results import Results

__all__ = ["CAPTION", "READS", "TITLE", "Column", "Data", "draw", "nearest", "numbers", "read"]

TITLE = "Similarity"
CAPTION = """\
**Similarity.** Top: a map of all optimizers of a task by their updates after the same gradients.
Bottom: how far each learned one is from the tuned baselines, the nearest filled.
"""
READS = ("similarity",)


class Column(NamedTuple):
    """What is shown of one task."""

    task: str
    seed: int
    record: Similarity


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
    columns = [Column(task, -1, results.similarity(task)) for task in results.counted]
    return Data(results.scale, Roles.of(results), tuple(columns))


def nearest(record: Similarity) -> Int[np.ndarray, " optimizer"]:
    """Return for each optimizer the row of the baseline nearest to it by behavior; -1 where there is none."""
    (made,) = np.nonzero(record.seeds == NOT_LEARNED)
    if not made.size:
        return np.full(len(record.seeds), -1)
    return made[record.behavior[:, made].argmin(axis=1)]


def _variants(record: Similarity) -> list[str]:
    return list(dict.fromkeys(record.optimizers[record.seeds != NOT_LEARNED].tolist()))


@style.styled
def draw(data: Data) -> Figure:
    """Draw the figure."""
    known = list(dict.fromkeys(name for c in data.columns for name in _variants(c.record)))
    figure, axes = layout.panels([1.8, max(1.05, 0.3 + 0.17 * len(known))], len(data.columns))
    for place, ((top, bottom), column) in enumerate(zip(axes.T, data.columns, strict=True)):
        _map(top, column, known, data.roles)
        _strips(bottom, column, known, data.roles, labelled=place == 0)
    axes[0, 0].set_ylabel("second axis")
    axes[1, 0].set_ylabel("learned")
    layout.column_titles(axes, data.roles.titles(data.columns))
    layout.row_letters(axes)
    made = [
        str(name)
        for c in data.columns
        for name, seed in zip(c.record.optimizers, c.record.seeds, strict=True)
        if seed == NOT_LEARNED
    ]
    handles = [style.mark(data.roles.label(name), "o", _color(known, name)) for name in known]
    for name in data.roles.in_order(made):
        role = data.roles.role(name)
        handles.append(style.mark(role.label, "D", role.color))
    layout.legend(figure, handles)
    layout.small_print(figure, data.scale, data.roles.seeds(data.columns))
    return figure


def _color(known: list[str], name: str) -> str:
    return COLORS[known.index(name) % len(COLORS)]


def _map(panel: Axes, column: Column, known: list[str], roles: Roles) -> None:
    record = column.record
    for name, seed, (x, y) in zip(record.optimizers, record.seeds, record.coordinates, strict=True):
        if seed == NOT_LEARNED:
            panel.plot(x, y, "D", color=roles.role(str(name)).color, markersize=5.5, zorder=3)
        else:
            panel.plot(x, y, "o", color=_color(known, str(name)), markersize=2.8, zorder=2)
    panel.set_xlabel(f"first axis ({record.shares[0]:.0%}, second {record.shares[1]:.0%})")
    panel.margins(0.1)


def _strips(panel: Axes, column: Column, known: list[str], roles: Roles, labelled: bool) -> None:
    record, closest = column.record, nearest(column.record)
    (made,) = np.nonzero(record.seeds == NOT_LEARNED)
    for row in np.flatnonzero(record.seeds != NOT_LEARNED):
        place = known.index(str(record.optimizers[row]))
        for other in made:
            color = roles.role(str(record.optimizers[other])).color
            filled = other == closest[row]
            panel.plot(
                record.behavior[row, other],
                place,
                "o",
                color=color,
                markersize=3.2 if filled else 2.2,
                markerfacecolor=color if filled else "none",
                markeredgewidth=0.5,
                zorder=3 if filled else 2,
            )
    panel.set_xlim(0.0, 1.45)
    panel.set_ylim(len(known) - 0.4, -0.6)
    panel.set_yticks(
        range(len(known)), [roles.label(n) for n in known] if labelled else [""] * len(known)
    )
    panel.tick_params(axis="y", length=0.0)
    panel.set_xlabel("distance to baselines")


def numbers(data: Data) -> pd.DataFrame:
    """Return every number drawn."""
    parts = []
    for column in data.columns:
        record, closest = column.record, nearest(column.record)
        for row, name in enumerate(record.optimizers):
            seed, (x, y) = int(record.seeds[row]), record.coordinates[row]
            parts.append(
                tables.rows("a", column.task, seed, str(name), ("first", x), ("second", y))
            )
            if seed == NOT_LEARNED:
                continue
            for other in np.flatnonzero(record.seeds == NOT_LEARNED):
                series = f"{name} to {record.optimizers[other]}"
                distances = ("behavior", record.behavior[row, other])
                modes = ("spectra", record.spectra[row, other])
                first = ("nearest", float(other == closest[row]))
                parts.append(tables.rows("b", column.task, seed, series, distances, modes, first))
    return tables.table(parts)
