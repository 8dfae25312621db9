"""Count in how many optimizers of each kind every statement holds, and where published numbers fall."""

from lopt.process import prepare

logger = prepare(log=snakemake.log[0])

import pandas as pd

from lopt.census_collection import failures
from lopt.claims import census, census_page, draws
from lopt.lineage import write_record
from lopt.records import store, stored
from lopt.records.layout import identify
from lopt.records.published import published_values


def main(wildcards, inputs, params, output) -> None:
    measured = pd.concat(
        [stored.load_census_measured(path, **identify(path)) for path in inputs.measured],
        ignore_index=True,
    )
    failed = pd.concat(
        [failures(path, identify(path)["task"]) for path in inputs.collections],
        ignore_index=True,
    )
    published = published_values()
    shares = census.shares(measured, published)
    ranks = census.rank_correlations(measured)
    intervals = draws.intervals(measured, published)
    searches = [
        (identify(path)["task"], identify(path)["optimizer"], store.load_table(path))
        for path in inputs.searches
    ]
    tuned = draws.of_searches(searches, published)
    everything = pd.concat([intervals, tuned], ignore_index=True)
    store.save_table(output.measured, measured)
    store.save_table(output.census, shares)
    store.save_table(output.ranks, ranks)
    store.save_table(output.failures, failed)
    store.save_table(output.draws, everything)
    page = census_page.markdown(wildcards.scale, measured, shares, ranks, failed, everything)
    store.save_bytes(output.page, page.encode())


main(snakemake.wildcards, snakemake.input, snakemake.params, snakemake.output)
write_record(snakemake)
