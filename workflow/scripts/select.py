"""Choose the seed that the figures show."""

from lopt.process import prepare

prepare(log=snakemake.log[0])

from lopt.lineage import write_record
from lopt.meta_training import selection
from lopt.records import store, stored
from lopt.records.layout import identify


def main(paths: list[str], output: str) -> None:
    metadata = [stored.load_training(path, **identify(path)) for path in paths]
    validation = {entry["seed"]: entry["validation_meta_objective"] for entry in metadata}
    store.save_json(output, selection.select(validation))


main(list(snakemake.input.theta), snakemake.output[0])
write_record(snakemake)
