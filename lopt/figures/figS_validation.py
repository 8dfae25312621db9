"""Supplement: the analysis on optimizers whose answers are known.

Reads ``validation.csv``.

Draws, grouped by optimizer, one row per kind of answer (those that differ only by mode, gradient, arm or
change share one): errors as dots, in units of their tolerances, on a logarithmic axis. Left of the line at 1
they pass; hollow ones fail. Errors of 0 sit at the left end. At the right, the largest error itself. More
rows than a page has go on in a second column.
"""

import re
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lopt.figures import layout, style, tables
from lopt.records.results import Results

__all__ = ["CAPTION", "READS", "TITLE", "Data", "draw", "kind", "numbers", "read"]

TITLE = "Validation"
CAPTION = """\
**Validation**: errors of the analysis on optimizers whose answers are known, beside the
tolerances.
"""
READS = ("validation",)

LOWEST, HIGHEST = 1e-9, 1e3  # of error over tolerance; what lies beyond is drawn there
ROW_HEIGHT = 0.135  # inches
LONGEST = 60  # rows of a single column
COLUMN_WIDTH = 3.9  # inches of each of two
PASSED, FAILED = "#1F9A78", "#C93C32"


class Data(NamedTuple):
    """Everything that the figure shows: one entry per known answer."""

    scale: str
    optimizers: tuple[str, ...]
    quantities: tuple[str, ...]
    errors: Float[np.ndarray, " answer"]
    tolerances: Float[np.ndarray, " answer"]
    passed: tuple[bool, ...]


def read(results: Results) -> Data:
    """Read what the figure shows.

    Raises:
        StoreError: if the file is missing or damaged.
    """
    table = results.validation()
    return Data(
        scale=results.scale,
        optimizers=tuple(table["optimizer"].astype(str)),
        quantities=tuple(table["quantity"].astype(str)),
        errors=table["error"].to_numpy(float),
        tolerances=table["tolerance"].to_numpy(float),
        passed=tuple(table["verdict"] == "pass"),
    )


def kind(quantity: str) -> str:
    """Return a quantity's name without the mode, gradient, arm or change that it belongs to.

    >>> kind("momentum of mode 3"), kind("rate after g = -0.3 over another"), kind("level, negative arm")
    ('momentum of mode', 'rate after g over another', 'level')
    >>> kind("no_drift: closed form")
    'closed form'
    """
    found = re.sub(r", (negative|positive) arm$|( =)? -?\d[\d.e+-]*", "", quantity)
    return found.rpartition(": ")[2]


@style.styled
def draw(data: Data) -> Figure:
    """Draw the figure."""
    rows: Rows = {}
    for answer, (optimizer, quantity) in enumerate(
        zip(data.optimizers, data.quantities, strict=True)
    ):
        rows.setdefault(optimizer, {}).setdefault(kind(quantity), []).append(answer)
    parts = _columns(rows)
    count = max(map(_count, parts))
    width = layout.PAGE_WIDTH if len(parts) == 1 else COLUMN_WIDTH * len(parts)
    figure, axes = layout.panels([0.17 + ROW_HEIGHT * count], len(parts), width)
    for panel, part in zip(axes[0], parts, strict=True):
        _answers(panel, data, part)
        panel.set_ylim(count - 0.3, -0.7)
    dot = {"marker": "o", "linestyle": "", "markersize": 4.0}
    layout.legend(
        figure,
        [
            Line2D([], [], color=PASSED, **dot, label="passes"),
            Line2D([], [], color=FAILED, markerfacecolor="none", **dot, label="fails"),
        ],
    )
    note = "right: the largest error, relative where the truth exceeds 1"
    layout.small_print(figure, data.scale, note=note)
    return figure


Rows = dict[str, dict[str, list[int]]]
"""Which answers each row has, by optimizer and kind."""


def _count(rows: Rows) -> int:
    """Return how many lines these rows take: each optimizer has one of its own."""
    return sum(1 + len(kinds) for kinds in rows.values())


def _columns(rows: Rows) -> list[Rows]:
    """Return the rows as one column, or as two of about the same length where they are many."""
    if _count(rows) <= LONGEST or len(rows) == 1:
        return [rows]
    entries = list(rows.items())
    splits = [(dict(entries[:at]), dict(entries[at:])) for at in range(1, len(entries))]
    return list(min(splits, key=lambda split: max(map(_count, split))))


def _answers(panel: Axes, data: Data, rows: Rows) -> None:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = data.errors / data.tolerances  # an exact answer has the tolerance 0
    ratios = np.where(data.errors == 0.0, 0.0, np.nan_to_num(ratios, nan=np.inf))
    places = np.clip(ratios, LOWEST, HIGHEST)
    labels = []
    for optimizer, kinds in rows.items():
        labels.append((optimizer, "bold"))
        for name, answers in kinds.items():
            height = len(labels)
            labels.append((name, "normal"))
            for answer in answers:
                color = PASSED if data.passed[answer] else FAILED
                face = color if data.passed[answer] else "none"
                panel.plot(places[answer], height, color=color, marker="o", markerfacecolor=face)
            worst = data.errors[answers].max()
            panel.annotate(
                f"{worst:.1g}" if worst else "0",
                (1.0, height),
                xycoords=("axes fraction", "data"),
                xytext=(3.0, 0.0),
                textcoords="offset points",
                fontsize=6.0,
                va="center",
            )
    panel.axvline(1.0, color=style.INK, linewidth=0.8, zorder=0)
    panel.hlines(range(len(labels)), LOWEST, HIGHEST, color="#EEEEEE", linewidth=0.5, zorder=-1)
    panel.set_yticks(range(len(labels)), [text for text, _ in labels])
    for tick, (_, weight) in zip(panel.get_yticklabels(), labels, strict=True):
        tick.set_fontweight(weight)
    panel.tick_params(axis="y", length=0.0)
    panel.set(xscale="log", xlim=(LOWEST / 3.0, 3.0 * HIGHEST))
    panel.set_xlabel("error / tolerance")


def numbers(data: Data) -> pd.DataFrame:
    """Return every number drawn."""
    return tables.table(
        tables.rows(
            "a",
            "",
            -1,
            f"{optimizer}: {quantity}",
            ("error", error),
            ("tolerance", tolerance),
        )
        for optimizer, quantity, error, tolerance in zip(
            data.optimizers, data.quantities, data.errors, data.tolerances, strict=True
        )
    )
