"""Run a task's tuned baselines on the census's problems, and keep the gradients that they met."""

from lopt.process import prepare

logger = prepare(threads=snakemake.threads, x64=True, log=snakemake.log[0])

from lopt.analysis import dynamics
from lopt.census_collection import baselines
from lopt.lineage import write_record
from lopt.records import store
from lopt.tasks import make_task


def main(wildcards, inputs, params, output) -> None:
    task = make_task(wildcards.task, params.problem)
    # A released file may have more of them than the scale.
    tuned = {
        name: best["hyperparameters"]
        for name, best in baselines(inputs[0]).items()
        if name in params.baselines
    }
    hand_made, moves = dynamics.hand_made(
        task,
        tuned,
        steps=params.steps,
        problems=params.evaluation["problems"],
        batch_size=params.evaluation["batch_size"],
    )
    facts = {"task": wildcards.task}
    store.save(output.hand_made, hand_made, facts)
    store.save(output.dynamics, moves, facts)


main(snakemake.wildcards, snakemake.input, snakemake.params, snakemake.output)
write_record(snakemake)
