"""The table beside every figure: all numbers drawn, one a row.

Columns: ``panel`` (row letter), ``task``, ``seed`` (training seed of the learned optimizer, -1 where none is
involved), ``series`` (which line or cloud of the panel), then three named quantities: ``x_quantity, x``,
``y_quantity, y`` and, where something has a third number (a standard error, a color), ``value_quantity,
value``. Unused ones are empty.
"""

from collections.abc import Iterable
from string import ascii_lowercase

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

__all__ = ["COLUMNS", "panel_letter", "rows", "table"]

COLUMNS = [
    "panel",
    "task",
    "seed",
    "series",
    "x_quantity",
    "x",
    "y_quantity",
    "y",
    "value_quantity",
    "value",
]


def panel_letter(row: int) -> str:
    """Return the letter of a row of panels: a, b, ... z, aa, ab, ...

    >>> panel_letter(0), panel_letter(25), panel_letter(26)
    ('a', 'z', 'aa')
    """
    letter = ascii_lowercase[row % 26]
    return letter if row < 26 else panel_letter(row // 26 - 1) + letter


def rows(
    panel: str,
    task: str,
    seed: int,
    series: str,
    x: tuple[str, ArrayLike],
    y: tuple[str, ArrayLike],
    value: tuple[str, ArrayLike] = ("", np.nan),
) -> pd.DataFrame:
    """Return the rows of one series; each quantity is (name, numbers), a single number is repeated.

    A series without numbers has no rows.

    >>> rows("a", "rosenbrock", 0, "learned", ("iteration", [0, 1]), ("loss", [3.0, 2.0])).y.tolist()
    [3.0, 2.0]
    """
    columns = {"panel": panel, "task": task, "seed": seed, "series": series}
    arrays = [np.asarray(numbers, float).ravel() for _, numbers in (x, y, value)]
    sizes = [array.size for array in arrays]
    size = max(sizes) if min(sizes) else 0
    for name, (quantity, _), array in zip("xyv", (x, y, value), arrays, strict=True):
        name = "value" if name == "v" else name
        columns[f"{name}_quantity"] = quantity
        columns[name] = np.broadcast_to(array, size)
    return pd.DataFrame(columns, columns=COLUMNS)


def table(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return all series of a figure as one table."""
    parts = [part for part in parts if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)
