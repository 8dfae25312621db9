"""Update functions of tuned hand-made optimizers at several states (supplement)."""

from lopt.process import prepare

prepare(threads=snakemake.threads, x64=True, log=snakemake.log[0])

import numpy as np

from lopt import provenance
from lopt.analysis.common_optimizers import common_optimizers
from lopt.lineage import write_record
from lopt.records import store, stored
from lopt.records.layout import identify

GRID = 201


def main(wildcards, inputs, params, output) -> None:
    best = [stored.load_best(path, identify(path)["optimizer"]) for path in inputs.best]
    tuned = {entry["optimizer"]: entry["hyperparameters"] for entry in best}
    largest = params.analysis["update_gradients"]
    record = common_optimizers(tuned, np.linspace(-largest, largest, GRID))
    metadata = provenance.describe({"tuned": tuned}, task=wildcards.task, tuned=tuned)
    store.save(output[0], record, metadata)


main(snakemake.wildcards, snakemake.input, snakemake.params, snakemake.output)
write_record(snakemake)
