"""Figure 8: in how many optimizers each statement holds, over families, sizes and seeds.

Reads ``census.csv`` and ``census_measured.csv``.

Draws two rows, a column per task, both with a line per statement:
  a  the share of optimizers that say yes, a column per variant: white 0, dark 1, the number in it how
  many of how
     many; optimizers whose training failed are among them. A dot at the right end: the paper says yes, a
     cross: no.
  b  the number of every optimizer that its answer rests on, as a distance from the threshold (the line at
  0), yes on
     the right: in units of the median distance of the statement's numbers, what is farther than three
     lies at the edge.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lopt.figures import layout, style, tables
from lopt.figures.roles import COLORS, Roles
from lopt.records.results import Results

__all__ = ["CAPTION", "READS", "TITLE", "Column", "Data", "draw", "numbers", "read"]

TITLE = "Figure 8"
CAPTION = """\
**Census.** Top: share of optimizers in which each statement holds, by family and size, of all that were
trained. Bottom: the number of every optimizer that the answer rests on, relative to the threshold.
"""
READS = ("census", "census_measured")

LINE = 0.15  # inches per statement
FARTHEST = 3.0  # of the distances shown
YES = ("at least", "above")  # of what a yes is
ALL = "all"


class Column(NamedTuple):
    """What is shown of one task."""

    task: str
    seed: int
    variants: tuple[str, ...]
    shares: pd.DataFrame
    measured: pd.DataFrame


class Data(NamedTuple):
    """Everything that the figure shows."""

    scale: str
    roles: Roles
    statements: tuple[str, ...]
    columns: tuple[Column, ...]


def read(results: Results) -> Data:
    """Read what the figure shows.

    Raises:
        StoreError: if a file is missing or damaged.
    """
    shares, measured = results.census(), results.census_measured()
    shares = shares[shares["variant"] != ALL]
    measured = measured[measured["kind"] == "statement"]
    columns = []
    for task in dict.fromkeys(shares["task"]):
        own = shares[shares["task"] == task]
        known = measured[(measured["task"] == task) & measured["name"].isin(own["statement"])]
        columns.append(Column(str(task), -1, tuple(dict.fromkeys(own["variant"])), own, known))
    statements = tuple(dict.fromkeys(shares["statement"]))
    return Data(results.scale, Roles.of(results), statements, tuple(columns))


@style.styled
def draw(data: Data) -> Figure:
    """Draw the figure."""
    if not data.columns:
        return layout.sentence("No optimizer of this census could be measured.")
    height = max(1.05, 0.2 + LINE * len(data.statements))
    figure, axes = layout.panels([height, height], len(data.columns))
    variants = list(dict.fromkeys(name for column in data.columns for name in column.variants))
    # One color a variant, in all columns: tasks may have others.
    colors = {name: COLORS[place % len(COLORS)] for place, name in enumerate(variants)}
    for place, ((top, bottom), column) in enumerate(zip(axes.T, data.columns, strict=True)):
        _matrix(top, column, data)
        _strips(bottom, column, data, colors)
        names = [_words(name, data.roles) for name in data.statements]
        for panel in (top, bottom):
            panel.set_yticks(range(len(names)), names if place == 0 else [""] * len(names))
            panel.tick_params(axis="y", length=0.0, labelsize=5.5)
            panel.set_ylim(len(names) - 0.4, -0.6)
        bottom.set_xlabel("distance from the threshold")
    axes[0, 0].set_ylabel("share of optimizers that say yes")
    axes[1, 0].set_ylabel("every optimizer's number")
    layout.column_titles(axes, data.roles.titles(data.columns))
    layout.row_letters(axes)
    handles = [style.mark(data.roles.label(name), "o", color) for name, color in colors.items()]
    layout.legend(figure, handles)
    layout.small_print(figure, data.scale, data.roles.seeds(data.columns))
    return figure


def _words(statement: str, roles: Roles) -> str:
    """Return a statement's name in words, optimizers by the names that the other figures give them."""
    for name in roles.baselines:
        statement = statement.replace(name, roles.label(name))
    return statement.replace("s_curve", "S-curve").replace("_", " ")


