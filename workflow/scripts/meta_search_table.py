"""Gather the rungs of a search in one table, the longest trained first."""

from lopt.process import prepare

prepare(log=snakemake.log[0])

import pandas as pd

from lopt.lineage import write_record
from lopt.records import store, stored
from lopt.records.layout import identify

store.save_table(
    snakemake.output[0],
    pd.concat([stored.load_search_trials(path, **identify(path)) for path in snakemake.input]),
)
write_record(snakemake)
