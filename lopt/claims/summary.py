r"""What the table of claims says in short: independent items, counted per figure and task.

Ten points of one curve are one finding. An *item* is a curve, a pair of arms' ends, or a single number: its
distance is the median over its points of |error|, with the sign of their median error, and its
tolerance the median of theirs. It agrees when the distance is within the tolerance; else it exceeds when
its median error is on the better side and errors on the worse side alone would agree; else it differs.

Rows that are marked (identified, by construction), of seeds that the figures do not show, or of which
nothing is published do not count. Points in other units than their item's first are shown in the
detailed table only.
"""

import numpy as np
import pandas as pd

from lopt.claims.verdicts import AGREES, BETTER_SIDE, DIFFERS, EXCEEDS, tolerance

__all__ = ["items", "summarize"]

ALLOWANCES = {"verdict": 1.0, "at_half_allowance": 0.5, "at_no_allowance": 0.0}


def _numbers(table: pd.DataFrame, column: str) -> np.ndarray:
    return pd.to_numeric(table[column], errors="coerce").to_numpy(float)


def items(table: pd.DataFrame) -> pd.DataFrame:
    """Return the numbers with a published value as independent items, one a row.

    Args:
        table: of ``lopt.claims.compare.compare``, or as read back from its file with texts for cells.
    """
    numbers = table[(table["comparison"] != "answer") & (table["published"] != "")]
    rows = []
    for (figure, task, item), points in numbers.groupby(["figure", "task", "item"], sort=False):
        first = points.iloc[0]
        # A mark is a fact about a value: marked and unmarked points of an item are two items.
        for mark, alike in points[points["comparison"] == first["comparison"]].groupby("mark"):
            single = len(alike) == 1
            rows.append(
                {
                    "figure": figure,
                    "task": task,
                    "item": alike.iloc[0]["quantity"] if single else item.replace("_", " "),
                    "points": len(alike),
                    **_distance(alike),
                    "mark": mark,
                    "spread": alike.iloc[0]["spread"] if single else "",
                    "smaller": alike.iloc[0]["smaller"],
                    "comparison": first["comparison"],
                    "allowance_from": ", ".join(dict.fromkeys(alike["allowance_from"])),
                }
            )
    columns = ["figure", "task", "item", "points", "distance", "tolerance", *ALLOWANCES]
    columns += ["mark", "spread", "smaller", "comparison", "allowance_from"]
    return pd.DataFrame(rows, columns=columns)


def _distance(points: pd.DataFrame) -> dict[str, float | str]:
    errors = _numbers(points, "error")
    missing = np.isnan(errors)
    # A point that can't be measured is as far away as can be, on neither side.
    sizes = np.where(missing, np.inf, np.abs(errors))
    side = BETTER_SIDE.get(points.iloc[0]["better"], np.nan)
    worse = np.where(errors * side > 0.0, 0.0, sizes)  # all of it where neither side is better
    terms = np.array([_numbers(points, c) for c in ("reading_error", "allowance", "sampling")])
    with np.errstate(invalid="ignore"):  # between an infinite error on either side
        middle = np.median(errors[~missing]) if not missing.all() else np.nan
    found = {}
    for column, share in ALLOWANCES.items():
        limits = [tolerance(reading, share * allow, draw) for reading, allow, draw in terms.T]
        limit = float(np.median(limits))
        found[column] = (
            AGREES
            if np.median(sizes) <= limit
            else EXCEEDS
            if middle * side > 0.0 and np.median(worse) <= limit
            else DIFFERS
        )
        found.setdefault("tolerance", limit)
    return {"distance": float(np.copysign(np.median(sizes), middle)), **found}


def summarize(table: pd.DataFrame) -> pd.DataFrame:
    """Return the headline: a row per published figure and task, with counts of what is independent.

    Of numbers: ``items`` and how many agree, exceed and differ, with the whole allowance, half of it
    and none. Of statements: how many agree, exceed and differ, on the seed that the figures show; how many
    agree on every seed; and of those that agree how many separate from all nulls, from some, from none
    (``lopt.claims.power``). ``marked`` are items and statements that are shown and do not count.
    """
    independent = items(table)
    of_seeds = table[(table["comparison"] == "answer") & (table["published"] != "")]
    answers = of_seeds[of_seeds["plotted"] == "yes"]
    everywhere = of_seeds["verdict"].eq(AGREES).groupby(_statement(of_seeds)).all()
    with_values = table["figure"].isin(table.loc[table["published"] != "", "figure"])
    # Of other figures nothing is published; if of none, all are shown.
    compared = table[with_values] if with_values.any() else table
    places = dict.fromkeys(zip(compared["figure"], compared["task"], strict=True))
    rows = []
    for figure, task in places:
        numbers, statements = (
            part[(part["figure"] == figure) & (part["task"] == task)]
            for part in (independent, answers)
        )
        counted, asked = (part[part["mark"] == ""] for part in (numbers, statements))
        agreed = asked[asked["verdict"] == AGREES]["separates"]
        rows.append(
            {
                "figure": figure,
                "task": task,
                "items": len(counted),
                **_counts(counted, "verdict"),
                **_counts(counted, "at_half_allowance", suffix="_at_half"),
                **_counts(counted, "at_no_allowance", suffix="_at_none"),
                "statements": len(asked),
                **_counts(asked, "verdict", prefix="statements_"),
                "statements_agree_on_all_seeds": int(everywhere[_statement(asked)].sum()),
                "separate": int((agreed == "yes").sum()),
                "separate_partly": int((agreed == "partly").sum()),
                "separate_not": int((agreed == "no").sum()),
                "marked": len(numbers) + len(statements) - len(counted) - len(asked),
            }
        )
    return pd.DataFrame(rows)


def _statement(answers: pd.DataFrame) -> pd.Index:
    """Return which statement each row answers."""
    return pd.MultiIndex.from_frame(answers[["figure", "task", "quantity"]])


def _counts(rows: pd.DataFrame, column: str, prefix: str = "", suffix: str = "") -> dict[str, int]:
    words = {AGREES: "agree", EXCEEDS: "exceed", DIFFERS: "differ"}
    return {
        f"{prefix}{word}{suffix}": int((rows[column] == name).sum()) for name, word in words.items()
    }
