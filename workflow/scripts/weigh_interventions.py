"""Say what every intervention costs on one task, and which problems it breaks."""

from lopt.process import prepare

logger = prepare(log=snakemake.log[0])

import pandas as pd

from lopt.analysis.costs import broken_table, cost_table, joined
from lopt.lineage import write_record
from lopt.records import store
from lopt.records.evaluation import Evaluation
from lopt.records.interventions import InterventionRuns
from lopt.records.layout import identify


def main(wildcards, inputs, output) -> None:
    evaluation, _ = store.load(inputs.losses, Evaluation, expect={"task": wildcards.task})
    parts: dict[int, list[InterventionRuns]] = {}
    for path in inputs.runs:
        place = identify(path)
        part, _ = store.load(path, InterventionRuns, expect=place)
        parts.setdefault(place["seed"], []).append(part)
    costs, broken = [], []
    for seed, found in parts.items():
        runs = joined(found)
        costs.append(cost_table(wildcards.task, seed, runs, evaluation))
        broken.append(broken_table(wildcards.task, seed, runs, evaluation))
    costs = pd.concat(costs, ignore_index=True)
    columns = ["optimizer", "seed", "diverged", "meta_objective", "difference", "difference_se"]
    logger.info("costs\n%s", costs[columns].to_string(index=False))
    store.save_table(output.costs, costs)
    store.save_table(output.broken, pd.concat(broken, ignore_index=True))


main(snakemake.wildcards, snakemake.input, snakemake.output)
write_record(snakemake)
