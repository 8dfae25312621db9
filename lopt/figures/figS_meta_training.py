"""Supplement: meta-training of every seed.

Reads, per task: ``meta_training/<task>/selection.json``, ``meta_training/<task>/seed_<n>/curve.csv`` of all
seeds, and ``baselines/<task>/<optimizer>/best.json``.

Draws two rows, a column per task:
  a  the meta-objective against the meta-step: thin on the training problems, thick with dots on the
     validation problems that the seed is chosen by, the chosen seed in blue; dashed, the scores of the
     tuned baselines.
  b  the norm of the meta-gradient before clipping.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lopt.figures import layout, style, tables, ticks
from lopt.figures.roles import Roles
from lopt.records.results import Results

__all__ = ["CAPTION", "READS", "TITLE", "Column", "Data", "draw", "numbers", "read"]

TITLE = "Meta-training"
CAPTION = """\
**Meta-training**: meta-objective and norm of the meta-gradient against the meta-step, every
seed; dashed: the tuned baselines.
"""
READS = ("selection", "curves", "baselines")

DECADES = 3.0
LARGEST = 3.0  # a meta-objective of 1 is that of standing still; what exceeds it is divergence


class Column(NamedTuple):
    """What is shown of one task."""

    task: str
    seed: int
    curves: dict[int, pd.DataFrame]
    baselines: dict[str, float]


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
    columns = []
    for task in results.tasks:
        curves = {seed: results.curve(task, seed) for seed in results.seeds[task]}
        scores = {
            name: float(results.best(task, name)["meta_objective"]) for name in results.baselines
        }
        columns.append(Column(task, results.selected(task), curves, scores))
    return Data(results.scale, Roles.of(results), tuple(columns))


@style.styled
def draw(data: Data) -> Figure:
    """Draw the figure."""
    figure, axes = layout.panels([1.71, 1.22], len(data.columns))
    for (top, bottom), column in zip(axes.T, data.columns, strict=True):
        _meta_objectives(top, column, data.roles)
        _gradient_norms(bottom, column)
    axes[0, 0].set_ylabel("meta-objective")
    axes[1, 0].set_ylabel("meta-gradient norm")
    layout.column_titles(axes, data.roles.titles(data.columns))
    layout.row_letters(axes)
    handles = [
        Line2D([], [], color=style.LEARNED_COLOR, label="learned, chosen seed"),
        Line2D([], [], color="#8A8A8A", label="learned, other seeds"),
    ]
    names = data.roles.in_order(name for column in data.columns for name in column.baselines)
    handles += [Line2D([], [], **data.roles.role(name).line(), linewidth=1.0) for name in names]
    layout.legend(figure, [handle for handle in handles if _needed(handle, data)])
    layout.small_print(
        figure,
        data.scale,
        data.roles.seeds(data.columns),
        "thin: training batch, thick: validation problems",
    )
    return figure


def _needed(handle: Line2D, data: Data) -> bool:
    several = any(len(column.curves) > 1 for column in data.columns)
    return several or handle.get_label() != "learned, other seeds"


def _meta_objectives(panel: Axes, column: Column, roles: Roles) -> None:
    panel.set_yscale("log")
    colors = style.seed_colors(list(column.curves), column.seed)
    shown = [*column.baselines.values()]
    for seed, curve in column.curves.items():
        chosen = seed == column.seed
        look = {"color": colors[seed], "zorder": 4 if chosen else 3}
        panel.plot(curve.step, curve.meta_objective, linewidth=0.5, alpha=0.55, **look)
        validated = curve[np.isfinite(curve.validation_meta_objective)]
        panel.plot(
            validated.step,
            validated.validation_meta_objective,
            marker="o",
            markersize=1.8 if len(validated) <= 40 else 0.0,
            linewidth=1.4,
            **look,
        )
        shown += [*curve.meta_objective, *validated.validation_meta_objective]
    for name, score in column.baselines.items():
        panel.axhline(score, **roles.role(name).line(), linewidth=1.0, zorder=2)
    low, high = ticks.log_limits(np.minimum(shown, LARGEST), DECADES, margin=1.2)
    panel.set_ylim(low, min(high, LARGEST))
    panel.set_xlim(0, 1.02 * max(curve.step.max() for curve in column.curves.values()))
    panel.tick_params(labelbottom=False)
    ticks.modest_ticks(panel)


def _gradient_norms(panel: Axes, column: Column) -> None:
    panel.set_yscale("log")
    colors = style.seed_colors(list(column.curves), column.seed)
    for seed, curve in column.curves.items():
        order = 3 if seed == column.seed else 2
        panel.plot(curve.step, curve.gradient_norm, color=colors[seed], linewidth=0.7, zorder=order)
    panel.set_xlim(0, 1.02 * max(curve.step.max() for curve in column.curves.values()))
    panel.set_xlabel("meta-step")
    ticks.modest_ticks(panel)


def numbers(data: Data) -> pd.DataFrame:
    """Return every number drawn."""
    parts = []
    for column in data.columns:
        for seed, curve in column.curves.items():
            step = ("meta_step", curve.step)
            validated = curve[np.isfinite(curve.validation_meta_objective)]
            for panel, series, x, y in [
                ("a", "training", step, ("meta_objective", curve.meta_objective)),
                (
                    "a",
                    "validation",
                    ("meta_step", validated.step),
                    ("meta_objective", validated.validation_meta_objective),
                ),
                ("b", "training", step, ("meta_gradient_norm", curve.gradient_norm)),
            ]:
                parts.append(tables.rows(panel, column.task, seed, series, x, y))
        for name, score in column.baselines.items():
            y = ("meta_objective", score)
            parts.append(tables.rows("a", column.task, -1, name, ("", np.nan), y))
    return tables.table(parts)
