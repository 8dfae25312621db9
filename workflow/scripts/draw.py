"""Draw one figure, whichever its rule names, and store the numbers beside it."""

from importlib import import_module

from lopt.process import prepare

prepare(threads=snakemake.threads, log=snakemake.log[0])

from lopt.figures import style
from lopt.lineage import write_record
from lopt.records import store
from lopt.records.layout import Files
from lopt.records.results import Results


def main(wildcards, inputs, params, output) -> None:
    figure = import_module(f"lopt.figures.{wildcards.figure}")
    data = figure.read(Results(Files.listed(inputs), **params.presentation))
    store.save_table(output.csv, figure.numbers(data))
    style.save(figure.draw(data), output.pdf, output.png)


main(snakemake.wildcards, snakemake.input, snakemake.params, snakemake.output)
write_record(snakemake)
