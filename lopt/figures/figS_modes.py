"""Supplement: the modes of every trained optimizer on the plane of learning rate and momentum.

Reads, per task: ``analysis/<task>/seed_<n>/linearization.npz`` of all seeds and of the early one,
``meta_training/<task>/selection.json``, ``baselines/<task>/momentum/best.json`` if momentum was tuned, and
``portraits/<task>.npz`` for the optimum of tasks that have one.

Draws a panel per task: every mode m at the convergence point as (alpha_m, beta_m), where alpha_m is the real
part of its learning rate (for a conjugate pair, drawn once as a diamond, the sum of the two) and beta_m =
|lambda_m| its momentum (eigenvalues that are equal within their errors are one mode); the seed that the other
figures show in blue. The black star is the heavy ball that is fastest on the task's range of eigenvalues, the
orange one tuned momentum. An optimizer that resembles momentum has a mode at the star: the one whose training
ended early (green triangles), where the scale has one. Larger markers carry more of the update.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import ColorType

from lopt.figures import layout, style, tables, ticks
from lopt.figures.roles import Roles
from lopt.records.analysis import Linearization
from lopt.records.portraits import ConditionNumbers
from lopt.records.results import Results

__all__ = ["CAPTION", "READS", "TITLE", "Column", "Data", "Modes", "draw", "numbers", "read"]

TITLE = "Modes"
CAPTION = """\
**Modes** of every trained optimizer on the plane of learning rate and momentum; black star: the
heavy ball that is optimal for the task's range of eigenvalues, orange star: tuned momentum.
"""
READS = ("selection", "portraits", "linearization_early", "momentum")


class Modes(NamedTuple):
    """The modes of one optimizer, conjugate pairs and clusters of equal eigenvalues once."""

    learning_rates: Float[np.ndarray, " mode"]
    momenta: Float[np.ndarray, " mode"]
    pairs: Bool[np.ndarray, " mode"]


class Column(NamedTuple):
    """What is shown of one task; hyperparameters are (learning rate, momentum) or NaN."""

    task: str
    seed: int
    early: int | None
    modes: dict[int, Modes]
    optimum: tuple[float, float]
    tuned: tuple[float, float]


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
    portrait, tuned = results.portrait(task), (np.nan, np.nan)
    optimum = (np.nan, np.nan)
    if isinstance(portrait, ConditionNumbers):
        optimum = float(portrait.optimal_learning_rate), float(portrait.optimal_momentum)
    if "momentum" in results.baselines:
        best = results.best(task, "momentum")["hyperparameters"]
        tuned = float(best["learning_rate"]), float(best.get("momentum", np.nan))
    early = results.early.get(task)
    seeds = [*results.seeds[task], *([] if early is None else [early])]
    modes = {seed: _modes(results.linearization(task, seed)) for seed in seeds}
    return Column(task, results.selected(task), early, modes, optimum, tuned)


def _modes(linearization: Linearization) -> Modes:
    drawn = linearization.heads == 1
    pairs = np.imag(linearization.eigenvalues)[drawn] > 0.0
    return Modes(linearization.whole_learning_rates[drawn], linearization.momenta[drawn], pairs)


@style.styled
def draw(data: Data) -> Figure:
    """Draw the figure."""
    figure, axes = layout.panels([1.79], len(data.columns))
    tuned = _star(data.roles.role("momentum").color, 12.0)
    for panel, column in zip(axes[0], data.columns, strict=True):
        _plane(panel, column, tuned)
    axes[0, 0].set_ylabel(r"momentum $\beta_m = |\lambda_m|$")
    layout.column_titles(axes, data.roles.titles(data.columns))
    handles = [
        style.mark("mode, chosen seed", "o", style.LEARNED_COLOR, mec="white", mew=0.4),
        style.mark("mode, other seeds", "o", "#8A8A8A", mec="white", mew=0.4),
        style.mark("mode, ended early", "^", EARLY, mec="white", mew=0.4),
        style.mark(
            "conjugate pair", "D", style.LEARNED_COLOR, mec="white", mew=0.4, markersize=3.5
        ),
        Line2D([], [], **OPTIMUM, label="optimal heavy ball"),
        Line2D([], [], **tuned, label="tuned momentum"),
    ]
    drawn = [
        True,
        any(len(column.modes) > 1 + (column.early is not None) for column in data.columns),
        any(column.early is not None for column in data.columns),
        any(modes.pairs.any() for column in data.columns for modes in column.modes.values()),
        any(np.isfinite(column.optimum).all() for column in data.columns),
        any(np.isfinite(column.tuned).all() for column in data.columns),
    ]
    handles = [handle for handle, shown in zip(handles, drawn, strict=True) if shown]
    layout.legend(figure, handles)
    layout.small_print(figure, data.scale, data.roles.seeds(data.columns))
    return figure


def _star(color: str, size: float) -> style.Look:
    return {
        "marker": "*",
        "markersize": size,
        "markerfacecolor": color,
        "markeredgecolor": "white",
        "mew": 0.5,
        "linestyle": "",
    }


# Tuned momentum is often close by: the smaller star is drawn on top.
OPTIMUM = _star("black", 7.0)
EARLY = style.POSITIVE(0.7)  # of the green arm


def _plane(panel: Axes, column: Column, tuned: style.Look) -> None:
    colors: dict[int, ColorType] = {**style.seed_colors(list(column.modes), column.seed)}
    if column.early is not None:
        colors[column.early] = EARLY
    panel.axvline(0.0, color=style.GRAY, linewidth=0.5, zorder=0)
    panel.axhline(1.0, color=style.GRAY, linewidth=0.5, zorder=0)
    largest = max(np.abs(modes.learning_rates).max() for modes in column.modes.values())
    for seed, modes in column.modes.items():
        share = np.abs(modes.learning_rates) / (largest or 1.0)
        single = "^" if seed == column.early else "o"
        for chosen, marker in ((~modes.pairs, single), (modes.pairs, "D")):
            panel.scatter(
                modes.learning_rates[chosen],
                modes.momenta[chosen],
                s=(8.0 + 22.0 * share[chosen]) * (0.7 if marker == "D" else 1.0),
                marker=marker,
                color=colors[seed],
                edgecolors="white",
                linewidths=0.4,
                alpha=0.85,
                zorder=4 if seed == column.early else 3 if seed == column.seed else 2,
            )
    panel.plot(*column.tuned, **tuned, zorder=5)
    panel.plot(*column.optimum, **OPTIMUM, zorder=6)
    rates = [modes.learning_rates for modes in column.modes.values()]
    momenta = [modes.momenta for modes in column.modes.values()]
    stars = np.array([column.tuned, column.optimum])
    panel.set_xlim(ticks.limits_around(np.concatenate([*rates, stars[:, 0]]), 0.08))
    panel.set_ylim(0.0, max(1.05, 1.05 * float(np.nanmax(np.concatenate([*momenta, stars[:, 1]])))))
    panel.set_xlabel(r"learning rate $\alpha_m$")
    ticks.modest_ticks(panel)


def numbers(data: Data) -> pd.DataFrame:
    """Return every number drawn; ``value`` is 1 for a conjugate pair."""
    parts = []
    for column in data.columns:
        for seed, modes in column.modes.items():
            x, y = ("learning_rate", modes.learning_rates), ("momentum", modes.momenta)
            pairs = ("conjugate_pair", modes.pairs)
            parts.append(tables.rows("a", column.task, seed, "modes", x, y, pairs))
        for series, (rate, momentum) in (
            ("optimal heavy ball", column.optimum),
            ("tuned momentum", column.tuned),
        ):
            x, y = ("learning_rate", rate), ("momentum", momentum)
            parts.append(tables.rows("a", column.task, -1, series, x, y))
    return tables.table(parts)
