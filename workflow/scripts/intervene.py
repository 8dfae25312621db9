"""Run what every intervention makes of one trained optimizer, on a part of the evaluation's problems."""

from lopt.process import prepare

logger = prepare(threads=snakemake.threads, log=snakemake.log[0])

import jax
import numpy as np

from lopt.analysis.curvature import start_properties
from lopt.analysis.interventions import mode_counts, variants
from lopt.keys import stream
from lopt.learned.stored import load_optimizer
from lopt.lineage import write_record
from lopt.progress import Progress
from lopt.records import store
from lopt.records.analysis import Linearization
from lopt.records.interventions import InterventionRuns
from lopt.tasks import make_task, sample_batch
from lopt.unrolling import evaluate


def main(wildcards, inputs, params, output) -> None:
    facts = {"task": wildcards.task, "seed": int(wildcards.seed)}
    task, settings = make_task(wildcards.task, params.problem), params.interventions
    family, theta, _ = load_optimizer(inputs.theta, **facts)
    linearization, _ = store.load(inputs.linearization, Linearization, expect=facts)
    count = min(params.evaluation["problems"], settings["problems"])
    chosen = np.array_split(np.arange(count), settings["parts"])[int(wildcards.part)]
    problems = sample_batch(task, stream(0, "evaluation"), params.evaluation["problems"])
    problems = jax.tree.map(lambda leaf: leaf[chosen], problems)
    size = settings["batch_size"]
    curvatures, gradients = start_properties(task, problems, batch_size=size)
    made = list(variants(family, theta, linearization, mode_counts(linearization)))
    progress, losses = Progress(len(made) * len(chosen), "run", logger), []
    for variant in made:
        batches = []
        for start in range(0, len(chosen), size):
            batch = jax.tree.map(lambda leaf, at=start: leaf[at : at + size], problems)
            runs = evaluate(task, variant.family, variant.theta, batch, steps=params.steps)
            batches.append(np.asarray(runs))
            progress.report(len(losses) * len(chosen) + min(start + size, len(chosen)))
        losses.append(np.concatenate(batches))
    progress.close()
    record = InterventionRuns(
        names=np.array([variant.name for variant in made]),
        modes=np.array([variant.modes for variant in made]),
        losses=np.stack(losses),
        problems=chosen,
        start_curvatures=np.asarray(curvatures),
        start_gradients=np.asarray(gradients),
    )
    store.save(output[0], record, {**facts, "part": int(wildcards.part)})


main(snakemake.wildcards, snakemake.input, snakemake.params, snakemake.output)
write_record(snakemake)