def _matrix(panel: Axes, column: Column, data: Data) -> None:
    grid = np.full((len(data.statements), len(column.variants)), np.nan)
    for entry in column.shares.itertuples():
        row, place = data.statements.index(entry.statement), column.variants.index(entry.variant)
        grid[row, place] = entry.share
        panel.text(
            place,
            row,
            f"{entry.yes}/{entry.optimizers}",
            ha="center",
            va="center",
            fontsize=4.5,
            color="white" if entry.share > 0.55 else style.INK,
        )
        if place == 0 and entry.published in ("yes", "no"):
            marker = "o" if entry.published == "yes" else "x"
            last = len(column.variants) - 0.25
            panel.plot(last, row, marker, color=style.INK, markersize=2.5, clip_on=False)
    edges = np.arange(len(column.variants) + 1) - 0.5, np.arange(len(data.statements) + 1) - 0.5
    panel.pcolormesh(*edges, grid, cmap="Blues", vmin=0.0, vmax=1.0, zorder=0)
    panel.set_xlim(-0.5, len(column.variants))
    labels = [data.roles.label(name) for name in column.variants]
    panel.set_xticks(range(len(labels)), labels, rotation=90, fontsize=5.5)
    panel.tick_params(axis="x", length=0.0)


def _distances(found: pd.DataFrame, entry: pd.Series) -> Float[np.ndarray, " optimizer"]:
    """Return the numbers as distances from the threshold, yes positive; infinite ones stay."""
    sign = 1.0 if entry["sense"] in YES else -1.0
    with np.errstate(invalid="ignore"):
        away = sign * (found["measured"].to_numpy(float) - float(entry["threshold"]))
    sizes = np.abs(away[np.isfinite(away)])
    unit = np.median(sizes[sizes > 0.0]) if np.any(sizes > 0.0) else 1.0
    return away / unit


def _strips(panel: Axes, column: Column, data: Data, colors: Mapping[str, str]) -> None:
    panel.axvline(0.0, color=style.INK, linewidth=0.6, zorder=1)
    for row, name in enumerate(data.statements):
        entries = column.shares[column.shares["statement"] == name]
        if not len(entries):
            continue
        found = column.measured[column.measured["name"] == name]
        shown = np.clip(_distances(found, entries.iloc[0]), -FARTHEST, FARTHEST)
        places = np.array([column.variants.index(each) for each in found["variant"]])
        for place, variant in enumerate(column.variants):
            own = (places == place) & ~np.isnan(shown)
            height = row + 0.6 * ((place + 0.5) / len(column.variants) - 0.5)
            panel.plot(
                shown[own],
                np.full(own.sum(), height),
                "o",
                color=colors[variant],
                markersize=1.6,
                alpha=0.8,
                zorder=2,
            )
    panel.hlines(
        np.arange(len(data.statements)) + 0.5,
        -FARTHEST,
        FARTHEST,
        color="#EEEEEE",
        linewidth=0.4,
        zorder=0,
    )
    panel.set_xlim(-1.08 * FARTHEST, 1.08 * FARTHEST)
    panel.set_xticks([-2, 0, 2], ["no", "0", "yes"])


def numbers(data: Data) -> pd.DataFrame:
    """Return every number drawn."""
    parts = []
    for column in data.columns:
        for entry in column.shares.itertuples():
            series = f"{entry.statement}, {entry.variant}"
            x, y = ("yes", entry.yes), ("optimizers", entry.optimizers)
            parts.append(tables.rows("a", column.task, -1, series, x, y, ("share", entry.share)))
        for entry in column.measured.itertuples():
            own = column.shares[column.shares["statement"] == entry.name]
            series = f"{entry.name}, {entry.variant}"
            x = ("threshold", float(own["threshold"].iloc[0]))
            y = ("measured", entry.measured)
            parts.append(tables.rows("b", column.task, entry.seed, series, x, y))
    return tables.table(parts)
