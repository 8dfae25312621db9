"""Gather all optimizers of a task, trained here or released, in one file."""

from pathlib import Path

from lopt.process import prepare

prepare(log=snakemake.log[0])

from lopt import census_collection
from lopt.lineage import write_record


def main(inputs, params, output) -> None:
    if params.sum:
        census_collection.take(
            inputs.released, output[0], params.variants, params.settings, params.baselines
        )
        return
    census_collection.gather(
        output[0],
        trained=[Path(path).parent for path in inputs.theta],
        baselines=[Path(path).parent for path in inputs.best],
    )


main(snakemake.input, snakemake.params, snakemake.output)
write_record(snakemake)
