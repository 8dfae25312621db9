"""Write the spreads of repeated searches from a census: ``python -m lopt.claims.search_spreads
results/census``.

What the winners of resampled searches (``lopt.tuning.resampling``) differ by, for every published number of a
tuned optimizer: the allowances of ``lopt.claims.compare`` in place of those that were set by hand.
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lopt.claims.draws import search_column, spread
from lopt.printing import tell
from lopt.records import store
from lopt.records.layout import identify
from lopt.records.published import Published, published_values
from lopt.records.search_spreads import COLUMNS, PATH
from lopt.records.store import StoreError

__all__ = ["main", "spreads"]


def spreads(results: str | Path, published: Sequence[Published]) -> pd.DataFrame:
    """Return the spreads of a census's searches, a published number of a tuned optimizer a row.

    Raises:
        StoreError: if there are no searches, or a table is damaged.
    """
    rows = []
    paths = sorted(Path(results).glob("census/*/searches/*.csv"))
    if not paths:
        raise StoreError(f"{results}: has no resampled searches (census/<task>/searches)")
    for path in paths:
        place, winners = identify(path), store.load_table(path)
        for value in published:
            column = search_column(value.quantity, value.at, place["optimizer"])
            if value.task != place["task"] or not value.published or column not in winners:
                continue
            found = spread(winners[column], value.comparison)
            if not math.isnan(found):
                rows.append(
                    {
                        "task": value.task,
                        "optimizer": place["optimizer"],
                        "quantity": value.quantity,
                        "at": value.at,
                        "comparison": value.comparison,
                        "spread": found,
                        "searches": len(winners),
                        "samples": int(winners["samples"].iloc[0]),
                        "pool": int(winners["pool"].iloc[0]),
                    }
                )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error is one line, and the status 1."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("results", help="the folder of a scale with a census, results/<scale>")
    parser.add_argument("output", nargs="?", default=PATH, help="the table (default: lopt's own)")
    options = parser.parse_args(arguments)
    try:
        table = spreads(options.results, published_values())
        text = table.to_csv(index=False, float_format="%.4g", lineterminator="\n")
        store.save_bytes(options.output, text.encode())
    except StoreError as error:
        parser.exit(1, f"error: {error}\n")
    tell(f"wrote {options.output}: {len(table)} spreads")


if __name__ == "__main__":
    main()
