"""Update functions of tuned momentum and RMSProp at several states (supplement)."""

from pathlib import Path

from lopt.process import prepare

prepare(threads=snakemake.threads, x64=True, log=snakemake.log[0])

import numpy as np

from lopt import provenance, store, stored
from lopt.portray import common_optimizers

GRID = 201


def main(wildcards, inputs, params, output) -> None:
    best = [stored.load_best(path, Path(path).parent.name) for path in inputs.baselines]
    tuned = {entry["optimizer"]: entry["hyperparameters"] for entry in best}
    largest = params.analysis["update_gradients"]
    record = common_optimizers(tuned, np.linspace(-largest, largest, GRID))
    metadata = provenance.describe({"tuned": tuned}, task=wildcards.task, tuned=tuned)
    store.save(output[0], record, metadata)


main(snakemake.wildcards, snakemake.input, snakemake.params, snakemake.output)
