"""Supplement: what runs end at, and how far the search for fixed points can be trusted.

Reads, per task: ``analysis/<task>/seed_<n>/fixed_points.npz`` of all seeds, and
``meta_training/<task>/selection.json``.

Draws four rows, a column per task; speed is 1/2 ||h - F(h, g)||^2, speeds below 10^-35 are drawn there and
infinite ones at the top. Every outcome of a search and kind of attractor (``lopt.figures.codes``) has one
marker and color in all rows. Rows a, c and d have a strip per seed, the chosen one's name in blue:
  a  the speed at which the search from each start ended, by outcome. Above each strip: distinct fixed
     points found, and the shares of the late states that arrive at each stable attractor.
  b  the speed of the approximate fixed point for each constant gradient, against |g|: red and green arms
     as in figure 5, the chosen seed only. Filled on the branch of the convergence point, hollow on others;
     the outcome stands on what did not converge. Dotted lines mark where that branch folds, dash-dotted ones
     where it could not be followed.
  c  the effective learning rate at every attractor against its basin share, which grows from 0 at the left
     edge of the strip to 1 at the right one: filled if it is stable, hollow if not, with the interval that
     its error leaves open (of a continuum or cycle, the range over its states). A black square is around
     the convergence point that other figures show.
  d  the drift there, the update where the gradient is 0, drawn likewise.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from lopt.figures import codes, layout, style, tables, ticks
from lopt.figures.roles import Roles
from lopt.records import attractors
from lopt.records.analysis import Code, FixedPointAnalysis
from lopt.records.results import Results

__all__ = ["CAPTION", "READS", "TITLE", "Column", "Data", "draw", "numbers", "read"]

TITLE = "Fixed points"
CAPTION = """\
**Fixed points**: the speed at which the search from each start ended, by outcome; that of the
approximate fixed points for constant gradients, hollow beyond a fold of the branch of the
convergence point; effective learning rate and drift (update without gradient) of every attractor
against its basin share within each seed's strip, hollow if unstable.
"""
READS = ("selection", "fixed_points")

FLOOR = 1e-35
FOLD, LOST = (0, (1.0, 1.0)), (0, (5.0, 1.2, 1.2, 1.2))  # of lines where a branch ends
SHOWN: style.Look = {
    "marker": "s",
    "markersize": 7.0,
    "markerfacecolor": "none",
    "markeredgecolor": "black",
    "mew": 0.6,
    "linestyle": "",
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
    figure, axes = layout.panels([1.63, 1.36, 1.25, 1.25], len(data.columns))
    for (top, second, third, bottom), column in zip(axes.T, data.columns, strict=True):
        width = figure.get_figwidth() / len(data.columns) - 0.5
        _searches(top, column, width)
        _constant_gradients(second, column.analyses[column.seed])
        for panel, reading in ((third, "learning_rate"), (bottom, "update")):
            _attractors(panel, column, reading, width)
        bottom.set_xlabel("basin share, 0 to 1 per seed")
    axes[0, 0].set_ylabel("speed where the search ended")
    axes[1, 0].set_ylabel("speed for constant $g$")
    axes[2, 0].set_ylabel("effective learning rate")
    axes[3, 0].set_ylabel("drift")
    layout.column_titles(axes, data.roles.titles(data.columns))
    layout.row_letters(axes)
    layout.legend(figure, _handles(data))
    layout.small_print(
        figure,
        data.scale,
        data.roles.seeds(data.columns),
        "found: distinct fixed points, %: late states that arrive at each stable attractor",
    )
    return figure


def _handles(data: Data) -> list[Line2D]:
    """Return what the legend says: only of what occurs."""
    everything = [found for column in data.columns for found in column.analyses.values()]
    chosen = [column.analyses[column.seed] for column in data.columns]
    met = [found.codes for found in everything] + [found.attractor_codes for found in everything]
    met += [found.constant_gradient_codes for found in chosen]
    handles = codes.outcome_handles(np.concatenate(met))
    arm = style.shades(style.POSITIVE, 3)[1]
    branches = np.concatenate([found.constant_gradient_branches for found in chosen])
    ends = np.concatenate([found.branch_end_codes for found in chosen])
    unstable = any(np.any(found.attractor_stable != 1) for found in everything)
    occurs = {
        style.mark("unstable", "o", codes.OUTCOMES[Code.CONVERGED].color, mfc="white"): unstable,
        Line2D(
            [], [], **SHOWN | style.Look(markersize=5.5), label="convergence point of other figures"
        ): any(attractors.shown_attractor(found) is not None for found in chosen),
        style.mark("$g < 0$", "v", style.shades(style.NEGATIVE, 3)[1]): True,
        style.mark("$g > 0$", "^", arm): True,
        style.mark("on another branch", "^", arm, mfc="white", mew=0.8): np.any(branches != 0),
        Line2D([], [], color=arm, linestyle=FOLD, label="the branch folds"): Code.FOLD in ends,
        Line2D([], [], color=arm, linestyle=LOST, label="the branch is lost"): Code.STALLED in ends,
    }
    return handles + [handle for handle, there in occurs.items() if there]


def _drawable(speeds: np.ndarray) -> np.ndarray:
    return np.maximum(speeds, FLOOR)


# Inches that a strip must be wide for its summary upright, and for both lines of it turned; and a seed.
UPRIGHT, TURNED, TICK = 0.5, 0.18, 0.17


def _searches(panel: Axes, column: Column, width: float) -> None:
    panel.set_yscale("log")
    speeds = np.concatenate([analysis.speeds for analysis in column.analyses.values()])
    low, high = ticks.log_limits(_drawable(speeds), 60.0, margin=5.0)
    strip_width = width / len(column.analyses)
    rotation = 0.0 if strip_width >= UPRIGHT else 90.0
    summary = _summary if strip_width >= TURNED else _short_summary
    for strip, analysis in enumerate(column.analyses.values()):
        count = len(analysis.speeds)
        # Starts side by side within the strip, in their order.
        place = strip + 0.7 * (np.arange(count) / max(1, count - 1) - 0.5)
        shown = np.where(np.isfinite(analysis.speeds), _drawable(analysis.speeds), high)
        for code, look in codes.OUTCOMES.items():
            chosen = analysis.codes == code
            panel.plot(
                place[chosen],
                shown[chosen],
                look.marker,
                color=look.color,
                markersize=2.2 * look.scale,
                mew=0.0 if look.marker != "x" else 0.7,
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
    # A quarter of the height for what is written above the strips, or more; ticks end with the speeds.
    panel.set_ylim(low, high * (high / low) ** (0.55 if rotation else 0.35))
    _few_decades(panel, low, high)
    _seed_axis(panel, column, strip_width)
    if strip_width < UPRIGHT:
        panel.set_xlabel("seed")


def _seed_axis(panel: Axes, column: Column, strip_width: float) -> None:
    """Name the strips, or of narrow ones as many as there is room for."""
    panel.set_xlim(-0.6, len(column.analyses) - 0.4)
    seeds, chosen = list(column.analyses), list(column.analyses).index(column.seed)
    if strip_width >= UPRIGHT:
        names = [f"seed {seed}" for seed in seeds]
    else:
        spacing = int(np.ceil(TICK / strip_width))  # around the chosen one, which is always named
        names = [
            str(seed) if (strip - chosen) % spacing == 0 else "" for strip, seed in enumerate(seeds)
        ]
    panel.set_xticks(range(len(names)), names)
    panel.get_xticklabels()[chosen].set(color=style.LEARNED_COLOR, fontweight="bold")


def _summary(analysis: FixedPointAnalysis) -> str:
    return f"{len(analysis.distinct_points)} found\n{_shares(analysis, 2)}"


def _short_summary(analysis: FixedPointAnalysis) -> str:
    return f"{len(analysis.distinct_points)}, {_shares(analysis, 1)}"


def _shares(analysis: FixedPointAnalysis, most: int) -> str:
    """Return the basin shares of up to ``most`` stable attractors: "65+35%"."""
    shares = analysis.attractor_basin_shares[analysis.attractor_stable == 1]
    shares = shares[shares > 0.0]
    listed = "+".join(f"{100.0 * share:.0f}" for share in shares[:most])
    return f"{listed or 0}{'+...' if len(shares) > most else ''}%"


STRIP = 0.4  # half of the width of a strip that basin shares take


def _attractors(panel: Axes, column: Column, reading: str, width: float) -> None:
    """Draw one reading of every attractor of every seed."""
    found = list(column.analyses.values())
    values, bounds = zip(*(_readings(analysis, reading) for analysis in found), strict=True)
    # With 0, so that a small difference looks small.
    shown = codes.range_of(np.concatenate(values), np.concatenate(bounds))
    panel.set_ylim(ticks.limits_around(np.append(shown, 0.0), 0.12))
    panel.axhline(0.0, color=style.GRAY, linewidth=0.5, zorder=0)
    for strip, analysis in enumerate(found):
        panel.axvspan(strip - STRIP, strip + STRIP, color="#F3F5F7", lw=0, zorder=-1)
        places = strip + 2.0 * STRIP * (analysis.attractor_basin_shares - 0.5)
        looks = [codes.OUTCOMES[Code(int(code))] for code in analysis.attractor_codes]
        colors = [look.color for look in looks]
        codes.intervals(panel, places, bounds[strip], colors)
        for place, value, look, stable in zip(
            places, values[strip], looks, analysis.attractor_stable, strict=True
        ):
            face = look.color if stable == 1 else "white"
            size = 4.0 * look.scale
            panel.plot(
                *(place, value, look.marker),
                color=look.color,
                mfc=face,
                mew=0.8,
                markersize=size,
                zorder=3,
            )
    chosen = list(column.analyses).index(column.seed)
    row = attractors.shown_attractor(found[chosen])
    if row is not None:
        share = found[chosen].attractor_basin_shares[row]
        panel.plot(chosen + 2.0 * STRIP * (share - 0.5), values[chosen][row], **SHOWN, zorder=4)
    _seed_axis(panel, column, width / len(found))
    edges = np.arange(len(found))[:, None] + STRIP * np.array([-1.0, 0.0, 1.0])
    panel.set_xticks(edges.ravel(), minor=True)
    panel.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))


def _readings(
    analysis: FixedPointAnalysis, reading: str
) -> tuple[Float[np.ndarray, " attractor"], Float[np.ndarray, "attractor 2"]]:
    values = getattr(analysis, f"attractor_{reading}s")
    return values, getattr(analysis, f"attractor_{reading}_intervals")


def _constant_gradients(panel: Axes, analysis: FixedPointAnalysis) -> None:
    panel.set(xscale="log", yscale="log")
    gradients, branches = analysis.constant_gradients, analysis.constant_gradient_branches
    low, high = ticks.log_limits(_drawable(analysis.constant_gradient_speeds), 60.0, margin=10.0)
    speeds = analysis.constant_gradient_speeds
    speeds = np.where(np.isfinite(speeds), _drawable(speeds), high)
    for number, (arm, marker, colormap) in enumerate(
        (
            (gradients < 0.0, "v", style.NEGATIVE),
            (gradients >= 0.0, "^", style.POSITIVE),
        )
    ):
        color = style.shades(colormap, 3)[1]
        for part, face in ((arm & (branches == 0), color), (arm & (branches != 0), "white")):
            panel.plot(
                np.abs(gradients[part]), speeds[part], marker, color=color, mfc=face, mew=0.8
            )
        end = abs(float(analysis.branch_end_gradients[number]))
        line = {Code.FOLD: FOLD, Code.STALLED: LOST}.get(analysis.branch_end_codes[number])
        if line and end > 0.0:
            panel.axvline(end, color=color, linestyle=line, linewidth=1.0, zorder=1)
    for code, look in codes.OUTCOMES.items():
        here = (analysis.constant_gradient_codes == code) & (code != Code.CONVERGED)
        panel.plot(
            *(np.abs(gradients[here]), speeds[here], look.marker),
            color=look.color,
            markersize=3.0 * look.scale,
            mew=0.8,
        )
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
    """Return every number drawn; ``value`` is a code, a branch or, of attractors, 1 for stable ones."""
    parts = []
    for column in data.columns:
        for seed, analysis in column.analyses.items():
            parts += _of_searches(column.task, seed, analysis)
            for panel, reading, quantity in (
                ("c", "learning_rate", "effective_learning_rate"),
                ("d", "update", "drift"),
            ):
                values, bounds = _readings(analysis, reading)
                x = ("basin_share", analysis.attractor_basin_shares)
                stable = ("stable", analysis.attractor_stable)
                kinds = ("code", analysis.attractor_codes)
                place = (panel, column.task, seed)
                for name, y, value in (
                    ("attractors", (quantity, values), stable),
                    ("attractors, kind", (quantity, values), kinds),
                    ("attractors, interval", (f"{quantity}_low", bounds[:, 0]), stable),
                    ("attractors, interval", (f"{quantity}_high", bounds[:, 1]), stable),
                ):
                    parts.append(tables.rows(*place, name, x, y, value))
        parts += _of_constant_gradients(column.task, column.seed, column.analyses[column.seed])
    return tables.table(parts)


def _of_searches(task: str, seed: int, analysis: FixedPointAnalysis) -> list[pd.DataFrame]:
    x = ("start", np.arange(len(analysis.speeds)))
    y, value = ("speed", analysis.speeds), ("code", analysis.codes)
    parts = [tables.rows("a", task, seed, "searches", x, y, value)]
    for quantity, number in (
        ("distinct_fixed_points", len(analysis.distinct_points)),
        ("basin_share", analysis.basin_share),
    ):
        parts.append(tables.rows("a", task, seed, "summary", ("", np.nan), (quantity, number)))
    return parts


def _of_constant_gradients(task: str, seed: int, found: FixedPointAnalysis) -> list[pd.DataFrame]:
    x = ("constant_gradient", found.constant_gradients)
    y = ("speed", found.constant_gradient_speeds)
    ends = ("constant_gradient", found.branch_end_gradients)
    kinds = ("code", found.branch_end_codes)
    return [
        tables.rows(
            "b", task, seed, "constant gradients", x, y, ("code", found.constant_gradient_codes)
        ),
        tables.rows(
            "b", task, seed, "branches", x, y, ("branch", found.constant_gradient_branches)
        ),
        tables.rows("b", task, seed, "ends of the branch", ends, ("", np.nan), kinds),
    ]
