"""Read the mechanism off one trained optimizer: runs, fixed points, modes, responses."""

import time

from lopt.process import prepare

logger = prepare(threads=snakemake.threads, x64=True, log=snakemake.log[0])


from lopt.analysis.grids import arms, gradient_edges, update_gradients
from lopt.analysis.stages import study_stages
from lopt.learned.stored import load_optimizer
from lopt.lineage import write_record
from lopt.records import store
from lopt.tasks import make_task


def main(wildcards, inputs, params, output) -> None:
    settings = params.analysis
    task = make_task(wildcards.task, params.problem)
    family, theta, metadata = load_optimizer(
        inputs.theta, task=wildcards.task, seed=int(wildcards.seed)
    )
    limit = settings["update_gradients"]
    facts = {key: metadata[key] for key in ("task", "seed", "optimizer")}
    began = time.monotonic()

    for name, record in study_stages(
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
    ):
        logger.info("%s after %.1f s", name, time.monotonic() - began)
        store.save(output[name], record, facts)


main(snakemake.wildcards, snakemake.input, snakemake.params, snakemake.output)
write_record(snakemake)
