"""Write down how a run went: times, trained optimizers, versions, configuration."""

from pathlib import Path

from lopt.process import prepare

prepare(log=snakemake.log[0])

import yaml

from lopt import report, store, stored
from lopt.optimizers import GRU, GRUTheta


def benchmarks(scale: str, stages: list[str]):
    """Yield (stage, job, figures) of the benchmark files that there are.

    They are read as found, not declared as inputs: a lost one must not train an optimizer anew.
    """
    for stage in stages:
        for path in sorted(Path(f"results/{scale}/benchmarks/{stage}").glob("*.tsv")):
            yield stage, path.stem, stored.load_benchmark(path)


def main(wildcards, inputs, params, output) -> None:
    store.save_table(output.run_times, report.run_times(benchmarks(wildcards.scale, params.stages)))
    selections = zip(params.settings["tasks"], inputs.selections, strict=True)
    selected = {task: stored.load_selection(path) for task, path in selections}
    metadata = [
        stored.load_trained(path, GRU, GRUTheta)[-1]
        | stored.load_run(Path(path).with_name("run.json"))
        for path in inputs.theta
    ]
    store.save_table(output.trainings, report.trainings(metadata, selected))
    store.save_table(output.versions, report.versions())
    text = yaml.safe_dump(params.settings, sort_keys=False)
    store.save_bytes(output.configuration, text.encode())


main(snakemake.wildcards, snakemake.input, snakemake.params, snakemake.output)
