"""Close the loop of learned and tuned optimizers of one task with a quadratic, over its curvatures."""

from pathlib import Path

from lopt.process import prepare

logger = prepare(threads=snakemake.threads, log=snakemake.log[0])

import jax

from lopt.analysis.curvature import DENSE, curvatures_along_runs
from lopt.analysis.stability import curvature_grid, optimal_heavy_ball, stability_record
from lopt.keys import stream
from lopt.learned.stored import load_optimizer
from lopt.lineage import write_record
from lopt.records import store, stored
from lopt.records.analysis import Linearization
from lopt.records.evaluation import LEARNED
from lopt.records.layout import identify
from lopt.records.results import require_nulls
from lopt.tasks import make_task, sample_batch

FEW = 4  # problems of many parameters


def linearizations(wildcards, inputs, params):
    """Yield (name, seed, linearization) of learned optimizers, and of the tuned ones that have one."""
    for path in inputs.linearization:
        place = identify(path)
        yield LEARNED, place["seed"], store.load(path, Linearization, expect=place)[0]
    folder = Path(inputs.nulls[0])
    require_nulls(folder, inputs.nulls_sums[0])
    for name in params.baselines:
        path = folder / name / "linearization.npz"
        if path.exists():
            expect = {"task": wildcards.task, "null": name}
            yield name, -1, store.load(path, Linearization, expect=expect)[0]


def met(wildcards, inputs, params):
    """Return the curvatures along runs of the selected optimizer, with weights and iterations."""
    task, settings = make_task(wildcards.task, params.problem), params.analysis
    seed = stored.load_selection(inputs.selection[0])
    (path,) = (path for path in inputs.theta if identify(path)["seed"] == seed)
    family, theta, _ = load_optimizer(path, task=wildcards.task, seed=seed)
    problems = sample_batch(task, stream(0, "analysis", "problems"), settings["problems"])
    count = settings["problems"] if task.components <= DENSE else FEW
    at = sorted({0, params.steps // 20, params.steps // 8, params.steps // 3, params.steps})
    return curvatures_along_runs(
        task,
        family,
        theta,
        jax.tree.map(lambda leaf: leaf[:count], problems),
        iterations=tuple(at),
        batch_size=settings["batch_size"],
    )


def main(wildcards, inputs, params, output) -> None:
    values, weights, iterations = met(wildcards, inputs, params)
    rows = list(linearizations(wildcards, inputs, params))
    rows.append(("heavy_ball", -1, optimal_heavy_ball(values, weights)))
    record = stability_record(rows, curvature_grid(values, weights), values, weights, iterations)
    for name, seed, up_to, largest in zip(
        record.optimizers, record.seeds, record.stable_up_to, record.largest_stable, strict=True
    ):
        logger.info("%s %d: stable up to %.4g, largest %.4g", name, seed, up_to, largest)
    store.save(output[0], record, {"task": wildcards.task})


main(snakemake.wildcards, snakemake.input, snakemake.params, snakemake.output)
write_record(snakemake)
