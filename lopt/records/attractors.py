"""What trained optimizers end at without gradients, as a table: an attractor a row.

    table = of_optimizer("rosenbrock", 0, found)      what the analysis found (``FixedPointAnalysis``)
    drifts(table, "rosenbrock", 0)                    "-0.00149", or of several "0.0279 (65%), -0.105 (35%)"

The drift is the update that the parameters go on making there, ideally 0. Columns are those of ``COLUMNS``;
``shown`` is 1 for the convergence point that the figures show.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from lopt.records import store
from lopt.records.analysis import Code, FixedPointAnalysis
from lopt.records.entries import Number, Text

__all__ = [
    "COLUMNS",
    "drifts",
    "load_attractors",
    "of_optimizer",
    "of_results",
    "shown_attractor",
    "update",
]

COUNT, READING = Number(low=0, integer=True), Number(infinite=True, missing=True)
COLUMNS = {
    "task": Text(),
    "seed": COUNT,
    "attractor": COUNT,
    "kind": Text(tuple(code.name.lower() for code in Code)),
    "stable": Number(low=0, high=1, integer=True),
    "shown": Number(low=0, high=1, integer=True),
    "basin_share": Number(low=0, high=1),
    "learning_rate": READING,
    "learning_rate_low": READING,
    "learning_rate_high": READING,
    "drift": READING,
    "drift_low": READING,
    "drift_high": READING,
}


def shown_attractor(found: FixedPointAnalysis) -> int | None:
    """Return the row of the attractor that is the convergence point, or None if it is none of them."""
    if not len(found.attractor_points):
        return None
    away = np.linalg.norm(found.attractor_points - found.convergence_point, axis=1)
    nearest = int(np.argmin(away))
    size = float(np.linalg.norm(found.convergence_point))
    known = float(np.linalg.norm(found.convergence_error))
    same = away[nearest] <= 1e-6 * max(size, np.finfo(float).tiny) + 2.0 * known
    return nearest if same else None


def of_optimizer(task: str, seed: int, found: FixedPointAnalysis) -> pd.DataFrame:
    """Return the rows of one optimizer, the largest basin first, unstable points last."""
    count = len(found.attractor_codes)
    columns = {
        "task": [task] * count,
        "seed": seed,
        "attractor": np.arange(count),
        "kind": [Code(int(code)).name.lower() for code in found.attractor_codes],
        "stable": found.attractor_stable,
        "shown": (np.arange(count) == shown_attractor(found)).astype(int),
        "basin_share": found.attractor_basin_shares,
    }
    for name, reading in (("learning_rate", "learning_rate"), ("drift", "update")):
        bounds = getattr(found, f"attractor_{reading}_intervals")
        columns[name] = getattr(found, f"attractor_{reading}s")
        columns[f"{name}_low"], columns[f"{name}_high"] = bounds[:, 0], bounds[:, 1]
    return pd.DataFrame(columns, columns=list(COLUMNS))


def of_results(results: str | Path, task: str, seed: int) -> pd.DataFrame | None:
    """Return the rows of one optimizer from the results of a scale, or None if it was not analyzed there.

    Raises:
        StoreError: as ``lopt.records.store.load``.
    """
    path = Path(results) / "analysis" / task / f"seed_{seed}" / "fixed_points.npz"
    if not path.exists():
        return None
    found, _ = store.load(path, FixedPointAnalysis, expect={"task": task, "seed": seed})
    return of_optimizer(task, seed, found)


def update(path: str | Path, found: Mapping[tuple[str, int], pd.DataFrame | None]) -> None:
    """Put the rows of these optimizers (task, seed) in the place of those that the table at ``path`` has.

    Of one that was not analyzed (None) no rows are left. No table is made of nothing.

    Raises:
        StoreError: if the table there is damaged, or can't be written.
    """
    path = Path(path)
    parts = [rows for rows in found.values() if rows is not None and len(rows)]
    if path.exists():
        before = load_attractors(path)
        replaced = [key in found for key in zip(before["task"], before["seed"], strict=True)]
        parts.append(before[~np.array(replaced, bool)])
    elif not parts:
        return
    table = pd.concat(parts).sort_values(["task", "seed", "attractor"], kind="stable")
    content = table.to_csv(index=False, float_format="%.9g", lineterminator="\n")
    store.save_bytes(path, content.encode())


def load_attractors(path: str | Path) -> pd.DataFrame:
    """Return the table at ``path``.

    Raises:
        StoreError: as ``lopt.records.store.load_table``.
    """
    return store.load_table(path, COLUMNS)


def drifts(table: pd.DataFrame, task: str, seed: int) -> str:
    """Return the drift at every attractor of an optimizer, in words; nothing where none is known.

    Where runs end at more than one, or not all of them at one, the share of those that do stands beside.
    """
    rows = table[(table["task"] == task) & (table["seed"] == seed) & (table["stable"] == 1)]
    alone = len(rows) == 1 and rows["basin_share"].iloc[0] > 0.995
    return ", ".join(
        f"{row.drift:.3g}" + ("" if alone else f" ({row.basin_share:.0%})")
        for row in rows.itertuples()
    )
