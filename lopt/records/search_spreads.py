"""How much the winners of repeated searches differ: ``search_spreads.csv`` beside this file, a number a row.

    task, optimizer, quantity, at, comparison     what it is, as in ``published.csv``
    spread                                        two standard deviations of the difference of two searches
    searches, samples, pool                       how many were resampled, of how many settings each, from
    how many

Measured, not chosen: ``python -m lopt.claims.search_spreads results/census`` writes it from the resampled
searches of a census (``lopt.tuning.resampling``). They are of the study's own settings; of tasks that are
not in it nothing is known.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from lopt.records import store
from lopt.records.entries import Number, Text

__all__ = ["COLUMNS", "PATH", "search_spreads"]

PATH = Path(__file__).with_name("search_spreads.csv")
COUNT = Number(low=1, integer=True)
COLUMNS = {
    "task": Text(),
    "optimizer": Text(),
    "quantity": Text(),
    "at": Number(missing=True),
    "comparison": Text(),
    "spread": Number(low=0),
    **dict.fromkeys(("searches", "samples", "pool"), COUNT),
}


@cache
def search_spreads(path: str | Path = PATH) -> Mapping[tuple[str, str, float, str], float]:
    """Return the spreads by (task, quantity, at, comparison); a place that is none is -1.

    Raises:
        StoreError: if the file is damaged.
    """
    table = store.load_table(path, COLUMNS)
    at = table["at"].fillna(-1.0)
    keys = zip(table["task"], table["quantity"], at, table["comparison"], strict=True)
    return dict(zip(keys, table["spread"].astype(float), strict=True))
