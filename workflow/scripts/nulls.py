"""Analyze the optimizers that the statements are held against, of one task: untrained, tuned baselines."""

from pathlib import Path

from lopt.process import prepare

logger = prepare(threads=snakemake.threads, x64=True, log=snakemake.log[0])

import jax
import numpy as np

from lopt.analysis.grids import arms, gradient_edges, update_gradients
from lopt.analysis.nulls import analyze_null, reduced_count
from lopt.keys import stream
from lopt.learned.stored import load_optimizer
from lopt.lineage import write_record
from lopt.optimizers import make_baseline
from lopt.records import checksums, store, stored
from lopt.records.evaluation import LEARNED, Evaluation
from lopt.records.layout import identify
from lopt.tasks import as_dtype, make_task, sample_batch
from lopt.unrolling import evaluate


def untrained(path):
    """Return the family, its initial theta and the seed of the optimizer stored at ``path``."""
    family, _, metadata = load_optimizer(path, **identify(path))
    return family, family.init(stream(metadata["seed"], "theta")), metadata["seed"]


def evaluate_first(task, family, theta, steps: int, evaluation) -> np.ndarray:
    """Return the losses on the first of the problems that all optimizers are evaluated on."""
    problems = sample_batch(task, stream(0, "evaluation"), evaluation["problems"])
    count, losses = reduced_count(evaluation["problems"]), []
    for start in range(0, count, evaluation["batch_size"]):
        stop = min(start + evaluation["batch_size"], count)
        batch = jax.tree.map(lambda leaf, part=slice(start, stop): leaf[part], problems)
        losses.append(np.asarray(evaluate(task, family, theta, batch, steps=steps)))
    return np.concatenate(losses)


def main(wildcards, inputs, params, output) -> None:
    task, folder, settings = (
        make_task(wildcards.task, params.problem),
        Path(output.folder),
        params.analysis,
    )
    family, theta, seed = untrained(inputs.theta)
    nulls = {"untrained": (family, theta)}
    for path in inputs.best:
        best = stored.load_best(path, identify(path)["optimizer"])
        name, tuned = best["optimizer"], best["hyperparameters"]
        nulls[name] = make_baseline(name, tuned, np.float64)
    losses = evaluate_first(
        task, family, as_dtype(theta, np.float32), params.steps, params.evaluation
    )
    facts = {"task": wildcards.task, "seed": seed}
    evaluation = Evaluation(np.array([LEARNED]), np.array([seed]), losses[None])
    store.save(folder / "untrained" / "losses.npz", evaluation, {**facts, "null": "untrained"})
    limit = settings["update_gradients"]
    for name, (family, theta) in nulls.items():
        found = analyze_null(
            task,
            family,
            theta,
            steps=params.steps,
            problems=settings["problems"],
            batch_size=settings["batch_size"],
            sample_states=settings["sample_states"],
            starts=settings["starts"],
            constant_gradients=arms(**settings["gradients"]),
            gradient_edges=gradient_edges(limit),
            update_gradients=update_gradients(limit),
        )
        for stage, record in found.stages.items():
            store.save(folder / name / f"{stage}.npz", record, {**facts, "null": name})
        store.save_json(folder / name / "missing.json", dict(found.missing))
        logger.info("%s: %s", name, ", ".join(found.stages) or "nothing")
        for stage, reason in found.missing.items():
            logger.info("%s has no %s: %s", name, stage, reason)
    store.save_json(output.sums, checksums.found(folder))


main(snakemake.wildcards, snakemake.input, snakemake.params, snakemake.output)
write_record(snakemake)
