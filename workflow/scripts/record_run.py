"""Write down how a run went: times, trained optimizers, versions, configuration."""

from pathlib import Path

from lopt.process import prepare

prepare(log=snakemake.log[0])

import pandas as pd
import yaml

from lopt import report, store
from lopt.learned.gru import GRUTheta


def benchmarks(scale: str, stages: list[str]):
    """Yield (stage, job, figures) of the benchmark files that there are.

    They are read as found, not declared as inputs: a lost one must not train an optimizer anew.
    """
    for stage in stages:
        for path in sorted(Path(f"results/{scale}/benchmarks/{stage}").glob("*.tsv")):
            yield stage, path.stem, pd.read_csv(path, sep="\t").iloc[0]


def main(wildcards, inputs, params, output) -> None:
    store.save_table(output.run_times, report.run_times(benchmarks(wildcards.scale, params.stages)))
    selections = zip(params.settings["tasks"], inputs.selections, strict=True)
    selected = {task: store.load_json(path)["selected"] for task, path in selections}
    metadata = [store.load(path, GRUTheta)[1] for path in inputs.theta]
    store.save_table(output.trainings, report.trainings(metadata, selected))
    store.save_table(output.versions, report.versions())
    text = yaml.safe_dump(params.settings, sort_keys=False)
    store.save_bytes(output.configuration, text.encode())


main(snakemake.wildcards, snakemake.input, snakemake.params, snakemake.output)
