"""Figure 6: what each mechanism is worth: the trained optimizer without it, on the same held-out problems.

Reads, per task: ``interventions/<task>/{interventions, distilled}.csv`` and
``meta_training/<task>/selection.json``.

Draws two rows, a column per task:
  a  what removing a mechanism costs: mean meta-objective over the intact optimizer's, bars with standard
     errors of the paired comparison; dots: the other training seeds; tuned baselines as lines. A bar that
     ends in an arrow leaves the panel, or some runs diverged: the number says on how many problems. Gray: the
     hand-written optimizer whose numbers are read off the analysis, and the same with tuned numbers. "none":
     a task's optimizers have no such change. "unknown": the intact optimizer diverges, so that nothing has a
     cost.
  b  meta-objective of the linearized optimizer that keeps k modes, by gain: hollow where runs diverged (then
     the median over problems times the intact mean); the intact optimizer and the baselines as lines.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lopt.figures import layout, style, tables, ticks
from lopt.figures.roles import LEARNED, Roles
from lopt.records import evaluation
from lopt.records.results import Results

__all__ = ["CAPTION", "READS", "TITLE", "Column", "Data", "Row", "draw", "numbers", "read"]

TITLE = "Figure 6"
CAPTION = """\
**What each mechanism is worth.** Top: meta-objective of the trained optimizer without one of its
mechanisms, over that of the intact one, on the same problems; gray: hand-written with numbers read off
the analysis; lines: tuned baselines. Bottom: linearized, with its k modes of the largest gain.
"""
READS = ("selection", "interventions", "distilled")

LABELS = {
    "no_drift": "no drift",
    "no_schedule": "no schedule",
    "no_clipping": "no clipping",
    "no_adaptation": "no adaptation",
    "no_adaptation_at_rest": "no adaptation, schedule",
    "linear": "linear",
    "no_memory": "no memory",
}
"""How interventions are called, from the top; others follow by their own names."""
DISTILLED = "distilled, "
LARGEST = 30.0  # cost at which bars leave the panel
HEIGHT = 0.6


class Row(NamedTuple):
    """One intervention or baseline: cost, its standard error, meta-objective, and how many runs diverged."""

    name: str
    modes: int
    cost: float
    error: float
    objective: float
    median_ratio: float
    diverged: int
    problems: int
    others: Float[np.ndarray, " seed"]
    """Costs of the other training seeds."""


class Column(NamedTuple):
    """What is shown of one task."""

    task: str
    seed: int
    intact: Row
    interventions: tuple[Row, ...]
    truncations: tuple[Row, ...]
    baselines: tuple[Row, ...]


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
    seed, table = results.selected(task), results.interventions(task)
    own = table[table["seed"] == seed]

    def rows(kind: str) -> list[Row]:
        return [_row(entry, table) for _, entry in own[own["kind"] == kind].iterrows()]

    return Column(
        task,
        seed,
        rows("intact")[0],
        (*rows("intervention"), *_distilled(results, task, seed)),
        tuple(rows("modes")),
        tuple(rows("baseline")),
    )


def _distilled(results: Results, task: str, seed: int) -> list[Row]:
    """Return the distilled optimizers of the selected seed, and what others' read off cost."""
    table = results.distilled(task)
    table = table.assign(
        optimizer=DISTILLED + table["numbers"],
        modes=-1,
        cost=table["meta_objective"] / table["learned"].where(np.isfinite(table["learned"])),
        cost_se=np.nan,
        median_ratio=np.nan,
    )
    return [_row(entry, table) for _, entry in table[table["seed"] == seed].iterrows()]


def _row(entry: pd.Series, table: pd.DataFrame) -> Row:
    others = table[(table["optimizer"] == entry["optimizer"]) & (table["seed"] != entry["seed"])]
    return Row(
        str(entry["optimizer"]),
        int(entry["modes"]),
        float(entry["cost"]),
        float(entry["cost_se"]),
        float(entry["meta_objective"]),
        float(entry["median_ratio"]),
        int(entry["diverged"]),
        int(entry["problems"]),
        others["cost"].to_numpy(float),
    )


