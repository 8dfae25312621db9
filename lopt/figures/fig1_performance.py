"""Figure 1: learned optimizers against tuned momentum, RMSProp and Adam.

Reads, per task: ``portraits/<task>.npz``, ``evaluation/<task>/losses.npz``, and
``meta_training/<task>/selection.json`` for the seed that is shown.

Draws two rows, a column per task:
  a  what the task is: the density of log10 condition numbers; the log-loss over the plane with a star at the
     minimum; the labeled points; some of the images. A task without a picture of its own shows its start
     losses.
  b  loss against iteration: the mean over all held-out problems, the band one standard error to either
     side. The mean keeps runs that diverge; a note says how many they are.
"""

from collections.abc import Callable
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MultipleLocator

from lopt.evaluation import loss_curves
from lopt.figures import layout, style, tables, ticks
from lopt.figures.roles import Roles
from lopt.records.evaluation import LEARNED
from lopt.records.portraits import (
    ConditionNumbers,
    LabelledImages,
    LabelledPoints,
    Landscape,
    Portrait,
    StartLosses,
)
from lopt.records.results import Results
from lopt.records.store import StoreError

__all__ = ["CAPTION", "READS", "TITLE", "Column", "Curve", "Data", "draw", "numbers", "read"]

TITLE = "Figure 1"
CAPTION = """\
**Performance.** Top: what each task looks like. Bottom: mean loss (± standard error over
problems) of tuned RMSProp, momentum and Adam and of the learned optimizer on the same held-out
problems. The optimizers minimize the mean of the normalized losses along the run, not the last
one.
"""
READS = ("selection", "portraits", "losses")

# The published axis of quadratics ends here; momentum falls on to rounding error, which says nothing.
LOSS_FLOORS: dict[type, float] = {ConditionNumbers: 1e-5}
FLOOR_SHARE = 1e-3  # of the largest loss: small losses are not cut off as rounding error
LOSS_DECADES = 8.0
DIVERGENCE = 10.0  # times the loss at the start: the axis does not follow a mean beyond
BINS = 30


class Curve(NamedTuple):
    """The losses of one optimizer; ``seed`` is -1 for a tuned one."""

    optimizer: str
    seed: int
    mean: Float[np.ndarray, " steps_plus_1"]
    standard_error: Float[np.ndarray, " steps_plus_1"]
    diverged: int
    """Problems on which it diverged; they are in the mean."""


class Column(NamedTuple):
    """What is shown of one task."""

    task: str
    seed: int
    problems: int
    portrait: Portrait
    curves: tuple[Curve, ...]


class Data(NamedTuple):
    """Everything that the figure shows."""

    scale: str
    roles: Roles
    columns: tuple[Column, ...]


def read(results: Results) -> Data:
    """Read what the figure shows.

    Raises:
        StoreError: if a file is missing or damaged, or the selected seed was not evaluated.
    """
    return Data(
        results.scale, Roles.of(results), tuple(_column(results, task) for task in results.tasks)
    )


def _column(results: Results, task: str) -> Column:
    seed, evaluation = results.selected(task), results.evaluation(task)
    shown = [
        Curve(str(optimizer), int(run_seed), mean, error, int(diverged))
        for optimizer, run_seed, mean, error, diverged in zip(
            evaluation.optimizers, evaluation.seeds, *loss_curves(evaluation), strict=True
        )
        if optimizer != LEARNED or run_seed == seed
    ]
    if not any(curve.optimizer == LEARNED for curve in shown):
        raise StoreError(
            f"evaluation/{task}/losses.npz: has no run of the learned optimizer with "
            f"the selected seed {seed}; its runs have {evaluation.seeds.tolist()}"
        )
    order = Roles.of(results).in_order(curve.optimizer for curve in shown)
    shown.sort(key=lambda curve: order.index(curve.optimizer))
    problems = evaluation.losses.shape[1]
    return Column(task, seed, problems, results.portrait(task), tuple(shown))


