"""Take a tuned baseline and its trials from the released ones."""

from pathlib import Path

from lopt.process import prepare

prepare(log=snakemake.log[0])

from lopt import weights
from lopt.lineage import write_record


def main(inputs, output) -> None:
    folder = Path(inputs.sums).parent
    weights.take(folder, Path(inputs.best).relative_to(folder).as_posix(), output.best)
    weights.take(folder, Path(inputs.trials).relative_to(folder).as_posix(), output.trials)


main(snakemake.input, snakemake.output)
write_record(snakemake)
