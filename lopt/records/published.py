"""The published values: ``published.csv`` beside this file, one value a row.

    figure, task, quantity, at      what it is; ``quantity`` is a name in ``QUANTITIES`` or ``CRITERIA``
    relation                        "=", or "<" where the paper only bounds the value from above
    published                       the number, or yes/no for a statement
    comparison                      "decades" compares logarithms to base 10, "difference" the values
                                    themselves, "answer" yes with no
    reading_error                   how well the number could be read off, in units of ``comparison``
    allowance                       what another training run or another random search may differ by
                                    and still show the same thing, same units; set beforehand
    source, reading                 where it stands, and how it was read

Figures are those of arXiv 2011.02159, first version. Loss curves were digitised pixel by pixel and are
sampled here at ten iterations each.
"""

from pathlib import Path
from typing import NamedTuple

from lopt.records import store

__all__ = ["COMPARISONS", "Published", "published_values"]

COMPARISONS = ("decades", "difference", "answer")
RELATIONS = ("=", "<")
PATH = Path(__file__).with_name("published.csv")


class Published(NamedTuple):
    """One published value; see the module for its fields."""

    figure: str
    task: str
    quantity: str
    at: float
    relation: str
    published: str
    comparison: str
    reading_error: float
    allowance: float
    source: str
    reading: str


def published_values(path: str | Path = PATH) -> list[Published]:
    """Return all published values.

    Raises:
        StoreError: if the file lacks a column or a row can't be compared; the message says which.
    """
    table = store.load_table(path, Published._fields)
    rows = []
    for number, row in enumerate(table[list(Published._fields)].itertuples(index=False), start=2):
        value = Published(*row)._replace(figure=str(row.figure), published=str(row.published))
        problem = _problem(value)
        if problem:
            raise store.StoreError(f"{path}, line {number}: {problem}")
        rows.append(value)
    return rows


def _problem(value: Published) -> str | None:
    if value.comparison not in COMPARISONS:
        return f"comparison is {value.comparison!r}, expected one of {', '.join(COMPARISONS)}"
    if value.relation not in RELATIONS:
        return f"relation is {value.relation!r}, expected one of {', '.join(RELATIONS)}"
    if value.comparison == "answer":
        allowed = value.published in ("yes", "no")
        return None if allowed else f"published is {value.published!r}, expected yes or no"
    try:
        number = float(value.published)
    except ValueError:
        return f"published is {value.published!r}, expected a number"
    if value.comparison == "decades" and not number > 0.0:
        return f"published is {number:g}, but decades compare positive numbers only"
    if not (value.reading_error >= 0.0 and value.allowance >= 0.0):
        return "reading_error and allowance should be numbers of at least 0"
    return None
