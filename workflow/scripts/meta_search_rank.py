"""Rank the trials of one rung."""

from lopt.process import prepare

prepare(log=snakemake.log[0])

import pandas as pd

from lopt.lineage import write_record
from lopt.meta_training import search as meta_search
from lopt.records import store, stored
from lopt.records.layout import identify

trials = pd.concat(
    [stored.load_search_trials(path, **identify(path)) for path in snakemake.input.results]
)
store.save_table(snakemake.output[0], meta_search.rank(trials))
write_record(snakemake)
