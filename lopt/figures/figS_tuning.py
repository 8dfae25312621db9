"""Supplement: how the baselines were tuned.

Reads, per task and baseline: ``baselines/<task>/<optimizer>/{best.json,trials.csv}``; and the published
learning rates, of tuned momentum alone, from ``lopt/records/published.csv``.

Draws a row per baseline, a column per task: the meta-objective of every trial against its learning rate (of a
baseline that has none, its first hyperparameter), the winner as a star, the published rate as a dashed line.
Trials that a rung of the halving dropped are light: their scores belong to fewer problems and steps. Trials
that diverged on some problem have no score; they are ticks along the top.
"""

import re
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import blended_transform_factory

from lopt.figures import layout, style, tables, ticks
from lopt.figures.roles import Roles
from lopt.records.published import published_values
from lopt.records.results import Results

__all__ = ["CAPTION", "READS", "TITLE", "Column", "Data", "draw", "numbers", "read"]

TITLE = "Tuning"
CAPTION = """\
**Tuning**: score of every sample of the random search against its learning rate, the winner as
a star, the published rate (of momentum) dashed.
"""
READS = ("baselines", "trials")

RATE = "learning_rate"

PUBLISHED = {"color": style.INK, "linestyle": (0, (4, 3)), "linewidth": 0.8, "zorder": 4}


class Column(NamedTuple):
    """What is shown of one task: a table of trials per baseline, and the winners."""

    task: str
    trials: dict[str, pd.DataFrame]
    winners: dict[str, tuple[float, float]]
    """Value and meta-objective of the best trial."""
    published: dict[str, float]
    """Published learning rates, of the baselines that have one."""


class Data(NamedTuple):
    """Everything that the figure shows."""

    scale: str
    roles: Roles
    optimizers: tuple[str, ...]
    against: dict[str, str]
    """The hyperparameter that each baseline's trials are drawn against."""
    columns: tuple[Column, ...]


def read(results: Results) -> Data:
    """Read what the figure shows.

    Raises:
        StoreError: if a file is missing or damaged.
    """
    columns, against = [], {}
    published = {
        (value.task, match[1]): float(value.published)
        for value in published_values()
        if (match := re.fullmatch(r"tuned_(\w+)_learning_rate", value.quantity))
    }
    for task in results.tasks:
        winners = {}
        for name in results.baselines:
            best = results.best(task, name)
            found = best["hyperparameters"]
            against[name] = RATE if RATE in found else next(iter(found))
            winners[name] = float(found[against[name]]), float(best["meta_objective"])
        trials = {name: results.trials(task, name) for name in results.baselines}
        rates = {
            name: rate
            for (of, name), rate in published.items()
            if of == task and against.get(name) == RATE
        }
        columns.append(Column(task, trials, winners, rates))
    return Data(results.scale, Roles.of(results), results.baselines, against, tuple(columns))


@style.styled
def draw(data: Data) -> Figure:
    """Draw the figure."""
    figure, axes = layout.panels([1.42] * len(data.optimizers), len(data.columns))
    colors = {name: data.roles.role(name).color for name in data.optimizers}
    for panels, column in zip(axes.T, data.columns, strict=True):
        for panel, name in zip(panels, data.optimizers, strict=True):
            table = column.trials[name]
            _trials(panel, colors[name], table, table[data.against[name]], column.winners[name])
            if panel is panels[-1] or data.against[name] != RATE:
                panel.set_xlabel(data.against[name].replace("_", " "))
            if name in column.published:
                panel.axvline(column.published[name], **PUBLISHED)
    for panel, name in zip(axes[:, 0], data.optimizers, strict=True):
        panel.set_ylabel(f"{data.roles.label(name)}: meta-objective")
    layout.column_titles(axes, data.roles.titles(data.columns))
    layout.row_letters(axes)
    ink = style.INK
    handles = [style.mark("scored on all problems", "o", ink, markersize=3.0)]
    if any(len(_dropped(table)) for column in data.columns for table in column.trials.values()):
        handles.append(style.mark("dropped early", "o", "#C4C4C4", markersize=3.0))
    handles += [
        style.mark("diverged on some problem", "|", "#8A8A8A", markersize=4.0),
        Line2D([], [], **_star("white"), label="winner"),
    ]
    if any(column.published.keys() & set(data.optimizers) for column in data.columns):
        handles.append(Line2D([], [], **PUBLISHED, label="published rate"))
    layout.legend(figure, handles)
    counts = sorted({len(table) for column in data.columns for table in column.trials.values()})
    layout.small_print(figure, data.scale, note=f"trials: {' / '.join(map(str, counts))} each")
    return figure


def _star(color: str) -> dict:
    return {
        "marker": "*",
        "markersize": 8.5,
        "markerfacecolor": color,
        "markeredgecolor": "black",
        "mew": 0.7,
        "linestyle": "",
    }


def _dropped(table: pd.DataFrame) -> pd.DataFrame:
    """Trials that have a score of an earlier rung only."""
    return table[(table.rung < table.rung.max()) & np.isfinite(table.score)]


def _scored(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table.rung == table.rung.max()) & np.isfinite(table.score)]


def _trials(
    panel: Axes, color: str, table: pd.DataFrame, values: pd.Series, winner: tuple[float, float]
) -> None:
    """Draw the trials of one search against ``values``, those of a hyperparameter."""
    decades = bool((values > 0.0).all())  # else one of its values is 0, or negative
    panel.set(xscale="log" if decades else "linear", yscale="log")
    for part, look in (
        (_dropped(table), {"color": "#C4C4C4", "alpha": 0.6, "zorder": 1}),
        (_scored(table), {"color": color, "alpha": 0.6, "zorder": 2}),
    ):
        panel.plot(values[part.index], part.score, "o", markersize=1.8, mew=0.0, **look)
    diverged = values[~np.isfinite(table.score)]
    along_the_top = blended_transform_factory(panel.transData, panel.transAxes)
    panel.plot(
        diverged,
        np.full(len(diverged), 0.985),
        "|",
        color="#8A8A8A",
        alpha=0.35,
        markersize=3.5,
        mew=0.5,
        transform=along_the_top,
    )
    panel.plot(*winner, **_star(color), zorder=5)
    scores = table.score[np.isfinite(table.score)]
    low, high = ticks.log_limits(np.append(scores, winner[1]), 10.0, margin=1.3)
    # Standing still scores 1; leave room for the ticks at the top.
    panel.set_ylim(max(low, winner[1] / 3.0), 1.6 * min(high, 3.0))
    if decades:
        panel.set_xlim(*ticks.log_limits(values, 20.0, margin=1.6))
    ticks.modest_ticks(panel)


def numbers(data: Data) -> pd.DataFrame:
    """Return every number drawn; ``value`` is the rung that a trial reached."""
    parts = []
    for column in data.columns:
        for row, name in enumerate(data.optimizers):
            table, panel = column.trials[name], tables.panel_letter(row)
            drawn = data.against[name]
            x, y = (drawn, table[drawn]), ("meta_objective", table.score)
            parts.append(tables.rows(panel, column.task, -1, name, x, y, ("rung", table.rung)))
            value, score = column.winners[name]
            x, y = (drawn, value), ("meta_objective", score)
            parts.append(tables.rows(panel, column.task, -1, f"{name}, winner", x, y))
            if name in column.published:
                x = (RATE, column.published[name])
                parts.append(
                    tables.rows(panel, column.task, -1, f"{name}, published", x, ("", np.nan))
                )
    return tables.table(parts)
