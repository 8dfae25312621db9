"""Run every learned and tuned optimizer of a task on the same held-out problems: one part of them."""

from lopt.process import prepare

logger = prepare(threads=snakemake.threads, log=snakemake.log[0])

import jax
import numpy as np

from lopt.keys import stream
from lopt.learned.stored import load_optimizer
from lopt.lineage import write_record
from lopt.optimizers import make_baseline
from lopt.progress import Progress
from lopt.records import store, stored
from lopt.records.evaluation import LEARNED, EvaluationRuns
from lopt.records.layout import identify
from lopt.tasks import Task, make_task, sample_batch
from lopt.unrolling import evaluate, held_out


def optimizers(inputs):
    """Yield (name, seed, family, theta) of all that are compared."""
    for path in inputs.theta:
        family, theta, metadata = load_optimizer(path, **identify(path))
        yield LEARNED, metadata["seed"], family, theta
    for path in inputs.best:
        best = stored.load_best(path, identify(path)["optimizer"])
        yield best["optimizer"], -1, *make_baseline(best["optimizer"], best["hyperparameters"])


def main(wildcards, inputs, params, output) -> None:
    task = make_task(wildcards.task, params.problem)
    count, batch_size = params.evaluation["problems"], params.evaluation["batch_size"]
    chosen = np.array_split(np.arange(count), params.evaluation["parts"])[int(wildcards.part)]
    problems = sample_batch(task, stream(0, "evaluation"), count)
    problems = jax.tree.map(lambda leaf: leaf[chosen], problems)
    names, seeds, losses, measures = [], [], [], []
    # What a task without such measures does stays the program that it was, to the bit.
    measured = type(task).held_out is not Task.held_out
    for name, seed, family, theta in optimizers(inputs):
        logger.info("%s %s", name, "" if seed < 0 else f"seed {seed}")
        progress, batches, ends = Progress(len(chosen), "problem", logger), [], []
        for start in range(0, len(chosen), batch_size):
            batch = jax.tree.map(lambda leaf, at=start: leaf[at : at + batch_size], problems)
            if measured:
                found, end = held_out(task, family, theta, batch, steps=params.steps)
                ends.append(end)
            else:
                found = evaluate(task, family, theta, batch, steps=params.steps)
            batches.append(np.asarray(found))
            progress.report(min(start + batch_size, len(chosen)))
        progress.close()
        names.append(name), seeds.append(seed), losses.append(np.concatenate(batches))
        measures.append(jax.tree.map(lambda *parts: np.concatenate(parts), *ends) if ends else {})
    known = sorted(measures[0])
    empty = np.zeros((0, len(names), len(chosen)), np.float32)
    runs = EvaluationRuns(
        optimizers=np.array(names),
        seeds=np.array(seeds),
        losses=np.stack(losses),
        problems=chosen,
        held_out_names=np.array(known, np.str_),
        held_out=np.stack([[each[name] for each in measures] for name in known])
        if known
        else empty,
    )
    store.save(output[0], runs, {"task": wildcards.task, "part": int(wildcards.part)})


main(snakemake.wildcards, snakemake.input, snakemake.params, snakemake.output)
write_record(snakemake)
