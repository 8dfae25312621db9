"""Compute what one task looks like (figure 1, top)."""

from lopt.process import prepare

prepare(threads=snakemake.threads, log=snakemake.log[0])

from lopt import provenance
from lopt.lineage import write_record
from lopt.records import store
from lopt.tasks import make_task


def main(wildcards, params, output) -> None:
    metadata = provenance.describe(
        {"task": wildcards.task, "problem": params.problem},
        task=wildcards.task,
        problem=params.problem,
    )
    store.save(output[0], make_task(wildcards.task, params.problem).portrait(), metadata)


main(snakemake.wildcards, snakemake.params, snakemake.output)
write_record(snakemake)
