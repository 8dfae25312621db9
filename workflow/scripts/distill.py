"""Read a hand-written optimizer's numbers off the analysis, and say how much of the lead it recovers."""

from lopt.process import prepare

logger = prepare(threads=snakemake.threads, training=True, log=snakemake.log[0])

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from lopt.analysis.costs import objectives
from lopt.analysis.distill import read_off, recovered, search_ranges
from lopt.keys import stream
from lopt.learned.stored import load_optimizer
from lopt.lineage import write_record
from lopt.optimizers.distilled import Distilled, DistilledTheta
from lopt.records import store, stored
from lopt.records.analysis import Linearization, Responses, Trajectories
from lopt.records.evaluation import LEARNED, Evaluation
from lopt.records.layout import identify
from lopt.tasks import make_task, sample_batch
from lopt.tuning import Rung, search
from lopt.unrolling import evaluate

FACTOR = 4.0  # of the search around what was read off
RUNGS = ((0.1, 16), (0.2, 64))  # share kept, problems


def numbers_of(inputs):
    """Yield (seed, numbers read off) of every trained optimizer."""
    for paths in zip(
        inputs.theta, inputs.trajectories, inputs.linearization, inputs.responses, strict=True
    ):
        place = identify(paths[0])
        family, theta, _ = load_optimizer(paths[0], **place)
        kinds = (Trajectories, Linearization, Responses)
        records = [
            store.load(path, kind, expect=place)[0]
            for path, kind in zip(paths[1:], kinds, strict=True)
        ]
        try:
            yield place["seed"], read_off(family.component(theta), *records)
        except ValueError as error:
            logger.info("seed %d can't be distilled: %s", place["seed"], error)


def tuned(task, theta, params):
    """Return the best of a random search around ``theta``."""
    settings, steps = params.tuning, params.steps
    rungs = [Rung(keep, count, steps) for keep, count in RUNGS if count < settings["problems"]]
    result = search(
        task,
        Distilled(),
        search_ranges(theta, FACTOR),
        samples=params.interventions["tuning_samples"],
        problems=settings["problems"],
        steps=steps,
        seed=0,
        fresh_problems=settings["fresh_problems"],
        rungs=rungs,
        divergence_factor=settings["divergence_factor"],
    )
    return DistilledTheta(*(float(value) for value in result.winner.theta))


def main(wildcards, inputs, params, output) -> None:
    task = make_task(wildcards.task, params.problem)
    evaluation, _ = store.load(inputs.losses, Evaluation, expect={"task": wildcards.task})
    count = min(params.evaluation["problems"], params.interventions["problems"])
    problems = sample_batch(task, stream(0, "evaluation"), params.evaluation["problems"])
    problems = jax.tree.map(lambda leaf: leaf[:count], problems)
    found = {
        (name, int(seed)): objectives(losses[:count])
        for name, seed, losses in zip(*evaluation, strict=True)
    }
    tuned_ones = {name: values for (name, _), values in found.items() if name != LEARNED}
    best = min(tuned_ones, key=lambda name: np.mean(tuned_ones[name]))
    selected, candidates = stored.load_selection(inputs.selection[0]), []
    for seed, theta in numbers_of(inputs):
        candidates.append(("read off", seed, theta))
        if seed == selected and params.interventions["tuning_samples"]:
            candidates.append(("tuned", seed, tuned(task, theta, params)))
    rows, batch = [], params.interventions["batch_size"]
    for kind, seed, theta in candidates:
        traced = jax.tree.map(lambda value: jnp.asarray(value, jnp.float32), theta)
        losses = evaluate(task, Distilled(), traced, problems, steps=params.steps, batch_size=batch)
        own = objectives(np.asarray(losses))
        share = recovered(own, found[LEARNED, seed], tuned_ones[best])
        rows.append(
            {
                "task": wildcards.task,
                "seed": seed,
                "numbers": kind,
                "problems": count,
                "diverged": int(np.isinf(own).sum()),
                "meta_objective": float(np.mean(own)),
                "learned": float(np.mean(found[LEARNED, seed])),
                "baseline": best,
                "baseline_meta_objective": float(np.mean(tuned_ones[best])),
                "share": share.share,
                "share_se": share.standard_error,
                **theta._asdict(),
            }
        )
    columns = ["task", "seed", "numbers", "problems", "diverged", "meta_objective", "learned"]
    columns += ["baseline", "baseline_meta_objective", "share", "share_se", *DistilledTheta._fields]
    table = pd.DataFrame(rows, columns=columns)
    logger.info("distilled\n%s", table.to_string(index=False))
    store.save_table(output[0], table)


main(snakemake.wildcards, snakemake.input, snakemake.params, snakemake.output)
write_record(snakemake)
