"""The published values: ``published.csv`` beside this file, one value a row.

    figure, task, quantity, at      what it is; ``quantity`` is a name in ``QUANTITIES`` or ``CRITERIA``
    item                            the curve or pair that this is a point of, where that is not the quantity
                                    itself: points of one item are not independent and count once
    relation                        "=", or "<" where the paper only bounds the value from above
    published                       the number, or yes/no for a statement; nothing where the paper gives none:
                                    ours is then shown without a verdict
    better                          lower or higher, for a statement yes or no: what would be better than
                                    published; nothing where neither side is
    comparison                      "decades" compares logarithms to base 10, "difference" the values
                                    themselves, "answer" yes with no
    reading_error                   how well the number could be read off, in units of ``comparison``
    allowance                       what another training run or another random search may differ by
                                    and still show the same thing, same units; set beforehand
    mark                            "identified" where a setting of the study was chosen because it reproduces
                                    this value, "by construction" where our side could not come out
                                    otherwise: shown, not counted
    source, reading                 where it stands, and how it was read

Figures are those of arXiv 2011.02159, first version. Loss curves were digitized pixel by pixel and are
sampled here at ten iterations each.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from lopt.records import store

__all__ = ["COMPARISONS", "MARKS", "Published", "published_values", "with_tasks"]

COMPARISONS = ("decades", "difference", "answer")
RELATIONS = ("=", "<")
MARKS = ("", "identified", "by construction")
ANSWERS = ("yes", "no")
PATH = Path(__file__).with_name("published.csv")


class Published(NamedTuple):
    """One published value; see the module for its fields."""

    figure: str
    task: str
    quantity: str
    at: float
    item: str
    relation: str
    published: str
    better: str
    comparison: str
    reading_error: float
    allowance: float
    mark: str
    source: str
    reading: str


TEXTS = [name for name, kind in Published.__annotations__.items() if kind is str]


def published_values(path: str | Path = PATH) -> list[Published]:
    """Return all published values.

    Raises:
        StoreError: if the file lacks a column or a row can't be compared; the message says which.
    """
    table = store.load_table(path, Published._fields)[list(Published._fields)]
    # Empty cells of texts come as NaN, and figures as numbers where all of them are.
    table[TEXTS] = table[TEXTS].astype(object).where(table[TEXTS].notna(), "")
    rows = []
    for number, row in enumerate(table.itertuples(index=False), start=2):
        value = Published(*row)
        value = value._replace(**{name: str(getattr(value, name)) for name in TEXTS})
        value = value._replace(item=value.item or value.quantity)
        problem = _problem(value)
        if problem:
            raise store.StoreError(f"{path}, line {number}: {problem}")
        rows.append(value)
    return rows


def with_tasks(values: Sequence[Published], tasks: Iterable[str]) -> list[Published]:
    """Return the values, and of tasks that they don't name what is asked where nothing is published.

    That is what is asked of the task among theirs of which nothing is published (the digits).

    >>> values = published_values()
    >>> with_tasks(values, ["rosenbrock"]) == values
    True
    >>> {value.published for value in with_tasks(values, ["mine"]) if value.task == "mine"}
    {''}
    """
    known = {value.task for value in values}
    unpublished = known - {value.task for value in values if value.published}
    more = [
        value._replace(
            task=task, mark="", source="not published", reading="not a task of the paper"
        )
        for task in tasks
        if task not in known
        for value in values
        if value.task in unpublished
    ]
    if not more:
        return list(values)
    figures = list(dict.fromkeys(value.figure for value in values))
    return sorted([*values, *more], key=lambda value: figures.index(value.figure))


def _problem(value: Published) -> str | None:
    better = ("", *ANSWERS) if value.comparison == "answer" else ("", "lower", "higher")
    for field, allowed in (
        ("comparison", COMPARISONS),
        ("relation", RELATIONS),
        ("mark", MARKS),
        ("better", better),
    ):
        found = getattr(value, field)
        if found not in allowed:
            choices = ", ".join(name or "nothing" for name in allowed)
            return f"{field} is {found!r}, expected one of {choices}"
    if not value.published:
        return None
    if value.comparison == "answer":
        allowed = value.published in ANSWERS
        return None if allowed else f"published is {value.published!r}, expected yes or no"
    number = pd.to_numeric(value.published, errors="coerce")
    if not pd.notna(number):
        return f"published is {value.published!r}, expected a number"
    if value.comparison == "decades" and not number > 0.0:
        return f"published is {number:g}, but decades compare positive numbers only"
    if not (value.reading_error >= 0.0 and value.allowance >= 0.0):
        return "reading_error and allowance should be numbers of at least 0"
    return None
