"""Put the parts of a task's evaluation together, and summarize it."""

from lopt.process import prepare

logger = prepare(log=snakemake.log[0])

from lopt.evaluation import summarize
from lopt.lineage import write_record
from lopt.records import store
from lopt.records.evaluation import EvaluationRuns, gathered
from lopt.records.layout import identify


def main(wildcards, inputs, params, output) -> None:
    parts = [store.load(path, EvaluationRuns, expect=identify(path))[0] for path in inputs]
    evaluation, held_out = gathered(parts)
    table = summarize(wildcards.task, evaluation, held_out)
    logger.info("scores\n%s", table.to_string(index=False))
    store.save(output.losses, evaluation, {"task": wildcards.task, "steps": params.steps})
    store.save_table(output.summary, table)


main(snakemake.wildcards, snakemake.input, snakemake.params, snakemake.output)
write_record(snakemake)
