"""Supplement: how far the search for fixed points can be trusted.

Reads, per task: ``analysis/<task>/seed_<n>/fixed_points.npz`` of all seeds, and
``meta_training/<task>/selection.json``.

Draws two rows, a column per task; speed is 1/2 ||h - F(h, g)||^2, speeds below 10^-35 are drawn there:
  a  for every seed (a strip each, the chosen one marked), the speed at which the search from each start
     ended, by outcome. Above each strip: distinct fixed points found, and the share of the late states from
     which the optimizer arrives at the convergence point.
  b  the speed of the approximate fixed point for each constant gradient, against |g|: red and green arms
     as in figure 5, hollow where the search did not converge; the chosen seed only.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from lopt.figures import layout, style, tables, ticks
from lopt.figures.roles import Roles
from lopt.records.analysis import Code, FixedPointAnalysis
from lopt.records.results import Results

__all__ = ["CAPTION", "READS", "TITLE", "Column", "Data", "draw", "numbers", "read"]

TITLE = "Fixed points"
CAPTION = """\
**Fixed points**: the speed at which the search from each start ended, and that of the
approximate fixed points for constant gradients.
"""
READS = ("selection", "fixed_points")

FLOOR = 1e-35
OUTCOMES = {
    Code.CONVERGED: ("converged", "o", "#2B6CB8"),
    Code.SLOW_POINT: ("slow point", "^", "#D98032"),
    Code.STALLED: ("stalled", "s", "#7A7A7A"),
    Code.OUTLIER: ("outlier", "x", "#B02A2A"),
}


class Column(NamedTuple):
    """What is shown of one task."""

    task: str
    seed: int
    analyses: dict[int, FixedPointAnalysis]


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
        analyses = {seed: results.fixed_points(task, seed) for seed in results.seeds[task]}
        columns.append(Column(task, results.selected(task), analyses))
    return Data(results.scale, Roles.of(results), tuple(columns))


@style.styled
def draw(data: Data) -> Figure:
    """Draw the figure."""
    figure, axes = layout.panels([1.63, 1.36], len(data.columns))
    for (top, bottom), column in zip(axes.T, data.columns, strict=True):
        _searches(top, column, figure.get_figwidth() / len(data.columns) - 0.5)
        _constant_gradients(bottom, column.analyses[column.seed])
    axes[0, 0].set_ylabel("speed where the search ended")
    axes[1, 0].set_ylabel("speed for constant $g$")
    layout.column_titles(axes, data.roles.titles(data.columns))
    layout.row_letters(axes)
    met = {
        code
        for column in data.columns
        for analysis in column.analyses.values()
        for code in analysis.codes
    }
    handles = [
        style.mark(label, marker, color, markersize=3.5)
        for code, (label, marker, color) in OUTCOMES.items()
        if code in met
    ]
    handles += [
        style.mark("$g < 0$", "v", style.shades(style.NEGATIVE, 3)[1]),
        style.mark("$g > 0$", "^", style.shades(style.POSITIVE, 3)[1]),
    ]
    chosen = [column.analyses[column.seed] for column in data.columns]
    if any(np.any(analysis.constant_gradient_codes != Code.CONVERGED) for analysis in chosen):
        handles.append(style.mark("not converged", "o", style.INK, markerfacecolor="white"))
    layout.legend(figure, handles)
    layout.small_print(
        figure,
        data.scale,
        data.roles.seeds(data.columns),
        "found: distinct fixed points, arrive: share of late states",
    )
    return figure


def _drawable(speeds: np.ndarray) -> np.ndarray:
    return np.maximum(speeds, FLOOR)


# Inches that a strip must be wide for its summary upright, and for both lines of it turned; and a seed.
UPRIGHT, TURNED, TICK = 0.5, 0.18, 0.17


def _searches(panel: Axes, column: Column, width: float) -> None:
    panel.set_yscale("log")
    strip_width = width / len(column.analyses)
    rotation = 0.0 if strip_width >= UPRIGHT else 90.0
    summary = _summary if strip_width >= TURNED else _short_summary
    for strip, analysis in enumerate(column.analyses.values()):
        count = len(analysis.speeds)
        # Starts side by side within the strip, in their order.
        place = strip + 0.7 * (np.arange(count) / max(1, count - 1) - 0.5)
        for code, (_, marker, color) in OUTCOMES.items():
            chosen = analysis.codes == code
            panel.plot(
                place[chosen],
                _drawable(analysis.speeds[chosen]),
                marker,
                color=color,
                markersize=2.2,
                mew=0.0 if marker != "x" else 0.7,
                alpha=0.8,
            )
        panel.annotate(
            summary(analysis),
            (strip, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, -1),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=5.5,
            rotation=rotation,
            multialignment="right" if rotation else "center",
        )
    speeds = np.concatenate([analysis.speeds for analysis in column.analyses.values()])
    low, high = ticks.log_limits(_drawable(speeds), 60.0, margin=5.0)
    # A quarter of the height for what is written above the strips, or more; ticks end with the speeds.
    panel.set_ylim(low, high * (high / low) ** (0.55 if rotation else 0.35))
    _few_decades(panel, low, high)
    panel.set_xlim(-0.6, len(column.analyses) - 0.4)
    seeds, chosen = list(column.analyses), list(column.analyses).index(column.seed)
    if strip_width >= UPRIGHT:
        names = [f"seed {seed}" for seed in seeds]
    else:
        panel.set_xlabel("seed")
        spacing = int(np.ceil(TICK / strip_width))  # around the chosen one, which is always named
        names = [
            str(seed) if (strip - chosen) % spacing == 0 else "" for strip, seed in enumerate(seeds)
        ]
    panel.set_xticks(range(len(names)), names)
    panel.get_xticklabels()[chosen].set(color=style.LEARNED_COLOR, fontweight="bold")


def _summary(analysis: FixedPointAnalysis) -> str:
    found, share = len(analysis.distinct_points), float(analysis.basin_share)
    return f"{found} found\n{share:.0%} arrive"


def _short_summary(analysis: FixedPointAnalysis) -> str:
    found, share = len(analysis.distinct_points), float(analysis.basin_share)
    return f"{found}, {share:.0%}"


def _constant_gradients(panel: Axes, analysis: FixedPointAnalysis) -> None:
    panel.set(xscale="log", yscale="log")
    gradients = analysis.constant_gradients
    for arm, marker, colormap in (
        (gradients < 0.0, "v", style.NEGATIVE),
        (gradients >= 0.0, "^", style.POSITIVE),
    ):
        color = style.shades(colormap, 3)[1]
        converged = analysis.constant_gradient_codes == Code.CONVERGED
        for part, face in ((arm & converged, color), (arm & ~converged, "white")):
            panel.plot(
                np.abs(gradients[part]),
                _drawable(analysis.constant_gradient_speeds[part]),
                marker,
                color=color,
                markerfacecolor=face,
                mew=0.8,
            )
    speeds = _drawable(analysis.constant_gradient_speeds)
    low, high = ticks.log_limits(speeds, 60.0, margin=10.0)
    panel.set_ylim(low, high)
    _few_decades(panel, low, high)
    panel.set_xlabel("constant gradient $|g|$")


def _few_decades(panel: Axes, low: float, high: float) -> None:
    """Leave a few round powers of ten as ticks."""
    first, last = int(np.ceil(np.log10(low))), int(np.floor(np.log10(high)))
    spacing = next((step for step in (1, 2, 5, 10) if (last - first) / step <= 7.0), 10)
    exponents = [k for k in range(first, last + 1) if k % spacing == 0]
    panel.yaxis.set_major_locator(FixedLocator([10.0**exponent for exponent in exponents]))
    panel.yaxis.set_minor_locator(NullLocator())


def numbers(data: Data) -> pd.DataFrame:
    """Return every number drawn; ``value`` is the code of the search's outcome."""
    parts = []
    for column in data.columns:
        for seed, analysis in column.analyses.items():
            x = ("start", np.arange(len(analysis.speeds)))
            y, value = ("speed", analysis.speeds), ("code", analysis.codes)
            parts.append(tables.rows("a", column.task, seed, "searches", x, y, value))
            for quantity, number in (
                ("distinct_fixed_points", len(analysis.distinct_points)),
                ("basin_share", analysis.basin_share),
            ):
                y = (quantity, number)
                parts.append(tables.rows("a", column.task, seed, "summary", ("", np.nan), y))
        analysis = column.analyses[column.seed]
        x = ("constant_gradient", analysis.constant_gradients)
        y = ("speed", analysis.constant_gradient_speeds)
        value = ("code", analysis.constant_gradient_codes)
        parts.append(tables.rows("b", column.task, column.seed, "constant gradients", x, y, value))
    return tables.table(parts)
