"""Supplement: the analysis on optimizers whose answers are known.

Reads ``validation.csv``.

Draws one row per known answer, grouped by optimizer: its error (a dot, filled if it passes) and the tolerance
(a bar), on a logarithmic axis. Errors of exactly 0 sit at its left end.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lopt import store
from lopt.analysis.results import ValidationRow
from lopt.figures import style, tables
from lopt.figures.reading import Results

__all__ = ["Data", "draw", "numbers", "read"]

FLOOR = 1e-18  # where errors of 0 are drawn: below any that float64 can show
ROW_HEIGHT = 0.145  # inches
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
    table = store.load_table(results.folder / "validation.csv", ValidationRow._fields)
    return Data(
        scale=results.scale,
        optimizers=tuple(table["optimizer"].astype(str)),
        quantities=tuple(table["quantity"].astype(str)),
        errors=table["error"].to_numpy(float),
        tolerances=table["tolerance"].to_numpy(float),
        passed=tuple(table["verdict"] == "pass"),
    )


@style.styled
def draw(data: Data) -> Figure:
    """Draw the figure."""
    rows = len(data.errors) + len(set(data.optimizers))  # a heading above every group
    figure, axes = style.panels(1, 1, height=0.9 + ROW_HEIGHT * rows)
    figure.set_figwidth(style.PAGE_WIDTH)
    _answers(axes[0, 0], data)
    dot = {"marker": "o", "linestyle": "", "markersize": 4.0}
    style.legend(
        figure,
        [
            Line2D([], [], color=PASSED, **dot, label="error, passes"),
            Line2D([], [], color=FAILED, markerfacecolor="none", **dot, label="error, fails"),
            Line2D([], [], color=style.INK, marker="|", linestyle="", label="tolerance"),
        ],
    )
    style.small_print(figure, data.scale)
    return figure


def _answers(panel: Axes, data: Data) -> None:
    height, labels = 0, []
    for optimizer in dict.fromkeys(data.optimizers):
        labels.append((height, optimizer, "bold"))
        height += 1
        for row in (k for k, name in enumerate(data.optimizers) if name == optimizer):
            error = np.nan_to_num(data.errors[row], nan=np.inf)
            place = min(max(error, FLOOR), 1.0)
            color = PASSED if data.passed[row] else FAILED
            face = color if data.passed[row] else "none"
            panel.plot([place, data.tolerances[row]], [height] * 2, color=style.GREY, lw=0.8)
            panel.plot(data.tolerances[row], height, color=style.INK, marker="|", markersize=6.0)
            panel.plot(place, height, color=color, marker="o", markerfacecolor=face)
            labels.append((height, data.quantities[row], "normal"))
            height += 1
    panel.set_yticks([place for place, _, _ in labels], [text for _, text, _ in labels])
    for tick, (_, _, weight) in zip(panel.get_yticklabels(), labels, strict=True):
        tick.set_fontweight(weight)
    panel.tick_params(axis="y", length=0.0)
    panel.set(xscale="log", xlim=(FLOOR / 2.0, 2.0), ylim=(height - 0.3, -0.7))
    panel.set_xlabel("error (relative where the truth exceeds 1)")


def numbers(data: Data) -> pd.DataFrame:
    """Return every number drawn."""
    return tables.table(
        tables.rows(
            "a",
            "",
            -1,
            f"{optimizer}: {quantity}",
            ("error", error),
            ("", np.nan),
            ("tolerance", tolerance),
        )
        for optimizer, quantity, error, tolerance in zip(
            data.optimizers, data.quantities, data.errors, data.tolerances, strict=True
        )
    )
