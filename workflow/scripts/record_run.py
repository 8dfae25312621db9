"""Write down how a run went: times, trained optimizers, versions, configuration."""

from pathlib import Path

from lopt.process import prepare

prepare(log=snakemake.log[0])

import yaml

from lopt import report
from lopt.lineage import write_record
from lopt.records import store, stored
from lopt.records.layout import identify


def benchmarks(folder: Path, stages: list[str]):
    """Yield (stage, job, figures) of the benchmark files that there are.

    They are read as found, not declared as inputs: a lost one must not train an optimizer anew.
    """
    for stage in stages:
        for path in sorted((folder / stage).glob("*.tsv")):
            yield stage, path.stem, stored.load_benchmark(path)


def main(inputs, params, output) -> None:
    found = benchmarks(Path(params.benchmarks), params.stages)
    store.save_table(output.run_times, report.run_times(found))
    selected = {identify(path)["task"]: stored.load_selection(path) for path in inputs.selection}
    metadata = [
        stored.load_training(theta, **identify(theta)) | stored.load_run(run)
        for theta, run in zip(inputs.theta, inputs.run, strict=True)
    ]
    store.save_table(output.trainings, report.trainings(metadata, selected))
    store.save_table(output.versions, report.versions())
    text = yaml.safe_dump(params.settings, sort_keys=False)
    store.save_bytes(output.configuration, text.encode())


main(snakemake.input, snakemake.params, snakemake.output)
write_record(snakemake)