@style.styled
def draw(data: Data) -> Figure:
    """Draw the figure."""
    figure, axes = layout.panels([1.48, 1.48], len(data.columns))
    for (top, bottom), column in zip(axes.T, data.columns, strict=True):
        PICTURES[type(column.portrait)](top, column.portrait)
        _losses(bottom, column, data.roles)
    axes[1, 0].set_ylabel("loss")
    layout.column_titles(axes, data.roles.titles(data.columns))
    layout.row_letters(axes)
    names = data.roles.in_order(
        curve.optimizer for column in data.columns for curve in column.curves
    )
    layout.legend(figure, [Line2D([], [], **data.roles.role(name).line()) for name in names])
    problems = sorted({column.problems for column in data.columns})
    layout.small_print(
        figure,
        data.scale,
        data.roles.seeds(data.columns),
        f"mean ± standard error over {' / '.join(map(str, problems))} problems",
    )
    return figure


def _losses(panel: Axes, column: Column, roles: Roles) -> None:
    panel.set_yscale("log", nonpositive="clip")
    start = max(float(curve.mean[0]) for curve in column.curves)
    for curve in column.curves:
        role, k = roles.role(curve.optimizer), np.arange(len(curve.mean))
        with np.errstate(invalid="ignore"):
            low, high = curve.mean - curve.standard_error, curve.mean + curve.standard_error
        converges = curve.mean <= DIVERGENCE * start  # elsewhere the band would be a stripe
        panel.fill_between(
            k, low, high, where=converges, color=role.color, alpha=0.25, linewidth=0.0
        )
        panel.plot(k, curve.mean, **role.line(), zorder=3 if curve.optimizer == LEARNED else 2)
    means = np.concatenate([curve.mean for curve in column.curves])
    low, high = ticks.log_limits(means[~(means > DIVERGENCE * start)], LOSS_DECADES)
    floor = LOSS_FLOORS.get(type(column.portrait), 0.0)
    panel.set_ylim(floor if low < floor < FLOOR_SHARE * high else low, high)
    _divergence(panel, column, roles)
    panel.set_xlim(0, max(len(curve.mean) for curve in column.curves) - 1)
    panel.set_xlabel("iteration")
    panel.yaxis.set_major_locator(LogLocator(numticks=7))
    ticks.modest_ticks(panel)


def _divergence(panel: Axes, column: Column, roles: Roles) -> None:
    """Say which optimizers diverged, and on how many of the problems."""
    for curve in column.curves:
        if curve.diverged:
            role = roles.role(curve.optimizer)
            note = f"{role.label} diverges on {curve.diverged} of {column.problems}"
            layout.note_above(panel, note, role.color)


def _condition_numbers(panel: Axes, portrait: ConditionNumbers) -> None:
    density, edges = _density(portrait.log10_condition_numbers)
    panel.stairs(density, edges, fill=True, color="#8FA3B8", edgecolor="none")
    panel.stairs(density, edges, color="#46596C", linewidth=0.7)
    panel.set(xlabel="condition number", ylabel="density (per decade)", ylim=(0.0, None))
    panel.set_xlim(min(0.0, edges[0]), max(np.ceil(edges[-1]), 1.0))
    ticks.modest_ticks(panel)
    panel.xaxis.set_major_locator(MultipleLocator(1.0))
    panel.xaxis.set_major_formatter(FuncFormatter(_power_of_ten))


def _landscape(panel: Axes, portrait: Landscape) -> None:
    # Below 10^-1 the narrow valley's floor falls between the grid's points: nothing to see there.
    image = panel.pcolormesh(
        portrait.x,
        portrait.y,
        portrait.log10_losses,
        cmap="viridis",
        vmin=max(-1.0, float(portrait.log10_losses.min())),
        shading="gouraud",
        rasterized=True,
    )
    x, y = portrait.minimum
    panel.plot(x, y, "*", color="white", markeredgecolor=style.INK, markersize=9, mew=0.6)
    panel.set(xlabel="$x$", ylabel="$y$")
    ticks.modest_ticks(panel)
    bar = panel.figure.colorbar(image, ax=panel, pad=0.02, aspect=18, extend="min")
    bar.set_label(r"$\log_{10}$ loss")
    bar.outline.set_linewidth(0.5)


