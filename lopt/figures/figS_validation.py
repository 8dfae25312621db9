"""Supplement: the analysis on optimizers whose answers are known.

Reads ``validation.csv``.

Draws, grouped by optimizer, one row per kind of answer (those that differ only by mode, gradient or arm
share one): errors as dots, in units of their tolerances, on a logarithmic axis. Left of the line at 1 they
pass; hollow ones fail. Errors of 0 sit at the left end. At the right, the largest error itself.
"""

import re
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lopt import stored
from lopt.figures import style, tables
from lopt.figures.reading import Results

__all__ = ["Data", "draw", "kind", "numbers", "read"]

LOWEST, HIGHEST = 1e-9, 1e3  # of error over tolerance; what lies beyond is drawn there
ROW_HEIGHT = 0.135  # inches
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
    table = stored.load_validation(results.folder / "validation.csv")
    return Data(
        scale=results.scale,
        optimizers=tuple(table["optimizer"].astype(str)),
        quantities=tuple(table["quantity"].astype(str)),
        errors=table["error"].to_numpy(float),
        tolerances=table["tolerance"].to_numpy(float),
        passed=tuple(table["verdict"] == "pass"),
    )


def kind(quantity: str) -> str:
    """Return a quantity's name without the mode, gradient or arm that it belongs to.

    >>> kind("momentum of mode 3"), kind("rate after g = -0.3"), kind("level, negative arm")
    ('momentum of mode', 'rate after g', 'level')
    """
    return re.sub(r"(, (negative|positive) arm|( =)? -?\d[\d.e+-]*)$", "", quantity)


@style.styled
def draw(data: Data) -> Figure:
    """Draw the figure."""
    rows: dict[str, dict[str, list[int]]] = {}
    for answer, (optimizer, quantity) in enumerate(
        zip(data.optimizers, data.quantities, strict=True)
    ):
        rows.setdefault(optimizer, {}).setdefault(kind(quantity), []).append(answer)
    count = sum(1 + len(kinds) for kinds in rows.values())
    figure, axes = style.panels(1, 1, height=0.9 + ROW_HEIGHT * count)
    figure.set_figwidth(style.PAGE_WIDTH)
    _answers(axes[0, 0], data, rows)
    dot = {"marker": "o", "linestyle": "", "markersize": 4.0}
    style.legend(
        figure,
        [
            Line2D([], [], color=PASSED, **dot, label="passes"),
            Line2D([], [], color=FAILED, markerfacecolor="none", **dot, label="fails"),
        ],
    )
    style.small_print(figure, data.scale)
    return figure


def _answers(panel: Axes, data: Data, rows: dict[str, dict[str, list[int]]]) -> None:
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
    panel.set(xscale="log", xlim=(LOWEST / 3.0, 3.0 * HIGHEST), ylim=(len(labels) - 0.3, -0.7))
    panel.set_xlabel("error / tolerance (right: largest error, relative where the truth exceeds 1)")


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
