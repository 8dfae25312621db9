"""Supplement: the update functions of momentum and RMSProp as their state varies.

Reads, per task: ``common_optimizers/<task>.npz``.

Draws a row per optimizer, a column per task, with the hyperparameters tuned for that task: the update
function at five values of the state variable (momentum: the velocity v; RMSProp: the mean square s, here as
its root), dark for small, light for large. Momentum's state shifts the line vertically, as the slow mode of
figure 2 does; RMSProp's changes the slope, as the constant-gradient states of figure 5 do.
"""

from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lopt.figures import layout, style, tables, ticks
from lopt.figures.roles import Roles
from lopt.records.portraits import CommonOptimizers
from lopt.records.results import Results
from lopt.records.store import StoreError

__all__ = ["CAPTION", "READS", "TITLE", "Column", "Data", "draw", "numbers", "read"]

TITLE = "Common optimizers"
CAPTION = """\
**Common optimizers**: update functions of tuned momentum (shifted by its state) and RMSProp
(its slope changes with its state), to compare Figures 2 and 5 with.
"""
READS = ("common_optimizers",)


class Column(NamedTuple):
    """What is shown of one task."""

    task: str
    optimizers: CommonOptimizers


class Data(NamedTuple):
    """Everything that the figure shows; ``optimizers`` are its rows."""

    scale: str
    roles: Roles
    optimizers: tuple[str, ...]
    columns: tuple[Column, ...]


def read(results: Results) -> Data:
    """Read what the figure shows.

    Raises:
        StoreError: if a file is missing or damaged, or the tasks' files hold different optimizers.
    """
    columns = [Column(task, results.common_optimizers(task)) for task in results.tasks]
    names = tuple(map(str, columns[0].optimizers.optimizers))
    for column in columns:
        if tuple(map(str, column.optimizers.optimizers)) != names:
            raise StoreError(
                f"common_optimizers/{column.task}.npz: holds "
                f"{', '.join(column.optimizers.optimizers)}, expected {', '.join(names)}"
            )
    return Data(results.scale, Roles.of(results), names, tuple(columns))


@style.styled
def draw(data: Data) -> Figure:
    """Draw the figure."""
    if not data.optimizers:
        figure = layout.sentence("Neither momentum nor RMSProp is among the tuned baselines.")
        layout.small_print(figure, data.scale)
        return figure
    figure, axes = layout.panels([1.655] * len(data.optimizers), len(data.columns))
    for panels, column in zip(axes.T, data.columns, strict=True):
        for row, panel in enumerate(panels):
            _updates(panel, column.optimizers, row)
        panels[-1].set_xlabel("gradient $g$")
    for panel, name in zip(axes[:, 0], data.optimizers, strict=True):
        panel.set_ylabel(f"{data.roles.label(name)}: update $\\Delta x$")
    layout.column_titles(axes, data.roles.titles(data.columns))
    layout.row_letters(axes)
    layout.small_print(figure, data.scale, note="hyperparameters tuned per task")
    return figure


def _updates(panel: Axes, record: CommonOptimizers, row: int) -> None:
    colors = style.shades(style.POSITIONS, record.values.shape[1])
    symbol, power = str(record.variables[row]), 1.0
    if symbol == "s":  # a squared gradient: its root is easier to compare with the axis
        symbol, power = r"\sqrt{s}", 0.5
    for value, update, color in zip(record.values[row], record.updates[row], colors, strict=True):
        label = f"${symbol} = $ {ticks.number(value**power if power != 1.0 else value)}"
        panel.plot(record.gradients, update, color=color, label=label)
    ticks.modest_ticks(panel)
    ticks.gradient_axis(panel, record.gradients)
    panel.legend(
        loc="upper right",
        fontsize=5.5,
        handlelength=1.3,
        handletextpad=0.5,
        labelspacing=0.2,
        borderaxespad=0.0,
        reverse=True,
    )


def numbers(data: Data) -> pd.DataFrame:
    """Return every number drawn."""
    parts = []
    for column in data.columns:
        record = column.optimizers
        for row, name in enumerate(data.optimizers):
            for value, update in zip(record.values[row], record.updates[row], strict=True):
                parts.append(
                    tables.rows(
                        tables.panel_letter(row),
                        column.task,
                        -1,
                        name,
                        ("gradient", record.gradients),
                        ("update", update),
                        (str(record.variables[row]), value),
                    )
                )
    return tables.table(parts)