@style.styled
def draw(data: Data) -> Figure:
    """Draw the figure."""
    figure, axes = layout.panels([0.35 + 0.19 * len(_names(data)), 1.5], len(data.columns))
    fill(axes, data)
    layout.column_titles(axes, data.roles.titles(data.columns))
    layout.row_letters(axes)
    layout.legend(figure, _handles(data))
    layout.small_print(figure, data.scale, data.roles.seeds(data.columns), _problems(data))
    return figure


def fill(axes: np.ndarray, data: Data) -> None:
    """Draw the panels into ``axes``, two rows with a column for each of the data's."""
    names = _names(data)
    for place, ((top, bottom), column) in enumerate(zip(axes.T, data.columns, strict=True)):
        _costs(top, column, data.roles, names, labelled=place == 0)
        _truncations(bottom, column, data.roles)
    axes[0, 0].set_ylabel("optimizer")
    axes[1, 0].set_ylabel("meta-objective")


def _names(data: Data) -> list[str]:
    """Return what the rows of all columns are, from the top: mechanisms first, then the hand-written."""
    found = dict.fromkeys(row.name for column in data.columns for row in column.interventions)
    order = list(LABELS)

    def place(name: str) -> tuple[bool, int]:
        return name.startswith(DISTILLED), order.index(name) if name in order else len(order)

    return sorted(found, key=place)


def _problems(data: Data) -> str:
    counts = [column.intact.problems for column in data.columns]
    if len(set(counts)) == 1:
        return f"{counts[0]} problem{'s' if counts[0] != 1 else ''}"
    return "problems: " + ", ".join(map(str, counts))


def _handles(data: Data) -> list[Line2D]:
    name = data.roles.label(evaluation.LEARNED)
    called = name[:1].lower() + name[1:]
    handles = [
        Line2D([], [], color=LEARNED.color, linewidth=5.0, label=f"{called}, changed"),
        Line2D([], [], color=LEARNED.color, linewidth=1.0, label="intact"),
    ]
    if any(row.name.startswith(DISTILLED) for c in data.columns for row in c.interventions):
        handles.append(Line2D([], [], color=style.GRAY, linewidth=5.0, label="hand-written"))
    if any(row.others.size for column in data.columns for row in column.interventions):
        handles.append(style.mark("other seeds", "o", style.INK, markersize=2.2))
    names = {row.name for column in data.columns for row in column.baselines}
    return [
        *handles,
        *(Line2D([], [], **data.roles.role(name).line()) for name in data.roles.in_order(names)),
    ]


def _limits(column: Column) -> tuple[float, float]:
    """Return the ends of the axis of costs."""
    costs = [row.cost for row in (*column.interventions, *column.baselines)]
    known = [cost for cost in costs if np.isfinite(cost) and cost <= LARGEST] + [1.0]
    beyond = len(known) <= len(costs)
    return min(0.8, 0.8 * min(known)), (1.6 if beyond else 1.25) * max(*known, 2.0)


