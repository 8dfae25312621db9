"""Take a tuned baseline and its trials from the released ones."""

from lopt.process import prepare

prepare(log=snakemake.log[0])

from lopt import weights


def main(wildcards, params, output) -> None:
    place = f"baselines/{wildcards.task}/{wildcards.optimizer}"
    weights.take(params.folder, f"{place}/best.json", output.best)
    weights.take(params.folder, f"{place}/trials.csv", output.trials)


main(snakemake.wildcards, snakemake.params, snakemake.output)
