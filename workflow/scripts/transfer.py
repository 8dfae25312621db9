"""Put together how optimizers did away from home, beside how they did there."""

from lopt.process import prepare

logger = prepare(log=snakemake.log[0])

import pandas as pd

from lopt.lineage import write_record
from lopt.records import store, stored
from lopt.records.evaluation import LEARNED
from lopt.records.layout import identify


def main(inputs, output) -> None:
    homes = {}
    for path in inputs:
        homes.setdefault(identify(path)["task"], []).append(path)
    tables = []
    for home, paths in homes.items():
        table = stored.load_transfer_runs(paths, home)
        there = table[(table["condition"] == "task") & (table["home"] == table["task"])]
        at_home = table["optimizer"].map(there.set_index("optimizer")["meta_objective"])
        tables.append(table.assign(over_home=table["meta_objective"] / at_home))
    table = pd.concat(tables, ignore_index=True).drop(columns="order")
    away = table[(table["home"] != table["task"]) | (table["condition"] != "task")]
    for kind, part in ((LEARNED, away[away["optimizer"] == LEARNED]), ("all", away)):
        agree = (part["predicted"] == part["failed"]).sum()
        logger.info("prediction and outcome agree for %d of %d (%s)", agree, len(part), kind)
    store.save_table(output[0], table)


main(snakemake.input, snakemake.output)
write_record(snakemake)