def _costs(panel: Axes, column: Column, roles: Roles, names: list[str], labelled: bool) -> None:
    low, high = _limits(column)
    panel.set(xscale="log", xlim=(low, high), ylim=(len(names) - 0.4, -0.6))
    here = {row.name: row for row in column.interventions}
    for place, name in enumerate(names):
        if name not in here or np.isnan(here[name].cost):  # empty, it would read as a cost of 1
            panel.annotate(
                "unknown" if name in here else "none",
                (1.0, place),
                xytext=(3.0, 0.0),
                textcoords="offset points",
                va="center",
                fontsize=5.5,
                color=style.INK,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
                zorder=6,
            )
            continue
        row = here[name]
        inside = np.isfinite(row.cost) and row.cost <= high
        end = row.cost if inside else high
        color = style.GRAY if row.name.startswith(DISTILLED) else LEARNED.color
        panel.barh(place, end - 1.0, HEIGHT, left=1.0, color=color, alpha=0.85, zorder=2)
        if inside and np.isfinite(row.error):
            panel.errorbar(
                row.cost, place, xerr=row.error, color=style.INK, elinewidth=0.8, zorder=4
            )
        shown = row.others[np.isfinite(row.others) & (row.others <= high) & (row.others >= low)]
        panel.plot(
            shown, np.full(len(shown), place), "o", color=style.INK, markersize=2.2, zorder=5
        )
        if not inside:
            text = panel.annotate(
                _beyond(row),
                (high, place),
                xytext=(-3.0, 0.0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=5.5,
                color="white",
                zorder=6,
            )
            text.set_in_layout(False)  # it lies on the bar and needs no room of its own
    panel.axvline(1.0, color=LEARNED.color, linewidth=1.0, zorder=3)
    for row in column.baselines:
        if low <= row.cost <= high:
            panel.axvline(row.cost, **roles.role(row.name).line() | {"linewidth": 1.0}, zorder=1)
    ticks.modest_ticks(panel)
    labels = [LABELS.get(name, name.replace("_", " ")) for name in names]
    panel.set_yticks(range(len(names)), labels if labelled else [""] * len(names))
    panel.tick_params(axis="y", length=0.0)
    panel.set_xlabel("cost (intact: 1)")


def _beyond(row: Row) -> str:
    """Say why a bar has no end."""
    if row.diverged:
        return f"{row.diverged} of {row.problems} diverge \u2192"
    return f"{ticks.number(row.cost)} \u2192"


def _truncations(panel: Axes, column: Column, roles: Roles) -> None:
    modes = np.array([row.modes for row in column.truncations], float)
    objectives = _shown_objectives(column)
    hollow = np.array([row.diverged > 0 for row in column.truncations], bool)
    levels = [column.intact.objective, *(row.objective for row in column.baselines)]
    finite = [level for level in levels if np.isfinite(level)] or [1.0]  # of who stands still
    high, low = 3.0 * max(finite), 0.7 * min(finite)
    beyond = ~(objectives <= high)
    places = np.where(beyond, high / 1.15, objectives)
    panel.plot(modes, places, color=LEARNED.color, linewidth=0.8, zorder=2)
    for far, marker in ((False, "o"), (True, "^")):
        for diverged, face in ((False, LEARNED.color), (True, "white")):
            chosen = (beyond == far) & (hollow == diverged)
            look: Any = {"marker": marker, "color": LEARNED.color, "markerfacecolor": face}
            panel.plot(modes[chosen], places[chosen], linestyle="", **look, zorder=3)
    panel.axhline(column.intact.objective, color=LEARNED.color, linewidth=1.0, zorder=1)
    for row in column.baselines:
        panel.axhline(row.objective, **roles.role(row.name).line() | {"linewidth": 1.0}, zorder=1)
    panel.set(xscale="log", yscale="log", ylim=(low, high))
    panel.set_xlim(0.8 * modes.min(initial=1.0), 1.25 * modes.max(initial=1.0))
    panel.set_xlabel("modes kept (linear)")
    if hollow.any():
        most = max(row.diverged for row in column.truncations)
        note = f"hollow: up to {most} of {column.intact.problems} diverge"
        layout.note_above(panel, note, style.INK)
    ticks.modest_ticks(panel)
    panel.set_xticks(
        [value for value in (1, 4, 16, 64, 256) if not len(modes) or value <= modes.max()]
    )
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    panel.set_xticks([], minor=True)


def _shown_objectives(column: Column) -> Float[np.ndarray, " truncation"]:
    """Return mean meta-objectives; where runs diverged, the median ratio times the intact mean."""
    return np.array(
        [
            row.median_ratio * column.intact.objective if row.diverged else row.objective
            for row in column.truncations
        ],
        float,
    )


def numbers(data: Data) -> pd.DataFrame:
    """Return every number drawn."""
    parts = []
    for column in data.columns:
        task, seed = column.task, column.seed
        for row in (*column.interventions, *column.baselines):
            x, error = ("cost", row.cost), ("standard_error", row.error)
            parts.append(
                tables.rows("a", task, seed, row.name, x, ("diverged", row.diverged), error)
            )
            if row.others.size and row in column.interventions:
                series = f"{row.name}, other seeds"
                parts.append(tables.rows("a", task, -1, series, ("cost", row.others), ("", np.nan)))
        modes: Int[np.ndarray, " truncation"] = np.array([row.modes for row in column.truncations])
        if len(modes):
            y = ("meta_objective", _shown_objectives(column))
            diverged = ("diverged", [row.diverged for row in column.truncations])
            parts.append(tables.rows("b", task, seed, "modes kept", ("modes", modes), y, diverged))
        for row in (column.intact, *column.baselines):
            y = ("meta_objective", row.objective)
            parts.append(tables.rows("b", task, seed, row.name, ("", np.nan), y))
    return tables.table(parts)
