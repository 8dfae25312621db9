"""How far apart all optimizers of a task are, learned and hand-made, and a map of it."""

from lopt.process import prepare

prepare(threads=snakemake.threads, log=snakemake.log[0])

from lopt.analysis import dynamics
from lopt.lineage import write_record
from lopt.records import store
from lopt.records.census import Dynamics


def main(wildcards, inputs, output) -> None:
    expect = {"task": wildcards.task}
    parts = [store.load(path, Dynamics, expect=expect)[0] for path in inputs]
    store.save(output[0], dynamics.similarity(parts), {"task": wildcards.task})


main(snakemake.wildcards, snakemake.input, snakemake.output)
write_record(snakemake)
