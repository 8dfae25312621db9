"""Take a trained optimizer and its training curve from the released ones."""

from pathlib import Path

from lopt.process import prepare

prepare(log=snakemake.log[0])

from lopt.learned import make_family, released
from lopt.lineage import write_record
from lopt.records import store


def main(wildcards, inputs, params, output) -> None:
    folder = Path(inputs.sums).parent
    _, metadata = released.load_released(folder, wildcards.task, int(wildcards.seed))
    if make_family(metadata["optimizer"]) != make_family(params.optimizer):
        raise ValueError(
            f"{inputs.theta} holds an optimizer of the form {metadata['optimizer']}, but the "
            f"configuration's is {params.optimizer}"
        )
    released.take(folder, Path(inputs.curve).relative_to(folder).as_posix(), output.curve)
    # A released file says itself how long its training took.
    measured = {key: metadata[key] for key in ("wall_seconds",) if key in metadata}
    store.save_json(output.run, measured)
    released.take(folder, Path(inputs.theta).relative_to(folder).as_posix(), output.theta)


main(snakemake.wildcards, snakemake.input, snakemake.params, snakemake.output)
write_record(snakemake)
