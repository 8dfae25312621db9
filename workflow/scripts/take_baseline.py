"""Take a tuned baseline and its trials from the released ones."""

from pathlib import Path

from lopt.process import prepare

prepare(log=snakemake.log[0])

from lopt.learned import released
from lopt.lineage import write_record


def main(inputs, output) -> None:
    folder = Path(inputs.sums).parent
    released.take(folder, Path(inputs.best).relative_to(folder).as_posix(), output.best)
    released.take(folder, Path(inputs.trials).relative_to(folder).as_posix(), output.trials)


main(snakemake.input, snakemake.output)
write_record(snakemake)
