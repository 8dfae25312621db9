r"""A published number as one more draw: where it falls among ours, and how often ours would end within it.

A learned curve depends on the seed of its training, a tuned one on the trials that its search drew. With n
independent numbers y_1 ... y_n of ours, in the units of the comparison (log10 where decades are compared),
the 95 % prediction interval of one more draw is

    mean +- t_{n-1, 0.975} s sqrt(1 + 1/n),

and a published number is *within* it, up to what it could be read off to, or above, or below.
``share_below`` is the share of ours that is below it (ties count half). The difference of two draws has the
standard deviation sqrt(2) s, and 95 % of such differences are within

    spread = t_{n-1, 0.975} sqrt(2) s,

which is the tolerance that takes the place of an allowance chosen by hand (``lopt.claims.compare``). The t is
Student's, since of few draws s itself is uncertain: 2 for many, 4.3 for three. No published number takes part
in what ours are, or in which of ours are counted.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import scipy.stats
from jaxtyping import Float
from numpy.typing import ArrayLike

from lopt.claims.census import NUMBER
from lopt.claims.measure import QUANTITIES
from lopt.records.published import Published

__all__ = [
    "COLUMNS",
    "LEAST",
    "SEARCHES",
    "interval",
    "intervals",
    "of_searches",
    "place",
    "search_column",
    "spread",
]

LEAST = 3
"""Draws that a spread is measured on."""
SEARCHES = "searches for"
"""How the ensemble of an optimizer's searches begins; its name follows."""
COLUMNS = [
    *("task", "ensemble", "name", "at", "quantity", "draws", "missing", "lowest", "median"),
    *("highest", "low", "high", "published", "share_below", "place", "spread", "comparison"),
]


def _units(values: Float[ArrayLike, " draw"], comparison: str) -> Float[np.ndarray, " draw"]:
    """Return numbers in the units of the comparison; those that have none are NaN."""
    values = np.asarray(values, np.float64)
    if comparison == "decades":
        positive = np.isfinite(values) & (values > 0.0)
        return np.where(positive, np.log10(np.where(positive, values, 1.0)), np.nan)
    return np.where(np.isfinite(values), values, np.nan)


def spread(values: Float[ArrayLike, " draw"], comparison: str) -> float:
    """Return what 95 % of the differences of two draws are within; NaN where that is not known.

    It is not known of fewer than three draws, nor where one of them is not a finite number (or, for
    decades, not positive): what diverges has no spread.

    >>> round(spread([10.0, 100.0, 1000.0], "decades"), 3)
    6.085
    """
    units = _units(values, comparison)
    if len(units) < LEAST or np.isnan(units).any():
        return np.nan
    return float(scipy.stats.t.ppf(0.975, len(units) - 1) * math.sqrt(2.0) * np.std(units, ddof=1))


def interval(values: Float[ArrayLike, " draw"], comparison: str) -> tuple[float, float]:
    """Return the 95 % prediction interval of one more draw, in the values' own units; NaN likewise."""
    units = _units(values, comparison)
    known = units[~np.isnan(units)]
    if len(known) < LEAST:
        return np.nan, np.nan
    count = len(known)
    half = scipy.stats.t.ppf(0.975, count - 1) * known.std(ddof=1) * math.sqrt(1.0 + 1.0 / count)
    ends = known.mean() - half, known.mean() + half
    low, high = (10.0**end if comparison == "decades" else end for end in ends)
    return float(low), float(high)


def _row(task: str, ensemble: str, value: Published, values: Float[ArrayLike, " draw"]) -> dict:
    values = np.asarray(values, np.float64)
    known = values[~np.isnan(_units(values, value.comparison))]
    published, (low, high) = float(value.published), interval(values, value.comparison)
    below = np.mean(known < published) + np.mean(known == published) / 2 if known.size else np.nan
    return {
        "task": task,
        "ensemble": ensemble,
        "name": value.quantity,
        "at": value.at,
        "quantity": QUANTITIES[value.quantity].text.format(at=value.at),
        "draws": len(values),
        "missing": len(values) - len(known),
        "lowest": known.min() if known.size else np.nan,
        "median": np.median(known) if known.size else np.nan,
        "highest": known.max() if known.size else np.nan,
        "low": low,
        "high": high,
        "published": value.published if value.relation == "=" else f"< {value.published}",
        "share_below": below,
        "place": place(value, low, high),
        "spread": spread(known, value.comparison),
        "comparison": value.comparison,
    }


def place(value: Published, low: float, high: float) -> str:
    """Return where a published number falls: within the interval, below or above it, or unknown.

    It counts as within if it may be, as far as it could be read off; a bound from above only counts below.
    """
    if math.isnan(low):
        return "unknown"
    published, error = float(value.published), value.reading_error
    if value.comparison == "decades":
        least, most = published / 10.0**error, published * 10.0**error
    else:
        least, most = published - error, published + error
    if value.relation == "<":
        return "within" if low <= most else "below"
    return "within" if low <= most and least <= high else "above" if least > high else "below"


def intervals(measured: pd.DataFrame, published: Sequence[Published]) -> pd.DataFrame:
    """Return where every published number of a learned optimizer falls among those of each variant.

    Args:
        measured: of all variants (``lopt.claims.census.measure``); failed trainings count as missing.
        published: the values.
    """
    numbers = measured[measured["kind"] == NUMBER]
    found = {
        key: group
        for key, group in numbers.assign(at=numbers["at"].fillna(-1.0)).groupby(
            ["task", "name", "at"], sort=False
        )
    }
    rows = []
    for value in _numbers(published):
        group = found.get((value.task, value.quantity, -1.0 if math.isnan(value.at) else value.at))
        if group is None:
            continue
        for variant, own in group.groupby("variant", sort=False):
            rows.append(_row(value.task, str(variant), value, own["measured"]))
        if group["variant"].nunique() > 1:
            rows.append(_row(value.task, "all", value, group["measured"]))
    return pd.DataFrame(rows, columns=COLUMNS)


def of_searches(
    searches: Iterable[tuple[str, str, pd.DataFrame]], published: Sequence[Published]
) -> pd.DataFrame:
    """Return where published losses and learning rates of tuned optimizers fall among repeated searches.

    Args:
        searches: (task, optimizer, the winners of ``lopt.tuning.resampling.resample``).
        published: the values.
    """
    rows = []
    for task, optimizer, table in searches:
        for value in _numbers(published):
            column = search_column(value.quantity, value.at, optimizer)
            if value.task == task and column in table:
                rows.append(_row(task, f"{SEARCHES} {optimizer}", value, table[column]))
    return pd.DataFrame(rows, columns=COLUMNS)


def search_column(quantity: str, at: float, optimizer: str) -> str:
    """Return the column of a search's winners that has a quantity; nothing if none has.

    >>> search_column("adam_loss", 100.0, "adam"), search_column("adam_loss", 1.0, "momentum")
    ('loss_100', '')
    """
    if quantity == f"{optimizer}_loss":
        return f"loss_{at:.0f}"
    return "learning_rate" if quantity == f"tuned_{optimizer}_learning_rate" else ""


def _numbers(published: Sequence[Published]) -> list[Published]:
    return [value for value in published if value.comparison != "answer" and value.published]