def _points(panel: Axes, portrait: LabelledPoints) -> None:
    looks = [("o", "#3B4CA0"), ("^", "#D98032"), ("s", "#3F8F5B"), ("D", "#A0457D")]
    for label, (marker, color) in zip(np.unique(portrait.labels), cycle(looks), strict=False):
        chosen = portrait.positions[portrait.labels == label]
        panel.plot(
            *chosen.T,
            marker,
            color=color,
            markersize=2.2,
            alpha=0.7,
            mew=0.0,
            label=f"class {label}",
        )
    panel.set(xlabel="input 1", ylabel="input 2")
    panel.set_aspect("equal", adjustable="datalim")
    ticks.modest_ticks(panel)


def _images(panel: Axes, portrait: LabelledImages) -> None:
    columns = next(n for n in (5, 4, 3, 2, 1) if len(portrait.images) % n == 0)
    gap = max(1, portrait.images.shape[1] // 8)
    framed = np.pad(portrait.images, ((0, 0), (gap, gap), (gap, gap)))
    _, height, width = framed.shape
    grid = framed.reshape(-1, columns, height, width).swapaxes(1, 2)
    mosaic = grid.reshape(-1, columns * width)
    panel.imshow(mosaic, cmap="gray_r", vmin=0.0, vmax=1.0, interpolation="nearest")
    panel.set(xticks=[], yticks=[])
    panel.set_aspect("equal", adjustable="datalim")  # the panel stays as high as its neighbors
    panel.spines[:].set_visible(False)
    rows, columns = portrait.images.shape[1:]
    panel.set_xlabel(f"images of {rows} \N{MULTIPLICATION SIGN} {columns} pixels")


def _start_losses(panel: Axes, portrait: StartLosses) -> None:
    density, edges = _density(portrait.log10_losses)
    panel.stairs(density, edges, fill=True, color="#8FA3B8")
    panel.set(xlabel="loss at the start", ylabel="density (per decade)", ylim=(0.0, None))
    panel.xaxis.set_major_formatter(FuncFormatter(_power_of_ten))
    ticks.modest_ticks(panel)


# How each kind of portrait is drawn.
PICTURES: dict[type, Callable[[Axes, Any], None]] = {
    ConditionNumbers: _condition_numbers,
    Landscape: _landscape,
    LabelledPoints: _points,
    LabelledImages: _images,
    StartLosses: _start_losses,
}


def _density(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.histogram(values[np.isfinite(values)], bins=BINS, density=True)


def _power_of_ten(exponent: float, _: int) -> str:
    return f"$10^{{{exponent:g}}}$"


def numbers(data: Data) -> pd.DataFrame:
    """Return every number drawn."""
    parts = []
    for column in data.columns:
        parts.append(_portrait_rows(column.task, column.portrait))
        for curve in column.curves:
            parts.append(
                tables.rows(
                    "b",
                    column.task,
                    curve.seed,
                    curve.optimizer,
                    ("iteration", np.arange(len(curve.mean))),
                    ("mean_loss", curve.mean),
                    ("standard_error", curve.standard_error),
                )
            )
    return tables.table(parts)


def _portrait_rows(task: str, portrait: Portrait) -> pd.DataFrame:
    match portrait:
        case ConditionNumbers(values) | StartLosses(values):
            density, edges = _density(values)
            quantity = type(portrait)._fields[0].removesuffix("s")
            x, y = (quantity, (edges[1:] + edges[:-1]) / 2.0), ("density", density)
            return tables.rows("a", task, -1, "problems", x, y, ("bin_width", np.diff(edges)))
        case Landscape():
            x, y = np.meshgrid(portrait.x, portrait.y)
            grid = tables.rows(
                "a",
                task,
                -1,
                "landscape",
                ("x", x),
                ("y", y),
                ("log10_loss", portrait.log10_losses),
            )
            star = tables.rows(
                "a", task, -1, "minimum", ("x", portrait.minimum[0]), ("y", portrait.minimum[1])
            )
            return tables.table([grid, star])
        case LabelledImages(images, labels):
            row, column = np.indices(images.shape[1:])
            return tables.table(
                tables.rows(
                    "a",
                    task,
                    -1,
                    f"image {number}, class {label}",
                    ("column", column),
                    ("row", row),
                    ("gray", image),
                )
                for number, (image, label) in enumerate(zip(images, labels, strict=True))
            )
        case LabelledPoints():
            x, y = portrait.positions.T
            return tables.rows(
                "a", task, -1, "points", ("input_1", x), ("input_2", y), ("label", portrait.labels)
            )
