"""Evaluate every learned and tuned optimizer of a task on the same held-out problems."""

from lopt.process import prepare

logger = prepare(threads=snakemake.threads, log=snakemake.log[0])

import jax
import numpy as np

from lopt.evaluation import summarize
from lopt.keys import stream
from lopt.learned.stored import load_optimizer
from lopt.lineage import write_record
from lopt.optimizers import make_baseline
from lopt.progress import Progress
from lopt.records import store, stored
from lopt.records.evaluation import LEARNED, Evaluation
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
    problems = sample_batch(task, stream(0, "evaluation"), count)
    names, seeds, losses, measures = [], [], [], []
    # What a task without such measures does stays the program that it was, to the bit.
    measured = type(task).held_out is not Task.held_out
    for name, seed, family, theta in optimizers(inputs):
        logger.info("%s %s", name, "" if seed < 0 else f"seed {seed}")
        progress, batches, ends = Progress(count, "problem", logger), [], []
        for start in range(0, count, batch_size):
            batch = jax.tree.map(lambda leaf, at=start: leaf[at : at + batch_size], problems)
            if measured:
                found, end = held_out(task, family, theta, batch, steps=params.steps)
                ends.append(end)
            else:
                found = evaluate(task, family, theta, batch, steps=params.steps)
            batches.append(np.asarray(found))
            progress.report(min(start + batch_size, count))
        progress.close()
        names.append(name), seeds.append(seed), losses.append(np.concatenate(batches))
        measures.append(jax.tree.map(lambda *parts: np.concatenate(parts), *ends) if ends else {})
    evaluation = Evaluation(np.array(names), np.array(seeds), np.stack(losses))
    store.save(output.losses, evaluation, {"task": wildcards.task, "steps": params.steps})
    by_name = {name: np.stack([each[name] for each in measures]) for name in measures[0]}
    store.save_table(output.summary, summarize(wildcards.task, evaluation, by_name))


main(snakemake.wildcards, snakemake.input, snakemake.params, snakemake.output)
write_record(snakemake)
