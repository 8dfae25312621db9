"""Take a trained optimizer and its training curve from the released ones."""

from lopt.process import prepare

prepare(log=snakemake.log[0])

from lopt import weights


def main(wildcards, params, output) -> None:
    _, metadata = weights.load_released(params.folder, wildcards.task, int(wildcards.seed))
    if metadata["optimizer"] != params.optimizer:
        raise ValueError(
            f"{params.folder}/{wildcards.task}/seed_{wildcards.seed}.npz holds an optimizer of the form "
            f"{metadata['optimizer']}, but the configuration's is {params.optimizer}"
        )
    name = f"{wildcards.task}/seed_{wildcards.seed}"
    weights.take(params.folder, f"{name}.csv", output.curve)
    weights.take(params.folder, f"{name}.npz", output.theta)


main(snakemake.wildcards, snakemake.params, snakemake.output)
